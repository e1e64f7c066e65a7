"""Who measures does not change what is measured: this process, a pool, a real Dask cluster."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from hawx.blocks.families import builtin_library
from hawx.designs import Assignment
from hawx.emulate import BlockExecutor, Machine, default_machine
from hawx.emulate.cost import TERMS, CostModel
from hawx.emulate.evaluator import Answers
from hawx.errors import HawxError, InputError
from hawx.execution import runner_for
from hawx.networks import zoo
from hawx.recover import DesignRecovery, recover_units
from hawx.verify import Measurer, MemoryStore, Task


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
def expected(task: Task, assignments: list[Assignment]) -> list[list[bool]]:
    answers = listed(task.answers(assignments))
    assert len({tuple(right) for right in answers}) > 1
    return answers


def listed(answers: Iterable[Answers]) -> list[list[bool]]:
    return [right.tolist() for right in answers]


def test_a_pool_answers_the_same(task: Task, assignments: list[Assignment], expected: list[list[bool]]) -> None:
    with runner_for(jobs=2) as runner:
        assert listed(task.answers(assignments, runner)) == expected
        assert listed(task.answers(assignments[2:], runner)) == expected[2:]
        assert listed(task.answers([], runner)) == []


def test_whoever_measures_recovers_each_design_as_a_whole(task: Task, assignments: list[Assignment]) -> None:
    unlabelled = zoo.calibration("lenet5").images[:48]
    recovery = DesignRecovery(task.network, task.library, unlabelled)
    whole = replace(task, recovery=recovery)
    answers = []
    for assignment in assignments:
        logits = recovery(assignment).run(task.images, BlockExecutor(task.library, assignment))
        answers.append((logits.argmax(1).numpy() == task.labels).tolist())
    assert answers != listed(task.answers(assignments))
    assert listed(whole.answers(assignments)) == answers
    again = DesignRecovery(task.network, task.library, unlabelled)
    with runner_for(jobs=2) as runner:
        assert listed(replace(whole, recovery=again).answers(assignments, runner)) == answers


def test_a_recovered_network_of_many_blocks_reaches_the_workers() -> None:
    """Thirty blocks have some 500 tensors of constants: sent one by one they were more file descriptors than a message carries."""
    data, library = zoo.dataset("lenet5").first(40), builtin_library()
    network = recover_units(zoo.load("lenet5"), library, zoo.calibration("lenet5").images[:16])
    task = Task(network, library, data.images, data.labels)
    design = [Assignment.uniform(network.filters, library.names, "mul8s_tc8")]
    with runner_for(jobs=2) as runner:
        assert listed(task.answers(design, runner)) == listed(task.answers(design))


def test_what_was_measured_with_other_calibration_is_measured_again(task: Task, assignments: list[Assignment]) -> None:
    store, unlabelled = MemoryStore(), zoo.calibration("lenet5").images[:48]
    network = recover_units(task.network, task.library, unlabelled)
    fresh = []
    for images in (None, unlabelled, unlabelled, unlabelled[:40]):
        recovery = None if images is None else DesignRecovery(network, task.library, images)
        measurer = Measurer(task=Task(network, task.library, task.images, task.labels, recovery), store=store)
        measurer(assignments[:2])
        fresh.append(measurer.fresh)
    assert fresh == [2, 2, 0, 2]


def test_workers_of_a_pool_know_what_kernels_cost_as_their_parent_does(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    model = CostModel(Machine("scalar").model.tier, dict.fromkeys(TERMS, 1e-9))
    monkeypatch.setattr("hawx.emulate.machine._default", Machine(model=model))
    with runner_for(jobs=2) as runner:
        assert [found.model for found in runner.map(_machine, range(4))] == [model] * 4


def _machine(_: int) -> Machine:
    return default_machine()


def test_errors_of_a_worker_come_back(task: Task) -> None:
    other = Assignment.uniform({"conv1": 6}, task.library.names, "mul8s_exact")
    with runner_for(jobs=2) as runner, pytest.raises(InputError, match=r"^the assignment is for layers \('conv1',\); expected "):
        task.answers([other], runner)


def test_a_dask_cluster_answers_the_same(task: Task, assignments: list[Assignment], expected: list[list[bool]]) -> None:
    distributed = pytest.importorskip("distributed", reason="the package distributed is not installed")
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0") as cluster,
        runner_for(dask=cluster.scheduler_address) as runner,
    ):
        assert listed(task.answers(assignments, runner)) == expected
        assert listed(task.answers(assignments[:1], runner)) == expected[:1]


@pytest.mark.slow
def test_a_dask_cluster_of_processes_answers_the_same(task: Task, assignments: list[Assignment], expected: list[list[bool]]) -> None:
    distributed = pytest.importorskip("distributed", reason="the package distributed is not installed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        runner_for(dask=cluster.scheduler_address) as runner,
    ):
        assert listed(task.answers(assignments, runner)) == expected
        other = Assignment.uniform({"conv1": 6}, task.library.names, "mul8s_exact")
        with pytest.raises(HawxError, match=r"the assignment is for layers"):
            task.answers([other], runner)


def test_no_scheduler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hawx.execution.cluster.CONNECT_SECONDS", 1.0)
    pytest.importorskip("distributed", reason="the package distributed is not installed")
    with (
        pytest.raises(
            InputError, match=r"^no Dask scheduler answers at 'tcp://127\.0\.0\.1:9' \(.*\); expected an address such as tcp://host:8786\.$"
        ),
        runner_for(dask="tcp://127.0.0.1:9"),
    ):
        pass
