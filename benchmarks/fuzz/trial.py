"""One trial: a reader on one case, within limits of time and memory, and whether what it does is fine."""

from __future__ import annotations

import contextlib
import resource
import shutil
import signal
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

from benchmarks.fuzz.mutation import Case
from benchmarks.fuzz.readers import Reader, write
from hawx.errors import HawxError

SECONDS = 5
"""An input may take so long."""
MEMORY = 1 << 30
"""Bytes that an input may take beyond what the process holds."""

READ, REFUSED = "read", "refused"


def attempt(reader: Reader, case: Case, folder: Path) -> str:
    """Return `READ`, `REFUSED`, or what is wrong: an error that is not our own, an error in several lines, a file left beside the input."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        write(case, work)
    except (OSError, ValueError):
        return REFUSED  # no file has such a name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.read(work)
    except HawxError as error:
        said = str(error)
        if not said or "\n" in said or not said.replace("\u202f", "").isprintable():
            return f"{type(error).__name__} with a text that is no printable line: {said[:200]!r}"
        if len(said) > 2000:
            return f"{type(error).__name__} with a text of {len(said)} characters: {said[:100]!r}"
        return REFUSED
    except Exception as error:  # noqa: BLE001  what this program is for
        last = traceback.extract_tb(error.__traceback__)
        ours = next((frame for frame in reversed(last) if "/hawx/" in frame.filename), last[-1])
        place = ours.filename.partition("/hawx/")[2] or ours.filename
        return f"{type(error).__name__} at {place}:{ours.lineno} ({ours.name}): {str(error)[:150]!r}"
    strange = [path.name for path in folder.iterdir() if path.name not in ("work", "input")]
    return f"leaves {strange[0]!r} outside of its folder" if strange else READ


@contextlib.contextmanager
def place() -> Iterator[Path]:
    """Give a folder for trials, in memory where the system has such."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="hawx-fuzz-", dir=memory if memory.is_dir() else None, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def limit_memory() -> None:
    """Bound what this process takes from now on; does nothing where the system does not count it."""
    status = Path("/proc/self/status")
    if status.exists():
        held = next(int(line.split()[1]) << 10 for line in status.read_text().splitlines() if line.startswith("VmData"))
        resource.setrlimit(resource.RLIMIT_DATA, (held + MEMORY, held + MEMORY))


@contextlib.contextmanager
def limit_time() -> Iterator[None]:
    """End the process by SIGALRM where the block takes longer than `SECONDS`: no Python is needed for it, so no loop in C can hide."""
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
