"""Words and expressions: what is packed comes back, and what is written reads back as the same function."""

from __future__ import annotations

import random

import numpy as np
import pytest

from hawx.circuits.logic import VERILOG, Expression, parse_function
from hawx.circuits.netlist import Gate, evaluation_order
from hawx.circuits.words import numbers, ones, operand_words, pack, unpack

PINS = ("A", "B", "C", "D")


def test_bits_come_back_from_words_and_are_counted():
    bits = np.random.default_rng(5).integers(0, 2, (3, 192), np.uint8)
    words = pack(bits)
    assert words.shape == (3, 3)
    assert int(words[0, 0]) == sum(int(bit) << place for place, bit in enumerate(bits[0, :64]))
    np.testing.assert_array_equal(unpack(words), bits)
    np.testing.assert_array_equal(ones(words), bits.sum(axis=1))


@pytest.mark.parametrize("width", [1, 8, 11, 16, 17])
def test_numbers_of_any_width(width):
    values = np.random.default_rng(width).integers(0, 1 << width, 128)
    planes = pack((values >> np.arange(width)[:, None] & 1).astype(np.uint8))
    np.testing.assert_array_equal(numbers(planes), values)


def test_operand_words_run_through_all_pairs_weights_first():
    activation, weight = operand_words()
    pairs = np.arange(1 << 16)
    np.testing.assert_array_equal(numbers(activation), pairs >> 8)
    np.testing.assert_array_equal(numbers(weight), pairs & 255)


def random_expression(rng: random.Random, depth: int) -> Expression:
    if depth == 0:
        return rng.choice([Expression("0"), Expression("1"), *(Expression("pin", pin=pin) for pin in PINS)])
    operator = rng.choice(["not", "and", "or", "xor"])
    count = 1 if operator == "not" else rng.randint(2, 3)
    return Expression(operator, tuple(random_expression(rng, depth - 1) for _ in range(count)))


@pytest.mark.parametrize("seed", range(20))
def test_an_expression_survives_its_text(seed):
    expression = random_expression(random.Random(seed), 3)
    assert parse_function(expression.text()).truth(PINS) == expression.truth(PINS)


def test_an_expression_as_verilog():
    assert parse_function("!(A B)+C^1").text(VERILOG) == "(~((A & B)) | (C ^ 1'b1))"


def test_gates_stand_after_their_drivers_and_loops_are_left_out():
    gates = [Gate("g", (5,), (6,)), Gate("g", (2, 3), (5, -1)), Gate("g", (8,), (7,)), Gate("g", (7, 6), (8,)), Gate("g", (8,), (9,))]
    assert evaluation_order(gates) == [1, 0]


def test_packed_bits_of_many_axes_are_counted_along_the_last() -> None:
    bits = np.random.default_rng(0).integers(0, 2, (2, 3, 128)).astype(np.uint8)
    words = pack(bits)
    assert words.shape == (2, 3, 2)
    np.testing.assert_array_equal(unpack(words), bits)
    np.testing.assert_array_equal(ones(words), bits.sum(axis=-1))
    planes = np.random.default_rng(1).integers(0, 2, (17, 64)).astype(np.uint8)
    expected = [sum(int(bit) << place for place, bit in enumerate(column)) for column in planes.T]
    assert numbers(pack(planes)).tolist() == expected
