"""Command line: `hawx` and `python -m hawx`. Start is light; each command loads what it needs when it runs."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 goal not met, 2 bad input, 130 interrupted, 143 terminated."""
    from hawx.cli.entry import run

    return run(arguments)
