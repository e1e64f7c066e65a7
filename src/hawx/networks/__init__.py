"""Networks: layer facts, the integer program and its exact execution, quantization, data sets and the zoo."""

from hawx.networks.datasets import Dataset, Splits
from hawx.networks.exact import ExactExecutor
from hawx.networks.layer import Layer, LayerKind
from hawx.networks.network import QuantizedNetwork, State
from hawx.networks.preprocessing import Preprocessing
from hawx.networks.quantized import CodesOutput, Executor, QuantizedLayer

__all__ = [
    "CodesOutput",
    "Dataset",
    "ExactExecutor",
    "Executor",
    "Layer",
    "LayerKind",
    "Preprocessing",
    "QuantizedLayer",
    "QuantizedNetwork",
    "Splits",
    "State",
]
