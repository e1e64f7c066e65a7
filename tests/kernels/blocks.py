"""Blocks for kernel tests: asymmetric, nonzero in `T[0, w]`, of known rank."""

from __future__ import annotations

import numpy as np

from hawx.blocks import Block
from hawx.formats import IntFormat


def exact(formats: tuple[str, str] = ("s8", "s8")) -> Block:
    a, w = (IntFormat.parse(f).values() for f in formats)
    return Block.from_table(np.multiply.outer(a, w), name="exact", formats=formats)


def low_rank(rank: int, *, seed: int = 0, formats: tuple[str, str] = ("s8", "s8")) -> Block:
    """`rank` outer products of small random factors."""
    u, v = np.random.default_rng(seed).integers(-40, 41, (2, rank, 256))
    return Block.from_table(u.T @ v, name=f"rank{rank}_{seed}", formats=formats)


def full_rank(*, seed: int = 0, span: int = 32768, low: int = -16384, formats: tuple[str, str] = ("s8", "s8")) -> Block:
    """Uniform random entries in `low .. low + span - 1`, both ends present."""
    table = np.random.default_rng(seed).integers(low, low + span, (256, 256))
    table[3, 7], table[200, 100] = low, low + span - 1
    return Block.from_table(table, name=f"full_{seed}_{span}", formats=formats)
