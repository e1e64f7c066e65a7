"""Progress: how long work says where it is. Stages report to a `Progress`; what it looks like is the edge's business."""

from __future__ import annotations

import warnings
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from hawx.errors import DoubtWarning

if TYPE_CHECKING:
    from hawx.designs.design import Design


class Progress(Protocol):
    """What a pipeline tells while it runs. Called from one thread; no call may raise or change the result."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Begin stage `name`, which ends the one before it. `total` is how many steps it has, None where not known."""
        ...

    def advance(self, steps: int = 1) -> None:
        """Say that `steps` more steps of the current stage are done."""
        ...

    def note(self, text: str) -> None:
        """Say one line that the user should read, for example that a search stopped early and why."""
        ...

    def measured(self, design: Design) -> None:
        """Say that `design` was just measured on the search images (`design.search` is set)."""
        ...


class SilentProgress:
    """A `Progress` that says nothing."""

    def stage(self, name: str, total: int | None = None) -> None: ...

    def advance(self, steps: int = 1) -> None: ...

    def note(self, text: str) -> None: ...

    def measured(self, design: Design) -> None: ...


class StageClock:
    """Times the stages of a run and passes their names on to a `Progress`."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.stages: dict[str, float] = {}
        self._began = self._stage_began = perf_counter()
        self._name: str | None = None

    def stage(self, name: str, total: int | None = None) -> None:
        """End the current stage and begin `name`."""
        self.stop()
        self._name = name
        self.progress.stage(name, total)

    def doubt(self, text: str) -> None:
        """Say what is hardly meant: where nobody is told of progress, as a warning of Python's."""
        if type(self.progress) is SilentProgress:
            warnings.warn(text, DoubtWarning, stacklevel=2)
        else:
            self.progress.note(text)

    def stop(self) -> None:
        """End the current stage."""
        if self._name is not None:
            self.stages[self._name] = self.elapsed()
        self._name = None
        self._stage_began = perf_counter()

    def elapsed(self) -> float:
        """Return the seconds of the current stage so far."""
        return perf_counter() - self._stage_began

    @property
    def total(self) -> float:
        """Seconds since the clock was made."""
        return perf_counter() - self._began
