"""The Liberty grammar: text → tree of groups. Knows nothing of cells; tolerant of what real libraries contain."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field

from hawx.errors import InputError

_TOKEN = re.compile(
    r"""
      (?P<skip>  (?:\s | \\\r?\n | \\ | /\*.*?\*/ | //[^\n]*)+ )
    | "(?P<quoted> [^"]*)"
    | (?P<word>  [^\s(){};:,"\\/]+ (?: /(?![*/]) [^\s(){};:,"\\/]*)* )
    | (?P<mark>  [(){};:,] )
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(slots=True)
class Group:
    """One Liberty group: `kind (arguments) { attributes and groups }`."""

    kind: str
    arguments: tuple[str, ...]
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    """`name : value ;`, the last one wins."""
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """`name (value, value) ;`, quoted lists kept as texts."""
    groups: list[Group] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.arguments[0] if self.arguments else ""

    def all(self, *kinds: str) -> list[Group]:
        """Return the direct groups of these kinds, in file order."""
        return [group for group in self.groups if group.kind in kinds]

    def number(self, attribute: str, default: float) -> float:
        """Return an attribute as a number; `default` where it is absent or not a number."""
        try:
            return float(self.attributes[attribute])
        except (KeyError, ValueError):
            return default


def parse(text: str, where: str) -> Group:
    """Return the outermost group of a Liberty text; `where` names the file in messages.

    Raises:
        InputError: the text is not Liberty; names file and line.
    """
    return _Parser(text, where).parse()


class _Parser:
    def __init__(self, text: str, where: str) -> None:
        self.where = where
        self.lines = [match.start() for match in re.finditer("\n", text)]
        self.tokens: list[tuple[str, bool, int]] = []
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._error(position, f"unexpected character {text[position]!r}")
            position = match.end()
            kind = match.lastgroup
            if kind != "skip":
                value = match[kind] if kind is not None else ""
                self.tokens.append((value, kind == "mark", match.start()))
        self.at = 0

    def parse(self) -> Group:
        group = self._statement(None)
        if group is None or group.kind != "library":
            raise self._error(0, "it does not start with a library group")
        return group

    def _statement(self, parent: Group | None) -> Group | None:
        """Read one statement into `parent`; return it if it is a group."""
        name, is_mark, position = self._next()
        if is_mark:
            raise self._error(position, f"unexpected {name!r}")
        if self._accept(":"):
            words = []
            while not self._peek_mark(";", "}") and not self._ends_line(position):
                words.append(self._next()[0])
            self._accept(";")
            if parent is not None:
                parent.attributes[name] = " ".join(words)
            return None
        if not self._accept("("):
            raise self._error(position, f"{name!r} is neither an attribute nor a group")
        arguments = []
        while not self._accept(")"):
            value, is_mark, at = self._next()
            if is_mark and value in "{};":
                raise self._error(at, f"unexpected {value!r} in the arguments of {name!r}")
            if not is_mark:
                arguments.append(value)
        if not self._accept("{"):
            self._accept(";")
            if parent is not None:
                parent.lists[name] = tuple(arguments)
            return None
        group = Group(name, tuple(arguments), self._line(position))
        while not self._accept("}"):
            if self._accept(";"):
                continue
            child = self._statement(group)
            if child is not None:
                group.groups.append(child)
        self._accept(";")
        return group

    def _ends_line(self, start: int) -> bool:
        """Whether the next token stands on a later line than `start`: a forgotten semicolon."""
        return self.at < len(self.tokens) and self._line(self.tokens[self.at][2]) > self._line(start) and self.tokens[self.at - 1][0] != ":"

    def _next(self) -> tuple[str, bool, int]:
        if self.at >= len(self.tokens):
            raise self._error(self.tokens[-1][2] if self.tokens else 0, "the text ends inside a group")
        self.at += 1
        return self.tokens[self.at - 1]

    def _peek_mark(self, *marks: str) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at][1] and self.tokens[self.at][0] in marks

    def _accept(self, mark: str) -> bool:
        if self._peek_mark(mark):
            self.at += 1
            return True
        return False

    def _line(self, position: int) -> int:
        return bisect_right(self.lines, position - 1) + 1

    def _error(self, position: int, what: str) -> InputError:
        return InputError(
            f"Liberty file {self.where!r} line {self._line(position)} cannot be read: {what}; expected a cell library in Liberty format."
        )
