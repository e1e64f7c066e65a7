"""The sections of a report, in reading order: headline, front, chosen design, scores, trust, library, provenance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hawx.report.figures import draw_filter_scores, draw_front, draw_hypervolume, draw_validation
from hawx.report.figures.front import beyond
from hawx.report.gallery import assignment_figure, growths, layer_figure, operator_figure
from hawx.report.markup import Markup, element, join, text
from hawx.report.provenance import provenance
from hawx.report.tables import front_table, library_table
from hawx.results.quantities import hardware_fields, quantity, seconds
from hawx.results.recommendation import Recommendation, blocks_of, exact_design, optimism_words, recovery_words
from hawx.results.result import Result


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page. Without a title it has no heading and no link."""

    anchor: str
    title: str
    body: Markup


def sections(result: Result, recommended: Recommendation | None) -> list[Section]:
    """Return every section that the result has something to say in."""
    makers: list[Callable[[Result, Recommendation | None], Section | None]] = [_headline, _front, _chosen, _scores, _filters, _trust, _library]
    made = [maker(result, recommended) for maker in makers]
    return [*(s for s in made if s is not None), Section("provenance", "Provenance", provenance(result))]


def panel(figure: Markup, *, heading: str = "", caption: str = "", least: int = 0) -> Markup:
    """Return a boxed figure. `least` is the width in pixels below which it scrolls instead of shrinking."""
    parts = [element("h3", {}, text(heading))] if heading else []
    box = element("div", {"class": "wide", "style": f"--least:{least}px"}, figure) if least else figure
    parts.append(box)
    if caption:
        parts.append(element("p", {"class": "caption"}, text(caption)))
    return element("div", {"class": "panel"}, *parts)


def card(what: str, value: str, unit: str, how: str, *, main: bool = False) -> Markup:
    """Return one headline number with where it comes from."""
    shown = element("div", {"class": "value"}, text(value), *([element("small", {}, text("\u202f" + unit))] if unit else []))
    parts = (element("div", {"class": "what"}, text(what)), shown, element("div", {"class": "how"}, text(how)))
    return element("div", {"class": "card main" if main else "card"}, *parts)


def _headline(result: Result, recommended: Recommendation | None) -> Section | None:
    cards, body = [], []
    if recommended is not None:
        design, exact = recommended.design, exact_design(result)
        if not recommended.met:
            goal = f"The goal is not met: no design loses at most {result.max_drop:g} points of top-1." if result.max_drop is not None else ""
            said = result.misfit() or goal
            body.append(element("p", {"class": "warn"}, text(f"{said[:1].upper()}{said[1:]} Below is the closest.")))
        seen = design.measurement or design.search
        low, high = seen.interval if seen else (float("nan"), float("nan"))
        least, most = result.drop_interval(design) if seen else (float("nan"), float("nan"))
        images = f"{seen.images:,}".replace(",", "\u202f") if seen else "no"
        top1 = f"{seen.top1:.2f}" if seen else "–"
        cards.append(card("Top-1 of the chosen design", top1, "%", f"measured on {images} images, 95 %: {low:.2f} to {high:.2f}", main=True))
        cards.append(
            card(
                "Lost against int8",
                f"{result.drop(design):z.2f}",
                "points",
                f"95 %, paired: {least:z.2f} to {most:z.2f}; int8 {result.baseline.int8_top1:.2f} %, measured" + _float(result),
            )
        )
        cards.append(card("Multiplier power", f"{100 * design.mult_power_ratio:.1f}", "%", "of the all-exact design, weighted by MACs"))
        for field in hardware_fields([design]):
            if field == "power_uw" and len(cards) >= 6:
                continue
            value, shown = float(getattr(design.hardware, field)), quantity(field)
            number, _, unit = shown.show(value).partition("\u202f") if "\u202f" in shown.show(value) else (shown.show(value), "", "")
            base = float(getattr(exact.hardware, field)) if exact else 0.0
            cards.append(
                card(shown.label, number, unit, f"{100 * value / base:.1f} % of all-exact, by cost law" if base else "by the accelerator's cost law")
            )
    cards.append(
        card(
            "Evaluations",
            f"{result.effort.evaluations}",
            "",
            f"+ {result.effort.evaluation_equivalents:.1f} equivalents of other work, {seconds(result.effort.wall_s)} in all",
        )
    )
    return Section("headline", "", join([*body, element("div", {"class": "cards"}, *cards)]))


def _float(result: Result) -> str:
    return "" if result.baseline.float_top1 is None else f"; float {result.baseline.float_top1:.2f} %"


def _front(result: Result, recommended: Recommendation | None) -> Section | None:
    if not result.front:
        return None
    chosen = recommended.design if recommended else None
    fields = [*result.objectives, *(["mult_power_ratio"] if "mult_power_ratio" not in result.objectives else [])]
    figures = [panel(draw_front(result, field, chosen=chosen), heading=f"Accuracy against {quantity(field).label.lower()}") for field in fields]
    outside = beyond(result)
    words = (
        "Nothing measured is both more accurate and cheaper in every objective than a design of the front. "
        "All accuracies quoted are of report images that no search ever saw."
    )
    reading = [
        "Filled marks are bit-exact measurements on the report images, with 95\u00a0% paired intervals; "
        "small grey marks are measurements on the search images, made during the search.",
        "Diamonds are what was estimated of a front design before it was measured, with one sigma.",
        "The front was chosen on the search images. On the report images one of its designs may come out behind another; "
        "choosing again there would bias what is reported.",
    ]
    won = recovery_words(result)
    if won:
        reading.append("Hollow marks are the same designs without recovery, as far as the axis reaches. " + won)
    if len(result.objectives) > 1:
        reading.append("A front over several objectives is no staircase in each: the line joins the best so far along the axis shown.")
    if outside:
        reading.append(f"{outside} measured designs lose more than the axes show.")
    figures.append(
        element("div", {"class": "panel"}, element("h3", {}, text("How to read these figures")), *(element("p", {}, text(line)) for line in reading))
    )
    parts = [
        element("p", {}, text(words)),
        element("div", {"class": "grid2"}, *figures),
        element("div", {"class": "panel"}, front_table(result, chosen)),
    ]
    return Section("front", "The front", join(parts))


def _chosen(result: Result, recommended: Recommendation | None) -> Section | None:
    if recommended is None:
        return None
    design = recommended.design
    drawn = assignment_figure(result, title=f"Blocks of design {design.id}")
    assert drawn is not None
    caption = (
        "Each bar is one layer, divided by the share of its filters that use a block; "
        "blocks are colored from the most energy (dark blue) to the least (warm)."
    )
    words = element("p", {}, text("Design "), element("code", {}, text(design.id)), text(f": {recommended.reason}."))
    return Section("design", "The chosen design", join([words, panel(drawn, caption=caption, least=720)]))


def _scores(result: Result, recommended: Recommendation | None) -> Section | None:
    scores = result.scores
    if not scores.layers or not scores.blocks:
        return None
    least = min(980, 200 + 58 * len(scores.blocks))
    first = panel(
        layer_figure(result),
        heading="Layer score: points of top-1 lost when one layer alone uses one block",
        caption=f"Measured bit-exactly on {scores.images} scoring images. Color grows with the square root; cool cells gain accuracy.",
        least=least,
    )
    second = panel(
        operator_figure(result),
        heading="Operator score: standard deviation of the product's error under each layer's own operands",
        caption="Computed from the joint operand histogram of each layer (Trommer et al. 2022, arXiv 2208.07265).",
        least=least,
    )
    return Section(
        "scores", "Scores", join([element("p", {}, text("How much each layer suffers from each block, before any search.")), first, second])
    )


def _filters(result: Result, recommended: Recommendation | None) -> Section | None:
    scores = result.scores
    if not scores.filter_margin:
        return None
    size = [float(np.nan_to_num(np.abs(m)).max()) if m.size else 0.0 for m in scores.filter_margin]
    scored = [i for i, margin in enumerate(scores.filter_margin) if margin.size]
    shown = sorted(sorted(scored, key=lambda i: -size[i])[:8])
    approximate = [b for b in range(len(scores.blocks)) if np.any(scores.operator_std[:, b] > 0)][:16]
    figures = [
        panel(
            draw_filter_scores(scores, i, block_rows=approximate, title=f"Filters of {scores.layers[i]}"),
            heading=f"{scores.layers[i]}: {scores.filter_margin[i].shape[0]} filters",
            least=min(900, 150 + 8 * scores.filter_margin[i].shape[0]),
        )
        for i in shown
    ]
    words = (
        "Predicted change of the classification margin when one filter alone uses a block: warm cells lose margin, cool cells gain. "
        "Each layer has its own color scale."
    )
    if len(shown) < len(scored):
        words += f" The {len(shown)} most sensitive of {len(scored)} layers are drawn; scores.csv holds all."
    return Section("filters", "Filter scores", join([element("p", {}, text(words)), *figures]))


def _trust(result: Result, recommended: Recommendation | None) -> Section | None:
    v = result.validation
    parts = []
    if v.designs:
        said = [f"{v.designs} designs had an estimate before they were measured"]
        said += [f"rank correlation (Spearman) {v.spearman:.3f}"] if v.spearman is not None else []
        said += [f"mean absolute error {v.mean_absolute_error:.2f} points"] if v.mean_absolute_error is not None else []
        said += (
            [f"{100 * v.within_two_sigma:.0f} % of measurements within two sigma (95 % when sigma is honest)"]
            if v.within_two_sigma is not None
            else []
        )
        parts.append(element("p", {}, text("; ".join(said) + ".")))
    flattered = optimism_words(result)
    if flattered:
        parts.append(element("p", {}, text(flattered)))
    figures = []
    drops = [result.baseline.search_int8_top1 - d.search.top1 for d in result.evaluated if d.estimate is not None and d.search is not None]
    if drops:
        figures.append(panel(draw_validation(result), heading="Estimated against measured, all designs"))
        if 3 <= sum(drop <= 5.0 for drop in drops) < len(drops):
            figures.append(panel(draw_validation(result, within=5.0), heading="The same, within 5 points of int8"))
    if len(result.hypervolume) > 1:
        by_count, by_time = growths(result, result.searcher)
        figures.append(panel(draw_hypervolume([by_count], label="Evaluations"), heading="Search progress over evaluations"))
        figures.append(panel(draw_hypervolume([by_time], label="Wall clock (s)"), heading="Search progress over wall clock"))
    if not figures and not parts:
        return None
    return Section("trust", "Can the predictions be trusted?", join([*parts, element("div", {"class": "grid2"}, *figures)]))


def _library(result: Result, recommended: Recommendation | None) -> Section | None:
    blocks = result.library.get("blocks", [])
    if not blocks:
        return None
    used = frozenset(block for d in result.front for block in blocks_of(d))
    technology = result.library.get("technology")
    words = f"Library “{result.library.get('name', '')}”, {len(blocks)} blocks" + (f", costs in technology {technology}" if technology else "") + "."
    return Section("library", "Library", join([element("p", {}, text(words)), element("div", {"class": "panel"}, library_table(result, used))]))
