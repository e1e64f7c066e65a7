"""How numbers, headers and ports are read, each decision against figures counted by hand."""

from __future__ import annotations

import re

import numpy as np
import pytest

from hawx.circuits.header import Header, parse_header, published_costs
from hawx.circuits.ports import (
    check_module_name,
    check_widths,
    likeness,
    multiplier_ports,
    operand_order,
    signedness_hint,
    top_module,
    without_comments,
)
from hawx.circuits.readings import (
    SIGNED,
    UNSIGNED,
    Pair,
    Reading,
    errors,
    formats_of_circuit,
    formats_of_table,
    from_patterns,
    mean_absolute_error,
    reading_of,
    reproduces,
    unit,
    value_order,
)
from hawx.errors import InputError
from hawx.formats import S8, U8, IntFormat

S, U = np.arange(-128, 128), np.arange(256)
EXACT_S, EXACT_U = np.multiply.outer(S, S), np.multiply.outer(U, U)
PATTERNS = np.arange(65536).reshape(256, 256)


def test_value_order_starts_at_minus_128() -> None:
    found = value_order(PATTERNS)
    assert [found[0, 0], found[128, 128], found[0, 128], found[127, 129]] == [0x8080, 0x0000, 0x8000, 0xFF01]


@pytest.mark.parametrize(
    ("formats", "at_0_0", "at_128_128", "at_128_0"),
    [
        (SIGNED, 0x8080 - 0x10000, 0, 0x0080),
        (UNSIGNED, 0, 0x8080, 0x8000),
        ((U8, S8), 0x0080, 0x8000 - 0x10000, 0x8080 - 0x10000),
        ((S8, U8), 0x8000 - 0x10000, 0x0080, 0),
    ],
)
def test_patterns_are_signed_where_an_operand_is(formats: Pair, at_0_0: int, at_128_128: int, at_128_0: int) -> None:
    found = from_patterns(PATTERNS, formats)
    assert [found[0, 0], found[128, 128], found[128, 0]] == [at_0_0, at_128_128, at_128_0]


def test_the_sign_bit_is_the_sixteenth() -> None:
    raw = np.zeros((256, 256), np.int64)
    raw[0, :4] = [0x7FFF, 0x8000, 0xFFFF, 1]
    assert from_patterns(raw, SIGNED)[128, 128:132].tolist() == [32767, -32768, -1, 1]


def test_a_table_of_zeros_errs_by_the_products() -> None:
    """The magnitudes -128..127 add up to 128 · 128, so their mean is 64, of products 64²; of 0..255 it is 127.5."""
    zeros = np.zeros((256, 256), np.int64)
    assert errors(zeros, SIGNED)[[0, 0, 255], [0, 255, 255]].tolist() == [16384, 16256, 16129]
    assert errors(zeros, UNSIGNED)[[0, 3, 255], [9, 5, 255]].tolist() == [0, 15, 65025]
    assert errors(EXACT_S - 7, SIGNED).tolist() == np.full((256, 256), 7).tolist()
    assert mean_absolute_error(zeros, SIGNED) == 4096.0
    assert mean_absolute_error(zeros, UNSIGNED) == 16256.25


@pytest.mark.parametrize(
    ("printed", "expected"), [(100, 1), (10, 1), (9.9, 0.1), (1.0, 0.1), (0.99, 0.01), (0.05, 0.001), (0.5, 0.01), (0, 1), (-3, 1)]
)
def test_the_last_digit_of_a_figure(printed: float, expected: float) -> None:
    assert unit(printed) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("published", "expected"),
    [
        ({}, None),
        ({"power_mw": 1.0}, None),
        ({"mae": 20.0}, True),
        ({"wce": 20.0}, True),
        ({"mae": 19.1, "wce": 20.9}, True),  # rounded or cut off
        ({"mae": 21.0}, False),
        ({"mae": 19.0}, False),
        ({"wce": 21.0}, False),
        ({"wce": 19.0}, False),
        ({"mae": 20.0, "wce": 40.0}, False),
        ({"mae": 40.0, "wce": 20.0}, False),
    ],
)
def test_a_reading_has_the_published_figures_or_has_not(published: dict[str, float], expected: bool | None) -> None:
    assert reproduces(EXACT_S + 20, SIGNED, published) is expected


def circuit_of(table: np.ndarray, formats: Pair) -> np.ndarray:
    """Return the output patterns of a circuit with `table`."""
    return (np.roll(table, 128, axis=(0, 1)) if formats == SIGNED else table) & 0xFFFF


def test_published_figures_decide_before_name_and_fit() -> None:
    signed = circuit_of(EXACT_S + 20, SIGNED)
    assert formats_of_circuit(signed, published={"mae": 20.0, "wce": 20.0}, hint=None, where="x") == SIGNED
    assert formats_of_circuit(signed, published={"mae": 20.0, "wce": 20.0}, hint=UNSIGNED, where="x") == SIGNED
    # read as unsigned it errs by 8145 on average: a header that says so wins over the better fit
    as_unsigned = errors(signed, UNSIGNED)
    figures = {"mae": float(as_unsigned.mean()), "wce": float(as_unsigned.max())}
    assert formats_of_circuit(signed, published=figures, hint=None, where="x") == UNSIGNED


def test_without_figures_the_name_decides_and_then_the_fit() -> None:
    for table, own in ((EXACT_S + 20, SIGNED), (EXACT_U - 20, UNSIGNED)):
        raw = circuit_of(table, own)
        assert formats_of_circuit(raw, published={}, hint=None, where="x") == own
        assert formats_of_circuit(raw, published={}, hint=SIGNED, where="x") == SIGNED
        assert formats_of_circuit(raw, published={}, hint=UNSIGNED, where="x") == UNSIGNED


def test_where_both_readings_have_the_figures_the_name_decides() -> None:
    """A product of 40,960 throughout: 0 · 0 errs most unsigned; signed it is -24,576 and -128 · -128 = 16,384 errs most, by 40,960, too."""
    raw = np.full((256, 256), 40960)
    for hint, expected in ((None, SIGNED), (SIGNED, SIGNED), (UNSIGNED, UNSIGNED)):
        assert formats_of_circuit(raw, published={"wce": 40960.0}, hint=hint, where="x") == expected


def test_a_header_of_another_circuit_is_refused_with_both_figures() -> None:
    zeros = np.zeros((256, 256), np.int64)
    with pytest.raises(
        InputError,
        match=r"^mine: the header says MAE 1\.0 and WCE \?, but the circuit has MAE 4096 and WCE 16384 as s8×s8; "
        r"expected a circuit and header that belong together\.$",
    ):
        formats_of_circuit(zeros, published={"mae": 1.0}, hint=None, where="mine")
    with pytest.raises(InputError, match=r"^mine: the header says MAE \? and WCE 2\.0, but the circuit has MAE 16256\.2 and WCE 65025 as u8×u8; "):
        formats_of_circuit(zeros, published={"wce": 2.0}, hint=UNSIGNED, where="mine")


def every_pair(a_bits: int, w_bits: int) -> np.ndarray:
    return np.indices((1 << a_bits, 1 << w_bits)).reshape(2, -1)


@pytest.mark.parametrize(
    ("bits", "missing_lsbs", "shown", "largest"),
    [
        (7, 0, "7 bits", 0),
        (8, 0, "8 bits", 0),
        (6, 0, "6 bits, the 1 high bits missing", 64),  # -8 · -4 = 32 comes out as -32
        (5, 2, "5 bits, the 2 low bits missing", 3),
        (4, 3, "4 bits, the 3 low bits missing", 7),
    ],
)
def test_a_narrow_product_is_read_as_it_fits(bits: int, missing_lsbs: int, shown: str, largest: int) -> None:
    pairs = every_pair(4, 3)
    a, w = pairs[0] - 16 * (pairs[0] > 7), pairs[1] - 8 * (pairs[1] > 3)
    raw = (a * w >> missing_lsbs) & ((1 << bits) - 1)
    found = reading_of(pairs, raw, (4, 3), bits, published={}, hint=None, where="x")
    assert (found.bits, found.missing_lsbs) == (bits, missing_lsbs)
    assert str(found) == f"s4×s3 with a product of {shown}"
    assert np.abs(found.errors(pairs, raw)).max() == largest


def test_what_is_said_of_eight_bits_is_said_of_the_sign_alone() -> None:
    pairs = every_pair(3, 2)
    zeros = np.zeros(32, np.int64)
    assert reading_of(pairs, zeros, (3, 2), 5, published={}, hint=UNSIGNED, where="x").formats == (IntFormat(3, False), IntFormat(2, False))
    assert reading_of(pairs, zeros, (3, 2), 5, published={}, hint=None, where="x").formats == (IntFormat(3, True), IntFormat(2, True))
    mixed = reading_of(pairs, zeros, (3, 2), 5, published={}, hint=(U8, S8), where="x")
    assert mixed == Reading((IntFormat(3, False), IntFormat(2, True)), 5)
    assert mixed.operands(np.array([[7, 3], [3, 1]])).tolist() == [[7, 3], [-1, 1]]


def test_a_plain_table_is_read_as_wished_else_as_it_fits() -> None:
    assert formats_of_table(EXACT_S + 5, "x") == SIGNED
    assert formats_of_table(EXACT_U + 5, "x") == UNSIGNED
    assert formats_of_table(EXACT_U + 5, "x", wish=SIGNED) == SIGNED
    zeros = np.zeros((256, 256), np.int64)
    assert formats_of_table(zeros, "x") == SIGNED  # errs less, 4096 for 16256
    wrapped = np.roll(EXACT_S, 128, axis=(0, 1))
    for wish in (None, SIGNED, UNSIGNED):
        with pytest.raises(
            InputError,
            match=r"^mine looks like a table in two's-complement order \(0\.\.127, -128\.\.-1\); expected value order \(-128\.\.127\)\. "
            r"Add '#wrapped' to the source to have it reordered\.$",
        ):
            formats_of_table(wrapped, "mine", wish=wish)


def test_a_table_of_half_the_error_is_not_called_wrapped() -> None:
    """Half way between the two orders both err alike; a quarter of the way one errs three times as much as the other, not four times."""
    wrapped = np.roll(EXACT_S, 128, axis=(0, 1))
    assert formats_of_table((EXACT_S + 3 * wrapped) // 4, "x") == SIGNED
    with pytest.raises(InputError, match="two's-complement"):
        formats_of_table((EXACT_S + 9 * wrapped) // 10, "x")


HEADER = """// Library = EvoApprox8b
// Circuit is distributed under The MIT license.
// Please cite: please cite the following article(s):  V. Mrazek et al., "A Library"
// MAE% = 0.0018 %
// MAE = 1.2
// WCE% = 0.0076 %
// WCE = 5
// WCRE% = 100.0 %
// EP% = 75.0 %
// MRE% = 0.033 %
// MSE = 2.5e+01
// PDK45_PWR = 0.425 mW
// PDK45_AREA = 729.8 um2
// PDK45_DELAY = 1.48 ns
// FPGA_POWER = 1.1
// FPGA_DELAY = 8.2
// FPGA_LUT = 66
// OTHER = 3
int f();
"""


def test_every_figure_of_a_header() -> None:
    found = parse_header(HEADER)
    assert dict(found.figures) == {
        "mae_percent": 0.0018,
        "mae": 1.2,
        "wce_percent": 0.0076,
        "wce": 5.0,
        "wcre_percent": 100.0,
        "ep_percent": 75.0,
        "mre_percent": 0.033,
        "mse": 25.0,
        "power_mw": 0.425,
        "area_um2": 729.8,
        "delay_ns": 1.48,
        "fpga_power": 1.1,
        "fpga_delay": 8.2,
        "fpga_luts": 66.0,
    }
    assert (found.licence, found.reference) == ("MIT license", 'V. Mrazek et al., "A Library"')
    assert found.provenance() == {"licence": "MIT license", "reference": 'V. Mrazek et al., "A Library"', "published": dict(found.figures)}


def test_a_file_that_states_nothing() -> None:
    assert parse_header("module m; endmodule\n") == Header({}, "", "")
    assert Header().provenance() == {}
    assert Header(licence="MIT").provenance() == {"licence": "MIT"}


def test_published_power_gives_energy_and_all_three_are_needed() -> None:
    """0.425 mW · 2417 fJ/mW = 1027.225 fJ. The exact product's lowest bit is a·w's: none is constant."""
    figures = {"area_um2": 729.8, "delay_ns": 1.48, "power_mw": 0.425}
    found = published_costs(figures, "me", EXACT_S.astype(np.int32))
    assert found is not None
    assert (found.technology, found.area_um2, found.delay_ns, found.constant_lsbs) == ("PDK45", 729.8, 1.48, 0)
    assert found.energy_fj == pytest.approx(1027.225, rel=1e-12)
    assert found.origin == "published: me; energy inferred from power at 2417 fJ per mW"
    elsewhere = published_costs({**figures, "technology": "ASAP7"}, "me", (EXACT_S & ~3).astype(np.int32))
    assert elsewhere is not None
    assert (elsewhere.technology, elsewhere.constant_lsbs) == ("ASAP7", 2)
    for missing in figures:
        assert published_costs({key: value for key, value in figures.items() if key != missing}, "me", EXACT_S.astype(np.int32)) is None


@pytest.mark.parametrize("activation", ["a", "A", "x", "X", "act", "ACTIVATION"])
@pytest.mark.parametrize("weight", ["b", "B", "y", "Y", "w", "W", "Weight"])
def test_operands_go_by_name_in_either_order(activation: str, weight: str) -> None:
    assert operand_order([activation, weight]) == operand_order([weight, activation]) == (activation, weight)


@pytest.mark.parametrize("names", [("p", "q"), ("b", "q"), ("q", "a"), ("a", "x"), ("b", "w"), ("i0", "i1")])
def test_operands_of_other_names_go_by_position(names: tuple[str, str]) -> None:
    assert operand_order(names) == names


def test_ports_of_a_multiplier() -> None:
    assert multiplier_ports({"B": 8, "A": 8}, {"O": 16}, "f") == ("A", "B", "O")
    for widths, product, expected in (
        ((8, 8), [16], 2),
        ((2, 2), [4], 2),
        ((16, 3), [19], 2),
        ((8, 8), [15], 1),
        ((8, 8), [8], 1),
        ((8, 8), [7], 0),
        ((8, 8), [32], 1),
        ((8, 8), [33], 0),
        ((17, 8), [25], 0),
        ((8, 1), [9], 0),
        ((8, 8, 8), [16], 0),
        ((8,), [16], 0),
        ((8, 8), [16, 16], 0),
        ((8, 8), [], 0),
    ):
        assert likeness({f"i{k}": width for k, width in enumerate(widths)}, {f"o{k}": width for k, width in enumerate(product)}) == expected
    expected_ports = r"expected two inputs of 2 to 16 bits and one output, their product\.$"
    with pytest.raises(InputError, match=rf"^f has ports input \[8\] a, input \[1\] c, output \[16\] o; {expected_ports}"):
        multiplier_ports({"a": 8, "c": 1}, {"o": 16}, "f")
    with pytest.raises(InputError, match=rf"^f has ports none; {expected_ports}"):
        multiplier_ports({}, {}, "f")


def test_networks_run_blocks_of_eight_bits() -> None:
    check_widths([8, 8], "f")
    with pytest.raises(
        InputError,
        match=r"^f multiplies 8×4 bits; expected 8×8, the blocks that networks run\. Its errors and costs alone: `hawx blocks characterize`\.$",
    ):
        check_widths([8, 4], "f")


def test_the_top_module_is_called_like_the_file_else_the_only_multiplier_that_nobody_uses() -> None:
    def asked(name: str) -> int:
        return {"m": 2, "adder": 1}.get(name, 0)

    assert top_module(["m", "other"], [], "other", "f", likeness=asked) == "other"
    assert top_module(["m", "other"], [], "other_pdk45", "f", likeness=asked) == "other"
    assert top_module(["helper", "m"], ["helper"], "file", "f", likeness=lambda _: 0) == "m"
    assert top_module(["helper", "adder", "m"], [], "file", "f", likeness=asked) == "m"
    assert top_module(["helper", "adder"], [], "file", "f", likeness=asked) == "adder"
    with pytest.raises(InputError, match=r"^f has top modules p, q; expected one, or one called 'file'\. Name it\.$"):
        top_module(["p", "q"], [], "file", "f", " Name it.", likeness=asked)
    with pytest.raises(InputError, match=r"^f has top modules none; expected one, or one called 'file'\.$"):
        top_module([], [], "file", "f", likeness=asked)


def test_module_names() -> None:
    assert check_module_name("_m$9") == "_m$9"
    for name in ("9m", "", "a-b", "a;b", "m\n", r"\m "):
        with pytest.raises(
            InputError, match=f"^module name {re.escape(repr(name))} is not a plain Verilog identifier; expected letters, digits, '_' and '\\$'\\.$"
        ):
            check_module_name(name)


@pytest.mark.parametrize(
    ("name", "text", "suffix", "expected"),
    [
        ("mul8s_1KV8", "", ".v", SIGNED),
        ("mul8u_1JJQ", "", ".v", UNSIGNED),
        ("mul8s_1KV8", "uint16_t mul8s_1KV8(uint8_t A, uint8_t B)", ".c", SIGNED),
        ("mul12u_x", "int16_t f(int8_t A, int8_t B)", ".c", SIGNED),
        ("f", "int16_t f(const int8_t A, const int8_t B)", ".c", SIGNED),
        ("f", "uint16_t f(uint8_t A, uint8_t B)", ".c", None),
        ("f", "module f (input signed [7:0] A, input signed [7:0] B, output [15:0] O); endmodule", ".c", None),
        ("f", "module f (input signed [7:0] A, input signed [7:0] B, output [15:0] O); endmodule", ".v", SIGNED),
        ("f", "module f (input wire signed [7:0] A, input logic signed [7:0] B, output [15:0] O); endmodule", ".v", SIGNED),
        ("f", "module f (input [7:0] A, input [7:0] B, output signed [15:0] O); endmodule", ".v", None),
        ("f", "module f (A, B, O); input [7:0] A, B; // input signed\n endmodule", ".v", None),
        (
            "f",
            "module f (A, B); input [7:0] A;\n function g; input signed x; endfunction\n task t; input signed y; endtask endmodule",
            ".v",
            None,
        ),
        ("f", "module g (input signed [7:0] A); endmodule module f (input [7:0] A); endmodule", ".v", None),
        ("f", "module g (input [7:0] A); endmodule\nmodule f (\ninput signed [7:0] A);\nendmodule", ".v", SIGNED),
        ("f", "module ff (input signed [7:0] A); endmodule", ".v", None),
    ],
)
def test_what_says_that_operands_are_signed(name: str, text: str, suffix: str, expected: Pair | None) -> None:
    assert signedness_hint(name, text, suffix) == expected


def test_one_signed_operand_is_refused() -> None:
    with pytest.raises(InputError, match=r"^module 'f' declares one operand signed and the other not; expected both signed or both unsigned\.$"):
        signedness_hint("f", "module f (input signed [7:0] A, input [7:0] B); endmodule", ".v")


def test_comments_are_blanked() -> None:
    assert without_comments("a//b\nc/* d\n e */f /* g */ h").split() == ["a", "c", "f", "h"]
    assert without_comments("a/**/b") == "a b"
