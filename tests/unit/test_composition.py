"""The law of composition: numbers counted by hand, loops written from the formula, and both of its forms against each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hawx.predict.composition import Composition

UNITS = ((1,), (2,), (1, 2), (2, 1, 3), (1, 1, 1, 1))
"""Units of each layer, alone and shared, in every order."""


def composition(units: tuple[int, ...], attenuation: float | None, seed: int, *, strength: float = 0.3) -> Composition:
    rng = np.random.default_rng(seed)
    base = rng.gamma(2.0, 1.0, (2, 5)).astype(np.float32)
    delta = (strength * rng.standard_normal((sum(units), 3, 1, 1)) * base + 0.2 * rng.standard_normal((sum(units), 3, 2, 5))).astype(np.float32)
    delta[:, 0] = 0
    return Composition(base=base, delta=delta, groups=np.repeat(np.arange(len(units)) * 2, units), attenuation=attenuation)


def by_loops(law: Composition, choices: list[int]) -> np.ndarray:
    """The formula of the docstring in float64, one number at a time."""
    base = law.base.astype(float).ravel()
    effects = {int(layer): np.zeros(base.size) for layer in law.groups}
    for unit, block in enumerate(choices):
        for i in range(base.size):
            effects[int(law.groups[unit])][i] += float(law.delta[unit, block].ravel()[i])
    if law.attenuation is None:
        return (base + sum(effects.values())).reshape(law.base.shape)
    gains = {}
    for layer, effect in effects.items():
        numerator = denominator = 0.0
        for i in range(base.size):
            numerator += effect[i] * base[i]
            denominator += base[i] * base[i]
        gains[layer] = min(max(1 + numerator / denominator, 0.05), 2.0)
    product = 1.0
    for gain in gains.values():
        product *= gain
    result = np.zeros(base.size)
    for i in range(base.size):
        faded = sum((effects[layer][i] - (gain - 1) * base[i]) / gain**law.attenuation for layer, gain in gains.items())
        result[i] = product * base[i] + product**law.attenuation * faded
    return result.reshape(law.base.shape)


@pytest.mark.parametrize(("attenuation", "margins"), [(None, [0.0, 1.0]), (0.0, [0.25, 1.25]), (1.0, [0.5, 1.0])])
def test_two_layers_on_paper(attenuation: float | None, margins: list[float]) -> None:
    """m = (2, 2), so m·m = 8.

    Layer 1: δ = (-1, -1), δ·m = -4, a = 1/2, r = δ + m/2 = (0, 0).
    Layer 2: δ = (-1, 0), δ·m = -2, a = 3/4, r = δ + m/4 = (-1/2, 1/2).
    A = 3/8, A·m = (3/4, 3/4). g = 0: r adds as it is, (1/4, 5/4). g = 1: r shrinks by layer 1's 1/2, (1/2, 1).
    All effects added: m + (-2, -1) = (0, 1).
    """
    delta = np.zeros((2, 2, 1, 2), np.float32)
    delta[0, 1] = [[-1, -1]]
    delta[1, 1] = [[-1, 0]]
    law = Composition(base=np.array([[2, 2]], np.float32), delta=delta, groups=np.array([0, 1]), attenuation=attenuation)
    both = np.ones(2, np.uint8)
    np.testing.assert_allclose(law.margins(both[None])[0, 0], margins, rtol=1e-6)
    np.testing.assert_allclose(law.walk(both).trial(0, np.array([1]))[0, 0], margins, rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(UNITS), st.sampled_from([None, 0.0, 0.9, 1.25]), st.integers(0, 10_000), st.sampled_from([0.3, 3.0]))
def test_many_designs_at_once_are_the_formula(units: tuple[int, ...], attenuation: float | None, seed: int, strength: float) -> None:
    """Strong effects reach the bounds of the gains."""
    law = composition(units, attenuation, seed, strength=strength)
    choices = np.random.default_rng(seed).integers(0, 3, (4, sum(units))).astype(np.uint8)
    for row, found in zip(choices, law.margins(choices), strict=True):
        expected = by_loops(law, row.tolist())
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(UNITS),
    st.sampled_from([None, 0.0, 0.9, 1.25]),
    st.integers(0, 10_000),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2)), max_size=12),
)
def test_step_by_step_is_many_at_once(units: tuple[int, ...], attenuation: float | None, seed: int, steps: list[tuple[int, int]]) -> None:
    law = composition(units, attenuation, seed)
    start = np.random.default_rng(seed).integers(0, 3, sum(units)).astype(np.uint8)
    walk = law.walk(start)
    now = start.copy()
    for step, block in [*steps, (0, 0)]:
        unit = step % sum(units)
        trials = np.repeat(now[None], 3, axis=0)
        trials[:, unit] = np.arange(3)
        expected = law.margins(trials)
        np.testing.assert_allclose(walk.trial(unit, np.arange(3)), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
        walk.accept(unit, block)
        now[unit] = block
        assert walk.choices.tolist() == now.tolist()
