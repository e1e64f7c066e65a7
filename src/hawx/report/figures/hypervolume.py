"""Growth of the measured front's hypervolume, over evaluations or over wall clock, of one or several runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hawx.report.markup import Markup, element
from hawx.report.plot import Axis, Entry, Plot, circle, steps
from hawx.report.scale import span


@dataclass(frozen=True, slots=True)
class Growth:
    """One run: its label and its (x, hypervolume) pairs, x ascending."""

    label: str
    points: tuple[tuple[float, float], ...]


def draw_hypervolume(runs: Sequence[Growth], *, label: str) -> Markup:
    """Return a staircase per run: hypervolume of the front measured so far (larger is better) over `label`."""
    x_low, x_high = span([x for run in runs for x, _ in run.points], zero=True)
    y_low, y_high = span([y for run in runs for _, y in run.points], zero=True)
    legend = (
        [Entry(element("g", {"class": f"run{i % 6}"}, circle(0, 0, 4, "run-dot")), run.label) for i, run in enumerate(runs)] if len(runs) > 1 else []
    )
    plot = Plot(Axis(label=label, low=x_low, high=x_high), Axis(label="Hypervolume", low=y_low, high=y_high), height=280, legend=legend)
    marks = []
    for i, run in enumerate(runs):
        pixels = [(plot.x(x), plot.y(y)) for x, y in run.points]
        end = [circle(*pixels[-1], 4, "run-dot")] if pixels else []
        marks.append(element("g", {"class": f"run{i % 6}"}, steps(pixels, "run-line"), *end))
    return plot.render(marks, title=f"Hypervolume of the measured front over {label.lower()}")
