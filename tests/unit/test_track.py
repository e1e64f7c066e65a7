"""Ratios are compared with those kept for the same kind of machine, and what looks slower is measured again before it counts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from benchmarks import track

Call = Callable[[], dict[str, float]]


@pytest.fixture
def seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[float]]]:
    """What each figure takes, call by call, the last one from then on; the yardstick's are 2 seconds."""
    taken = {"fast": [1.0], "slow": [8.0]}

    def call(name: str) -> Call:
        return lambda: {name: taken[name].pop(0) if len(taken[name]) > 1 else taken[name][0]}

    monkeypatch.setattr(track, "KEPT", tmp_path / "track.json")
    monkeypatch.setattr(track, "processor", lambda: "this machine")
    monkeypatch.setattr(track, "yardstick", lambda: lambda: {"yardstick": 2.0})
    monkeypatch.setattr(track, "measures", lambda: [call(name) for name in taken])
    monkeypatch.setattr(track, "timed_machine", track.emulate.Machine)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr("hawx.emulate.machine._default", track.emulate.default_machine())
    threads = torch.get_num_threads()
    yield taken
    torch.set_num_threads(threads)


def test_what_is_kept_is_what_was_measured(seconds: dict[str, list[float]]) -> None:
    track.KEPT.write_text(json.dumps({"another machine": {"ratios": {"fast": 0.1}}}))
    assert track.main(["--keep", "--repeats", "1"]) == 0
    kept = json.loads(track.KEPT.read_text())
    assert kept["this machine"]["ratios"] == {"fast": 0.5, "slow": 4.0}
    assert kept["another machine"] == {"ratios": {"fast": 0.1}}


def test_a_slower_figure_fails_and_a_disturbed_one_does_not(seconds: dict[str, list[float]], capsys: pytest.CaptureFixture[str]) -> None:
    assert track.main(["--repeats", "1"]) == 0  # nothing to compare with yet
    track.main(["--keep", "--repeats", "1"])
    assert track.main(["--repeats", "1"]) == 0
    seconds["fast"] = [1.2]
    assert track.main(["--repeats", "1"]) == 0
    seconds["fast"] = [1.0, 1.3, 1.0]  # the call that is counted is disturbed, its repetition is not
    assert track.main(["--repeats", "1"]) == 0
    seconds["slow"] = [10.1]
    capsys.readouterr()
    assert track.main(["--repeats", "1"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "slower than kept: slow"
    assert track.main(["--repeats", "1", "--tolerance", "1.5"]) == 0


def test_the_median_counts(seconds: dict[str, list[float]]) -> None:
    seconds["fast"] = [9.0, 1.0, 7.0, 1.0]  # the first only warms caches
    assert track.ratios(track.measures(), 3)["fast"] == 0.5
