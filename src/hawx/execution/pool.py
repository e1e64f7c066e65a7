"""Measuring in several processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from threading import Thread

from hawx.designs import Assignment
from hawx.emulate import Machine, default_machine, use_machine
from hawx.emulate.evaluator import Answers
from hawx.errors import HawxError
from hawx.verify import Runner, Task

_task: Task | None = None  # of this worker process, set once by `_begin`


@contextmanager
def pool_runner(jobs: int, note: Callable[[str], None] = lambda _: None) -> Iterator[Runner]:
    """Give a runner that measures in `jobs` processes; each gets a task once and keeps what it caches of it.

    Where a process dies or has no memory left, the others are stopped, `note` is told, and half as many go on with what is not measured yet.
    """
    pools: dict[int, tuple[Task, Executor]] = {}
    workers = jobs

    def submitted(task: Task, assignments: Sequence[Assignment]) -> list[Future[Answers]]:
        if id(task) not in pools:
            pools[id(task)] = task, _pool(task, workers)
        return [pools[id(task)][1].submit(_answer, assignment) for assignment in assignments]

    def run(task: Task, assignments: Sequence[Assignment]) -> Iterator[Answers]:
        nonlocal workers
        found: dict[int, Future[Answers]] = dict(enumerate(submitted(task, assignments)))
        for i in range(len(assignments)):
            while True:
                try:
                    right = found[i].result()
                    break
                except (BrokenProcessPool, MemoryError) as error:
                    why = "died, perhaps for want of memory" if isinstance(error, BrokenProcessPool) else "has not enough memory"
                    if workers == 1:
                        raise HawxError(
                            f"a measuring process {why}, and there is no other; use fewer --images and continue with --resume."
                        ) from error
                    workers //= 2
                    note(f"a measuring process {why}: going on with {workers} of {jobs}")
                    stop(pools)
                    lost = [k for k in range(i, len(assignments)) if found[k].cancelled() or found[k].exception() is not None]
                    found |= dict(zip(lost, submitted(task, [assignments[k] for k in lost]), strict=True))
            yield right

    try:
        yield run
    except BaseException:
        stop(pools, at_once=True)
        raise
    finally:
        stop(pools)


def stop(pools: dict[int, tuple[Task, Executor]], *, at_once: bool = False) -> None:
    """Stop all processes; what they have begun is waited for, unless `at_once`: a design of a deep network takes longer than batch systems wait."""
    for _, pool in pools.values():
        processes = list((getattr(pool, "_processes", None) or {}).values())  # public since Python 3.14: Executor.terminate_workers
        for process in processes if at_once else ():
            process.terminate()
        pool.shutdown(cancel_futures=True)
    pools.clear()


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
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave when the process that measures is gone, however it went: nobody would ever tell this one to stop."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _answer(assignment: Assignment) -> Answers:
    assert _task is not None
    return _task.answers([assignment])[0]
