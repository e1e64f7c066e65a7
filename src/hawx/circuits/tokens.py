"""Tokens with line numbers for the Verilog and C subsets, and the error that names file and line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from hawx.errors import InputError

MAX_CIRCUIT_BYTES = 8 << 20
"""Gate-level 8×8 multipliers are some ten kilobytes."""
MAX_DEPTH = 100
"""Deepest nesting of an expression."""

_BLANKS = re.compile(r"//[^\n]*|/\*.*?\*/|\(\*(?!\s*\)).*?\*\)|\s+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    """`name`, `number`, `op` or `end`."""
    text: str
    line: int


class Tokens:
    """A cursor over the tokens of one file; every refusal names the file and the line."""

    def __init__(self, path: str, text: str, pattern: re.Pattern[str]) -> None:
        """Split `text`.

        Args:
            path: file name for messages.
            text: the file's text.
            pattern: alternatives in named groups `name`, `number`, `op`.
        """
        self.path = path
        self.position = 0
        self.depth = 0
        self.tokens: list[Token] = []
        at, line, end = 0, 1, len(text)
        while at < end:
            blank = _BLANKS.match(text, at)
            if blank is not None:
                line += text.count("\n", at, blank.end())
                at = blank.end()
                continue
            match = pattern.match(text, at)
            if match is None or match.lastgroup is None:
                raise InputError(f"{path!r} line {line}: {text[at : at + 12].splitlines()[0]!r} is not understood; expected a gate-level circuit.")
            self.tokens.append(Token(match.lastgroup, match[0], line))
            line += match[0].count("\n")
            at = match.end()
        self.tokens.append(Token("end", "end of file", line))

    @property
    def current(self) -> Token:
        return self.tokens[self.position]

    def take(self) -> Token:
        token = self.tokens[self.position]
        if token.kind != "end":
            self.position += 1
        return token

    def at(self, *texts: str) -> bool:
        return self.current.text in texts and self.current.kind != "end"

    def accept(self, *texts: str) -> bool:
        if self.at(*texts):
            self.position += 1
            return True
        return False

    def expect(self, text: str) -> Token:
        if not self.at(text):
            self.fail(f"{self.shown()}; expected {text!r}.{self.hint()}")
        return self.take()

    def name(self, what: str) -> str:
        if self.current.kind != "name":
            self.fail(f"{self.shown()}; expected {what}.{self.hint()}")
        return self.take().text

    def shown(self) -> str:
        """Return the current token as it appears in a message."""
        return "the file ends" if self.current.kind == "end" else f"found {self.current.text!r}"

    def hint(self) -> str:
        """Return the likely cause where the file ends too early."""
        return " Is the file truncated?" if self.current.kind == "end" else ""

    def fail(self, message: str, line: int | None = None) -> NoReturn:
        raise InputError(f"{self.path!r} line {self.current.line if line is None else line}: {message}")

    def descend(self) -> None:
        """Enter one level of nesting."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"nested more than {MAX_DEPTH} deep; expected a gate-level circuit.")

    def ascend(self) -> None:
        self.depth -= 1
