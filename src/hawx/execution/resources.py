"""What this process may use of its machine: cores and memory, whatever a container allows of them."""

from __future__ import annotations

import os
from pathlib import Path

from hawx.errors import InputError

WORKER_BYTES = 3 << 29
"""What a worker may need beside what it keeps: PyTorch, the network, one batch. So many jobs at most by default."""
_GROUP = Path("/sys/fs/cgroup")


def default_jobs() -> int:
    """Return how many processes to work in where nobody says: one for each core, as far as memory goes, or what `HAWX_JOBS` says.

    Raises:
        InputError: `HAWX_JOBS` is not a whole number of at least 1.
    """
    if said := os.environ.get("HAWX_JOBS"):
        if not said.isdecimal() or int(said) < 1:
            raise InputError(f"HAWX_JOBS = {said!r} cannot be used; expected a whole number of at least 1. Unset it for one job per core.")
        return int(said)
    return max(1, min(cores(), memory_bytes() // WORKER_BYTES))


def default_kept() -> int:
    """Return how many bytes may be kept to spare work where nobody says: a quarter of the memory, at most 8 GiB."""
    return min(memory_bytes() // 4, 8 << 30)


def cores() -> int:
    """Return how many cores this process may use, at least one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _read("cpu.max").partition(" ")
    return max(1, min(allowed, int(quota) // int(period))) if quota.isdecimal() and period.isdecimal() else allowed


def memory_bytes() -> int:
    """Return how many bytes of memory this process may use."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 8 << 30
    allowed = _read("memory.max")
    return min(whole, int(allowed)) if allowed.isdecimal() else whole


def _read(name: str) -> str:
    """Return what the control group of this process says, nothing where there is none."""
    try:
        return (_GROUP / name).read_text(encoding="ascii").strip()
    except OSError:
        return ""
