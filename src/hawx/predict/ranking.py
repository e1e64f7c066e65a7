"""Ranking: which law ranks the designs of a space before anything is learned. This is the one place that decides."""

from __future__ import annotations

from math import log2

from hawx.designs import SearchSpace
from hawx.predict.spread import Spread
from hawx.predict.superposition import Effects

BITS_PER_IMAGE = 0.25
"""Bits of choice per scoring image from which on designs are ranked by their spread. On LeNet-5 by filters, fronts on unseen images are alike at 0.1,
5 % better by effects at 0.14, 8 % better by spread at 0.6 and 18 % at 1 (hypervolume, reference 1 point)."""

Ranking = Effects | Spread
"""Gives designs their drop in points by `drops(choices)`."""


def ranking_of(effects: Effects, space: SearchSpace, *, recovered: bool = False) -> Ranking:
    """Return what ranks the designs of `space`: the effects themselves where there are images enough to choose by, else their spread.

    Units that were recovered (hawx.recover) are always ranked by their spread: with the gain gone, what is left of their effects is noise, and
    what that noise happens to do to the scoring images carries over to no others.
    """
    if recovered:
        return Spread.of(effects)
    bits = sum(log2(len(candidates)) for candidates in space.candidates)
    return Spread.of(effects) if bits > BITS_PER_IMAGE * effects.images else effects
