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
from hawx.errors import HawxError, is_out_of_memory
from hawx.verify import Runner, Task

DIED = (BrokenProcessPool, BrokenPipeError, ConnectionResetError, EOFError)
"""What a process that died raises here: the pipes where it died while it was started."""
_task: Task | None = None  # of this worker process, set once by `_begin`


@contextmanager
def pool_runner(jobs: int, note: Callable[[str], None] = lambda _: None) -> Iterator[Runner]:
    """Give a runner that measures in `jobs` processes; each gets a task once and keeps what it caches of it.

    Where a process dies or has no memory left, the others are stopped, `note` is told, and half as many go on with what is not measured yet.
    """
    pools: dict[int, tuple[Task, Executor]] = {}
    workers = jobs

    def pool(task: Task) -> Executor:
        if id(task) not in pools:
            pools[id(task)] = task, _pool(task, workers)
        return pools[id(task)][1]

    def run(task: Task, assignments: Sequence[Assignment]) -> Iterator[Answers]:
        begun: dict[int, Future[Answers]] = {}
        for i in range(len(assignments)):
            while True:
                try:
                    for k in range(i, len(assignments)):
                        if k not in begun:
                            begun[k] = pool(task).submit(_answer, assignments[k])
                    right = begun[i].result()
                    break
                except (*DIED, MemoryError) as error:
                    go_on_with_less(error)
                    begun = {k: each for k, each in begun.items() if not each.cancelled() and each.exception() is None}
            yield right

    def go_on_with_less(error: Exception) -> None:
        nonlocal workers
        why = "has not enough memory" if isinstance(error, MemoryError) else "died, perhaps for want of memory"
        if workers == 1:
            raise HawxError(f"a measuring process {why}, and it was the last one; use fewer --images and continue with --resume.") from error
        workers //= 2
        note(f"a measuring process {why}: going on with {workers} of {jobs}")
        stop(pools)

    try:
        yield run
    finally:
        stop(pools)


def stop(pools: dict[int, tuple[Task, Executor]]) -> None:
    """Stop all processes at once: what they still do nobody waits for, and a design of a deep network takes longer than batch systems do.

    Asked to end by itself, a pool whose process died while another was started waits for that one forever (CPython 3.11).
    """
    for _, pool in pools.values():
        for process in list((getattr(pool, "_processes", None) or {}).values()):  # public since Python 3.14: Executor.terminate_workers
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
    try:
        return _task.answers([assignment])[0]
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise MemoryError from error
        raise
