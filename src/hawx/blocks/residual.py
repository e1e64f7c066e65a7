"""Tables as a few products of bytes and a remainder: `T[a, w] = Σ_i (u_i[a] - zero_i) · v_i[w] + unit · R[class(a), w]`, exactly.

Circuits that drop partial products differ from a product by what depends on a few low bits of the activation. Where the remainder knows no more
than 16 classes of activations and its entries are short, adding rows of it is cheaper than one more product for every bit. Entries are short too
where they are multiples of a unit, the weight of the lowest bit that differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from hawx.blocks.block import Block
from hawx.blocks.factorize import ByteFactors, product_sums, to_bytes
from hawx.formats import CODES

MAX_CLASSES = 16
MAX_SPAN = (1 << 12) - 1
"""Entries of one weight code differ by at most this: eight of them add up in 15 bits."""

_MULTIPLIERS = np.random.default_rng(0).integers(1, 1 << 48, CODES)

_ROW = 1.3
"""Dot products of bytes that take as long as the addition of one row, about."""

_MAX_TERMS = 8
"""Sums of more products than this are not searched: there are too many ways to split them."""


@dataclass(frozen=True, eq=False)
class Residual:
    """`T[a, w] = factors.table[a, w] + unit · rows[classes[a], w] + low[w]`, exactly."""

    factors: ByteFactors
    classes: NDArray[np.uint8]
    """Shape (256,): class of every activation code, below 4, 8 or 16."""
    rows: NDArray[np.uint16]
    """Shape (4, 8 or 16, 256); the least entry of every weight code is zero."""
    low: NDArray[np.int64]
    """Shape (256,)."""
    unit: int
    """Common divisor of all that remains."""

    @cached_property
    def span(self) -> int:
        """Greatest entry of `rows`."""
        return int(self.rows.max())

    @property
    def group(self) -> int:
        """How many entries add up in a byte, 1 to 8; 0 where they are longer than a byte."""
        return min(8, 255 // max(1, self.span))

    @property
    def rows_per_product(self) -> float:
        """Rows of bytes that cost as much as the remainder: more where few add up in a byte, and where the rows of many classes are made."""
        return (max(1.0, 0.5 + 1.0 / self.group) if self.group else 2.0) + len(self.rows) / 64

    @cached_property
    def table(self) -> NDArray[np.int64]:
        """The table, shape (256, 256)."""
        return self.factors.table + self.unit * self.rows.astype(np.int64)[self.classes] + self.low


@lru_cache(maxsize=256)
def residual(block: Block) -> Residual | None:
    """Return the cheapest split of `block` into products of bytes, at least one, and a remainder that is not zero; None if there is none."""
    found = [
        split
        for products in product_sums(block)
        if len(products) <= _MAX_TERMS
        for count in range(1, len(products))
        for kept in combinations(products, count)
        if (split := _split(block, to_bytes(kept))) is not None
    ]
    best = min(found, key=lambda split: split.factors.products + _ROW * split.rows_per_product, default=None)
    return best if best is not None and np.array_equal(best.table, block.table) else None


def _split(block: Block, factors: ByteFactors | None) -> Residual | None:
    if factors is None:
        return None
    rest = block.table - factors.table
    low = rest.min(axis=0)
    rest -= low
    unit = max(1, int(np.gcd.reduce(rest, axis=None)))
    rest //= unit
    if int(rest.max()) > MAX_SPAN or unit >= 1 << 15:
        return None
    # Equal rows have equal sums of multiples; should unequal ones have them too, the split is not the table and is not used.
    _, first, classes = np.unique(rest @ _MULTIPLIERS, return_index=True, return_inverse=True)
    count = next((n for n in (4, 8, MAX_CLASSES) if len(first) <= n), None)
    if count is None:
        return None
    rows = np.zeros((count, CODES), np.uint16)
    rows[: len(first)] = rest[first]
    return Residual(factors, classes.astype(np.uint8), rows, low, unit)
