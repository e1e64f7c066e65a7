"""Workers that die while much is written to them: nobody waits for what nobody reads."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import hawx

PROGRAM = """
import os, signal, threading, time
from hawx.errors import HawxError
from hawx.execution import runner_for
from sleepy import Sleepy

def workers(runner):
    return {p.pid for each in list(runner._processes) for p in list((each._processes or {}).values())}

def kill(runner):
    seen = set()
    for jobs in (2, 1):  # both, then the one that goes on
        while len(workers(runner) - seen) < jobs:
            time.sleep(0.1)
        time.sleep(5)  # they have their first part, and the next is being written
        for pid in workers(runner) - seen:
            os.kill(pid, signal.SIGKILL)
            seen.add(pid)

if __name__ == "__main__":
    with runner_for(jobs=2, note=print) as runner:
        threading.Thread(target=kill, args=(runner,), daemon=True).start()
        try:
            list(runner.map(Sleepy(), [bytes(4 << 20)] * 6))
        except HawxError as error:
            print(error)
"""
SLEEPY = """
import time

class Sleepy:
    def __call__(self, part):
        time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kills processes as Linux does")
def test_a_worker_that_dies_amid_a_large_part_holds_up_nobody(tmp_path: Path) -> None:
    (tmp_path / "sleepy.py").write_text(SLEEPY)
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    paths = os.pathsep.join([str(tmp_path), str(Path(hawx.__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, str(tmp_path / "program.py")],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "going on with 1 of 2" in done.stdout
    assert "it was the last one" in done.stdout
