"""Commands: each module adds one command to the parser and runs it. Heavy imports stand inside the functions that run."""

from __future__ import annotations

from hawx.cli.commands import explore

COMMANDS = (explore.add,)
"""What adds each command, in the order of `hawx --help`."""
