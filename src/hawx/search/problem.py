"""Problem: what a searcher sees. It proposes vectors of choices; measuring is counted, cached and bounded here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from hawx.accelerators import Accelerator, ArchitectureCosts, Device, fpga_of
from hawx.accelerators.devices import RESOURCES
from hawx.blocks import Costs
from hawx.designs import Assignment, Design, Hardware, SearchSpace
from hawx.designs.space import Choices
from hawx.errors import InputError
from hawx.estimates import Estimate, Measurement
from hawx.networks import Layer
from hawx.pareto import hypervolume, non_dominated
from hawx.predict import Prober
from hawx.progress import Progress, SilentProgress

OBJECTIVES = ("area_um2", "power_uw", "energy_uj", "latency_us", "mult_power_ratio", "luts")
"""Hardware fields that a search can minimize beside the loss of top-1. On an FPGA `area_um2` means `luts`."""

MISFIT = 4.0
"""How many times dearer a design is taken to be that does not fit the device: no saving makes up for that."""
OnMeasured = Callable[[Design], bool | None]
"""Called with every design as it is measured on the search images; True ends the search."""
Measure = Callable[[Sequence[Assignment]], Sequence[Measurement]]
"""Measures a batch of assignments on the search images, bit-exactly."""


class SearchEnded(Exception):  # noqa: N818  nothing failed
    """Leaves a searcher, whatever it is about to do, once `on_measured` has ended the search. What was measured is recorded."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Evaluated:
    """One measured design: its choices (units,), drop in points, and objectives relative to the all-exact design."""

    choices: Choices
    design: Design
    drop: float
    ratios: NDArray[np.float64]


@dataclass(eq=False, kw_only=True)
class Problem:
    """A space, the laws that cost it, and the one way to measure it.

    Searchers may read everything and call `hardware`, `ratios` and `measure`; they keep no measurements of their own.
    `measure` never measures a design twice and stops handing out measurements when `budget` is spent: look at `remaining`.
    """

    space: SearchSpace
    layers: Sequence[Layer]
    costs: Sequence[Costs]
    accelerator: Accelerator
    objectives: tuple[str, ...]
    measurer: Measure
    images: int
    """Number of search images."""
    baseline_correct: int
    """Correct answers of the all-exact design on them: the reference of every drop."""
    budget: int
    reference_drop: float
    """Points of drop at which a design is worth nothing: the corner of the hypervolume."""
    goal_drop: float | None = None
    """Points of drop that may be lost, where a goal was stated: what is left of the budget goes to the best design that keeps it."""
    energies: NDArray[np.float64] | None = None
    """(layers, blocks): fJ per multiplication under each layer's own operands, where known."""
    probe: Prober | None = None
    """Runs designs on some of the scoring images, where there are any (see hawx.predict.probe); not counted as measuring."""
    progress: Progress = field(default_factory=SilentProgress)
    on_measured: OnMeasured | None = None
    evaluated: list[Evaluated] = field(default_factory=list)
    history: list[tuple[int, float, float]] = field(default_factory=list)
    """(evaluations, seconds since the search began, hypervolume of the measured front)."""
    _known: dict[bytes, Evaluated] = field(default_factory=dict)
    _began: float = field(default_factory=perf_counter)

    def __post_init__(self) -> None:
        for name in self.objectives:
            if name not in OBJECTIVES:
                raise InputError(f"objective {name!r} is not a hardware figure; expected some of: {', '.join(OBJECTIVES)}.")
        if not self.objectives:
            raise InputError("a search needs at least one hardware objective; expected some of: " + ", ".join(OBJECTIVES) + ".")
        exact = self.hardware(self.space.exact_choices()[None])
        on_fpga = bool(np.isnan(exact.area_um2[0]))
        self.objectives = tuple(dict.fromkeys("luts" if on_fpga and name == "area_um2" else name for name in self.objectives))
        if not on_fpga and "luts" in self.objectives:
            raise InputError(f"objective 'luts' has no figures in technology {self.costs[0].technology!r}; expected area_um2, or an FPGA family.")
        self._exact = np.array([float(getattr(exact, name)[0]) for name in self.objectives])
        self.corner = np.maximum(1.0, self.ratios(self._mixed()[None])[0])

    @property
    def remaining(self) -> int:
        """Measurements left in the budget."""
        return self.budget - len(self.evaluated)

    def hardware(self, choices: Choices) -> ArchitectureCosts:
        """Return the accelerator's figures for choices (designs, units)."""
        counts = self.space.counts(choices)
        return self.accelerator.evaluate(self.layers, counts, self.costs, exact=self.space.exact, energies=self.energies)

    def ratios(self, choices: Choices) -> NDArray[np.float64]:
        """Return the objectives relative to the all-exact design, (designs, objectives); of designs that do not fit the device, many times that."""
        figures = self.hardware(choices)
        values = np.stack([np.asarray(getattr(figures, name), np.float64) for name in self.objectives], axis=-1)
        return np.asarray(values / self._exact * self._penalty(figures)[..., None])

    def _penalty(self, figures: ArchitectureCosts) -> NDArray[np.float64]:
        """Return what the objectives of each design are multiplied by: 1 where it fits the device, `MISFIT` times its largest share elsewhere."""
        device = fpga_of(self.accelerator)
        if device is None:
            return np.ones(figures.luts.shape)
        most = np.max([np.asarray(getattr(figures, name)) / max(getattr(device, name), 1e-9) for name in RESOURCES], axis=0)
        return np.where(most > 1.0, MISFIT * most, 1.0)

    def _mixed(self) -> Choices:
        """Return a design that mixes the exact and the three thriftiest blocks, (units,): what an array that holds them all costs."""
        thrifty = sorted(range(len(self.costs)), key=lambda b: self.costs[b].energy_fj)[:3]
        mix = [self.space.exact, *(b for b in thrifty if b != self.space.exact)]
        return np.array([mix[u % len(mix)] for u in range(len(self.space.units))], np.uint8)

    def is_known(self, choices: Choices) -> bool:
        return choices.tobytes() in self._known

    def measure(self, choices: Choices, estimates: Sequence[Estimate | None] | None = None) -> list[Evaluated]:
        """Measure choices (designs, units) as far as the budget reaches; return those measured now or known before, in order."""
        rows = np.atleast_2d(np.asarray(choices, np.uint8))
        guesses = list(estimates) if estimates is not None else [None] * len(rows)
        fresh: list[int] = []
        seen: set[bytes] = set()
        for i, row in enumerate(rows):
            key = row.tobytes()
            if key not in self._known and key not in seen and len(fresh) < self.remaining:
                seen.add(key)
                fresh.append(i)
        if fresh:
            self._record(rows[fresh], [guesses[i] for i in fresh])
        return [self._known[row.tobytes()] for row in rows if row.tobytes() in self._known]

    def _record(self, rows: Choices, guesses: Sequence[Estimate | None]) -> None:
        assignments = [self.space.assignment(row) for row in rows]
        measured = self.measurer(assignments)
        figures = self.hardware(rows)
        ratios, ended = self.ratios(rows), False
        for i, (row, assignment, seen, guess) in enumerate(zip(rows, assignments, measured, guesses, strict=True)):
            design = Design(assignment=assignment, hardware=hardware_of(figures, i, fpga_of(self.accelerator)), estimate=guess, search=seen)
            found = Evaluated(choices=row.copy(), design=design, drop=self._drop(seen), ratios=ratios[i])
            self._known[row.tobytes()] = found
            self.evaluated.append(found)
            self.history.append((len(self.evaluated), perf_counter() - self._began, self.hypervolume()))
            self.progress.measured(design)
            ended |= self.on_measured is not None and bool(self.on_measured(design))
        if ended:
            raise SearchEnded

    def points(self) -> NDArray[np.float64]:
        """Return the measured designs as points to minimize, (designs, 1 + objectives), in shares of the reference corner."""
        if not self.evaluated:
            return np.zeros((0, 1 + len(self.objectives)))
        return np.array([self.point(e.drop, e.ratios) for e in self.evaluated])

    def point(self, drop: float, ratios: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return drop (points) and ratios (objectives,) in shares of the corner that bounds the hypervolume, (1 + objectives,).

        The corner is the reference drop and, per objective, the all-exact design; where mixing blocks costs more than that (an array
        that holds every block it uses), it is the cost of a design that mixes four.
        """
        return np.array([drop / self.reference_drop, *(ratios / self.corner)])

    def hypervolume(self) -> float:
        """Return the volume that the measured designs dominate below the reference corner (see `point`), at most about 1."""
        return hypervolume(self.points(), np.ones(1 + len(self.objectives)))

    def front(self) -> list[Evaluated]:
        """Return the non-dominated measured designs, most accurate first."""
        keep = non_dominated(self.points())
        return sorted((found for found, kept in zip(self.evaluated, keep, strict=True) if kept), key=lambda found: (found.drop, *found.ratios))

    def _drop(self, measured: Measurement) -> float:
        return 100.0 * (self.baseline_correct - measured.correct) / self.images


def hardware_of(figures: ArchitectureCosts, index: int, device: Device | None = None) -> Hardware:
    """Return the figures of one of many designs, with the share of every resource of `device` that it takes."""

    def known(values: NDArray[np.float64]) -> float | None:
        return None if np.isnan(values[index]) else float(values[index])

    taken = {name: known(getattr(figures, name)) for name in RESOURCES}
    return Hardware(
        area_um2=known(figures.area_um2),
        **taken,
        device_shares=None if device is None else device.shares({name: value or 0.0 for name, value in taken.items()}),
        power_uw=float(figures.power_uw[index]),
        energy_uj=float(figures.energy_uj[index]),
        latency_us=float(figures.latency_us[index]),
        mult_power_ratio=float(figures.mult_power_ratio[index]),
        mult_energy_ratio=known(figures.mult_energy_ratio),
    )


def distinct(rows: Choices) -> NDArray[np.intp]:
    """Return indices of the first of each of `rows` (designs, units), ascending. (numpy.unique sorts whole rows: seconds where they are long.)"""
    first: dict[bytes, int] = {}
    for i, row in enumerate(rows):
        first.setdefault(row.tobytes(), i)
    return np.fromiter(first.values(), np.intp)
