"""Verify a front: measure it on the report images, which no search ever saw."""

from __future__ import annotations

from hawx.designs import Design
from hawx.estimates import Measurement
from hawx.search import Problem
from hawx.verify.measure import Measurer


def verify_front(problem: Problem, measurer: Measurer) -> tuple[tuple[Design, ...], Measurement]:
    """Return the measured front of `problem`, every design with its accuracy on the report images, and that of the exact design.

    The front is the one that the search images chose: choosing again on the report images would bias what they report.
    """
    images = len(measurer.task.labels)
    exact = measurer([problem.space.assignment(problem.space.exact_choices())])[0]
    problem.progress.advance()
    front = []
    for found in problem.front():
        correct = measurer([found.design.assignment])[0]
        front.append(found.design.with_measurement(Measurement(correct=correct, images=images)))
        problem.progress.advance()
    return tuple(front), Measurement(correct=exact, images=images)
