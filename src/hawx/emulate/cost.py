"""Cost model: predicted seconds of an engine on a layer. Linear in a few terms, with coefficients measured once per machine and tier.

The model only ranks engines, and all engines agree to the bit: a wrong coefficient costs time, never a result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_NANOSECONDS = {
    "call": {"scalar": 60e3, "avx2": 60e3, "avx512": 60e3, "avx512_vnni": 60e3, "amx": 60e3},
    "output": {"scalar": 3.0, "avx2": 0.6, "avx512": 0.4, "avx512_vnni": 0.4, "amx": 0.4},
    "factored_mac": {"scalar": 0.4, "avx2": 0.015, "avx512": 0.008, "avx512_vnni": 0.006, "amx": 0.006},
    "factored_code": {"scalar": 1.5, "avx2": 0.7, "avx512": 0.7, "avx512_vnni": 0.7, "amx": 0.7},
    "byte_mac": {"scalar": 0.4, "avx2": 0.015, "avx512": 0.008, "avx512_vnni": 0.004, "amx": 0.001},
    "byte_code": {"scalar": 1.5, "avx2": 0.7, "avx512": 0.7, "avx512_vnni": 0.7, "amx": 0.7},
    "class_row": {"scalar": 0.2, "avx2": 0.016, "avx512": 0.016, "avx512_vnni": 0.005, "amx": 0.005},
    "table_product": {"scalar": 0.23, "avx2": 0.032, "avx512": 0.03, "avx512_vnni": 0.03, "amx": 0.03},
    "table_entry": {"scalar": 0.15, "avx2": 0.06, "avx512": 0.06, "avx512_vnni": 0.06, "amx": 0.06},
    "lookup_product": {"scalar": 0.4, "avx2": 0.4, "avx512": 0.4, "avx512_vnni": 0.05, "amx": 0.05},
    "depthwise_mac": {"scalar": 0.6, "avx2": 0.055, "avx512": 0.04, "avx512_vnni": 0.024, "amx": 0.024},
    "depthwise_code": {"scalar": 1.0, "avx2": 0.4, "avx512": 0.4, "avx512_vnni": 0.6, "amx": 0.6},
    "depthwise_product": {"scalar": 0.5, "avx2": 0.3, "avx512": 0.3, "avx512_vnni": 0.026, "amx": 0.026},
    "depthwise_plane": {"scalar": 1.0, "avx2": 0.2, "avx512": 0.15, "avx512_vnni": 0.09, "amx": 0.09},
}
"""Built-in figures of every tier: scalar and avx2 as measured on a Zen 3 core, the others scaled by vector width."""

_CHUNK = 1024
"""Output pixels for which the rows of remainders are made once, about: it depends on the cache that operands fill."""

_MAKING = 4
"""Rows that are added in the time in which one is made, about."""

TERMS = tuple(_NANOSECONDS)
"""What takes time: calls and finished outputs of every engine; multiply-accumulates and mapped input codes of factored ones, in words and in
bytes (a code takes half again for every product beyond the first), rows of remainders, made and added; added products and expanded entries of
table ones, products looked up one by one, input codes turned into planes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """What the cost of a tier's kernels depends on (`hawx.emulate.native.describe` reads it from them)."""

    name: str
    columns: tuple[int, int]
    """Filters are computed in multiples of this many, by factored and by table engines."""
    class_columns: int
    """Filters whose remainders are added together."""
    table_pixels: int
    """Output pixels for which a table is expanded once."""
    byte_products: bool
    """Whether there are dot products of bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One group of filters on one batch."""

    pixels: int
    """Output positions of one filter over all images."""
    reduction: int
    filters: int
    codes: int
    """Input codes that are laid out."""
    depthwise: bool = False

    @property
    def products(self) -> int:
        """Products of one activation and one weight code."""
        return self.pixels * self.reduction * self.filters


@dataclass(frozen=True, slots=True)
class PairWork:
    """What an engine does for every pair of codes of a block."""

    products: int = 1
    """Factors that it multiplies."""
    rows: float = 0.0
    """Rows of a remainder that it adds, in units of one byte per filter."""
    entries: int = 0
    """Such rows that it makes for every position before it adds them."""


@dataclass(frozen=True, slots=True)
class CostModel:
    """Seconds on one thread, by term.

    Attributes:
        tier: whose kernels the coefficients were measured on.
        coefficients: one of `TERMS` -> seconds for one of it.
    """

    tier: Tier
    coefficients: Mapping[str, float]
    origin: str = field(default="built-in figures", compare=False)

    def amounts(self, engine: str, work: Work, pair: PairWork) -> dict[str, float]:
        """Return how much of each term it takes when `engine` does `work`, with `pair` for every pair of codes."""
        return {"call": 1.0, "output": float(work.pixels * work.filters), **self._amounts(engine, work, pair)}

    def _amounts(self, engine: str, work: Work, pair: PairWork) -> dict[str, float]:
        positions = work.pixels * work.reduction
        if work.depthwise:
            if engine == "factored":
                even = pair.products + pair.products % 2
                return {"depthwise_mac": work.products * even, "depthwise_code": work.codes}
            return {"depthwise_product": work.products, "depthwise_plane": work.codes}
        if engine in ("factored", "bytes", "residual"):
            kind = "factored" if engine == "factored" else "byte"
            laid_out = work.codes * (1 + pair.products) / 2  # a code is read once, whatever it is mapped to
            amounts: dict[str, float] = {
                f"{kind}_mac": positions * _up(work.filters, self.tier.columns[0]) * pair.products,
                f"{kind}_code": laid_out,
            }
            if engine == "residual":
                made = -(-work.pixels // _CHUNK) * work.reduction * pair.entries * _MAKING
                rows = (positions * pair.rows + made) * _up(work.filters, self.tier.class_columns)
                amounts |= {"class_row": rows, "byte_code": laid_out + work.codes}
            return amounts
        if engine == "table":
            filters = _up(work.filters, self.tier.columns[1])
            expansions = -(-work.pixels // self.tier.table_pixels)
            return {"table_product": positions * filters, "table_entry": 256 * work.reduction * filters * expansions}
        return {"lookup_product": work.products}

    def seconds(self, engine: str, work: Work, pair: PairWork) -> float:
        """Return the predicted time on one thread."""
        return sum(self.coefficients[name] * amount for name, amount in self.amounts(engine, work, pair).items())


def built_in(tier: Tier) -> CostModel:
    """Return figures typical for processors with `tier`, for use until the kernels are timed on the machine."""
    return CostModel(tier, {name: figures[tier.name] * 1e-9 for name, figures in _NANOSECONDS.items()})


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
