"""Decompositions: every form in which kernels multiply with a table, found once, and as plain values that any process can check.

A record is what a file holds of them: sums of outer products `[u, v, scale]`, from which each form is made again and compared with the table. So a
record is a hint, never a fact: a wrong one is refused by `from_record`, and the worst that a stale one can do is cost time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hawx.blocks.block import Block
from hawx.blocks.factorize import ByteFactors, Factors, Product, fewest, fewest_bytes, product_sums, to_bytes
from hawx.blocks.residual import Residual, cheapest, remainder
from hawx.formats import CODES

SCHEMA = 2
"""Of records; raised whenever a search finds other forms than before, so that older records are not used."""


@dataclass(frozen=True, slots=True, eq=False)
class Decompositions:
    """The exact forms of one table; None where there is none."""

    words: Factors | None
    """The fewest products of 16-bit factors."""
    bytes: ByteFactors | None
    """The fewest products of unsigned by signed bytes."""
    residual: Residual | None
    """Products of bytes and a remainder by classes of activations."""


NOTHING = Decompositions(None, None, None)
"""What is known before a search: that any table is a table."""

SEARCH_SECONDS = 0.03
"""What a search costs, about."""


def decompose(block: Block) -> Decompositions:
    """Search for all forms of a table. It takes 5 to 150 ms, whatever the table: ranks and products kept beside a remainder are limited."""
    sums = product_sums(block)
    return Decompositions(fewest(block, sums, 16), fewest_bytes(block, sums), cheapest(block, sums))


def to_record(block: Block, found: Decompositions) -> dict[str, Any]:
    """Return plain JSON values from which `from_record` makes `found` again."""
    return {
        "schema": SCHEMA,
        "table": block.sha256,
        "words": found.words and _plain(zip(found.words.u, found.words.v, found.words.scale, strict=True)),
        "bytes": found.bytes and _plain(_products(found.bytes)),
        "residual": found.residual and _plain(_products(found.residual.factors)),
    }


def from_record(block: Block, record: Mapping[str, Any]) -> Decompositions | None:
    """Return the decompositions that a record holds, each multiplied out and compared with the table; None where anything in it is not right."""
    try:
        if (record["schema"], record["table"]) != (SCHEMA, block.sha256):
            return None
        words, octets, kept = (_parsed(record[name]) for name in ("words", "bytes", "residual"))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    found = Decompositions(
        words=words if words is None else fewest(block, [words], 16),
        bytes=octets if octets is None else fewest_bytes(block, [octets]),
        residual=kept if kept is None else _split(block, kept),
    )
    claimed = [words, octets, kept]
    made = [found.words, found.bytes, found.residual]
    return found if all((claim is None) == (form is None) for claim, form in zip(claimed, made, strict=True)) else None


def _split(block: Block, kept: Sequence[Product]) -> Residual | None:
    split = remainder(block, to_bytes(kept))
    return split if split is not None and np.array_equal(split.table, block.table) else None


def _products(factors: ByteFactors) -> Iterable[tuple[NDArray[Any], NDArray[Any], int]]:
    return ((u.astype(np.int64) - zero, v, 1) for u, v, zero in zip(factors.u, factors.v, factors.zero, strict=True))


def _plain(products: Iterable[tuple[NDArray[Any], NDArray[Any], int]]) -> list[list[Any]]:
    return [[u.tolist(), v.tolist(), int(scale)] for u, v, scale in products]


def _parsed(products: Sequence[Sequence[Any]] | None) -> list[Product] | None:
    """Return the outer products of a record.

    Raises:
        TypeError, ValueError, OverflowError: they are none.
    """
    return None if products is None else [(_factor(u), _factor(v), _factor([scale], 1).item()) for u, v, scale in products]


def _factor(values: Sequence[int], count: int = CODES) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.shape != (count,) or array.dtype.kind != "i" or int(np.abs(array).max()) > 1 << 31:
        raise ValueError("not a factor")
    return array.astype(np.int64)
