"""Commands: each module adds one command to the parser and runs it. Heavy imports stand inside the functions that run."""

from __future__ import annotations

from hawx.cli.commands import bench, blocks, compare, doctor, evaluate, explore, export, finetune, networks, report, rtl, score

COMMANDS = (
    *(explore.add, score.add, evaluate.add, finetune.add, compare.add, report.add, rtl.add, export.add),
    *(blocks.add, networks.add, doctor.add, bench.add),
)
"""What adds each command, in the order of `hawx --help`."""
