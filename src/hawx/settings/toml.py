"""Settings as TOML: read strictly, written complete, so that the file of a run is the run."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from textwrap import wrap
from typing import Any, TypeVar

from hawx import files
from hawx.errors import UnknownNameError
from hawx.settings.schema import Kind, schema

S = TypeVar("S")


def from_values(cls: type[S], values: Mapping[str, Any], where: str = "settings") -> S:
    """Return settings from plain values; absent keys take their defaults.

    Raises:
        UnknownNameError: a key is not known; names the nearest.
        InputError: a value has another type or lies outside its range; names the place, the key and the value.
    """
    known = {setting.name: setting for setting in schema(cls)}
    checked = {}
    for key, value in values.items():
        if key not in known:
            raise UnknownNameError("setting", key, known, f"({where})")
        checked[key] = known[key].check(value, f"{where}: {key} =")
    return cls(**checked)


def read_values(path: str | PathLike[str]) -> dict[str, Any]:
    """Return the keys and values of a settings file, unchecked; see `hawx.files.read_values` for errors."""
    return files.read_values(Path(path), "settings file")


def read_toml(path: str | PathLike[str], cls: type[S]) -> S:
    """Return the settings in a TOML file; see `from_values` and `read_values` for errors."""
    return from_values(cls, read_values(path), str(path))


def to_toml(settings: object, *, head: str = "") -> str:
    """Return every setting as TOML with its meaning above it; an unset optional one stands as a comment."""
    lines = [f"# {line}" for line in head.splitlines()]
    for setting in schema(type(settings)):
        value = getattr(settings, setting.name)
        lines.append("")
        lines += [f"# {line}" for line in wrap(setting.doc, 110)]
        if setting.choices:
            lines.append(f"# {setting.expected[0].upper()}{setting.expected[1:]}.")
        if value is None:
            lines.append(f"# {setting.name} = (unset)")
        else:
            shown = "[" + ", ".join(map(_scalar, value)) + "]" if setting.kind is Kind.TEXTS else _scalar(value)
            lines.append(f"{setting.name} = {shown}")
    return "\n".join(lines).lstrip("\n") + "\n"


def _scalar(value: Any) -> str:
    import tomli_w

    return tomli_w.dumps({"value": value}, multiline_strings=False).removeprefix("value = ").rstrip("\n")
