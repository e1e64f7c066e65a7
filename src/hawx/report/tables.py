"""Tables of a report as HTML."""

from __future__ import annotations

from collections.abc import Sequence

from hawx.accelerators.devices import RESOURCES, WORDS
from hawx.designs.design import Design
from hawx.report.markup import Markup, element, join, text
from hawx.results.front import Rival, ordered, rivals
from hawx.results.quantities import hardware_fields, quantity, significant
from hawx.results.result import Result

MEASURED = element("span", {"class": "tag measured"}, text("measured"))
_METRICS = (("mae", "MAE", 1.0), ("wce", "WCE", 1.0), ("mre", "MRE %", 100.0), ("ep", "EP %", 100.0), ("bias", "Bias", 1.0))
_COSTS = (("area_um2", "Area µm²"), ("energy_fj", "Energy fJ"), ("delay_ns", "Delay ns"), ("luts", "LUTs"))
_STANDINGS = {
    " †": "† Dominated: another design of the front is no dearer in any objective, and loses less than this one's interval.",
    " ~": "~ Another design of the front is no dearer in any objective and came out at least as accurate, by less than the interval.",
}
ESTIMATED = element("span", {"class": "tag estimate"}, text("estimate"))


def table(head: Sequence[Markup], rows: Sequence[Sequence[Markup]], *, classes: Sequence[str] = (), left: int = 1) -> Markup:
    """Return a table; the first `left` columns are left-aligned, `classes` holds one class per row."""

    def row(cells: Sequence[Markup], kind: str, style: str) -> Markup:
        made = [element(kind, {"class": "l"} if i < left else {}, cell) for i, cell in enumerate(cells)]
        return element("tr", {"class": style} if style else {}, *made)

    styles = classes or [""] * len(rows)
    body = [row(cells, "td", style) for cells, style in zip(rows, styles, strict=True)]
    return element("div", {"class": "table"}, element("table", {}, element("thead", {}, row(head, "th", "")), element("tbody", {}, *body)))


def plus_minus(value: str, rest: str) -> Markup:
    return join([text(value + " "), element("span", {"class": "pm"}, text(rest))])


def front_table(result: Result, chosen: Design | None) -> Markup:
    """Return the front, least points lost first: accuracy measured on the report images, estimate beside it, hardware figures."""
    beaten, front, fields = rivals(result), ordered(result), hardware_fields(result.front)
    units = {f: quantity(f).unit([float(getattr(d.hardware, f)) for d in result.front]) for f in fields}
    device = result.accelerator.get("device")
    energy = any(d.hardware.mult_energy_ratio is not None for d in result.front)
    recovered = any(d.unrecovered is not None for d in result.front)
    head = [
        text("Design"),
        join([text("Top-1 % "), MEASURED]),
        text("Lost, points ↑"),
        text("Lost, as claimed"),
        *([text("Lost without recovery")] if recovered else []),
        join([text("Top-1 % "), ESTIMATED]),
        text("Multiplier power %"),
        *([text("Multiplier energy %")] if energy else []),
        *(text(f"{quantity(f).label}, {units[f][1]}") for f in fields),
        *(text(f"{WORDS[name]}, % of {device}") for name in (RESOURCES if device else ())),
    ]
    rows = []
    for design in front:
        seen = design.measurement
        low, high = result.drop_interval(design)
        ratio = design.hardware.mult_energy_ratio
        rows.append(
            [
                join([element("code", {}, text(design.id)), text(_standing(beaten.get(design.id)))]),
                text(f"{seen.top1:.2f}" if seen else "–"),
                plus_minus(f"{result.drop(design):z.2f}", f"[{low:z.2f}, {high:z.2f}]"),
                plus_minus(f"{result.claimed_drop(design):z.2f}", f"± {design.claim.sigma:.2f}") if design.claim else text("–"),
                *([text("–" if design.unrecovered is None else f"{design.unrecovered.drop:z.2f}")] if recovered else []),
                plus_minus(f"{design.estimate.top1:.2f}", f"± {design.estimate.sigma:.2f}") if design.estimate else text("–"),
                text(f"{100 * design.mult_power_ratio:.1f}"),
                *([text("–" if ratio is None else f"{100 * ratio:.1f}")] if energy else []),
                *(text(significant(float(getattr(design.hardware, f)) / units[f][0], 4)) for f in fields),
                *(text(_share(share)) for share in (design.hardware.device_shares or {}).values()),
            ]
        )
    classes = ["chosen" if chosen is not None and d.id == chosen.id else "behind" if d.id in beaten else "" for d in front]
    notes = [note for mark, note in _STANDINGS.items() if any(_standing(rival) == mark for rival in beaten.values())]
    return join([table(head, rows, classes=classes), *(element("p", {"class": "caption"}, text(note)) for note in notes)])


def _share(share: float) -> str:
    """Return a share of a device's resource in percent, marked where there is not enough of it."""
    return f"{100 * share:.1f}" + (" (does not fit)" if share > 1 else "")


def _standing(rival: Rival | None) -> str:
    """Return the mark of a design on whose rival the report images say something."""
    return "" if rival is None else " †" if rival.beyond else " ~"


def library_table(result: Result, used: frozenset[str]) -> Markup:
    """Return the library: error metrics under uniform operands and synthesized or published costs."""
    blocks = list(result.library.get("blocks", []))
    head = [text(label) for label in ("Block", "Used by the front", *(label for _, label, _ in _METRICS), *(label for _, label in _COSTS), "SHA-256")]
    rows = []
    for block in blocks:
        costs, errors = block.get("costs") or {}, block.get("errors") or {}
        rows.append(
            [
                text(block["name"] + (" (exact)" if block.get("is_exact") else "")),
                text("yes" if block["name"] in used else ""),
                *(text(significant(float(errors[key]) * factor) if key in errors else "–") for key, _, factor in _METRICS),
                *(text(significant(float(costs[key])) if costs.get(key) is not None else "–") for key, _ in _COSTS),
                element("code", {}, text(str(block.get("sha256", ""))[:10])),
            ]
        )
    origins = sorted({str(block["costs"]["origin"]) for block in blocks if block.get("costs") and block["costs"].get("origin")})
    caption = "Errors under uniform operands. " + ("Costs: " + "; ".join(origins) + "." if origins else "No costs known.")
    return join([table(head, rows), element("p", {"class": "caption"}, text(caption))])
