"""The reference pages, made from the parser and the settings themselves: `python -m hawx.cli.reference docs/reference` writes them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from hawx.cli.commands import COMMANDS
from hawx.cli.parser import Parser, build_parser
from hawx.settings import ExploreSettings, schema, to_toml

STATUS = """| status | meaning |
| --- | --- |
| 0 | done |
| 1 | a stated goal cannot be met; the results are written and the closest design is named |
| 2 | bad input: one line says what, what was expected and the way out |
| 70 | a defect of HAWX; please report it |
| 130 | interrupted (Ctrl-C); `--resume` continues |
| 143 | terminated (SIGTERM); `--resume` continues |
"""


def commands(parser: Parser) -> Iterator[Parser]:
    """Yield the parsers of all commands that do something, in order."""
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not inner:
        yield parser
    for action in inner:
        for each in action.choices.values():
            yield from commands(each)


def cli_page() -> str:
    """Return the page of all commands with their arguments."""
    lines = [
        "# Command line",
        "",
        "Made from the program by `python -m hawx.cli.reference docs/reference`. `python -m hawx` is the same as `hawx`.",
        "",
    ]
    lines += ["## Exit status", "", STATUS]
    for parser in commands(build_parser(COMMANDS)):
        lines += [f"## {parser.prog}", "", parser.description or "", ""]
        rows = [_row(action) for action in parser._actions if not isinstance(action, argparse._HelpAction)]
        if rows:
            lines += ["| argument | meaning |", "| --- | --- |", *rows, ""]
    return "\n".join(lines)


def _row(action: argparse.Action) -> str:
    shown = action.metavar if isinstance(action.metavar, str) else "|".join(map(str, action.choices)) if action.choices else action.dest.upper()
    takes = "" if action.nargs == 0 else f" {shown}" + (" …" if action.nargs == "+" else "")
    name = (action.option_strings[-1] + takes) if action.option_strings else shown + (" …" if action.nargs == "+" else "")
    meaning = (action.help or "").replace("%%", "%")
    return f"| `{_cell(name)}` | {_cell(meaning)} |"


def _cell(value: str) -> str:
    return value.replace("|", "\\|")


def settings_page() -> str:
    """Return the page of all settings: the default file, then each key."""
    lines = ["# Settings", "", "Made from the program by `python -m hawx.cli.reference docs/reference`.", ""]
    lines += [
        "`hawx explore SETTINGS.toml` reads these keys; every one is also a flag, which overrules the file. "
        "Paths are relative to the file. A run folder keeps its complete settings, so that it can be run again.",
        "",
        "| key | takes | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for setting in schema(ExploreSettings):
        default = "unset" if setting.default is None else str(list(setting.default) if isinstance(setting.default, tuple) else setting.default)
        lines.append(f"| `{setting.name}` | {_cell(setting.expected)} | `{default}` | {_cell(setting.doc)} |")
    return "\n".join([*lines, "", "The defaults as a file:", "", "```toml", to_toml(ExploreSettings()).rstrip(), "```", ""])


def pages() -> dict[str, str]:
    """Return every reference page, file name -> Markdown."""
    return {"cli.md": cli_page(), "settings.md": settings_page()}


if __name__ == "__main__":
    for name, content in pages().items():
        (Path(sys.argv[1]) / name).write_text(content, encoding="utf-8")
