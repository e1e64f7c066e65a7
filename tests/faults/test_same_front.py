"""The same seed gives the same front, whoever measures: jobs, threads, tiers of kernels, a Dask cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.faults import EXPLORE, explored

from hawx.emulate.native import targets


def found(folder: Path, *more: str, **environment: str) -> dict[str, Any]:
    """Explore in a process of its own and return what was found."""
    line = [sys.executable, "-m", "hawx", *EXPLORE, "--out", str(folder), *more]
    subprocess.run(line, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1", **environment})
    return {name: value for name, value in explored(folder).items() if name != "settings.toml"}  # which says who measured


@pytest.mark.slow
def test_the_same_seed_gives_the_same_front_whoever_measures(whole: Path, tmp_path: Path) -> None:
    expected = {name: value for name, value in explored(whole).items() if name != "settings.toml"}
    distributed = pytest.importorskip("distributed", reason="the package distributed is not installed")
    ways: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
        "two jobs": (("--jobs", "2"), {}),
        "two threads": ((), {"OMP_NUM_THREADS": "2"}),
        **{target: ((), {"HAWX_FORCE_TARGET": target}) for target in targets()},
    }
    with distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster:
        ways["Dask"] = ("--dask", cluster.scheduler_address), {}
        differing = [name for name, (more, environment) in ways.items() if found(tmp_path / name, *more, **environment) != expected]
    assert differing == []
    other = found(tmp_path / "other", "--seed", "4")
    assert other["front"] != expected["front"]  # the comparison can fail
