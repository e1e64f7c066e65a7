"""How bare numbers are to be read: signed or unsigned, value order or two's-complement order, and what a narrow product port leaves out.

A format is taken from what says so (an explicit wish, published figures that only one reading reproduces, a typed signature,
a name); only then from the fit, the reading whose products lie nearer to the exact ones. Nothing is taken on trust: a reading
that contradicts the file's own published figures is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hawx.errors import InputError
from hawx.formats import CODES, S8, U8, IntFormat

Numbers = NDArray[np.int64]
Pair = tuple[IntFormat, IntFormat]

SIGNED: Pair = (S8, S8)
UNSIGNED: Pair = (U8, U8)
HALF = CODES // 2


def value_order(table: Numbers) -> Numbers:
    """Return a table indexed by two's-complement bit patterns (0..127, -128..-1) as one in value order (-128..127)."""
    return np.roll(table, HALF, axis=(0, 1))


@dataclass(frozen=True, slots=True)
class Reading:
    """What the bits of a multiplier's ports mean."""

    formats: Pair
    bits: int
    """Width of the product port."""
    missing_lsbs: int = 0
    """Low bits of the product that the port leaves out; high ones are left out where it is still narrower than the product."""

    @property
    def missing_msbs(self) -> int:
        return max(0, sum(f.bits for f in self.formats) - self.bits - self.missing_lsbs)

    def operands(self, patterns: Numbers) -> Numbers:
        """Return the values of operand bit patterns, (2, pairs)."""
        return np.stack([_value(row, f.bits, signed=f.signed) for row, f in zip(patterns, self.formats, strict=True)])

    def products(self, raw: Numbers) -> Numbers:
        """Return the values of bit patterns of the product port: signed where either operand is."""
        return _value(raw, self.bits, signed=any(f.signed for f in self.formats)) << self.missing_lsbs

    def errors(self, patterns: Numbers, raw: Numbers) -> Numbers:
        """Return by how much the products of operand patterns, (2, pairs), are greater than the exact ones."""
        a, w = self.operands(patterns)
        error: Numbers = self.products(raw) - a * w
        return error

    def __str__(self) -> str:
        a, w = self.formats
        missing = [f"the {count} {which} bits missing" for count, which in ((self.missing_msbs, "high"), (self.missing_lsbs, "low")) if count]
        return ", ".join([f"{a}×{w} with a product of {self.bits} bits", *missing])


def _value(patterns: Numbers, bits: int, *, signed: bool) -> Numbers:
    return patterns - (patterns >> (bits - 1) << bits) if signed else patterns


def from_patterns(raw: Numbers, formats: Pair, bits: int = 16, missing_lsbs: int = 0) -> Numbers:
    """Return the value-order table of output patterns `raw[A pattern, B pattern]`, (256, 256); see `Reading`."""
    signed = tuple(axis for axis, operand in enumerate(formats) if operand.signed)
    return np.roll(Reading(formats, bits, missing_lsbs).products(raw), (HALF,) * len(signed), axis=signed)


def errors(table: Numbers, formats: Pair) -> Numbers:
    """Return how far each product is from the exact one, absolute."""
    return np.abs(table - np.multiply.outer(*(f.values().astype(np.int64) for f in formats)))


def mean_absolute_error(table: Numbers, formats: Pair) -> float:
    return float(errors(table, formats).mean())


def unit(printed: float) -> float:
    """One unit of the last digit of a header figure: whole numbers from 10 on, two significant digits below."""
    return 1.0 if printed >= 10 or printed <= 0 else float(10.0 ** (np.floor(np.log10(printed)) - 1))


def reproduces(table: Numbers, formats: Pair, published: Mapping[str, float]) -> bool | None:
    """Return whether a reading has the published `mae` and `wce` (rounded or cut off as printed); None if neither is published."""
    error = errors(table, formats)
    return agrees(float(error.mean()), float(error.max()), published)


def agrees(mae: float, wce: float, published: Mapping[str, float]) -> bool | None:
    """Return whether these are the published `mae` and `wce`; see `reproduces`."""
    if "mae" not in published and "wce" not in published:
        return None
    found = {"mae": mae, "wce": wce}
    return all(abs(found[name] - published[name]) < unit(published[name]) for name in found if name in published)


def reading_of(
    patterns: Numbers, raw: Numbers, widths: tuple[int, int], bits: int, *, published: Mapping[str, float], hint: Pair | None, where: str
) -> Reading:
    """Return how a circuit is to be read.

    Args:
        patterns: (2, pairs) operand patterns; all of them where `published` has figures.
        raw: (pairs,) patterns of the product.
        widths: of the operands in bits; `bits`, of the product port.
        published: figures of its header.
        hint: formats that its signature or name, or a wish, gives the signs of.
        where: file (and line) for the message.

    Raises:
        InputError: no reading reproduces the header's figures.
    """
    signs = {tuple(f.signed for f in pair) for pair in (SIGNED, UNSIGNED, *([hint] if hint else []))}
    shifts = {0, max(0, sum(widths) - bits)}
    readings = [
        Reading((IntFormat(widths[0], a), IntFormat(widths[1], w)), bits, shift)
        for a, w in sorted(signs, reverse=True)  # of equals, the signed one
        for shift in sorted(shifts)
    ]
    said = [reading for reading in readings if hint is None or all(f.signed == h.signed for f, h in zip(reading.formats, hint, strict=True))]
    wrong = {reading: np.abs(reading.errors(patterns, raw)) for reading in readings}
    verdicts = {reading: agrees(float(error.mean()), float(error.max()), published) for reading, error in wrong.items()}
    agreeing = [reading for reading in readings if verdicts[reading]]
    if published.keys() & {"mae", "wce"} and not agreeing:
        error = wrong[said[0]]
        raise mismatch(where, said[0], published, float(error.mean()), int(error.max()))
    candidates = [reading for reading in said if reading in agreeing] or agreeing or said
    return min(candidates, key=lambda reading: float(wrong[reading].mean()))


def mismatch(where: str, reading: Reading, published: Mapping[str, float], mae: float, wce: int) -> InputError:
    """Return the error that a circuit does not have the figures of its header."""
    return InputError(
        f"{where}: the header says MAE {published.get('mae', '?')} and WCE {published.get('wce', '?')}, but the circuit has "
        f"MAE {mae:.6g} and WCE {wce} as {reading.formats[0]}×{reading.formats[1]}; expected a circuit and header that belong together."
    )


def formats_of_circuit(raw: Numbers, *, published: Mapping[str, float], hint: Pair | None, where: str) -> Pair:
    """Return the formats of a circuit of 8-bit operands given by its bit patterns, (256, 256) of 0..65535; see `reading_of`."""
    return reading_of(np.indices((CODES, CODES)).reshape(2, -1), raw.ravel(), (8, 8), 16, published=published, hint=hint, where=where).formats


def formats_of_table(table: Numbers, where: str, *, wish: Pair | None = None) -> Pair:
    """Return the formats of a plain value-order table: the wish, else the better fit.

    Raises:
        InputError: the table is clearly in two's-complement order, not in value order.
    """
    fits = {formats: mean_absolute_error(table, formats) for formats in (SIGNED, UNSIGNED)}
    best = wish if wish is not None else min(fits, key=lambda formats: fits[formats])
    wrapped = mean_absolute_error(value_order(table), SIGNED)
    if wrapped < 0.25 * min(fits.values()):
        raise InputError(
            f"{where} looks like a table in two's-complement order (0..127, -128..-1); expected value order (-128..127). "
            f"Add '#wrapped' to the source to have it reordered."
        )
    return best
