"""Plans: which engines can compute a block, and which filters of a layer run together on which of them, as the cost model predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from torch import Tensor

from hawx.blocks import Block
from hawx.blocks.decompositions import Decompositions
from hawx.blocks.knowledge import Knowledge
from hawx.emulate.cost import CostModel, PairWork, Tier, Work
from hawx.emulate.engine import AUTO, SHARED_ENGINES, Engine
from hawx.emulate.groups import FilterGroup
from hawx.emulate.layers import LayerConstants, Plan
from hawx.errors import InputError

_SWEEPS = 8
"""Rounds in which groups may change what they leave to a common call; two or three are enough."""


@dataclass(frozen=True, slots=True)
class Selection:
    """An engine and why: the predicted seconds of every engine that applies."""

    engine: Engine
    seconds: Mapping[Engine, float]


def native_engines(block: Block, known: Decompositions, work: Work, tier: Tier) -> dict[Engine, PairWork]:
    """Return the native engines of `tier` that can compute `block`, with what each does for one pair of codes."""
    engines = {}
    if known.words is not None:
        engines[Engine.FACTORED] = PairWork(max(1, known.words.products))
    if tier.byte_products and not work.depthwise:
        if known.bytes is not None:
            engines[Engine.BYTES] = PairWork(max(1, known.bytes.products))
        if (split := known.residual) is not None:
            engines[Engine.RESIDUAL] = PairWork(split.factors.products, split.rows_per_product, split.entries)
    low, high = block.extremes
    if high - low < 1 << 16:
        engines |= {Engine.TABLE: PairWork(), Engine.LOOKUP: PairWork()}
    return engines


def select(block: Block, known: Decompositions, work: Work, model: CostModel, engine: str) -> Selection:
    """Return the engine for one group of filters: the one asked for, or the cheapest that `model` predicts.

    Raises:
        InputError: the engine asked for cannot compute this block.
    """
    seconds = {e: model.seconds(e.value, work, pair) for e, pair in native_engines(block, known, work, model.tier).items()}
    if engine == Engine.TORCH or (engine == AUTO and not seconds):
        return Selection(Engine.TORCH, seconds)
    if engine == AUTO:
        return Selection(min(seconds, key=lambda e: seconds[e]), seconds)
    if Engine(engine) not in seconds:
        raise InputError(f"engine {engine!r} cannot compute block {block.name!r}; expected one of: {', '.join([*seconds, Engine.TORCH])}.")
    return Selection(Engine(engine), seconds)


def make_plan(
    model: CostModel, knowledge: Knowledge, constants: LayerConstants, codes: Tensor, groups: Sequence[FilterGroup], engine: str
) -> Plan | None:
    """Return which groups run together on which engine, or None where only the torch engine can run them all.

    Table engines take filters of any blocks in one call, and every engine pays for filters in multiples of its own. So small groups share a call,
    and what large ones have beyond a multiple may fill up that call. Starting from everything that tables hold in one call, and from nothing, each
    group in turn keeps as many filters to itself as is predicted to be cheapest, until none changes.
    """
    largest_first = sorted(groups, key=lambda group: -len(group.filters))
    known = [_known(knowledge, group, constants.work(codes, len(group.filters)), model, engine) for group in largest_first]
    options = [_options(constants, codes, group, found, model, engine) for group, found in zip(largest_first, known, strict=True)]
    if any(not option for option in options):
        return None

    @cache
    def together(count: int) -> tuple[float, Engine]:
        if count == 0:
            return 0.0, Engine.TABLE
        work = constants.work(codes, count)
        return min((model.seconds(e, work, PairWork()), e) for e in (SHARED_ENGINES if engine == AUTO else (Engine(engine),)))

    def descend(kept: list[int]) -> tuple[float, list[int]]:
        shared = sum(len(group.filters) - keep for group, keep in zip(largest_first, kept, strict=True))
        for _ in range(_SWEEPS):
            before = [*kept]
            for i, option in enumerate(options):
                rest = shared + kept[i]
                kept[i] = min(option, key=lambda keep, option=option, rest=rest: option[keep][0] + together(rest - keep)[0])  # type: ignore[misc]
                shared = rest - kept[i]
            if before == kept:
                break
        return sum(option[keep][0] for option, keep in zip(options, kept, strict=True)) + together(shared)[0], kept

    _, kept = min(descend([min(option) for option in options]), descend([max(option) for option in options]))
    plan: Plan = []
    left = []
    for group, option, keep in zip(largest_first, options, kept, strict=True):
        if keep:
            plan.append(([FilterGroup(group.block, group.filters[:keep])], option[keep][1]))
        if keep < len(group.filters):
            left.append(FilterGroup(group.block, group.filters[keep:]))
    return [*plan, (left, together(sum(len(group.filters) for group in left))[1])] if left else plan


def _known(knowledge: Knowledge, group: FilterGroup, work: Work, model: CostModel, engine: str) -> Decompositions:
    """Return what is worth knowing of a group's table: all of it where tables are not what it would run on otherwise."""
    low, high = group.block.extremes
    if engine != AUTO or high - low >= 1 << 16:
        return knowledge.of(group.block)
    return knowledge.worth(group.block, min(model.seconds(e, work, PairWork()) for e in SHARED_ENGINES))


def _options(
    constants: LayerConstants, codes: Tensor, group: FilterGroup, known: Decompositions, model: CostModel, engine: str
) -> dict[int, tuple[float, Engine]]:
    """Return, for each number of filters that `group` may keep to itself, the predicted seconds and the engine; nothing where it needs torch."""
    count = len(group.filters)
    seconds = select(group.block, known, constants.work(codes, count), model, engine).seconds
    own = [e for e in seconds if e not in SHARED_ENGINES and engine in (AUTO, e)]
    shared = Engine.TABLE in seconds and engine in (AUTO, *SHARED_ENGINES)
    options = {0: (0.0, Engine.TABLE)} if shared else {}
    if not own:
        return options
    options[count] = min((seconds[e], e) for e in own)
    if shared and not constants.depthwise:
        for multiple in {model.tier.columns[0], model.tier.class_columns}:
            if 0 < (keep := count - count % multiple) < count:
                fewer = select(group.block, known, constants.work(codes, keep), model, engine).seconds
                options[keep] = min((fewer[e], e) for e in own)
    return options
