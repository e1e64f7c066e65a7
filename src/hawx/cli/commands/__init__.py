"""Commands: each module adds one command to the parser and runs it. Heavy imports stand inside the functions that run."""

from __future__ import annotations

from hawx.cli.commands import accelerators, bench, blocks, compare, doctor, evaluate, explore, export, finetune, init, networks, report, rtl, score

COMMANDS = (
    *(init.add, explore.add, score.add, evaluate.add, finetune.add, compare.add, report.add, rtl.add, export.add),
    *(blocks.add, networks.add, accelerators.add, doctor.add, bench.add),
)
"""What adds each command, in the order of `hawx --help`."""
