"""Run folders: one process writes one, a changed run is not resumed, and a full, read-only or moved one is told in one line or just works."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.faults import EXPLORE, rows
from benchmarks.faults import explored as outcome

from conftest import explored, started
from hawx.cli import main
from hawx.errors import InputError
from hawx.files import LOCK, locked, refuse_locked


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60.0
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    assert path.exists()


def test_a_lock_is_of_one_process_and_ends_with_it(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from hawx.files import locked\n"
        "with locked(Path(sys.argv[1])): print('locked', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "locked\n"
        for ask in (lambda: locked(tmp_path, "run folder").__enter__(), lambda: refuse_locked(tmp_path, "run folder")):
            with pytest.raises(
                InputError,
                match=rf"^run folder '.*' is in use by process {holder.pid} on \S+; expected one that nobody writes\. "
                r"Wait until that ends, or choose another --out\.$",
            ):
                ask()
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert (tmp_path / LOCK).exists()  # the file stays, the lock does not
    refuse_locked(tmp_path)
    with locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks_is_used_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    with locked(tmp_path):
        assert (tmp_path / LOCK).exists()


def test_the_second_process_leaves_and_the_first_ends_undisturbed(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    first = started(folder)
    wait_for(folder / "run.sqlite", first)
    first.send_signal(signal.SIGSTOP)  # the two meet for certain
    try:
        for more in ((), ("--resume",)):
            assert explored(folder, *more) == 2
            errors = capsys.readouterr().err
            assert errors.splitlines() == [
                f"hawx: run folder {str(folder)!r} is in use by process {first.pid} on {os.uname().nodename}; expected one that nobody writes. "
                "Wait until that ends, or choose another --out."
            ]
    finally:
        first.send_signal(signal.SIGCONT)
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert outcome(folder) == outcome(whole)


def test_a_terminated_run_says_how_to_go_on(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = started(folder)
    wait_for(folder / "run.sqlite", process)
    process.terminate()
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 143
    assert errors.splitlines()[-1] == f"hawx: terminated; what was measured is kept. Continue with: hawx explore --resume --out {folder}"
    assert "Traceback" not in errors
    assert explored(folder, "--resume") == 0
    assert outcome(folder) == outcome(whole)


def test_a_folder_that_was_moved_goes_on(whole: Path, tmp_path: Path) -> None:
    folder, moved = tmp_path / "run", tmp_path / "elsewhere" / "moved"
    process = started(folder)
    wait_for(folder / "run.sqlite", process)
    process.kill()
    process.communicate()
    moved.parent.mkdir()
    shutil.move(folder, moved)
    assert explored(moved, "--resume") == 0
    assert outcome(moved) == outcome(whole)
    assert main(["report", str(moved)]) == 0
    assert main(["evaluate", str(moved), "--json"]) == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--seed", "4"), "seed = 3, not 4; a resumed run keeps its settings. Start a new one in another --out."),
        (("--budget", "11"), "budget = 10, not 11; a resumed run keeps its settings. Start a new one in another --out."),
        (("--network", "other.pt2"), "network = 'lenet5', not 'other.pt2'; a resumed run keeps its settings. Start a new one in another --out."),
        (
            ("--blocks", "mul8s_ot3"),
            "blocks = ('mul8s_ot3', 'mul8s_tc8'), not ('mul8s_ot3',); a resumed run keeps its settings. Start a new one in another --out.",
        ),
    ],
)
def test_other_settings_are_refused_by_name(more: tuple[str, str], message: str, finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = outcome(finished)
    assert explored(finished, "--resume", *more) == 2
    assert capsys.readouterr().err == f"hawx: run folder {str(finished)!r} was started with {message}\n"
    assert outcome(finished) == before


def test_another_version_is_refused_by_name(finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("hawx.__version__", "0.9.0")
    assert explored(finished, "--resume") == 2
    assert capsys.readouterr().err == (
        f"hawx: run folder {str(finished)!r} was started with HAWX 0.1.0, not 0.9.0; a resumed run keeps its version. "
        "Install that one (pip install hawx==0.1.0), or start a new run in another --out.\n"
    )


def test_other_inputs_of_the_same_name_are_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Settings name files; what is in them may have changed since."""
    from hawx.networks import zoo

    def images(seed: int) -> None:
        data = zoo.dataset("lenet5")
        chosen = np.random.default_rng(seed).permutation(len(data))[:600]
        np.savez(tmp_path / "images.npz", x=data.images[chosen], y=data.labels[chosen])

    def accelerator(multipliers: int) -> None:
        (tmp_path / "mine.toml").write_text(f'kind = "spatial"\nname = "mine"\nmultipliers = {multipliers}\n')

    images(1)
    accelerator(500)
    folder = tmp_path / "run"
    line = ["explore", "--out", str(folder), "--data", str(tmp_path / "images.npz"), "--accelerator", str(tmp_path / "mine.toml"), "--budget", "2"]
    line += ["--blocks", "mul8s_tc8", "--searcher", "random", "--search-images", "150", "--report-images", "100", "--recover", "none"]
    assert main(line) == 0
    again = "; a resumed run keeps what it works on. Give it that again, or start a new one in another --out.\n"
    started = f"hawx: run folder {str(folder)!r} was started with "
    resume = ["explore", "--resume", "--out", str(folder)]
    capsys.readouterr()

    def refused() -> str:
        assert main(resume) == 2
        said = capsys.readouterr().err.splitlines(keepends=True)[-1]
        assert said.startswith(started), said
        assert said.endswith(again), said
        return said.removeprefix(started).removesuffix(again)

    images(2)
    assert refused().startswith("other images of the same name (sha256 ")
    images(1)
    accelerator(400)
    assert refused() == "multipliers = 500 of the accelerator, not 400"
    accelerator(500)
    assert main(resume) == 0


def test_differences_are_named() -> None:
    from hawx.store.inputs import difference

    inputs = {"network": "a" * 64, "images": "b" * 64, "unlabelled images": "c" * 64, "accelerator": {"rows": 8}, "circuits": {"x": "d" * 64}}
    inputs |= {"figures": {"x": "e" * 64}}
    assert difference(inputs, inputs) is None
    assert difference({}, inputs) is None  # a run of before such were kept
    other = "f" * 64
    for changed, said in (
        ({"network": other}, "another network of the same name (sha256 aaaaaaaaaa, not ffffffffff)"),
        ({"unlabelled images": other}, "other unlabelled images of the same name (sha256 cccccccccc, not ffffffffff)"),
        ({"accelerator": {"rows": 9}}, "rows = 8 of the accelerator, not 9"),
        ({"accelerator": {}}, "rows = 8 of the accelerator, not None"),
        ({"circuits": {"x": other}}, "another circuit for block 'x' (sha256 dddddddddd, not ffffffffff)"),
        ({"circuits": {}}, "a library with block 'x'"),
        ({"circuits": {"x": "d" * 64, "y": other}}, "a library without block 'y'"),
        ({"figures": {"x": other}}, "other figures of block 'x' (sha256 eeeeeeeeee, not ffffffffff)"),
    ):
        assert difference(inputs, {**inputs, **changed}) == said


def test_a_full_disk_is_told_in_one_line_and_the_run_goes_on_later(
    whole: Path, tmp_path: Path, mount: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    disk = tmp_path / "disk"
    told = set()
    with mount(disk, "-t", "tmpfs", "-o", "size=2m", "tmpfs"):
        for kilobytes in (4, 40, 80, 120, 200, 280, 400):
            folder, filler = disk / "run", disk / "filler"
            shutil.rmtree(folder, ignore_errors=True)
            filler.write_bytes(bytes(1000))
            free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize
            filler.write_bytes(bytes(max(0, free - kilobytes * 1024)))
            status = explored(folder)
            said = capsys.readouterr().err.splitlines()[-1]
            if status:
                told.add(said.partition(" cannot")[0].removeprefix("hawx: ").partition(" '")[0] + " " + Path(said.split("'")[1]).name)
                assert status == 2, said
                assert "expected room on its disk. Free some" in said, said
            kept = rows(folder)
            filler.unlink()
            begun = (folder / "settings.toml").exists()
            assert explored(folder, *(["--resume"] if begun else [])) == 0
            capsys.readouterr()
            assert kept <= rows(folder)
            assert outcome(folder) == outcome(whole)
    assert {name.partition(" ")[0] for name in told} >= {"file", "measurement"}, told


def test_a_read_only_folder_is_read_and_its_writers_told(
    finished: Path, tmp_path: Path, mount: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    disk = tmp_path / "disk"
    with mount(disk, "--bind", "-o", "ro", str(finished)):
        with pytest.raises(OSError, match="Read-only"):
            (disk / "x").touch()
        assert main(["evaluate", str(disk), "--json"]) == 0
        capsys.readouterr()
        assert main(["compare", str(disk), str(finished)]) == 0
        capsys.readouterr()
        for line in (["explore", "--resume", "--out", str(disk)], ["explore", "--out", str(disk / "new"), *EXPLORE[1:]], ["report", str(disk)]):
            assert main(line) == 2
            said = capsys.readouterr().err.splitlines()[-1]
            assert said.startswith("hawx: "), said
            assert "(Read-only file system); expected a writable place. Choose another --out." in said, said
    assert json.loads((finished / "result.json").read_text())["front"]
