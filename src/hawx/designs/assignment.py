"""Assignment: which block every filter of every layer uses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hawx.errors import InputError, UnknownNameError

BlockIndices = NDArray[np.uint8]
"""Shape (filters,), uint8: index into the library of the block of each filter."""


@dataclass(frozen=True, eq=False)
class Assignment:
    """A block for every filter: per layer an array of indices into `blocks`. Immutable; equal when all filters agree."""

    layers: tuple[str, ...]
    blocks: tuple[str, ...]
    indices: tuple[BlockIndices, ...]

    def __post_init__(self) -> None:
        if len(self.indices) != len(self.layers):
            raise InputError(f"assignment has {len(self.indices)} index arrays for {len(self.layers)} layers; expected one per layer.")
        for name, array in zip(self.layers, self.indices, strict=True):
            if array.ndim != 1 or array.size == 0 or int(array.max()) >= len(self.blocks):
                raise InputError(f"indices of layer {name!r} do not fit {len(self.blocks)} blocks; expected shape (filters,), values below that.")
            array.setflags(write=False)

    @classmethod
    def uniform(cls, layers: Mapping[str, int], blocks: Sequence[str], block: str) -> Assignment:
        """Return `block` everywhere. `layers` maps layer name to number of filters, in network order."""
        index = list(blocks).index(block)
        return cls(tuple(layers), tuple(blocks), tuple(np.full(n, index, np.uint8) for n in layers.values()))

    def __getitem__(self, layer: str) -> BlockIndices:
        return self.indices[self.layers.index(layer)]

    def names(self, layer: str) -> tuple[str, ...]:
        """Return the block name of every filter of `layer`."""
        return tuple(self.blocks[i] for i in self[layer])

    def labels(self, of: Mapping[str, str]) -> dict[str, list[str]]:
        """Return layer -> what `of` says of the block of every filter, such as its SHA-256."""
        each = [of[name] for name in self.blocks]
        return {layer: [each[i] for i in array] for layer, array in zip(self.layers, self.indices, strict=True)}

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Filters of each layer that use each block, shape (layers, blocks)."""
        return np.stack([np.bincount(array, minlength=len(self.blocks)) for array in self.indices])

    @cached_property
    def id(self) -> str:
        """Twelve hexadecimal digits that identify the assignment, whatever the order of the library."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values: layer -> block name, or layer -> list of block names, one per filter."""
        result: dict[str, Any] = {}
        for layer, array in zip(self.layers, self.indices, strict=True):
            names = [self.blocks[i] for i in array]
            result[layer] = names[0] if len(set(names)) == 1 else names
        return result

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], layers: Mapping[str, int], blocks: Sequence[str]) -> Assignment:
        """Return the assignment that `to_dict` wrote, for a network with `layers` (name -> filters) and a library.

        Raises:
            InputError: layers missing or unknown, block names unknown, or a wrong number of filters.
        """
        for name in values:
            if name not in layers:
                raise UnknownNameError("layer", name, layers, "is the design of another network?")
        indices = []
        for layer, filters in layers.items():
            if layer not in values:
                raise InputError(f"the design has no block for layer {layer!r}; expected all of: {', '.join(layers)}.")
            value = values[layer]
            names = [value] * filters if isinstance(value, str) else list(value)
            if len(names) != filters:
                raise InputError(f"the design names {len(names)} blocks for layer {layer!r}; the layer has {filters} filters.")
            for name in names:
                if name not in blocks:
                    raise UnknownNameError("block", str(name), blocks, f"(layer {layer!r})")
            indices.append(np.array([list(blocks).index(name) for name in names], np.uint8))
        return cls(tuple(layers), tuple(blocks), tuple(indices))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Assignment) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(self.id)
