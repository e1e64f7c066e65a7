"""How a table of bare numbers is to be read: signed or unsigned, value order or two's-complement order.

A format is taken from what says so (an explicit wish, published figures that only one reading reproduces, a typed signature,
a name); only then from the fit, the reading whose products lie nearer to the exact ones. Nothing is taken on trust: a reading
that contradicts the file's own published figures is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

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


def from_patterns(raw: Numbers, formats: Pair) -> Numbers:
    """Return the value-order table of 16-bit output patterns `raw[A pattern, B pattern]`: signed where either operand is."""
    signed = tuple(axis for axis, operand in enumerate(formats) if operand.signed)
    products = (raw + (1 << 15)) % (1 << 16) - (1 << 15) if signed else raw
    return np.roll(products, (HALF,) * len(signed), axis=signed)


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
    if "mae" not in published and "wce" not in published:
        return None
    error = errors(table, formats)
    mae, wce = published.get("mae"), published.get("wce")
    return (mae is None or abs(float(error.mean()) - mae) < unit(mae)) and (wce is None or abs(int(error.max()) - wce) < unit(wce))


def formats_of_circuit(raw: Numbers, *, published: Mapping[str, float], hint: Pair | None, where: str) -> Pair:
    """Return the formats of a circuit given by its bit patterns.

    Args:
        raw: (256, 256) output patterns 0..65535 over operand patterns 0..255.
        published: figures of its header.
        hint: what the signature or name says.
        where: file (and line) for the message.

    Raises:
        InputError: no reading reproduces the header's figures.
    """
    verdicts = {formats: reproduces(from_patterns(raw, formats), formats, published) for formats in (SIGNED, UNSIGNED)}
    agreeing = [formats for formats, verdict in verdicts.items() if verdict]
    if None in verdicts.values():
        if hint is not None:
            return hint
        return min((SIGNED, UNSIGNED), key=lambda formats: mean_absolute_error(from_patterns(raw, formats), formats))
    if not agreeing:
        formats = hint or SIGNED
        error = errors(from_patterns(raw, formats), formats)
        raise InputError(
            f"{where}: the header says MAE {published.get('mae', '?')} and WCE {published.get('wce', '?')}, but the circuit has "
            f"MAE {error.mean():.6g} and WCE {error.max()} as {formats[0]}×{formats[1]}; expected a circuit and header that belong together."
        )
    return hint if hint in agreeing else agreeing[0]


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
