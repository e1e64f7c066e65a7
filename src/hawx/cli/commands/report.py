"""`hawx report`: draw the report of a finished run again, or save its figures."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from hawx.cli.console import out
from hawx.cli.parser import Commands, add_command


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "report", run, "draw the report of a finished run again, or save its figures")
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="run folder")
    parser.add_argument("--out", type=Path, metavar="FILE.html", help="where the report goes [default: RUN/report.html]")
    parser.add_argument("--figures", type=Path, metavar="DIR", help="save every figure as an SVG file of its own")
    parser.add_argument("--latex", type=Path, metavar="DIR", help="save the tables (booktabs) and the front's plot (pgfplots) for a paper")


def run(arguments: Namespace) -> int:
    """Write the report, and the figures if asked for."""
    from hawx.files import make_folder, write_text
    from hawx.report.latex import latex_files
    from hawx.report.page import report_html
    from hawx.store import load_run
    from hawx.store.figures import save_figures

    result = load_run(arguments.run_folder)
    target = arguments.out or arguments.run_folder / "report.html"
    write_text(target, report_html(result))
    out(str(target))
    if arguments.figures is not None:
        out(*map(str, save_figures(result, arguments.figures)))
    if arguments.latex is not None:
        folder = make_folder(arguments.latex)
        for name, content in latex_files(result).items():
            write_text(folder / name, content)
            out(str(folder / name))
    return 0
