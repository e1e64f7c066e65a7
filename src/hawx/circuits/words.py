"""Bits in words: a signal over many vectors, 64 to a word, little-endian; and the operands of all 65,536 pairs as such signals."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from hawx.formats import CODES

Words = NDArray[np.uint64]
"""Bit-packed values over many vectors; the last axis counts words, 64 vectors each."""

_ONES = np.array([byte.bit_count() for byte in range(256)], np.uint8)


def pack(bits: NDArray[np.uint8]) -> Words:
    """Return 0s and 1s as words, (..., vectors) → (..., vectors / 64)."""
    return np.packbits(bits, axis=-1, bitorder="little").view(np.uint64)


def unpack(words: Words) -> NDArray[np.uint8]:
    """Return the 0s and 1s of words, (..., words) → (..., vectors)."""
    return np.unpackbits(words.view(np.uint8), axis=-1, bitorder="little")


def ones(words: Words) -> NDArray[np.int64]:
    """Return how many vectors have a 1, (..., words) → (...)."""
    if hasattr(np, "bitwise_count"):  # NumPy 2: several times as fast
        return np.asarray(np.bitwise_count(words).sum(axis=-1, dtype=np.int64), np.int64)
    return np.asarray(_ONES[words.view(np.uint8)].sum(axis=-1, dtype=np.int64), np.int64)


def numbers(words: Words) -> NDArray[np.int64]:
    """Return the unsigned numbers whose bits, least significant first, are (bits, words): shape (vectors,)."""
    result = np.zeros(words.shape[-1] * 64, np.int64)
    for start in range(0, len(words), 8):
        planes = unpack(words[start : start + 8])
        result |= np.bitwise_or.reduce(planes << np.arange(len(planes), dtype=np.uint8)[:, None], axis=0).astype(np.int64) << start
    return result


@cache
def operand_words() -> Words:
    """Return activation and weight over all operand pairs, (2, 8, 1024): vector a·256 + w has codes a and w, bit patterns 0..255."""
    codes = np.indices((CODES, CODES)).reshape(2, 1, -1)
    return pack((codes >> np.arange(8)[:, None] & 1).astype(np.uint8))
