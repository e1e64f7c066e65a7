"""Read an accelerator from a TOML file, or take a built-in one by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any

from hawx.accelerators import Accelerator, Dataflow, Folding, Memory, Sharing, Simt, Spatial, Systolic
from hawx.errors import InputError, UnknownNameError
from hawx.files import read_values

BUILT_IN: Mapping[str, Callable[[], Accelerator]] = {
    "spatial": Spatial,
    "temporal": Systolic,
    "simt": Simt,
}
"""Accelerators that need no file."""

_KINDS: Mapping[str, type[Spatial] | type[Systolic] | type[Simt]] = {"spatial": Spatial, "systolic": Systolic, "simt": Simt}
_KINDS_OF_VALUES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "str": ((str,), "a text"),
    "int": ((int,), "a number"),
    "bool": ((bool,), "true or false"),
}
"""Begin of a declared type -> the types of values, and what to call them."""
CHOICES: Mapping[str, type[Dataflow] | type[Sharing]] = {"dataflow": Dataflow, "sharing": Sharing}


def load_accelerator(source: str | PathLike[str]) -> Accelerator:
    """Return the accelerator called `source`, or the one a TOML file declares.

    Raises:
        InputError: neither a built-in name nor a readable TOML file, an unknown key, or a value that cannot be used.
    """
    if isinstance(source, str) and source in BUILT_IN:
        return BUILT_IN[source]()
    path = Path(source)
    if not path.suffix and not path.exists():
        raise UnknownNameError("accelerator", str(source), BUILT_IN, "Or give a TOML file.")
    values = read_values(path, "accelerator file")
    return accelerator_from_dict({"name": path.stem, **values}, where=f"accelerator file {str(path)!r}")


def accelerator_from_dict(values: Mapping[str, Any], *, where: str = "accelerator") -> Accelerator:
    """Return the accelerator that plain values declare: the inverse of `Accelerator.params` (plus an optional `name`).

    Raises:
        InputError: the kind or a key is unknown, or a value cannot be used; the message starts with `where`.
    """
    rest = dict(values)
    kind = rest.pop("kind", None)
    if kind is None:
        raise InputError(f"{where} has no 'kind'; expected one of: {', '.join(_KINDS)}.")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise UnknownNameError("accelerator kind", str(kind), _KINDS, f"({where})")
    cls = _KINDS[kind]
    types = {field.name: str(field.type) for field in fields(cls)}
    arguments: dict[str, Any] = {}
    for key, value in rest.items():
        if key not in types:
            raise UnknownNameError(f"key of a {kind} accelerator", key, types, f"({where})")
        arguments[key] = _value(key, value, types[key], where)
    try:
        return cls(**arguments)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _value(key: str, value: Any, declared: str, where: str) -> Any:
    if key == "memory":
        return _table(Memory, key, value, where)
    if key == "folding":
        if not isinstance(value, dict):
            raise InputError(f"{where} has folding = {value!r}; expected a table of layers, each with pe and simd.")
        return {layer: _table(Folding, f"folding.{layer}", entry, where) for layer, entry in value.items()}
    if key in CHOICES:
        choices = [str(choice) for choice in CHOICES[key]]
        if value not in choices:
            raise UnknownNameError(key, str(value), choices, f"({where})")
        return CHOICES[key](value)
    if declared == "Clock" and isinstance(value, str):
        return value
    wanted, words = next((entry for start, entry in _KINDS_OF_VALUES.items() if declared.startswith(start)), ((int, float), "a number"))
    if isinstance(value, bool) != (wanted == (bool,)) or not isinstance(value, wanted):
        raise InputError(f"{where} has {key} = {value!r}; expected {words}.")
    return value


def _table(cls: type[Memory] | type[Folding], key: str, value: Any, where: str) -> Memory | Folding:
    names = [field.name for field in fields(cls)]
    if not isinstance(value, dict):
        raise InputError(f"{where} has {key} = {value!r}; expected a table with {', '.join(names)}.")
    for name in value:
        if name not in names:
            raise UnknownNameError(f"key of {key}", name, names, f"({where})")
    try:
        return cls(**value)
    except TypeError as error:
        raise InputError(f"{where} has an incomplete {key} = {value!r}; expected {', '.join(names)}.") from error
