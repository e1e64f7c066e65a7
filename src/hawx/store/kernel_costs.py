"""Costs of kernels on disk: what they take on this machine, measured once. A damaged or outdated file is measured again, never an error."""

from __future__ import annotations

import platform
from dataclasses import asdict
from pathlib import Path

from hawx.blocks.knowledge import Knowledge
from hawx.emulate.cost import TERMS, CostModel, Tier
from hawx.emulate.machine import MEMORY_BYTES, Machine
from hawx.emulate.timing import time_kernels
from hawx.files import cache_folder, read_cached, write_cached
from hawx.store.tables import TableArchive

SCHEMA = 6


def timed_machine(folder: Path | None = None, *, again: bool = False, memory_bytes: int = MEMORY_BYTES) -> Machine:
    """Return a machine that knows what its kernels cost here, and what its tables are made of.

    Both come from `folder` (default: the user's cache), or are found and kept there.

    Args:
        again: measure even if a usable file exists.
        memory_bytes: see `Machine`.
    """
    machine = Machine()
    folder = folder or cache_folder()
    path = folder / f"kernels-{platform.node() or 'machine'}-{machine.target}.json"
    model = None if again else read_model(path, machine.model.tier)
    if model is None:
        model = time_kernels(machine)
        write_model(path, model)
    return Machine(model=model, knowledge=Knowledge(TableArchive(folder / "tables")), memory_bytes=memory_bytes)


def read_model(path: Path, tier: Tier) -> CostModel | None:
    """Return the model in `path`, or None if there is none that can be used for `tier` on this processor."""
    try:
        data = read_cached(path) or {}
        coefficients = {name: float(data["coefficients"][name]) for name in TERMS}
        usable = data["schema"] == SCHEMA and data["processor"] == _processor() and data["tier"] == _tier_facts(tier)
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    if not usable or not all(0.0 < value < 1.0 for value in coefficients.values()):
        return None
    return CostModel(tier, coefficients, f"timed, {path}")


def write_model(path: Path, model: CostModel) -> None:
    """Write `model` to `path`, whole or not at all; a folder that cannot be written is passed over."""
    data = {"schema": SCHEMA, "tier": _tier_facts(model.tier), "processor": _processor(), "coefficients": dict(model.coefficients)}
    write_cached(path, data)


def _tier_facts(tier: Tier) -> dict[str, object]:
    """Return the tier as JSON has it: figures measured on kernels of other sizes are no use."""
    return {**asdict(tier), "columns": [*tier.columns]}


def _processor() -> str:
    return f"{platform.machine()} {platform.processor()}".strip()
