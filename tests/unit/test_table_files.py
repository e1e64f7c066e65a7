"""Every layout of a table file by hand-written bytes, and the whole message of every one that cannot be used."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hawx.blocks import Block, Costs, Library
from hawx.circuits.readings import SIGNED, UNSIGNED
from hawx.errors import InputError
from hawx.formats import S8, U8
from hawx.importers import load_block, load_library, save_library
from hawx.importers.evoapprox import load_checkout, load_folder, release
from hawx.importers.tables import block_name, load_described, load_table, npz_tables

S, U = np.arange(-128, 128), np.arange(256)
SIGNED_TABLE = np.multiply.outer(S, S) + 3 * (np.multiply.outer(S, U) % 7)
UNSIGNED_TABLE = np.multiply.outer(U, U) - 3 * (np.multiply.outer(U, S) % 7)


def lines(table: np.ndarray, between: str = ",", end: str = "\n") -> str:
    return "".join(between.join(map(str, row)) + end for row in table.tolist())


def triples(table: np.ndarray, first: int) -> str:
    return "".join(f"{a + first},{w + first},{table[a, w]}\n" for a in range(256) for w in range(256))


@pytest.mark.parametrize(
    ("text", "formats", "table"),
    [
        (lines(SIGNED_TABLE), SIGNED, SIGNED_TABLE),
        (lines(UNSIGNED_TABLE), UNSIGNED, UNSIGNED_TABLE),
        ("# of mine\n\nalpha,beta\n" + lines(SIGNED_TABLE, ";", ";\n"), SIGNED, SIGNED_TABLE),
        ("Z\n" + lines(SIGNED_TABLE, " , ", " ,,\r\n"), SIGNED, SIGNED_TABLE),
        ("a,w,product\n" + triples(SIGNED_TABLE, -128), SIGNED, SIGNED_TABLE),
        (triples(UNSIGNED_TABLE, 0), UNSIGNED, UNSIGNED_TABLE),
    ],
)
def test_every_form_of_csv(text: str, formats: object, table: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(text, encoding="utf-8", newline="")
    block = load_table(tmp_path / "mine.csv")
    assert block.formats == formats
    np.testing.assert_array_equal(block.table, table)
    assert dict(block.provenance) == {"file": "mine.csv", "layout": "csv"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", " has 0 bytes; expected 1 to 8388608."),
        ("head\n", "there are 0 lines; expected 256 lines of 256 integers, or 65536 lines 'a,w,product'."),
        ("head\n" + lines(SIGNED_TABLE[:200]), "there are 200 lines; expected"),
        (lines(SIGNED_TABLE[:3]) + "1,2\n", "line 4 has 2 numbers; expected"),
        ("# c\nhead\n1,2,3\n", "line 3 has 3 numbers; expected"),
        ("NaN,1\n2\n", " line 1 is not a list of integers; expected 256 comma-separated integers or 'a,w,product'."),
        ("1,INF\n2\n", " line 1 is not a list of integers; expected"),
        ("1\n2.5\n", " line 2 is not a list of integers; expected"),
        (triples(SIGNED_TABLE, -127), " has operands from -127 to 128; expected all of -128..127 or of 0..255."),
        (triples(SIGNED_TABLE, 1), " has operands from 1 to 256; expected all of -128..127 or of 0..255."),
        (triples(SIGNED_TABLE, -129), " has operands from -129 to 126; expected all of -128..127 or of 0..255."),
        (triples(SIGNED_TABLE, 0).replace("0,1,", "0,0,", 1), " does not give every operand pair once; expected 65536 different pairs."),
        (lines(SIGNED_TABLE * 1024 + (1 << 24)), " spans "),
        (triples(UNSIGNED_TABLE * 1024, 0), " spans "),
    ],
)
def test_unusable_csv(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=rf"^table '{re.escape(str(path))}'(: )?{re.escape(message)}"):
        load_table(path)


def header(table: np.ndarray, row: str = "{{{}}}", close: str = "}};", number: str = "{}") -> str:
    wrapped = np.roll(table, 128, axis=(0, 1)).tolist()
    return "int lut[256][256] = {" + ",\n".join(row.format(", ".join(number.format(x) for x in line)) for line in wrapped) + close[1:]


@pytest.mark.parametrize(
    "text",
    [
        header(SIGNED_TABLE),
        "// lut[256][256] = {\n/* {\n[1][1] = {} */" + header(SIGNED_TABLE) + "\nint more[2][2] = {{1, 2}, {3, 4}};\n",
        header(SIGNED_TABLE, close="},\n};"),
        header(SIGNED_TABLE, number="{:#x}"),
        "static const short lut [ 256 ] [ 256 ]={" + header(SIGNED_TABLE).partition("= {")[2],
    ],
)
def test_every_form_of_a_header(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine.h").write_text(text, encoding="utf-8")
    block = load_table(tmp_path / "mine.h")
    assert (block.formats, dict(block.provenance)) == (SIGNED, {"file": "mine.h", "layout": "h"})
    np.testing.assert_array_equal(block.table, SIGNED_TABLE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("int lut;", " has no two-dimensional array; expected 'int lut[256][256] = {{…}};'."),
        ("int lut[256][16] = {{1}};", " declares [256][16]; expected [256][256]."),
        ("int lut[16][256] = {{1}};", " declares [16][256]; expected [256][256]."),
        (header(SIGNED_TABLE[:, :])[:-3], " is incomplete at row 256; expected 256 rows of 256 integers. Is the file truncated?"),
        ("int lut[256][256] = {" + "{" + ",".join(["1"] * 256) + "}, {1}};", " is incomplete at row 1; expected"),
        ("int lut[256][256] = {" + ", ".join(["{" + ",".join(["1"] * 256) + "}"] * 255) + "};", " is incomplete at row 255; expected"),
        ("int lut[256][256] = {" + ", ".join(["{" + ",".join(["1"] * 255) + "}"] * 256) + "};", " is incomplete at row 0; expected"),
        (header(SIGNED_TABLE * 1025), " spans "),
    ],
)
def test_unusable_headers(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.h"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=rf"^table '{re.escape(str(path))}'{re.escape(message)}"):
        load_table(path)


def test_what_is_no_integer_is_shown(tmp_path: Path) -> None:
    (tmp_path / "mine.h").write_text(header(SIGNED_TABLE).replace("{0, ", "{0:9, ", 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"^table '.*mine\.h' holds '0:9', which is not an integer; expected 256 rows of 256 integers\.$"):
        load_table(tmp_path / "mine.h")


def test_a_wish_decides_and_wrapped_tables_are_signed(tmp_path: Path) -> None:
    np.save(tmp_path / "u.npy", UNSIGNED_TABLE)
    assert load_table(tmp_path / "u.npy", wish=SIGNED).formats == SIGNED
    assert load_table(tmp_path / "u.npy").formats == UNSIGNED
    half = UNSIGNED_TABLE // 2
    np.save(tmp_path / "w.npy", np.roll(half, 128, axis=(0, 1)))
    for wish, expected in ((None, SIGNED), (UNSIGNED, UNSIGNED)):
        block = load_table(tmp_path / "w.npy", wish=wish, wrapped=True)
        assert block.formats == expected
        np.testing.assert_array_equal(block.table, half)
    (tmp_path / "b.bin").write_bytes(np.zeros(65536, "<u2").tobytes())
    assert load_table(tmp_path / "b.bin").formats == UNSIGNED


@pytest.mark.parametrize("suffix", ["npy", "csv", "h", "bin"])
def test_an_absent_file_is_a_table_that_is_not_there(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"^table '.*none\.{suffix}' "):
        load_table(tmp_path / f"none.{suffix}")


@pytest.mark.parametrize("suffix", ["csv", "h"])
def test_text_of_more_than_8_mib_is_not_read(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"huge.{suffix}"
    path.write_bytes(b" " * ((8 << 20) + 1))
    with pytest.raises(InputError, match=r"^table '.*' has 8388609 bytes; expected .*8388608\.$"):
        load_table(path)


def test_the_largest_product_is_2_to_the_24(tmp_path: Path) -> None:
    table = SIGNED_TABLE.copy()
    table[0, 0] = 1 << 24
    np.save(tmp_path / "t.npy", table.astype(np.float32))
    assert load_table(tmp_path / "t.npy").table[0, 0] == 1 << 24
    table[0, 0] += 1
    np.save(tmp_path / "t.npy", table)
    with pytest.raises(InputError, match=rf" spans {table.min()}\.\.16777217; expected products of 8-bit operands, at most 2\^24 in magnitude\.$"):
        load_table(tmp_path / "t.npy")


def test_names_of_blocks_are_those_of_files_without_spaces() -> None:
    assert block_name(Path("some/my  table\t1.npy")) == "my_table_1"
    assert block_name(Path("a\\b.csv")) == "a_b"
    assert block_name(Path()) == "table"


ENTRY = {"formats": ["s8", "s8"], "published": {"power_mw": 0.5, "area_um2": 3, "delay_ns": 1}, "pareto_sets": ["p"]}


def described(folder: Path, content: object, table: np.ndarray = SIGNED_TABLE) -> Path:
    np.savez(folder / "lib.npz", one=table.astype(np.int32))
    (folder / "lib.json").write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return folder / "lib.npz"


def test_described_tables_keep_all_that_is_said(tmp_path: Path) -> None:
    shared = {"library": "Ours", "release": "v9", "licence": "MIT", "reference": "R", "else": 1}
    path = described(tmp_path, {**shared, "blocks": {"one": ENTRY}})
    (block,) = load_described(path, path.with_suffix(".json"), json.loads(path.with_suffix(".json").read_text()))
    assert dict(block.provenance) == {
        "library": "Ours",
        "release": "v9",
        "licence": "MIT",
        "reference": "R",
        "published": ENTRY["published"],
        "pareto_sets": ["p"],
    }
    assert block.costs["PDK45"].origin.startswith("published: Ours v9; ")
    bare = described(tmp_path, {"blocks": {"one": {}}}, UNSIGNED_TABLE)
    block = load_block(bare)
    assert (block.formats, dict(block.provenance), dict(block.costs)) == (UNSIGNED, {}, {})
    mixed = described(tmp_path, {"blocks": {"one": {**ENTRY, "formats": ["u8", "s8"]}}})
    (block,) = load_described(mixed, tmp_path / "lib.json", {"blocks": {"one": {**ENTRY, "formats": ["u8", "s8"]}}})
    assert block.formats == (U8, S8)
    assert block.costs["PDK45"].origin.startswith("published: lib.npz; ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", r"^'.*lib\.json' has no 'blocks'; expected \{\"blocks\": \{name: \{\"formats\": \[…\]\}\}\}\.$"),
        ({"blocks": []}, r"^'.*lib\.json' has no 'blocks'; "),
        ({"blocks": {"two": {}}}, r"^'.*lib\.npz' table 'two' is missing; expected every block of 'lib\.json'\.$"),
        ("[" * 100_000, r"^'.*lib\.json' is nested too deep; expected the description of 'lib\.npz'\.$"),
    ],
)
def test_unusable_descriptions(content: object, message: str, tmp_path: Path) -> None:
    path = described(tmp_path, content)
    with pytest.raises(InputError, match=message):
        load_block(path)


def test_wrapped_described_tables_are_named(tmp_path: Path) -> None:
    path = described(tmp_path, {"blocks": {"one": {}}}, np.roll(SIGNED_TABLE, 128, axis=(0, 1)))
    with pytest.raises(InputError, match=r"^'.*lib\.npz' table 'one' looks like a table in two's-complement order "):
        load_block(path)


def test_members_of_an_npz_are_named_and_measured_first(tmp_path: Path) -> None:
    path = tmp_path / "lib.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("huge.npy", bytes(600_000))
    with pytest.raises(
        InputError, match=r"^'.*lib\.npz' member 'huge\.npy' has 600000 bytes; expected at most 528384 in an npz of tables saved by numpy\.$"
    ):
        npz_tables(path)
    packed = io.BytesIO()
    np.save(packed, np.zeros((2, 2)))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("small.npy", packed.getvalue())
    with pytest.raises(InputError, match=r"^'.*lib\.npz' member 'small\.npy' has shape \(2, 2\); "):
        npz_tables(path)
    with pytest.raises(InputError, match=r"^tables '.*none\.npz' "):
        npz_tables(tmp_path / "none.npz")


COSTS = Costs(technology="t", area_um2=1.5, delay_ns=2, energy_fj=3, origin="o")


def test_a_saved_library_as_json_sees_it(tmp_path: Path) -> None:
    table = SIGNED_TABLE.astype("<i4")
    block = Block.from_table(table, name="µ", formats=("u8", "s8"), costs={"t": COSTS}, provenance={"k": ({"n": np.float64(1.5)}, "x")})
    exact = Block.from_table(np.multiply.outer(U, S), name="exact", formats=("u8", "s8"))
    path = save_library(Library([exact, block], name="mine"), tmp_path / "a.b")
    assert path == tmp_path / "a.b.npz"
    text = path.with_suffix(".json").read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert "µ" in text
    content = json.loads(text)
    assert {key: content[key] for key in ("schema", "version", "name")} == {"schema": "hawx.library", "version": 1, "name": "mine"}
    assert [entry["name"] for entry in content["blocks"]] == ["exact", "µ"]
    entry = content["blocks"][1]
    assert entry["formats"] == ["u8", "s8"]
    assert entry["provenance"] == {"k": [{"n": 1.5}, "x"]}
    assert entry["sha256"] == block.sha256
    assert entry["costs"][0]["area_um2"] == 1.5
    with np.load(path) as tables:
        np.testing.assert_array_equal(tables["µ"], SIGNED_TABLE)
    again = load_library(path)
    assert again.name == "mine"
    assert again["µ"].formats == (U8, S8)
    del content["name"], content["blocks"][1]["provenance"]
    path.with_suffix(".json").write_text(json.dumps(content), encoding="utf-8")
    bare = load_library(path)
    assert (bare.name, dict(bare["µ"].provenance)) == ("a.b", {})
    del content["blocks"]
    path.with_suffix(".json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=r"^'.*a\.b\.json' describes no blocks; expected at least one\.$"):
        load_library(path)
    broken = Block.from_table(SIGNED_TABLE, name="nan", provenance={"x": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        save_library(Library([Block.from_table(np.multiply.outer(S, S), name="e"), broken]), tmp_path / "n")


GATES = "module {} (input [7:0] A, input [7:0] B, output [15:0] O);\n  assign O = {{{}}};\nendmodule\n"


def checkout(folder: Path) -> Path:
    """Two Pareto folders of one circuit (wires: 256·A + B), with an abridged C twin and a mapped netlist of another name."""
    for pareto in ("pareto_a", "pareto_b"):
        place = folder / "multiplers" / "8x8_unsigned" / pareto
        place.mkdir(parents=True)
        (place / "mul8u_x.v").write_text(f"// {pareto}\n" + GATES.format("mul8u_x", "A, B"))
    (place / "mul8u_x_pdk45.v").write_text("never read: there is a better one")
    (place / "mul8u_y_pdk45.v").write_text(GATES.format("mul8u_y", "B, A"))
    (place / "mul8u_x.c").write_text("never read, either")
    return folder


def test_a_checkout_takes_the_best_file_of_every_circuit(tmp_path: Path) -> None:
    x, y = load_checkout(checkout(tmp_path))
    assert (x.name, y.name) == ("mul8u_x", "mul8u_y")
    np.testing.assert_array_equal(x.table, 256 * U[:, None] + U)
    np.testing.assert_array_equal(y.table, 256 * U + U[:, None])
    assert x.provenance["pareto_sets"] == ["pareto_a", "pareto_b"]
    assert y.provenance["pareto_sets"] == ["pareto_b"]
    assert x.provenance["file"] == "mul8u_x.v"
    with pytest.raises(InputError, match=r"^checkout '.*' has no such 8×8 multipliers; expected circuits below multiplers/8x8_signed\.$"):
        load_checkout(tmp_path, SIGNED)
    empty = tmp_path / "empty"
    (empty / "multiplers" / "8x8_signed").mkdir(parents=True)
    with pytest.raises(InputError, match=r"expected circuits below multiplers/8x8_signed or multiplers/8x8_unsigned\.$"):
        load_checkout(empty)


def test_releases_are_known_by_their_description(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert release(tmp_path) == "unknown release"
    (tmp_path / "meta.json").write_text("{}", encoding="utf-8")
    assert release(tmp_path) == "unknown release"
    monkeypatch.setattr("hawx.importers.evoapprox._RELEASES", {hashlib.sha256(b"{}").hexdigest(): "v7"})
    assert release(tmp_path) == "v7"


def test_published_figures_of_a_checkout_name_its_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout(tmp_path)
    (tmp_path / "meta.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr("hawx.importers.evoapprox._RELEASES", {hashlib.sha256(b"{}").hexdigest(): "v7"})
    head = "// PDK45_PWR = 1 mW\n// PDK45_AREA = 2 um2\n// PDK45_DELAY = 3 ns\n"
    for place in (tmp_path / "multiplers").rglob("mul8u_x.v"):
        place.write_text(head + place.read_text(encoding="utf-8"), encoding="utf-8")
    x, y = load_checkout(tmp_path)
    assert x.costs["PDK45"].origin == "published: EvoApproxLib v7; energy inferred from power at 2417 fJ per mW"
    assert (x.provenance["library"], x.provenance["release"]) == ("EvoApproxLib", "v7")
    assert not y.costs  # a circuit of a named library is not characterized


def test_circuits_of_no_library_are_characterized_and_others_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def characterized(block: Block, path: Path) -> Block:
        asked.append((block.name, path.name))
        return block

    monkeypatch.setattr("hawx.importers.evoapprox.characterized", characterized)
    (tmp_path / "mul8u_y.v").write_text(GATES.format("mul8u_y", "B, A"), encoding="utf-8")
    (block,) = load_folder(tmp_path)
    assert asked == [("mul8u_y", "mul8u_y.v")]
    assert "pareto_sets" not in block.provenance
    load_folder(tmp_path, library="Someone's")
    assert len(asked) == 1
    assert load_folder(tmp_path / "none") == []


def test_two_files_of_one_name_may_differ_in_words_not_in_logic(tmp_path: Path) -> None:
    checkout(tmp_path)
    other = tmp_path / "multiplers" / "8x8_unsigned" / "pareto_b" / "mul8u_x.v"
    other.write_text(GATES.format("mul8u_x", "A[7:4], A[3:0], B").replace("\n", "\t\n/* again */"), encoding="utf-8")  # other words, one circuit
    assert [block.name for block in load_checkout(tmp_path)] == ["mul8u_x", "mul8u_y"]
    other.write_text(GATES.format("mul8u_x", "B, A"), encoding="utf-8")
    with pytest.raises(
        InputError,
        match=r"^'.*pareto_b/mul8u_x\.v' and '.*pareto_a/mul8u_x\.v' have one name but differ; expected one circuit per name\. Load them one by one",
    ):
        load_checkout(tmp_path)
