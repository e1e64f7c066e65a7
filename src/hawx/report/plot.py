"""Plot: axes, grid, legend and marks of one Cartesian figure, as SVG markup with CSS classes (see `style`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

from hawx.report.markup import Markup, element, join, text, titled
from hawx.report.scale import Scale

CHARACTER = 6.6
"""Mean width of a character of the figures' 12 px text, in pixels: good enough to lay out legends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis: what it shows and from where to where."""

    label: str
    low: float
    high: float
    rooted: bool = False
    """Spread the values near 0 (signed square root)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A legend entry: a sample of the mark, drawn around (0, 0), and its text."""

    sample: Markup
    label: str


class Plot:
    """A frame with an x and a y axis; `x` and `y` turn data into pixels."""

    def __init__(self, x: Axis, y: Axis, *, width: float = 540, height: float = 340, legend: Sequence[Entry] = ()) -> None:
        self.width, self.height = width, height
        self._axes = (x, y)
        self._legend, legend_height = _lay_out(legend, width - 76)
        self.left, self.right = 62.0, width - 14.0
        self.top, self.bottom = 14.0 + legend_height, height - 46.0
        self.x = Scale(x.low, x.high, self.left, self.right, x.rooted)
        self.y = Scale(y.low, y.high, self.bottom, self.top, y.rooted)

    def holds(self, x: float, y: float) -> bool:
        return self.x.holds(x) and self.y.holds(y)

    def render(self, marks: Sequence[Markup], *, title: str, description: str = "") -> Markup:
        """Return the whole figure. `title` and `description` are read by screen readers."""
        return figure(self.width, self.height, [*self._frame(), *marks, self._legend], title=title, description=description)

    def _frame(self) -> list[Markup]:
        x_axis, y_axis = self._axes
        parts: list[Markup] = []
        for value, label in self.x.ticks(6):
            at = self.x(value)
            parts.append(element("line", {"class": "grid", "x1": at, "x2": at, "y1": self.top, "y2": self.bottom}))
            parts.append(element("text", {"class": "tick", "x": at, "y": self.bottom + 17, "text-anchor": "middle"}, text(label)))
        for value, label in self.y.ticks(5):
            at = self.y(value)
            parts.append(element("line", {"class": "grid", "x1": self.left, "x2": self.right, "y1": at, "y2": at}))
            parts.append(element("text", {"class": "tick", "x": self.left - 8, "y": at + 4, "text-anchor": "end"}, text(label)))
        parts.append(element("line", {"class": "axis", "x1": self.left, "x2": self.right, "y1": self.bottom, "y2": self.bottom}))
        middle = (self.left + self.right) / 2, (self.top + self.bottom) / 2
        parts.append(element("text", {"class": "label", "x": middle[0], "y": self.height - 8, "text-anchor": "middle"}, text(x_axis.label)))
        turned: dict[str, str | float] = {
            "class": "label",
            "x": 15,
            "y": middle[1],
            "text-anchor": "middle",
            "transform": f"rotate(-90 15 {middle[1]:.1f})",
        }
        parts.append(element("text", turned, text(y_axis.label)))
        return parts


def figure(width: float, height: float, parts: Sequence[Markup], *, title: str, description: str = "") -> Markup:
    """Return an `<svg>` of the given size that scales with its container."""
    head = [element("title", {}, text(title))] if title else []
    if description:
        head.append(element("desc", {}, text(description)))
    attributes: dict[str, str | float] = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {width:g} {height:g}",
        "width": width,
        "height": height,
        "class": "figure",
        "style": f"max-width:{1.2 * width:.0f}px",
        "role": "img",
    }
    return element("svg", attributes, *head, *parts)


def _lay_out(entries: Sequence[Entry], width: float) -> tuple[Markup, float]:
    """Return legend markup, wrapped to `width`, and its height."""
    if not entries:
        return Markup(""), 0.0
    parts, x, y = [], 62.0, 14.0
    for entry in entries:
        needed = 20 + CHARACTER * len(entry.label) + 20
        if x > 62.0 and x + needed > 62.0 + width:
            x, y = 62.0, y + 19.0
        sample = element("g", {"transform": f"translate({x + 7:g} {y - 4:g})"}, entry.sample)
        parts += [sample, element("text", {"class": "legend", "x": x + 20, "y": y}, text(entry.label))]
        x += needed
    return element("g", {}, *parts), y + 4.0


def circle(x: float, y: float, radius: float, style: str) -> Markup:
    return element("circle", {"class": style, "cx": float(x), "cy": float(y), "r": radius})


def diamond(x: float, y: float, radius: float, style: str) -> Markup:
    r = radius
    return element("path", {"class": style, "d": f"M{x:.2f} {y - r:.2f}l{r:g} {r:g}l{-r:g} {r:g}l{-r:g} {-r:g}z"})


def square(x: float, y: float, half: float, style: str) -> Markup:
    return element("rect", {"class": style, "x": x - half, "y": y - half, "width": 2 * half, "height": 2 * half})


def bar_x(y: float, x1: float, x2: float, style: str) -> Markup:
    """A horizontal error bar with caps."""
    return element("path", {"class": style, "d": f"M{x1:.2f} {y:.2f}H{x2:.2f}M{x1:.2f} {y - 3:.2f}v6M{x2:.2f} {y - 3:.2f}v6"})


def bar_y(x: float, y1: float, y2: float, style: str) -> Markup:
    """A vertical error bar with caps."""
    return element("path", {"class": style, "d": f"M{x:.2f} {y1:.2f}V{y2:.2f}M{x - 3:.2f} {y1:.2f}h6M{x - 3:.2f} {y2:.2f}h6"})


def line(points: Sequence[tuple[float, float]], style: str) -> Markup:
    """A polyline through pixel positions."""
    return element("polyline", {"class": style, "points": " ".join(f"{x:.2f},{y:.2f}" for x, y in points)})


def steps(points: Sequence[tuple[float, float]], style: str) -> Markup:
    """A staircase through pixel positions sorted by x: horizontal first, then vertical."""
    path = f"M{points[0][0]:.2f} {points[0][1]:.2f}" + "".join(f"H{x:.2f}V{y:.2f}" for x, y in points[1:]) if points else ""
    return element("path", {"class": style, "d": path})


def callout(plot: Plot, x: float, y: float, label: str) -> Markup:
    """A label beside a pixel position, placed where it stays inside the frame."""
    width = CHARACTER * len(label)
    right = x + 14 + width < plot.right
    above = y - 14 > plot.top + 12
    dx, dy = (12 if right else -12), (-12 if above else 20)
    length = hypot(dx, dy)
    start = x + dx / length * 7, y + dy / length * 7
    anchor = "start" if right else "end"
    return element(
        "g",
        {},
        element("line", {"class": "leader", "x1": start[0], "y1": start[1], "x2": x + dx, "y2": y + dy}),
        element(
            "text", {"class": "callout", "x": x + dx + (3 if right else -3), "y": y + dy + (0 if above else 8), "text-anchor": anchor}, text(label)
        ),
    )


__all__ = ["Axis", "Entry", "Plot", "bar_x", "bar_y", "callout", "circle", "diamond", "figure", "join", "line", "square", "steps", "titled"]
