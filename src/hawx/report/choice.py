"""The design that a report puts forward, and why this one."""

from __future__ import annotations

from dataclasses import dataclass

from hawx.designs.design import Design
from hawx.errors import GoalError
from hawx.report.result import Result

UNASKED = 1.0
"""Points of top-1 allowed where the user stated no goal."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One design of the front, why it, and whether the stated goal is met (True where none was stated)."""

    design: Design
    reason: str
    met: bool = True


def choose(result: Result) -> Choice | None:
    """Return the design to put forward; None when nothing was measured.

    With a goal: the least of the first objective that meets it, else the closest. Without: the same with one point allowed.
    """
    if not result.front:
        return None
    allowed = UNASKED if result.max_drop is None else result.max_drop
    points = "point" if allowed == 1 else "points"
    objective = result.objectives[0].rsplit("_", 1)[0] if result.objectives else "cost"
    try:
        design = result.best(allowed)
    except GoalError:
        closest = min(result.front, key=result.drop)
        if result.max_drop is None:
            return Choice(closest, "the most accurate design of the front; none loses at most one point")
        return Choice(closest, f"the closest to the goal: no design loses at most {allowed:g} {points}", met=False)
    if result.max_drop is None:
        return Choice(design, f"least {objective} that loses at most {allowed:g} {points} (no goal was stated)")
    return Choice(design, f"least {objective} that loses at most {allowed:g} {points}, as asked")


def exact_design(result: Result) -> Design | None:
    """Return the all-exact design among those measured, or None."""
    exact = {block["name"] for block in result.library.get("blocks", []) if block.get("is_exact")}
    return next((design for design in (*result.evaluated, *result.front) if blocks_of(design) <= exact), None)


def blocks_of(design: Design) -> frozenset[str]:
    """Return the names of the blocks that the design uses."""
    counts = design.assignment.counts.sum(axis=0)
    return frozenset(block for block, count in zip(design.assignment.blocks, counts, strict=True) if count)
