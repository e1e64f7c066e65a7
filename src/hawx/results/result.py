"""Result: everything one exploration found, as values. `hawx.store` has one that can save itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hawx.accelerators.devices import WORDS
from hawx.designs.design import Design
from hawx.errors import GoalError
from hawx.networks import QuantizedNetwork
from hawx.score.scores import Scores

SCHEMA = "hawx.result/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Accuracy without approximation, in percent, on the report images."""

    float_top1: float | None
    int8_top1: float
    search_int8_top1: float
    """The same on the search images, the reference of every drop seen by the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What the exploration cost. An evaluation is one bit-exact run of one design over the search images."""

    evaluations: int
    evaluation_equivalents: float
    """All other work (profiling, scoring, prediction, search) divided by the wall time of one evaluation."""
    wall_s: float
    stages: Mapping[str, float]
    """Stage name -> seconds, in the order they ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """How the accuracy estimates, made before measuring, compare with the measurements. None where too few designs."""

    designs: int
    spearman: float | None
    mean_absolute_error: float | None
    """Points of top-1."""
    within_two_sigma: float | None
    """Share of measurements within two sigma of their estimate; about 0.95 when sigma is honest."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Networks:
    """What the designs of a result run on: a network with the constants that suit each block (see hawx.recover)."""

    shared: QuantizedNetwork
    own: Mapping[str, QuantizedNetwork] = field(default_factory=dict)
    """By `Design.id`, for designs that were recovered as a whole."""

    def of(self, design: Design) -> QuantizedNetwork:
        return self.own.get(design.id, self.shared)


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """The outcome of `hawx.explore`."""

    network: Mapping[str, Any]
    """`name`, `layers` (list of layer facts), `classes`, `macs`."""
    granularity: str
    accelerator: Mapping[str, Any]
    """`name` and parameters."""
    library: Mapping[str, Any]
    """`name`, `technology`, `blocks` (list of name, sha256, is_exact, costs, MAE)."""
    objectives: tuple[str, ...]
    """Hardware fields that the front minimizes together with the loss of top-1."""
    space_log10: float
    baseline: Baseline
    front: tuple[Design, ...]
    """Non-dominated among the measured designs, most accurate first; every one measured on the report images."""
    evaluated: tuple[Design, ...]
    """Every design measured in the search, in order, with the estimate it had before."""
    scores: Scores
    validation: Validation
    effort: Effort
    seed: int
    searcher: str
    max_drop: float | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    networks: Networks | None = None
    """None where only the figures are known."""
    hypervolume: tuple[tuple[int, float, float], ...] = ()
    """(evaluations, wall seconds, hypervolume of the measured front so far), one entry per evaluation."""

    def drop(self, design: Design) -> float:
        """Return the points of top-1 lost against int8: on the report images if measured there, else on the search images."""
        if design.measurement is not None:
            return self.baseline.int8_top1 - design.measurement.top1
        if design.search is not None:
            return self.baseline.search_int8_top1 - design.search.top1
        raise ValueError(f"design {design.id} was never measured")

    def drop_interval(self, design: Design) -> tuple[float, float]:
        """Return the 95 % interval of `drop`: paired, over the same images; for runs that did not keep which answers changed, that of the level."""
        seen = design.measurement or design.search
        if seen is None:
            raise ValueError(f"design {design.id} was never measured")
        if seen.drop_interval is not None:
            return seen.drop_interval
        base = self.baseline.int8_top1 if design.measurement is not None else self.baseline.search_int8_top1
        return base - seen.interval[1], base - seen.interval[0]

    def claimed_drop(self, design: Design) -> float:
        """Return the points of top-1 that a design is expected to lose on images that nobody has seen, by all that chose it.

        The report images have no say: a design that they picked would be flattered by what they report. Runs before claims existed are judged by
        the drop on the search images.
        """
        chosen_by = design.claim or design.search
        return self.drop(design) if chosen_by is None else self.baseline.search_int8_top1 - chosen_by.top1

    def misfit(self) -> str | None:
        """Return by how much the front's designs exceed the device, in words, or None where one fits or no device is named."""
        if any(design.hardware.fits for design in self.front) or not self.front:
            return None
        nearest = min(self.front, key=lambda design: design.hardware.excess)
        shares = nearest.hardware.device_shares or {}
        over = [
            f"{100 * share:.0f} % of its {WORDS[name]} ({getattr(nearest.hardware, name):,.0f})".replace(",", "\u202f")
            for name, share in shares.items()
            if share > 1
        ]
        return (
            f"no design fits device {self.accelerator.get('device')!r}: the nearest, {nearest.id}, takes {' and '.join(over)}. "
            "Name a larger device, fewer multipliers (or luts, rows, columns) in the accelerator, or put exact ones into DSP blocks (dsp = true)."
        )

    def best(self, max_drop: float, objective: str | None = None) -> Design:
        """Return the front's design of least `objective` (the first objective by default) that claims to lose at most `max_drop` points and fits the
        device; of equals, the one that claims least.

        Raises:
            GoalError: none does; the message says what the closest design claims, and what it measured.
        """
        keys = ([objective] if objective else []) + list(self.objectives)
        fitting = [d for d in self.front if d.hardware.fits]
        if not fitting:
            raise GoalError(self.misfit() or "no design was measured.")
        allowed = [d for d in fitting if self.claimed_drop(d) <= max_drop]
        if not allowed:
            closest = min(fitting, key=self.claimed_drop)
            raise GoalError(
                f"no design is expected to lose at most {max_drop:g} points of top-1; "
                f"the closest, {closest.id}, loses {self.drop(closest):.2f} points "
                f"at {100 * closest.mult_power_ratio:.1f} % multiplier power. Allow a larger --max-drop, a finer --granularity or a larger --budget."
            )
        costs = {d.id: [float(getattr(d.hardware, key)) for key in keys] for d in allowed}
        return min(allowed, key=lambda d: (costs[d.id][0], self.claimed_drop(d), *costs[d.id][1:]))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values: the contract of `result.json`."""
        return {
            "schema": SCHEMA,
            "network": dict(self.network),
            "granularity": self.granularity,
            "accelerator": dict(self.accelerator),
            "library": dict(self.library),
            "objectives": list(self.objectives),
            "space_log10": self.space_log10,
            "baseline": {
                "float_top1": self.baseline.float_top1,
                "int8_top1": self.baseline.int8_top1,
                "search_int8_top1": self.baseline.search_int8_top1,
            },
            "front": [d.to_dict() for d in self.front],
            "evaluated": [d.to_dict() for d in self.evaluated],
            "scores": {"images": self.scores.images},
            "validation": {
                "designs": self.validation.designs,
                "spearman": self.validation.spearman,
                "mean_absolute_error": self.validation.mean_absolute_error,
                "within_two_sigma": self.validation.within_two_sigma,
            },
            "cost": {
                "evaluations": self.effort.evaluations,
                "evaluation_equivalents": self.effort.evaluation_equivalents,
                "wall_s": self.effort.wall_s,
                "stages": dict(self.effort.stages),
            },
            "hypervolume": [list(entry) for entry in self.hypervolume],
            "seed": self.seed,
            "searcher": self.searcher,
            "max_drop": self.max_drop,
            "settings": dict(self.settings),
            "versions": dict(self.versions),
        }
