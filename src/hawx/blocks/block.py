"""Block: one arithmetic circuit as its exhaustive table, with its costs and where it comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hawx.errors import InputError
from hawx.formats import CODES, IntFormat
from hawx.notebook import facts_html
from hawx.wiring import Wiring

Table = NDArray[np.int32]
"""`table[a, w]`, shape (256, 256): product of activation code index `a` and weight code index `w`, value order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Physical figures of one block in one technology. Figures of different technologies are never compared."""

    technology: str
    """Name of the cell library or FPGA family, for example `osu018` or `xilinx7`; figures compare only within one."""
    area_um2: float | None
    """None on an FPGA, where area is counted in lookup tables."""
    delay_ns: float
    energy_fj: float
    """Switching energy of one multiplication under uniform, independent operands, in femtojoule."""
    leakage_nw: float = 0.0
    luts: int | None = None
    """Lookup tables: those of the FPGA family, or six-input ones beside the figures of a cell library, where known."""
    carries: int = 0
    """Carry cells of the FPGA family."""
    dsps: int = 0
    """DSP blocks of the FPGA family."""
    constant_lsbs: int = 0
    """Low product bits that are always 0: an accumulator neither adds nor stores them."""
    origin: str
    """Who says so: `synthesized: yosys 0.70 …` or `published: EvoApproxLib v2022 …`."""

    @property
    def area(self) -> float:
        """Area in `area_unit`: what figures of one technology are compared by."""
        return float(self.luts or 0) if self.area_um2 is None else self.area_um2

    @property
    def area_unit(self) -> str:
        """`µm²`, or `LUT` on an FPGA."""
        return "LUT" if self.area_um2 is None else "µm²"


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """An exact or approximate 8×8 multiplier.

    `table[a, w]` is int32, first operand = activation code, second = weight code, both in value order
    (`-128..127` or `0..255`), never two's-complement order. The array is read-only. Two blocks are the same circuit
    when their `sha256` agree, whatever their names: names change between releases of public libraries.
    """

    name: str
    formats: tuple[IntFormat, IntFormat]
    table: Table
    costs: Mapping[str, Costs] = field(default_factory=dict)
    """Technology name -> figures. Empty when the block was never characterized."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON values: family and parameters, or source file, release, licence, reference, published figures."""

    @classmethod
    def from_table(
        cls,
        table: ArrayLike,
        *,
        name: str,
        formats: tuple[str | IntFormat, str | IntFormat] = ("s8", "s8"),
        costs: Mapping[str, Costs] | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> Block:
        """Return a block from its exhaustive table.

        Args:
            table: (256, 256) integers, `table[a, w]` in value order, each within int32 and at most 2**24 in magnitude.
            name: a non-empty name without white space or path separators.
            formats: formats of the activation and of the weight operand.

        Raises:
            InputError: the shape, type, range or name is not usable.
        """
        if not name or not name.isprintable() or any(c.isspace() or c in "/\\" for c in name):
            raise InputError(f"block name {name!r} is not usable; expected a non-empty name without spaces, slashes or control characters.")
        array = np.asarray(table)
        if array.shape != (CODES, CODES):
            raise InputError(f"table of block {name!r} has shape {array.shape}; expected (256, 256), table[activation, weight] in value order.")
        if array.dtype.kind == "f" and np.isfinite(array).all() and (array == np.rint(array)).all():
            array = array.astype(np.int64)
        if array.dtype.kind not in "iu":
            raise InputError(f"table of block {name!r} has dtype {array.dtype}; expected integers.")
        low, high = int(array.min()), int(array.max())
        if max(-low, high) > 1 << 24:
            raise InputError(f"table of block {name!r} spans {low}..{high}; expected products of 8-bit operands, at most 2^24 in magnitude.")
        fixed = np.array(array, dtype=np.int32, order="C")
        fixed.setflags(write=False)
        a_format, w_format = (IntFormat.parse(f) for f in formats)
        return cls(
            name=name,
            formats=(a_format, w_format),
            table=fixed,
            costs=MappingProxyType(dict(costs or {})),
            provenance=MappingProxyType(dict(provenance or {})),
        )

    @classmethod
    def from_function(
        cls,
        function: Callable[[Any, Any], Any],
        *,
        name: str,
        formats: tuple[str | IntFormat, str | IntFormat] = ("s8", "s8"),
        costs: Mapping[str, Costs] | None = None,
    ) -> Block:
        """Return a block from a function of an activation and a weight, such as `lambda a, w: (a * w) & ~3`.

        Args:
            function: takes integers, or NumPy arrays of them, and returns their product; called on arrays first, and pair by pair where that fails.
            name, formats, costs: as of `from_table`.

        Raises:
            InputError: it fails on a pair of operands, or does not give whole numbers.
        """
        a, w = (IntFormat.parse(f).values().astype(np.int64) for f in formats)
        try:
            table = np.asarray(function(a[:, None], w[None, :]))
        except Exception:  # noqa: BLE001  whatever a function of numbers does when it is given arrays
            table = None
        if table is None or table.shape != (len(a), len(w)):  # it looks at one pair at a time, or not at both operands
            table = _by_pairs(function, a, w, name)
        return cls.from_table(table, name=name, formats=formats, costs=costs, provenance={"function": getattr(function, "__name__", repr(function))})

    @cached_property
    def extremes(self) -> tuple[int, int]:
        """Least and greatest entry of the table."""
        return int(self.table.min()), int(self.table.max())

    @cached_property
    def exact_products(self) -> Table:
        """`a * w` for all operand pairs, (256, 256) int32."""
        a, w = (f.values() for f in self.formats)
        return np.multiply.outer(a, w)

    @cached_property
    def error(self) -> Table:
        """`table - a * w`, (256, 256) int32."""
        return self.table - self.exact_products

    @cached_property
    def is_exact(self) -> bool:
        return not self.error.any()

    @cached_property
    def sha256(self) -> str:
        """Hash of formats and table bytes (little-endian int32, C order): the block's identity."""
        digest = hashlib.sha256("x".join(f.name for f in self.formats).encode())
        digest.update(self.table.astype("<i4").tobytes())
        return digest.hexdigest()

    def with_costs(self, *costs: Costs) -> Block:
        """Return this block with `costs` added (replacing those of the same technology)."""
        return replace(self, costs=MappingProxyType({**self.costs, **{c.technology: c for c in costs}}))

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process: read-only views do not, so they are made anew there."""
        formats = (self.formats[0].name, self.formats[1].name)
        kept = partial(Block.from_table, name=self.name, formats=formats, costs=dict(self.costs), provenance=dict(self.provenance))
        return kept, (self.table,)

    def renamed(self, name: str) -> Block:
        return replace(self, name=name)

    @cached_property
    def is_symmetric(self) -> bool:
        """Whether it does not matter which operand reaches which input."""
        return self.formats[0] == self.formats[1] and bool((self.table == self.table.T).all())

    def wired(self, wiring: Wiring) -> Block:
        """Return what this circuit multiplies where its operands reach it as `wiring` says; the block itself where that is plain.

        Raises:
            InputError: operands of different formats cannot change places.
        """
        if wiring.is_plain:
            return self
        if wiring not in self._wired:
            self._wired[wiring] = self._made(wiring)
        return self._wired[wiring]

    @cached_property
    def _wired(self) -> dict[Wiring, Block]:
        return {}

    def _made(self, wiring: Wiring) -> Block:
        if wiring.swapped and self.formats[0] != self.formats[1]:
            raise InputError(f"block {self.name!r} has formats {self.formats[0]}×{self.formats[1]}; expected equal ones to swap its operands.")
        table = self.table.T if wiring.swapped else self.table
        activations = self.formats[0]
        table = table[wiring.shifted(activations.values(), activations) - activations.min]
        wires = {"of": self.sha256, "swapped": wiring.swapped, "shift": wiring.shift}
        return Block.from_table(table, name=self.name, formats=self.formats, costs=self.costs, provenance={**self.provenance, "wired": wires})

    def _repr_html_(self) -> str:
        costs = {f"{t}: area, delay, energy": f"{c.area:.1f} {c.area_unit}, {c.delay_ns:.2f} ns, {c.energy_fj:.1f} fJ" for t, c in self.costs.items()}
        from hawx.blocks.metrics import error_metrics

        found = error_metrics(self)
        errors = {"mean error": found.mae, "worst error": int(found.wce), "wrong products": f"{100 * found.ep:.1f} %"}
        return facts_html(self.name, {"formats": "×".join(f.name for f in self.formats), **errors, **costs, "sha256": self.sha256[:12]})

    def __repr__(self) -> str:
        return f"Block({self.name!r}, {'x'.join(f.name for f in self.formats)}, sha256={self.sha256[:12]})"


def _by_pairs(function: Callable[[Any, Any], Any], a: NDArray[np.int64], w: NDArray[np.int64], name: str) -> NDArray[Any]:
    """Return a function's table, called with one pair of Python's integers after another."""
    rows: list[list[Any]] = []
    for activation in a.tolist():
        rows.append([])
        for weight in w.tolist():
            try:
                rows[-1].append(function(activation, weight))
            except Exception as error:  # the user's function, whatever it raises
                raise InputError(
                    f"the function of block {name!r} fails for a = {activation}, w = {weight} ({type(error).__name__}: {error}); "
                    "expected a whole number for every pair of operands."
                ) from error
    try:
        return np.array(rows)
    except ValueError:
        raise InputError(f"the function of block {name!r} gives values of different shapes; expected a whole number for every pair.") from None


def sign_magnitude(block: Block, activations: str | IntFormat = "s8") -> Block:
    """Return an unsigned `u8×u8` block as one on signed weights, by sign-magnitude.

    `T_s[a, w] = sign(a)·sign(w)·T_u[|a|, |w|]` for signed activations, `sign(w)·T_u[a, |w|]` for unsigned ones.
    The hardware is the unsigned circuit plus sign handling; its costs are kept and the provenance says so.
    """
    a_format = IntFormat.parse(activations)
    if any(f.signed for f in block.formats):
        raise InputError(f"block {block.name!r} has formats {block.formats[0]}×{block.formats[1]}; sign-magnitude needs u8×u8.")
    a, w = a_format.values(), IntFormat(8, True).values()
    sign = np.multiply.outer(np.where(a < 0, -1, 1), np.where(w < 0, -1, 1)).astype(np.int32)
    table = sign * block.table[np.abs(a)][:, np.abs(w)]
    return Block.from_table(
        table,
        name=block.name,
        formats=(a_format, IntFormat(8, True)),
        costs=block.costs,
        provenance={**block.provenance, "sign_magnitude_of": block.sha256},
    )
