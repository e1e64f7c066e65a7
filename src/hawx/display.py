"""Progress on standard error: live bars on a terminal, one plain line per stage anywhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from time import perf_counter
from typing import TYPE_CHECKING, TextIO

from hawx.errors import printable
from hawx.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from hawx.designs.design import Design


@contextmanager
def display(*, quiet: bool = False) -> Iterator[Progress]:
    """Show progress while the block runs: on a terminal with rich, else in lines without control codes; nothing if `quiet`."""
    if quiet:
        yield SilentProgress()
    elif (sys.stderr.isatty() and os.environ.get("TERM") != "dumb") or _in_notebook():
        with bars() as shown:
            yield shown
    else:
        yield LineProgress(sys.stderr)


@contextmanager
def shown(progress: Progress | bool | None) -> Iterator[Progress]:
    """Give the progress that a caller of Python asks for: its own, one that is shown (True), or none that says anything."""
    if isinstance(progress, bool) or progress is None:
        with display(quiet=not progress) as found:
            yield found
    else:
        yield progress


class LineProgress:
    """A line at the start of every stage and for every note, with the seconds since the start."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._began = perf_counter()

    def _line(self, text: str) -> None:
        print(f"hawx {perf_counter() - self._began:8.1f} s  {printable(text)}", file=self._stream, flush=True)

    def stage(self, name: str, total: int | None = None) -> None:
        self._line(f"{name} (up to {total} steps)" if total else name)

    def advance(self, steps: int = 1) -> None: ...

    def note(self, text: str) -> None:
        self._line(" ".join(text.split()))

    def measured(self, design: Design) -> None: ...


def _in_notebook() -> bool:
    """Whether cells of a notebook show what is printed, and can show it live."""
    return "ipykernel" in sys.modules and find_spec("ipywidgets") is not None


@contextmanager
def bars() -> Iterator[BarProgress]:
    """Show live bars on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[said]}", markup=False),
    )
    with Bars(*columns, console=Console(stderr=True), transient=False) as live:
        progress = BarProgress(live)
        yield progress
        progress.finish()


class BarProgress:
    """A live bar per stage; the search says which measured design loses least among the cheap ones so far."""

    def __init__(self, live: Bars) -> None:
        self._live = live
        self._task: TaskID | None = None
        self._known = False

    def stage(self, name: str, total: int | None = None) -> None:
        self.finish()
        self._known = total is not None
        self._task = self._live.add_task(name, total=total or 1, said="")

    def advance(self, steps: int = 1) -> None:
        if self._task is not None and self._known:
            self._live.advance(self._task, steps)

    def note(self, text: str) -> None:
        self._live.console.print(printable(" ".join(text.split())), markup=False, highlight=False)

    def measured(self, design: Design) -> None:
        if self._task is not None and design.search is not None:
            said = f"{design.search.top1:.2f} % at {100 * design.mult_power_ratio:.0f} % multiplier power"
            self._live.update(self._task, said=said)

    def finish(self) -> None:
        """Fill the current bar."""
        if self._task is not None:
            total = self._live.tasks[self._task].total
            self._live.update(self._task, completed=total, said="")
            self._task = None
