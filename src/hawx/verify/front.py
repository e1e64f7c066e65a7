"""Verify a front: measure it on the report images, which no search ever saw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hawx.designs import Design
from hawx.estimates import Estimate, Measurement
from hawx.search import Evaluated, Problem
from hawx.verify.measure import Measurer


def verify_front(
    problem: Problem, chosen: Sequence[Evaluated], measurer: Measurer, unrecovered: Measurer | None = None
) -> tuple[tuple[Design, ...], Measurement]:
    """Return the front `chosen` of `problem`, every design with its accuracy on the report images, and that of the exact design.

    A design is measured by `measurer`, and by `unrecovered`, where there is one, with the exact network's constants and wires.

    The front is the one that the search images chose: choosing again on the report images would bias what they report. Only the exact design,
    which loses nothing on any images, belongs to it also where the search images let a cheaper one look as good and the report images do not.
    """
    exact_choices = problem.space.exact_choices()
    right = measurer.answers([problem.space.assignment(exact_choices)])[0]
    exact = Measurement.of(right, right)
    problem.progress.advance()
    front = []
    reference = next((found for found in problem.evaluated if np.array_equal(found.choices, exact_choices)), None)
    exact_is_beaten = reference is None
    at_once = measurer.runner.workers
    for some in (chosen[start : start + at_once] for start in range(0, len(chosen), at_once)):
        assignments = [found.design.assignment for found in some]
        measured = [Measurement.of(answers, right) for answers in measurer.answers(assignments)]
        plain = [Measurement.of(answers, right) for answers in unrecovered.answers(assignments)] if unrecovered else [None] * len(some)
        front += [found.design.with_measurement(own, other) for found, own, other in zip(some, measured, plain, strict=True)]
        beats = [own.correct >= exact.correct and bool((found.ratios <= 1.0).all()) for found, own in zip(some, measured, strict=True)]
        exact_is_beaten |= any(beats) or any(found is reference for found in some)
        problem.progress.advance(len(some))
    if reference is not None and not exact_is_beaten:
        nothing = Estimate(100.0 * problem.baseline_correct / problem.images, 0.0)  # is what it loses
        front.insert(0, reference.design.with_claim(nothing).with_measurement(exact))
    return tuple(front), exact
