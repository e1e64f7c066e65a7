"""Engines: the exact ways to multiply a group of filters, which of them apply, and which is cheapest here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hawx.blocks import Block
from hawx.blocks.factorize import byte_factors, factorize
from hawx.blocks.residual import residual
from hawx.emulate.cost import BYTE_TARGETS, CostModel, Effort, Work
from hawx.errors import InputError, UnknownNameError


class Engine(StrEnum):
    """How products of a block are made. All give the same integers."""

    FACTORED = "factored"
    """`T = Σ u_i[a]·v_i[w]` with int16 factors: one integer matrix product over operands passed through maps. Needs a low rank."""
    BYTES = "bytes"
    """The same with factors of unsigned (activations) and signed bytes (weights): one instruction multiplies twice as many. Needs a tier with
    dot products of bytes (AVX-512 VNNI), factors within bytes, and a layer that is not depthwise."""
    RESIDUAL = "residual"
    """A product or two of bytes, and a remainder that depends on a class of the activation code, at most 16 of them: for one position the rows of
    64 filters stand side by side, one for each class, and a pixel adds its own. Same needs."""
    TABLE = "table"
    """For one position k and many filters, the products of every activation code with the filters' weights stand side by side in a small
    table; one row of it, 16 products and more, is added per instruction. Any rank. Depthwise layers look products up one by one."""
    LOOKUP = "lookup"
    """Weight-stationary lookup over pixels: the table row of one weight stays in registers (AVX-512 VBMI) or in the first-level cache. Depthwise
    layers are laid out for it, one plane for each channel."""
    TORCH = "torch"
    """Float64 convolutions of mapped operands in PyTorch: any device, any table, any accumulator."""


SHARED_ENGINES = (Engine.TABLE, Engine.LOOKUP)
"""Engines that take filters of different blocks in one call."""

AUTO = "auto"
REFERENCE = "reference"
ENGINES: tuple[str, ...] = (AUTO, *(engine.value for engine in Engine), REFERENCE)
"""What `engine=` arguments take: the cheapest, one of `Engine`, or the oracle."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine and why: the predicted seconds of every engine that applies."""

    engine: Engine
    seconds: Mapping[Engine, float]


def check_engine(name: str) -> str:
    """Return `name` if it is one of `ENGINES`.

    Raises:
        UnknownNameError: it is not.
    """
    if name not in ENGINES:
        raise UnknownNameError("engine", name, ENGINES)
    return name


def products_of(block: Block) -> int | None:
    """Return the number of int16 products that `block` factors into, or None."""
    factors = factorize(block, 16)
    return None if factors is None else max(1, factors.products)


def native_engines(block: Block, work: Work, target: str) -> dict[Engine, Effort]:
    """Return the native engines of `target` that can compute `block`, with what each does for one pair of codes."""
    engines = {}
    if (words := products_of(block)) is not None:
        engines[Engine.FACTORED] = Effort(words)
    if target in BYTE_TARGETS and not work.depthwise:
        if (factors := byte_factors(block)) is not None:
            engines[Engine.BYTES] = Effort(max(1, factors.products))
        if (split := residual(block)) is not None:
            engines[Engine.RESIDUAL] = Effort(split.factors.products, split.rows_per_product)
    if int(block.table.max()) - int(block.table.min()) < 1 << 16:
        engines |= {Engine.TABLE: Effort(), Engine.LOOKUP: Effort()}
    return engines


def choose(block: Block, work: Work, model: CostModel, engine: str) -> Choice:
    """Return the engine for one group of filters: the one asked for, or the cheapest that `model` predicts.

    Raises:
        InputError: the engine asked for cannot compute this block.
    """
    seconds = {e: model.seconds(e.value, work, effort) for e, effort in native_engines(block, work, model.target).items()}
    if engine == Engine.TORCH or (engine == AUTO and not seconds):
        return Choice(Engine.TORCH, seconds)
    if engine == AUTO:
        return Choice(min(seconds, key=lambda e: seconds[e]), seconds)
    if Engine(engine) not in seconds:
        raise InputError(f"engine {engine!r} cannot compute block {block.name!r}; expected one of: {', '.join([*seconds, Engine.TORCH])}.")
    return Choice(Engine(engine), seconds)
