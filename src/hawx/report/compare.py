"""Several runs side by side, on one common yardstick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hawx.errors import InputError
from hawx.pareto import hypervolume
from hawx.report.figures import Growth, draw_fronts, draw_hypervolume
from hawx.report.markup import Markup, element, join, text
from hawx.report.page import document, space_size
from hawx.report.sections import Section, panel
from hawx.report.tables import table
from hawx.results.quantities import quantity, seconds
from hawx.results.recommendation import exact_design, recommend
from hawx.results.result import Result

REFERENCE_DROP = 10.0
"""Points of top-1 lost at which a design is worth nothing, where no run states a goal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run on the common yardstick."""

    label: str
    result: Result
    growth: tuple[tuple[int, float, float], ...]
    """(evaluations, wall seconds, hypervolume of the front measured so far)."""

    @property
    def volume(self) -> float:
        return self.growth[-1][2] if self.growth else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Runs, their common objectives, and what a reader must know before believing the numbers."""

    runs: tuple[Run, ...]
    objectives: tuple[str, ...]
    reference_drop: float
    notes: tuple[str, ...]

    @property
    def head(self) -> tuple[str, ...]:
        return ("run", "network", "level", "searcher", "seed", "evaluations", "wall", "hypervolume", "of the\nbest", "points\nlost", "mult.\npower %")

    @property
    def rows(self) -> list[list[str]]:
        """One row per run; the last two cells are of the design that the run puts forward."""
        best = max(run.volume for run in self.runs) or 1.0
        made = []
        for run in self.runs:
            r, recommended = run.result, recommend(run.result)
            chosen = [f"{r.drop(recommended.design):.2f}", f"{100 * recommended.design.mult_power_ratio:.1f}"] if recommended else ["–", "–"]
            facts = [run.label, str(r.network.get("name")), r.granularity, r.searcher, str(r.seed), str(r.effort.evaluations)]
            made.append([*facts, seconds(r.effort.wall_s), f"{run.volume:.4f}", f"{100 * run.volume / best:.1f} %", *chosen])
        return made

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "objectives": list(self.objectives),
            "reference_drop": self.reference_drop,
            "notes": list(self.notes),
            "runs": [
                {
                    "run": run.label,
                    "network": run.result.network.get("name"),
                    "granularity": run.result.granularity,
                    "searcher": run.result.searcher,
                    "seed": run.result.seed,
                    "evaluations": run.result.effort.evaluations,
                    "evaluation_equivalents": run.result.effort.evaluation_equivalents,
                    "wall_s": run.result.effort.wall_s,
                    "space_log10": run.result.space_log10,
                    "hypervolume": run.volume,
                    "growth": [list(entry) for entry in run.growth],
                }
                for run in self.runs
            ],
        }


def compare(runs: Sequence[tuple[str, Result]]) -> Comparison:
    """Return the runs on a common yardstick: shared objectives relative to the exact design, one reference drop, search images.

    Raises:
        InputError: the runs share no objective, or one never measured the exact design.
    """
    shared = tuple(o for o in runs[0][1].objectives if all(o in result.objectives for _, result in runs))
    if not shared:
        each = "; ".join(f"{label}: {', '.join(result.objectives)}" for label, result in runs)
        raise InputError(
            f"the runs share no hardware objective ({each}); expected at least one. Run one of them again with the other's --objectives."
        )
    goals = [2.0 * result.max_drop for _, result in runs if result.max_drop]
    reference = max(goals) if goals else REFERENCE_DROP
    measured = tuple(Run(label=label, result=result, growth=_growth(label, result, shared, reference)) for label, result in runs)
    return Comparison(runs=measured, objectives=shared, reference_drop=reference, notes=_notes(measured, shared, reference))


def _growth(label: str, result: Result, objectives: tuple[str, ...], reference: float) -> tuple[tuple[int, float, float], ...]:
    points = relative_points(label, result, objectives, reference)
    walls = {n: wall for n, wall, _ in result.hypervolume}
    ones = np.ones(1 + len(objectives))
    return tuple((n, walls.get(n, float("nan")), hypervolume(points[:n], ones)) for n in range(1, len(points) + 1))


def relative_points(label: str, result: Result, objectives: tuple[str, ...], reference: float) -> NDArray[np.float64]:
    """Return measured designs as points to minimize, (designs, 1 + objectives): share of the reference drop, share of all-exact costs."""
    exact = exact_design(result)
    if exact is None:
        raise InputError(f"run {label!r} never measured the all-exact design; expected it as the common reference. Run it again.")
    base = np.array([float(getattr(exact.hardware, o)) for o in objectives])
    rows = [
        [(result.baseline.search_int8_top1 - d.search.top1) / reference, *(float(getattr(d.hardware, o)) for o in objectives)]
        for d in result.evaluated
        if d.search is not None
    ]
    points = np.array(rows, dtype=np.float64).reshape(len(rows), 1 + len(objectives))
    points[:, 1:] /= base
    return points


def _notes(runs: Sequence[Run], objectives: tuple[str, ...], reference: float) -> tuple[str, ...]:
    names = ", ".join(quantity(o).label.lower() for o in objectives)
    notes = [
        f"Hypervolume over top-1 lost (worth nothing at {reference:g} points) and {names}, relative to all-exact; search images; larger is better."
    ]

    def differs(what: str, values: Sequence[object]) -> None:
        if len({repr(v) for v in values}) > 1:
            notes.append(f"The runs differ in {what}: read the comparison with that in mind.")

    differs("the network", [run.result.network.get("name") for run in runs])
    differs("the accelerator", [dict(run.result.accelerator) for run in runs])
    differs("the library", [[b["sha256"] for b in run.result.library.get("blocks", [])] for run in runs])
    differs("the number of search images", [d.search.images for run in runs for d in run.result.evaluated[:1] if d.search])
    return tuple(notes)


def comparison_html(comparison: Comparison) -> Markup:
    """Return the comparison as one self-contained HTML page."""
    runs = comparison.runs
    fronts = [
        panel(draw_fronts([(run.label, run.result) for run in runs], field), heading=f"Accuracy against {quantity(field).label.lower()}")
        for field in comparison.objectives
    ]
    over_count = [Growth(run.label, tuple((float(n), v) for n, _, v in run.growth)) for run in runs]
    over_time = [Growth(run.label, tuple((wall, v) for _, wall, v in run.growth if wall == wall)) for run in runs]
    progress = [
        panel(draw_hypervolume(over_count, label="Evaluations"), heading="Hypervolume over evaluations"),
        panel(draw_hypervolume(over_time, label="Wall clock of the search (s)"), heading="Hypervolume over wall clock"),
    ]
    head = [text(h.replace("\n", " ")) for h in comparison.head]
    rows = [[text(cell) for cell in row] for row in comparison.rows]
    notes = [element("p", {}, text(note)) for note in comparison.notes]
    parts = [
        Section("table", "Runs", join([element("div", {"class": "panel"}, table(head, rows, left=4)), *notes])),
        Section("fronts", "Fronts, measured on the report images", element("div", {"class": "grid2"}, *fronts)),
        Section("progress", "Search progress", element("div", {"class": "grid2"}, *progress)),
    ]
    lead = "; ".join(f"{run.label}: {len(run.result.front)} designs out of {space_size(run.result.space_log10)}" for run in runs)
    return document("HAWX: comparison", f"{len(runs)} runs compared", lead, parts)
