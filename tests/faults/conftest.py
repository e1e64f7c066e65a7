"""What the tests of this tier share: a small exploration, and folders on file systems of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from benchmarks.faults import EXPLORE

from hawx.cli import main


def explored(folder: Path, *more: str) -> int:
    """Explore into `folder`, in this process, and return the exit status."""
    return main([*EXPLORE, "--out", str(folder), *more])


def started(folder: Path, *more: str, **options: Any) -> subprocess.Popen[str]:
    """Start to explore into `folder` in a process of its own."""
    line = [sys.executable, "-m", "hawx", *EXPLORE, "--out", str(folder), *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment, **options)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that no test may change."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert explored(folder) == 0
    return folder


@pytest.fixture
def finished(whole: Path, tmp_path: Path) -> Path:
    """A finished run of the test's own."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Mount a file system at `folder` while the block runs, or skip the test."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not possible here ({done.stderr.strip()})")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def mount() -> Callable[..., Any]:
    if shutil.which("mount") is None or not hasattr(os, "geteuid") or os.geteuid():
        pytest.skip("mounting needs root and the command mount")
    return mounted
