"""Engines: the exact ways to multiply a group of filters."""

from __future__ import annotations

from enum import StrEnum

from hawx.errors import UnknownNameError


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


def check_engine(name: str) -> str:
    """Return `name` if it is one of `ENGINES`.

    Raises:
        UnknownNameError: it is not.
    """
    if name not in ENGINES:
        raise UnknownNameError("engine", name, ENGINES)
    return name
