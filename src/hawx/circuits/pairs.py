"""Operand pairs that a circuit of any widths is asked for: all of them, or a seeded sample where they are too many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hawx.circuits.readings import Numbers
from hawx.circuits.words import Words, pack

EXHAUSTIVE_BITS = 24
"""Most operand bits of which all pairs are evaluated."""
SAMPLES = 1 << 20
"""Pairs of a sample."""
_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Pairs:
    """Operand pairs: all of them in the order of their patterns, the second operand counting fastest, or independent uniform ones."""

    widths: tuple[int, int]
    """Bits of the activation and of the weight."""
    seed: int | None = None
    """Of a sample; None for all pairs."""

    @classmethod
    def of(cls, widths: tuple[int, int], seed: int = 0, most: int = EXHAUSTIVE_BITS) -> Pairs:
        """Return all pairs where the operands have at most `most` bits together, else a sample."""
        return cls(widths, None if sum(widths) <= most else seed)

    @property
    def count(self) -> int:
        return SAMPLES if self.seed is not None else 1 << sum(self.widths)

    def chunks(self) -> Iterator[Numbers]:
        """Return the operands' bit patterns, (2, pairs), a multiple of 64 at a time; fewer than 64 pairs are repeated."""
        draw = None if self.seed is None else np.random.default_rng(self.seed)
        size = max(64, min(self.count, _CHUNK))
        for start in range(0, self.count, size):
            if draw is not None:
                yield np.stack([draw.integers(0, 1 << width, size, dtype=np.int64) for width in self.widths])
            else:
                index = np.arange(start, start + size, dtype=np.int64) % self.count
                yield np.stack([index >> self.widths[1], index & ((1 << self.widths[1]) - 1)])


def bit_words(patterns: Numbers, width: int) -> Words:
    """Return the bits of patterns of at most 16 bits, least significant first, as words: (pairs,) → (width, pairs / 64)."""
    return pack((patterns.astype(np.uint16) >> np.arange(width, dtype=np.uint16)[:, None] & 1).astype(np.uint8))
