"""Factorization is a proof over the integers: products of factors equal the table, or there are none."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from blocks import exact, full_rank
from hypothesis import given, settings
from hypothesis import strategies as st

from hawx.blocks import Block
from hawx.blocks.factorize import MAX_RANK, byte_factors, factorize, outer_products
from hawx.blocks.integers import independent_rows, inverse, lattice_basis, lll

DATA = Path(os.environ.get("HAWX_DATA", Path(__file__).parents[2] / ".." / "shared")) / "blocks"


@pytest.mark.parametrize("formats", [("s8", "s8"), ("u8", "s8")])
def test_the_exact_block_is_one_sixteen_bit_product(formats: tuple[str, str]) -> None:
    factors = factorize(exact(formats), 16)
    assert factors is not None
    assert factors.products == 1
    assert factors.scale.tolist() == [1]


def test_signed_exact_is_one_product_of_bytes() -> None:
    factors = factorize(exact(), 8)
    assert factors is not None
    assert factors.products == 1
    assert {int(factors.u.min()), int(factors.v.min())} <= {-128, -127}


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 7), st.integers(0, 2**32 - 1), st.sampled_from([3, 40, 120]))
def test_random_low_rank_tables_factor_exactly(rank: int, seed: int, size: int) -> None:
    u, v = np.random.default_rng(seed).integers(-size, size + 1, (2, rank, 256))
    block = Block.from_table(u.T @ v, name="b")
    for bits in (8, 16):
        factors = factorize(block, bits)
        if factors is None:
            assert bits == 16  # the only reason: a factor and its scale do not fit 16 bits
            continue
        limit = 1 << (bits - 1)
        assert np.array_equal(np.einsum("i,ia,iw->aw", factors.scale, factors.u.astype(np.int64), factors.v.astype(np.int64)), block.table)
        assert max(abs(int(factors.u.min())), int(factors.u.max()) + 1, abs(int(factors.v.min())), int(factors.v.max()) + 1) <= limit
        if bits == 16:
            assert factors.products <= rank


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1), st.sampled_from([3, 40, 120]))
def test_factors_in_bytes_are_exact_or_absent(rank: int, seed: int, size: int) -> None:
    u, v = np.random.default_rng(seed).integers(-size, size + 1, (2, rank, 256))
    block = Block.from_table(u.T @ v, name="b")
    factors = byte_factors(block)
    assert factors is not None or size > 3  # short factors always fit
    if factors is not None:
        assert (factors.u.dtype, factors.v.dtype) == (np.uint8, np.int8)
        assert factors.products <= rank + 1
        total = sum(np.multiply.outer(u.astype(int) - z, v.astype(int)) for u, v, z in zip(factors.u, factors.v, factors.zero, strict=True))
        assert np.array_equal(total, block.table)


def test_the_exact_block_in_bytes_is_its_codes() -> None:
    signed, mixed = byte_factors(exact()), byte_factors(exact(("u8", "s8")))
    assert signed is not None
    assert mixed is not None
    assert signed.u[0].tolist() == mixed.u[0].tolist() == list(range(256))
    assert (signed.zero.tolist(), mixed.zero.tolist()) == ([128], [0])
    assert byte_factors(full_rank()) is None


def test_weights_beyond_a_signed_byte_are_two_products() -> None:
    factors = byte_factors(exact(("u8", "u8")))
    assert factors is not None
    assert factors.products == 2
    assert np.array_equal(factors.table, np.multiply.outer(np.arange(256), np.arange(256)))


@pytest.mark.parametrize(("weights", "products"), [(np.arange(-128, 128), 1), (2 * np.arange(-128, 128) + 1, 2), (3 * np.arange(-128, 128), None)])
def test_two_products_reach_from_minus_255_to_255(weights: np.ndarray, products: int | None) -> None:
    block = Block.from_table(np.multiply.outer(np.arange(256), weights), name="b")
    factors = byte_factors(block)
    assert (factors and factors.products) == products
    if factors is not None:
        assert np.array_equal(factors.table, block.table)


def test_a_table_of_zeros_has_no_products_of_bytes() -> None:
    factors = byte_factors(Block.from_table(np.zeros((256, 256), int), name="zero"))
    assert factors is not None
    assert factors.products == 0


def test_an_error_of_low_rank_is_found_beside_the_exact_product() -> None:
    error = np.outer(np.arange(256) % 3, np.arange(256) % 5)
    block = Block.from_table(exact().table + error, name="b")
    factors = factorize(block, 8)
    assert factors is not None
    assert factors.products == 2


@pytest.mark.parametrize("seed", range(3))
def test_full_rank_tables_have_no_factors(seed: int) -> None:
    assert factorize(full_rank(seed=seed), 8) is None
    assert factorize(full_rank(seed=seed), 16) is None


def test_rank_is_limited_and_the_limit_itself_is_reached() -> None:
    def of_rank(rank: int) -> np.ndarray:
        return np.kron(np.identity(256 // 16 * 2, np.int64)[:32, :32], np.ones((8, 8), np.int64)) * (np.arange(256)[:, None] // 8 < rank)

    found = outer_products(of_rank(MAX_RANK).astype(np.int32))
    assert found is not None
    assert len(found) == MAX_RANK
    assert outer_products(of_rank(MAX_RANK + 1).astype(np.int32)) is None


def test_a_table_of_zeros_has_no_products() -> None:
    factors = factorize(Block.from_table(np.zeros((256, 256), int), name="zero"), 16)
    assert factors is not None
    assert factors.products == 0
    assert not factors.table.any()


@pytest.mark.data
@pytest.mark.skipif(not (DATA / "evoapproxlib_v2022_8x8.npz").exists(), reason="needs shared/blocks (HAWX_DATA)")
def test_all_signed_evoapprox_tables_factor_into_at_most_five_byte_products() -> None:
    tables = np.load(DATA / "evoapproxlib_v2022_8x8.npz")
    assert json.loads((DATA / "evoapproxlib_v2022_8x8.json").read_text())
    signed = [name for name in tables.files if name.startswith("mul8s")]
    assert len(signed) == 13
    counts = {}
    for name in signed:
        factors = factorize(Block.from_table(tables[name], name=name), 8)
        assert factors is not None, name
        assert np.array_equal(factors.table, tables[name])
        assert np.abs(factors.u.astype(int) + 0.5).max() < 128
        assert np.abs(factors.v.astype(int) + 0.5).max() < 128
        counts[name] = factors.products
    assert max(counts.values()) == 5
    assert counts["mul8s_1KV6"] == 1


def determinant(matrix: list[list[int]]) -> Fraction:
    """Gaussian elimination over the rationals: slow, obvious, shares nothing with the code under test."""
    rows = [[Fraction(x) for x in row] for row in matrix]
    result = Fraction(1)
    for k in range(len(rows)):
        swap = next((i for i in range(k, len(rows)) if rows[i][k]), None)
        if swap is None:
            return Fraction(0)
        if swap != k:
            rows[k], rows[swap] = rows[swap], rows[k]
            result = -result
        result *= rows[k][k]
        for i in range(k + 1, len(rows)):
            ratio = rows[i][k] / rows[k][k]
            rows[i] = [x - ratio * y for x, y in zip(rows[i], rows[k], strict=True)]
    return result


matrices = st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(st.integers(-50, 50), min_size=n, max_size=n), min_size=n, max_size=n))


@given(matrices)
def test_inverse_times_matrix_is_denominator_times_identity(values: list[list[int]]) -> None:
    matrix = np.array(values, dtype=object)
    if determinant(values) == 0:
        with pytest.raises(ZeroDivisionError):
            inverse(matrix)
        return
    numerator, denominator = inverse(matrix)
    assert (matrix @ numerator == denominator * np.identity(len(matrix), dtype=object)).all()


@given(matrices)
def test_reduction_keeps_the_lattice(values: list[list[int]]) -> None:
    volume = abs(determinant(values))
    if volume == 0:
        return
    matrix = np.array(values, dtype=object)
    reduced = lll(lattice_basis(matrix))
    assert abs(determinant(reduced.tolist())) == volume
    numerator, denominator = inverse(reduced)
    assert not ((matrix @ numerator) % denominator).any()  # every original vector is an integer combination


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_independent_rows_give_an_invertible_minor_of_full_rank(rank: int, seed: int) -> None:
    u, v = np.random.default_rng(seed).integers(-9, 10, (2, rank, 20))
    matrix = u.T @ v
    found = independent_rows(matrix, 20)
    assert found is not None
    rows, columns = found
    assert len(rows) == np.linalg.matrix_rank(matrix)
    assert determinant(matrix[np.ix_(rows, columns)].tolist()) != 0
