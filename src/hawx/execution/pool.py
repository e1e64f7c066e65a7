"""Measuring in several processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import BaseContext

from hawx.designs import Assignment
from hawx.emulate import Machine, default_machine, use_machine
from hawx.emulate.evaluator import Answers
from hawx.errors import HawxError
from hawx.verify import Runner, Task

_task: Task | None = None  # of this worker process, set once by `_begin`


@contextmanager
def pool_runner(jobs: int) -> Iterator[Runner]:
    """Give a runner that measures in `jobs` processes; each gets a task once and keeps what it caches of it."""
    pools: dict[int, tuple[Task, Executor]] = {}

    def run(task: Task, assignments: Sequence[Assignment]) -> Sequence[Answers]:
        if id(task) not in pools:
            pools[id(task)] = task, _pool(task, jobs)
        _, pool = pools[id(task)]
        try:
            return list(pool.map(_answer, assignments))
        except BrokenProcessPool as error:
            raise HawxError("a measuring process died, perhaps for want of memory; use fewer --jobs or --images and --resume.") from error

    try:
        yield run
    finally:
        for _, pool in pools.values():
            pool.shutdown(cancel_futures=True)


def _pool(task: Task, jobs: int) -> ProcessPoolExecutor:
    threads = max(1, (os.cpu_count() or 1) // jobs)
    return ProcessPoolExecutor(jobs, mp_context=_context(), initializer=_begin, initargs=(task, threads, default_machine()))


def _context() -> BaseContext:
    """Return how workers start: forked from a server that has imported everything and started no thread, where the system can.

    A plain fork would copy locks of thread pools in an unknown state; a spawn would import everything in every worker.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _begin(task: Task, threads: int, machine: Machine) -> None:
    global _task
    import signal

    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which stops its workers
    torch.set_num_threads(threads)
    use_machine(machine)  # the parent knows what kernels cost here
    _task = task


def _answer(assignment: Assignment) -> Answers:
    assert _task is not None
    return _task.answers([assignment])[0]
