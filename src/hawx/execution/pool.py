"""Work in several processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import count
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hawx.errors import HawxError, InputError, is_out_of_memory
from hawx.execution.resources import cores
from hawx.runner import Given, Part

if TYPE_CHECKING:
    from hawx.emulate import Machine

KEPT = 4
"""Works that a worker remembers, with what they cache: a search comes back to its own after others."""
GRACE_S = 1.0
"""Seconds that a stopped executor may take to end by itself."""
DIED = (BrokenProcessPool, BrokenPipeError, ConnectionResetError, EOFError)
"""What a process that died raises here: the pipes where it died while it was started."""
_Work = Callable[[Any], Any]


@contextmanager
def pool_runner(jobs: int, note: Callable[[str], None] = lambda _: None) -> Iterator[Pool]:
    """Give a runner of `jobs` processes. They begin to start at once, beside whatever this process does.

    Where a process dies or has no memory left, all are stopped, `note` is told, and half as many go on with what is not done yet.
    """
    context = _context()
    with TemporaryDirectory(prefix="hawx-") as folder:
        pool = Pool(jobs, context, Path(folder), note)
        try:
            yield pool
        finally:
            pool.stop()


class Pool:
    """A `Runner`: one process per worker, each with a queue of its own, so that a worker gets again what it knows.

    Work travels once, as a file that every worker reads when it first needs it.
    """

    def __init__(self, jobs: int, context: BaseContext, folder: Path, note: Callable[[str], None]) -> None:
        self.workers = self._jobs = jobs
        self._context, self._folder, self._note = context, folder, note
        self._processes: list[ProcessPoolExecutor] = []
        self._sent: dict[_Work, Path] = {}
        self._numbers = count()

    def map(self, work: Callable[[Part], Given], parts: Sequence[Part]) -> Iterator[Given]:
        """Give what `work` makes of each part; see `Runner.map`."""
        path, begun = self._path_of(work), dict[int, Future[Given]]()
        with suppress(*DIED):  # whoever died is noticed where the first part is waited for
            self._begin(path, parts, begun, 0)
        return self._results(path, parts, begun)

    def _results(self, path: str, parts: Sequence[Part], begun: dict[int, Future[Given]]) -> Iterator[Given]:
        for i in range(len(parts)):
            while True:
                try:
                    self._begin(path, parts, begun, i)
                    given = begun[i].result()
                    break
                except (*DIED, MemoryError) as error:
                    self._go_on_with_less(error)
                    for k in [k for k, each in begun.items() if each.cancelled() or each.exception() is not None]:
                        del begun[k]
            del begun[i]
            yield given

    def _begin(self, path: str, parts: Sequence[Part], begun: dict[int, Future[Given]], first: int) -> None:
        """Have every part from `first` on under way or done."""
        if new := [k for k in range(first, len(parts)) if k not in begun]:
            with _undisturbed():  # a worker that is half started is nobody's to stop
                for k in new:
                    begun[k] = self._started()[k % self.workers].submit(_do, path, parts[k])

    def _go_on_with_less(self, error: Exception) -> None:
        why = "has not enough memory" if isinstance(error, MemoryError) else "died, perhaps for want of memory"
        if self.workers == 1:
            raise HawxError(f"a worker process {why}, and it was the last one; use fewer --images and continue with --resume.") from error
        self.stop()
        self.workers //= 2
        self._note(f"a worker process {why}: going on with {self.workers} of {self._jobs}")

    def stop(self) -> None:
        """Stop the workers at once: what they still do nobody waits for, and a part of a deep network takes longer than batch systems do.

        Asked to end by itself, an executor whose process died while another was started waits for that one forever (CPython 3.11). So does one whose
        thread writes to a process that died: nobody reads the rest, and this process holds the other end open (CPython issue 94777, before 3.12).
        """
        ending = []
        for executor in self._processes:
            ending.append((getattr(executor, "_executor_manager_thread", None), getattr(executor, "_call_queue", None)))
            for process in list((getattr(executor, "_processes", None) or {}).values()):  # public since Python 3.14: Executor.terminate_workers
                process.terminate()
            executor.shutdown(wait=False, cancel_futures=True)
        for manager, calls in ending:
            if manager is not None:
                manager.join(GRACE_S)
                if manager.is_alive() and calls is not None:
                    calls._reader.close()
        self._processes = []

    def _started(self) -> list[ProcessPoolExecutor]:
        if not self._processes:
            from hawx.emulate import default_machine

            machine = default_machine()
            given = max(1, cores() // self.workers), machine.with_memory(machine.memory_bytes // self.workers)
            self._processes = [ProcessPoolExecutor(1, self._context, _start, given) for _ in range(self.workers)]
        return self._processes

    def _path_of(self, work: _Work) -> str:
        """Return the file that holds `work`, written when it is new."""
        path = self._sent.pop(work, None)
        if path is None:
            while len(self._sent) >= KEPT:
                self._sent.pop(next(iter(self._sent))).unlink()
            path = self._folder / str(next(self._numbers))
            path.write_bytes(ForkingPickler.dumps(work))
        self._sent[work] = path  # the latest is forgotten last
        return str(path)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait while the block runs."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _deaf() -> Iterator[None]:
    """Start a process that Ctrl-C does not reach while it begins: the server of workers ignores it only once it has imported everything."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _context() -> BaseContext:
    """Return how workers start: forked from a server that has imported everything and started no thread, where the system can.

    A plain fork would copy locks of thread pools in an unknown state; a spawn would import everything in every worker.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hawx.execution.worker"])
    try:
        with _deaf():
            forkserver.ensure_running()
    except RuntimeError:  # the program that calls is being imported by a worker
        raise InputError(
            "work cannot be shared out while the main module is imported, since workers import it too; "
            'put what begins it under `if __name__ == "__main__":`, or use one job.'
        ) from None
    return context


def _start(threads: int, machine: Machine) -> None:
    import torch

    from hawx.emulate import use_machine

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which stops its workers
    torch.set_num_threads(threads)
    use_machine(machine)  # the parent knows what kernels cost here
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave when the process that shares work out is gone, however it went: nobody would ever tell this one to stop."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@lru_cache(KEPT)
def _work(path: str) -> _Work:
    """Return what a file holds: read once, by this worker process."""
    found: _Work = ForkingPickler.loads(Path(path).read_bytes())
    return found


def _do(path: str, part: Any) -> Any:
    try:
        return _work(path)(part)
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise MemoryError from error
        raise
