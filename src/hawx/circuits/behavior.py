"""What a multiplier of any widths computes: its bit patterns, its errors against the exact product, how often each of its nets is 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hawx.circuits.netlist import Netlist, evaluated
from hawx.circuits.pairs import Pairs, bit_words
from hawx.circuits.readings import Numbers, Reading
from hawx.circuits.words import Words, numbers, ones
from hawx.estimates import wilson

Ports = tuple[str, str, str]
"""Names of the activation, the weight and the product port."""

CONFIDENCE = 0.95
_FIGURES = ("mae", "wce", "mre", "wcre", "ep", "mse", "bias", "pairs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Error figures of a multiplier under uniform operands, as of `hawx.blocks.metrics`; of all operand pairs, or of a sample."""

    mae: float
    """Mean absolute error, also called mean error distance."""
    wce: float
    """Largest absolute error; of a sample only what was seen, a lower bound."""
    mre: float
    """Fraction; over the pairs whose product is not 0."""
    wcre: float
    """Fraction; of a sample a lower bound."""
    ep: float
    """Probability of an error."""
    mse: float
    bias: float
    pairs: int
    seed: int | None = None
    """Of the sample; None where all pairs were evaluated: the figures are exact."""
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Of a sample: 95 % intervals of `mae`, `mre` and `ep`."""

    @property
    def is_sampled(self) -> bool:
        return self.seed is not None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; what is of a sample says so."""
        figures: dict[str, Any] = {name: getattr(self, name) for name in _FIGURES}
        if not self.is_sampled:
            return {**figures, "sampled": False}
        bounds = {"wce_is": "lower bound", "wcre_is": "lower bound"}
        return {**figures, "sampled": True, "seed": self.seed, "confidence": CONFIDENCE, "intervals": dict(self.intervals), **bounds}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Errors:
        """Return the figures that `to_dict` wrote."""
        figures = {name: values[name] for name in _FIGURES}
        intervals = {name: (low, high) for name, (low, high) in values.get("intervals", {}).items()}
        return cls(**figures, seed=values.get("seed"), intervals=intervals)


@dataclass(slots=True)
class _Sums:
    """What is added up over the pairs of a chunk."""

    pairs: int = 0
    wrong: int = 0
    defined: int = 0
    bias: float = 0.0
    absolute: float = 0.0
    squares: float = 0.0
    relative: float = 0.0
    relative_squares: float = 0.0
    wce: int = 0
    wcre: float = 0.0

    def add(self, error: Numbers, exact: Numbers) -> None:
        magnitude = np.abs(error)
        defined = exact != 0
        relative = magnitude[defined] / np.abs(exact[defined])
        self.pairs += error.size
        self.wrong += int(np.count_nonzero(error))
        self.defined += relative.size
        self.bias += float(error.sum())
        self.absolute += float(magnitude.sum())
        self.squares += float(np.square(error, dtype=np.float64).sum())
        self.relative += float(relative.sum())
        self.relative_squares += float(np.square(relative).sum())
        self.wce = max(self.wce, int(magnitude.max()))
        self.wcre = max(self.wcre, float(relative.max(initial=0.0)))

    def errors(self, pairs: Pairs) -> Errors:
        n, defined = self.pairs, max(1, self.defined)
        mae, mre, mse = self.absolute / n, self.relative / defined, self.squares / n
        intervals = {}
        if pairs.seed is not None:
            z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
            around = ((mae, mse, n), (mre, self.relative_squares / defined, defined))
            spans = [z * sqrt(max(0.0, square - mean**2) / count) for mean, square, count in around]
            intervals = {"mae": (mae - spans[0], mae + spans[0]), "mre": (mre - spans[1], mre + spans[1]), "ep": wilson(self.wrong, n, CONFIDENCE)}
        return Errors(
            mae=mae,
            wce=float(self.wce),
            mre=mre,
            wcre=self.wcre,
            ep=self.wrong / n,
            mse=mse,
            bias=self.bias / n,
            pairs=pairs.count,
            seed=pairs.seed,
            intervals=intervals,
        )


def raw_products(netlist: Netlist, ports: Ports, operands: Numbers) -> Numbers:
    """Return the product's bit patterns for operand patterns, (2, pairs) → (pairs,), a multiple of 64 of them."""
    return numbers(_state(netlist, ports, operands)[list(netlist.outputs[ports[2]])])


def measured(netlist: Netlist, ports: Ports, reading: Reading, pairs: Pairs) -> tuple[Errors, NDArray[np.float64]]:
    """Return the errors of a multiplier, and how often each of its nets is 1, (nets,), both under uniform operands."""
    sums, high = _Sums(), np.zeros(netlist.nets, np.int64)
    for operands in pairs.chunks():
        state = _state(netlist, ports, operands)
        high += ones(state)
        exact = np.prod(reading.operands(operands), axis=0)
        sums.add(reading.products(numbers(state[list(netlist.outputs[ports[2]])])) - exact, exact)
    return sums.errors(pairs), high / sums.pairs


def _state(netlist: Netlist, ports: Ports, operands: Numbers) -> Words:
    return evaluated(netlist, {port: bit_words(row, len(netlist.inputs[port])) for port, row in zip(ports, operands, strict=False)})
