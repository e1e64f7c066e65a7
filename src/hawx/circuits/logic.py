"""Boolean functions: text → expression → value on bit-packed words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_, xor

import numpy as np

from hawx.circuits.words import Words

LIBERTY = {"0": "0", "1": "1", "not": "!", "and": "*", "or": "+", "xor": "^"}
VERILOG = {"0": "1'b0", "1": "1'b1", "not": "~", "and": " & ", "or": " | ", "xor": " ^ "}
"""How an expression is written: see `Expression.text`."""

_OPERATIONS: Mapping[str, Callable[[Words, Words], Words]] = {"and": and_, "or": or_, "xor": xor}
_TOKEN = re.compile(r"\s*(?:([A-Za-z_][\w\[\].$]*)|([01])(?!\w)|([!'()*&+|^~])|$)")


@dataclass(frozen=True, slots=True)
class Expression:
    """A Boolean expression: `operator` is `pin` (its name in `pin`), `0`, `1`, `not`, `and`, `or` or `xor`."""

    operator: str
    operands: tuple[Expression, ...] = ()
    pin: str = ""

    @property
    def pins(self) -> frozenset[str]:
        """Names of the pins that occur."""
        return frozenset({self.pin}) if self.operator == "pin" else frozenset().union(*(operand.pins for operand in self.operands))

    def __call__(self, values: Mapping[str, Words]) -> Words:
        """Return the expression's value on bit-packed pin values of equal shape; a constant has no axis."""
        if self.operator == "pin":
            return values[self.pin]
        found = [operand(values) for operand in self.operands]
        if self.operator == "not":
            return ~found[0]
        if not found:
            return np.asarray(~np.uint64(0) if self.operator == "1" else np.uint64(0))
        return reduce(_OPERATIONS[self.operator], found)

    def truth(self, pins: tuple[str, ...]) -> int:
        """Return the truth table over at most six `pins` as an integer: bit i is the value where pin k is bit k of i."""
        rows = range(1 << len(pins))
        columns = {pin: np.array(sum(1 << i for i in rows if i >> k & 1), np.uint64) for k, pin in enumerate(pins)}
        return int(self(columns)) & ((1 << len(rows)) - 1)

    def text(self, notation: Mapping[str, str] = LIBERTY) -> str:
        """Return the expression as Liberty or Verilog writes it."""
        if self.operator == "pin":
            return self.pin
        mark, operands = notation[self.operator], [operand.text(notation) for operand in self.operands]
        return f"{mark}({operands[0]})" if self.operator == "not" else f"({mark.join(operands)})" if operands else mark


def parse_function(text: str) -> Expression:
    """Return the expression of a Liberty `function` text.

    Operators by falling precedence: `!` `~` before or `'` after, `^`, then and (`*`, `&` or a blank), then or (`+`, `|`).

    Raises:
        ValueError: the text is not such an expression.
    """
    tokens: list[str] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.end() == position:
            raise ValueError(f"unexpected {text[position:]!r}")
        position = match.end()
        token = match[1] or match[2] or match[3]
        if token:
            tokens.append(token)
    parser = _Parser(tokens)
    result = parser.alternatives()
    if parser.tokens:
        raise ValueError(f"unexpected {parser.tokens[0]!r}")
    return result


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens

    def alternatives(self) -> Expression:
        return self._chain("or", "+|", self._products)

    def _products(self) -> Expression:
        terms = [self._exclusive()]
        while self.tokens and self.tokens[0] not in {"+", "|", ")", "^"}:
            if self.tokens[0] in {"*", "&"}:
                self.tokens.pop(0)
            terms.append(self._exclusive())
        return terms[0] if len(terms) == 1 else Expression("and", tuple(terms))

    def _exclusive(self) -> Expression:
        return self._chain("xor", "^", self._literal)

    def _chain(self, operator: str, marks: str, part: object) -> Expression:
        assert callable(part)
        terms = [part()]
        while self.tokens and self.tokens[0] in marks:
            self.tokens.pop(0)
            terms.append(part())
        return terms[0] if len(terms) == 1 else Expression(operator, tuple(terms))

    def _literal(self) -> Expression:
        if not self.tokens:
            raise ValueError("the expression ends early")
        token = self.tokens.pop(0)
        if token in {"!", "~"}:
            result = Expression("not", (self._literal(),))
        elif token == "(":  # noqa: S105  (a parenthesis, not a password)
            result = self.alternatives()
            if not self.tokens or self.tokens.pop(0) != ")":
                raise ValueError("a parenthesis is not closed")
        elif token in {"0", "1"}:
            result = Expression(token)
        elif token[0].isalpha() or token[0] == "_":
            result = Expression("pin", pin=token)
        else:
            raise ValueError(f"unexpected {token!r}")
        while self.tokens and self.tokens[0] == "'":
            self.tokens.pop(0)
            result = Expression("not", (result,))
        return result
