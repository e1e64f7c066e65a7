"""Boolean functions: text → expression → value on bit-packed words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import and_, or_, xor

import numpy as np

from hawx.circuits.tokens import Tokens, language
from hawx.circuits.words import Words

LIBERTY = {"0": "0", "1": "1", "not": "!", "and": "*", "or": "+", "xor": "^"}
VERILOG = {"0": "1'b0", "1": "1'b1", "not": "~", "and": " & ", "or": " | ", "xor": " ^ "}
"""How an expression is written: see `Expression.text`."""

_OPERATIONS: Mapping[str, Callable[[Words, Words], Words]] = {"and": and_, "or": or_, "xor": xor}
_FUNCTION = language(r"\s", name=r"[A-Za-z_][\w\[\].$]*", number=r"[01](?!\w)", op="[!'()*&+|^~]")


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


def joined(operator: str, terms: Sequence[Expression]) -> Expression:
    """Return the terms under one operator, or the only one alone."""
    return terms[0] if len(terms) == 1 else Expression(operator, tuple(terms))


@lru_cache(maxsize=4096)
def parse_function(text: str) -> Expression:
    """Return the expression of a Liberty `function` text.

    Operators by falling precedence: `!` `~` before or `'` after, `^`, then and (`*`, `&` or a blank), then or (`+`, `|`).

    Raises:
        InputError: the text is not such an expression.
    """
    tokens = Tokens("", text, _FUNCTION)
    result = _alternatives(tokens)
    if tokens.current.kind != "end":
        tokens.fail(f"unexpected {tokens.current.text!r}")
    return result


def _alternatives(tokens: Tokens) -> Expression:
    terms = [_product(tokens)]
    while tokens.accept("+", "|"):
        terms.append(_product(tokens))
    return joined("or", terms)


def _product(tokens: Tokens) -> Expression:
    terms = [_exclusive(tokens)]
    while tokens.current.kind != "end" and not tokens.at("+", "|", ")", "^"):
        tokens.accept("*", "&")
        terms.append(_exclusive(tokens))
    return joined("and", terms)


def _exclusive(tokens: Tokens) -> Expression:
    terms = [_literal(tokens)]
    while tokens.accept("^"):
        terms.append(_literal(tokens))
    return joined("xor", terms)


def _literal(tokens: Tokens) -> Expression:
    token = tokens.take()
    tokens.descend()
    if token.text in ("!", "~"):
        result = Expression("not", (_literal(tokens),))
    elif token.text == "(":
        result = _alternatives(tokens)
        tokens.expect(")")
    elif token.kind == "number":
        result = Expression(token.text)
    elif token.kind == "name":
        result = Expression("pin", pin=token.text)
    else:
        tokens.fail(f"unexpected {token.text!r}")
    tokens.ascend()
    while tokens.accept("'"):
        result = Expression("not", (result,))
    return result
