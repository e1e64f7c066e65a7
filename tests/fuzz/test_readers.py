"""Every reader on files that were changed at random: read, or refused by our own error in one line. `python -m benchmarks.fuzz` is the long form."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import signal
import time
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from benchmarks.fuzz import __main__ as fuzz
from benchmarks.fuzz import guided, trial
from benchmarks.fuzz.mutation import NUMBERS, ODDITIES, changed, mutate
from benchmarks.fuzz.readers import GATES, READERS, C, Reader, _idx, write
from benchmarks.fuzz.trial import READ, REFUSED, attempt, place
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hawx.errors import InputError, ToolMissingError

pytest.importorskip("onnx")

FEW = {"pt2": 6, "onnx": 15, "network": 15, "csv": 10, "c-header": 10, "library": 10}
"""Readers of which a trial takes longer."""


@pytest.mark.parametrize("name", READERS)
def test_seeds_are_read(name: str) -> None:
    """Most of them: some are there for what is refused about them."""
    with place() as folder:
        assert READ in [attempt(READERS[name], case, folder) for case in READERS[name].seeds()]


@pytest.mark.parametrize("name", READERS)
def test_no_file_ends_in_anything_but_one_line(name: str) -> None:
    reader = READERS[name]
    seeds = reader.seeds()

    @settings(max_examples=FEW.get(name, 25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.integers(0, (1 << 62) - 1))
    def check(number: int) -> None:
        random = Random(number)
        with place() as folder:
            assert attempt(reader, mutate(random.choice(seeds), seeds, random), folder) in (READ, REFUSED)

    check()


@pytest.mark.parametrize("name", READERS)
def test_mutations_change_files_and_repeat(name: str) -> None:
    seeds = READERS[name].seeds()
    made = [[mutate(seeds[0], seeds, Random(f"{name} {i}")) for i in range(20)] for _ in range(2)]
    assert made[0] == made[1]
    assert sum(case != seeds[0] for case in made[0]) > 15


def test_archives_stay_whole_where_a_member_is_changed() -> None:
    """Otherwise nothing behind their checksums would ever be tried."""
    data = READERS["images-npz"].seeds()[0]["d.npz"]
    whole = 0
    for number in range(60):
        other = changed("d.npz", data, data, Random(number))
        try:
            with zipfile.ZipFile(io.BytesIO(other)) as archive:
                whole += other != data and archive.testzip() is None
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError):
            pass
    assert whole > 30


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def network(**changes: Any) -> bytes:
    """Return a saved network with another header."""
    data = READERS["network"].seeds()[0]["n.safetensors"]
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"]["hawx"] = json.dumps({**json.loads(header["__metadata__"]["hawx"]), **changes})
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def broken(read: Callable[[Path], object]) -> Reader:
    return Reader("broken", read, lambda: [{"a.txt": b"1 2 3"}])


def lines(_: Path) -> None:
    error = InputError("first")
    error.__class__ = type("Loud", (InputError,), {"__str__": lambda _: "first\nsecond"})
    raise error


def outside(folder: Path) -> None:
    (folder.parent / "strange").touch()


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda _: {}["x"], "KeyError"),
        (lambda _: [][0], "IndexError"),
        (lines, "Loud with a text that is no printable line"),
        (outside, "leaves 'strange' outside of its folder"),
    ],
)
def test_what_is_wrong_is_found(read: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    assert attempt(broken(read), {"a.txt": b""}, tmp_path).startswith(said)


def refuse(_: Path) -> None:
    raise ToolMissingError("not here; install it.")


def hungry(_: Path) -> int:
    return len(bytearray(3 << 30))


counts_memory = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not bound memory")


@pytest.mark.parametrize(
    ("read", "kind", "status"),
    [
        (lambda _: None, "read", 0),
        (refuse, "refused", 0),
        (lambda _: 1 / 0, "ZeroDivisionError", 1),
        (lambda _: time.sleep(9), "takes longer than", 1),
        pytest.param(hungry, "MemoryError", 1, marks=counts_memory),
        (lambda _: os.kill(os.getpid(), signal.SIGKILL), "ends the process (SIGKILL)", 1),
    ],
)
def test_the_command_tells_and_keeps_what_it_finds(
    read: Callable[[Path], object], kind: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fuzz, "READERS", {"broken": broken(read)})
    monkeypatch.setattr(fuzz, "warm", lambda _: None)
    monkeypatch.setattr(trial, "SECONDS", 0.2)
    report = tmp_path / "report.json"
    assert fuzz.main(["--inputs", "4", "--keep", str(tmp_path / "kept"), "--json", str(report)]) == status
    printed = capsys.readouterr().out
    figures: dict[str, Any] = json.loads(report.read_text())
    assert figures["inputs"] == 4
    assert figures["findings"] == (4 if status else 0)
    if status:
        assert kind in printed
        assert len(list((tmp_path / "kept").glob("broken-0-*/a.txt"))) == 1
    else:
        assert figures["readers"]["broken"][kind] == 4


def test_a_case_travels_as_bytes() -> None:
    case = {"a/b.txt": b"\x00\xff", "c": b"", "d.json": b"{}"}
    assert guided.unpack(guided.pack(case)) == case
    assert all(isinstance(text, str) for text in (*NUMBERS, *ODDITIES))


IDX = {"t10k-images-idx3-ubyte": _idx(3, 5, 5), "t10k-labels-idx1-ubyte": _idx(4)}
PACKED = {"data": np.zeros(9, np.uint8), "offsets": np.array([0, 5, 9]), "labels": np.array([0, 1])}
SAVED = {"schema": "hawx.library", "version": 1, "blocks": [{"name": [], "formats": ["s8"], "sha256": "", "costs": 0.5}]}
IMAGES, ZEROS = np.zeros((2, 4, 4), np.uint8), np.zeros((256, 256), int)
ODD_STEP = {"step": "glue", "output": "x", "op": "add.Tensor", "args": [{}], "kwargs": []}
DATABASE = READERS["measurements"].seeds()[1]["run.sqlite"]


RESULT = READERS["result"].seeds()[0]
RESULT = RESULT | {"result.json": RESULT["result.json"].replace(b'"files": {', b'"files": 1.5, "other": {')}


def header(cell: str) -> dict[str, bytes]:
    """Return an AdaPT header of one number."""
    return {"t.h": ("int t[256][256] = {" + ", ".join(["{" + ", ".join([cell] * 256) + "}"] * 256) + "};").encode()}


def described(text: str) -> dict[str, bytes]:
    return {"lib.npz": npz(a=ZEROS), "lib.json": text.encode()}


FOUND: list[tuple[str, dict[str, bytes], str]] = [
    ("verilog", {"mul8u_few.v": GATES.replace("0.030 mW", "0.+30 mW").encode()}, READ),
    ("c", {"mul8s_few.c": C.replace("// MSE = 23", "// WCE = --..5").encode()}, READ),
    ("c-header", header(str(1 << 70)), " spans "),
    ("c-header", header("9" * 50), "which is not an integer; expected 256 rows of 256 integers."),
    ("csv", {"t.csv": "\n".join([",".join([str(-(1 << 70))] * 256)] * 256).encode()}, " spans "),
    ("liberty", {"cells.lib": gzip.compress(bytes(65 << 20), 1)}, "unpacks to more than 64 MB"),
    ("library", described(json.dumps(SAVED)), "blocks[0].name is list; expected a text."),
    ("library", described('{"blocks": {"a": [1]}}'), "block 'a' is list; expected a table with"),
    ("library", described('{"blocks": {"a": {"published": {"area_um2": "x"}}}}'), "published area_um2 is 'x'; expected a number."),
    ("images-npz", {"d.npz": npz(**PACKED | {"offsets": np.array([0, 50, 9])})}, "whole numbers that rise, one more than labels"),
    ("images-npz", {"d.npz": npz(**PACKED | {"offsets": np.array([0.0, 5.0, 9.0])})}, "expected uint8 data and whole numbers"),
    ("images-npz", {"d.npz": npz(images=IMAGES, labels=np.array(["a", "b"]))}, "it holds '<U1', not numbers"),
    ("images-npz", {"d.npz": npz(images=IMAGES[:1], labels=np.array([1 << 40]))}, "expected class indices below 1,048,576"),
    ("images-npz", {"d.npz": npz(images=IMAGES, labels=np.array([1]))}, "has 2 images and 1 labels; expected one label per image."),
    ("mnist", IDX, "has 3 images and 4 labels; expected one label per image."),
    ("mnist", {"t10k-images-idx3-ubyte.gz": gzip.compress(_idx(3, 5, 5))[:-9]}, "it is cut off; expected whole gzip data"),
    ("images-folder", {"images/" + "9" * 30 + "_a.png": b""}, "has no class; expected one sub-folder per class"),
    ("images-tar", {"images.tar": READERS["images-tar"].seeds()[1]["images.tar"][:-150]}, "is a damaged archive ("),
    ("accelerator", {"a.toml": b"kind = {a = 1}"}, "unknown accelerator kind \"{'a': 1}\""),
    ("accelerator", {"a.toml": b"a = " + b"[" * 9000}, "is nested too deep"),
    ("settings", {"s.toml": b'library = ["' + b"x" * 5000 + b'"]'}, "cannot be used (File name too long)"),
    ("measurements", {"run.sqlite": DATABASE.replace(b"blocks TEXT", b"bl\xffcks TEXT")}, READ),
    ("result", RESULT, "has files = 1.5; expected a table of their hashes."),
    ("weights-safetensors", {"w.safetensors": b"\xff" * 40}, "cannot be read; expected safetensors"),
    ("network", {"n.safetensors": network(steps=[ODD_STEP])}, "steps[0] has an argument {}; expected a ref, dtype or number."),
    ("network", {"n.safetensors": network(output="nowhere")}, "returns 'nowhere', which no step computes"),
    ("network", {"n.safetensors": network(classes=11)}, "expected float32 logits of 11 classes"),
    ("network", {"n.safetensors": network(input_shape=[1, 28])}, "input_shape is list; expected a list of 3."),
]
"""What was found: reader, files, and what is said of them since."""


@pytest.mark.parametrize(("name", "case", "said"), FOUND, ids=[f"{name}-{number}" for number, (name, *_) in enumerate(FOUND)])
def test_what_was_found_stays_fixed(name: str, case: dict[str, bytes], said: str, tmp_path: Path) -> None:
    write(case, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if said == READ:
            READERS[name].read(tmp_path)
            return
        with pytest.raises(InputError) as caught:
            READERS[name].read(tmp_path)
    assert said in str(caught.value)


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """In every place that an ONNX file has one: protobuf hands it out as bytes."""
    data = READERS["onnx"].seeds()[0]["n.onnx"]
    names = list(re.finditer(rb"[A-Za-z_]{1,20}", data))[::2]
    said: Counter[str] = Counter()
    for name in names:
        case = {"n.onnx": data[: name.start()] + b"\xff" * len(name[0]) + data[name.end() :]}
        said[attempt(READERS["onnx"], case, tmp_path)] += 1
    assert set(said) <= {READ, REFUSED}
    assert said[REFUSED] > 20


@pytest.mark.parametrize("location", [b"\xff\xfe\xff\xfe", b"a\x00bc"])
def test_external_data_in_a_file_without_a_name_is_refused(location: bytes, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(READERS["onnx"].seeds()[0]["n.onnx"])
    model.graph.initializer[0].ClearField("raw_data")
    model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    model.graph.initializer[0].external_data.add(key="location", value="QQQQ")
    (tmp_path / "n.onnx").write_bytes(model.SerializeToString().replace(b"QQQQ", location))
    with pytest.raises(InputError, match=r"^network '.*n\.onnx' keeps tensor 'w' in b?'.*'; expected the name of a file beside it\.$"):
        READERS["onnx"].read(tmp_path)
