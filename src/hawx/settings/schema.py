"""Schema: what a settings dataclass says about its fields. The one source of the TOML keys, the flags and the reference page."""

from __future__ import annotations

import ast
import inspect
import types
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import StrEnum
from textwrap import dedent
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from hawx.errors import InputError, UnknownNameError


@dataclass(frozen=True, slots=True)
class AtLeast:
    """Annotation of a number: its smallest allowed value."""

    value: float


class Kind(StrEnum):
    TEXT = "a text"
    INTEGER = "a whole number"
    NUMBER = "a number"
    FLAG = "true or false"
    TEXTS = "a list of texts"


_KINDS: dict[Any, Kind] = {str: Kind.TEXT, int: Kind.INTEGER, float: Kind.NUMBER, bool: Kind.FLAG}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One field: its key, what it takes, its default and what it means."""

    name: str
    kind: Kind
    default: Any
    doc: str
    optional: bool = False
    choices: tuple[str, ...] = ()
    minimum: float | None = None

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def expected(self) -> str:
        """What a value must be, in words."""
        if self.choices:
            return ("some of: " if self.kind is Kind.TEXTS else "one of: ") + ", ".join(self.choices)
        return self.kind.value + (f" of at least {self.minimum:g}" if self.minimum is not None else "")

    def check(self, value: Any, where: str) -> Any:
        """Return `value` as the field holds it.

        Raises:
            InputError: the value has another type or lies outside the range; the message starts with `where`.
        """
        if self.kind is Kind.TEXTS and isinstance(value, list | tuple) and all(isinstance(v, str) for v in value):
            return tuple(self._chosen(v, where) for v in value)
        right = {
            Kind.TEXT: isinstance(value, str),
            Kind.INTEGER: isinstance(value, int) and not isinstance(value, bool),
            Kind.NUMBER: isinstance(value, int | float) and not isinstance(value, bool) and value == value and abs(value) != float("inf"),
            Kind.FLAG: isinstance(value, bool),
            Kind.TEXTS: False,
        }[self.kind]
        if not right or (self.minimum is not None and value < self.minimum):
            raise InputError(f"{where} {value!r} cannot be used; expected {self.expected}.")
        return self._chosen(value, where) if self.kind is Kind.TEXT else float(value) if self.kind is Kind.NUMBER else value

    def _chosen(self, value: str, where: str) -> str:
        if self.choices and value not in self.choices:
            raise UnknownNameError(self.name, value, self.choices, f"({where.removesuffix(' =')})")
        return value


def schema(cls: type) -> tuple[Setting, ...]:
    """Return the fields of a settings dataclass, in order."""
    hints, docs = get_type_hints(cls, include_extras=True), field_docs(cls)
    made = []
    for each in fields(cls):
        kind, optional, choices, minimum = _described(hints[each.name])
        default = each.default if each.default is not MISSING else each.default_factory() if each.default_factory is not MISSING else None
        made.append(Setting(name=each.name, kind=kind, default=default, doc=docs[each.name], optional=optional, choices=choices, minimum=minimum))
    return tuple(made)


def _described(hint: Any) -> tuple[Kind, bool, tuple[str, ...], float | None]:
    """Return (kind, optional, choices, minimum) of a type hint."""
    if get_origin(hint) in (types.UnionType, Union):
        (inner,) = [a for a in get_args(hint) if a is not type(None)]
        kind, _, choices, minimum = _described(inner)
        return kind, True, choices, minimum
    if get_origin(hint) is Annotated:
        inner, bound = get_args(hint)
        kind, optional, choices, _ = _described(inner)
        return kind, optional, choices, bound.value
    if get_origin(hint) is Literal:
        return Kind.TEXT, False, get_args(hint), None
    if get_origin(hint) is tuple:
        _, _, choices, _ = _described(get_args(hint)[0])
        return Kind.TEXTS, False, choices, None
    return _KINDS[hint], False, (), None


def field_docs(cls: type) -> dict[str, str]:
    """Return the docstring under each field of a class and of those that it is made of, from their sources."""
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        if is_dataclass(each):
            found |= _own_docs(each)
    return found


def _own_docs(cls: type) -> dict[str, str]:
    body = ast.parse(dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for statement, following in zip(body.body, body.body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and isinstance(following, ast.Expr):
            assert isinstance(following.value, ast.Constant)
            found[statement.target.id] = " ".join(str(following.value.value).split())
    return found
