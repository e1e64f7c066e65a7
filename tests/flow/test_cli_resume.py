"""A run that is killed or interrupted goes on where it was, and ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hawx.cli import main

SETTINGS = ("--blocks", "mul8s_ot3,mul8s_tc8", "--search-images", "1500", "--report-images", "100", "--seed", "5", "--searcher", "random")


def rows(folder: Path) -> set[tuple]:
    """Return what the store holds; empty while it is being made."""
    try:
        with sqlite3.connect(f"file:{folder / 'run.sqlite'}?mode=ro", uri=True) as connection:
            found = set(connection.execute("SELECT * FROM measurements"))
        connection.close()
    except sqlite3.OperationalError:
        return set()
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert main(["explore", "--out", str(folder), "--budget", "48", *SETTINGS]) == 0
    return json.loads((folder / "result.json").read_text())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_stopped_run_goes_on(how: signal.Signals, undisturbed: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "hawx", "explore", "--out", str(folder), "--budget", "48", *SETTINGS]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests started in the background inherit it ignored
    )
    deadline = time.monotonic() + 120
    while len(rows(folder)) < 3 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, how)
    said, errors = process.communicate(timeout=60)
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert errors.splitlines()[-1] == f"hawx: interrupted; what was measured is kept. Continue with: hawx explore --resume --out {folder}"
        assert "Traceback" not in errors
    else:
        assert process.returncode == -signal.SIGKILL
    assert said == ""
    assert not (folder / "result.json").exists()
    kept = rows(folder)
    assert len(kept) >= 3

    assert main(["report", str(folder)]) == 2
    assert "It was not finished: continue it with `hawx explore --resume`." in capsys.readouterr().err
    assert main(["explore", "--resume", "--out", str(folder)]) == 0
    assert kept <= rows(folder)
    result = json.loads((folder / "result.json").read_text())
    assert result["front"] == undisturbed["front"]
    assert result["evaluated"] == undisturbed["evaluated"]
    assert main(["explore", "--resume", "--out", str(folder)]) == 0  # a finished one ends the same, too
    assert json.loads((folder / "result.json").read_text())["front"] == undisturbed["front"]
