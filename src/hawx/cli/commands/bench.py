"""`hawx bench`: how fast exact emulation is here, against float32 convolution and against a gather loop."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from hawx.cli.console import out, print_json, table
from hawx.cli.parser import Commands, add_command, add_json

if TYPE_CHECKING:
    from hawx.emulate.bench import BenchReport


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "bench", run, "time bit-exact emulation against float32 convolution and a gather loop, on this machine")
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="whose layer shapes to time [default: all known]")
    parser.add_argument("--engine", default="auto", metavar="NAME", help="engine to force [default: auto, the one expected to be fastest]")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of every candidate [default: 1]")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="runs of each, alternately; the fastest counts [default: 5]")
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Time and print a line per layer and block."""
    from hawx.display import display

    with display(quiet=arguments.json) as progress:
        progress.stage("load")
        from hawx.emulate.bench import bench
        from hawx.emulate.workloads import WORKLOADS
        from hawx.store.kernel_costs import timed_machine

        machine = timed_machine()
        networks = arguments.networks or list(WORKLOADS)
        progress.stage("bench", sum(len(WORKLOADS.get(name, ())) for name in networks))
        report = bench(
            networks, engine=arguments.engine, threads=arguments.threads, repeats=arguments.repeats, advance=progress.advance, machine=machine
        )
    if arguments.json:
        print_json(report.to_dict())
    else:
        out(*bench_lines(report))
    return 0


def bench_lines(report: BenchReport) -> list[str]:
    """Return the table of a report, then the median ratios per kind of block."""
    from statistics import median

    def ratio(value: float | None) -> str:
        return "–" if value is None else f"{value:.2f}"

    head = ["network", "layer", "block", "engine", "GMAC/s", "float32\nGMAC/s", "gather\nGMAC/s", "of\nfloat32", "of\ngather"]
    rows = [
        [
            r.network,
            r.layer,
            r.kind,
            r.engine,
            f"{r.gmacs:.2f}",
            f"{r.float32_gmacs:.2f}",
            ratio(r.gather_gmacs),
            ratio(r.to_float32),
            ratio(r.to_gather),
        ]
        for r in report.rows
    ]
    lines = [*table(head, rows, left=4), ""]
    for kind in dict.fromkeys(r.kind for r in report.rows):
        ours = [r for r in report.rows if r.kind == kind]
        gathers = [r.to_gather for r in ours if r.to_gather is not None]
        said = f", {median(gathers):.2f}x the gather loop" if gathers else ""
        lines.append(f"{kind:10} median {median(r.to_float32 for r in ours):.2f}x float32{said} ({len(ours)} rows)")
    return [
        *lines,
        "",
        f"{report.machine}; kernels {report.target}; {report.threads} threads; torch {report.torch}; all measured alternately in this run",
    ]
