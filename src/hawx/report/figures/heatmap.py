"""Heat maps of scores: layer × block, and strips of filters × blocks within a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

from hawx.report.markup import Markup, element, text, titled
from hawx.report.plot import CHARACTER, figure
from hawx.score.scores import Scores

Values = NDArray[np.float64]


def draw_scores(values: Values, layers: Sequence[str], blocks: Sequence[str], *, title: str, unit: str, show: Callable[[float], str]) -> Markup:
    """Return a heat map of `values`, shape (layers, blocks); deeper color is larger magnitude, the sign picks the color (warm > 0).

    Color grows with the square root, so that the small scores that matter for a choice can be told apart.
    """
    left = 18 + CHARACTER * max(len(_short(name, 26)) for name in layers)
    cell_w = min(74.0, max(40.0, (1080 - left) / len(blocks)))
    cell_h = 26.0 if len(layers) <= 30 else 15.0
    top = 20 + 0.75 * CHARACTER * max(len(name) for name in blocks)
    peak = _peak(values)
    marks: list[Markup] = []
    for b, block in enumerate(blocks):
        x = left + (b + 0.5) * cell_w
        turned: dict[str, str | float] = {"class": "name", "x": x, "y": top - 8, "transform": f"rotate(-42 {x:.1f} {top - 8:.1f})"}
        marks.append(element("text", turned, text(block)))
    for i, layer in enumerate(layers):
        y = top + i * cell_h
        marks.append(element("text", {"class": "name", "x": left - 8, "y": y + cell_h / 2 + 4, "text-anchor": "end"}, text(_short(layer, 26))))
        for b, block in enumerate(blocks):
            marks.append(
                _cell(left + b * cell_w, y, cell_w, cell_h, float(values[i, b]), peak, f"{layer}, {block}", unit, show if cell_h > 20 else None)
            )
    width = left + cell_w * len(blocks) + 18 + 0.7 * CHARACTER * len(blocks[-1])
    return figure(width, top + cell_h * len(layers) + 10, marks, title=title)


def draw_filter_scores(scores: Scores, layer: int, *, block_rows: Sequence[int], title: str) -> Markup:
    """Return the strips of one layer: a row per block, a cell per filter, color = predicted change of the margin.

    Warm cells lower the margin (the filter suffers), cool cells raise it.
    """
    values = -scores.filter_margin[layer][:, list(block_rows)]
    filters, rows = values.shape
    left = 18 + CHARACTER * max(len(scores.blocks[b]) for b in block_rows)
    cell_w = min(22.0, 1050 / filters)
    cell_h, top, peak = 17.0, 8.0, _peak(values)
    marks: list[Markup] = []
    for row, block in enumerate(block_rows):
        y = top + row * (cell_h + 2)
        marks.append(element("text", {"class": "name", "x": left - 8, "y": y + cell_h / 2 + 4, "text-anchor": "end"}, text(scores.blocks[block])))
        for f in range(filters):
            marks.append(
                _cell(left + f * cell_w, y, cell_w, cell_h, float(values[f, row]), peak, f"filter {f}, {scores.blocks[block]}", "margin lost", None)
            )
    bottom = top + rows * (cell_h + 2)
    step = max(1, 10 ** max(0, len(str(filters // 8)) - 1) * (5 if filters > 60 else 1))
    for f in range(0, filters, step):
        if cell_w * step >= 18 or f % (2 * step) == 0:
            marks.append(element("text", {"class": "small", "x": left + (f + 0.5) * cell_w, "y": bottom + 11, "text-anchor": "middle"}, text(f)))
    return figure(left + filters * cell_w + 12, bottom + 18, marks, title=title)


def _peak(values: Values) -> float:
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if finite.size and finite.max() > 0 else 1.0


def _cell(
    x: float, y: float, width: float, height: float, value: float, peak: float, what: str, unit: str, show: Callable[[float], str] | None
) -> Markup:
    gap = 1.0 if width > 6 else 0.0
    shade = min(1.0, sqrt(abs(value) / peak)) if isfinite(value) else 0.0
    box: dict[str, str | float] = {"x": x, "y": y, "width": width - gap, "height": height - gap}
    back = element("rect", {**box, "class": "frame" if gap else "empty"})
    fill = element("rect", {**box, "class": "heat" if value > 0 else "cool", "fill-opacity": round(0.92 * shade, 3)})
    parts = [back, fill]
    if show is not None:
        # Zero is written as such: a cell of "0.00" would hide whether the score is small or none.
        label = "0" if value == 0 else show(value)
        parts.append(element("text", {"class": "cell", "x": x + width / 2, "y": y + height / 2 + 4}, text(label)))
    return titled(element("g", {}, *parts), f"{what}: {value:.4g} {unit}")


def _short(name: str, length: int) -> str:
    return name if len(name) <= length else "…" + name[-(length - 1) :]
