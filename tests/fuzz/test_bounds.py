"""Files that ask for more than they are worth, or for what no reader does: refused by name, before memory, time or another file is touched."""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.fuzz.readers import CELLS, GATES, READERS, C, _tar, write
from safetensors.torch import save

from hawx import bounds
from hawx.errors import HawxError, InputError
from hawx.importers import datasets, load_block, load_library
from hawx.importers.circuit import load_circuit
from hawx.importers.datasets import load_dataset
from hawx.importers.torch_export import load_pt2
from hawx.networks.zoo import weights
from hawx.settings import ExploreSettings, read_toml
from hawx.store import SqliteStore
from hawx.store.design import load_design
from hawx.synthesis.yosys import Tool
from hawx.verify.store import MeasurementKey


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """Nothing here takes more than a gigabyte beyond what the process holds."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    status = Path("/proc/self/status")
    if status.exists():
        held = next(int(line.split()[1]) << 10 for line in status.read_text().splitlines() if line.startswith("VmData"))
        resource.setrlimit(resource.RLIMIT_DATA, (held + (1 << 30), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_DATA, before)


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method, compresslevel=9) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def npy(header: str, content: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + content


BOMB = bytes(3 << 20)


def test_archives_that_unpack_to_far_more_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (bounds.expansion(0), bounds.expansion(1 << 30)) == (256 << 20, 20 << 30)
    monkeypatch.setattr(bounds, "LEAST", 2 << 20)
    (tmp_path / "w.pt").write_bytes(zipped({"w/data.pkl": BOMB}))
    with pytest.raises(InputError, match=r"^weights '.*w\.pt' of \d+ bytes unpacks to 3145728; expected at most 2097152: "):
        weights.read(tmp_path / "w.pt")
    (tmp_path / "d.npz").write_bytes(zipped({"x.npy": BOMB}))
    expected = r" of \d+ bytes unpacks to 3145\d+; expected at most 2097152: 256 MB or 20 times its size\. Store it less compressed\.$"
    with pytest.raises(InputError, match=r"^data set '.*d\.npz'" + expected):
        load_dataset(tmp_path / "d.npz")
    (tmp_path / "lib.npz").write_bytes(zipped({"x.npy": bytes(1 << 20)}))
    (tmp_path / "lib.json").write_text('{"blocks": {"x": {}}}')
    with pytest.raises(
        InputError, match=r"^'.*lib\.npz' member 'x\.npy' has 1048576 bytes; expected at most 528384 in an npz of tables saved by numpy\.$"
    ):
        load_library(tmp_path / "lib.npz")
    (tmp_path / "n.pt2").write_bytes(zipped({"n/data.json": BOMB}))
    with pytest.raises(InputError, match=r"^network '.*n\.pt2'" + expected):
        load_pt2(tmp_path / "n.pt2")
    folder = tmp_path / "mnist"
    folder.mkdir()
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(BOMB, 9))
    with pytest.raises(InputError, match=r"^data set file '.*idx3-ubyte\.gz' of \d+ bytes unpacks to 2097153; expected at most 2097152: "):
        load_dataset(folder)
    archive = tmp_path / "images.tar"
    with tarfile.open(archive, "w:gz", compresslevel=9) as tar:
        info = tarfile.TarInfo("0/a.png")
        info.size = len(BOMB)
        tar.addfile(info, io.BytesIO(BOMB))
    with pytest.raises(InputError, match=r"^data set '.*images\.tar'" + expected):
        load_dataset(archive)


def test_honest_archives_are_read_however_well_they_pack(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "d.npz", x=np.zeros((50_000, 1, 28, 28), np.uint8), y=np.zeros(50_000, np.int64))
    assert (tmp_path / "d.npz").stat().st_size < 400_000
    assert len(load_dataset(tmp_path / "d.npz")) == 50_000


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (
            "{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000, 256), }",
            r"its header says \(1000000000000, 256\) of int64, and 0 .*",
        ),
        ("{'descr': '<i8', 'fortran_order': False, 'shape': (" + "9" * 300 + ",), }", r"its header says \(9+,\) of int64, and 0 bytes follow"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", r"it holds Python objects, which are never unpickled"),
        ("{'descr': '<U4', 'fortran_order': False, 'shape': (1,), }", r"it holds '<U4', not numbers"),
        ("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (1,), }", r"its header describes no array of numbers"),
        ("{'descr': '<i8', 'fortran_order': False, 'shape': " + "(" * 30_000, r"its header describes no array of numbers"),
        ("{'descr': '<i8', 'fortran_order': False, 'shape': (" + "1, " * 64 + "), }", r"its header says .* of int64, and 0 bytes follow"),
        ("__import__('os').system('touch pwned')", r"its header describes no array of numbers"),
    ],
)
def test_headers_of_arrays_are_held_against_what_follows(header: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "t.npy").write_bytes(npy(header))
    with pytest.raises(
        InputError, match=rf"^table '.*t\.npy' is not a readable npy file \({reason}\); expected a \(256, 256\) integer array saved by numpy\.$"
    ):
        load_block(tmp_path / "t.npy")


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def test_images_of_too_many_pixels_and_of_other_kinds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("PIL")
    for size in ((60_000, 60_000), (9_000, 9_000)):
        (tmp_path / "0_a.png").write_bytes(png(*size))
        with pytest.raises(InputError, match=r"^image '0_a\.png' (has 9000×9000 pixels, .*; expected at most 67,108,864|cannot)"):
            load_dataset(tmp_path)
    started: list[object] = []
    monkeypatch.setattr("subprocess.Popen", lambda *arguments, **_: started.append(arguments))
    (tmp_path / "0_a.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    )  # Pillow would start Ghostscript
    with pytest.raises(InputError, match=r"^image '0_a\.png' cannot be decoded; expected a JPEG, PNG, BMP or WebP file\.$"):
        load_dataset(tmp_path)
    assert not started


def test_links_and_paths_of_an_archive_lead_nowhere(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    picture = READERS["images-folder"].seeds()[1]["images/3_c.bmp"]
    outside = tmp_path / "secret.bmp"
    outside.write_bytes(picture)
    place = tmp_path / "in" / "images.tar"
    place.parent.mkdir()
    with tarfile.open(place, "w") as archive:
        for name, kind in (("0/link.bmp", tarfile.SYMTYPE), ("0/hard.bmp", tarfile.LNKTYPE), ("0/pipe.bmp", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, str(outside)
            archive.addfile(info)
    with pytest.raises(InputError, match=r"^data set '.*images\.tar' holds no image files; "):
        load_dataset(place)
    place.write_bytes(_tar({"../../1_up.bmp": picture, "/2_root.bmp": picture}))
    assert len(load_dataset(place)) == 2
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["images.tar", "in", "secret.bmp"]
    assert not Path("/2_root.bmp").exists()


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/hostname", "link.bin", "sub/../../secret.bin"])
def test_external_data_lies_beside_its_network(location: str, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from hawx.importers.onnx.reader import read_onnx

    (tmp_path / "secret.bin").write_bytes(bytes(400))
    folder = tmp_path / "net"
    (folder / "sub").mkdir(parents=True)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    model = onnx.load_from_string(READERS["onnx"].seeds()[0]["n.onnx"])
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    (folder / "n.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(
        InputError, match=r"^network '.*n\.onnx' keeps tensor 'w' in '.*', which lies outside of its folder; expected a file beside it\. "
    ):
        read_onnx(folder / "n.onnx")


RELU = b"torch.ops.aten.relu.default"


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("pwned",)


def pickled() -> bytes:
    buffer = io.BytesIO()
    torch.save({"x": Bomb()}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("member", "change", "message"),
    [
        ("sample_inputs", lambda _: pickled(), r"is not a readable \.pt2 file \(UnpicklingError: "),
        ("models/model.json", lambda data: data.replace(b"Symbol(", b"__import__('os').mkdir('pwned') or Symbol("), r"has the size \"__import__"),
        ("models/model.json", lambda data: data.replace(b"Symbol('s", b"9**9**9**9**9+Symbol('s"), r"has the size '?\"?9\*\*9"),
        ("models/model.json", lambda data: data.replace(b"torch.ops.aten.relu.default", b"torch.os.getcwd"), r"(calls|is not a readable)"),
        (
            "models/model.json",
            lambda data: data.replace(b"torch.ops.aten.relu.default", b"torch.ops.aten.from_file.default"),
            r"(calls|is not a readable)",
        ),
    ],
)
def test_no_code_of_a_program_runs(member: str, change: object, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile(io.BytesIO(READERS["pt2"].seeds()[0]["n.pt2"])) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    (name,) = (name for name in members if member in name and not name.endswith("config.json"))
    before, members[name] = members[name], change(members[name])  # type: ignore[operator]
    assert members[name] != before
    Path("n.pt2").write_bytes(zipped(members, zipfile.ZIP_STORED))
    with pytest.raises(InputError, match=rf"^network 'n\.pt2' {message}"):
        load_pt2("n.pt2")
    assert not Path("pwned").exists()


@pytest.mark.parametrize("extra", ["n/data/aotinductor/model/a.so", "n/data/constants/custom_obj_0", "n/data/constants/opaque_obj_0"])
def test_a_program_with_compiled_or_pickled_parts_is_refused(extra: str, tmp_path: Path) -> None:
    (tmp_path / "n.pt2").write_bytes(zipped({extra: b""}))
    with pytest.raises(
        InputError, match=r"^network '.*n\.pt2' holds 'n/data/.*', which is code or a pickled object; expected a program of tensors alone\.$"
    ):
        load_pt2(tmp_path / "n.pt2")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('`include "/etc/passwd"', "the include '/etc/passwd' is no Verilog file beside it"),
        ('`timescale 1ns/1ps `include "/etc/passwd"', "the include '/etc/passwd' is no Verilog file beside it"),
        ('(* a = 1\n`include "/etc/passwd"\n*)', "the include '/etc/passwd' is no Verilog file beside it"),
        ('`define I `include\n`I "/etc/passwd"', "the include '<…>' is no Verilog file beside it"),
        ('`define F "/etc/passwd"\n`include `F', "the include '<…>' is no Verilog file beside it"),
        ("`define I(x) `x\n`I(include)", "the directive '`x' is given"),
        ('initial $readmemh("/etc/passwd", m);', "the system task '$readmemh' is called"),
        ('initial f = $fopen("/tmp/x");', "the system task '$fopen' is called"),
        ('initial $system("touch pwned");', "the system task '$system' is called"),
        ('import "DPI-C" function int abort();', "a foreign function is imported"),
        ('wire \\a" ; initial $fopen("x"); wire \\b" ;', "the name '\\\\\\\\a\"' holds a quote or a comment"),
        ('/* " */ `include "x" /* " */', "the include 'x' is no Verilog file beside it"),
        ('initial $display("//"); `include "x"', "the include 'x' is no Verilog file beside it"),
    ],
)
def test_verilog_makes_no_tool_open_a_file(line: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hawx.synthesis.yosys.tool", lambda: Tool(("yosys",), "none"))
    monkeypatch.setattr("hawx.synthesis.yosys.subprocess.run", lambda *_, **__: pytest.fail("Yosys was given the text"))
    for text in (GATES.replace("endmodule\nmodule half", f"{line}\nendmodule\nmodule half"), f"{line}\n{GATES}"):
        Path("mul8u_few.v").write_text(text)
        with pytest.raises(HawxError, match=r"(expected a circuit that reads no file and calls no program|without \.\. and macros)\.$") as caught:
            load_circuit(Path("mul8u_few.v"))
        assert found.replace("\\\\", "\\") in str(caught.value)


def test_verilog_that_speaks_of_files_in_comments_and_strings_is_read(tmp_path: Path) -> None:
    (tmp_path / "mul8u_few.v").write_text(
        '// `include "x" $readmemh\n/* $fopen */ ' + GATES.replace("half h (", '(* src = "a.v:1 $fopen" *) half h (')
    )
    assert load_circuit(tmp_path / "mul8u_few.v").name == "mul8u_few"


DEEP = 20_000


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("mul8s_few.c", C.replace("A * B", "(" * DEEP + "A" + ")" * DEEP), "nested more than 100 deep; expected a gate-level circuit."),
        ("mul8s_few.c", C.replace("A * B", "- " * DEEP + "A"), "nested more than 100 deep"),
        ("mul8u_few.v", GATES.replace("A[5] ^ B[5]", "~" * DEEP + "A[5]"), "nested more than 100 deep"),
        ("mul8u_few.v", GATES.replace("A[5] ^ B[5]", "^".join(["A[5]"] * DEEP)), "an expression of more than 200 operators, each on the result of"),
        ("mul8u_few.v", GATES.replace("A[5] ^ B[5]", "A[0] ? " * DEEP), "nested more than 100 deep"),
        ("mul8u_few.v", GATES.replace("1'b1", "9" * 6000 + "'b1"), "has too many bits; expected 1 to 64."),
        ("mul8s_few.c", C.replace("p >> 3", "p >> " + "9" * 6000), "is not usable; expected a C integer below 2^64."),
    ],
)
def test_expressions_without_end_are_refused(name: str, text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hawx.synthesis.yosys.available", lambda: False)
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        load_circuit(tmp_path / name)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 1100


def test_the_deepest_expressions_that_are_read_are_evaluated(tmp_path: Path) -> None:
    """No recursion of ours ends before the stated bounds."""
    one = "A[5]"
    deep = ("^".join([one] * 200), "+".join([one] * 200), "A[0] ? A[1] : " * 95 + "B[0]", "~^".join([one] * 100), "(" * 95 + "~A[1]" + ")" * 95)
    for text in deep:
        (tmp_path / "mul8u_few.v").write_text(GATES.replace("wire s, c;", f"wire s, c, t; assign t = {text};"))
        assert load_circuit(tmp_path / "mul8u_few.v").name == "mul8u_few"


def test_plain_values_without_end_are_refused(tmp_path: Path) -> None:
    deep, long = "[" * DEEP + "]" * DEEP, "9" * 6000
    for text, reason in (
        (deep, "is nested too deep"),
        (f'{{"a": {long}}}', "holds a whole number of thousands of digits"),
        ('{"\\ud800": "b"}', "holds half of"),
    ):
        (tmp_path / "design.json").write_text(text)
        with pytest.raises(InputError, match=rf"^design '.*design\.json' {reason}.*; expected a design file\.$"):
            load_design(tmp_path / "design.json")
    (tmp_path / "design.json").write_text("[" + "0," * (1 << 23) + "0]")
    with pytest.raises(InputError, match=r"^design '.*design\.json' holds more than 8,388,608 values; expected a design file\.$"):
        load_design(tmp_path / "design.json")
    for text, reason in ((f"a = {deep}", "is nested too deep"), (f"a = {long}", "holds a whole number of thousands of digits")):
        (tmp_path / "s.toml").write_text(text)
        with pytest.raises(InputError, match=rf"^settings file '.*s\.toml' {reason}; "):
            read_toml(tmp_path / "s.toml", ExploreSettings)
    (tmp_path / "s.toml").write_text("#" * (1 << 20) + "\n")
    with pytest.raises(InputError, match=r"^settings file '.*s\.toml' has 1048577 bytes; expected 0 to 1048576\.$"):
        read_toml(tmp_path / "s.toml", ExploreSettings)


def test_a_design_names_a_file_beside_it(tmp_path: Path) -> None:
    for name in ("../network.safetensors", "/etc/passwd"):
        (tmp_path / "design.json").write_text(json.dumps({"assignment": {"conv1": "a"}, "network_file": name}))
        with pytest.raises(InputError, match=r"^design '.*' names the network file '.*'; expected a file beside it, without a folder\.$"):
            load_design(tmp_path / "design.json")


def test_answers_that_a_row_does_not_hold_are_not_made_up(tmp_path: Path) -> None:
    import sqlite3

    key = MeasurementKey(network="n", blocks="b", assignment="a", images="i")
    with SqliteStore(tmp_path / "run.sqlite") as store:
        store.put(key, np.array([True, False, True]))
    with sqlite3.connect(tmp_path / "run.sqlite") as connection:
        connection.execute("UPDATE measurements SET total = 1000000000000000")
    connection.close()
    notes: list[str] = []
    with SqliteStore(tmp_path / "run.sqlite", notes.append) as store:
        assert store.get(key) is None
    assert "is damaged: 0 measurements are intact and kept" in notes[0]
    with sqlite3.connect(tmp_path / "run.sqlite") as connection, SqliteStore(tmp_path / "run.sqlite") as store:
        store.put(key, np.array([True, False, True]))
        connection.execute("UPDATE measurements SET total = 1000000000000000")
        connection.commit()
        with pytest.raises(InputError, match=r"^measurement store '.*' cannot be read \(a row has other answers than it counts\); expected a SQLite"):
            store.get(key)
    connection.close()


def test_mapped_circuits_and_weights_are_still_read(tmp_path: Path) -> None:
    write({"mul8u_mapped.v": CELLS.encode(), "w.safetensors": save({"a": torch.ones(2)})}, tmp_path)
    assert load_circuit(tmp_path / "mul8u_mapped.v").name == "mul8u_mapped"
    assert datasets.has_two_parts(tmp_path) is False
