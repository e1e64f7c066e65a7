"""Tables as a few products of bytes and a remainder: `T[a, w] = Σ_i (u_i[a] - zero_i) · v_i[w] + unit · R[class(a), w]`, exactly.

Circuits that drop partial products differ from a product by what depends on a few low bits of the activation. Where the remainder knows no more
than 256 classes of activations and its entries are short, adding rows of it is cheaper than one more product for every bit. Entries are short too
where they are multiples of a unit, the weight of the lowest bit that differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from hawx.blocks.block import Block
from hawx.blocks.factorize import ByteFactors, Product, product_sums, to_bytes
from hawx.formats import CODES

MAX_CLASSES = CODES
FEW_CLASSES = 16
"""More of them cost about as much as a product more: they are tried beside one product only."""
MAX_SPAN = (1 << 12) - 1
"""Entries of one weight code differ by at most this: eight of them add up in 15 bits."""

_MULTIPLIERS = np.random.default_rng(0).integers(1, 1 << 48, CODES)

MAX_KEPT = 4
"""Beyond so many products beside a remainder, tables are cheaper on every known machine."""

_ROW = 1.3
"""Dot products of bytes that take as long as the addition of one row, about."""

_PIXELS = 256
"""Output pixels that take as long as making one row of entries takes, where many share it."""


@dataclass(frozen=True, eq=False)
class Residual:
    """`T[a, w] = factors.table[a, w] + unit · rows[classes[a], w] + low[w]`, exactly."""

    factors: ByteFactors
    classes: NDArray[np.uint8]
    """Shape (256,): class of every activation code."""
    rows: NDArray[np.uint16]
    """Shape (classes, 256), 4 to 256 classes, a power of two; the least entry of every weight code is zero."""
    low: NDArray[np.int64]
    """Shape (256,)."""
    unit: int
    """Common divisor of all that remains."""

    @property
    def span(self) -> int:
        """Greatest entry of `rows`."""
        return int(self.rows.max())

    @property
    def group(self) -> int:
        """How many entries add up in a byte, 1 to 8; 0 where they are longer than a byte."""
        return min(8, 255 // max(1, self.span))

    @property
    def entries(self) -> int:
        """Rows of bytes that are made for one position before any is added."""
        return len(self.rows) * (1 if self.group else 2)

    @property
    def rows_per_product(self) -> float:
        """Rows of bytes that cost as much as adding the remainder: more where few add up in a byte, and where many classes exceed a cache."""
        return (max(1.0, 0.5 + 1.0 / self.group) if self.group else 2.0) + min(len(self.rows) / 64, 0.55)

    @property
    def cost(self) -> float:
        """Dot products of bytes that take as long as all of it, about."""
        return self.factors.products + _ROW * (self.rows_per_product + self.entries / _PIXELS)

    @property
    def table(self) -> NDArray[np.int64]:
        """The table, shape (256, 256)."""
        return self.factors.table + self.unit * self.rows.astype(np.int64)[self.classes] + self.low


def residual(block: Block) -> Residual | None:
    """Return the cheapest split of `block` into products of bytes, at least one, and a remainder that is not zero; None if there is none."""
    return cheapest(block, product_sums(block))


def cheapest(block: Block, sums: Sequence[Sequence[Product]]) -> Residual | None:
    """Return the cheapest split of `block` that keeps the exact product, or some of the outer products of one of `sums`; the others remain.

    Few products are tried before many, and no more of them than can still be cheaper than what was found.
    """
    a, w = (f.values().astype(np.int64) for f in block.formats)
    best = remainder(block, to_bytes([(a, w, 1)]))
    candidates = [_Candidate(products) for products in sums]
    for count in range(1, MAX_KEPT + 1):
        if best is not None and count + _ROW >= best.cost:
            break
        for candidate in candidates:
            for kept in candidate.choices(count):
                split = remainder(block, to_bytes([candidate.products[i] for i in kept]))
                if split is not None and (best is None or split.cost < best.cost):
                    best = split
    return best if best is not None and np.array_equal(best.table, block.table) else None


class _Candidate:
    """A sum of outer products, and what tells the classes of a part of it: equal rows of a matrix have equal sums of multiples."""

    def __init__(self, products: Sequence[Product]) -> None:
        self.products = products
        self._fitting = [i for i, product in enumerate(products) if to_bytes([product]) is not None]
        self._marks = np.array([u * scale * int(v @ _MULTIPLIERS) for u, v, scale in products], np.int64).reshape(len(products), CODES)

    def choices(self, count: int) -> Iterator[tuple[int, ...]]:
        """Give the `count` products to keep, in bytes, where what remains has few classes; any number of them beside a single product."""
        if count < len(self.products):
            whole, limit = self._marks.sum(axis=0), MAX_CLASSES if count == 1 else FEW_CLASSES
            for kept in combinations(self._fitting, count):
                if len(np.unique(whole - self._marks[[*kept]].sum(axis=0))) <= limit:
                    yield kept


def remainder(block: Block, factors: ByteFactors | None) -> Residual | None:
    """Return the split of `block` that begins with `factors`, to be compared with the table, or None where too much or nothing remains."""
    if factors is None or factors.products == 0:
        return None
    rest = block.table - factors.table
    # Equal rows have equal sums of multiples; should unequal ones have them too, the split is not the table and is not used.
    _, first, classes = np.unique(rest @ _MULTIPLIERS, return_index=True, return_inverse=True)
    count = next((n for n in (4, 8, 16, 32, 64, 128, CODES) if len(first) <= n), None)
    if count is None or len(first) == 1:
        return None
    left = rest[first]
    low = left.min(axis=0)
    left -= low
    unit = int(np.gcd.reduce(left, axis=None))
    left //= unit
    if int(left.max()) > MAX_SPAN or unit >= 1 << 15:
        return None
    rows = np.zeros((count, CODES), np.uint16)
    rows[: len(first)] = left
    return Residual(factors, classes.astype(np.uint8), rows, low, unit)
