"""Files to begin with: an accelerator's parameters as TOML, each with what it means, made from the classes themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from enum import StrEnum
from inspect import getdoc
from pathlib import Path
from textwrap import wrap
from typing import Any

from hawx.accelerators import Accelerator
from hawx.errors import InputError
from hawx.files import write_text
from hawx.importers.accelerator import BUILT_IN, CHOICES
from hawx.settings.schema import field_docs

_TABLES = {
    "memory": "[memory]\narea_um2_per_bit = 4.0\nenergy_fj_per_bit = 20.0",
    "folding": "[folding.conv1]\npe = 3\nsimd = 25",
}
"""Examples of parameters that are tables, which TOML has at the end."""


def write_new(path: Path, content: str) -> None:
    """Write a file to begin with.

    Raises:
        InputError: there is one already, or it cannot be written.
    """
    refuse_existing(path)
    write_text(path, content)


def refuse_existing(path: Path) -> None:
    """Raise `InputError` where there is a file already."""
    if path.exists():
        raise InputError(f"file {str(path)!r} exists; expected a new one. Choose another --out.")


def accelerator_template(name: str) -> str:
    """Return a commented TOML file that declares the built-in accelerator `name`, to be changed."""
    made = BUILT_IN[name]()
    cls, docs = type(made), field_docs(type(made))
    lines = [*_comment(getdoc(cls) or ""), f'kind = "{cls.kind}"']  # type: ignore[attr-defined]
    tables = []
    for field in fields(cls):  # type: ignore[arg-type]
        about = _comment(docs.get(field.name, ""))
        if field.name in _TABLES:
            tables += ["", *about, *(f"# {line}" for line in _TABLES[field.name].splitlines())]
        elif field.name != "name" and field.init:
            lines += ["", *about, *_choices(field.name), _line(field, made)]
    return "\n".join([*lines, *tables]) + "\n"


def _line(field: Field[Any], made: Accelerator) -> str:
    """Return the parameter with the value that it has; one that is unset, or is found where it is not said, stands as a comment."""
    value = getattr(made, field.name)
    said = field.default is not MISSING and field.default == value
    if value is None or isinstance(value, Mapping):
        return f"# {field.name} = …"
    shown = f'"{value}"' if isinstance(value, (str, StrEnum)) else f"{value}".lower() if isinstance(value, bool) else f"{value}"
    return f"{field.name} = {shown}" if said else f"# {field.name} = {shown}"


def _choices(name: str) -> list[str]:
    return [f"# One of: {', '.join(str(choice) for choice in CHOICES[name])}."] if name in CHOICES else []


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in wrap(" ".join(text.split()), 110)]
