"""`hawx accelerators`: those that need no file, and a commented file to begin one's own with."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from hawx.cli.console import out, print_json, table
from hawx.cli.parser import Commands, add_command, add_group, add_json
from hawx.errors import UnknownNameError


def add(commands: Commands) -> None:
    """Add the command and its own commands to the parser."""
    inner = add_group(commands, "accelerators", "accelerators: list, begin one of your own")
    add_json(add_command(inner, "list", run_list, "list the accelerators that need no file, with their parameters"))
    begun = add_command(inner, "init", run_init, "write a commented TOML file to begin your own accelerator with")
    begun.add_argument("kind", metavar="spatial|temporal|simt", help="the accelerator to begin with")
    begun.add_argument("--out", type=Path, default=Path("accelerator.toml"), metavar="FILE.toml", help="where it goes [default: accelerator.toml]")


def run_list(arguments: Namespace) -> int:
    """Print a line per accelerator."""
    from hawx.importers.accelerator import BUILT_IN

    known = {name: dict(make().params) for name, make in BUILT_IN.items()}
    if arguments.json:
        print_json([{"name": name, "params": params} for name, params in known.items()])
        return 0
    rows = [[name, ", ".join(f"{key} {value}" for key, value in params.items() if value not in (None, {}))] for name, params in known.items()]
    out(*table(["accelerator", "parameters"], rows, left=2))
    return 0


def run_init(arguments: Namespace) -> int:
    """Write the file."""
    from hawx.cli.template import accelerator_template, write_new
    from hawx.importers.accelerator import BUILT_IN

    if arguments.kind not in BUILT_IN:
        raise UnknownNameError("accelerator", arguments.kind, BUILT_IN)
    write_new(arguments.out, accelerator_template(arguments.kind))
    out(str(arguments.out), f"explore on it: hawx explore --accelerator {arguments.out}")
    return 0

