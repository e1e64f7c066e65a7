"""Estimated against measured: how far the accuracy predictor may be trusted."""

from __future__ import annotations

from hawx.report.markup import Markup, element, titled
from hawx.report.plot import Axis, Entry, Plot, bar_x, bar_y, circle
from hawx.report.scale import span
from hawx.results.result import Result


def draw_validation(result: Result, *, within: float | None = None) -> Markup:
    """Return measured top-1 (y, 95 % interval) over the estimate made before measuring (x, one sigma), on the search images.

    Args:
        within: only designs measured within this many points of int8, the range in which designs are chosen.
    """
    floor = -1.0 if within is None else result.baseline.search_int8_top1 - within
    pairs = [(d, d.estimate, d.search) for d in result.evaluated if d.estimate is not None and d.search is not None and d.search.top1 >= floor]
    low, high = span([v for _, e, m in pairs for v in (e.top1, m.top1)])
    plot = Plot(
        Axis(label="Estimated top-1 (%), before measuring", low=low, high=high),
        Axis(label="Measured top-1 (%)", low=low, high=high),
        legend=[
            Entry(circle(0, 0, 4, "dot-front"), "one design"),
            Entry(bar_x(0, -8, 8, "bar-estimate"), "estimate ±1σ"),
            Entry(bar_y(0, -7, 7, "bar"), "measurement, 95 %"),
            Entry(element("line", {"class": "diagonal", "x1": -8.0, "x2": 8.0, "y1": 0.0, "y2": 0.0}), "perfect"),
        ],
    )
    marks = [element("line", {"class": "diagonal", "x1": plot.x(low), "y1": plot.y(low), "x2": plot.x(high), "y2": plot.y(high)})]
    for design, estimate, measured in pairs:
        x, y = plot.x(estimate.top1), plot.y(measured.top1)
        left, right = plot.x(max(low, estimate.top1 - estimate.sigma)), plot.x(min(high, estimate.top1 + estimate.sigma))
        bottom, top = (plot.y(min(max(v, low), high)) for v in measured.interval)
        group = element("g", {}, bar_x(y, left, right, "bar-estimate"), bar_y(x, bottom, top, "bar"), circle(x, y, 3.6, "dot-front"))
        marks.append(
            titled(
                group,
                f"{design.id}: estimated {estimate.top1:.2f} ± {estimate.sigma:.2f} %, measured {measured.top1:.2f} % of {measured.images} images",
            )
        )
    return plot.render(marks, title="Estimated against measured top-1", description=draw_validation.__doc__ or "")
