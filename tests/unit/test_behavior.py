"""Errors of multipliers of any widths: all pairs against counts by hand, samples against all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from hawx.blocks import Block
from hawx.blocks.metrics import error_metrics
from hawx.circuits.behavior import Errors, measured, raw_products
from hawx.circuits.netlist import Netlist
from hawx.circuits.pairs import SAMPLES, Pairs
from hawx.circuits.readings import Reading, from_patterns
from hawx.circuits.verilog import netlist_of
from hawx.circuits.verilog_syntax import parse_verilog
from hawx.formats import IntFormat


def multiplier(a_bits: int, w_bits: int, dropped: int = 0) -> Netlist:
    """Return a shift-and-add multiplier whose product lacks the columns below `dropped`."""
    bits = a_bits + w_bits
    rows = [f"({{{bits}{{b[{i}]}}}} & {{{bits - a_bits - i}'d0, a{f', {i}' + chr(39) + 'd0' if i else ''}}})" for i in range(w_bits)]
    mask = f"{bits}'d{((1 << bits) - 1) >> dropped << dropped}"
    total = " + ".join(f"({row} & {mask})" for row in rows)
    text = f"module m (input [{a_bits - 1}:0] a, input [{w_bits - 1}:0] b, output [{bits - 1}:0] o);\n  assign o = {total};\nendmodule\n"
    return netlist_of("m.v", parse_verilog("m.v", text), "m")


def unsigned(a_bits: int, w_bits: int) -> Reading:
    return Reading((IntFormat(a_bits, False), IntFormat(w_bits, False)), a_bits + w_bits)


def test_errors_of_two_by_two_bits_by_hand() -> None:
    """Without the lowest column, an odd times an odd number loses 1: 1·1, 1·3, 3·1 and 3·3 of 16 pairs; relative errors 1, 1/3, 1/3, 1/9."""
    netlist = multiplier(2, 2, dropped=1)
    found, chance = measured(netlist, ("a", "b", "o"), unsigned(2, 2), Pairs.of((2, 2)))
    assert (found.mae, found.wce, found.ep, found.mse, found.bias, found.pairs) == (0.25, 1.0, 0.25, 0.25, -0.25, 16)
    assert found.mre == pytest.approx((1 + 1 / 3 + 1 / 3 + 1 / 9) / 9, rel=1e-12)
    assert (found.wcre, found.is_sampled, dict(found.intervals)) == (1.0, False, {})
    assert [chance[net] for net in netlist.inputs["a"]] == [0.5, 0.5]
    # of the products 0 2 2 … only 3·3 = 8 + 1 - 1 reaches 8; 2·2, 2·3, 3·2 have the bit of 4
    assert [chance[net] for net in netlist.outputs["o"]] == [0.0, 6 / 16, 3 / 16, 1 / 16]


def test_eight_by_eight_is_what_a_block_says() -> None:
    netlist = multiplier(8, 8, dropped=5)
    found, _ = measured(netlist, ("a", "b", "o"), unsigned(8, 8), Pairs.of((8, 8)))
    raw = raw_products(netlist, ("a", "b", "o"), next(Pairs.of((8, 8)).chunks())).reshape(256, 256)
    block = Block.from_table(from_patterns(raw, unsigned(8, 8).formats), name="m", formats=("u8", "u8"))
    expected = error_metrics(block)
    for name in ("mae", "wce", "mre", "wcre", "ep", "mse", "bias"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-12), name


def test_a_sample_says_so_and_its_intervals_hold() -> None:
    netlist, ports, reading = multiplier(9, 6, dropped=4), ("a", "b", "o"), unsigned(9, 6)
    exact, _ = measured(netlist, ports, reading, Pairs((9, 6)))
    missed = 0
    for seed in range(20):
        sampled, _ = measured(netlist, ports, reading, Pairs((9, 6), seed))
        assert (sampled.pairs, sampled.seed) == (SAMPLES, seed)
        assert sampled.wce <= exact.wce
        for name in ("mae", "mre", "ep"):
            low, high = sampled.intervals[name]
            assert low <= getattr(sampled, name) <= high
            missed += not low <= getattr(exact, name) <= high
    assert 0 < missed < 10  # 3 of 60 are expected: too wide intervals would miss none, too narrow ones many
    stated = sampled.to_dict()
    assert (stated["sampled"], stated["wce_is"], stated["confidence"], stated["seed"]) == (True, "lower bound", 0.95, 19)
    assert Errors.from_dict(stated) == sampled
    assert Errors.from_dict(exact.to_dict()) == exact


@pytest.mark.parametrize(("widths", "seed"), [((2, 2), None), ((12, 12), None), ((13, 12), 0), ((16, 16), 0)])
def test_pairs_are_all_up_to_24_bits(widths: tuple[int, int], seed: int | None) -> None:
    assert Pairs.of(widths).seed == seed
    assert Pairs.of(widths, seed=5).seed == (None if seed is None else 5)


def test_every_pair_comes_equally_often_the_weight_first() -> None:
    chunks = list(Pairs.of((10, 9)).chunks())
    pairs = np.concatenate(chunks, axis=1)
    assert len(chunks) == 2
    assert pairs[:, :3].tolist() == [[0, 0, 0], [0, 1, 2]]
    assert np.array_equal(pairs[0] * 512 + pairs[1], np.arange(1024 * 512))
    few = np.concatenate(list(Pairs.of((2, 3)).chunks()), axis=1)
    assert np.bincount(few[0] * 8 + few[1]).tolist() == [2] * 32


def test_a_sample_is_uniform_and_its_own_for_every_seed() -> None:
    first, second = (np.concatenate(list(Pairs((16, 12), seed).chunks()), axis=1) for seed in (0, 1))
    assert first.max(axis=1).tolist() == [65535, 4095]
    assert np.abs(first.mean(axis=1) - [32767.5, 2047.5]) == pytest.approx([0, 0], abs=100)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, np.concatenate(list(Pairs((16, 12), 0).chunks()), axis=1))
