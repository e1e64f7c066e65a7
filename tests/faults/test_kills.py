"""A run that is killed at any moment goes on where it was, and ends as if nothing had happened: the short form of `python -m benchmarks.faults`."""

from __future__ import annotations

import dataclasses
import signal
import sys
from pathlib import Path

import pytest
from benchmarks import faults

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kills are aimed by what Linux tells of processes")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kills", "seed"), [("explore", 12, 1), ("explore --jobs 2", 4, 2), ("finetune", 8, 3)])
def test_nothing_is_lost_nothing_is_measured_twice(name: str, kills: int, seed: int, tmp_path: Path) -> None:
    tally = faults.campaign(tmp_path, {name: kills}, seed=seed)
    assert tally.problems == []
    assert tally.kills >= kills


def test_the_bench_notices_what_should_not_be() -> None:
    """Each of these is said of a session that did it, and nothing of one that did not."""
    row = ("n", "b", "a", "i", 1, 2, b"\x80", 7)
    good = faults.Session(status=143, errors="hawx: terminated.\n", stages={"load": 0.1}, wall_s=1.0, touches=["store n b other i"], pid=0)
    fault = faults.Fault(signal=signal.SIGTERM, target="parent")
    assert faults._check(good, fault, {row}, {row}) == []

    def said(before: set, after: set, **changes: object) -> list[str]:
        return faults._check(dataclasses.replace(good, **changes), fault, before, after)

    assert said({row}, set()) == ["1 measurements are lost"]
    assert said({row}, {row}, touches=["store n b a i"]) == ["1 measurements were taken again"]
    assert said(set(), set(), status=70) == ["it ended with 70, not one of [-15, 0, 143]"]
    assert said(set(), set(), errors="Traceback (most recent call last)\n") == [
        "it ended with a traceback",
        "its last line does not say why it left",
    ]
