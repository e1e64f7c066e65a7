"""Integer arithmetic as C defines it, on arrays: promotion, common types, wrapping (C17 6.3.1; long has 64 bits, overflow wraps).

Values are held in int64, an unsigned 64-bit one as its two's-complement pattern.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Value = NDArray[np.int64] | np.int64
"""A constant, or one value per operand pair, (256, 256)."""
Type = tuple[int, bool]
"""(bits, signed)."""

INT: Type = (32, True)
_LONGEST = 80
"""Digits of the longest constant: 64 binary ones, and some zeros before them."""
_LOWEST = np.int64(-(1 << 63))


@dataclass(frozen=True, slots=True)
class Typed:
    """A value within the range of its C type."""

    value: Value
    kind: Type


def wrap(value: Value, kind: Type) -> Value:
    """Return `value` modulo `2**bits` in the range of `kind`."""
    bits, signed = kind
    if bits == 64:
        return value
    low = value & np.int64((1 << bits) - 1)
    return low - ((low >> (bits - 1)) << bits) if signed else low


def convert(x: Typed, kind: Type) -> Typed:
    """Return `x` converted to another type."""
    return x if x.kind == kind else Typed(wrap(x.value, kind), kind)


def promote(x: Typed) -> Typed:
    """Return `x` as int if its type is narrower."""
    return Typed(x.value, INT) if x.kind[0] < INT[0] else x


def common(x: Typed, y: Typed) -> tuple[Value, Value, Type]:
    """Return both values in their common type after promotion, and that type."""
    x, y = promote(x), promote(y)
    bits = max(x.kind[0], y.kind[0])
    kind = (bits, all(signed for width, signed in (x.kind, y.kind) if width == bits))
    return convert(x, kind).value, convert(y, kind).value, kind


def literal(text: str) -> Typed | None:
    """Return an integer constant with the type that C gives it, None if it is not one or does not fit 64 bits."""
    digits = text.rstrip("uUlL")
    suffix = text[len(digits) :].lower()
    if len(digits) > _LONGEST:
        return None
    decimal = re.fullmatch(r"[1-9]\d*|0", digits) is not None
    if not decimal and re.fullmatch(r"0\d+", digits):
        if not re.fullmatch(r"0[0-7]+", digits):
            return None
        number = int(digits, 8)
    else:
        number = int(digits, 0)
    kinds = [(bits, signed) for bits in (32, 64) for signed in (True, False)]
    if "l" in suffix:
        kinds = [kind for kind in kinds if kind[0] == 64]
    if "u" in suffix:
        kinds = [kind for kind in kinds if not kind[1]]
    elif decimal:
        kinds = [kind for kind in kinds if kind[1]]
    for bits, signed in kinds:
        if number < 1 << (bits - signed):
            return Typed(np.int64(number - (number >> 63 << 64)), (bits, signed))
    return None


def _sortable(value: Value, kind: Type) -> Value:
    return value ^ _LOWEST if kind == (64, False) else value


def _truth(value: object) -> Typed:
    return Typed(np.asarray(value).astype(np.int64), INT)


_WRAPPING: dict[str, Callable[[Value, Value], Value]] = {"+": np.add, "-": np.subtract, "*": np.multiply}
_BITWISE: dict[str, Callable[[Value, Value], Value]] = {"&": np.bitwise_and, "|": np.bitwise_or, "^": np.bitwise_xor}
_RELATION: dict[str, Callable[[Value, Value], object]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    ">": np.greater,
    "<=": np.less_equal,
    ">=": np.greater_equal,
}


def shift(operator: str, x: Typed, amount: Typed) -> Typed | None:
    """Return `x << amount` or `x >> amount`, None where an amount is outside the width of `x` (undefined in C)."""
    x = promote(x)
    places = np.asarray(amount.value)
    if np.any((places < 0) | (places >= x.kind[0])):
        return None
    if operator == "<<":
        return Typed(wrap(x.value << places, x.kind), x.kind)
    if x.kind == (64, False):
        return Typed((np.asarray(x.value).view(np.uint64) >> places.astype(np.uint64)).view(np.int64), x.kind)
    return Typed(x.value >> places, x.kind)


def binary(operator: str, x: Typed, y: Typed) -> Typed:
    """Return `x operator y` for `+ - * & | ^ == != < > <= >= && ||`."""
    if operator in ("&&", "||"):
        p, q = np.not_equal(x.value, 0), np.not_equal(y.value, 0)
        return _truth(p & q if operator == "&&" else p | q)
    p, q, kind = common(x, y)
    if operator in _RELATION:
        return _truth(_RELATION[operator](_sortable(p, kind), _sortable(q, kind)))
    if operator in _BITWISE:
        return Typed(_BITWISE[operator](p, q), kind)
    with np.errstate(over="ignore"):
        return Typed(wrap(_WRAPPING[operator](p, q), kind), kind)


def unary(operator: str, x: Typed) -> Typed:
    """Return `operator x` for `~ - + !`."""
    if operator == "!":
        return _truth(np.equal(x.value, 0))
    x = promote(x)
    if operator == "+":
        return x
    with np.errstate(over="ignore"):
        return Typed(wrap(np.invert(x.value) if operator == "~" else np.negative(x.value), x.kind), x.kind)


def choose(condition: Typed, one: Typed, other: Typed) -> Typed:
    """Return `condition ? one : other`."""
    p, q, kind = common(one, other)
    return Typed(np.where(np.not_equal(condition.value, 0), p, q), kind)
