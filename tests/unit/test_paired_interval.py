"""Paired intervals of points lost: a published example, exact coverage by enumeration, and what a measurement says of itself."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest

from hawx.errors import InputError
from hawx.estimates import Measurement, paired_interval


def test_the_published_example() -> None:
    """Airway hyper-responsiveness before and after: 1 and 7 discordant pairs of 21 (M. W. Fagerland, S. Lydersen, P. Laake, Statistics in
    Medicine 33, 2014): Tango's interval is -0.517 to -0.026."""
    assert paired_interval(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)
    assert paired_interval(7, 1, 21) == pytest.approx((0.026, 0.517), abs=5e-4)


@pytest.mark.parametrize(("n", "lost", "gained"), [(60, 0.05, 0.02), (60, 0.1, 0.1), (100, 0.03, 0.0)])
def test_it_covers_95_percent_by_enumeration(n: int, lost: float, gained: float) -> None:
    """Every pair of discordant counts, weighted by its trinomial probability."""
    covered = total = 0.0
    for b, c in product(range(25), repeat=2):
        if b + c <= n:
            chance = comb(n, b) * comb(n - b, c) * lost**b * gained**c * (1 - lost - gained) ** (n - b - c)
            low, high = paired_interval(b, c, n)
            total += chance
            covered += chance * (low <= lost - gained <= high)
    assert total == pytest.approx(1.0, abs=1e-6)
    assert 0.93 <= covered <= 0.985


def test_a_measurement_compares_image_by_image() -> None:
    reference = np.array([True] * 90 + [False] * 10)
    right = reference.copy()
    right[:4], right[95] = False, True  # four lost, one gained
    seen = Measurement.of(right, reference)
    assert (seen.correct, seen.gained, seen.lost) == (87, 1, 4)
    assert seen.drop == pytest.approx(3.0)
    low, high = seen.drop_interval or (0.0, 0.0)
    assert low < 3.0 < high
    assert high - low < seen.interval[1] - seen.interval[0]  # paired: narrower than that of the level
    assert seen.drop_sigma == pytest.approx(100 * (5 - 9 / 100) ** 0.5 / 100)  # five changed, three net
    assert Measurement.of(right).drop is None
    with pytest.raises(InputError, match=r"^3 gained and 0 lost answers do not fit 2 correct of 5; expected parts of them\.$"):
        Measurement(2, 5, gained=3, lost=0)
