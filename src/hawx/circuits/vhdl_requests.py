"""What a VHDL text asks of the tool that reads it: files and foreign code. A multiplier needs neither.

Synthesis runs functions on constants, and files can be opened in them; so whatever could name a file is refused before a tool sees it.
"""

from __future__ import annotations

import re

from hawx.circuits.units import blanked
from hawx.errors import InputError

_AMBIGUOUS = re.compile(r"'[\"\\]'")
"""A quote as a character: readers differ on whether a string begins there."""
_REFUSED = {
    "a file is declared": re.compile(r"\bfile\b"),
    "a package of files is used": re.compile(r"\b\w*textio\w*"),
    "foreign code is named": re.compile(r"\b(?:foreign|vhpidirect|vhpi)\b"),
    "a directive to the tool is given": re.compile(r"`"),
    "a name is written between backslashes": re.compile(r"\\"),
    "a string is written between percent signs": re.compile(r"%"),
}
_LIBRARY = re.compile(r"\blibrary\s+([^;]*);")
LIBRARIES = frozenset({"ieee", "std", "work", "xil_defaultlib"})


def check_vhdl_requests(path: str, text: str) -> None:
    """Raise `InputError` where a VHDL text would have a tool open a file, call foreign code or read a library of its own; names file and line."""

    def refuse(at: int, found: str) -> InputError:
        line = text.count("\n", 0, at) + 1
        return InputError(f"{path!r} line {line}: {found}, which no multiplier needs; expected a circuit that reads no file and calls no program.")

    if (quote := _AMBIGUOUS.search(text)) is not None:
        raise refuse(quote.start(), "a quote or backslash is written as a character")
    plain = blanked(text, "VHDL").lower()
    for what, pattern in _REFUSED.items():
        if (found := pattern.search(plain)) is not None:
            raise refuse(found.start(), what)
    for listed in _LIBRARY.finditer(plain):
        for name in listed[1].split(","):
            if name.strip() not in LIBRARIES:
                raise InputError(
                    f"{path!r} line {text.count(chr(10), 0, listed.start()) + 1}: the library {name.strip()[:40]!r} is not known; "
                    f"expected ieee, std or work. Give the files of what it is used for in library work."
                )
