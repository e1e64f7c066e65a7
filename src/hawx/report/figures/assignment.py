"""One design as bars: which share of every layer's filters uses which block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hawx.designs.assignment import Assignment
from hawx.report.markup import Markup, element, text, titled
from hawx.report.plot import CHARACTER, Entry, figure

_RAMP = ("#3b4a6b", "#2f6fb7", "#1f9bb8", "#2fae87", "#7fb84a", "#c8b42f", "#e79a2d", "#e2662a", "#c43a3a", "#8f2a5b")


def block_colors(blocks: Sequence[str], energies: Mapping[str, float] | None = None) -> dict[str, str]:
    """Return a color per block, from dark blue (the most energy, or the first) to warm (the least, or the last)."""
    ordered = sorted(blocks, key=lambda name: -energies[name]) if energies else list(blocks)
    last = max(1, len(ordered) - 1)
    return {name: _mix(i / last * (len(_RAMP) - 1)) for i, name in enumerate(ordered)}


def draw_assignment(assignment: Assignment, *, macs: Mapping[str, int], colors: Mapping[str, str], title: str) -> Markup:
    """Return a bar per layer, divided by the blocks of its filters; at the right, the layer's share of all multiplications."""
    names = [name if len(name) <= 28 else "…" + name[-27:] for name in assignment.layers]
    left, bar, right = 18 + CHARACTER * max(map(len, names)), 640.0, 110.0
    height = 24.0 if len(names) <= 40 else 14.0
    used = [b for b in range(len(assignment.blocks)) if assignment.counts[:, b].any()]
    legend, top = _legend([assignment.blocks[b] for b in used], colors, left + bar + right)
    total = max(1, sum(macs.get(name, 0) for name in assignment.layers))
    marks = [legend]
    for i, layer in enumerate(assignment.layers):
        y = top + i * height
        marks.append(element("text", {"class": "name", "x": left - 8, "y": y + height / 2 + 4, "text-anchor": "end"}, text(names[i])))
        filters, x = int(assignment.counts[i].sum()), left
        for b in used:
            count = int(assignment.counts[i, b])
            if count == 0:
                continue
            block, width = assignment.blocks[b], bar * count / filters
            part = element("rect", {"x": x, "y": y + 2, "width": width, "height": height - 4, "fill": colors[block]})
            marks.append(titled(part, f"{layer}: {block} on {count} of {filters} filters"))
            label = block if count == filters else f"{block} · {count}"
            if height > 20 and width > CHARACTER * len(label) + 12:
                marks.append(element("text", {"x": x + 8, "y": y + height / 2 + 4, "style": "fill:#fff;font-weight:600"}, text(label)))
            x += width
        share = 100 * macs.get(layer, 0) / total
        marks.append(element("text", {"class": "tick", "x": left + bar + 10, "y": y + height / 2 + 4}, text(f"{share:.1f} % of MACs")))
    return figure(left + bar + right, top + len(names) * height + 6, marks, title=title)


def _legend(blocks: Sequence[str], colors: Mapping[str, str], width: float) -> tuple[Markup, float]:
    x, y, parts = 12.0, 16.0, []
    for block in blocks:
        entry = Entry(element("rect", {"x": x, "y": y - 10, "width": 13.0, "height": 13.0, "rx": 3.0, "fill": colors[block]}), block)
        needed = 20 + CHARACTER * len(block) + 16
        if x > 12 and x + needed > width:
            x, y = 12.0, y + 20
            entry = Entry(element("rect", {"x": x, "y": y - 10, "width": 13.0, "height": 13.0, "rx": 3.0, "fill": colors[block]}), block)
        parts += [entry.sample, element("text", {"class": "legend", "x": x + 19, "y": y}, text(block))]
        x += needed
    return element("g", {}, *parts), y + 16


def _mix(position: float) -> str:
    i = min(int(position), len(_RAMP) - 2)
    part = position - i
    low, high = (tuple(int(color[k : k + 2], 16) for k in (1, 3, 5)) for color in (_RAMP[i], _RAMP[i + 1]))
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in zip(low, high, strict=True))
