"""Fronts against enumeration, hypervolume against closed forms and pymoo."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hawx.errors import InputError
from hawx.pareto import hypervolume, merge_additive, non_dominated


def brute_force(points: np.ndarray) -> np.ndarray:
    return np.array([not any((q <= p).all() and (q < p).any() for q in points) for p in points])


small_points = st.integers(1, 4).flatmap(
    lambda m: arrays(np.float64, st.tuples(st.integers(1, 25), st.just(m)), elements=st.integers(0, 6).map(float))
)


@settings(max_examples=200, deadline=None)
@given(small_points)
def test_non_dominated_equals_enumeration(points: np.ndarray) -> None:
    np.testing.assert_array_equal(non_dominated(points), brute_force(points))


def test_no_points() -> None:
    assert non_dominated(np.zeros((0, 2))).shape == (0,)
    assert hypervolume(np.zeros((0, 2)), [1.0, 1.0]) == 0.0


def test_staircase_has_the_closed_form() -> None:
    n = 10
    stairs = np.array([(i, n - 1 - i) for i in range(n)], float)
    assert hypervolume(stairs, [n, n]) == n * (n + 1) / 2


def test_cube_corner() -> None:
    assert hypervolume([[0, 0, 0]], [2, 3, 4]) == 24
    assert hypervolume([[0, 0, 2], [0, 2, 0], [2, 0, 0]], [3, 3, 3]) == 27 - 8  # all but the cube [0,2)^3


@settings(max_examples=60, deadline=None)
@given(small_points.filter(lambda p: p.shape[1] > 1))
def test_hypervolume_equals_pymoo(points: np.ndarray) -> None:
    pymoo = pytest.importorskip("pymoo.indicators.hv")
    reference = np.full(points.shape[1], 5.5)
    assert hypervolume(points, reference) == pytest.approx(float(pymoo.HV(ref_point=reference)(points)))


@settings(max_examples=80, deadline=None)
@given(st.lists(arrays(np.float64, st.tuples(st.integers(1, 4), st.just(2)), elements=st.integers(0, 9).map(float)), min_size=1, max_size=4))
def test_merging_equals_enumeration_of_all_sums(fronts: list[np.ndarray]) -> None:
    every = np.zeros((1, 2))
    for front in fronts:
        every = (every[:, None] + front[None]).reshape(-1, 2)
    sums, picks = merge_additive(fronts)
    assert {tuple(p) for p in sums} == {tuple(p) for p in every[brute_force(every)]}
    for total, pick in zip(sums, picks, strict=True):
        np.testing.assert_array_equal(total, sum(front[i] for front, i in zip(fronts, pick, strict=True)))


def test_nan_is_refused() -> None:
    with pytest.raises(InputError, match=r"^points contain NaN; expected numbers \(use infinity for 'unusable'\)\.$"):
        non_dominated([[1.0, float("nan")]])
