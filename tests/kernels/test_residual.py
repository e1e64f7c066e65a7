"""Splits into products of bytes and a remainder by class are exact, short, and found where circuits drop partial products."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from blocks import exact, full_rank
from hypothesis import given, settings
from hypothesis import strategies as st

from hawx.blocks import Block, sign_magnitude
from hawx.blocks.residual import MAX_SPAN, residual

DATA = Path(os.environ.get("HAWX_DATA", Path(__file__).parents[2] / ".." / "shared")) / "blocks"
CODES = np.arange(-128, 128)


def dropped(bits: int, width: int, scale: int = 1) -> Block:
    """The exact product without the partial products of the lowest `bits` of the activation and the lowest `width` of the weight."""
    low = sum(np.multiply.outer(CODES & (1 << i), CODES & ((1 << (width - i)) - 1)) for i in range(bits))
    return Block.from_table(exact().table - scale * low, name=f"dropped_{bits}_{width}")


def test_dropped_bits_are_a_remainder_of_their_classes() -> None:
    split = residual(dropped(3, 4))
    assert split is not None
    assert split.factors.products == 1
    assert split.classes.tolist() == [split.classes[c % 8] for c in range(256)]
    assert len(split.rows) == 8
    assert split.group == 255 // split.span == 6
    assert np.array_equal(split.table, dropped(3, 4).table)


def test_long_entries_are_words() -> None:
    split = residual(dropped(3, 8, scale=9))
    assert split is not None
    assert 255 < split.span <= MAX_SPAN
    assert split.unit == 9
    assert split.group == 0
    assert split.rows_per_product > 1


@pytest.mark.parametrize(("bits", "width", "scale", "unit", "span"), [(3, 4, 1, 1, 41), (3, 4, 24, 24, 41), (2, 7, 1, 128, 3), (4, 8, 1, 256, 8)])
def test_what_is_left_is_counted_in_its_unit(bits: int, width: int, scale: int, unit: int, span: int) -> None:
    block = dropped(bits, width, scale)
    split = residual(block)
    assert split is not None
    assert (split.unit, split.span) == (unit, span)
    assert split.group == min(8, 255 // span)
    assert np.array_equal(split.table, block.table)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 20), st.integers(1, 5000))
def test_a_split_is_the_table_or_none(seed: int, classes: int, span: int) -> None:
    rng = np.random.default_rng(seed)
    u, v = rng.integers(-60, 60, (2, 2, 256))
    left, right = rng.integers(0, span + 1, classes)[rng.integers(0, classes, 256)], rng.integers(0, 2, 256)
    block = Block.from_table(u.T @ v + np.multiply.outer(left, right), name="b")
    split = residual(block)
    if split is None:
        return
    assert np.array_equal(split.table, block.table)
    assert split.rows.min(axis=0).tolist() == [0] * 256
    assert split.span <= MAX_SPAN
    assert int(split.classes.max()) < len(split.rows)
    assert 1 <= split.factors.products <= 4
    assert len(split.rows) in (4, 8, 16, 32, 64, 128, 256)
    if split.group:
        assert split.group * split.span <= 255


@pytest.mark.parametrize(("classes", "rows"), [(5, 8), (27, 32), (65, 128), (256, 256)])
def test_a_remainder_of_any_rank_is_found_beside_the_exact_product(classes: int, rows: int) -> None:
    rng = np.random.default_rng(0)
    left = rng.integers(0, 100, (classes, 256))
    block = Block.from_table(exact().table + left[np.arange(256) % classes], name="b")
    split = residual(block)
    assert split is not None
    assert (split.factors.products, len(split.rows), split.unit) == (1, rows, 1)
    assert split.classes.tolist() == [split.classes[a % classes] for a in range(256)]
    assert np.array_equal(split.table, block.table)


@pytest.mark.data
@pytest.mark.skipif(not (DATA / "evoapproxlib_v2022_8x8.npz").exists(), reason="needs shared/blocks (HAWX_DATA)")
@pytest.mark.parametrize(("name", "classes"), [("C67", 16), ("DG8", 16), ("LK8", 16), ("ZDF", 32), ("0AB", 64), ("XFM", 256)])
def test_evolved_tables_are_a_product_and_a_remainder(name: str, classes: int) -> None:
    table = np.load(DATA / "evoapproxlib_v2022_8x8.npz")[f"mul8u_{name}"]
    unsigned = Block.from_table(table, name=name, formats=("u8", "u8"))
    for block, products in ((sign_magnitude(unsigned, "u8"), 1), (unsigned, 2)):  # unsigned weights take two bytes
        split = residual(block)
        assert split is not None
        assert (split.factors.products, len(split.rows)) == (products, classes)
        assert np.array_equal(split.table, block.table)


def test_products_and_random_tables_have_no_remainder_worth_adding() -> None:
    assert residual(exact()) is None
    assert residual(full_rank()) is None


@pytest.mark.data
@pytest.mark.skipif(not (DATA / "evoapproxlib_v2022_8x8.npz").exists(), reason="needs shared/blocks (HAWX_DATA)")
def test_all_signed_evoapprox_tables_of_higher_rank_are_a_product_or_two_and_a_remainder() -> None:
    tables = np.load(DATA / "evoapproxlib_v2022_8x8.npz")
    for name in ("mul8s_1KV8", "mul8s_1KV9", "mul8s_1KVA", "mul8s_1KVP", "mul8s_1KVQ", "mul8s_1KX5"):
        split = residual(Block.from_table(tables[name], name=name))
        assert split is not None, name
        assert split.factors.products <= 2
        assert np.array_equal(split.table, tables[name])
