"""What a circuit file becomes, and the way back from a block to its file: every fact of it, and who is asked when."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import hawx.synthesis
from hawx.blocks import Block, Costs
from hawx.circuits.readings import SIGNED, UNSIGNED, Pair
from hawx.errors import InputError, ToolMissingError
from hawx.formats import S8, U8
from hawx.importers.circuit import characterized, load_circuit, not_free
from hawx.importers.multiplier import find_multiplier, from_file
from hawx.importers.source import MIXED, Source, as_wished, on_signed_weights, parse_source, swapped
from hawx.synthesis import yosys

U = np.arange(256)
WIRES = "module {name} (input [7:0] A, input [7:0] B, output [15:0] O);\n  assign O = {{{bits}}};\nendmodule\n"
ZEROS = "16'b0"
COSTS = Costs(technology="t", area_um2=5, delay_ns=1, energy_fj=2, constant_lsbs=3, origin="measured")
FREE = Costs(technology="t", area_um2=0, delay_ns=0, energy_fj=0, origin="measured")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("mul8u_zero.v", WIRES.format(name="mul8u_zero", bits=ZEROS), UNSIGNED),
        ("mul8s_zero.v", WIRES.format(name="mul8s_zero", bits=ZEROS), SIGNED),
        ("zero.v", WIRES.format(name="zero", bits=ZEROS), SIGNED),  # zeros err less signed
        ("f.c", "#include <stdint.h>\nint16_t f(int8_t A, int8_t B) {\n  return 30000;\n}\n", SIGNED),
        ("mul8u_f.c", "#include <stdint.h>\nuint16_t mul8u_f(uint8_t A, uint8_t B) {\n  return 0;\n}\n", UNSIGNED),
    ],
)
def test_what_a_file_says_of_its_formats_decides_before_the_fit(name: str, text: str, expected: Pair, tmp_path: Path) -> None:
    path = write(tmp_path / name, text)
    assert load_circuit(path).formats == expected
    for wish in (SIGNED, UNSIGNED):
        assert load_circuit(path, wish=wish).formats == wish


def test_a_block_knows_its_file(tmp_path: Path) -> None:
    verilog = write(tmp_path / "mul8u_w.v", "// MAE = 1e9\n".replace("1e9", "24512") + WIRES.format(name="mul8u_w", bits="A, B"))
    with pytest.raises(InputError, match=r"^'.*mul8u_w\.v': the header says MAE 24512\.0 and WCE \?"):
        load_circuit(verilog)
    text = "// PDK45_PWR = 1 mW\n// PDK45_AREA = 2 um2\n// PDK45_DELAY = 3 ns\n" + WIRES.format(name="mul8u_w", bits="A, B")
    block = load_circuit(write(verilog, text), extra={"more": 1})
    assert dict(block.provenance) == {
        "file": "mul8u_w.v",
        "file_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "language": "Verilog",
        "published": {"power_mw": 1.0, "area_um2": 2.0, "delay_ns": 3.0},
        "more": 1,
    }
    assert block.costs["PDK45"].origin == "published: header of mul8u_w.v; energy inferred from power at 2417 fJ per mW"
    assert load_circuit(verilog, library="Lib 1").costs["PDK45"].origin.startswith("published: Lib 1; ")
    assert block.name == "mul8u_w"
    np.testing.assert_array_equal(block.table, 256 * U[:, None] + U)
    c = "uint16_t g(uint8_t A, uint8_t B) {\n  return A * B;\n}\n"
    block = load_circuit(write(tmp_path / "g.c", c))
    assert dict(block.provenance) == {"file": "g.c", "file_sha256": hashlib.sha256(c.encode()).hexdigest(), "language": "C"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("bad.c", "what", r"^'.*bad\.c' line 1: "),
        ("none.v", None, r"^circuit '.*none\.v' "),
        ("two.v", WIRES.format(name="a", bits="A, B") + WIRES.format(name="b", bits="A, B"), r"^(Verilog file )?'.*two\.v'.* has top modules a, b; "),
    ],
)
def test_unusable_circuits_name_their_file(name: str, text: str | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        write(tmp_path / name, text)
    with pytest.raises(InputError, match=message):
        load_circuit(tmp_path / name)


@dataclass
class Found:
    block: Block


class Yosys:
    """Stands where Yosys would be asked, and keeps what it was asked for."""

    def __init__(self, block: Block | Exception) -> None:
        self.block, self.asked = block, []

    def __call__(self, path: Path, **options: object) -> Found:
        self.asked.append((path, options))
        if isinstance(self.block, Exception):
            raise self.block
        return Found(self.block)


def asked(monkeypatch: pytest.MonkeyPatch, block: Block | Exception, *, there: bool = True) -> Yosys:
    tool = Yosys(block)
    monkeypatch.setattr(hawx.synthesis, "characterize", tool)
    monkeypatch.setattr(yosys, "available", lambda: there)
    return tool


BEHAVIORAL = "module mine (input signed [7:0] A, input signed [7:0] B, output [15:0] O);\n  always @* O = A * B;\nendmodule\n"
TABLE = np.multiply.outer(np.arange(-128, 128), np.arange(-128, 128)) + 1


def test_what_we_cannot_read_is_read_through_yosys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "mine.v", BEHAVIORAL)
    tool = asked(monkeypatch, Block.from_table(TABLE, name="mine", costs={"t": COSTS}, provenance={"by": "Yosys"}))
    block = load_circuit(path, wish=SIGNED, extra={"release": "v1"})
    assert tool.asked == [(path, {"formats": SIGNED})]
    assert dict(block.provenance) == {"by": "Yosys", "file": "mine.v", "language": "Verilog", "release": "v1"}
    assert "release" not in load_circuit(path).provenance
    assert tool.asked[1] == (path, {"formats": None})
    tool.block = Block.from_table(TABLE, name="mine", costs={"t": FREE})
    with pytest.raises(InputError, match=r"^circuit '.*mine\.v' needs no gate at all: its product is a constant or wires; expected a multiplier "):
        load_circuit(path)
    tool.block = ToolMissingError("Which?")
    with pytest.raises(InputError, match=r"^'.*mine\.v' line 1: .* is read through Yosys, which needs a cell library: Which\?$"):
        load_circuit(path)
    asked(monkeypatch, tool.block, there=False)
    with pytest.raises(InputError, match=r"^'.*mine\.v' line 1: .* is read through Yosys, which is not installed: pip install 'hawx\[eda\]'\.$"):
        load_circuit(path)


def test_figures_of_its_own_are_taken_where_they_are_missing_and_of_the_same_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare, path = Block.from_table(TABLE, name="mine"), tmp_path / "mine.v"
    tool = asked(monkeypatch, bare.with_costs(COSTS))
    found = characterized(bare, path)
    assert dict(found.costs) == {"t": COSTS}
    assert tool.asked == [(path, {"top": "mine", "formats": (S8, S8)})]
    known = bare.with_costs(COSTS)
    assert characterized(known, path) is known
    assert characterized(bare, tmp_path / "mine.c") is bare
    assert len(tool.asked) == 1
    tool.block = Block.from_table(TABLE + 1, name="mine", costs={"t": COSTS})
    assert characterized(bare, path) is bare
    tool.block = InputError("no")
    assert characterized(bare, path) is bare
    tool.block = bare.with_costs(FREE)
    with pytest.raises(InputError, match=r"^circuit '.*' needs no gate at all: .*\. Leave it out, or give it as a table with figures of its own\.$"):
        characterized(bare, path)
    asked(monkeypatch, bare.with_costs(COSTS), there=False)
    assert characterized(bare, path) is bare
    assert not_free(known, path) is known
    tiny = bare.with_costs(Costs(technology="t", area_um2=0.5, delay_ns=1, energy_fj=1, origin="o"))
    assert not_free(tiny, path) is tiny


def test_swapped_blocks_keep_all_but_the_order() -> None:
    block = Block.from_table(256 * U[:, None] + U, name="b", formats=("u8", "u8"), costs={"t": COSTS}, provenance={"k": 1})
    found = swapped(block)
    assert (found.name, found.formats, dict(found.costs)) == ("b_swapped", (U8, U8), {"t": COSTS})
    assert dict(found.provenance) == {"k": 1, "operands_swapped_of": block.sha256}
    np.testing.assert_array_equal(found.table, block.table.T)
    mixed = Block.from_table(TABLE, name="m", formats=("u8", "s8"))
    assert swapped(mixed).formats == (S8, U8)


def test_sign_magnitude_says_what_its_figures_leave_out() -> None:
    block = Block.from_table(np.multiply.outer(U, U) & ~3, name="b", formats=("u8", "u8"), costs={"t": COSTS})
    for activations, formats in (("s8", SIGNED), ("u8", MIXED)):
        found = on_signed_weights(block, activations)
        assert found.formats == formats
        assert found.costs["t"].origin == "measured; of the unsigned circuit, sign handling not included"
        assert (found.costs["t"].constant_lsbs, found.costs["t"].area_um2) == (2, 5)


def test_sources_and_their_options(tmp_path: Path) -> None:
    plain = Source(text="a", place="a")
    assert parse_source("a") == plain
    assert parse_source("a#") == Source(text="a#", place="a")
    assert parse_source("a#b#wrapped, swapped,") == Source(text="a#b#wrapped, swapped,", place="a#b", wrapped=True, swapped=True)
    for option, pair in (("s8xs8", SIGNED), ("u8xu8", UNSIGNED), ("u8xs8", MIXED)):
        assert parse_source(f"a#{option}").formats == pair
    assert parse_source("a#magnitude").magnitude
    for both in ("s8xs8,u8xu8", "magnitude,s8xs8"):
        with pytest.raises(InputError, match=rf"^source 'a#{both}' asks for several formats; expected one of s8xs8, u8xu8, u8xs8, magnitude\.$"):
            parse_source(f"a#{both}")
    odd = write(tmp_path / "odd#swapped", "")
    assert parse_source(odd) == Source(text=str(odd), place=str(odd))


def test_blocks_as_wished() -> None:
    signed, unsigned = Block.from_table(TABLE, name="s"), Block.from_table(np.multiply.outer(U, U), name="u", formats=("u8", "u8"))
    mixed = Block.from_table(np.multiply.outer(U, np.arange(-128, 128)), name="m", formats=("u8", "s8"))
    every = [signed, unsigned, mixed]

    def names(option: str) -> list[str]:
        return [block.name.partition("_")[0] for block in as_wished(every, parse_source(f"a{option}"))]

    assert (names(""), names("#s8xs8"), names("#u8xu8"), names("#magnitude"), names("#u8xs8")) == (["s"], ["s"], ["u"], ["u"], ["m", "u"])
    assert [block.name for block in as_wished([unsigned, mixed], parse_source("a"))] == ["u", "m"]
    with pytest.raises(
        InputError,
        match=r"^source 'a#s8xs8' has only u8×s8 and u8×u8 blocks; expected another '#' option \(s8xs8, u8xu8, u8xs8, magnitude\)\.$",
    ):
        as_wished([unsigned, mixed], parse_source("a#s8xs8"))


def test_the_file_of_a_block_is_found_by_name_and_content(tmp_path: Path) -> None:
    for suffix in (".v", ".sv"):
        path = write(tmp_path / f"mul8u_w{suffix}", WIRES.format(name="mul8u_w", bits="A, B") + "// µ\n")
        block = load_circuit(path)
        found = find_multiplier(block, [tmp_path / "none", tmp_path])
        assert (found.module, found.ports, found.verilog) == ("mul8u_w", ("A", "B", "O"), path.read_text(encoding="utf-8"))
    other = Block.from_table(block.table, name="x-y.z", formats=("u8", "u8"))
    memory = find_multiplier(other)
    assert memory.is_table
    assert memory.module == "block_x_y_z"
    away = Block.from_table(block.table, name="w", formats=("u8", "u8"), provenance={**block.provenance, "file": "sub/mul8u_w.v"})
    assert find_multiplier(away, [tmp_path]).is_table  # a name that leads elsewhere is no name


def test_a_circuit_serves_swapped_and_on_magnitudes(tmp_path: Path) -> None:
    text = "module mul8u_w (input [7:0] first, input [7:0] second, output [15:0] result);\n  assign result = {1'b0, first, second[7:1]};\nendmodule\n"
    path = write(tmp_path / "mul8u_w.v", text)
    block = load_circuit(path)
    assert from_file(block, path).ports == ("first", "second", "result")
    turned = Block.from_table(block.table.T, name="t", formats=("u8", "u8"))
    found = from_file(turned, path)
    assert (found.ports, found.verilog, found.module) == (("second", "first", "result"), text, "mul8u_w")
    for activations, of in (("s8", block), ("u8", block), ("s8", turned), ("u8", turned)):
        wrapped = from_file(on_signed_weights(of, activations), path)
        assert wrapped.module == "mul8u_w_signed"
        first, second = ("first", "second") if of is block else ("second", "first")
        assert f".{first}(" in wrapped.verilog
        assert wrapped.verilog.index(f".{first}(") < wrapped.verilog.index(f".{second}(")


def test_a_file_that_is_no_circuit_any_more_is_named(tmp_path: Path) -> None:
    block = Block.from_table(256 * U[:, None] + U, name="b", formats=("u8", "u8"))
    with pytest.raises(InputError, match=r"^'.*bad\.v' line 1: "):
        from_file(block, write(tmp_path / "bad.v", "nothing"))
    with pytest.raises(InputError, match=r"^'.*two\.v' has top modules p, q; "):
        from_file(block, write(tmp_path / "two.v", WIRES.format(name="p", bits="A, B") + WIRES.format(name="q", bits="A, B")))
