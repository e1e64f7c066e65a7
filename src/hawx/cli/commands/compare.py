"""`hawx compare`: several finished runs side by side."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from hawx.cli.console import out, print_json, table
from hawx.cli.parser import Commands, add_command, add_json
from hawx.errors import InputError


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "compare", run, "compare finished runs: fronts, and hypervolume over evaluations and wall clock")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders")
    parser.add_argument("--out", type=Path, metavar="FILE.html", help="write a page with the fronts overlaid")
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Print a line per run; write the page if asked for."""
    from hawx.files import write_text
    from hawx.report.compare import compare, comparison_html
    from hawx.store import load_run

    if len(arguments.runs) < 2:
        raise InputError(f"only {str(arguments.runs[0])!r} was given; expected two or more run folders to compare.")
    found = compare([(folder.name or str(folder), load_run(folder)) for folder in arguments.runs])
    if arguments.out is not None:
        write_text(arguments.out, comparison_html(found))
    if arguments.json:
        print_json(found.to_dict())
        return 0
    out(*table(found.head, found.rows), "", *found.notes)
    if arguments.out is not None:
        out(f"page     {arguments.out}")
    return 0
