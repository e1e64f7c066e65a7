"""Table files: every layout gives the same asymmetric block; every unusable one is refused in one line, by size before reading."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from hawx.blocks import Block, Library
from hawx.errors import InputError
from hawx.importers import load_block, load_library, save_library

S = np.arange(-128, 128)
U = np.arange(256)


def signed_table(seed: int = 0) -> np.ndarray:
    """Near-exact, and different for every exchange or reordering of operands."""
    return np.multiply.outer(S, S) + np.random.default_rng(seed).integers(-40, 40, (256, 256))


def unsigned_table(seed: int = 0) -> np.ndarray:
    return np.minimum(np.multiply.outer(U, U) + np.random.default_rng(seed).integers(0, 40, (256, 256)), 65535)


def write_header(path: Path, table: np.ndarray, kind: str = "int16_t") -> Path:
    wrapped = np.roll(table, -128, axis=(0, 1))
    rows = ",\n ".join("{" + ", ".join(map(str, row)) + "}" for row in wrapped.tolist())
    path.write_text(f"#include <stdint.h>\n\nconst {kind} lut [256][256] = {{{rows}}};\n")
    return path


def test_npy_signed_and_unsigned(tmp_path):
    np.save(tmp_path / "mine.npy", signed_table().astype(np.int16))
    np.save(tmp_path / "other.npy", unsigned_table().astype(np.float64))
    mine, other = load_block(tmp_path / "mine.npy"), load_block(tmp_path / "other.npy")
    assert (mine.name, mine.formats[0].name, other.formats[0].name) == ("mine", "s8", "u8")
    np.testing.assert_array_equal(mine.table, signed_table())
    np.testing.assert_array_equal(other.table, unsigned_table())


def test_csv_as_matrix_and_as_triples(tmp_path):
    matrix = tmp_path / "matrix.csv"
    matrix.write_text("\n".join(",".join(map(str, row)) for row in signed_table().tolist()) + "\n")
    triples = tmp_path / "triples.csv"
    table = signed_table()
    lines = [f"{a},{w},{table[a + 128, w + 128]}" for w in S.tolist() for a in S.tolist()]
    triples.write_text("a,w,product\n" + "\n".join(lines) + "\n")
    np.testing.assert_array_equal(load_block(matrix).table, table)
    np.testing.assert_array_equal(load_block(triples).table, table)


def test_tf_approximate_binary_is_unsigned_and_activation_major(tmp_path):
    (tmp_path / "mul8u_X.bin").write_bytes(unsigned_table().astype("<u2").tobytes())
    block = load_block(tmp_path / "mul8u_X.bin")
    assert [f.name for f in block.formats] == ["u8", "u8"]
    np.testing.assert_array_equal(block.table, unsigned_table())


@pytest.mark.parametrize("kind", ["int16_t", "int"])
def test_adapt_header_is_reordered_from_two_complement(tmp_path, kind):
    np.testing.assert_array_equal(load_block(write_header(tmp_path / "mul.h", signed_table(), kind)).table, signed_table())


def test_options_after_the_hash(tmp_path):
    np.save(tmp_path / "raw.npy", np.roll(signed_table(), -128, axis=(0, 1)))
    np.save(tmp_path / "u.npy", unsigned_table())
    np.testing.assert_array_equal(load_block(f"{tmp_path}/raw.npy#wrapped").table, signed_table())
    swapped = load_block(f"{tmp_path}/raw.npy#wrapped,swapped")
    assert swapped.name == "raw_swapped"
    np.testing.assert_array_equal(swapped.table, signed_table().T)
    magnitude = load_block(f"{tmp_path}/u.npy#magnitude")
    mixed = load_block(f"{tmp_path}/u.npy#u8xs8")
    assert magnitude.table[128 - 3, 128 + 5] == -unsigned_table()[3, 5]
    assert mixed.table[200, 128 - 7] == -unsigned_table()[200, 7]
    assert [f.name for f in mixed.formats] == ["u8", "s8"]
    with pytest.raises(
        InputError, match=r"^table '.*raw\.npy' looks like a table in two's-complement order .*; expected value order .*'#wrapped'.*\.$"
    ):
        load_block(tmp_path / "raw.npy")
    with pytest.raises(InputError, match=r"^unknown source option 'wraped'; did you mean 'wrapped'.*$"):
        load_block(f"{tmp_path}/raw.npy#wraped")
    with pytest.raises(InputError, match=r"^source '.*' asks for several formats; expected one of .*\.$"):
        load_block(f"{tmp_path}/u.npy#u8xu8,magnitude")
    save_library(Library([Block.from_table(np.multiply.outer(S, S), name="exact")]), tmp_path / "signed.npz")
    with pytest.raises(InputError, match=r"^source '.*signed\.npz#u8xu8' has only s8×s8 blocks; expected another '#' option \(.*\)\.$"):
        load_block(f"{tmp_path}/signed.npz#u8xu8")


@pytest.mark.parametrize("name", ["huge.npy", "huge.csv", "huge.bin", "huge.h", "huge.npz", "huge.v", "huge.c"])
def test_a_2_gb_file_is_refused_by_size_before_it_is_read(tmp_path, name):
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(2 << 30)
    (tmp_path / "huge.json").write_text('{"blocks": {}}')
    with pytest.raises(InputError, match=r"^\w+ '.*huge\.\w+' has 2147483648 bytes; expected (\d+ to )?\d+\.$"):
        load_block(path)


def with_entry(value: float) -> np.ndarray:
    table = signed_table().astype(np.float64)
    table[3, 4] = value
    return table


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((255, 256), int), r"has shape (255, 256); expected (256, 256), table[activation, weight] in value order."),
        (np.zeros(65536, int), r"has shape (65536,); expected (256, 256), table[activation, weight] in value order."),
        (with_entry(np.nan), r"has nan at [3, 4]; expected finite integers."),
        (with_entry(0.5), r"has 0.5 at [3, 4]; expected integers."),
        (with_entry(1 << 25).astype(int), r"spans -16264..33554432; expected products of 8-bit operands, at most 2^24 in magnitude."),
        (np.zeros((256, 256), complex), None),
        (np.full((256, 256), "1"), r"is not a readable npy file (it holds '<U1', not numbers); expected a (256, 256) integer array saved by numpy."),
    ],
)
def test_wrong_arrays_are_refused(tmp_path, array, message):
    np.save(tmp_path / "t.npy", array)
    with pytest.raises(InputError) as caught:
        load_block(tmp_path / "t.npy")
    text = str(caught.value)
    assert text.startswith(f"table '{tmp_path}/t.npy' ")
    assert "\n" not in text
    if message is not None:
        assert re.sub(r"spans -\d+", "spans -16264", text).endswith(message)


def test_a_pickled_npy_is_never_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    np.save(tmp_path / "t.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    with pytest.raises(
        InputError, match=r"^table '.*t\.npy' is not a readable npy file \(it holds Python objects, which are never unpickled\); expected .*\.$"
    ):
        load_block(tmp_path / "t.npy")
    assert not (tmp_path / "exploded").exists()


def test_truncated_and_foreign_files_are_refused(tmp_path):
    np.save(tmp_path / "t.npy", signed_table())
    whole = (tmp_path / "t.npy").read_bytes()
    (tmp_path / "t.npy").write_bytes(whole[:5000])
    with pytest.raises(
        InputError, match=r"^table '.*t\.npy' is not a readable npy file \(.*\); expected a \(256, 256\) integer array saved by numpy\.$"
    ):
        load_block(tmp_path / "t.npy")
    (tmp_path / "t.bin").write_bytes(b"\0" * 131071)
    with pytest.raises(InputError, match=r"^table '.*t\.bin' has 131071 bytes; expected 131072\.$"):
        load_block(tmp_path / "t.bin")
    header = write_header(tmp_path / "t.h", signed_table())
    header.write_text(header.read_text()[:100_000])
    with pytest.raises(InputError, match=r"^table '.*t\.h' is incomplete at row \d+; expected 256 rows of 256 integers\. Is the file truncated\?$"):
        load_block(header)
    (tmp_path / "t.h").write_text("int lut[16][16] = {{0}};")
    with pytest.raises(InputError, match=r"^table '.*t\.h' declares \[16\]\[16\]; expected \[256\]\[256\]\.$"):
        load_block(tmp_path / "t.h")
    (tmp_path / "t.csv").write_text("1,2,3\n4,x,6\n")
    with pytest.raises(InputError, match=r"^table '.*t\.csv' line 2 is not a list of integers; expected .*\.$"):
        load_block(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("\n".join(",".join("0" for _ in range(255)) for _ in range(256)))
    with pytest.raises(
        InputError, match=r"^table '.*t\.csv': line 1 has 255 numbers; expected 256 lines of 256 integers, or 65536 lines 'a,w,product'\.$"
    ):
        load_block(tmp_path / "t.csv")
    (tmp_path / "t.v").write_bytes(b"module \xff\xfe\n")
    with pytest.raises(InputError, match=r"^Verilog file '.*t\.v' has no module with ports; expected a multiplier of two operands\.$"):
        load_block(tmp_path / "t.v")
    (tmp_path / "t.npz").write_bytes(b"PK\x03\x04 nonsense")
    (tmp_path / "t.json").write_text('{"blocks": {}}')
    with pytest.raises(
        InputError, match=r"^'.*t\.npz' is not a readable archive \(.*\); expected an npz of tables saved by numpy\. Is the file truncated\?$"
    ):
        load_block(tmp_path / "t.npz")


def described(folder: Path, **changes: object) -> Path:
    table = np.ascontiguousarray(signed_table(), dtype="<i4")
    entry = {
        "formats": ["s8", "s8"],
        "published": {"mae": 20.0, "power_mw": 0.2, "area_um2": 300.0, "delay_ns": 1.0, "technology": "PDK45"},
        "pareto_sets": ["pareto_pwr_mae"],
        "sha256": hashlib.sha256(table.tobytes()).hexdigest(),
    }
    content = {"library": "Someone's", "release": "v1", "licence": "MIT", "blocks": {"mul8s_a": {**entry, **changes}}}
    np.savez_compressed(folder / "lib.npz", mul8s_a=table)
    (folder / "lib.json").write_text(json.dumps(content))
    return folder / "lib.npz"


def test_described_tables_keep_their_published_figures(tmp_path):
    block = load_block(described(tmp_path))
    np.testing.assert_array_equal(block.table, signed_table())
    assert block.provenance["published"]["mae"] == 20.0
    assert block.provenance["release"] == "v1"
    assert block.costs["PDK45"].energy_fj == pytest.approx(0.2 * 2417)
    assert block.costs["PDK45"].origin == "published: Someone's v1; energy inferred from power at 2417 fJ per mW"


def test_described_tables_are_verified(tmp_path):
    with pytest.raises(
        InputError,
        match=r"^'.*lib\.npz' table 'mul8s_a' does not have the recorded hash 000000000000; expected unchanged tables\. Restore the file\.$",
    ):
        load_block(described(tmp_path, sha256="0" * 64))
    with pytest.raises(InputError, match=r"^'.*lib\.json' gives block 'mul8s_a' formats \['s8'\]; expected two, such as \['s8', 's8'\]\.$"):
        load_block(described(tmp_path, formats=["s8"]))
    (tmp_path / "lib.json").write_text("{,")
    with pytest.raises(InputError, match=r"^'.*lib\.json' is not JSON \(line 1: .*\); expected the description of 'lib\.npz'\.$"):
        load_block(tmp_path / "lib.npz")
    (tmp_path / "lib.json").unlink()
    with pytest.raises(
        InputError, match=r"^'.*lib\.npz' has no description beside it; expected '.*lib\.json'\. A single table can be given as \.npy\.$"
    ):
        load_block(tmp_path / "lib.npz")


@pytest.mark.parametrize("seed", range(3))
def test_damaged_files_are_refused_or_read_but_never_a_traceback(tmp_path, seed):
    """Flip bytes anywhere: an InputError of one line, or blocks whose hashes agree."""
    rng = np.random.default_rng(seed)
    save_library(load_library("mul8s_drum4"), tmp_path / "a.npz")
    np.save(tmp_path / "t.npy", signed_table())
    originals = {name: (tmp_path / name).read_bytes() for name in ("a.npz", "a.json", "t.npy")}
    refused: list[str] = []
    for _ in range(60):
        name = str(rng.choice(list(originals)))
        for other, content in originals.items():
            (tmp_path / other).write_bytes(content)
        damaged = bytearray(originals[name])
        for place in rng.integers(0, min(len(damaged), 3000), rng.integers(1, 6)):
            damaged[place] = rng.integers(256)
        (tmp_path / name).write_bytes(bytes(damaged[: rng.integers(len(damaged))] if rng.random() < 0.2 else damaged))
        try:
            load_library(tmp_path / name.replace(".json", ".npz"))
        except InputError as error:
            refused.append(str(error))
    assert len(refused) > 20
    assert not any("\n" in message for message in refused)
