"""Probe: an estimate that runs the images that decide, bit-exactly, and predicts the others.

A prediction may be wrong about the few images whose predicted margin is small against its error. Which they are, the prediction itself says, design
by design: on LeNet-5 with random blocks in all layers, each design's own 50 of 1,000 images raise the rank correlation with the measured accuracy
from 0.90 to 0.97, its own 100 to 0.99; the 100 that decide for most designs, to 0.96. A probe is an estimate with sigma, never a measurement.

The answers also tell how far predicted margins are to be trusted. Designs that a search picks out of millions look better than they are: on ResNet-20
with 200 images, 75 % of what was predicted right by more than twice the usual error was right. The chance of an answer is therefore a logistic
function of the predicted margin, fitted to all that was run (J. Platt, Probabilistic outputs for support vector machines, 1999, eq. 2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from hawx.designs import Assignment
from hawx.designs.space import Choices
from hawx.predict.superposition import Effects

Run = Callable[[Sequence[Assignment], NDArray[np.int64]], NDArray[np.bool_]]
"""Which of its scoring images at some indices each design answers right, bit-exactly: indices and answers (designs, images)."""

PROBED_SHARE = 0.3
"""Images that a probe runs, as a share of the scoring images."""


USUAL_LINE, SPREAD = np.array([0.0, 1.7]), np.array([1.0, 1.7])
"""Offset and slope of the logit of a right answer over its certainty before anything was run (1.7: nearly the normal distribution), and how sure they
are, as standard deviations."""
MOST_CERTAIN = 30.0


def certainties(effects: Effects, choices: Choices) -> NDArray[np.float64]:
    """Return the least predicted margin of each scoring image over its usual error, (designs, images), for choices (designs, units)."""
    margins = effects.margins(choices)
    shift = np.sqrt(np.square(margins - effects.base).mean(axis=(1, 2)))[:, None]
    return np.asarray(np.clip(margins.min(axis=1) / np.maximum(effects.margin_error * shift, 1e-9), -MOST_CERTAIN, MOST_CERTAIN), np.float64)


def fitted_line(certainty: NDArray[np.float64], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the offset and slope that make the answers `right` likeliest, both inputs (answers,)."""

    def loss(line: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logit, pull = line[0] + line[1] * certainty, (line - USUAL_LINE) / SPREAD
        excess = expit(logit) - right
        value = (np.logaddexp(0.0, logit) - right * logit).sum() + 0.5 * (pull**2).sum()
        return float(value), np.array([excess.sum(), excess @ certainty]) + pull / SPREAD

    return np.asarray(minimize(loss, USUAL_LINE, jac=True).x)


def deciding_images(effects: Effects, choices: Choices, count: int | None = None) -> NDArray[np.int64]:
    """Return for each of `choices` (designs, units) the scoring images that its prediction is least sure about, (designs, count), ascending.

    Args:
        count: how many; default what a probe runs.
    """
    if count is None:
        count = max(1, round(PROBED_SHARE * effects.images))
    right = expit(USUAL_LINE[1] * certainties(effects, choices))
    doubt = right * (1 - right) * effects.weights
    return np.sort(np.argsort(-doubt, axis=1, kind="stable")[:, :count], axis=1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probes:
    """Probed designs and what their runs said."""

    choices: Choices
    """(designs, units)."""
    images: NDArray[np.int64]
    """Indices of the scoring images that each ran, (designs, images)."""
    right: NDArray[np.bool_]
    """Their answers, (designs, images)."""

    def joined(self, more: Probes) -> Probes:
        """Return these probes and more of as many images."""
        return Probes(
            choices=np.concatenate([self.choices, more.choices]),
            images=np.concatenate([self.images, more.images]),
            right=np.concatenate([self.right, more.right]),
        )

    def estimate(self, effects: Effects) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return drop and sigma in points, each (designs,): run images as they answered, the others as likely as `effects` and the answers say."""
        shares = effects.weights / effects.weights.sum()
        base = (effects.base > 0).all(axis=0)
        certainty = certainties(effects, self.choices)
        offset, slope = fitted_line(np.take_along_axis(certainty, self.images, axis=1).ravel(), self.right.ravel())
        likely = expit(offset + slope * certainty)
        np.put_along_axis(likely, self.images, self.right.astype(np.float64), axis=1)
        drop = 100.0 * (base @ shares - likely @ shares)
        sigma = 100.0 * np.sqrt((likely * (1 - likely)) @ shares**2 + (0.5 * shares.min()) ** 2)
        return drop, sigma
