"""The figures of a result by file name, for papers and slides."""

from __future__ import annotations

from hawx.report.figures import Growth, draw_assignment, draw_filter_scores, draw_front, draw_hypervolume, draw_scores, draw_validation
from hawx.report.figures.assignment import block_colors
from hawx.report.markup import Markup
from hawx.results.quantities import significant
from hawx.results.recommendation import recommend
from hawx.results.result import Result


def energies(result: Result) -> dict[str, float] | None:
    """Return the energy of every block in femtojoule, None where a block has none."""
    found = {block["name"]: (block.get("costs") or {}).get("energy_fj") for block in result.library.get("blocks", [])}
    return None if any(v is None for v in found.values()) else {name: float(v) for name, v in found.items() if v is not None}


def growths(result: Result, label: str) -> tuple[Growth, Growth]:
    """Return the hypervolume of a run over evaluations and over wall clock."""
    by_count = Growth(label, tuple((float(n), volume) for n, _, volume in result.hypervolume))
    return by_count, Growth(label, tuple((wall, volume) for _, wall, volume in result.hypervolume))


def assignment_figure(result: Result, *, title: str) -> Markup | None:
    """Return the bars of the chosen design, None where nothing was measured."""
    recommended = recommend(result)
    if recommended is None:
        return None
    macs = {layer["name"]: int(layer.get("macs", 0)) for layer in result.network.get("layers", [])}
    assignment = recommended.design.assignment
    return draw_assignment(assignment, macs=macs, colors=block_colors(assignment.blocks, energies(result)), title=title)


def layer_figure(result: Result) -> Markup:
    """Return the heat map of the measured layer scores."""
    s = result.scores
    return draw_scores(
        s.layer_drop, s.layers, s.blocks, title="Top-1 lost per layer and block", unit="points of top-1 lost", show=lambda v: f"{v:z.2f}"
    )


def operator_figure(result: Result) -> Markup:
    """Return the heat map of the operator scores."""
    s = result.scores
    title = "Standard deviation of the product error"
    return draw_scores(s.operator_std, s.layers, s.blocks, title=title, unit="(product units)", show=significant)


def gallery(result: Result) -> dict[str, Markup]:
    """Return every figure of the report, file name without ending -> SVG without style sheet."""
    recommended = recommend(result)
    chosen = recommended.design if recommended else None
    found: dict[str, Markup] = {}
    if result.front:
        for field in dict.fromkeys((*result.objectives, "mult_power_ratio")):
            found[f"front-{field.replace('_', '-')}"] = draw_front(result, field, chosen=chosen)
    bars = assignment_figure(result, title="Blocks of the chosen design")
    if bars is not None:
        found["design"] = bars
    found["scores-layer"] = layer_figure(result)
    found["scores-operator"] = operator_figure(result)
    for i, layer in enumerate(result.scores.layers if result.scores.filter_margin else ()):
        if not result.scores.filter_margin[i].size:  # a layer that may not be approximated
            continue
        rows = list(range(len(result.scores.blocks)))
        name = "".join(c if c.isalnum() or c in "-_." else "-" for c in layer)[:80]
        found[f"scores-filters-{i:03d}-{name}"] = draw_filter_scores(result.scores, i, block_rows=rows, title=f"Filters of {layer}")
    if any(d.estimate is not None and d.search is not None for d in result.evaluated):
        found["validation"] = draw_validation(result)
    if len(result.hypervolume) > 1:
        by_count, by_time = growths(result, result.searcher)
        found["hypervolume-evaluations"] = draw_hypervolume([by_count], label="Evaluations")
        found["hypervolume-wall-clock"] = draw_hypervolume([by_time], label="Wall clock (s)")
    return found
