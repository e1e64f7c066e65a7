"""The one error tree. A message names the value, what was expected and the way out."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

LONGEST = 1000
"""Characters of an error's text: a value that is longer is shown by both of its ends."""


def printable(text: str) -> str:
    """Return `text` as one line that a terminal shows as it is: line breaks become blanks, other control characters their escapes.

    Names come from files, and a file may be hostile: what is printed can neither forge a line, nor drive a terminal, nor fail to be encoded.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\u202f" else " " if c.isspace() else repr(c)[1:-1] for c in text)


def one_line(text: str) -> str:
    """Return `text` as an error shows it: printable, and what is too long without its middle."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
    return printable(text)


class HawxError(Exception):
    """Root of every error that HAWX raises on purpose. Its text is one printable line, whatever the values that it names."""

    def __str__(self) -> str:
        return one_line(super().__str__())


class DoubtWarning(UserWarning):
    """What is given can be used, and hardly means what it says: images that were not preprocessed, a network that guesses, a table out of order."""


class InputError(HawxError, ValueError):
    """Bad input: a file, value, name or setting that cannot be used (exit status 2)."""


class UnknownNameError(InputError, KeyError):
    """A name that is not among the known ones; `nearest` holds the closest known names."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        names = list(known)
        self.name = name
        self.nearest = tuple(get_close_matches(name, names, n=3, cutoff=0.4))
        if self.nearest:
            expected = "did you mean " + " or ".join(repr(near) for near in self.nearest) + "?"
        else:
            listed = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
            expected = f"expected one of: {listed}."
        super().__init__(" ".join(filter(None, [f"unknown {kind} {name!r};", expected, hint])))

    def __str__(self) -> str:  # KeyError would print the repr of the message
        return one_line(str(self.args[0]))


class ToolMissingError(HawxError):
    """An external program or optional package is needed and absent; the message says how to get it."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out: NumPy and the kernels raise `MemoryError`, PyTorch a `RuntimeError` of these words."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))


class GoalError(HawxError):
    """A stated goal cannot be met; the message says what the closest design reaches (exit status 1)."""
