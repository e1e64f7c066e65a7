"""The scoring stage: all four levels for one network and library, and the effects that the predictor composes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from hawx.blocks import Library
from hawx.designs import Assignment, SearchSpace
from hawx.emulate import BlockExecutor, Evaluator, default_machine
from hawx.emulate.evaluator import default_batch
from hawx.networks import QuantizedNetwork
from hawx.profile import OperandProfile
from hawx.runner import Runner, run_here, slices
from hawx.score.competitors import Competitors, Logits
from hawx.score.exchange import two_ended_effects
from hawx.score.filter import FilterEffects, filter_effects, midpoint_macs
from hawx.score.layer import measured_effects
from hawx.score.operator import error_moments
from hawx.score.sample import stratified_sample
from hawx.score.scores import Scores
from hawx.units import Granularity

MEASURED_PAIRS = 64
"""Filter spaces with at most this many (unit, approximate block) pairs are scored by exact runs from both ends."""

MIDPOINT_MACS = 2 * 10**12
"""Midpoint gradients are taken where they cost at most this many multiply-accumulates, about a minute on one core."""

IMAGES_APIECE = 32
"""A worker's part of the scoring images is not smaller: what kernels prepare is prepared by every worker."""


class EffectKind(StrEnum):
    """How the effects of units were taken."""

    MEASURED = "measured"
    """A run for every (unit, block), all else exact."""
    TWO_ENDED = "two-ended"
    """The same, averaged with all others on the same block: they hold the interactions of units on average (see `two_ended_effects`)."""
    MIDPOINT = "midpoint"
    """Gradients half way to each block (see `hawx.score.filter`), corrected so that filters add up to their layer's measured effect."""
    FIRST_ORDER = "first-order"
    """The same with gradients at the exact network."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ScoringSet:
    """The scoring images with their competitors and the weight of each."""

    images: NDArray[np.uint8] | NDArray[np.float32]
    competitors: Competitors
    weights: NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Scored:
    """What scoring gives: the scores to show, and base margins and effects (see hawx.predict.Effects for their shapes)."""

    scores: Scores
    base: NDArray[np.float32]
    delta: NDArray[np.float32]
    how: EffectKind
    """How the effects were taken, which decides how they compose."""


def scoring_set(
    images: NDArray[np.uint8] | NDArray[np.float32], labels: NDArray[np.int64], logits: Logits, count: int, competitors: int, rng: np.random.Generator
) -> ScoringSet:
    """Return at most `count` search images to score on, given the exact logits of all of them."""
    rivals = Competitors.of(logits, labels, competitors)
    sample = stratified_sample(rivals.margins(logits).min(axis=0), count, rng)
    chosen = Competitors(rivals.labels[sample.index], rivals.classes[sample.index])
    return ScoringSet(images=images[sample.index], competitors=chosen, weights=sample.weights)


def score_network(
    network: QuantizedNetwork,
    library: Library,
    space: SearchSpace,
    operands: OperandProfile,
    sample: ScoringSet,
    *,
    runner: Runner = run_here,
    advance: Callable[[int], None] = lambda _: None,
) -> Scored:
    """Return the scores of every unit of `space` under every block of `library`.

    Args:
        sample: images on which layer and filter scores are taken.
        runner: who takes them, each worker on images of its own.
        advance: called with the number of units of work done; `work(space)` is their total.
    """
    layer_space = SearchSpace.build(Granularity.LAYER, space.layers, space.filters, space.blocks, exact=space.exact)
    layer_space = layer_space.restricted([_candidates_of(space, layer) for layer in range(len(space.layers))])
    base, layer_delta = _measured(network, library, layer_space, sample, runner, advance)
    filters: FilterEffects | None = None
    how = EffectKind.MEASURED
    if space.granularity is Granularity.LAYER:
        delta = layer_delta[[unit.layers[0] for unit in space.units]]
    elif space.granularity is Granularity.NETWORK:
        delta = _measured(network, library, space, sample, runner, advance)[1]
    else:
        how = effect_kind(network, space, len(sample.images), sample.competitors.classes.shape[1])
        filters = _filters(network, library, space, sample, how is EffectKind.MIDPOINT, runner, advance)
        if how is EffectKind.TWO_ENDED:
            delta = two_ended_effects(network, library, space, sample.images, sample.competitors)
        else:
            delta = unit_effects(space, filters, layer_delta)
    mean, std = error_moments(library.blocks, np.stack(operands.activations), np.stack(operands.weights))
    scores = Scores(
        layers=space.layers,
        blocks=space.blocks,
        operator_mean=mean,
        operator_std=std,
        layer_drop=_layer_drops(base, layer_delta, sample.weights),
        layer_margin=layer_delta.min(axis=2).mean(axis=-1).astype(np.float64),
        images=base.shape[1],
        filter_bias=filters.bias if filters else (),
        filter_std=filters.std if filters else (),
        filter_margin=tuple(m.mean(axis=(2, 3)).astype(np.float64) for m in filters.margin) if filters else (),
    )
    return Scored(scores=scores, base=base, delta=delta, how=how)


def work(space: SearchSpace, images: int) -> int:
    """Return the number of steps that `score_network` reports."""
    extra = {Granularity.LAYER: 0, Granularity.NETWORK: len(space.units), Granularity.FILTER: images}[space.granularity]
    return len(space.layers) + extra


def effect_kind(network: QuantizedNetwork, space: SearchSpace, images: int, competitors: int) -> EffectKind:
    """Return how the effects of the units of a filter space are taken on `images` scoring images."""
    if len(space.units) * (len(space.blocks) - 1) <= MEASURED_PAIRS:
        return EffectKind.TWO_ENDED
    work = images * midpoint_macs(network, _filter_layers(space), len(space.blocks) - 1, competitors)
    return EffectKind.MIDPOINT if work <= MIDPOINT_MACS else EffectKind.FIRST_ORDER


def unit_effects(space: SearchSpace, filters: FilterEffects, layer_delta: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the effects of the units of a filter space, (units, blocks, competitors, images).

    Effects by gradients are corrected so that all filters of a layer together reproduce the layer's measured effect: the residual
    is shared among the filters in proportion to the variance of their errors.
    """
    delta = np.zeros((len(space.units), len(space.blocks), *layer_delta.shape[2:]), np.float32)
    residual: dict[int, NDArray[np.float32]] = {}
    for u, unit in enumerate(space.units):
        layer = unit.layers[0]
        if unit.stop is None:
            delta[u] = layer_delta[layer]
            continue
        if layer not in residual:
            residual[layer] = layer_delta[layer] - filters.margin[layer].sum(axis=0)
        variance = filters.std[layer] ** 2 + filters.bias[layer] ** 2
        share = variance[unit.start] / np.maximum(variance.sum(axis=0), 1e-30)
        delta[u] = filters.margin[layer][unit.start] + share[:, None, None].astype(np.float32) * residual[layer]
    return delta


def _measured(
    network: QuantizedNetwork, library: Library, space: SearchSpace, sample: ScoringSet, runner: Runner, advance: Callable[[int], None]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return `measured_effects` of all scoring images, one batch after another: the exact states of one batch fit the cache, those of all may not."""
    images = len(sample.images)
    at_once = min(runner.workers, max(1, images // IMAGES_APIECE))
    cuts, told = slices(images, -(-images // (default_batch(network) * at_once)) * at_once), 0
    parts = []
    for done, found in enumerate(runner.map(_Effects(network, library, space, sample), cuts), start=1):
        parts.append(found)
        advance(len(space.units) * done // len(cuts) - told)
        told = len(space.units) * done // len(cuts)
    return np.concatenate([base for base, _ in parts], axis=-1), np.concatenate([delta for _, delta in parts], axis=-1)


@dataclass(frozen=True, eq=False)
class _Effects:
    """Measures the effects of every unit on some of the scoring images."""

    network: QuantizedNetwork
    library: Library
    space: SearchSpace
    sample: ScoringSet

    def __call__(self, some: slice) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rivals = Competitors(self.sample.competitors.labels[some], self.sample.competitors.classes[some])
        images = self.sample.images[some]
        evaluator = Evaluator(self.network, self.library, images, rivals.labels, batch=len(images), memory_mb=2 * default_machine().states_mb)
        return measured_effects(evaluator.logits, self.space, rivals)


def _filter_layers(space: SearchSpace) -> list[int]:
    """Return the layers whose filters are units."""
    return sorted({unit.layers[0] for unit in space.units if unit.stop is not None})


def _filters(
    network: QuantizedNetwork,
    library: Library,
    space: SearchSpace,
    sample: ScoringSet,
    midpoint: bool,
    runner: Runner,
    advance: Callable[[int], None],
) -> FilterEffects:
    executors = [None if block.is_exact else BlockExecutor(library, _everywhere(network, library, block.name)) for block in library]
    layers = _filter_layers(space)
    return filter_effects(network, sample.images, sample.competitors, executors, layers, midpoint=midpoint, runner=runner, advance=advance)


def _everywhere(network: QuantizedNetwork, library: Library, block: str) -> Assignment:
    return Assignment.uniform(network.filters, library.names, block)


def _candidates_of(space: SearchSpace, layer: int) -> Sequence[int]:
    """Return every block that some unit of the layer may take."""
    return sorted({c for unit, candidates in zip(space.units, space.candidates, strict=True) if layer in unit.layers for c in candidates})


def _layer_drops(base: NDArray[np.float32], delta: NDArray[np.float32], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    shares = 100.0 * weights / weights.sum()
    right = ((base + delta) > 0).all(axis=2) @ shares
    return np.asarray(((base > 0).all(axis=0) @ shares) - right)
