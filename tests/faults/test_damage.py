"""What is damaged is told in one line, what is intact is kept, and the run goes on; with fewer processes where one dies or has no memory."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.faults import _workers, finetuned, leftovers, rows, subjects
from benchmarks.faults import explored as outcome
from numpy.typing import NDArray

from conftest import explored, started
from hawx.blocks.families import builtin_library
from hawx.cli import main
from hawx.designs import Assignment
from hawx.errors import HawxError
from hawx.execution import runner_for
from hawx.files import read_cached
from hawx.networks import zoo
from hawx.store import SqliteStore, load_run
from hawx.verify import Shard, Task


def flip(path: Path, at: int, bit: int = 0) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(bytes(content))


def settled(folder: Path) -> Path:
    """Return the store of a run, all of it in one file."""
    path = folder / "run.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def mended(path: Path, kept: int) -> str:
    """Return the line that says that a store is damaged."""
    return f"measurement store {str(path)!r} is damaged: {kept} measurements are intact and kept, others are taken again (see run.sqlite.damaged)"


def test_a_flipped_bit_of_a_measurement_costs_that_measurement(finished: Path, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = settled(finished)
    before = rows(finished)
    victim = sorted(before)[3]
    flip(path, path.read_bytes().index(victim[6]) + 2)  # an answer: nothing that SQLite would notice
    assert explored(finished, "--resume") == 0
    assert [line.partition(" s  ")[2] for line in capsys.readouterr().err.splitlines() if "damaged" in line] == [mended(path, len(before) - 1)]
    assert rows(finished) == before
    (finished / "run.sqlite.damaged").unlink()
    assert outcome(finished) == outcome(whole)


@pytest.mark.parametrize(("share", "least"), [(0.2, 0), (0.5, 10), (0.75, 100), (0.999, 300)])
def test_a_truncated_store_keeps_what_is_left(share: float, least: int, finished: Path, tmp_path: Path) -> None:
    path = settled(finished)
    with SqliteStore(path) as store:  # so many that they fill pages, some of which a truncation leaves
        from hawx.testing.measurement_stores import answers, measurement_key

        for i in range(400):
            store.put(measurement_key(f"{i:04}"), answers(i % 30))
    before, notes = rows(finished), []
    content = settled(finished).read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with SqliteStore(path, notes.append) as store:
        kept = rows(finished)
        assert kept < before
        assert len(store) == len(kept)
    assert notes == [mended(path, len(kept))]
    assert len(kept) >= least
    assert (finished / "run.sqlite.damaged").read_bytes()[:1000] == content[:1000]
    with SqliteStore(path, notes.append):
        assert len(notes) == 1  # mended once and for all


def test_no_flipped_bit_anywhere_is_believed(whole: Path, tmp_path: Path) -> None:
    """Whatever bit of a store changes: it is refused in one line, or what it says is what was measured."""
    before, content, rng = rows(whole), settled(whole).read_bytes(), random.Random(0)
    heard = 0
    for place in [*rng.sample(range(100), 20), *rng.sample(range(len(content)), 200)]:
        path = tmp_path / "run.sqlite"
        path.write_bytes(content)
        flip(path, place, rng.randrange(8))
        notes: list[str] = []
        try:
            with SqliteStore(path, notes.append):
                assert rows(tmp_path) <= before, place
        except ValueError as error:
            notes.append(str(error))
        assert all(line.startswith("measurement store ") for line in notes), notes
        assert notes or rows(tmp_path) == before, place
        heard += bool(notes)
        for file in tmp_path.iterdir():
            file.unlink()
    assert heard > 20


def test_a_result_says_that_it_or_its_scores_changed(finished: Path, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("result.json", "scores.csv"):
        path = finished / name
        content = path.read_bytes()
        digits = [i for i in range(1, len(content) - 1) if content[i : i + 1].isdigit() and content[i - 1 : i] == b"." and content[i] in b"2468"]
        flip(path, digits[len(digits) // 2])  # one number becomes another
        assert main(["report", str(finished)]) == 2
        assert capsys.readouterr().err == (
            f"hawx: {name} of run {str(finished)!r} is not what hawx wrote (SHA-256 differs); expected files that nobody changed. "
            "`hawx explore --resume --out DIR` writes it again from the measurements.\n"
        )
        path.write_bytes(content)
    for damage in (b"", b"{", content[: len(content) // 2], b"\xff" * 100):
        (finished / "result.json").write_bytes(damage)
        assert main(["report", str(finished)]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert explored(finished, "--resume") == 0
    assert outcome(finished) == outcome(whole)
    assert load_run(finished).front


def test_damaged_inputs_decide_nothing(finished: Path, whole: Path) -> None:
    path = finished / "inputs.json"
    kept = path.read_text()
    path.write_text(kept.replace('"version": "0.1.0"', '"version": "0.1.7"'))
    assert explored(finished, "--resume") == 0
    assert path.read_text() == kept
    assert read_cached(path) is not None


def test_a_damaged_checkpoint_is_named_and_a_full_disk_keeps_the_one_before(
    tmp_path: Path, mount: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    tuning = subjects(tmp_path)["finetune"]
    folder = tmp_path / "tuned"
    assert main([*tuning.command, "--out", str(folder)]) == 0
    whole = finetuned(folder)
    disk = tmp_path / "disk"
    with mount(disk, "-t", "tmpfs", "-o", "size=8m", "tmpfs"):
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize
        (disk / "filler").write_bytes(bytes(free - 1100 * 1024))  # room for one checkpoint, not for the next beside it
        capsys.readouterr()
        assert main([*tuning.command, "--out", str(disk / "tuned")]) == 2
        checkpoint = disk / "tuned" / "network.checkpoint"
        said = capsys.readouterr().err.splitlines()[-1]
        assert said == (
            f"hawx: checkpoint {str(checkpoint)!r} cannot be written (No space left on device); "
            "expected room on its disk. Free some, or choose another --out."
        )
        (disk / "filler").unlink()
        content = checkpoint.read_bytes()
        flip(checkpoint, len(content) - 1000)
        assert main([*tuning.command, "--out", str(disk / "tuned"), "--resume"]) == 2
        assert capsys.readouterr().err.splitlines()[-1] == (
            f"hawx: checkpoint {str(checkpoint)!r} is damaged (SHA-256 differs); expected one as a training wrote it. Delete it to begin again."
        )
        checkpoint.write_bytes(content[:-1000])
        assert main([*tuning.command, "--out", str(disk / "tuned"), "--resume"]) == 2
        assert "cannot be read; expected one that a training wrote. Delete it to begin again." in capsys.readouterr().err
        checkpoint.write_bytes(content)
        assert main([*tuning.command, "--out", str(disk / "tuned"), "--resume"]) == 0
        assert finetuned(disk / "tuned") == whole


def test_finished_training_has_nothing_to_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "tuned"
    tuning = subjects(tmp_path)["finetune"].command
    assert main([*tuning, "--out", str(folder), "--epochs", "0"]) == 0
    capsys.readouterr()
    assert main([*tuning, "--out", str(folder), "--resume"]) == 2
    assert capsys.readouterr().err == (
        f"hawx: folder {str(folder)!r} holds a finished design, so there is nothing to resume; use it with `hawx evaluate {folder}`.\n"
    )


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds workers by what Linux tells of processes")
def test_a_worker_that_dies_costs_a_line_and_workers_end_with_their_parent(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    errors = ""
    with started(folder, "--jobs", "2", start_new_session=True) as process:
        assert process.stderr is not None
        while "s  search" not in errors and (line := process.stderr.readline()):  # workers are there, and there is work for all of them
            errors += line
        os.kill(_workers(process.pid)[-1], signal.SIGKILL)  # as the system does where memory ends
        errors += process.stderr.read()
    assert process.returncode == 0
    assert [line.partition(" s  ")[2] for line in errors.splitlines() if "died" in line] == [
        "a worker process died, perhaps for want of memory: going on with 1 of 2"
    ]
    found = outcome(folder)
    assert found == outcome(whole)
    assert leftovers(process.pid) == []


class Hungry(Task):
    """A task that wants more memory than any machine has, once for every file of a folder."""

    folder: Path  # travels with the task: workers have the environment of the server that they are forked from

    def __call__(self, shard: Shard) -> NDArray[np.bool_]:
        for file in sorted(self.folder.iterdir()):
            file.unlink()
            torch.empty(1 << 50, dtype=torch.int8)
        return super().__call__(shard)

    def __reduce__(self) -> tuple[Any, ...]:
        return _hungry, (self.folder, self.network, self.library, self.images, self.labels)


def _hungry(folder: Path, *held: Any) -> Hungry:
    made = Hungry(*held)
    made.folder = folder
    return made


@pytest.mark.slow
def test_a_worker_without_memory_leaves_it_to_fewer(tmp_path: Path) -> None:
    data = zoo.dataset("lenet5").first(40)
    library = builtin_library().select(["mul8s_tc8"])
    plain = Task(zoo.load("lenet5"), library, data.images, data.labels)
    hungry = _hungry(tmp_path, plain.network, library, data.images, data.labels)
    designs = [Assignment.uniform(plain.network.filters, library.names, name) for name in library.names]
    (tmp_path / "once").touch()
    notes: list[str] = []
    with runner_for(jobs=2, note=notes.append) as runner:
        assert [right.tolist() for right in hungry.answers(designs, runner)] == [right.tolist() for right in plain.answers(designs)]
        assert notes == ["a worker process has not enough memory: going on with 1 of 2"]
        (tmp_path / "twice").touch()
        with pytest.raises(
            HawxError, match=r"^a worker process has not enough memory, and it was the last one; use fewer --images and continue with --resume\.$"
        ):
            hungry.answers(designs, runner)


def test_want_of_memory_is_no_defect(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever runs out of it: NumPy and the kernels say so in one way, PyTorch in another."""
    for allocate in (lambda: torch.empty(1 << 50, dtype=torch.int8), lambda: np.empty(1 << 50, np.int8)):
        monkeypatch.setattr("hawx.cli.entry.parse", lambda *_, allocate=allocate: allocate())
        assert main(["explore"]) == 2
        assert capsys.readouterr().err == "hawx: not enough memory; use fewer --images or close other programs.\n"


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds workers by what Linux tells of processes")
@pytest.mark.timeout(90)
def test_workers_killed_while_others_start_stop_nobody() -> None:
    """A pool of CPython 3.11 waits forever for a process that started while another one died, where it is asked to end by itself."""
    data = zoo.dataset("lenet5").first(300)
    library = builtin_library().select(["mul8s_ot3", "mul8s_tc8"])
    task = Task(zoo.load("lenet5"), library, data.images, data.labels)
    designs = [Assignment.uniform(task.network.filters, library.names, name) for name in library.names]
    parts = [Shard(slice(0, 300), ((design, None),)) for design in designs] * 150  # so many that none is done when the worker dies
    expected = [right.tolist() for right in task.answers(designs)] * 150

    with runner_for(jobs=2) as runner:  # the server of workers is there then, and starts nothing but workers
        assert [rows[0].tolist() for rows in runner.map(task, parts[:2])] == expected[:2]

    def strike(after: float, gone: set[int]) -> None:
        while not (begun := set(_workers(os.getpid())) - gone):
            time.sleep(0.001)
        time.sleep(after)
        with suppress(ProcessLookupError):
            os.kill(min(begun), signal.SIGKILL)

    said: list[str] = []
    for after in (0.002, 0.04, 0.015, 0.1, 0.003, 0.13):
        notes: list[str] = []  # none where the worker died so early that it was simply started again
        striker = Thread(target=strike, args=(after, set(_workers(os.getpid()))))
        striker.start()
        with runner_for(jobs=4, note=notes.append) as runner:
            assert [rows[0].tolist() for rows in runner.map(task, parts)] == expected
        striker.join()
        said += notes
    assert set(said) == {"a worker process died, perhaps for want of memory: going on with 2 of 4"}
