"""The native extension: loaded where it is needed, refused loudly when it is missing. Its tiers, and the one to use."""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from hawx.emulate.cost import Tier
from hawx.errors import InputError, ToolMissingError

if TYPE_CHECKING:
    from hawx._native import Kernels


def extension() -> ModuleType:
    """Return the extension `hawx._native`.

    Raises:
        ToolMissingError: it was not built.
    """
    try:
        return import_module("hawx._native")
    except ImportError as error:
        raise ToolMissingError(
            f"the native extension hawx._native cannot be loaded ({error}); expected it in the installed package. "
            "Install HAWX with `pip install .` (needs a C++20 compiler), or choose engine 'torch'."
        ) from error


def targets() -> tuple[str, ...]:
    """Return the kernel tiers that can run on this machine, worst first."""
    return tuple(kernels.name for kernels in _runnable())


def kernels_of(target: str | None = None) -> Kernels:
    """Return the kernels of the tier `target`; None stands for what `HAWX_FORCE_TARGET` says, or the best.

    Raises:
        InputError: it cannot run here; the message lists those that can.
    """
    known = {kernels.name: kernels for kernels in _runnable()}
    wanted = target or os.environ.get("HAWX_FORCE_TARGET") or [*known][-1]
    if wanted not in known:
        raise InputError(f"kernel target {wanted!r} cannot run here; expected one of: {', '.join(known)}. Unset HAWX_FORCE_TARGET for the best.")
    return known[wanted]


def describe(kernels: Kernels) -> Tier:
    """Return what the cost of these kernels depends on."""
    native = extension()
    return Tier(
        name=kernels.name,
        columns=(kernels.gemm_columns, kernels.table_columns // 2),
        class_columns=native.CLASS_COLUMNS,
        table_pixels=native.TABLE_PIXELS,
        byte_products=kernels.has_byte_products,
    )


def _runnable() -> list[Kernels]:
    return [kernels for kernels in extension().tiers() if kernels.runs_here]
