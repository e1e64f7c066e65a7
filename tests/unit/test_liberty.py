"""The Liberty reader and cell logic, on texts small enough to check by eye."""

from __future__ import annotations

import itertools
import re

import pytest

from hawx.circuits.liberty import Table2D
from hawx.circuits.logic import parse_function
from hawx.errors import InputError
from hawx.synthesis.liberty import read_liberty

LIBRARY = """
/* a comment { with braces } */
library(tiny_stdcells) {
  time_unit : "1ps"; voltage_unit : "1V"  // no semicolon here
  leakage_power_unit : "1uW";
  capacitive_load_unit (1, ff);
  nom_voltage : 1.2;
  lu_table_template(delay) { variable_1 : total_output_net_capacitance; variable_2 : input_net_transition;
     index_1 ("1, 2"); index_2 ("10, 30"); }
  power_lut_template(energy) { variable_1 : input_transition_time; variable_2 : total_output_net_capacitance;
     index_1 ("10, 30"); index_2 ("1, 2"); }
  cell (NAND) {
    area : 2.5; cell_leakage_power : 0.003;
    pin(A) { direction : input; capacitance : 1.5; }
    pin(B) { direction : input; rise_capacitance : 1; fall_capacitance : 2; }
    pin(Y) { direction : output; function : "!(A B)";
      timing() { related_pin : "A B"; timing_sense : negative_unate;
        cell_rise(delay) { values ("100, 200", \\
                                   "300, 400"); }
        cell_fall(scalar) { values ("50"); }
        rise_transition(delay) { values ("1, 2", "3, 4"); }
        fall_transition(delay) { values ("1, 2", "3, 4"); }
      }
      internal_power() { related_pin : "A"; rise_power(energy) { values ("5, 6", "7, 8"); } fall_power(energy) { values ("1, 2", "3, 4"); } }
    }
  }
  cell (ADD) {
    area : 9;
    pin(X) { direction : input; capacitance : 1; } pin(Y) { direction : input; capacitance : 1; } pin(Z) { direction : input; capacitance : 1; }
    pin(S) { direction : output; function : "X^Y^Z"; }
    pin(K) { direction : output; function : "X&Y | Z*(X+Y)"; }
  }
  cell (TRI) { area : 1; pin(A) { direction : input; } pin(E) { direction : input; }
    pin(Y) { direction : output; function : "A"; three_state : "!E"; } }
  cell (FLOP) { area : 7;
    ff (IQ, IQN) { next_state : "D"; clocked_on : "CK"; }
    pin(D) { direction : input; capacitance : 1; } pin(CK) { direction : input; capacitance : 1; clock : true; }
    pin(Q) { direction : output; function : "IQ"; } }
}
"""


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "tiny.lib"
    path.write_text(LIBRARY)
    return read_liberty(path)


def test_units_become_um2_ns_pf_pj_nw(library):
    nand = library.cells["NAND"]
    assert library.name == "tiny"
    assert (nand.area_um2, nand.leakage_nw) == (2.5, pytest.approx(3.0))
    assert nand.pins["A"].capacitance_pf == pytest.approx(0.0015)
    assert nand.pins["B"].capacitance_pf == pytest.approx(0.0015)
    arc = nand.pins["Y"].arcs[0]
    assert [a.related_pin for a in nand.pins["Y"].arcs] == ["A", "B"]
    # rising output, slew 30 ps, load 1 fF: first variable is the load
    assert arc.delays[1](0.030, 0.001) == pytest.approx(0.2)
    assert arc.delays[1](0.010, 0.002) == pytest.approx(0.3)
    assert arc.delays[0](0.5, 0.5) == pytest.approx(0.05)
    # energy unit = load unit times squared voltage unit = 1 fJ; first variable is the slew
    power = nand.pins["Y"].power[0]
    assert power.mean(0.030, 0.001) == pytest.approx((7 + 3) / 2 * 1e-3)


def test_cells_are_known_by_what_they_do(library):
    cell, pins = library.full_adder
    assert cell.name == "ADD"
    assert (pins["SUM"], pins["CARRY"]) == ("S", "K")
    assert library.cells["TRI"].logic is None
    assert library.cells["FLOP"].register.clock == "CK"


def test_tables_interpolate_and_extrapolate_linearly():
    table = Table2D((0.0, 1.0), (0.0, 2.0), ((0.0, 4.0), (10.0, 14.0)))
    for slew, load in itertools.product((-0.5, 0.0, 0.3, 1.0, 1.7), (-1.0, 0.0, 0.5, 2.0, 5.0)):
        assert table(slew, load) == pytest.approx(10 * slew + 2 * load)


@pytest.mark.parametrize(
    ("text", "law"),
    [
        ("A B+!C", lambda a, b, c: (a and b) or not c),
        ("(A+B)'C", lambda a, b, c: not (a or b) and c),
        ("A^B*C", lambda a, b, c: (a != b) and c),
        ("!A'|B&C", lambda a, b, c: a or (b and c)),
        ("A*(B+C)'^1", lambda a, b, c: a and (b or c)),
        ("0+C", lambda a, b, c: c),
    ],
)
def test_functions_by_precedence(text, law):
    wanted = sum(1 << (a + 2 * b + 4 * c) for a, b, c in itertools.product((0, 1), repeat=3) if law(a, b, c))
    assert parse_function(text).truth(("A", "B", "C")) == wanted


@pytest.mark.parametrize("text", ["", "A+", "(A", "A)", "A ! ", "A $ B"])
def test_a_function_that_is_none(text):
    with pytest.raises(ValueError, match=r"."):
        parse_function(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t.replace("internal_power", "external_power"),
            "has no power tables; expected a library characterized for timing and power (NLDM).",
        ),
        (lambda t: t.replace("timing()", "timeless()"), "has no timing tables; expected a library characterized for timing and power (NLDM)."),
        (lambda t: t.replace("nom_voltage : 1.2;", ""), "has no 'nom_voltage'; expected the supply voltage the power tables belong to."),
        (lambda t: t[:300], "line 8 cannot be read: the text ends inside a group; expected a cell library in Liberty format."),
        (
            lambda t: "module m; endmodule",
            "line 1 cannot be read: 'module' is neither an attribute nor a group; expected a cell library in Liberty format.",
        ),
        (
            lambda t: t.replace('"100, 200"', '"100, 2oo"'),
            "has a malformed number or table: could not convert string to float: '2oo'; expected NLDM tables of numbers.",
        ),
    ],
    ids=["power", "timing", "voltage", "cut off", "Verilog", "number"],
)
def test_a_library_that_cannot_be_used(change, message, tmp_path):
    path = tmp_path / "bad.lib"
    path.write_text(change(LIBRARY))
    with pytest.raises(InputError, match="^" + re.escape(f"Liberty file {str(path)!r} {message}") + "$"):
        read_liberty(path)


def test_a_file_that_is_absent():
    with pytest.raises(
        InputError, match=r"^Liberty file 'nowhere\.lib' cannot be read: No such file or directory; expected a cell library in Liberty format\.$"
    ):
        read_liberty("nowhere.lib")
