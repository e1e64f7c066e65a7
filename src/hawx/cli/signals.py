"""Signals that ask a command to stop. Both end it in order: what was measured is kept, and the exit status says which it was."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType

AGAIN_SECONDS = 0.01
"""After so long a signal that was dropped is sent again."""


class Terminated(KeyboardInterrupt):
    """SIGTERM: what `kill`, a batch system at its time limit and a container that is stopped send. Handled as Ctrl-C is."""


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM raise `Terminated` while the block runs, where it would end the process without a word; and lose neither it nor Ctrl-C."""
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    told = sys.unraisablehook
    if ours:
        signal.signal(signal.SIGTERM, _terminate)
        sys.unraisablehook = partial(_again, told)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            sys.unraisablehook = told


def _again(told: Callable[[sys.UnraisableHookArgs], object], lost: sys.UnraisableHookArgs) -> None:
    """Send a signal once more that came while an object was taken away: Python drops what is raised there, and the run would go on."""
    if not isinstance(lost.exc_value, KeyboardInterrupt):
        told(lost)
        return
    number = signal.SIGTERM if isinstance(lost.exc_value, Terminated) else signal.SIGINT
    if number == signal.SIGTERM:
        signal.signal(signal.SIGTERM, _terminate)
    again = threading.Timer(AGAIN_SECONDS, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # batch systems send it more than once: the first is enough
    raise Terminated
