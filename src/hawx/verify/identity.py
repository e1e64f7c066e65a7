"""Identity: content hashes of what a measurement depends on."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray

from hawx.blocks import Library
from hawx.networks import QuantizedNetwork


def network_identity(network: QuantizedNetwork) -> str:
    """Return a hash of everything that decides the network's integers: layers, weights, scales, biases, wirings, program, preprocessing."""
    digest = hashlib.sha256(repr((network.layers, network.steps, network.output, network.preprocessing)).encode())
    for name in sorted(network.quantized):
        layer = network.quantized[name]
        digest.update(repr((name, layer.input_scale, layer.input_zero_point, layer.input_format.name)).encode())
        for tensor in (layer.weight, layer.weight_scale, layer.bias):
            digest.update(_bytes(tensor))
        if layer.wirings:
            digest.update(repr(layer.wirings).encode())
        for block in sorted(layer.variants):
            variant = layer.variants[block]
            digest.update(block.encode())
            for tensor in (variant.codes, variant.weight_scale, variant.bias):
                digest.update(_bytes(tensor))
            if not variant.wiring.is_plain:
                digest.update(repr(variant.wiring).encode())
    for name in sorted(network.constants):
        digest.update(name.encode() + _bytes(network.constants[name]))
    return digest.hexdigest()


def library_identity(library: Library) -> str:
    """Return a hash of the names and tables of a library, whatever their order."""
    return hashlib.sha256("".join(sorted(f"{block.name}={block.sha256};" for block in library)).encode()).hexdigest()


def images_identity(images: NDArray[np.uint8] | NDArray[np.float32], labels: NDArray[np.int64]) -> str:
    """Return a hash of images and labels, in order."""
    digest = hashlib.sha256(repr((images.shape, str(images.dtype), labels.shape)).encode())
    digest.update(np.ascontiguousarray(images).data)
    digest.update(np.ascontiguousarray(labels).data)
    return digest.hexdigest()


def _bytes(tensor: torch.Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
