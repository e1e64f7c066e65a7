"""Probes, predictors and laws of effects against numbers counted on paper."""

from __future__ import annotations

import re

import numpy as np
import pytest

from hawx.errors import InputError
from hawx.predict import Effects, Predictor, Probes, Spread, deciding_images, ranking_of, validate
from hawx.predict.probe import chances
from hawx.score import EffectKind, Scored, ScoringSet
from hawx.score.competitors import Competitors
from hawx.testing.world import World

# One unit, two blocks, four images that stand for 1, 2, 3 and 2 of eight. Under block 1 the margins are
#   first competitor   4 1 -2 3  and  -1 -1 1 1   =   3 0 -1 4
#   second competitor  9 9  9 2  and  -1 -1 -1 -1 =   8 8  8 1
# The effects' root mean square is 1, so that composed margins err by 0.5. The least margins, 3 0 -1 1, are 6 0 -2 2 such errors, and the normal
# law gives the chances 1 - 1e-9, 0.5, 0.02275 and 0.97725.
BASE = np.array([[4, 1, -2, 3], [9, 9, 9, 2]], np.float32)
SHIFT = np.array([[-1, -1, 1, 1], [-1, -1, -1, -1]], np.float32)
CHANCES = [0.9999999990134123, 0.5, 0.02275013194817921, 0.9772498680518208]
ONE = np.ones((1, 1), np.uint8)


def on_paper(times: int = 1) -> Effects:
    """Return the effects above, every image `times` times."""
    base, shift = np.tile(BASE, times), np.tile(SHIFT, times)
    delta = np.stack([np.zeros_like(shift), shift])[None]
    weights = np.tile([1.0, 2.0, 3.0, 2.0], times)
    return Effects(base=base, delta=delta, weights=weights, groups=np.zeros(1, np.int64), attenuation=None, margin_error=0.5)


def test_chances_follow_the_normal_law_of_the_least_margin() -> None:
    np.testing.assert_allclose(chances(on_paper(), ONE), [CHANCES], rtol=1e-6)


def test_an_exact_design_is_certain_of_every_margin_but_0() -> None:
    effects = on_paper()
    effects.base[0, 1] = 0.0
    np.testing.assert_array_equal(chances(effects, 0 * ONE), [[1, 0.5, 0, 1]])
    effects.base[0, 1] = 0.25
    np.testing.assert_array_equal(chances(effects, 0 * ONE), [[1, 1, 0, 1]])


def test_a_margin_of_0_is_a_wrong_answer() -> None:
    """Exact: images 0, 1 and 3 are right, 5 of 8. Block 1: images 0 and 3, 3 of 8; and so with the competitors the other way round."""
    effects = on_paper()
    assert effects.drops(ONE).tolist() == [25.0]
    turned = Effects(base=BASE[::-1], delta=effects.delta[:, :, ::-1].copy(), weights=effects.weights, groups=effects.groups, attenuation=None)
    assert turned.drops(ONE).tolist() == [25.0]


def test_the_images_in_doubt_come_by_what_they_stand_for() -> None:
    """p (1 - p) times the weight: 1e-9, 0.5, 0.067, 0.044."""
    effects = on_paper()
    assert [deciding_images(effects, ONE, count).tolist() for count in (1, 2, 3)] == [[[1]], [[1, 2]], [[1, 2, 3]]]


def test_a_fifth_of_the_images_is_probed_the_first_of_equals() -> None:
    assert deciding_images(on_paper(5), ONE).tolist() == [[1, 5, 9, 13]]
    assert deciding_images(on_paper(40), ONE).tolist() == [list(range(1, 128, 4))]
    assert deciding_images(on_paper(), ONE).tolist() == [[1]]
    few = Effects(base=BASE[:, :2], delta=on_paper().delta[..., :2], weights=np.ones(2), groups=np.zeros(1, np.int64))
    assert deciding_images(few, ONE).shape == (1, 1)


def test_a_probe_takes_what_was_run_and_what_is_likely() -> None:
    """Run: image 2, right. Predicted: image 0 right, 1 wrong (a chance of 0.5 is no more than that), 3 right; 6 of 8 for the exact 5.

    Variance by the images not run: 0.25 (2/8)^2 + 0.02223 (2/8)^2 and 1e-11 of image 0, and half of the least share, (1/16)^2: 0.020921.
    """
    found = Probes.of(on_paper(), ONE, np.array([[2]]), np.array([[True]]))
    np.testing.assert_allclose(found.drops, [-12.5], rtol=1e-12)
    np.testing.assert_allclose(found.sigmas, [14.464019230731791], rtol=1e-6)
    assert found.choices is ONE


def test_a_margin_of_0_of_the_exact_network_was_no_right_answer() -> None:
    effects = on_paper()
    effects.base[1, 0] = 0.0
    assert Probes.of(effects, 0 * ONE, np.array([[3]]), np.array([[True]])).drops.tolist() == [0.0]
    assert Probes.of(effects, 0 * ONE, np.array([[0]]), np.array([[True]])).drops.tolist() == [-12.5]


def test_joined_probes_stand_in_order() -> None:
    effects = on_paper()
    one, other = (Probes.of(effects, ONE * block, np.array([[image]]), np.array([[True]])) for block, image in ((1, 2), (0, 1)))
    both = one.joined(other)
    assert both.choices.tolist() == [[1], [0]]
    assert both.drops.tolist() == [-12.5, 0.0]
    assert both.sigmas.tolist() == [*one.sigmas, *other.sigmas]


@pytest.mark.parametrize(
    ("how", "attenuation", "margin_error"),
    [
        (EffectKind.MEASURED, 0.9, 0.1),
        (EffectKind.TWO_ENDED, None, 0.1),
        (EffectKind.MIDPOINT, 1.0, 0.16),
        (EffectKind.FIRST_ORDER, 1.25, 0.23),
    ],
)
def test_effects_compose_as_they_were_taken(how: EffectKind, attenuation: float | None, margin_error: float) -> None:
    world = World(3, images=4)
    delta = np.zeros((3, 4, 2, 4), np.float32)
    sample = ScoringSet(
        images=np.zeros((4, 1, 1, 1), np.uint8),
        competitors=Competitors(np.zeros(4, np.int64), np.ones((4, 2), np.int64)),
        weights=np.array([1.0, 2.0, 3.0, 2.0]),
    )
    found = Effects.of(Scored(scores=None, base=BASE, delta=delta, how=how), sample, world.space)  # type: ignore[arg-type]
    assert (found.attenuation, found.margin_error) == (attenuation, margin_error)
    assert found.base is BASE
    assert found.delta is delta
    assert found.weights is sample.weights
    assert found.groups.tolist() == [0, 1, 2]
    assert found.composition.attenuation == attenuation


def test_recovered_units_are_ranked_by_their_spread() -> None:
    world = World(2, images=400)
    found = ranking_of(world.effects, world.space, recovered=True)
    assert isinstance(found, Spread)
    np.testing.assert_array_equal(found.variance, Spread.of(world.effects).variance)


def test_a_predictor_learns_from_probes_and_forgets_earlier_ones() -> None:
    world = World(4, images=200)
    choices = world.space.random(np.random.default_rng(0), 6)
    told = Predictor(world.effects, 200)
    for drop in (1.0, 30.0):
        told.observe_probes(Probes(choices=choices, drops=np.full(6, drop), sigmas=np.full(6, 0.01)))
    measured = Predictor(world.effects, 200)
    measured.observe(choices, [30.0] * 6)
    np.testing.assert_allclose(told.predict(choices)[0], measured.predict(choices)[0], rtol=0.02)


def test_sigma_is_of_a_measurement_on_the_search_images_and_a_claim_of_endless_ones() -> None:
    """Nothing learned: variances of the correction are the same, so what differs is 2 · drop · 100 / images, (1/100 - 1/400) of it."""
    world = World(4, images=200)
    choices = world.space.random(np.random.default_rng(0), 3)
    (drops, few), (same, many) = (Predictor(world.effects, images).predict(choices) for images in (100, 400))
    np.testing.assert_allclose(drops, same, rtol=0.02)
    expected = 2 * (np.maximum(drops, 1.0) - np.maximum(drops, 0.25) / 4)
    np.testing.assert_allclose(few**2 - many**2, expected, rtol=0.1, atol=0.05)
    sure = Predictor(world.effects, 200).claims(np.zeros((1, 4), np.uint8), [0.0], [1e-3])[1]
    assert sure[0] < 0.01


@pytest.mark.parametrize(
    ("estimates", "sigmas", "measured", "expected"),
    [
        ([1.0, 2.0, 3.0, 4.0], [0.25] * 4, [1.0, 2.5, 4.0, 3.0], (0.8, 0.625, 0.5)),  # off by 0, 0.5, 1, 1; a rank correlation of 1 - 6·2/60
        ([1.0, 2.0], [1.0, 1.0], [1.0, 2.0], (None, 0.0, 1.0)),  # two tell no rank
        ([1.0, 1.5, 1.2], [1.0] * 3, [2.0, 2.2, 2.1], (1.0, 2.6 / 3, 1.0)),
        ([1.0, 2.0, 3.0], [0.4] * 3, [2.0, 2.0, 2.0], (None, 2 / 3, 1 / 3)),
    ],
)
def test_validation_on_paper(estimates: list[float], sigmas: list[float], measured: list[float], expected: tuple[float | None, float, float]) -> None:
    rank, error, share = validate(np.array(estimates), np.array(sigmas), np.array(measured))
    assert rank == (None if expected[0] is None else pytest.approx(expected[0]))
    assert (error, share) == (pytest.approx(expected[1]), pytest.approx(expected[2]))


def test_parts_are_the_shares_of_units_on_blocks_that_do_something() -> None:
    """Units 0 and 1 are of one layer, where block 1 does something; unit 2 is of another, where block 2 does."""
    delta = np.zeros((3, 3, 1, 2), np.float32)
    delta[0, 1] = delta[2, 2] = 1
    effects = Effects(base=np.ones((1, 2), np.float32), delta=delta, weights=np.ones(2), groups=np.array([0, 0, 2]))
    found = effects.parts(np.array([[1, 1, 2], [0, 1, 0], [2, 2, 1]], np.uint8))
    assert found.tolist() == [[0, 1, 0, 0, 0, 1], [0, 0.5, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize(
    "change",
    [
        {"delta": np.zeros((1, 2, 2, 3), np.float32)},
        {"delta": np.zeros((2, 2, 2, 4), np.float32)},
        {"weights": np.ones(3)},
        {"groups": np.zeros(2, np.int64)},
        {"delta": np.zeros((2, 2, 2, 4), np.float32), "groups": np.array([1, 0])},
    ],
)
def test_effects_that_do_not_fit_are_refused(change: dict[str, np.ndarray]) -> None:
    good = {"base": BASE, "delta": on_paper().delta, "weights": np.ones(4), "groups": np.zeros(1, np.int64)}
    shapes = {name: value.shape for name, value in (good | change).items()}
    message = (
        f"effects have shapes base {shapes['base']}, delta {shapes['delta']}, weights {shapes['weights']}, groups {shapes['groups']}; "
        "expected (competitors, images), (units, blocks, competitors, images), (images,), (units,) ascending."
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        Effects(**(good | change))


def test_a_gain_of_small_margins_scatters_nothing() -> None:
    """Margins of 1/2 that all shrink by half: the gain explains all of it. One that shrinks and one that grows: (1/4)² is left of it."""
    delta = np.zeros((1, 3, 1, 2), np.float32)
    delta[0, 1], delta[0, 2] = -0.25, [[-0.25, 0.25]]
    effects = Effects(base=np.full((1, 2), 0.5, np.float32), delta=delta, weights=np.ones(2), groups=np.zeros(1, np.int64))
    assert Spread.of(effects).variance.tolist() == [[0, 0, 0.0625]]


def test_sure_probes_teach_more_than_unsure_ones_and_the_exact_design_is_sure() -> None:
    world = World(4, images=200)
    choices = np.eye(4, dtype=np.uint8)  # one layer each with a good block: small losses
    found = []
    for sigma in (0.01, 20.0):
        predictor = Predictor(world.effects, 200)
        alone = predictor.predict(choices)[0]
        predictor.observe_probes(Probes(choices=choices, drops=alone + 2.0, sigmas=np.full(4, sigma)))
        found.append((predictor.predict(choices)[0] - alone).mean())
    assert found[0] > 2 * found[1]
    assert Predictor(world.effects, 10**8).predict(0 * choices[:1])[1][0] < 0.01
