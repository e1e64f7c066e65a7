"""Work in several processes of this machine."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import count
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hawx.errors import HawxError, InputError
from hawx.execution.resources import cores
from hawx.runner import Given, Part

if TYPE_CHECKING:
    from hawx.emulate import Machine

KEPT = 4
"""Works that a worker remembers, with what they cache: a search comes back to its own after others."""
_Work = Callable[[Any], Any]


@contextmanager
def pool_runner(jobs: int) -> Iterator[Pool]:
    """Give a runner of `jobs` processes. They begin to start at once, beside whatever this process does."""
    context = _context()
    with TemporaryDirectory(prefix="hawx-") as folder:
        pool = Pool(jobs, context, Path(folder))
        try:
            yield pool
        finally:
            pool.close()


class Pool:
    """A `Runner`: one process per worker, each with a queue of its own, so that a worker gets again what it knows.

    Work travels once, as a file that every worker reads when it first needs it.
    """

    def __init__(self, jobs: int, context: BaseContext, folder: Path) -> None:
        self.workers = jobs
        self._context, self._folder = context, folder
        self._processes: list[ProcessPoolExecutor] = []
        self._sent: dict[_Work, Path] = {}
        self._numbers = count()

    def map(self, work: Callable[[Part], Given], parts: Sequence[Part]) -> Iterator[Given]:
        """Give what `work` makes of each part; see `Runner.map`."""
        processes, path = self._started(), self._path_of(work)
        return _results([processes[i % self.workers].submit(_do, path, part) for i, part in enumerate(parts)])

    def close(self) -> None:
        """Stop the workers; what they have not begun is left."""
        for process in self._processes:
            process.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            process.shutdown()

    def _started(self) -> list[ProcessPoolExecutor]:
        if not self._processes:
            from hawx.emulate import default_machine

            machine = default_machine()
            given = max(1, cores() // self.workers), machine.with_memory(machine.memory_bytes // self.workers)
            self._processes = [ProcessPoolExecutor(1, self._context, _begin, given) for _ in range(self.workers)]
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


def _results(futures: list[Future[Given]]) -> Iterator[Given]:
    try:
        for future in futures:
            yield future.result()
    except BrokenProcessPool as error:
        raise HawxError("a worker process died, perhaps for want of memory; use fewer --jobs or --images and --resume.") from error
    finally:
        for future in futures:
            future.cancel()


def _context() -> BaseContext:
    """Return how workers start: forked from a server that has imported everything and started no thread, where the system can.

    A plain fork would copy locks of thread pools in an unknown state; a spawn would import everything in every worker.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hawx.execution.worker"])
    try:
        forkserver.ensure_running()
    except RuntimeError:  # the program that calls is being imported by a worker
        raise InputError(
            "work cannot be shared out while the main module is imported, since workers import it too; "
            'put what begins it under `if __name__ == "__main__":`, or use one job.'
        ) from None
    return context


def _begin(threads: int, machine: Machine) -> None:
    import signal

    import torch

    from hawx.emulate import use_machine

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which stops its workers
    torch.set_num_threads(threads)
    use_machine(machine)  # the parent knows what kernels cost here


_known: dict[str, _Work] = {}
"""Works of this worker process by file, the latest last."""


def _do(path: str, part: Any) -> Any:
    work = _known.pop(path, None)
    if work is None:
        work = ForkingPickler.loads(Path(path).read_bytes())
    _known[path] = work
    while len(_known) > KEPT:
        del _known[next(iter(_known))]
    return work(part)
