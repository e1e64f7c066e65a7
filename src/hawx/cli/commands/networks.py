"""`hawx networks`: what the zoo holds."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from hawx.cli.console import out, print_json, table
from hawx.cli.parser import Commands, Parser, add_command, add_json


def add(commands: Commands) -> None:
    """Add the command and its own commands to the parser."""
    parent = add_command(commands, "networks", lambda _: _help(parent), "networks of the zoo")
    inner = parent.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    add_json(add_command(inner, "list", run_list, "list the networks of the zoo and where their weights come from"))


def _help(parser: Parser) -> int:
    parser.print_help()
    return 0


def run_list(arguments: Namespace) -> int:
    """Print a line per network."""
    from hawx.networks import zoo

    facts: list[dict[str, Any]] = []
    for name in zoo.names():
        entry = zoo.describe(name)
        facts.append(
            {
                "name": name,
                "input_shape": list(entry.input_shape),
                "classes": entry.classes,
                "data": entry.data,
                "trainable": entry.recipe is not None,
                "weights": entry.weights,
            }
        )
    if arguments.json:
        print_json(facts)
        return 0
    rows = [[str(f["name"]), "×".join(map(str, f["input_shape"])), str(f["classes"]), str(f["data"]), str(f["weights"])] for f in facts]
    out(*table(["network", "input", "classes", "data", "weights"], rows, left=5))
    return 0
