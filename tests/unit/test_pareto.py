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


def test_points_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"^points have shape \(3,\); expected \(points, objectives\)\.$"):
        non_dominated([1.0, 2.0, 3.0])
    with pytest.raises(InputError, match=r"^reference has shape \(1,\); expected one value per objective \(2\)\.$"):
        hypervolume([[1.0, 2.0]], [3.0])


def test_whole_numbers_are_points_too() -> None:
    # as 8-bit integers the volume 16·16 would be 0, and as half precision 2049 would be 2048
    assert hypervolume(np.array([[0, 0]], np.uint8), np.array([16, 16], np.uint8)) == 256
    assert hypervolume(np.array([[0, 0]], np.uint8), [2049, 1]) == 2049


def test_hypervolume_of_one_objective_is_the_distance_of_the_best() -> None:
    assert hypervolume([[3.0], [1.5], [7.0]], [5.0]) == 3.5


def test_points_at_or_beyond_the_reference_add_nothing() -> None:
    # below (4, 4): only (1, 2), 3·2; (0, 4) lies on the edge, (0, 9) beyond it
    assert hypervolume([[1, 2], [0, 4], [0, 9], [4, 0]], [4, 4]) == 6
    assert hypervolume([[0, 4]], [4, 4]) == 0


def test_four_objectives_by_inclusion_and_exclusion() -> None:
    # boxes 3·3·3·1 and 3·3·1·3 below (3, 3, 3, 3) share 3·3·1·1; a third 1·1·2·2 from (2, 2, 1, 1) shares with them 1·1·2·1, 1·1·1·2 and,
    # all three, 1·1·1·1
    assert hypervolume([[0, 0, 0, 2], [0, 0, 2, 0], [2, 2, 1, 1]], [3, 3, 3, 3]) == 27 + 27 - 9 + 4 - 2 - 2 + 1
    # and with sides of their own: 2·3·4·1 and 2·3·1·5 share 2·3·1·1
    assert hypervolume([[0, 0, 0, 4], [0, 0, 3, 0]], [2, 3, 4, 5]) == 24 + 30 - 6


def test_a_limit_thins_the_partial_fronts_evenly() -> None:
    line = np.array([(i, 4.0 - i) for i in range(5)])
    nothing = np.zeros((1, 2))
    # five points at equal steps: of three, the first, middle and last; of four, positions 0, 4/3, 8/3 and 4, rounded
    for limit, kept in ((2, [0, 4]), (3, [0, 2, 4]), (4, [0, 1, 3, 4]), (5, [0, 1, 2, 3, 4]), (6, [0, 1, 2, 3, 4])):
        sums, picks = merge_additive([line, nothing], limit=limit)
        np.testing.assert_array_equal(sums, line[kept])
        np.testing.assert_array_equal(picks, [[i, 0] for i in kept])
    # six points: 2.5 is rounded to 2, counted from the smallest first objective
    steps = np.array([(i, 5.0 - i) for i in range(6)])
    np.testing.assert_array_equal(merge_additive([steps], limit=3)[0], steps[[0, 2, 5]])
    # without one nothing is lost: 0..4 + 0..4
    assert len(merge_additive([line, line])[0]) == 9
    assert len(merge_additive([line, line], limit=3)[0]) == 3


def test_equal_points_share_their_fate() -> None:
    assert non_dominated([[0, 2], [1, 1], [1, 1], [2, 1], [2, 1]]).tolist() == [True, True, True, False, False]
