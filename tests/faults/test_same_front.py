"""The same seed gives the same front, whoever measures: jobs, threads, tiers of kernels, a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks import faults

from conftest import explored
from hawx.emulate import default_machine
from hawx.emulate.native import targets


def outcome(folder: Path) -> dict[str, Any]:
    """Return what was found; the settings say who measured."""
    return {name: value for name, value in faults.explored(folder).items() if name != "settings.toml"}


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave threads and machine of this process as they were."""
    before = torch.get_num_threads()
    monkeypatch.setattr("hawx.emulate.machine._default", default_machine())
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.usefixtures("threads")
def test_the_same_seed_gives_the_same_front_whoever_measures(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed", reason="the package distributed is not installed")
    expected, found = outcome(whole), {}

    def explore(way: str, *more: str) -> None:
        assert explored(tmp_path / way, *more) == 0
        found[way] = outcome(tmp_path / way)

    for target in targets():
        monkeypatch.setenv("HAWX_FORCE_TARGET", target)
        explore(target)
        assert default_machine().kernels.name == target
    monkeypatch.delenv("HAWX_FORCE_TARGET")
    for count in (1, 2):
        torch.set_num_threads(count)
        explore(f"{count} threads")
    explore("2 jobs", "--jobs", "2")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, protocol="tcp", dashboard_address=":0") as cluster:
        explore("Dask", "--dask", cluster.scheduler_address)
    assert [way for way, each in found.items() if each != expected] == []
    explore("another seed", "--seed", "4")
    assert found["another seed"]["front"] != expected["front"]  # the comparison can fail
