"""The parser: commands in the order a user meets them. Flags of settings come from the settings' own schema."""

from __future__ import annotations

import argparse
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, TypeAlias, TypeVar

from hawx import __version__
from hawx.errors import InputError, UnknownNameError
from hawx.settings import Kind, Setting, from_values, schema

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
S = TypeVar("S")

LISTED = ("library",)
"""Settings whose flag takes several values, separated by spaces; the other lists are separated by commas."""


class Parser(ArgumentParser):
    """An ArgumentParser whose errors are one line that names the nearest word."""

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"hawx: {message} (`{self.prog} --help` shows the usage)\n")
        raise SystemExit(2)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(None, str(UnknownNameError("command", str(value), list(action.choices))))


def build_parser(additions: Iterable[Callable[[Commands], None]]) -> Parser:
    """Return the parser of the whole command line; each of `additions` adds one command."""
    parser = Parser(prog="hawx", description="Find which approximate block goes where in a deep network's accelerator.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"hawx {__version__}")
    parser.set_defaults(run=lambda _: _print_help(parser))
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for add in additions:
        add(commands)
    return parser


def parse(parser: Parser, arguments: Sequence[str] | None = None) -> Namespace:
    """Return the parsed command line.

    Raises:
        UnknownNameError: an option is not known; names the nearest.
        SystemExit: after help, version or another usage error was printed.
    """
    parsed, rest = parser.parse_known_args(arguments)
    if rest:
        used: Parser = getattr(parsed, "parser", parser)
        if not rest[0].startswith("-"):
            used.error(f"argument {rest[0]!r} is one too many")
        options = [option for action in used._actions for option in action.option_strings if option.startswith("--")]
        raise UnknownNameError("option", rest[0], options, f"`{used.prog} --help` shows them.")
    return parsed


def _print_help(parser: Parser) -> int:
    parser.print_help()
    return 0


def add_command(commands: argparse._SubParsersAction[Parser], name: str, run: Callable[[Namespace], int], summary: str) -> Parser:
    """Add a command; `run` gets the parsed arguments and returns the exit status."""
    parser = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".", allow_abbrev=False)
    parser.set_defaults(run=run, parser=parser)
    return parser


def add_group(commands: argparse._SubParsersAction[Parser], name: str, summary: str) -> argparse._SubParsersAction[Parser]:
    """Add a command that has commands of its own and prints its help without one; return what they are added to."""
    parent = add_command(commands, name, lambda _: _print_help(parent), summary)
    return parent.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)


def add_json(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON on standard output, and nothing else")


def add_settings(
    parser: Parser,
    cls: type,
    names: Iterable[str] | None = None,
    *,
    title: str = "settings",
    about: str = "Each can also stand in a settings file, under the name of the flag.",
) -> None:
    """Add a flag for each setting of `cls` (those in `names`, if given). Absent flags leave no trace in the namespace."""
    chosen = None if names is None else set(names)
    group = parser.add_argument_group(title, about)
    for setting in schema(cls):
        if chosen is not None and setting.name not in chosen:
            continue
        if setting.kind is Kind.FLAG:
            group.add_argument(setting.flag, dest=setting.name, action="store_true", default=SUPPRESS, help=_help(setting))
        else:
            group.add_argument(setting.flag, dest=setting.name, default=SUPPRESS, help=_help(setting), **_shape(setting))


def _shape(setting: Setting) -> dict[str, Any]:
    if setting.name in LISTED:
        return {"nargs": "+", "action": "extend", "metavar": "NAME|PATH"}
    if setting.kind is Kind.TEXTS:
        return {"metavar": "NAME,NAME"}
    if setting.choices:
        return {"metavar": "|".join(setting.choices)}
    return {"metavar": {Kind.INTEGER: "N", Kind.NUMBER: "X"}.get(setting.kind, "TEXT")}


def _help(setting: Setting) -> str:
    doc = setting.doc[0].lower() + setting.doc[1:].removesuffix(".")
    if setting.kind is Kind.TEXTS and setting.choices:
        doc += f" ({setting.expected})"
    if setting.default not in (None, ()):
        shown = " ".join(setting.default) if setting.name in LISTED else ",".join(setting.default) if setting.kind is Kind.TEXTS else setting.default
        doc += f" [default: {shown}]"
    return doc.replace("%", "%%")


def given(arguments: Namespace, cls: type) -> dict[str, Any]:
    """Return the settings that stand on the command line as plain values.

    Raises:
        InputError: a number is none; names the flag.
    """
    values: dict[str, Any] = {}
    for setting in schema(cls):
        if not hasattr(arguments, setting.name):
            continue
        raw = getattr(arguments, setting.name)
        if setting.kind is Kind.TEXTS and isinstance(raw, str):
            raw = [part for part in raw.split(",") if part]
        elif setting.kind in (Kind.INTEGER, Kind.NUMBER):
            raw = _number(raw, setting)
        values[setting.name] = setting.check(raw, setting.flag)
    return values


def _number(raw: str, setting: Setting) -> float:
    try:
        return int(raw) if setting.kind is Kind.INTEGER else float(raw)
    except ValueError:
        raise InputError(f"{setting.flag} {raw!r} cannot be used; expected {setting.expected}.") from None


def settings_of(arguments: Namespace, cls: type[S]) -> S:
    """Return `cls` with the flags on the command line over its defaults."""
    return from_values(cls, given(arguments, cls), "command line")
