"""HAWX: which approximate block goes where in a deep network's accelerator.

`import hawx` is light: names below load what they need on first use (torch only with networks and emulation).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_NAMES = {
    # blocks
    "Block": "hawx.blocks",
    "Costs": "hawx.blocks",
    "Library": "hawx.importers",
    # designs
    "Assignment": "hawx.designs",
    "Design": "hawx.designs",
    "SearchSpace": "hawx.designs",
    "Granularity": "hawx.units",
    "Estimate": "hawx.estimates",
    "Measurement": "hawx.estimates",
    # networks
    "quantize": "hawx.importers.networks",
    "QuantizedNetwork": "hawx.networks",
    "export_onnx": "hawx.exporters",
    # the flow
    "explore": "hawx.flow",
    "score": "hawx.flow",
    "evaluate": "hawx.flow",
    "finetune": "hawx.finetuning",
    "TuningRecipe": "hawx.finetuning",
    "Result": "hawx.store",
    # errors
    "HawxError": "hawx.errors",
    "InputError": "hawx.errors",
    "GoalError": "hawx.errors",
}

_MODULES = ("accelerators", "blocks", "designs", "emulate", "networks", "pareto", "recover", "report", "results")

__all__ = [*_NAMES, *_MODULES, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    if name in _MODULES:
        return import_module(f"hawx.{name}")
    raise AttributeError(f"module 'hawx' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    from hawx.blocks import Block as Block
    from hawx.blocks import Costs as Costs
    from hawx.designs import Assignment as Assignment
    from hawx.designs import Design as Design
    from hawx.designs import SearchSpace as SearchSpace
    from hawx.errors import GoalError as GoalError
    from hawx.errors import HawxError as HawxError
    from hawx.errors import InputError as InputError
    from hawx.estimates import Estimate as Estimate
    from hawx.estimates import Measurement as Measurement
    from hawx.exporters import export_onnx as export_onnx
    from hawx.finetuning import TuningRecipe as TuningRecipe
    from hawx.finetuning import finetune as finetune
    from hawx.flow import evaluate as evaluate
    from hawx.flow import explore as explore
    from hawx.flow import score as score
    from hawx.importers import Library as Library
    from hawx.importers.networks import quantize as quantize
    from hawx.networks import QuantizedNetwork as QuantizedNetwork
    from hawx.store import Result as Result
    from hawx.units import Granularity as Granularity
