"""Sign-magnitude families: an unsigned law applied to |a| and |w| (0..128), the sign put back afterwards.

Signs: `T[a, w] = sign(a)·sign(w)·law(|a|, |w|)`, as the papers' signed versions do.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from hawx.blocks.families.family import Family, Integers


def leading_one(x: Integers) -> Integers:
    """Return the position of the most significant 1 of `x` (0 for x = 0), for 0 <= x < 2**32."""
    return np.frexp(np.maximum(x, 1).astype(np.float64))[1].astype(np.int64) - 1


class MagnitudeFamily(Family):
    """A family given by its law on unsigned magnitudes."""

    __slots__ = ()

    @abstractmethod
    def magnitude_product(self, x: Integers, y: Integers) -> Integers:
        """Return the unsigned law's product of magnitudes `x` (activation) and `y` (weight); broadcasts."""

    def product(self, a: Integers, w: Integers) -> Integers:
        return np.sign(a) * np.sign(w) * self.magnitude_product(np.abs(a), np.abs(w))
