"""Calibration on disk: what the kernels cost on this machine, measured once. A damaged or outdated file is measured again, never an error."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from pathlib import Path

from hawx.emulate.calibrate import calibrate
from hawx.emulate.cost import COUNTS, CostModel, use_model
from hawx.emulate.native import active_target

SCHEMA = 3


def cache_folder() -> Path:
    """Return the user's cache folder of HAWX: `HAWX_CACHE`, or `hawx` in the platform's cache folder."""
    if given := os.environ.get("HAWX_CACHE"):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "hawx"


def ensure_calibrated(folder: Path | None = None, *, again: bool = False) -> CostModel:
    """Put this machine's cost model to use and return it: from `folder` (default: the user's cache), or measured and kept there.

    Args:
        again: measure even if a usable file exists.
    """
    target = active_target()
    path = (folder or cache_folder()) / f"kernels-{platform.node() or 'machine'}-{target}.json"
    model = None if again else read_model(path, target)
    if model is None:
        model = calibrate()
        write_model(path, model)
    use_model(model)
    return model


def read_model(path: Path, target: str) -> CostModel | None:
    """Return the model in `path`, or None if there is none that can be used for `target` on this processor."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        per_count = {name: float(data["per_count"][name]) for name in COUNTS}
        columns = (int(data["columns"][0]), int(data["columns"][1]))
        usable = data["schema"] == SCHEMA and data["target"] == target and data["processor"] == _processor()
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    if not usable or not all(0.0 < value < 1.0 for value in per_count.values()) or min(columns) < 1:
        return None
    return CostModel(target, per_count, columns, f"calibrated, {path}")


def write_model(path: Path, model: CostModel) -> None:
    """Write `model` to `path`, whole or not at all; a folder that cannot be written is passed over."""
    data = {"schema": SCHEMA, "target": model.target, "processor": _processor(), "per_count": dict(model.per_count), "columns": list(model.columns)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False, encoding="utf-8") as file:
            json.dump(data, file, indent=1)
        Path(file.name).replace(path)
    except OSError:
        return


def _processor() -> str:
    return f"{platform.machine()} {platform.processor()}".strip()
