"""Fine-tuning: train the weights, biases and scales of a quantized network under the blocks that will multiply them.

Forward is the product's own bit-exact emulation; what comes out is a quantized network like any other. Names load on first use: a recipe needs
no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hawx.finetuning.recipe import TuningRecipe as TuningRecipe
    from hawx.finetuning.training import Epoch as Epoch
    from hawx.finetuning.training import FineTuned as FineTuned
    from hawx.finetuning.training import finetune as finetune

_TRAINING, _RECIPE = "hawx.finetuning.training", "hawx.finetuning.recipe"
_NAMES = {"Epoch": _TRAINING, "FineTuned": _TRAINING, "TuningRecipe": _RECIPE, "finetune": _TRAINING}

__all__ = ["Epoch", "FineTuned", "TuningRecipe", "finetune"]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'hawx.finetuning' has no attribute {name!r}")
