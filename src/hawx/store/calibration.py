"""Calibration on disk: what the kernels cost on this machine, measured once. A damaged or outdated file is measured again, never an error."""

from __future__ import annotations

import platform
from pathlib import Path

from hawx.emulate.calibrate import calibrate
from hawx.emulate.cost import COUNTS, CostModel, use_model
from hawx.emulate.native import active_target
from hawx.files import cache_folder, read_cached, write_cached

SCHEMA = 3


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
        data = read_cached(path) or {}
        per_count = {name: float(data["per_count"][name]) for name in COUNTS}
        columns = (int(data["columns"][0]), int(data["columns"][1]))
        usable = data["schema"] == SCHEMA and data["target"] == target and data["processor"] == _processor()
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    if not usable or not all(0.0 < value < 1.0 for value in per_count.values()) or min(columns) < 1:
        return None
    return CostModel(target, per_count, columns, f"calibrated, {path}")


def write_model(path: Path, model: CostModel) -> None:
    """Write `model` to `path`, whole or not at all; a folder that cannot be written is passed over."""
    data = {"schema": SCHEMA, "target": model.target, "processor": _processor(), "per_count": dict(model.per_count), "columns": list(model.columns)}
    write_cached(path, data)


def _processor() -> str:
    return f"{platform.machine()} {platform.processor()}".strip()
