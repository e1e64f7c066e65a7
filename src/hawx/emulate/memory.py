"""Memory that the C library keeps: freed in pieces between what is still held, and given back to the system only on request."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache

GIVE_BACK_EVERY = 10**11
"""Multiply-accumulates, seconds of work. States and parts that are kept break up what is freed around them: on ResNet-20 memory grew by 10 MB with
every design."""


def give_back() -> None:
    """Return free memory to the system where the C library can (glibc). A few milliseconds; what is taken again costs page faults."""
    if (trim := _malloc_trim()) is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
    trim.argtypes, trim.restype = (ctypes.c_size_t,), ctypes.c_int
    return trim
