"""Entry: parse, run one command, and turn every foreseeable failure into one line and an exit status."""

from __future__ import annotations

import os
import select
import sys
import traceback
from collections.abc import Sequence

from hawx.cli.commands import COMMANDS
from hawx.cli.parser import build_parser, parse
from hawx.cli.signals import Terminated, terminable
from hawx.errors import GoalError, HawxError, is_out_of_memory

DONE, GOAL_MISSED, BAD_INPUT, BUG, INTERRUPTED, TERMINATED = 0, 1, 2, 70, 130, 143


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (default: the process's) name and return its exit status."""
    try:
        with terminable():
            parsed = parse(build_parser(COMMANDS), arguments)
            status = int(parsed.run(parsed))
            sys.stdout.flush()
        return status
    except SystemExit as stop:  # argparse: --help, --version or a usage error, already printed
        return int(stop.code or 0)
    except GoalError as error:
        return _fail(str(error), GOAL_MISSED)
    except HawxError as error:
        return _fail(str(error), BAD_INPUT)
    except KeyboardInterrupt as stop:
        word, status = ("terminated", TERMINATED) if isinstance(stop, Terminated) else ("interrupted", INTERRUPTED)
        return _fail(word + (f"; {stop}" if str(stop) else "."), status)
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _reader_has_gone():
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return DONE
        place = f" {str(error.filename)!r}" if error.filename is not None else ""
        return _fail(f"the system refused{place}: {error.strerror or error}.", BAD_INPUT)
    except Exception as error:  # noqa: BLE001  what remains is a defect of HAWX: say so and show it
        if is_out_of_memory(error):
            return _fail("not enough memory; use fewer --images or close other programs.", BAD_INPUT)
        traceback.print_exc()
        return _fail("this is a defect of HAWX; please report it with the lines above and `hawx doctor --json`.", BUG)


def _reader_has_gone() -> bool:
    """Return whether nobody reads our output any more, as after `hawx blocks list | head`; other pipes break, too."""
    if not hasattr(select, "poll"):
        return True
    ask = select.poll()
    try:
        ask.register(sys.stdout.fileno(), 0)
    except OSError:  # no file
        return False
    return bool(ask.poll(0))  # a pipe without a reader is an error, whatever is asked


def _fail(message: str, status: int) -> int:
    sys.stdout.flush()
    print(f"hawx: {' '.join(message.split())}", file=sys.stderr)
    return status
