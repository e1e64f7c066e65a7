"""Signals that ask a command to stop. Both end it in order: what was measured is kept, and the exit status says which it was."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM: what `kill`, a batch system at its time limit and a container that is stopped send. Handled as Ctrl-C is."""


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM raise `Terminated` while the block runs, where it would end the process without a word."""
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # batch systems send it more than once: the first is enough
    raise Terminated
