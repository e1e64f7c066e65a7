"""The correction against scikit-learn's Gaussian process with the same kernel, mean, noise and priors, and against counts by hand."""

from __future__ import annotations

from math import e, log, sqrt

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, DotProduct, Kernel

from hawx.predict.correction import PRIORS, USUAL, Correction, Prior, compress, expand


class Parts(Kernel):
    """Columns: composed drop on the compressed scale, then parts. RBF in the drop, and linear in the drop and in every part."""

    def __init__(self, amplitude: float, length: float, slope: float, part: float) -> None:
        self.amplitude, self.length, self.slope, self.part = amplitude, length, slope, part

    def __call__(self, X, Y=None, eval_gradient=False):
        smooth, dot = RBF(self.length), DotProduct(sigma_0=0)
        drop, parts = (X[:, :1], X[:, 1:])
        other, other_parts = (None, None) if Y is None else (Y[:, :1], Y[:, 1:])
        common = self.part**2 * dot(parts, other_parts) if X.shape[1] > 1 else 0.0
        return self.amplitude**2 * smooth(drop, other) + self.slope**2 * dot(drop, other) + common

    def diag(self, X):
        return np.diag(self(X)).copy()

    def is_stationary(self):
        return False


def log1p_of(points) -> np.ndarray:
    return np.sign(points) * np.log(1 + np.abs(points))


def noise_of(measured, images: int, sigmas=0.0) -> np.ndarray:
    """Standard deviations on the compressed scale: of the sample, of drops beyond 5 points (at most 1.5), of what is only estimated."""
    loss = np.abs(measured)
    changed = np.sqrt(2 * np.maximum(loss / 100, 1 / images) / images) * 100
    far = np.clip(loss / 5, 1, 2.5) - 1
    return np.sqrt((changed / (1 + loss)) ** 2 + far**2 + (sigmas / (1 + loss)) ** 2)


def oracle(prior: Prior, raw, parts, measured, images: int, sigmas=0.0) -> GaussianProcessRegressor:
    kernel = Parts(prior.amplitude, prior.length, prior.slope, prior.part)
    process = GaussianProcessRegressor(kernel, alpha=noise_of(measured, images, sigmas) ** 2, optimizer=None)
    return process.fit(np.column_stack([log1p_of(raw), parts]), log1p_of(measured) - log1p_of(raw))


def measurements(seed: int, designs: int, parts: int = 4):
    rng = np.random.default_rng(seed)
    raw = rng.uniform(-1, 25, designs)
    used = rng.random((designs, parts)) * (rng.random((designs, parts)) < 0.5)
    measured = 0.7 * raw + used @ rng.normal(0, 2, parts) + rng.normal(0, 0.3, designs)
    return raw, used, measured


CASES = [(0, 6, 4, USUAL), (1, 15, 3, Prior(amplitude=0.5, length=0.5, part=0.3)), (2, 9, 0, Prior(amplitude=0.1, length=4.0, slope=0.7, part=0.05))]


@pytest.mark.parametrize("sigmas", [None, 0.8], ids=["measured", "estimated"])
@pytest.mark.parametrize(("seed", "designs", "parts", "prior"), CASES, ids=["usual", "wiggly", "no-parts"])
def test_mean_and_sigma_are_those_of_scikit_learn(seed, designs, parts, prior, sigmas):
    raw, used, measured = measurements(seed, designs + 8, parts)
    each = None if sigmas is None else np.linspace(0, sigmas, designs)
    found = Correction.fit(raw[:designs], used[:designs], measured[:designs], 2000, sigmas=each, priors=[prior])
    process = oracle(prior, raw[:designs], used[:designs], measured[:designs], 2000, 0.0 if each is None else each)
    residual, deviation = process.predict(np.column_stack([log1p_of(raw[designs:]), used[designs:]]), return_std=True)
    compressed = log1p_of(raw[designs:]) + residual
    wanted = np.sign(compressed) * (np.exp(np.abs(compressed)) - 1)
    sample = np.sqrt(2 * np.maximum(np.abs(wanted) / 100, 1 / 500) / 500) * 100
    drop, sigma = found.predict(raw[designs:], used[designs:], 500)
    np.testing.assert_allclose(drop, wanted, rtol=1e-6, atol=1e-8)
    # a deviation on the compressed scale is 1 + |drop| times as many points
    np.testing.assert_allclose(sigma, np.hypot(deviation * (1 + np.abs(wanted)), sample), rtol=1e-6)


def log_prior(prior: Prior) -> float:
    ratios = (prior.amplitude / 0.25, prior.length / 1.5, prior.part / 0.15)
    return -sum(log(ratio) ** 2 / 2 for ratio in ratios)


@pytest.mark.parametrize("seed", range(4))
def test_the_prior_of_largest_evidence_is_chosen(seed):
    raw, used, measured = measurements(seed, 12)
    constant = -12 / 2 * log(2 * np.pi)
    evidences = [oracle(p, raw, used, measured, 2000).log_marginal_likelihood_value_ - constant + log_prior(p) for p in PRIORS]
    each = [Correction.fit(raw, used, measured, 2000, priors=[p]).evidence for p in PRIORS]
    np.testing.assert_allclose(each, evidences, rtol=1e-8)
    assert Correction.fit(raw, used, measured, 2000).prior == PRIORS[int(np.argmax(evidences))]


def test_priors_cover_a_grid_around_the_usual_one():
    assert len(PRIORS) == 3 * 3 * 4
    assert USUAL in PRIORS
    assert {p.amplitude for p in PRIORS} == {0.1, 0.25, 0.5}
    assert {p.length for p in PRIORS} == {0.5, 1.5, 4.0}
    assert {p.part for p in PRIORS} == {0.05, 0.15, 0.3, 0.6}
    assert {p.slope for p in PRIORS} == {0.3}


def test_compression_is_one_unit_at_e_minus_one_points():
    np.testing.assert_allclose(compress(np.array([e - 1, 0.0, 1 - e, e**3 - 1])), [1, 0, -1, 3], rtol=1e-12)
    np.testing.assert_allclose(expand(np.array([1.0, 0.0, -1.0, 3.0])), [e - 1, 0, 1 - e, e**3 - 1], rtol=1e-12)


def test_one_design_by_hand():
    # one measured design: drop composed 0, measured e - 1 points (1 compressed), no parts, 10000 images.
    # prior variance of its error: 0.5² + (0.3·0)² = 0.25; noise²: 2·1.71828 % of 10000 images = 3.4366e-6 of all, in points² 0.034366,
    # in compressed units over (1 + 1.71828)² = 7.38906: 0.0046509
    prior = Prior(amplitude=0.5, length=2.0)
    correction = Correction.fit(np.zeros(1), np.zeros((1, 0)), np.array([e - 1]), 10_000, priors=[prior])
    drop, sigma = correction.predict(np.array([0.0]), np.zeros((1, 0)), 10_000)
    shift = 0.25 / (0.25 + 0.0046509)  # 0.98174
    assert drop[0] == pytest.approx(e**shift - 1, rel=1e-5)
    left = 0.25 - 0.25 * shift
    sample = 2 * (e**shift - 1) * 100 / 10_000  # points²
    assert sigma[0] == pytest.approx(sqrt(left * e ** (2 * shift) + sample), rel=1e-4)


def test_a_measurement_never_has_less_noise_than_one_image():
    # no loss in 100 images: one changed image is 1 point, as many the other way: sqrt(2)·1 point, compressed the same at 0;
    # prior variance 0.01, so the shift of an agreeing measurement is 0 and sigma² = 0.01·2/(0.01 + 2) + 2
    prior = Prior(amplitude=0.1, length=1.0)
    correction = Correction.fit(np.zeros(1), np.zeros((1, 0)), np.zeros(1), 100, priors=[prior])
    drop, sigma = correction.predict(np.zeros(1), np.zeros((1, 0)), 100)
    assert drop[0] == 0
    assert sigma[0] == pytest.approx(sqrt(0.01 * 2 / 2.01 + 2), rel=1e-12)


@pytest.mark.parametrize("drop", [0.25, 1.0, 3.0])
def test_the_noise_of_a_measurement_may_be_told(drop: float) -> None:
    """On 100 images d points are d answers lost and, as many changing in pairs, a variance of 2d; less than one image counts as one."""
    raw, parts = np.array([2.0]), np.zeros((1, 0))
    counted = Correction.fit(raw, parts, np.array([drop]), 100)
    told = Correction.fit(raw, parts, np.array([drop]), 7, noises=np.sqrt([2 * max(drop, 1.0)]))
    np.testing.assert_allclose(told.factor, counted.factor, rtol=1e-12)


def test_endless_images_add_no_noise() -> None:
    correction = Correction.fit(np.zeros(1), np.zeros((1, 0)), np.zeros(1), 100)
    ask = (np.array([0.0, 2.0]), np.zeros((2, 0)))
    np.testing.assert_allclose(correction.predict(*ask, None)[1], correction.predict(*ask, 10**12)[1], rtol=1e-6)
