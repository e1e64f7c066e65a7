"""Circuit files: our evaluator against the families' laws, Python integers and hand-made files; every refusal in one line."""

from __future__ import annotations

import operator
import os
import random
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from hawx.blocks.families import Exact, OperandTruncated, builtin_families, from_name
from hawx.circuits.c_source import evaluate_c
from hawx.circuits.readings import from_patterns
from hawx.circuits.verilog import evaluate_verilog
from hawx.circuits.verilog_syntax import parse_verilog
from hawx.errors import InputError
from hawx.importers import Library, load_block
from hawx.rtl.multipliers import verilog

HAND = Path(__file__).parents[1] / "data"
WAY_OUT = "`hawx blocks characterize` reads it through Yosys."
EXTRA = [
    "mul8s_tc1",
    "mul8s_tc13",
    "mul8s_tcc14",
    "mul8s_ot_a7w1",
    "mul8s_bam_v0h3",
    "mul8s_bam_v9h4",
    "mul8s_bam_v5h1a2",
    "mul8s_vct2",
    "mul8s_or7d3",
    "mul8s_ac4",
    "mul8s_ac7",
    "mul8s_drum3",
    "mul8s_drum7",
    "mul8s_roba",
    "mul8s_booth0",
    "mul8s_booth7",
    "mul8s_booth3",
    "mul8s_kulkarni",
    "mul8s_tosam_h0t2",
    "mul8s_tosam_h1t5",
    "mul8s_tosam_h2t4",
    "mul8s_tosam_h3t7",
]
FAMILIES = [*builtin_families(), Exact(signed=False), *map(from_name, EXTRA)]


def evaluate(path: str, text: str, stem: str):
    netlist, raw = evaluate_verilog(path, parse_verilog(path, text), stem)
    return netlist.name, raw


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_the_rtl_of_every_family_evaluates_to_its_table(family):
    name, raw = evaluate("rtl.sv", verilog(family), "rtl")
    assert name == family.name
    np.testing.assert_array_equal(from_patterns(raw, family.formats), family.table())


@pytest.mark.parametrize("suffix", [".v", ".c"])
def test_hand_made_circuit_with_asymmetric_operands(suffix):
    block = load_block(HAND / f"mul8s_hand{suffix}")
    assert (block.name, [f.name for f in block.formats]) == ("mul8s_hand", ["s8", "s8"])
    np.testing.assert_array_equal(block.table, OperandTruncated(6, 5).table())
    assert block.provenance["published"]["wce"] == 10079
    assert len(block.provenance["file_sha256"]) == 64


def test_published_figures_become_labelled_costs():
    costs = load_block(HAND / "mul8s_hand.v").costs["PDK45"]
    assert (costs.area_um2, costs.delay_ns, costs.constant_lsbs) == (60.5, 0.41, 11)
    assert costs.energy_fj == pytest.approx(0.030 * 2417)
    assert costs.origin == "published: header of mul8s_hand.v; energy inferred from power at 2417 fJ per mW"
    assert not load_block(HAND / "mul8s_hand.c").costs


def test_a_header_of_another_circuit_is_refused(tmp_path):
    path = tmp_path / "mul8s_hand.v"
    path.write_text((HAND / "mul8s_hand.v").read_text().replace("WCE = 10079", "WCE = 10080"))
    with pytest.raises(
        InputError,
        match=r"^'.*mul8s_hand\.v': the header says MAE 2345\.0 and WCE 10080\.0, but the circuit has MAE 2345\.19 and WCE 10079 as s8×s8; "
        r"expected a circuit and header that belong together\.$",
    ):
        load_block(path)


# ---------------------------------------------------------------- Verilog against Python


def wrap_module(body: str, ports: str = "input [7:0] A, input [7:0] B, output [15:0] O") -> str:
    return f"module m ({ports});\n{body}\nendmodule\n"


def raw_of(body: str) -> np.ndarray:
    return evaluate("m.v", wrap_module(body), "m")[1]


A = np.arange(256)[:, None] * np.ones(256, dtype=int)
B = A.T
PARITY = np.array([f"{code:b}".count("1") % 2 for code in range(256)])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("assign O = {B, A};", B << 8 | A),
        ("assign O[15:8] = A ^ B; assign O[7:0] = ~(A | B);", (A ^ B) << 8 | (~(A | B) & 255)),
        ("assign O = ~A;", ~A & 0xFFFF),  # the operand is extended before it is inverted
        ("assign O = {~A};", ~A & 255),  # inside a concatenation it is not
        ("assign O = A + B;", A + B),
        ("assign O = {8'b0, A[7:0]} + {B[3:0], 4'd9};", A + ((B & 15) << 4 | 9)),
        ("assign O = A[0] ? {16{B[7]}} : 16'hBEEF;", np.where(A & 1, (B >> 7) * 0xFFFF, 0xBEEF)),
        ("assign O = 1'b0 ? A : B;", B),
        ("assign O = (2'b10 ? A : B) + 1'b1;", A + 1),
        ("assign O = {13'b0, &A, |B, ^A};", (A == 255) * 4 + (B > 0) * 2 + PARITY[A]),
        ("assign O = !A;", A == 0),  # one bit, then extended
        ("assign O = {13'b0, ~&A, ~|B, ~^A};", (A < 255) * 4 + (B == 0) * 2 + 1 - PARITY[A]),
        ("assign O = {15'b0, A[1] ~^ B[1]};", 1 - ((A ^ B) >> 1 & 1)),
        ("wire [7:0] t = A & B; assign O = {8'd0, t} | 16'b1;", (A & B) | 1),
        ("assign O = {z, 15'h0}; assign z = ~y; assign y = A[3];", (1 - (A >> 3 & 1)) << 15),  # uses before definitions, implicit nets
        ("wire u, v; nand g1 (u, A[0], B[0], A[1]); not (v, u); assign O = {14'b0, v, u};", np.where(A & (A >> 1) & B & 1, 2, 1)),
        ("wire s, c; FAX1 f (.YS(s), .C(B[2]), .A(A[0]), .B(A[1]), .YC(c)); assign O = {c, s};", (A & 1) + (A >> 1 & 1) + (B >> 2 & 1)),
        ("wire y; MUX2X1 f (.A(A[0]), .B(B[0]), .S(A[1]), .Y(y)); assign O = y;", 1 - np.where(A >> 1 & 1, A & 1, B & 1)),
        ("wire y; OAI21X1 f (.A(A[0]), .B(B[0]), .C(A[1]), .Y(y)); assign O = y;", 1 - ((A | B) & A >> 1 & 1)),
        ("wire [3:0] n; sub s (A[3:0], n); assign O = n; endmodule module sub (input [3:0] i, output [3:0] o); assign o = ~i;", ~A & 15),
        ("`timescale 1ns/1ps\n(* keep *) wire w; /* c */ assign w = !B; // x\n assign O = {{4{w}}, 12'o7};", (B == 0) * 0xF000 + 7),
    ],
)
def test_verilog_means_what_the_standard_says(body, expected):
    np.testing.assert_array_equal(raw_of(body), expected)


@pytest.mark.parametrize("seed", range(5))
def test_random_netlists_agree_with_python_integers_in_any_line_order(seed):
    rng = random.Random(seed)
    operators = {"&": operator.and_, "|": operator.or_, "^": operator.xor}
    recipe = [(f"n{i}", rng.choice("&|^"), rng.random() < 0.3, [rng.choice(_signals(i)) for _ in range(2)]) for i in range(60)]
    outputs = [rng.choice(_signals(60)) for _ in range(16)]
    lines = [f"wire {name}; assign {name} = {'~' if flip else ''}({x} {op} {y});" for name, op, flip, (x, y) in recipe]
    lines += [f"assign O[{i}] = {signal};" for i, signal in enumerate(outputs)]
    rng.shuffle(lines)
    raw = raw_of("\n".join(lines))
    for _ in range(50):
        a, b = rng.randrange(256), rng.randrange(256)
        values = {f"{port}[{i}]": code >> i & 1 for port, code in (("A", a), ("B", b)) for i in range(8)}
        for name, op, flip, (x, y) in recipe:
            values[name] = operators[op](values[x], values[y]) ^ flip
        assert raw[a, b] == sum(values[signal] << i for i, signal in enumerate(outputs))


def _signals(gates: int) -> list[str]:
    return [f"{port}[{i}]" for port in "AB" for i in range(8)] + [f"n{i}" for i in range(gates)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "module m (input [7:0] A, input [7:0] B, output [15:0] O);\nassign O = A;\n",
            "line 3: the file ends inside module 'm'; expected 'endmodule'. Is the file truncated?",
        ),
        ("module m (input [7:0] A, inp", "line 1: the file ends; expected ','. Is the file truncated?"),
        (
            wrap_module("assign O = A * B;"),
            "line 2: operator '*' is outside the gate-level subset; expected bitwise logic and sums. " + WAY_OUT,
        ),
        (
            wrap_module("reg q;\n"),
            "line 2: 'reg' is outside the gate-level subset; expected wires, assign and instances. " + WAY_OUT,
        ),
        (
            wrap_module("always @(posedge A) O = 1;"),
            "line 2: 'always' is outside the gate-level subset; expected wires, assign and instances. " + WAY_OUT,
        ),
        (wrap_module("\nassign O = x;"), "line 3: net 'x[0]' has no driver; expected an input or an assigned net."),
        (wrap_module("assign O[14:0] = A;"), "line 1: output bit O[15] has no driver; expected all driven."),
        (wrap_module("assign O = A;\nassign O[3] = B[1];"), "line 3: net 'O[3]' has two drivers; expected one."),
        (
            wrap_module("wire p, q;\nassign p = q & A[0];\nassign q = ~p;\nassign O = p;"),
            "line 3: net 'p[0]' depends on itself; expected a circuit without loops.",
        ),
        (wrap_module("FAX2 u (.A(A[0]));"), "line 2: cell 'FAX2' is not defined; did you mean 'FAX1'?"),
        (wrap_module("HAX1 u (.A(A[0]), .Y(O[0]));"), "line 2: cell 'HAX1' has no pin 'Y'; expected A, B, YC, YS."),
        (wrap_module("HAX1 u (.A(A[0]), .YS(O[0]));"), "line 2: input 'B' of HAX1 'u' is not connected; expected every input."),
        (wrap_module("assign O = A[8];"), "line 2: A[8:8] is outside the declared range [7:0]."),
        (wrap_module("assign O = 16'hxx;"), 'line 2: constant "16\'hxx" is not usable; expected digits 0 and 1 or a number without x and z.'),
        (wrap_module("m again (A, B, O);"), "line 2: module 'm' instantiates itself; expected a finite circuit."),
        (
            wrap_module("assign O = A;", "input [7:0] A, input [16:0] B, output [15:0] O"),
            "line 1: module 'm' has ports input [8] A, input [17] B, output [16] O; "
            "expected two inputs of 2 to 16 bits and one output, their product.",
        ),
        (
            wrap_module("assign O = A;", "input [7:0] A, input [7:0] B, output [6:0] O"),
            "line 1: module 'm' has ports input [8] A, input [8] B, output [7] O; expected two inputs of 2 to 16 bits and one output, their product.",
        ),
        (wrap_module("assign O = " + "(" * 200 + "A" + ")" * 200 + ";"), "line 2: nested more than 100 deep; expected a gate-level circuit."),
        ("// nothing\n", "line 2: no module in the file; expected a Verilog circuit."),
        ("module m #(parameter W = 8) (A, B, O);", "line 1: parameters are outside the gate-level subset; expected plain ports."),
        ("int main() { return 0; }", "line 1: found 'int'; expected 'module'."),
    ],
)
def test_unusable_verilog_is_refused_with_file_and_line(text, message):
    with pytest.raises(InputError) as caught:
        evaluate("m.v", text, "m")
    assert str(caught.value) == f"'m.v' {message}"


def test_two_top_modules_need_a_name():
    text = wrap_module("assign O = A;") + wrap_module("assign O = B;").replace("module m", "module n")
    assert evaluate("n.v", text, "n")[0] == "n"
    with pytest.raises(InputError, match=r"^'x\.v' has top modules m, n; expected one, or one called 'x'\.$"):
        evaluate("x.v", text, "x")


# ---------------------------------------------------------------- C against Python


def c_function(body: str, signature: str = "int16_t f(int8_t A, int8_t B)") -> str:
    return f"#include <stdint.h>\n{signature}\n{{\n{body}\n}}\n"


@pytest.mark.parametrize(
    ("body", "law"),
    [
        ("return A * B;", lambda a, b: a * b),
        ("int16_t p = A - 2 * B; p ^= 0x5; return p;", lambda a, b: (a - 2 * b) ^ 5),
        ("uint8_t t = A; int x; x = t >> 3; return x - (B < 0 ? 7 : 2);", lambda a, b: ((a & 255) >> 3) - (7 if b < 0 else 2)),
        ("return (uint8_t)B + (int8_t)(A << 1);", lambda a, b: (b & 255) + ((a << 1 & 255) ^ 128) - 128),
        ("return 1 + 2 << 3 & 0xFF ^ A | 16 * (A == B);", lambda a, b: ((1 + 2 << 3) & 255 ^ a) | 16 * (a == b)),
        ("return !A + (A >= B) * 2 + (A && B) * 4 + (A || B) * 8;", lambda a, b: (not a) + (a >= b) * 2 + bool(a and b) * 4 + bool(a or b) * 8),
        ("uint32_t t = (uint32_t)A << 28; return t >> 28;", lambda a, b: a & 15),
        ("uint64_t n = ~A; return n >> 60;", lambda a, b: 15 if a >= 0 else 0),
        ("return (A << 24) >> 26;", lambda a, b: a >> 2),
        ("return A < 5u;", lambda a, b: 0 <= a < 5),  # the usual conversions make a negative A large
        ("uint8_t u = A; return ~u;", lambda a, b: ~(a & 255)),
        ("unsigned char c = ~A; return c;", lambda a, b: ~a & 255),
        ("return A >> 7 & 1 ? 010 : 0b11;", lambda a, b: 8 if a < 0 else 3),
    ],
)
def test_c_means_what_the_standard_says(body, law):
    _, raw = evaluate_c("f.c", c_function(body))
    rng = random.Random(1)
    for _ in range(300):
        a, b = rng.randrange(-128, 128), rng.randrange(-128, 128)
        assert raw[a & 255, b & 255] == law(a, b) & 0xFFFF


def test_c_operands_go_by_name_else_by_position():
    assert evaluate_c("f.c", c_function("return B;", "uint16_t f(uint8_t B, uint8_t A)"))[1][3, 9] == 9
    assert evaluate_c("f.c", c_function("return second;", "uint16_t f(uint8_t first, uint8_t second)"))[1][3, 9] == 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            c_function("int i; for (i = 0; i < 8; i++) ;"),
            "line 4: 'for' is outside the straight-line C subset; expected declarations, assignments and return. Give the table instead.",
        ),
        (
            c_function("return system(A);"),
            "line 4: 'system' is a call, which is outside the straight-line C subset; expected variables and operators.",
        ),
        (c_function("int x;\nreturn x & A;"), "line 5: variable 'x' is read before it is set; expected a value."),
        (c_function("y = A;"), "line 4: 'y' is not declared; expected a declared variable."),
        (c_function("int t[4];"), "line 4: array 't' is outside the straight-line C subset; expected integer variables."),
        (c_function("return A / B;"), "line 4: found '/'; expected ';'."),
        (c_function("return A << 99;"), "line 4: a shift amount is negative or not below the width of the shifted type; expected a smaller one."),
        (c_function(";"), "line 6: function 'f' has no return; expected a product."),
        (c_function("return A;", "int f(int A)"), "line 2: function 'f' has 1 parameters; expected two operands."),
        ("int16_t f(int8_t A, int8_t B)\n{\n int x = A;\n", "line 4: the file ends inside the function; expected '}'. Is the file truncated?"),
        ("#define X 1\n", "line 1: preprocessor directives other than #include are outside the straight-line C subset; expected plain C."),
    ],
)
def test_unusable_c_is_refused_with_file_and_line(text, message):
    with pytest.raises(InputError) as caught:
        evaluate_c("f.c", text)
    assert str(caught.value) == f"'f.c' {message}"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("suffix", [".v", ".c"])
def test_mutilated_circuits_are_refused_or_evaluated_but_never_a_traceback(seed, suffix):
    rng = random.Random(seed)
    text = (HAND / f"mul8s_hand{suffix}").read_text()
    pieces = re.findall(r"\s+|\w+|.", text, re.DOTALL)
    refused: list[str] = []
    for _ in range(40):
        mutilated = list(pieces)
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(mutilated))
            mutilated[place] = rng.choice(["", "(", ")", "[", "]", "{", "}", ";", ",", "'", "x", "9" * 30, "~", "?", "\0", "é", rng.choice(pieces)])
        if rng.random() < 0.2:
            mutilated = mutilated[: rng.randrange(1, len(mutilated))]
        try:
            if suffix == ".v":
                evaluate("m.v", "".join(mutilated), "mul8s_hand")
            else:
                evaluate_c("m.c", "".join(mutilated))
        except InputError as error:
            refused.append(str(error))
    assert len(refused) > 20
    assert all(re.match(r"^'m\.[vc]' ", message) and "\n" not in message for message in refused)


# ---------------------------------------------------------------- checkouts

CHECKOUTS = os.environ.get("HAWX_EVOAPPROX", "")


def fake_checkout(folder: Path) -> Path:
    """A checkout's layout with the hand-made circuit in three Pareto folders."""
    text = (HAND / "mul8s_hand.v").read_text()
    for sub in ("pareto_pwr_mae", "pareto_pwr_wce"):
        place = folder / "multiplers" / "8x8_signed" / sub
        place.mkdir(parents=True)
        (place / "mul8s_hand.v").write_text(f"// also in {sub}\n" + text)
        (place / "mul8s_hand.c").write_text((HAND / "mul8s_hand.c").read_text())
        (place / "README.md").write_text("not a circuit")
    unsigned = folder / "multiplers" / "8x8_unsigned" / "pareto_pwr_mae"
    unsigned.mkdir(parents=True)
    (unsigned / "mul8u_exact.v").write_text(verilog(Exact(signed=False)))
    (folder / "adders").mkdir()
    (folder / "adders" / "add8.v").write_text("never read")
    return folder


def test_a_checkout_is_read_once_per_circuit(tmp_path):
    library = Library.load(fake_checkout(tmp_path / "evo"))
    assert library.names == ("mul8s_exact", "mul8s_hand")
    hand = library["mul8s_hand"]
    assert hand.provenance["pareto_sets"] == ["pareto_pwr_mae", "pareto_pwr_wce"]
    assert (hand.provenance["library"], hand.provenance["release"]) == ("EvoApproxLib", "unknown release")
    assert Library.load(f"{tmp_path}/evo#u8xu8").names == ("mul8u_exact",)
    shutil.rmtree(tmp_path / "evo" / "multiplers" / "8x8_signed")
    assert Library.load(tmp_path / "evo").names == ("mul8u_exact",)
    with pytest.raises(InputError, match=r"^checkout '.*evo' has no such 8×8 multipliers; expected circuits below multiplers/8x8_signed\.$"):
        Library.load(f"{tmp_path}/evo#s8xs8")


def test_one_name_with_two_circuits_is_refused(tmp_path):
    folder = fake_checkout(tmp_path)
    other = folder / "multiplers" / "8x8_signed" / "pareto_pwr_wce" / "mul8s_hand.v"
    other.write_text(verilog(OperandTruncated(5, 6)).replace("mul8s_ot_a5w6", "mul8s_hand"))
    with pytest.raises(InputError, match=r"^'.*pareto_pwr_wce/mul8s_hand\.v' and '.*pareto_pwr_mae/mul8s_hand\.v' have one name but differ; "):
        Library.load(folder)


@pytest.mark.data
@pytest.mark.skipif(not CHECKOUTS, reason="needs a checkout of EvoApproxLib (set HAWX_EVOAPPROX to its folder, several with ':')")
@pytest.mark.parametrize("folder", CHECKOUTS.split(":"))
def test_every_circuit_of_a_checkout_loads_and_c_agrees_with_verilog(folder):
    for formats, most in (("s8xs8", 13), ("u8xu8", 37)):
        library = Library.load(f"{folder}#{formats}")
        assert most - 1 <= len(library) <= most
        assert library.technology == "PDK45"
    seen = set()
    for path in sorted(Path(folder).rglob("8x8_*/*/mul8*.c")):
        if path.name not in seen:
            seen.add(path.name)
            twin = path.with_suffix(".v")
            np.testing.assert_array_equal(evaluate_c(path.name, path.read_text())[1], evaluate(twin.name, twin.read_text(), path.stem)[1])
    assert len(seen) >= 49
