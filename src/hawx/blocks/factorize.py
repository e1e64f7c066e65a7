"""Exact integer factorization of tables: `T[a, w] = Σ_i scale_i · u_i[a] · v_i[w]` with short integer factors.

Approximate multipliers are low-rank: a circuit that drops, truncates or merges partial products differs from `a · w` by a few
outer products. Rows of the table span a lattice of small rank; an LLL-reduced basis of it gives `v`, the coordinates of the rows
give `u`. Everything is computed over the integers and verified by multiplication, so a factorization is a proof, never a fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hawx.blocks.block import Block, Table
from hawx.blocks.integers import independent_rows, inverse, lattice_basis, lll
from hawx.formats import CODES

Factor = NDArray[np.int16]
"""Shape (products, 256): factor value of each code, value order."""

Product = tuple[NDArray[np.int64], NDArray[np.int64], int]
"""`(u, v, scale)`: one outer product, factors of any width."""

MAX_RANK = 16
"""Above this rank nothing is searched: the table kernel is cheaper than that many integer products on every known machine."""


@dataclass(frozen=True, eq=False)
class Factors:
    """`T[a, w] = Σ_i scale[i] · u[i, a] · v[i, w]`, exactly. `bits` (8 or 16) bounds every factor's width in two's complement."""

    u: Factor
    v: Factor
    scale: NDArray[np.int64]
    bits: int

    @property
    def products(self) -> int:
        """Number of integer matrix products that replace one layer."""
        return len(self.u)

    @property
    def table(self) -> NDArray[Any]:
        """The product of the factors, shape (256, 256): equal to the table, that is what is verified."""
        return multiply_out(self.u.T * self.scale, self.v)


@dataclass(frozen=True, eq=False)
class ByteFactors:
    """`T[a, w] = Σ_i (u[i, a] - zero[i]) · v[i, w]`, exactly: unsigned bytes for activations, signed ones for weights.

    That is what dot products of bytes multiply (`vpdpbusd`). The part of `zero` depends on the weights alone: a constant of each filter.
    """

    u: NDArray[np.uint8]
    v: NDArray[np.int8]
    zero: NDArray[np.int64]

    @property
    def products(self) -> int:
        """Number of byte products of one pair of codes."""
        return len(self.u)

    @property
    def table(self) -> NDArray[Any]:
        """The sum of the products, shape (256, 256)."""
        return multiply_out(self.u.T - self.zero, self.v)


def multiply_out(u: NDArray[Any], v: NDArray[Any]) -> NDArray[Any]:
    """Return the integers `u @ v`, (256, products) by (products, 256), exactly: in float64, far faster, where no partial sum reaches 2^53.

    They are int64 then, and Python ints (dtype object) otherwise.
    """
    if u.shape[1] * float(np.abs(u).max(initial=0)) * float(np.abs(v).max(initial=0)) < 1 << 53:
        return np.asarray(u.astype(np.float64) @ v.astype(np.float64)).astype(np.int64)
    return np.asarray(u.astype(object) @ v.astype(object))


def factorize(block: Block, bits: int = 8) -> Factors | None:
    """Return the factors of `block` with the fewest products of `bits`-bit integers, or None if its rank is beyond `MAX_RANK`.

    Two candidates compete: the table itself, and the exact product plus the factors of the error.

    Args:
        bits: 8 (int8 hardware; powers of two may be left in `scale`) or 16 (`scale` is all ones).
    """
    return fewest(block, product_sums(block), bits)


def fewest(block: Block, sums: Sequence[Sequence[Product]], bits: int) -> Factors | None:
    """Return what needs the fewest products of `bits`-bit integers among `sums` of outer products, or None where that is not the table."""
    candidates = [_fit(products, bits) for products in sums]
    best = min((c for c in candidates if c is not None), key=len, default=None)
    found = None if best is None else _assemble(best, bits)
    return found if found is not None and np.array_equal(found.table, block.table) else None


def byte_factors(block: Block) -> ByteFactors | None:
    """Return the factors of `block` with the fewest products of unsigned by signed bytes, or None if those that were found do not fit bytes."""
    return fewest_bytes(block, product_sums(block))


def fewest_bytes(block: Block, sums: Sequence[Sequence[Product]]) -> ByteFactors | None:
    """Return what needs the fewest products of bytes among `sums` of outer products, or None where that is not the table."""
    candidates = [to_bytes(products) for products in sums]
    best = min((c for c in candidates if c is not None), key=lambda c: c.products, default=None)
    return best if best is not None and np.array_equal(best.table, block.table) else None


def to_bytes(products: Sequence[Product]) -> ByteFactors | None:
    """Return a sum of outer products in bytes, or None where one of them does not fit."""
    fitted = [_fit_bytes(*product) for product in products]
    if not all(fitted):
        return None
    parts = [part for product in fitted for part in product]
    u, v = (np.array([part[i] for part in parts], np.int64).reshape(len(parts), CODES) for i in (0, 1))
    zero = -u.min(axis=1)
    return ByteFactors((u + zero[:, None]).astype(np.uint8), v.astype(np.int8), zero)


def _fit_bytes(u: NDArray[np.int64], v: NDArray[np.int64], scale: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Absorb `scale` such that `u` spans a byte and `v` is a signed one, or two of them; return nothing where no divisor of it does."""
    divisors = [divisor for divisor in range(1, min(abs(scale), CODES) + 1) if scale % divisor == 0]
    for least, most in ((-128, 127), (-255, 255)):
        for divisor in divisors:
            for part in (divisor, -divisor):
                x, y = u * part, v * (scale // part)
                if int(np.ptp(x)) < CODES and least <= int(y.min()) and int(y.max()) <= most:
                    low = y.clip(-128, 127)
                    # What lies beyond a byte is multiplied with the negative of the activation's factor: 127 and 128 make 255.
                    return [(x, low)] if np.array_equal(low, y) else [(x, low), (-x, low - y)]
    return []


def outer_products(table: Table, max_rank: int = MAX_RANK) -> list[Product] | None:
    """Return `rank` integer outer products that sum to `table`, with factors as short as LLL finds them; None beyond `max_rank`.

    Raises nothing: a table whose factors cannot be verified also gives None.
    """
    matrix = np.asarray(table, np.int64)
    minor = independent_rows(matrix, max_rank)
    if minor is None:
        return None
    rows, columns = minor
    if not rows:
        return []
    upright, flat = matrix[rows].astype(object), matrix[:, columns].astype(object)
    # The projection onto `columns` is injective on the row space: the lattice of rows is found there and lifted back.
    numerator, denominator = inverse(upright[:, columns])
    v = lll(lattice_basis(flat) @ numerator @ upright // denominator)
    numerator, denominator = inverse(v[:, columns])
    u = flat @ numerator // denominator
    if not np.array_equal(multiply_out(u, v), matrix):
        return None
    return [_primitive(u[:, i], v[i]) for i in range(len(rows))]


def _primitive(u: NDArray[np.object_], v: NDArray[np.object_]) -> Product:
    """Take the common divisors of both factors out into the scale."""
    g, h = (int(np.gcd.reduce(x)) for x in (u, v))
    return (u // g).astype(np.int64), (v // h).astype(np.int64), g * h


def product_sums(block: Block) -> tuple[list[Product], ...]:
    """Return the candidate sums of outer products: exact product plus error, and the table itself, each from its rows and its columns."""
    a, w = (f.values().astype(np.int64) for f in block.formats)
    sums = [[(a, w, 1), *error] for error in _orientations(block.error)]
    return (*sums, *([] if block.is_exact else _orientations(block.table)))


def _orientations(table: Table) -> list[list[Product]]:
    """Return `outer_products` of the lattice of rows and of the lattice of columns (their factors differ in width), none beyond `MAX_RANK`."""
    upright = outer_products(table)
    if upright is None:
        return []
    flat = outer_products(np.ascontiguousarray(table.T)) or []
    return [upright, [(v, u, scale) for u, v, scale in flat]]


def _fit(products: Sequence[Product], bits: int) -> list[Product] | None:
    """Split factors wider than `bits` into parts, or return None where 16-bit factors cannot absorb their scale."""
    limit = 1 << (bits - 1)
    fitted: list[Product] = []
    for u, v, scale in products:
        if bits == 16:
            wide = max(int(np.abs(u).max()) + 1, 1) * abs(scale) <= limit
            u, v = (u * scale, v) if wide else (u, v * scale)
            if max(int(np.abs(u).max()), int(np.abs(v).max())) >= limit:
                return None
            fitted.append((u, v, 1))
        else:
            fitted += [(x, y, scale * s * t) for x, s in _split(u, limit) for y, t in _split(v, limit)]
    return fitted


def _split(factor: NDArray[np.int64], limit: int) -> list[tuple[NDArray[np.int64], int]]:
    """Return `(part, weight)` with `Σ part · weight == factor` and every part within `-limit..limit-1`."""
    if -limit <= int(factor.min()) and int(factor.max()) < limit:
        return [(factor, 1)]
    low = (factor + limit) % (2 * limit) - limit
    return [(low, 1), *((part, weight * 2 * limit) for part, weight in _split((factor - low) // (2 * limit), limit))]


def _assemble(products: list[Product], bits: int) -> Factors:
    u, v = (np.array([p[i] for p in products], np.int16).reshape(len(products), CODES) for i in (0, 1))
    return Factors(u, v, np.array([p[2] for p in products], np.int64), bits)
