"""The design that a report puts forward and why this one, and how much the choice of a front flatters it."""

from __future__ import annotations

from dataclasses import dataclass

from hawx.designs.design import Design
from hawx.errors import GoalError
from hawx.results.result import Result

UNASKED = 1.0
"""Points of top-1 allowed where the user stated no goal."""
FLATTERED = 0.5
"""Points of optimism from which on the search images were too few to choose by."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One design of the front, why it, and whether the stated goal is met (True where none was stated)."""

    design: Design
    reason: str
    met: bool = True


def recommend(result: Result) -> Recommendation | None:
    """Return the design to put forward; None when nothing was measured.

    With a goal: the least of the first objective that meets it, else the closest. Without: the same with one point allowed.
    """
    if not result.front:
        return None
    misfit = result.misfit()
    if misfit is not None:
        nearest = min(result.front, key=lambda design: design.hardware.excess)
        return Recommendation(nearest, "the nearest to the device: no design fits it", met=False)
    allowed = UNASKED if result.max_drop is None else result.max_drop
    points = "point" if allowed == 1 else "points"
    objective = result.objectives[0].rsplit("_", 1)[0] if result.objectives else "cost"
    try:
        design = result.best(allowed)
    except GoalError:
        closest = min((design for design in result.front if design.hardware.fits), key=result.claimed_drop)
        if result.max_drop is None:
            return Recommendation(closest, "the most accurate design of the front; none loses at most one point")
        return Recommendation(closest, f"the closest to the goal: no design loses at most {allowed:g} {points}", met=False)
    if result.max_drop is None:
        return Recommendation(design, f"least {objective} that loses at most {allowed:g} {points} (no goal was stated)")
    return Recommendation(design, f"least {objective} that loses at most {allowed:g} {points}, as asked")


def doubts(result: Result, recommended: Recommendation) -> str | None:
    """Return a sentence where the report images leave the goal open, or contradict that the chosen design meets it; None where they do neither."""
    seen, goal = recommended.design.measurement, result.max_drop
    if goal is None or not recommended.met or seen is None or seen.drop is None or seen.drop_interval is None:
        return None
    low, high = seen.drop_interval
    if low > goal:
        return f"The report images contradict that: {seen.drop:.2f} points lost, [{low:.2f}, {high:.2f}]. Give it more --search-images."
    if high > goal:
        return f"{seen.images} report images do not settle that: {seen.drop:.2f} points lost, [{low:.2f}, {high:.2f}]. Give it more --report-images."
    return None


def recovery_words(result: Result) -> str | None:
    """Return a sentence on what recovery won on the report images; None where nothing was recovered."""
    exact = exact_design(result)
    both = [
        (design.unrecovered.drop, design.measurement.drop)
        for design in result.front
        if design.measurement is not None and design.unrecovered is not None and (exact is None or design.id != exact.id)
    ]
    pairs = [(before, after) for before, after in both if before is not None and after is not None]
    if not pairs:
        return None
    (least, most), (low, high) = ((min(column), max(column)) for column in zip(*pairs, strict=True))
    return (
        f"With the exact network's weights, scales and wires the front's designs lose {least:z.2f} to {most:z.2f} points, "
        f"with recovered ones {low:z.2f} to {high:z.2f} (report images, measured; the multipliers are the same)."
    )


def optimism(result: Result) -> float | None:
    """Return how many points more the front loses on the report images than on the search images that chose it.

    Mean over its approximate designs; None where none was measured on both. A search picks what looks good on its images, the more so the fewer
    they are and the more units it may choose for.
    """
    exact = exact_design(result)
    gaps = [
        result.drop(design) - (result.baseline.search_int8_top1 - design.search.top1)
        for design in result.front
        if design.measurement is not None and design.search is not None and (exact is None or design.id != exact.id)
    ]
    return sum(gaps) / len(gaps) if gaps else None


def optimism_words(result: Result) -> str | None:
    """Return a sentence on the `optimism` of a front, with the way out where it is large; None where nothing is known of it."""
    gap = optimism(result)
    if gap is None:
        return None
    images = next(design.search.images for design in result.front if design.search is not None)
    if gap < FLATTERED:
        compared = f"{abs(gap):.2f} points {'more' if gap > 0 else 'less'}"
        return f"On average the front loses {compared} on the report images than on the {images} search images that chose it."
    return (
        f"The front loses {gap:.2f} points more on the report images than on the {images} search images that chose it: "
        "too few to choose by. Give it more --search-images, or a coarser --granularity."
    )


def exact_design(result: Result) -> Design | None:
    """Return the all-exact design among those measured, or None."""
    exact = {block["name"] for block in result.library.get("blocks", []) if block.get("is_exact")}
    return next((design for design in (*result.evaluated, *result.front) if blocks_of(design) <= exact), None)


def blocks_of(design: Design) -> frozenset[str]:
    """Return the names of the blocks that the design uses."""
    counts = design.assignment.counts.sum(axis=0)
    return frozenset(block for block, count in zip(design.assignment.blocks, counts, strict=True) if count)
