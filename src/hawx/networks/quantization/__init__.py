"""Quantization: a float module becomes a `QuantizedNetwork`. Read in this order: quantize, exporting, canonical, pt2e, lowering."""

from hawx.networks.quantization.quantize import Activations, Method, quantize, read_quantized

__all__ = ["Activations", "Method", "quantize", "read_quantized"]
