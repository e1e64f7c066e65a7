"""Every reader on files that were changed at random: read, or refused by our own error in one line. `python -m benchmarks.fuzz` is the long form."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from benchmarks.fuzz import __main__ as fuzz
from benchmarks.fuzz import guided, trial
from benchmarks.fuzz.mutation import NUMBERS, ODDITIES, changed, mutate
from benchmarks.fuzz.readers import READERS, Reader
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
    import io
    import zipfile
    import zlib

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


@pytest.mark.parametrize(
    ("read", "kind", "status"),
    [
        (lambda _: None, "read", 0),
        (refuse, "refused", 0),
        (lambda _: 1 / 0, "ZeroDivisionError", 1),
        (lambda _: time.sleep(9), "takes longer than", 1),
        (hungry, "MemoryError", 1),
        (lambda _: __import__("os").abort(), "ends the process (SIGABRT)", 1),
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
