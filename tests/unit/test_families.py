"""Families: laws against brute force and against the papers' published error figures."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hawx.blocks.families import (
    FAMILIES,
    ApproximateCompressors,
    BrokenArray,
    ColumnTruncated,
    Drum,
    Exact,
    Kulkarni,
    Mitchell,
    OperandTruncated,
    OrCompressed,
    Roba,
    Tosam,
    TruncatedBooth,
    VariableTruncated,
    builtin_families,
    builtin_library,
    characterized_families,
    family_block,
    from_name,
)
from hawx.blocks.families import costs as family_costs
from hawx.blocks.families.drum import drum_product
from hawx.blocks.families.kulkarni import kulkarni_product
from hawx.blocks.families.mitchell import mitchell_product
from hawx.blocks.families.roba import nearest_power, roba_product
from hawx.blocks.families.tosam import tosam_product
from hawx.errors import InputError, UnknownNameError

codes = st.integers(-128, 127)
MEMBERS = builtin_families()


def entry(family, a: int, w: int) -> int:
    return int(family.product(np.array([a]), np.array([w]))[0])


def cells(a: int, w: int, kept: Callable[[int, int], bool]) -> int:
    """Python-integer sum of signed partial products: the array law without numpy."""
    total = 0
    for i in range(8):
        for j in range(8):
            if kept(i, j):
                sign = (-1 if i == 7 else 1) * (-1 if j == 7 else 1)
                total += sign * ((a >> i) & 1) * ((w >> j) & 1) << (i + j)
    return total


def test_exact_is_the_product_signed_and_unsigned():
    s, u = np.arange(-128, 128), np.arange(256)
    assert (Exact().table() == np.multiply.outer(s, s)).all()
    assert (Exact(signed=False).table() == np.multiply.outer(u, u)).all()
    assert Exact(signed=False).block().is_exact


@given(codes, codes, st.integers(1, 14))
def test_column_truncation_drops_the_low_columns(a, w, k):
    assert entry(ColumnTruncated(k), a, w) == cells(a, w, lambda i, j: i + j >= k)


@given(codes, codes, st.integers(0, 9), st.integers(1, 7), st.integers(0, 7))
def test_broken_array_drops_columns_and_rows_of_either_operand(a, w, v, h, r):
    assert entry(BrokenArray(v, h, r), a, w) == cells(a, w, lambda i, j: i + j >= v and j >= h and i >= r)


def bit_products(a: int, w: int, column: int) -> list[tuple[int, int]]:
    """(row, value) of one column's cells, rows being weight bits."""
    return [(j, (a >> (column - j)) & (w >> j) & 1) for j in range(8) if 0 <= column - j < 8]


@given(codes, codes, st.integers(2, 8))
def test_variable_correction_moves_the_last_dropped_column_up(a, w, k):
    kept = cells(a, w, lambda i, j: i + j >= k)
    assert entry(VariableTruncated(k), a, w) == kept + 2 * cells(a, w, lambda i, j: i + j == k - 1)


@given(codes, codes, st.integers(2, 7), st.integers(2, 8))
def test_or_compression_ors_neighboring_rows(a, w, columns, depth):
    lost = 0
    for column in range(columns):
        for first in range(0, 8, depth):
            group = [value for row, value in bit_products(a, w, column) if first <= row < first + depth]
            lost += (sum(group) - int(any(group))) << column
    assert entry(OrCompressed(columns, depth), a, w) == a * w - lost


@given(codes, codes, st.integers(4, 7))
def test_approximate_compressors_lose_one_on_mixed_pairs_and_on_all_ones(a, w, columns):
    """Truth table of Venkatachalam and Ko 2017: one too small when exactly one of each pair is 1, and when all four are."""
    lost = 0
    for column in range(columns):
        values = [value for _, value in bit_products(a, w, column)]
        for k in range(0, len(values) - 3, 4):
            pairs = (sum(values[k : k + 2]), sum(values[k + 2 : k + 4]))
            lost += (pairs in ((1, 1), (2, 2))) << column
    assert entry(ApproximateCompressors(columns), a, w) == a * w - lost


@given(codes, codes, st.integers(0, 8))
def test_truncated_booth_cuts_every_row_towards_zero(a, w, columns):
    unsigned, total, previous = w & 255, 0, 0
    for i in range(4):  # digits from the recoding table, not from its formula
        triplet = (unsigned >> (2 * i) & 3) << 1 | previous
        previous = unsigned >> (2 * i + 1) & 1
        digit = (0, 1, 1, 2, -2, -1, -1, 0)[triplet]
        row = abs(digit) * a * 4**i // 2**columns * 2**columns
        total += -row if digit < 0 else row
    assert entry(TruncatedBooth(columns), a, w) == total
    assert columns > 0 or total == a * w


@pytest.mark.parametrize(
    "family", [VariableTruncated(7), TruncatedBooth(7), OrCompressed(6, 8), ApproximateCompressors(7), BrokenArray(6, 1, 2)], ids=lambda f: f.name
)
def test_a_zero_operand_gives_zero(family):
    table = family.table()
    assert not table[128].any()
    assert not table[:, 128].any()


@given(codes, codes, st.integers(0, 7), st.integers(1, 6))
def test_operand_truncation_is_masking(a, w, m, n):
    assert entry(OperandTruncated(m, n), a, w) == (a >> m << m) * (w >> n << n)


@pytest.mark.parametrize("k", [1, 4, 6, 8, 10])
def test_compensation_leaves_at_most_half_a_unit_of_bias(k):
    plain, compensated = ColumnTruncated(k).block(), ColumnTruncated(k, compensated=True).block()
    assert abs(compensated.error.mean()) <= 0.5 < abs(plain.error.mean()) + 0.5
    difference = compensated.table - plain.table
    assert (difference == difference[0, 0]).all()
    assert difference[0, 0] == round(-float(plain.error.mean()))


@pytest.mark.parametrize(("k", "published_wce"), [(1, 255), (2, 759), (3, 1743)])
def test_operand_truncation_has_the_wce_of_the_published_truncated_circuits(k, published_wce):
    """EvoApproxLib v2022 headers of mul8s_1L2J, mul8s_1L2L and mul8s_1L2N."""
    assert abs(OperandTruncated(k, k).block().error).max() == published_wce


# Hashemi et al. 2015: abstract, standard deviations from 0.45 % to 3.61 % (k = 8 to 5), near-zero mean; DRUM6: mean relative error 1.47 %,
# standard deviation 1.80 %, largest 6.31 %. All for 16-bit uniform operands.
@pytest.mark.parametrize(("k", "std"), [(5, 3.61), (6, 1.80), (8, 0.45)])
def test_drum_reproduces_the_papers_standard_deviations(k, std):
    x, y = np.random.default_rng(k).integers(1, 1 << 16, (2, 1_000_000))
    relative = 100 * (drum_product(x, y, k) / (x * y) - 1)
    assert relative.std() == pytest.approx(std, abs=0.01)
    assert abs(relative.mean()) < 0.2


def test_drum6_reproduces_the_papers_mean_and_largest_error():
    x, y = np.random.default_rng(0).integers(1, 1 << 16, (2, 1_000_000))
    assert 100 * np.mean(np.abs(drum_product(x, y, 6) / (x * y) - 1)) == pytest.approx(1.47, abs=0.01)
    every = np.arange(1, 1 << 16)
    operand = drum_product(every, np.ones_like(every), 6) / every - 1  # relative error of one operand, exact for 1
    worst = max(abs((1 + operand.max()) ** 2 - 1), abs((1 + operand.min()) ** 2 - 1))
    assert 100 * worst == pytest.approx(6.31, abs=0.06)


def test_drum_is_exact_below_its_width_and_unbiased_on_8_bits():
    small = np.arange(16)
    assert (drum_product(small[:, None], small[None, :], 4) == np.multiply.outer(small, small)).all()
    assert abs(Drum(4).block().error.mean()) < 0.1


def test_mitchell_reproduces_its_worst_and_mean_error():
    """Worst 11.1 %, always low (Mitchell 1962, section V); mean 3.8 % (McLaren, IEEE SOC Conference 2003)."""
    x = np.arange(1, 256)
    relative = 100 * (mitchell_product(x[:, None], x[None, :]) / np.multiply.outer(x, x) - 1)
    assert relative.min() == pytest.approx(-100 / 9, abs=1e-9)
    assert relative.max() <= 0
    assert -relative.mean() == pytest.approx(3.8, abs=0.05)


@given(st.integers(1, 255), st.integers(1, 255))
def test_mitchell_is_exact_for_powers_of_two_and_never_above(x, y):
    product = int(mitchell_product(np.int64(x), np.int64(y)))
    assert product <= x * y
    if x & (x - 1) == 0 or y & (y - 1) == 0:
        assert product == x * y


def test_roba_reproduces_the_papers_errors():
    """Zendegani et al. 2017, table I: largest relative error 11.1 %, mean 2.9 %; products of powers of two are exact."""
    x = np.arange(1, 256)
    relative = 100 * (roba_product(x[:, None], x[None, :]) / np.multiply.outer(x, x) - 1)
    assert np.abs(relative).max() == pytest.approx(100 / 9, abs=1e-9)
    assert np.abs(relative).mean() == pytest.approx(2.9, abs=0.05)


def test_roba_rounds_three_down_and_ties_up():
    assert nearest_power(np.array([0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 96, 95])).tolist() == [0, 1, 2, 2, 4, 4, 8, 8, 8, 16, 128, 64]


@pytest.mark.parametrize(("width", "mean"), [(2, 1.39), (4, 2.60), (8, 3.25)])
def test_kulkarni_reproduces_the_papers_errors(width, mean):
    """Kulkarni et al. 2011, table of section III: mean error 1.39 % (2×2) to 3.25 % (8×8), never above 22.22 %, 3·3 = 7."""
    x = np.arange(1 << width)
    exact = np.multiply.outer(x, x)
    relative = 100 * (exact - kulkarni_product(x[:, None], x[None, :], width)) / np.maximum(exact, 1)
    assert relative.mean() == pytest.approx(mean, abs=0.01)
    assert relative.max() == pytest.approx(22.22, abs=0.01)
    assert kulkarni_product(np.array(3), np.array(3), width) == 7


# Vahdat et al. 2019: mean absolute relative errors from 11 % (TOSAM(0, 2)) to 0.3 % (TOSAM(5, 9)), 16-bit uniform operands.
@pytest.mark.parametrize(("h", "t", "mean"), [(0, 2, 10.9), (0, 3, 7.6), (5, 9, 0.3)])
def test_tosam_reproduces_the_papers_mean_errors(h, t, mean):
    x, y = np.random.default_rng(h).integers(1, 1 << 16, (2, 1_000_000))
    assert 100 * np.mean(np.abs(tosam_product(x, y, h, t) / (x * y) - 1)) == pytest.approx(mean, abs=0.05)


@given(st.integers(1, 255), st.integers(1, 255), st.integers(0, 3), st.integers(1, 3))
def test_tosam_is_its_equation_in_exact_fractions(x, y, h, extra):
    t = h + extra
    k1, k2 = x.bit_length() - 1, y.bit_length() - 1
    x1, x2 = Fraction(x, 1 << k1) - 1, Fraction(y, 1 << k2) - 1
    cut = [Fraction(math.floor(f * 2**t), 2**t) for f in (x1, x2)]
    odd = [Fraction(2 * math.floor(f * 2**h) + 1, 2 ** (h + 1)) for f in (x1, x2)]
    expected = math.floor(2 ** (k1 + k2) * (1 + sum(cut) + odd[0] * odd[1]))
    assert int(tosam_product(np.int64(x), np.int64(y), h, t)) == expected


@pytest.mark.parametrize("family", [Drum(3), Mitchell(), Roba(), Kulkarni(), Tosam(1, 5)], ids=lambda f: f.name)
def test_sign_magnitude_is_odd_in_each_operand(family):
    table = family.table()
    positive = table[129:, 129:]
    assert (table[127:0:-1, 129:] == -positive).all()
    assert (table[129:, 127:0:-1] == -positive).all()
    assert not table[128].any()
    assert not table[:, 128].any()


@pytest.mark.parametrize("family", MEMBERS, ids=lambda f: f.name)
def test_names_parse_back_and_provenance_says_everything(family):
    assert from_name(family.name) == family
    block = family.block()
    assert block.name == family.name
    assert json.loads(json.dumps(dict(block.provenance)))["family"] == type(family).__name__
    assert block.provenance["source"] == family.SOURCE


def test_any_parameter_can_be_named():
    assert from_name("mul8s_drum5") == Drum(5)
    assert from_name("mul8s_bam_v6") == BrokenArray(6)
    assert from_name("mul8s_bam_v6h2") == BrokenArray(6, 2)
    assert from_name("mul8s_bam_v6a3") == BrokenArray(6, activation_rows=3)
    assert from_name("mul8s_bam_v6h2a3") == BrokenArray(6, 2, 3)
    assert from_name("mul8s_or6d2") == OrCompressed(6, 2)
    for family in FAMILIES:
        assert from_name(family.EXAMPLE).name == family.EXAMPLE
    assert from_name("mul8s_tcc9") == ColumnTruncated(9, compensated=True)
    assert from_name("mul8s_ot_a2w1") == OperandTruncated(2, 1)
    assert from_name("mul8u_exact") == Exact(signed=False)


def test_bad_names_and_parameters_say_what_was_expected():
    with pytest.raises(UnknownNameError, match=r"^unknown block family member 'mul8s_drun4'; did you mean 'mul8s_drum4'"):
        from_name("mul8s_drun4")
    with pytest.raises(InputError, match=r"^DRUM kept bits 9 is out of range; expected 3 to 7\.$"):
        from_name("mul8s_drum9")
    with pytest.raises(InputError, match=r"^operand truncation activation_bits \+ weight_bits 0 is out of range; expected 1 to 14\.$"):
        OperandTruncated(0, 0)


def test_builtin_library_is_diverse_and_starts_exact():
    library = builtin_library()
    assert library.names[0] == "mul8s_exact"
    assert library.blocks[0].is_exact
    assert 20 <= len(library) <= 40
    assert len({block.sha256 for block in library}) == len(library)
    figures = library.costs()
    exact = figures[0].energy_fj
    saved = sorted(1 - costs.energy_fj / exact for costs in figures)
    steps = [b - a for a, b in pairwise(saved) if b >= 0 and a <= 0.6]
    assert max(steps) < 0.09, "the front from 0 to 60 % energy saved has a gap"
    assert builtin_library() is library


def test_every_family_has_a_member_with_figures_and_no_two_have_one_table():
    members = characterized_families()
    assert {type(member) for member in members} == set(FAMILIES)
    blocks = [family_block(member) for member in members]
    assert all(block.costs for block in blocks)
    assert len({block.sha256 for block in blocks}) == len(blocks)


def test_every_output_fits_the_16_bit_port():
    for family in (
        *MEMBERS,
        Kulkarni(),
        Tosam(0, 2),
        Tosam(5, 7),
        ApproximateCompressors(7),
        VariableTruncated(8),
        ColumnTruncated(14, compensated=True),
    ):
        table = family.table()
        assert -(1 << 15) <= table.min() <= table.max() < 1 << 15


def test_shipped_costs_of_another_table_are_refused():
    block = Drum(4).block()
    entry_of = {"sha256": block.sha256, "area_um2": 10, "delay_ns": 1.5, "energy_fj": 20, "leakage_nw": 3, "luts": 99, "constant_lsbs": 0}
    other_entry = {**entry_of, "area_um2": 7}
    content = {
        "technologies": [
            {"technology": "first", "origin": "synthesized: test", "blocks": {block.name: entry_of}},
            {"technology": "second", "origin": "synthesized: test", "blocks": {block.name: other_entry}},
        ]
    }
    both = family_costs.attach(block, content).costs
    assert [(name, found.area_um2) for name, found in both.items()] == [("first", 10), ("second", 7)]
    costs = both["first"]
    assert (costs.area_um2, costs.delay_ns, costs.energy_fj, costs.leakage_nw, costs.luts, costs.origin) == (10, 1.5, 20, 3, 99, "synthesized: test")
    assert not family_costs.attach(Drum(5).block(), content).costs
    assert not family_costs.attach(block, None).costs
    other = replace(block, table=Drum(5).table())
    with pytest.raises(
        family_costs.StaleCostsError, match=r"^costs of 'mul8s_drum4' in builtin_costs\.json are those of table \w{12}; expected \w{12}\."
    ):
        family_costs.attach(other, content)
