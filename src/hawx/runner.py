"""Runner: who does the parts of a stage. What they give never depends on who does them, how many they are, or in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Protocol, TypeVar

Part = TypeVar("Part")
Given = TypeVar("Given")


class Runner(Protocol):
    """Does the parts of work: this process, a pool of processes, a cluster."""

    @property
    def workers(self) -> int:
        """How many parts are done at a time."""
        ...

    def map(self, work: Callable[[Part], Given], parts: Sequence[Part]) -> Iterator[Given]:
        """Give what `work` makes of each part, in the order of `parts`, each as soon as it and those before it are there.

        All parts begin at once, whether or not what is given is looked at. `work` may travel to other processes: once, with what it holds, and
        what it remembers stays there. With as many parts as workers, or a multiple, part i of every call goes to the same worker where possible.
        """
        ...


class RunHere:
    """Does everything in this process, one part after another."""

    workers = 1

    def map(self, work: Callable[[Part], Given], parts: Sequence[Part]) -> Iterator[Given]:
        return map(work, parts)


run_here = RunHere()


def slices(count: int, pieces: int) -> list[slice]:
    """Return `pieces` slices, or as many as there are things, that cut `count` things as evenly as can be."""
    pieces = max(1, min(pieces, count))
    ends = [count * i // pieces for i in range(pieces + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends)]
