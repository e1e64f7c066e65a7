"""How the designs of a front stand to one another on the report images, which did not choose them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hawx.designs.design import Design
from hawx.results.result import Result


@dataclass(frozen=True, slots=True)
class Rival:
    """A design of the same front that is no less accurate on the report images and no dearer in any objective."""

    id: str
    beyond: bool
    """Whether it loses less than the other's interval of points lost: chance hardly made the difference."""


def ordered(result: Result) -> list[Design]:
    """Return the front, least points lost first; of equals, the one of least first objective."""
    return sorted(result.front, key=lambda design: (result.drop(design), *_costs(result, design)))


def rivals(result: Result) -> Mapping[str, Rival]:
    """Return the most accurate rival of every design that has one, by the design's id.

    The search images chose the front, on which nothing beats anything. On the report images some of its designs fall behind others, many of
    them by chance: choosing again there would bias what is reported, so a reader is told, and the front stays.
    """
    found = {}
    for design in result.front:
        better = [other for other in ordered(result) if _beats(result, other, design)]
        if better and design.measurement is not None and better[0].measurement is not None:
            found[design.id] = Rival(better[0].id, result.drop(better[0]) < result.drop_interval(design)[0])
    return found


def _beats(result: Result, one: Design, other: Design) -> bool:
    ours, theirs = (result.drop(one), *_costs(result, one)), (result.drop(other), *_costs(result, other))
    return ours != theirs and all(a <= b for a, b in zip(ours, theirs, strict=True))


def _costs(result: Result, design: Design) -> tuple[float, ...]:
    return tuple(float(getattr(design.hardware, name)) for name in result.objectives)
