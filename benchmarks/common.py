"""What every benchmark shares: the machine it ran on, and results as JSON in `benchmarks/results`."""

from __future__ import annotations

import json
import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from hawx.results.facts import versions

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """Return the processor, the number of its cores this process may use, their load when it began, and what numeric work uses."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    flags = set(re.findall(r"\b(?:avx2|avx512f|avx512_vnni|avx512vbmi|amx_int8|asimd)\b", cpuinfo.read_text())) if cpuinfo.exists() else set()
    family = re.search(r"cpu family\s*:\s*(\d+)[\s\S]*?model\s*:\s*(\d+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    return {
        "cpu": (found[1] if found else platform.machine()) + (f" (family {family[1]}, model {family[2]})" if family else ""),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "instructions": sorted(flags),
        "load": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
    }


def save(name: str, result: dict[str, Any]) -> Path:
    """Write a result with its provenance to `benchmarks/results/NAME.json` and return the path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    whole = {"benchmark": name, "date": datetime.now(UTC).strftime("%Y-%m-%d"), "machine": machine(), "versions": versions(), **result}
    path.write_text(json.dumps(whole, indent=1, default=_plain) + "\n", encoding="utf-8")
    return path


def _plain(value: object) -> object:
    """Turn NumPy's values into JSON's."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no JSON form")
