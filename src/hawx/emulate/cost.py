"""Cost model: predicted seconds of an engine on a layer. Linear in a few counts, with coefficients measured once per machine and tier.

The model only ranks engines, and all engines agree to the bit: a wrong coefficient costs time, never a result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

COUNTS = (
    "call",
    "output",
    "factored_mac",
    "factored_code",
    "byte_mac",
    "byte_code",
    "class_row",
    "table_product",
    "table_entry",
    "lookup_product",
    "depthwise_mac",
    "depthwise_code",
    "depthwise_product",
    "depthwise_plane",
)
"""What is counted: calls and finished outputs of every engine; multiply-accumulates and mapped input codes of factored ones, in words and in
bytes (a code counts half again for every product beyond the first), rows of remainders; added products and expanded entries of table ones,
products looked up one by one, input codes turned into planes."""


BYTE_TARGETS = ("avx512_vnni",)
"""Tiers with dot products of bytes (`gemm_bytes` in native/kernels.hpp)."""

CLASS_COLUMNS = 64
"""Filters whose remainders are added together (kClassColumns in native/products.cpp)."""

CHUNK_PIXELS = 4096
"""Output pixels for which a table is expanded once (kTablePixels in native/tables.cpp)."""


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
class Effort:
    """What an engine does for every pair of codes of a block."""

    products: int = 1
    """Factors that it multiplies."""
    rows: float = 0.0
    """Rows of a remainder that it adds, in units of one byte per filter."""


@dataclass(frozen=True, slots=True)
class CostModel:
    """Seconds per count on one thread.

    Attributes:
        target: kernel tier that the coefficients were measured on.
        per_count: one of `COUNTS` -> seconds.
        columns: filters are computed in multiples of this many, for factored and for table engines.
    """

    target: str
    per_count: Mapping[str, float]
    columns: tuple[int, int] = (16, 16)
    origin: str = field(default="built-in figures", compare=False)

    def counts(self, engine: str, work: Work, effort: Effort) -> dict[str, float]:
        """Return how often each count occurs when `engine` does `work` with `effort` for every pair of codes."""
        return {"call": 1.0, "output": float(work.pixels * work.filters), **self._counts(engine, work, effort)}

    def _counts(self, engine: str, work: Work, effort: Effort) -> dict[str, float]:
        positions = work.pixels * work.reduction
        if work.depthwise:
            if engine == "factored":
                even = effort.products + effort.products % 2
                return {"depthwise_mac": work.products * even, "depthwise_code": work.codes}
            return {"depthwise_product": work.products, "depthwise_plane": work.codes}
        if engine in ("factored", "bytes", "residual"):
            kind = "factored" if engine == "factored" else "byte"
            laid_out = work.codes * (1 + effort.products) / 2  # a code is read once, whatever it is mapped to
            counts: dict[str, float] = {f"{kind}_mac": positions * _up(work.filters, self.columns[0]) * effort.products, f"{kind}_code": laid_out}
            if engine == "residual":
                counts |= {"class_row": positions * _up(work.filters, CLASS_COLUMNS) * effort.rows, "byte_code": laid_out + work.codes}
            return counts
        if engine == "table":
            filters = _up(work.filters, self.columns[1])
            expansions = -(-work.pixels // CHUNK_PIXELS)
            return {"table_product": positions * filters, "table_entry": 256 * work.reduction * filters * expansions}
        return {"lookup_product": work.products}

    def seconds(self, engine: str, work: Work, effort: Effort) -> float:
        """Return the predicted time on one thread."""
        return sum(self.per_count[name] * count for name, count in self.counts(engine, work, effort).items())


def built_in(target: str) -> CostModel:
    """Return figures typical for processors with `target`, for use until the machine is calibrated."""
    nanoseconds = {  # in the order of COUNTS; scalar and avx2 as measured on a Zen 3 core, the others scaled by vector width
        "scalar": (60e3, 3.0, 0.4, 1.5, 0.4, 1.5, 0.2, 0.23, 0.15, 0.4, 0.6, 1.0, 0.5, 1.0),
        "avx2": (60e3, 0.6, 0.015, 0.7, 0.015, 0.7, 0.016, 0.032, 0.06, 0.4, 0.055, 0.4, 0.3, 0.2),
        "avx512": (60e3, 0.4, 0.008, 0.7, 0.008, 0.7, 0.016, 0.03, 0.06, 0.4, 0.04, 0.4, 0.3, 0.15),
        "avx512_vnni": (60e3, 0.4, 0.006, 0.7, 0.004, 0.7, 0.005, 0.03, 0.06, 0.05, 0.024, 0.6, 0.026, 0.09),
    }
    per_count = {name: figure * 1e-9 for name, figure in zip(COUNTS, nanoseconds[target], strict=True)}
    return CostModel(target, MappingProxyType(per_count), (32, 32) if target.startswith("avx512") else (16, 16))


_models: dict[str, CostModel] = {}


def active_model(target: str) -> CostModel:
    """Return the model in use for `target`: a calibrated one, or the built-in figures."""
    return _models.setdefault(target, built_in(target))


def use_model(model: CostModel) -> None:
    """Use `model` for its target from now on, in this process."""
    _models[model.target] = model


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
