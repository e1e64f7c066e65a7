"""Ctrl-C and SIGTERM that come at a moment when Python drops what is raised."""

from __future__ import annotations

import os
import signal
import time
import weakref

import pytest

from hawx.cli.signals import Terminated, terminable


class Thing:
    """Something to take away."""


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_a_signal_while_an_object_is_taken_away_is_not_lost(number: int, raised: type[BaseException]) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests in the background has it ignored

    def forget() -> None:
        os.kill(os.getpid(), number)
        sum(range(1000))  # the handler runs here, within the callback

    def lose() -> None:
        thing = Thing()
        weakref.finalize(thing, forget)
        del thing
        time.sleep(5.0)

    try:
        with pytest.raises(raised), terminable():
            lose()
    finally:
        signal.signal(signal.SIGINT, before)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_other_things_that_are_dropped_are_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    monkeypatch.setattr("sys.unraisablehook", told.append)

    def forget() -> None:
        raise ValueError("gone")

    with terminable():
        thing = Thing()
        weakref.ref(thing, lambda _: forget())
        kept = weakref.ref(thing, lambda _: forget())
        del thing
    assert kept() is None
    assert [str(lost.exc_value) for lost in told] == ["gone"]
