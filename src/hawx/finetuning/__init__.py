"""Fine-tuning: train the weights, biases and scales of a quantized network under the blocks that will multiply them.

Forward is the product's own bit-exact emulation; what comes out is a quantized network like any other.
"""

from hawx.finetuning.finetune import Epoch, FineTuned, finetune
from hawx.finetuning.recipe import TuningRecipe

__all__ = ["Epoch", "FineTuned", "TuningRecipe", "finetune"]
