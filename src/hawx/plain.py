"""Plain values from outside (JSON, TOML) as what a type hint says: dataclasses, numbers, texts, lists and tables of them. Nothing is guessed.

One place that says which value of a file is not what was expected; readers of JSON declare what they expect as dataclasses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hawx.errors import InputError

LARGEST = 1 << 62
"""Magnitude of the largest whole number that is read."""
_HALF = re.compile(r"\\[uU][dD][89a-fA-F]")
VALUES = 1 << 23
"""Values that a JSON text holds at most: what they take in memory is bounded with them."""


def json_values(text: str, where: str, expected: str) -> Any:
    """Return the values of a JSON text.

    Args:
        text: the text.
        where: how messages call it.
        expected: what it should have been, for the message.

    Raises:
        InputError: it is no JSON, is nested too deep, holds more than `VALUES` values, or a number that no format has.
    """
    if text.count(",") + text.count("[") + text.count("{") > VALUES:
        raise InputError(f"{where} holds more than {VALUES:,} values; expected {expected}.")
    try:
        values = json.loads(text)
        if _HALF.search(text):
            json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InputError(f"{where} holds half of a character; expected {expected}.") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{where} is not JSON (line {error.lineno}: {error.msg}); expected {expected}.") from error
    except RecursionError:
        raise InputError(f"{where} is nested too deep; expected {expected}.") from None
    except ValueError:  # Python's limit of the digits of an integer
        raise InputError(f"{where} holds a whole number of thousands of digits; expected {expected}.") from None
    return values


def typed(kind: Any, value: Any, where: str) -> Any:
    """Return `value` as the type hint `kind` says: a dataclass from a table with its fields, a tuple from a list, an enumeration from its value.

    Raises:
        InputError: it is something else, lacks a field or has an unknown one; the message starts with `where` and the place in it.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, UnionType):
        (other,) = (each for each in inner if each is not NoneType)
        return None if value is None else typed(other, value, where)
    if origin is Literal:
        return _one_of(inner, value, where)
    if origin is tuple and inner[-1] is not ...:
        if not isinstance(value, list | tuple) or len(value) != len(inner):
            raise _other(value, f"a list of {len(inner)}", where)
        return tuple(typed(each, item, f"{where}[{place}]") for place, (each, item) in enumerate(zip(inner, value, strict=True)))
    if origin in (tuple, list):
        if not isinstance(value, list | tuple):
            raise _other(value, "a list", where)
        items = (typed(inner[0], item, f"{where}[{place}]") for place, item in enumerate(value))
        return tuple(items) if origin is tuple else list(items)
    if origin in (dict, Mapping):
        if not isinstance(value, dict):
            raise _other(value, "a table", where)
        return {_text(key, where): typed(inner[1], item, f"{where}.{key}") for key, item in value.items()}
    if is_dataclass(kind) and isinstance(kind, type):
        return _built(kind, value, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(_one_of(tuple(each.value for each in kind), value, where))
    return _scalar(kind, value, where)


def _scalar(kind: Any, value: Any, where: str) -> Any:
    if kind is str:
        return _text(value, where)
    if kind is bool:
        if not isinstance(value, bool):
            raise _other(value, "true or false", where)
        return value
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST
    if kind is int:
        if not whole:
            raise _other(value, "a whole number", where)
        return value
    if not whole and not (isinstance(value, float) and abs(value) < float("inf")):
        raise _other(value, "a number", where)
    return float(value)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or any("\ud800" <= c <= "\udfff" for c in value):
        raise _other(value, "a text", where)
    return value


def _one_of(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    if not isinstance(value, str | int | NoneType) or value not in choices:
        raise _other(value, f"one of {', '.join(map(str, choices))}", where)
    return value


@cache
def _fields(cls: type) -> Mapping[str, tuple[Any, bool]]:
    """Return field -> its type, and whether it must be given."""
    hints = get_type_hints(cls)
    return {each.name: (hints[each.name], each.default is MISSING and each.default_factory is MISSING) for each in fields(cls)}


def _built(cls: type, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _other(value, f"a table with {', '.join(_fields(cls))}", where)
    known = _fields(cls)
    missing = [name for name, (_, needed) in known.items() if needed and name not in value]
    unknown = [key for key in value if key not in known]
    if missing or unknown:
        found = f"has no {missing[0]!r}" if missing else f"has an unknown {unknown[0]!r}"
        raise InputError(f"{where} {found}; expected a table with {', '.join(known)}.")
    return cls(**{key: typed(known[key][0], item, f"{where}.{key}") for key, item in value.items()})


def _other(value: Any, expected: str, where: str) -> InputError:
    shown = repr(value) if isinstance(value, str | float | bool | NoneType) else type(value).__name__ if not isinstance(value, int) else "a number"
    return InputError(f"{where} is {shown[:80]}; expected {expected}.")
