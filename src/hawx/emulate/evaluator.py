"""Evaluator: bit-exact logits and correct answers of many designs over the same images, sharing every common prefix."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from hawx.blocks import Library
from hawx.designs.assignment import Assignment
from hawx.emulate.executor import BlockExecutor
from hawx.emulate.machine import Machine, default_machine
from hawx.emulate.prefix import PrefixCache
from hawx.errors import InputError
from hawx.networks.network import QuantizedNetwork, State

Logits = NDArray[np.float32]
"""Shape (images, classes), float32."""
Answers = NDArray[np.bool_]
"""Shape (images,): which images are answered right."""

BATCH_BYTES = 64 << 20
LARGEST_BATCH = 2000


class Evaluator:
    """Runs designs of one network over one set of images.

    A design that agrees with an earlier one on every layer before layer l starts at layer l, from a cached state, as far as
    `memory_mb` allows. Logits are remembered by `assignment.id`. Results never depend on what is cached.

    Args:
        network: the quantized network.
        library: names the blocks that assignments use.
        images: (N, C, H, W) as `network.begin` takes them.
        labels: (N,) class indices.
        batch: images per pass; by default as many as keep the largest layer's output within `BATCH_BYTES` (ResNet-18 on 32×32: 256).
        memory_mb: cap on cached states and logits, in mebibyte; the machine's `states_mb` if None.
        engine: see `BlockExecutor`; likewise `threads` and `machine`.
    """

    def __init__(
        self,
        network: QuantizedNetwork,
        library: Library,
        images: NDArray[np.uint8] | NDArray[np.float32],
        labels: NDArray[np.int64],
        *,
        batch: int | None = None,
        memory_mb: int | None = None,
        engine: str = "auto",
        threads: int | None = None,
        machine: Machine | None = None,
    ) -> None:
        if len(images) == 0 or len(images) != len(labels):
            raise InputError(f"{len(images)} images with {len(labels)} labels cannot be evaluated; expected as many labels as images, at least one.")
        size = default_batch(network) if batch is None else batch
        memory_mb = (machine or default_machine()).states_mb if memory_mb is None else memory_mb
        if size < 1 or memory_mb < 0:
            raise InputError(f"batch {batch} with memory_mb {memory_mb} is not usable; expected batch >= 1, memory_mb >= 0.")
        self.network = network
        self.library = library
        self.labels = np.asarray(labels)
        self._engine, self._threads, self._machine = engine, threads, machine
        self._batches = [images[i : i + size] for i in range(0, len(images), size)]
        share = memory_mb * (1 << 20) // (len(self._batches) + 1)
        self._logits: PrefixCache[Logits] = PrefixCache(share)
        self._states: list[PrefixCache[State]] = [PrefixCache(share) for _ in self._batches]
        self._work = np.cumsum([0, *(layer.macs for layer in network.layers)])

    def right(self, assignment: Assignment) -> Answers:
        """Return which images the design classifies correctly, (images,)."""
        return np.asarray(self.logits(assignment).argmax(axis=1) == self.labels)

    def correct(self, assignment: Assignment) -> int:
        """Return how many images the design classifies correctly."""
        return int(self.right(assignment).sum())

    def right_many(self, assignments: Iterable[Assignment]) -> list[Answers]:
        """Return `right` of each assignment, run in the order in which most prefixes are shared."""
        each = list(assignments)
        order = sorted(range(len(each)), key=lambda i: [array.tobytes() for array in each[i].indices])
        found = {i: self.right(each[i]) for i in order}
        return [found[i] for i in range(len(each))]

    def logits(self, assignment: Assignment) -> Logits:
        """Return the bit-exact logits, shape (N, classes), float32.

        Raises:
            InputError: the assignment is for other layers than the network's.
        """
        if assignment.layers != self.network.layer_names:
            raise InputError(f"the assignment is for layers {assignment.layers}; expected {self.network.layer_names}.")
        key = assignment.id.encode()
        found = self._logits.get(key)
        if found is None:
            executor = BlockExecutor(self.library, assignment, engine=self._engine, threads=self._threads, machine=self._machine)
            prefixes = _prefix_keys(assignment)
            found = np.concatenate([self._run(i, executor, prefixes) for i in range(len(self._batches))])
            found.setflags(write=False)
            self._logits.put(key, found, found.nbytes, float(self._work[-1]))
        return found

    def _run(self, batch: int, executor: BlockExecutor, prefixes: list[bytes]) -> Logits:
        """Advance one batch to the end from the deepest cached state, keeping the states on the way."""
        cache = self._states[batch]
        state: State | None = None
        start = 0
        for start in range(len(prefixes) - 1, -1, -1):
            state = cache.get(prefixes[start])
            if state is not None:
                break
        if state is None:
            state = self.network.begin(self._batches[batch])
        ahead = int(self._work[-1] - self._work[start]) * state.images
        for layer in range(start + 1, len(prefixes)):
            state = self.network.advance(state, executor, layer)
            cache.put(prefixes[layer], state, state.nbytes, float(self._work[layer]))
        with torch.inference_mode():
            logits: Logits = self.network.logits(self.network.advance(state, executor, None)).numpy()
        (self._machine or default_machine()).worked(ahead)
        return logits


def default_batch(network: QuantizedNetwork) -> int:
    """Return how many images keep the largest layer's output within `BATCH_BYTES`."""
    largest = max(layer.pixels * layer.filters * 4 for layer in network.layers)  # bytes of one image's real-valued output
    return min(max(1, BATCH_BYTES // largest), LARGEST_BATCH)


def _prefix_keys(assignment: Assignment) -> list[bytes]:
    """Return for every layer l a key of the blocks of all filters of the layers before l."""
    digest = hashlib.sha256("\n".join(assignment.blocks).encode())
    keys = []
    for array in assignment.indices:
        keys.append(digest.digest())
        digest.update(array.tobytes())
    return keys
