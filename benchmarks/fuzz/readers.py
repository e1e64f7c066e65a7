"""Every reader of files from outside, each with small files that it reads: the seeds of what it is tried on."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest import mock

import numpy as np

from benchmarks.fuzz.mutation import Case
from hawx.blocks.block import Block


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader by name: what reads the files of a folder, and what makes its seeds."""

    name: str
    read: Callable[[Path], object]
    make: Callable[[], list[Case]]

    def seeds(self) -> list[Case]:
        """Return files that the reader reads, or refuses for what they say."""
        return _seeds(self)


@cache
def _seeds(reader: Reader) -> list[Case]:
    return reader.make()


def write(case: Case, folder: Path) -> None:
    """Put the files of a case into a folder."""
    for name, content in case.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


# Circuits

GATES = """// EP% = 3.5 %
// PDK45_PWR = 0.030 mW
// PDK45_AREA = 60.5 um2
// PDK45_DELAY = 0.41 ns
module mul8u_few ( A, B, O );
  input [7:0] A, B;
  output [15:0] O;
  wire [3:0] N; wire s, c;
  assign N = {A[7] & B[7], ~(A[6] | B[6]), A[5] ^ B[5], 1'b1};
  assign O[15:8] = N[3] ? {4'hf, N} : {s, c, {6{N[1]}}} + 8'd3;
  xnor u1 (O[0], A[0], B[0]); and (O[1], A[1], B[1], c);
  assign O[7:2] = {6{~&A[3:0]}};
  half h (.x(A[2]), .y(B[2]), .s(s), .c(c));
endmodule
module half(input x, input y, output s, output c);
  assign s = x ^ y; assign c = x & y;
endmodule
"""
CELLS = """`timescale 1ns/1ps
module mul8u_mapped(input [7:0] A, input wire [7:0] B, output [15:0] O);
  wire \\n1 , n2, n3;
  FAX1 f (.YS(O[0]), .C(B[2]), .A(A[0]), .B(A[1]), .YC(n2));
  HAX1 h (A[3], B[3], n3, O[1]);
  NAND2X1 g (.A(n2), .B(n3), .Y(O[2]));
  INVX1 i (.A(O[2]), .Y(O[3]));
  assign O[15:4] = 12'h0a5;
endmodule
"""
C = """// MSE = 23
#include <stdint.h>
int16_t mul8s_few(int8_t A, const int8_t B)
{
  int32_t p = A * B, q; uint64_t n = 0xffULL;
  q = (p & ~n) | ((p >> 3) << 1); q += A > B ? -1 : !B;
  /* keep */ q ^= 07 + 0b10;
  return q - (A == 3 && B != 4 || A <= 2);
}
"""
LIBERTY = """library(tiny_stdcells) {
  time_unit : "1ps"; voltage_unit : "1V" // no semicolon
  leakage_power_unit : "1uW"; capacitive_load_unit (1, ff); nom_voltage : 1.2;
  lu_table_template(delay) { variable_1 : total_output_net_capacitance; variable_2 : input_net_transition; index_1 ("1, 2"); index_2 ("10, 30"); }
  cell (NAND) { area : 2.5; cell_leakage_power : 0.003;
    pin(A) { direction : input; capacitance : 1.5; } pin(B) { direction : input; rise_capacitance : 1; fall_capacitance : 2; }
    pin(Y) { direction : output; function : "!(A B)";
      timing() { related_pin : "A B"; timing_sense : negative_unate; cell_rise(delay) { values ("100, 200", \\
        "300, 400"); } cell_fall(scalar) { values ("50"); }
        rise_transition(delay) { values ("1, 2", "3, 4"); } fall_transition(delay) { values ("1"); } }
      internal_power() { related_pin : "A"; power(delay) { values ("5, 6", "7, 8"); } } } }
  cell (ADD) { area : 9; pin(X) { direction : input; } pin(Y) { direction : input; } pin(Z) { direction : input; }
    pin(S) { direction : output; function : "X^Y^Z"; } pin(K) { direction : output; function : "X&Y | Z*(X+Y)"; } }
  cell (FLOP) { area : 7; ff (IQ, IQN) { next_state : "D"; clocked_on : "CK"; } pin(D) { direction : input; }
    pin(CK) { direction : input; clock : true; timing() { timing_type : setup_rising; rise_constraint(x) { values ("3"); } } }
    pin(Q) { direction : output; function : "IQ"; } }
}
"""


def _circuit(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        from hawx.importers.circuit import load_circuit

        with mock.patch("hawx.synthesis.yosys.available", return_value=False):  # what is left to Yosys has its own tests
            return load_circuit(folder / name)

    return read


INCLUDING = b"""`include "parts/half.vh"
`define W 4
module top (input [`W-1:0] a, b, output [2*`W-1:0] o); // `include "ghost.v"
  half u (a[0], b[0], o[0], o[1]);
  function [3:0] f; input x; f = x; endfunction
endmodule
module bench; top dut (); initial $dumpfile("x"); endmodule
"""
HALF = b"module half (input a, b, output s, c); assign s = a ^ b, c = a & b; endmodule\n"
VHDL = b"""library ieee; use ieee.std_logic_1164.all; use work.sizes.all;
-- "file"
entity top is generic (N : positive := 4); port (a, b : in std_logic_vector(N-1 downto 0); o : out std_logic_vector(7 downto 0)); end top;
architecture r of top is begin o <= "0000" & (a and b); /* -- */ end r;
package sizes is constant M : character := '-'; end package;
"""


def _circuit_files(folder: Path) -> object:
    from hawx.circuits.pieces import tool_text
    from hawx.circuits.verilog_requests import check_requests
    from hawx.circuits.vhdl_requests import check_vhdl_requests
    from hawx.synthesis.circuit_files import read_circuit

    circuit = read_circuit(folder)
    assert all(Path(path).resolve().is_relative_to(folder.resolve()) for path in circuit.paths)
    reduced = circuit.reduced(circuit.candidates()).ordered()
    for piece in reduced.pieces:
        if circuit.language == "VHDL":
            check_vhdl_requests(piece.path, piece.text)
        else:
            check_requests(piece.path, piece.text, first_line=piece.line, around=reduced.text)
    return tool_text(reduced)


def _liberty(folder: Path) -> object:
    from hawx.circuits.liberty import parse_liberty
    from hawx.synthesis.liberty import liberty_sha256

    path = folder / "cells.lib"
    liberty_sha256(path)
    from hawx.synthesis.liberty import _now, _plain, _read

    cells = parse_liberty(_plain(*_now(path)), path)
    _plain.cache_clear()
    _read.cache_clear()
    return cells.full_adder


# Tables

TABLE = np.multiply.outer(np.arange(-128, 128), np.arange(-128, 128)) & ~3


def _npy(array: object, version: tuple[int, int] | None = None) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), version=version, allow_pickle=False)
    return buffer.getvalue()


def _npz(**arrays: object) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{name: np.asarray(array) for name, array in arrays.items()})  # type: ignore[arg-type]
    return buffer.getvalue()


def _csv() -> list[Case]:
    short = b"".join(b",".join(b"%d" % value for value in row[:6]) + b"\n" for row in TABLE[:6])
    whole = "\n".join(",".join(map(str, row)) for row in TABLE).encode()
    triples = "a,w,product\n" + "\n".join(f"{a},{w},{a * w}" for a in range(-128, 128) for w in range(-128, 128))
    return [{"t.csv": each} for each in (*[short] * 14, whole, triples.encode())]


def _header() -> list[Case]:
    rows = ",\n".join("{" + ", ".join(map(str, row)) + "}" for row in np.roll(TABLE, 128, (0, 1)))
    short = {"t.h": b"int lut[256][256] = {{1, 0x2, -3}, {4}};"}
    return [{"t.h": f"#include <stdint.h>\nconst int16_t lut [256][256] = {{{rows}}};\n".encode()}, *[short] * 9]


def _table(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        from hawx.importers.tables import load_table

        return load_table(folder / name)

    return read


def _library(folder: Path) -> object:
    from hawx.importers.library import load_source
    from hawx.importers.source import parse_source

    return load_source(parse_source(folder / "lib.npz"))


def _libraries() -> list[Case]:
    from hawx.blocks.families import family_block, from_name
    from hawx.blocks.library import Library
    from hawx.importers.saved import save_library

    with tempfile.TemporaryDirectory() as place:
        library = Library([family_block(from_name(name)) for name in ("mul8s_exact", "mul8s_drum5")], name="two")
        save_library(library, Path(place) / "lib.npz")
        saved = {name: (Path(place) / name).read_bytes() for name in ("lib.npz", "lib.json")}
    entry = {"formats": ["s8", "s8"], "published": {"area_um2": 1.0, "delay_ns": 2.0, "power_mw": 0.1}, "pareto_sets": ["mae"]}
    described = {"library": "L", "release": "1", "licence": "MIT", "blocks": {"a": entry, "b": {}}}
    return [saved, saved, {"lib.npz": _npz(a=TABLE.astype(np.int16), b=np.abs(TABLE)), "lib.json": json.dumps(described).encode()}]


# Networks


def _onnx_models() -> list[Case]:
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)

    def constant(name: str, *shape: int, kind: type = np.float32) -> object:
        return numpy_helper.from_array(np.asarray(rng.normal(size=shape) * 3, kind), name)

    def model(nodes: list[object], constants: list[object], shape: tuple[object, ...] = (1, 2, 4, 4)) -> bytes:
        x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes) for name, sizes in (("x", shape), ("y", None)))
        made = helper.make_model(helper.make_graph(nodes, "g", [x], [y], constants), opset_imports=[helper.make_opsetid("", 18)])
        return bytes(made.SerializeToString())

    node = helper.make_node
    convolution = [
        node("Conv", ["x", "w", "b"], ["c"], name="conv", pads=[1, 1, 1, 1], strides=[2, 2]),
        node("BatchNormalization", ["c", "b", "b", "b", "v"], ["n"], epsilon=0.01),
        node("Relu", ["n"], ["r"]),
        node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2]),
        node("Flatten", ["p"], ["f"]),
        node("Gemm", ["f", "m", "k"], ["y"], transB=1, alpha=0.5),
    ]
    shapes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["batch"], axis=0),
        node("Constant", [], ["minus"], value=numpy_helper.from_array(np.array([-1]))),
        node("Concat", ["batch", "minus"], ["to"], axis=0),
        node("Add", ["w2", "w2"], ["w3"]),
        node("Reshape", ["x", "to"], ["f"]),
        node("MatMul", ["f", "w3"], ["m"]),
        node("Softmax", ["m"], ["y"], axis=-1),
    ]
    codes = [
        node("QuantizeLinear", ["x", "scale", "point"], ["q"]),
        node("DequantizeLinear", ["q", "scale", "point"], ["d"]),
        node("DequantizeLinear", ["w8", "scales", "points"], ["e"], axis=0),
        node("Conv", ["d", "e"], ["c"]),
        node("GlobalAveragePool", ["c"], ["y"]),
    ]
    positive = numpy_helper.from_array(np.full(3, 0.5, np.float32), "v")
    arrays = {
        "scale": np.float32(0.1),
        "point": np.uint8(3),
        "scales": np.array([0.1, 0.2, 0.3], np.float32),
        "points": np.zeros(3, np.int8),
        "zero": np.zeros(1, np.int64),
    }
    named = [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()]
    found = [
        model(convolution, [constant("w", 3, 2, 3, 3), constant("b", 3), positive, constant("m", 4, 3), constant("k", 4)]),
        model(shapes, [named[4], constant("w2", 32, 5)], ("N", 2, 4, 4)),
        model(codes, [*named[:4], constant("w8", 3, 2, 3, 3, kind=np.int8)]),
    ]
    return [{"n.onnx": each} for each in found]


def _onnx(folder: Path) -> object:
    from hawx.importers.onnx.module import load_onnx

    return load_onnx(folder / "n.onnx")


def _network(folder: Path) -> object:
    from hawx.importers.networks import load_network

    return load_network(folder / "n.safetensors").program


def _networks() -> list[Case]:
    from hawx.networks import zoo
    from hawx.networks.serialize import to_bytes

    return [{"n.safetensors": to_bytes(zoo.load("lenet5"))}]


def _weights(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        from hawx.networks.zoo import weights

        return weights.read(folder / name)

    return read


def _tensors(name: str) -> Callable[[], list[Case]]:
    def make() -> list[Case]:
        import torch
        from safetensors.torch import save

        state = {"conv.weight": torch.ones(2, 3), "conv.bias": torch.zeros(2, dtype=torch.float16), "n": torch.tensor(3)}
        buffer = io.BytesIO()
        torch.save({"state_dict": state}, buffer)
        return [{name: save(state) if name.endswith(".safetensors") else buffer.getvalue()}]

    return make


def _checkpoint(folder: Path) -> object:
    from hawx.importers.training import Checkpoint

    return Checkpoint(folder / "t.checkpoint", "id").load()


def _checkpoints() -> list[Case]:
    import torch
    from safetensors.torch import save

    return [{"t.checkpoint": save({"epoch": torch.tensor(3), "w": torch.ones(2, 2)}, {"hawx_training": "id"})}]


def _pt2(folder: Path) -> object:
    from hawx.importers.torch_export import load_pt2

    return load_pt2(folder / "n.pt2")


def _programs() -> list[Case]:
    import torch

    with tempfile.TemporaryDirectory() as place:
        module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8, 3))
        program = torch.export.export(module, (torch.ones(2, 1, 4, 4),), dynamic_shapes=({0: torch.export.Dim("n")},))
        torch.export.save(program, Path(place) / "n.pt2")
        return [{"n.pt2": (Path(place) / "n.pt2").read_bytes()}]


# Images

PIXELS = np.random.default_rng(1).integers(0, 256, (4, 3, 32, 32), dtype=np.uint8)


def _image(kind: str, size: int = 8) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(PIXELS[0, :, :size, :size].transpose(1, 2, 0)).save(buffer, kind)
    return buffer.getvalue()


def _data(place: str) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        from hawx.importers.datasets import load_dataset
        from hawx.networks.preprocessing import Preprocessing

        return load_dataset(folder / place, preprocessing=Preprocessing(mean=(0.5,), std=(0.5,), resize=8, crop=6) if "images" in place else None)

    return read


def _arrays() -> list[Case]:
    jpeg = _image("jpeg")
    packed = {"data": np.frombuffer(jpeg * 2, np.uint8), "offsets": np.array([0, len(jpeg), 2 * len(jpeg)]), "labels": np.array([0, 1])}
    plain = {"x_test": PIXELS, "y_test": np.array([0, 1, 1, 0]), "x_train": PIXELS[:1], "y_train": np.array([0])}
    return [{"d.npz": _npz(**each)} for each in (packed, plain, {"images": PIXELS[:, 0], "labels": np.arange(4)[:, None]})]


def _idx(*sizes: int) -> bytes:
    count = int(np.prod(sizes))
    return bytes([0, 0, 8, len(sizes)]) + b"".join(size.to_bytes(4, "big") for size in sizes) + bytes(i % 10 for i in range(count))


def _mnist() -> list[Case]:
    images, labels = _idx(3, 5, 5), _idx(3)
    return [
        {"t10k-images-idx3-ubyte": images, "t10k-labels-idx1-ubyte": labels},
        {"t10k-images-idx3-ubyte.gz": gzip.compress(images), "t10k-labels-idx1-ubyte.gz": gzip.compress(labels)},
    ]


def _tar(files: Case, mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _cifar() -> list[Case]:
    batch = b"".join(bytes([label]) + PIXELS[label].tobytes() for label in range(3))
    files = {"cifar-10-batches-bin/test_batch.bin": batch, "cifar-10-batches-bin/readme.html": b"<p>"}
    return [{"cifar-10-binary.tar.gz": _tar(files, mode)} for mode in ("w", "w:gz")]


def _pictures() -> list[Case]:
    files = {"0/a.png": _image("png", 16), "0/b.jpg": _image("jpeg", 9), "1/c.bmp": _image("bmp"), "1/d.webp": _image("webp")}
    return [{"images.tar": _tar(files)}, {"images.tar": _tar({f"{i}_x.png": _image("png") for i in range(2)}, "w:gz")}]


def _picture_folders() -> list[Case]:
    return [
        {"images/0/a.png": _image("png", 16), "images/1/b.jpg": _image("jpeg", 9)},
        {"images/3_c.bmp": _image("bmp"), "images/4-d.webp": _image("webp")},
    ]


# Settings, designs, results

SETTINGS = b"""network = "lenet5"
layers = ["conv1", "fc1"]
library = ["builtin", "more/"]
objectives = ["energy_uj", "area_um2"]
max_drop = 0.5
budget = 40
# a comment
seed = 0x10
recover = "full"
jobs = 2
"""
ACCELERATORS = (
    b'kind = "spatial"\nname = "mine"\nclock = 200.0\n[folding.conv1]\npe = 2\nsimd = 5\n'
    b'[memory]\narea_um2_per_bit = 0.5\nenergy_fj_per_bit = 2\norigin = "a"\n',
    b'kind = "systolic"\nrows = 16\ncolumns = 8\ndataflow = "weight"\nsharing = "partitioned"\n',
    b'kind = "simt"\nname = "gpu"\nlane_area_um2 = 8\n',
)


def _settings(folder: Path) -> object:
    from hawx.settings import ExploreSettings, read_toml
    from hawx.settings.paths import anchored

    return anchored(read_toml(folder / "s.toml", ExploreSettings), folder)


def _accelerator(folder: Path) -> object:
    from hawx.importers.accelerator import load_accelerator

    return load_accelerator(folder / "a.toml")


def _accelerators() -> list[Case]:
    from hawx.accelerators import Simt, Spatial, Systolic
    from hawx.settings.toml import _scalar

    def text(kind: str, values: dict[str, object]) -> bytes:
        plain = {key: value for key, value in values.items() if isinstance(value, str | int | float)}
        return (f'kind = "{kind}"\n' + "".join(f"{key} = {_scalar(value)}\n" for key, value in plain.items() if key != "kind")).encode()

    written = [text(kind, dict(each.params)) for kind, each in (("spatial", Spatial()), ("systolic", Systolic()), ("simt", Simt()))]
    return [{"a.toml": each} for each in (*ACCELERATORS, *written)]


def _design(folder: Path) -> object:
    from hawx.store.design import load_design

    return load_design(folder / "design.json")


def _result(folder: Path) -> object:
    from hawx.store import load_run

    return load_run(folder)


@cache
def _run() -> Case:
    from tests.unit.toy_result import toy_result

    result = toy_result(granularity="layer", seed=1)
    with tempfile.TemporaryDirectory() as place:
        result.save(place)
        files = {name: (Path(place) / name).read_bytes() for name in ("result.json", "scores.csv", "design.json")}
    values = json.loads(files["result.json"])
    values["front"], values["evaluated"] = values["front"][:2], values["evaluated"][:2]
    del values["sha256"]  # a change would be told by the seal, and nothing behind it tried
    return {**files, "result.json": json.dumps(values).encode()}


def _designs() -> list[Case]:
    return [{"design.json": _run()["design.json"]}, {"design.json": b'{"conv1": "mul8s_drum5", "fc1": ["a", "b"]}'}]


def _results() -> list[Case]:
    return [{name: _run()[name] for name in ("result.json", "scores.csv")}]


def _measurements(folder: Path) -> object:
    from hawx.store import SqliteStore
    from hawx.verify.store import MeasurementKey

    with SqliteStore(folder / "run.sqlite") as store:
        key = MeasurementKey(network="n", blocks="b", assignment="a", images="i")
        store.get(key)
        store.put(key, np.array([True, False, True]))
        return len(store)


def _databases() -> list[Case]:
    from hawx.store import SqliteStore
    from hawx.verify.store import MeasurementKey

    found = []
    for version in (1, 2):
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "run.sqlite"
            if version == 2:
                with SqliteStore(path) as store:
                    store.put(MeasurementKey(network="n", blocks="b", assignment="a", images="i"), np.array([True, False, True]))
            with sqlite3.connect(path) as connection:
                connection.execute("PRAGMA journal_mode = DELETE")
                if version == 1:
                    connection.execute("CREATE TABLE measurements (network TEXT, blocks TEXT, assignment TEXT, images TEXT, correct INTEGER, "
                                       "PRIMARY KEY (network, blocks, assignment, images)) WITHOUT ROWID")  # fmt: skip
                    connection.execute("PRAGMA user_version = 1")
            connection.close()
            found.append({"run.sqlite": path.read_bytes()})
    return found


def _costs(folder: Path) -> object:
    from hawx.emulate.machine import Machine
    from hawx.store.kernel_costs import read_model

    return read_model(folder / "k.json", Machine("scalar").model.tier)


def _cost_files() -> list[Case]:
    from hawx.emulate.machine import Machine
    from hawx.store.kernel_costs import write_model

    with tempfile.TemporaryDirectory() as place:
        write_model(Path(place) / "k.json", Machine("scalar").model)
        return [{"k.json": (Path(place) / "k.json").read_bytes()}]


@cache
def _lossy() -> Block:
    from hawx.blocks.families import family_block, from_name

    return family_block(from_name("mul8s_drum5"))


def _knowledge(folder: Path) -> object:
    from hawx.blocks.decompositions import from_record
    from hawx.store.tables import TableArchive

    record = TableArchive(folder).read("table")
    return from_record(_lossy(), record) if record else None


def _records() -> list[Case]:
    from hawx.blocks.decompositions import decompose, to_record

    return [{"table.json": json.dumps(to_record(_lossy(), decompose(_lossy()))).encode()}]


def _one(name: str, *contents: str | bytes) -> Callable[[], list[Case]]:
    return lambda: [{name: content.encode() if isinstance(content, str) else content} for content in contents]


READERS = {
    reader.name: reader
    for reader in (
        Reader("verilog", _circuit("mul8u_few.v"), _one("mul8u_few.v", GATES)),
        Reader("verilog-mapped", _circuit("mul8u_mapped.v"), _one("mul8u_mapped.v", CELLS)),
        Reader(
            "circuit-files", _circuit_files, lambda: [{"top.v": INCLUDING, "parts/half.vh": HALF}, {"top.v": INCLUDING, "parts/half.vh": HALF * 2}]
        ),
        Reader("vhdl", _circuit_files, lambda: [{"top.vhd": VHDL}, {"top.vhdl": VHDL, "bench.vhd": b"entity bench is end;\n"}]),
        Reader("c", _circuit("mul8s_few.c"), _one("mul8s_few.c", C)),
        Reader("liberty", _liberty, lambda: [{"cells.lib": LIBERTY.encode()}, {"cells.lib": gzip.compress(LIBERTY.encode())}]),
        Reader(
            "npy",
            _table("t.npy"),
            lambda: [{"t.npy": _npy(each)} for each in (TABLE.astype(np.int16), TABLE.astype(np.float32), TABLE.astype(">i4").T)],
        ),
        Reader("csv", _table("t.csv"), _csv),
        Reader("raw", _table("t.bin"), lambda: [{"t.bin": np.abs(TABLE).astype("<u2").tobytes()}]),
        Reader("c-header", _table("t.h"), _header),
        Reader("library", _library, _libraries),
        Reader("onnx", _onnx, _onnx_models),
        Reader("network", _network, _networks),
        Reader("weights-safetensors", _weights("w.safetensors"), _tensors("w.safetensors")),
        Reader("weights-torch", _weights("w.pt"), _tensors("w.pt")),
        Reader("checkpoint", _checkpoint, _checkpoints),
        Reader("pt2", _pt2, _programs),
        Reader("images-npz", _data("d.npz"), _arrays),
        Reader("mnist", _data("."), _mnist),
        Reader("cifar", _data("cifar-10-binary.tar.gz"), _cifar),
        Reader("images-tar", _data("images.tar"), _pictures),
        Reader("images-folder", _data("images"), _picture_folders),
        Reader("settings", _settings, _one("s.toml", SETTINGS)),
        Reader("accelerator", _accelerator, _accelerators),
        Reader("design", _design, _designs),
        Reader("result", _result, _results),
        Reader("measurements", _measurements, _databases),
        Reader("kernel-costs", _costs, _cost_files),
        Reader("tables-cache", _knowledge, _records),
    )
}
"""Name -> reader."""
