"""Superposition against brute force; correction against known relations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from hawx.designs.space import Choices
from hawx.predict import Correction, Effects, Predictor, Probes, deciding_images, validate
from hawx.predict.correction import compress, expand
from hawx.testing.world import World
from hawx.units import Granularity


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), st.sampled_from([Granularity.LAYER, Granularity.FILTER]), st.integers(0, 1000))
def test_composition_equals_adding_one_unit_at_a_time(count: int, granularity: Granularity, seed: int) -> None:
    world = World(count, granularity=granularity, seed=seed, images=50)
    choices = world.space.random(np.random.default_rng(seed), 7)
    correct = np.array([m.correct for m in world.measure([world.space.assignment(c) for c in choices])])
    np.testing.assert_allclose(world.effects.drops(choices), 100 - 2.0 * correct, atol=1e-4)


def test_drops_do_not_depend_on_how_designs_are_batched() -> None:
    world = World(3)
    choices = world.space.random(np.random.default_rng(0), 500)
    np.testing.assert_array_equal(world.effects.drops(choices), np.concatenate([world.effects.drops(c) for c in np.split(choices, 20)]))


def test_compression_is_inverted() -> None:
    drops = np.array([-3.0, -0.1, 0.0, 0.4, 7.0, 90.0])
    np.testing.assert_allclose(expand(compress(drops)), drops)


def test_without_measurements_the_estimate_is_the_superposition_with_a_wide_sigma() -> None:
    correction = Correction.fit(np.zeros(1), np.zeros((1, 0)), np.zeros(1), 2000)
    drop, sigma = correction.predict(np.array([0.0, 5.0, 20.0]), np.zeros((3, 0)), 2000)
    np.testing.assert_allclose(drop, [0, 5, 20], atol=0.2)
    assert sigma[0] < sigma[1] < sigma[2]
    assert sigma[1] > 0.5


def test_correction_learns_that_losses_are_over_predicted() -> None:
    raw = np.linspace(0, 12, 12)
    correction = Correction.fit(raw, np.zeros((12, 0)), 0.5 * raw, 10_000)
    drop, sigma = correction.predict(np.array([2.0, 5.0, 9.0]), np.zeros((3, 0)), 10_000)
    np.testing.assert_allclose(drop, [1, 2.5, 4.5], rtol=0.1)
    assert (sigma < 1.0).all()


def test_a_destroyed_network_teaches_little_about_small_losses() -> None:
    raw = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 20.0, 30.0, 40.0])
    alone = Correction.fit(raw[:5], np.zeros((5, 0)), raw[:5], 10_000)
    among = Correction.fit(raw, np.zeros((8, 0)), np.array([0.0, 1, 2, 3, 4, 80, 85, 90]), 10_000)
    small = np.array([1.5, 2.5, 3.5])
    expected, found = (correction.predict(small, np.zeros((3, 0)), 10_000)[0] for correction in (alone, among))
    np.testing.assert_allclose(found, expected, rtol=0.15)
    assert among.predict(np.array([30.0]), np.zeros((1, 0)), 10_000)[0] > alone.predict(np.array([30.0]), np.zeros((1, 0)), 10_000)[0]


def test_sigma_is_honest_on_noisy_relations() -> None:
    rng = np.random.default_rng(4)
    inside = []
    for _ in range(30):
        raw = rng.uniform(0, 15, 14)
        true = 0.7 * raw
        measured = true + rng.normal(0, np.sqrt(2 * np.maximum(true, 0.05) / 2000 * 100))
        correction = Correction.fit(raw[:10], np.zeros((10, 0)), measured[:10], 2000)
        drop, sigma = correction.predict(raw[10:], np.zeros((4, 0)), 2000)
        inside += list(np.abs(drop - measured[10:]) <= 2 * sigma)
    assert 0.88 <= np.mean(inside) <= 1.0


def test_predictor_learns_from_what_it_observes() -> None:
    world = World(4)
    predictor = Predictor(world.effects, 200)
    choices = world.space.random(np.random.default_rng(0), 12)
    raw = world.effects.drops(choices)
    predictor.observe(choices, 0.6 * raw)
    estimate, _ = predictor.predict(choices)
    assert np.abs(estimate - 0.6 * raw).mean() < np.abs(raw - 0.6 * raw).mean() / 3


def test_validation_of_perfect_and_constant_estimates() -> None:
    rank, error, share = validate(np.array([1.0, 2.0, 3.0]), np.ones(3), np.array([1.0, 2.0, 3.0]))
    assert (rank, error, share) == (pytest.approx(1.0), 0.0, 1.0)
    assert validate(np.ones(3), np.ones(3), np.array([1.0, 2.0, 9.0]))[0] is None


@pytest.mark.parametrize("attenuation", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("filters", [1, 2])
def test_gains_of_layers_multiply_and_residuals_fade(attenuation: float, filters: int) -> None:
    world = World(3, granularity=Granularity.FILTER, images=40, filters=filters)
    effects = world.effects.with_attenuation(attenuation)
    units = 3 * filters
    choices = world.space.random(np.random.default_rng(1), 6)
    for row, found in zip(choices, effects.margins(choices), strict=True):
        shifts = [sum(effects.delta[u, row[u]] for u in range(units) if effects.groups[u] == g) for g in range(3)]
        gains = [1 + float((s * effects.base).sum() / (effects.base**2).sum()) for s in shifts]
        expected = np.prod(gains) * effects.base
        for k, (shift, gain) in enumerate(zip(shifts, gains, strict=True)):
            others = np.prod([a for j, a in enumerate(gains) if j != k])
            expected = expected + others**attenuation * (shift - (gain - 1) * effects.base)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_layers_that_only_shrink_the_signal_compose_to_the_product() -> None:
    base = np.random.default_rng(0).gamma(2.0, 1.0, (2, 30)).astype(np.float32)
    delta = np.zeros((3, 2, 2, 30), np.float32)
    delta[:, 1] = -0.4 * base
    effects = Effects(base=base, delta=delta, weights=np.ones(30), groups=np.arange(3))
    np.testing.assert_allclose(effects.margins(np.ones((1, 3), np.uint8))[0], 0.6**3 * base, rtol=1e-4)
    assert effects.drops(np.ones((1, 3), np.uint8))[0] == 0  # where adding up would lose every image
    assert effects.with_attenuation(None).drops(np.ones((1, 3), np.uint8))[0] == pytest.approx(100, abs=1e-4)


@pytest.mark.parametrize("attenuation", [None, 0.0, 0.9])
def test_descent_keeps_the_margins_of_the_composition(attenuation: float | None) -> None:
    world = World(3, granularity=Granularity.FILTER, images=40, filters=2)
    effects = world.effects.with_attenuation(attenuation)
    rng = np.random.default_rng(2)
    state = effects.composition.walk(np.zeros(6, np.uint8))
    for _ in range(40):
        unit = int(rng.integers(6))
        trials = np.repeat(state.choices[None], 4, axis=0)
        trials[:, unit] = np.arange(4)
        np.testing.assert_allclose(state.trial(unit, np.arange(4)), effects.margins(trials.astype(np.uint8)), rtol=1e-3, atol=1e-3)
        state.accept(unit, int(rng.integers(4)))


def probes_of(world: World, choices: Choices, count: int, effects: Effects | None = None) -> Probes:
    images = deciding_images(effects or world.effects, choices, count)
    right = (world.effects.margins(choices) > 0).all(axis=1)
    return Probes.of(effects or world.effects, choices, images, np.take_along_axis(right, images, axis=1))


def test_a_probe_of_every_image_is_the_measurement() -> None:
    world = World(4, images=150)
    choices = world.space.random(np.random.default_rng(0), 9)
    wrong = world.effects.with_attenuation(1.0)  # predicts otherwise, but nothing is left to predict
    np.testing.assert_allclose(probes_of(world, choices, 150, wrong).drops, world.effects.drops(choices), atol=1e-4)


def test_a_probe_is_nearer_to_the_truth_than_its_prediction() -> None:
    world = World(6, images=400, seed=2)
    choices = world.space.random(np.random.default_rng(3), 40)
    wrong = world.effects.with_attenuation(0.9)
    truth = world.effects.drops(choices)
    probes = probes_of(world, choices, 100, wrong)
    assert np.abs(probes.drops - truth).mean() < 0.7 * np.abs(wrong.drops(choices) - truth).mean()
    assert (probes.sigmas > 0).all()


def test_the_deciding_images_are_those_of_doubt_for_each_design() -> None:
    base = np.array([[5.0, 0.1, -4.0, 0.05, 6.0]], np.float32)
    delta = np.zeros((1, 3, 1, 5), np.float32)
    delta[0, 1] = -0.1
    delta[0, 2] = -5.2
    effects = Effects(base=base, delta=delta, weights=np.ones(5), groups=np.zeros(1, np.int64))
    assert deciding_images(effects, np.array([[1], [2]], np.uint8), 2).tolist() == [[1, 3], [0, 4]]


def test_a_design_that_was_measured_no_longer_counts_as_probed() -> None:
    world = World(3, images=200)
    predictor = Predictor(world.effects, 200)
    choices = world.space.random(np.random.default_rng(1), 5)
    predictor.observe_probes(probes_of(world, choices, 50))
    predictor.observe(choices, [1.0] * 5)
    alone = Predictor(world.effects, 200)
    alone.observe(choices, [1.0] * 5)
    np.testing.assert_array_equal(predictor.predict(choices)[0], alone.predict(choices)[0])


def test_an_error_of_one_block_in_one_layer_is_learned_from_the_designs_that_use_it() -> None:
    rng = np.random.default_rng(0)
    parts = (rng.random((30, 6)) < 0.5).astype(float)
    raw = rng.uniform(1, 2, 30)
    measured = raw + 3.0 * parts[:, 2]
    correction = Correction.fit(raw[:20], parts[:20], measured[:20], 10_000)
    drop, _ = correction.predict(raw[20:], parts[20:], 10_000)
    assert np.abs(drop - measured[20:]).max() < 0.7


def test_a_claim_lies_between_what_was_measured_and_what_is_predicted() -> None:
    world = World(6, images=400, seed=3)
    choices = np.random.default_rng(1).integers(0, 2, (12, len(world.space.units))).astype(np.uint8)  # exact or good
    predictor = Predictor(world.effects, 400)
    predicted = predictor.drops(choices)
    lucky = predicted.copy()
    lucky[5] -= 3.0  # one design was measured better than the others say
    sure, _ = predictor.claims(choices, lucky, [0.01] * 12)
    unsure, sigmas = predictor.claims(choices, lucky, [2.0] * 12)
    assert sure[5] == pytest.approx(lucky[5], abs=0.3)
    assert lucky[5] + 0.5 < unsure[5] <= predicted[5] + 0.5
    assert (sigmas > 0).all()


def test_the_rank_correlation_is_scipys_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        estimates = rng.integers(0, 12, 40) / 7  # many are equal
        measured = estimates + rng.integers(0, 12, 40)
        assert validate(estimates, np.ones(40), measured)[0] == float(spearmanr(estimates, measured).statistic)
