"""The front: points of top-1 lost against one hardware figure. Measured and estimated accuracies never share a mark."""

from __future__ import annotations

from collections.abc import Sequence

from hawx.designs.design import Design
from hawx.report.markup import Markup, element, titled
from hawx.report.plot import Axis, Entry, Plot, bar_y, callout, circle, diamond, square, steps
from hawx.report.scale import span
from hawx.results.quantities import quantity
from hawx.results.recommendation import exact_design
from hawx.results.result import Result

MOST_SHOWN = 20.0
"""Points of top-1 lost beyond which a design is not drawn: nobody builds it, and it would squeeze the others."""


def draw_front(result: Result, field: str, *, chosen: Design | None = None) -> Markup:
    """Return the figure of the front against hardware `field` (x, smaller is better) and the points lost (y, smaller is better).

    Filled: measured on the report images, with 95 % intervals. Grey: measured on the search images while searching.
    Hollow: the same designs with the exact network's constants and wires, where they lose no more than the axis shows.
    Diamonds: what was estimated of a front design before it was measured, with one sigma.
    """
    shown = quantity(field)
    limit = drop_limits(result)
    front = [d for d in result.front if result.drop(d) <= limit[1]]
    values = [_value(d, field) for d in front]
    inside = [d for d in result.evaluated if d.search is not None and limit[0] <= _seen(result, d) <= limit[1]]
    factor, unit = shown.unit([*values, *(_value(d, field) for d in inside)])
    x_low, x_high = span([v / factor for v in [*values, *(_value(d, field) for d in inside)]])
    plot = Plot(
        Axis(label=f"{shown.label} ({unit})" if unit else shown.label, low=x_low, high=x_high),
        Axis(label="Top-1 lost (points)", low=limit[0], high=limit[1], rooted=limit[1] > 4.0),
        legend=_legend(result, chosen),
    )
    marks: list[Markup] = []
    for design in inside:
        x, y = plot.x(_value(design, field) / factor), plot.y(_seen(result, design))
        marks.append(
            titled(
                circle(x, y, 3, "dot-seen"),
                f"{design.id}: {_seen(result, design):.2f} points, measured in the search, {shown.show(_value(design, field))}",
            )
        )
    if result.max_drop is not None:
        y = plot.y(result.max_drop)
        marks.append(element("line", {"class": "goal", "x1": plot.left, "x2": plot.right, "y1": y, "y2": y}))
    exact = exact_design(result)
    if exact is not None and exact in inside and limit[0] <= 0.0 <= limit[1]:
        x, y = plot.x(_value(exact, field) / factor), plot.y(0.0)
        marks.append(titled(square(x, y, 4.0, "exact"), f"{exact.id}: every block exact, {shown.show(_value(exact, field))}"))
    ordered = sorted(front, key=lambda d: _value(d, field))
    marks.append(steps([(plot.x(_value(d, field) / factor), plot.y(result.drop(d))) for d in _staircase(result, ordered)], "line-front"))
    marks += [mark for design in ordered for mark in _estimate(result, plot, design, plot.x(_value(design, field) / factor))]
    for design in ordered:
        if design.unrecovered is not None and design.unrecovered.drop is not None and limit[0] <= design.unrecovered.drop <= limit[1]:
            x, y = plot.x(_value(design, field) / factor), plot.y(design.unrecovered.drop)
            title = f"{design.id}: loses {design.unrecovered.drop:.2f} points without recovery, measured"
            marks.append(titled(circle(x, y, 4.0, "dot-plain"), title))
    for design in ordered:
        x, y = plot.x(_value(design, field) / factor), plot.y(result.drop(design))
        low_drop, high_drop = result.drop_interval(design)
        title = (
            f"{design.id}: loses {result.drop(design):.2f} points ({low_drop:.2f} to {high_drop:.2f}), measured; {shown.show(_value(design, field))}"
        )
        marks.append(
            titled(element("g", {}, bar_y(x, plot.y(low_drop), plot.y(min(high_drop, limit[1])), "bar"), circle(x, y, 4.6, "dot-front")), title)
        )
    if chosen is not None:
        x, y = plot.x(_value(chosen, field) / factor), plot.y(result.drop(chosen))
        marks += [circle(x, y, 8, "ring"), callout(plot, x, y, chosen.id)]
    return plot.render(marks, title=f"Top-1 lost against {shown.label.lower()}", description=draw_front.__doc__ or "")


def draw_fronts(runs: Sequence[tuple[str, Result]], field: str) -> Markup:
    """Return the fronts of several runs, measured on their report images: points lost (y) over `field`, in percent of all-exact (x)."""
    limits = [drop_limits(result) for _, result in runs]
    low, high = min(low for low, _ in limits), max(high for _, high in limits)
    lines: list[list[tuple[float, float, str]]] = []
    for label, result in runs:
        exact = exact_design(result)
        base = _value(exact, field) / 100.0 if exact is not None else 1.0
        ordered = sorted(result.front, key=lambda d: _value(d, field))
        shown = [d for d in _staircase(result, ordered) if result.drop(d) <= high]
        lines.append([(_value(d, field) / base, result.drop(d), f"{label}, {d.id}: {result.drop(d):.2f} points, measured") for d in shown])
    x_low, x_high = span([x for points in lines for x, _, _ in points])
    legend = [Entry(element("g", {"class": f"run{i % 6}"}, circle(0, 0, 4.4, "run-dot")), label) for i, (label, _) in enumerate(runs)]
    plot = Plot(
        Axis(label=f"{quantity(field).label} (% of all-exact)", low=x_low, high=x_high),
        Axis(label="Top-1 lost (points), measured", low=low, high=high, rooted=high > 4.0),
        legend=legend,
    )
    marks = []
    for i, points in enumerate(lines):
        pixels = [(plot.x(x), plot.y(y)) for x, y, _ in points]
        dots = [titled(circle(x, y, 4.4, "run-dot"), title) for (x, y), (_, _, title) in zip(pixels, points, strict=True)]
        marks.append(element("g", {"class": f"run{i % 6}"}, steps(pixels, "run-line"), *dots))
    return plot.render(marks, title=f"Fronts of {len(runs)} runs: top-1 lost against {quantity(field).label.lower()}")


def drop_limits(result: Result) -> tuple[float, float]:
    """Return the range of points lost that figures of the front show: all of it up to MOST_SHOWN, or to twice the goal."""
    intervals = [result.drop_interval(d) for d in result.front] or [(0.0, 1.0)]
    goal = result.max_drop or 0.0
    most = max(MOST_SHOWN, 2.0 * goal, min(high for _, high in intervals))
    low, high = min(0.0, *(low for low, _ in intervals)), max(0.5, 1.25 * goal, *(high for _, high in intervals if high <= most))
    margin = 0.05 * (high - low)
    return low - margin, high + margin


def beyond(result: Result) -> int:
    """Return how many measured designs lose more than the figure of the front shows."""
    high = drop_limits(result)[1]
    return sum(d.search is not None and _seen(result, d) > high for d in result.evaluated)


def _value(design: Design, field: str) -> float:
    value = getattr(design.hardware, field)
    return float("nan") if value is None else float(value)


def _seen(result: Result, design: Design) -> float:
    assert design.search is not None
    return result.baseline.search_int8_top1 - design.search.top1


def _staircase(result: Result, ordered: Sequence[Design]) -> list[Design]:
    """Return the designs that are best so far along one objective: the line of a front with several objectives."""
    kept, least = [], float("inf")
    for design in ordered:
        if result.drop(design) < least:
            least = result.drop(design)
            kept.append(design)
    return kept


def _estimate(result: Result, plot: Plot, design: Design, x: float) -> list[Markup]:
    if design.estimate is None:
        return []
    drop = result.baseline.search_int8_top1 - design.estimate.top1
    if not plot.y.holds(drop):
        return []
    y, sigma = plot.y(drop), design.estimate.sigma
    low, high = max(drop - sigma, plot.y.low), min(drop + sigma, plot.y.high)
    title = f"{design.id}: {drop:.2f} ± {sigma:.2f} points, estimated before it was measured"
    return [titled(element("g", {}, bar_y(x, plot.y(low), plot.y(high), "bar-estimate"), diamond(x, y, 4.6, "estimate")), title)]


def _legend(result: Result, chosen: Design | None) -> list[Entry]:
    images = result.front[0].measurement.images if result.front and result.front[0].measurement else None
    on = " (" + f"{images:,}".replace(",", "\u202f") + " images, 95 %)" if images else ""
    entries = [
        Entry(element("g", {}, bar_y(0, -6, 6, "bar"), circle(0, 0, 4.4, "dot-front")), f"front, measured{on}"),
        Entry(circle(0, 0, 3, "dot-seen"), "measured in the search"),
        Entry(diamond(0, 0, 4.6, "estimate"), "estimate before measuring, ±1σ"),
    ]
    if any(design.unrecovered is not None for design in result.front):
        entries.append(Entry(circle(0, 0, 4.0, "dot-plain"), "front without recovery"))
    entries.append(Entry(square(0, 0, 4.0, "exact"), "all exact"))
    if chosen is not None:
        entries.append(Entry(circle(0, 0, 5, "ring"), "chosen"))
    if result.max_drop is not None:
        entries.append(
            Entry(
                element("line", {"class": "goal", "x1": -8.0, "x2": 8.0, "y1": 0.0, "y2": 0.0}),
                f"at most {result.max_drop:g} point{'' if result.max_drop == 1 else 's'}",
            )
        )
    return entries
