"""`hawx init`: a settings file to begin with, by four questions."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from hawx.cli.console import out
from hawx.cli.parser import Commands, add_command, add_settings, given
from hawx.errors import InputError
from hawx.settings import ExploreSettings, from_values, to_toml

_QUESTIONS = (
    ("network", "Network: a name of `hawx networks list`, or a .pt2 or .onnx file", "lenet5"),
    ("data", "Images and labels: an .npz file, an image folder or an archive; empty for the network's own", ""),
    ("library", "Multipliers: builtin, Verilog or C files, a folder, a saved library; several with spaces between", "builtin"),
    ("max_drop", "Points of top-1 that may be lost, such as 0.5; empty for the whole front", ""),
)
"""(setting, question, answer where nothing is said)."""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "init", run, "write a settings file to begin with: asks four questions, or takes the flags")
    parser.add_argument("--out", type=Path, default=Path("settings.toml"), metavar="FILE.toml", help="where it goes [default: settings.toml]")
    add_settings(parser, ExploreSettings, about="What is given here is not asked.")


def run(arguments: Namespace) -> int:
    """Ask what the flags do not say, check it, and write the file."""
    from hawx.cli.template import refuse_existing, write_new

    refuse_existing(arguments.out)  # before anything is asked
    values = given(arguments, ExploreSettings)
    if sys.stdin.isatty():
        for name, question, default in _QUESTIONS:
            if name not in values:
                values |= _answered(name, _ask(question, default))
    settings = from_values(ExploreSettings, values, "answers")
    write_new(arguments.out, to_toml(settings, head=f"Run it: hawx explore {arguments.out}"))
    out(str(arguments.out), f"run it: hawx explore {arguments.out}")
    return 0


def _ask(question: str, default: str) -> str:
    print(f"{question}{f' [{default}]' if default else ''}: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() or default


def _answered(name: str, answer: str) -> dict[str, Any]:
    """Return what an answer sets: nothing where it is empty."""
    if not answer:
        return {}
    if name == "library":
        return {name: answer.split()}
    if name != "max_drop":
        return {name: answer}
    try:
        return {name: float(answer)}
    except ValueError:
        raise InputError(f"max_drop {answer!r} cannot be used; expected a number of points, such as 0.5.") from None
