"""Who measures does not change what is measured: this process, a pool, a real Dask cluster."""

from __future__ import annotations

import numpy as np
import pytest

from hawx.blocks.families import builtin_library
from hawx.designs import Assignment
from hawx.errors import HawxError, InputError
from hawx.execution import counter_for
from hawx.networks import zoo
from hawx.verify import Task, count_here


@pytest.fixture(scope="module")
def task() -> Task:
    data = zoo.dataset("lenet5").first(120)
    return Task(zoo.load("lenet5"), builtin_library().select(["mul8s_ot3", "mul8s_tc8"]), data.images, data.labels)


@pytest.fixture(scope="module")
def assignments(task: Task) -> list[Assignment]:
    rng = np.random.default_rng(0)
    names, filters = task.library.names, task.network.filters
    return [Assignment(tuple(filters), names, tuple(rng.integers(0, 3, n).astype(np.uint8) for n in filters.values())) for _ in range(4)]


@pytest.fixture(scope="module")
def expected(task: Task, assignments: list[Assignment]) -> list[int]:
    counts = list(count_here(task, assignments))
    assert len(set(counts)) > 1
    return counts


def test_a_pool_counts_the_same(task: Task, assignments: list[Assignment], expected: list[int]) -> None:
    with counter_for(jobs=2) as counter:
        assert list(counter(task, assignments)) == expected
        assert list(counter(task, assignments[2:])) == expected[2:]
        assert list(counter(task, [])) == []


def test_errors_of_a_worker_come_back(task: Task) -> None:
    other = Assignment.uniform({"conv1": 6}, task.library.names, "mul8s_exact")
    with counter_for(jobs=2) as counter, pytest.raises(InputError, match=r"^the assignment is for layers \('conv1',\); expected "):
        counter(task, [other])


def test_a_dask_cluster_counts_the_same(task: Task, assignments: list[Assignment], expected: list[int]) -> None:
    distributed = pytest.importorskip("distributed", reason="the package distributed is not installed")
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        counter_for(dask=cluster.scheduler_address) as counter,
    ):
        assert list(counter(task, assignments)) == expected
        assert list(counter(task, assignments[:1])) == expected[:1]


@pytest.mark.slow
def test_a_dask_cluster_of_processes_counts_the_same(task: Task, assignments: list[Assignment], expected: list[int]) -> None:
    distributed = pytest.importorskip("distributed", reason="the package distributed is not installed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        counter_for(dask=cluster.scheduler_address) as counter,
    ):
        assert list(counter(task, assignments)) == expected
        other = Assignment.uniform({"conv1": 6}, task.library.names, "mul8s_exact")
        with pytest.raises(HawxError, match=r"the assignment is for layers"):
            counter(task, [other])


def test_no_scheduler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hawx.execution.cluster.CONNECT_SECONDS", 1.0)
    pytest.importorskip("distributed", reason="the package distributed is not installed")
    with (
        pytest.raises(
            InputError, match=r"^no Dask scheduler answers at 'tcp://127\.0\.0\.1:9' \(.*\); expected an address such as tcp://host:8786\.$"
        ),
        counter_for(dask="tcp://127.0.0.1:9"),
    ):
        pass
