"""One tokenizer for Verilog, C, Liberty and the functions in it: tokens with line numbers, and the error that names file and line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, NoReturn, TypeVar

from hawx.errors import InputError

MAX_CIRCUIT_BYTES = 8 << 20
"""Gate-level 8×8 multipliers are some ten kilobytes."""
MAX_DEPTH = 100
"""Deepest nesting of an expression."""

BLANKS = r"//[^\n]*|/\*.*?\*/|\(\*(?!\s*\)).*?\*\)|\s+"
"""Comments, attributes and space of Verilog and C."""

T = TypeVar("T")


class Token(NamedTuple):
    kind: str
    """`name`, `number`, `op`, `quoted` (its text is without the quotes) or `end`."""
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Language:
    """How a text is split, and how what cannot be used is told."""

    pattern: re.Pattern[str]
    """The blanks before a token, and a named group for its kind, `end` or `bad`."""
    refusal: str
    unknown: str


def language(
    blank: str,
    *,
    refusal: str = "{path!r} line {line}: {message}",
    unknown: str = "{text!r} is not understood; expected a gate-level circuit.",
    **kinds: str,
) -> Language:
    """Return a language.

    Args:
        blank: what stands between tokens; like `kinds`, the text of a regular expression without groups.
        refusal: format of every message: `path`, `line`, `message`.
        unknown: message for what is no token: `text`, its first characters.
        kinds: kind → its tokens, the first that fits counts.
    """
    groups = "|".join(f"(?P<{kind}>{pattern})" for kind, pattern in {**kinds, "end": r"\Z", "bad": "."}.items())
    return Language(re.compile(f"(?:{blank})*+(?:{groups})", re.DOTALL | re.ASCII), refusal, unknown)


class Tokens:
    """A cursor over the tokens of one text; every refusal names the file and the line."""

    def __init__(self, path: str, text: str, language: Language) -> None:
        """Split `text`; `path` is its file for messages."""
        self.path = path
        self.language = language
        self.depth = 0
        self.position = 0
        self.tokens: list[Token] = []
        at, line = 0, 1
        for match in language.pattern.finditer(text):
            kind = match.lastgroup or "bad"
            start = match.start(kind)
            line += text.count("\n", at, start)
            at = start
            if kind == "bad":
                self.fail(language.unknown.format(text=text[at : at + 12].splitlines()[0]), line)
            self.tokens.append(Token(kind, match[kind][1:-1] if kind == "quoted" else match[kind] or "end of file", line))
            if kind == "end":
                break
        self.current = self.tokens[0]

    def take(self) -> Token:
        token = self.current
        if token.kind != "end":
            self.position += 1
            self.current = self.tokens[self.position]
        return token

    def at(self, *texts: str) -> bool:
        return self.current.text in texts and self.current.kind != "quoted"

    def accept(self, *texts: str) -> bool:
        found = self.at(*texts)
        if found:
            self.take()
        return found

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
        raise InputError(self.language.refusal.format(path=self.path, line=self.current.line if line is None else line, message=message))

    def descend(self) -> None:
        """Enter one level of nesting."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"nested more than {MAX_DEPTH} deep; expected a gate-level circuit.")

    def ascend(self) -> None:
        self.depth -= 1


def climb(tokens: Tokens, levels: Mapping[str, int], operand: Callable[[], T], combine: Callable[[Token, T, T], T], least: int = 0) -> T:
    """Return a chain of left-associative binary operators, each operator `combine`d as soon as both sides are known.

    Args:
        tokens: the cursor.
        levels: operator → its precedence, the loosest is 0.
        operand: takes one operand.
        combine: operator, left and right → value.
        least: looser operators are left for the caller.
    """
    left = operand()
    while (level := levels.get(tokens.current.text, -1)) >= least:
        token = tokens.take()
        left = combine(token, left, climb(tokens, levels, operand, combine, level + 1))
    return left
