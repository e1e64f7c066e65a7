"""Evaluate straight-line C: one function of two integers, all 65,536 operand pairs at once, by numpy. Never compiled or executed.

The subset is what EvoApproxLib's behavioural files use and a little more: integer declarations, assignments
(`=`, `|=`, `&=`, `^=`, `+=`, `-=`, `<<=`, `>>=`), `return`, and the operators `~ ! + - * << >> < > <= >= == != & ^ | ?:` with casts.
No loops, calls, arrays, pointers or preprocessor beyond `#include`.
Values are held in int64 and wrapped to the declared type when they are stored.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hawx.formats import CODES
from hawx.importers.tokens import Tokens
from hawx.importers.verilog import Raw, operand_order

_PATTERN = re.compile(
    r"(?P<number>0[xX][0-9a-fA-F]+[uUlL]*|0[bB][01]+[uUlL]*|\d+[uUlL]*)|(?P<name>[A-Za-z_]\w*)|"
    r"(?P<op><<=|>>=|\|=|&=|\^=|\+=|-=|\*=|<<|>>|<=|>=|==|!=|&&|\|\||\+\+|--|->|[-+*/%!~&|^?:;,.()\[\]{}=<>#\"'\\])"
)
_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include\b[^\n]*$", re.MULTILINE)
_QUALIFIERS = {"const", "static", "inline", "register", "volatile", "extern"}
_TYPES = {f"{u}int{n}_t": (n, not u) for n in (8, 16, 32, 64) for u in ("", "u")}
_WORDS = {"signed", "unsigned", "char", "short", "int", "long"}
_STATEMENTS = {"for", "while", "do", "if", "else", "switch", "goto", "break", "continue", "struct", "typedef", "asm", "sizeof"}

Value = NDArray[np.int64] | np.int64
"""A constant, or one value per operand pair, (256, 256)."""
Type = tuple[int, bool]
"""(bits, signed)."""


def _wrap(value: Value, kind: Type) -> Value:
    bits, signed = kind
    if bits == 64:
        return value
    low = value & np.int64((1 << bits) - 1)
    return low - ((low >> (bits - 1)) << bits) if signed else low


class _Function:
    """Interprets one function while it is parsed: straight-line code needs no tree."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.types: dict[str, Type] = {}
        self.values: dict[str, Value] = {}

    def type_name(self) -> Type | None:
        """Take a type if there is one here."""
        tokens, words = self.tokens, []
        while tokens.current.kind == "name" and tokens.current.text in _QUALIFIERS:
            tokens.take()
        if tokens.current.text in _TYPES:
            kind = _TYPES[tokens.take().text]
        else:
            while tokens.current.kind == "name" and tokens.current.text in _WORDS:
                words.append(tokens.take().text)
            if not words:
                return None
            bits = 8 if "char" in words else 16 if "short" in words else 64 if "long" in words else 32
            kind = (bits, "unsigned" not in words)
        while tokens.current.kind == "name" and tokens.current.text in _QUALIFIERS:
            tokens.take()
        return kind

    def statement(self) -> Value | None:
        """Interpret one statement; return the value of a `return`."""
        tokens = self.tokens
        token = tokens.current
        if token.kind == "end":
            tokens.fail("the file ends inside the function; expected '}'. Is the file truncated?")
        if token.text in _STATEMENTS:
            tokens.fail(
                f"{token.text!r} is outside the straight-line C subset; expected declarations, assignments and return. Give the table instead."
            )
        if tokens.accept(";"):
            return None
        if tokens.accept("return"):
            value = self.expression()
            tokens.expect(";")
            return value
        kind = self.type_name()
        if kind is not None:
            self.declaration(kind)
        else:
            self.assignment()
        tokens.expect(";")
        return None

    def declaration(self, kind: Type) -> None:
        tokens = self.tokens
        while True:
            if tokens.at("*"):
                tokens.fail("pointers are outside the straight-line C subset; expected integer variables.")
            name = tokens.name("a variable name")
            if tokens.at("["):
                tokens.fail(f"array {name!r} is outside the straight-line C subset; expected integer variables.")
            if name in self.types:
                tokens.fail(f"variable {name!r} is declared twice; expected one declaration.")
            self.types[name] = kind
            if tokens.accept("="):
                self.values[name] = _wrap(self.expression(), kind)
            if not tokens.accept(","):
                return

    def assignment(self) -> None:
        tokens = self.tokens
        line, name = tokens.current.line, tokens.name("a statement")
        if name not in self.types:
            what = "calls a function, which is outside the straight-line C subset" if tokens.at("(") else "is not declared"
            tokens.fail(f"{name!r} {what}; expected a declared variable.", line)
        operator = tokens.take()
        if operator.text not in ("=", "|=", "&=", "^=", "+=", "-=", "*=", "<<=", ">>="):
            tokens.fail(f"found {operator.text!r} after {name!r}; expected an assignment.", operator.line)
        value = self.expression()
        if operator.text != "=":
            value = self.binary(operator.text[:-1], self.read(name, line), value, line)
        self.values[name] = _wrap(value, self.types[name])

    def read(self, name: str, line: int) -> Value:
        if name not in self.values:
            what = "is read before it is set" if name in self.types else "is not declared"
            self.tokens.fail(f"variable {name!r} {what}; expected a value.", line)
        return self.values[name]

    def expression(self) -> Value:
        tokens = self.tokens
        tokens.descend()
        value = self.level(0)
        if tokens.accept("?"):
            one = self.expression()
            tokens.expect(":")
            value = np.where(value != 0, one, self.expression())
        tokens.ascend()
        return value

    def level(self, level: int) -> Value:
        if level == len(_PRECEDENCE):
            return self.unary()
        left = self.level(level + 1)
        while self.tokens.at(*_PRECEDENCE[level]):
            token = self.tokens.take()
            left = self.binary(token.text, left, self.level(level + 1), token.line)
        return left

    def binary(self, operator: str, left: Value, right: Value, line: int) -> Value:
        if operator in ("<<", ">>"):
            if np.any((np.asarray(right) < 0) | (np.asarray(right) > 63)):
                self.tokens.fail("a shift amount is outside 0 to 63; expected a smaller one.", line)
            if operator == ">>" and (64, False) in self.types.values() and np.any(np.asarray(left) < 0):
                self.tokens.fail(
                    "a negative value is shifted right beside 64-bit unsigned variables, where C's result depends on types; mask it first.", line
                )
        with np.errstate(over="ignore"):
            return _OPERATORS[operator](left, right)

    def unary(self) -> Value:
        tokens = self.tokens
        token = tokens.current
        if token.kind == "op" and token.text in ("~", "-", "+", "!"):
            tokens.take()
            tokens.descend()
            value = self.unary()
            tokens.ascend()
            if token.text == "!":
                return np.asarray(value == 0).astype(np.int64)
            return ~value if token.text == "~" else -value if token.text == "-" else value
        if tokens.accept("("):
            kind = self.type_name()
            if kind is not None:
                tokens.expect(")")
                tokens.descend()
                value = _wrap(self.unary(), kind)
                tokens.ascend()
                return value
            value = self.expression()
            tokens.expect(")")
            return value
        if token.kind == "number":
            tokens.take()
            digits = token.text.rstrip("uUlL")
            number = int(digits, 8) if re.fullmatch(r"0[0-7]+", digits) else int(digits, 0) if not re.fullmatch(r"0\d+", digits) else -1
            if not 0 <= number < 1 << 64:
                tokens.fail(f"number {token.text!r} is not usable; expected a C integer below 2^64.", token.line)
            return np.int64(number - (number >> 63 << 64))  # the 64-bit pattern
        name = tokens.name("a value")
        if tokens.at("(", "["):
            what = "a call" if tokens.at("(") else "an array"
            tokens.fail(f"{name!r} is {what}, which is outside the straight-line C subset; expected variables and operators.", token.line)
        return self.read(name, token.line)


def _compared(relation: Callable[[Value, Value], object]) -> Callable[[Value, Value], Value]:
    return lambda p, q: np.asarray(relation(p, q)).astype(np.int64)


_PRECEDENCE: tuple[tuple[str, ...], ...] = (
    ("||",),
    ("&&",),
    ("|",),
    ("^",),
    ("&",),
    ("==", "!="),
    ("<", ">", "<=", ">="),
    ("<<", ">>"),
    ("+", "-"),
    ("*",),
)
"""Binary operators, loosest first."""

_OPERATORS: dict[str, Callable[[Value, Value], Value]] = {
    "||": _compared(lambda p, q: (p != 0) | (q != 0)),
    "&&": _compared(lambda p, q: (p != 0) & (q != 0)),
    "|": lambda p, q: p | q,
    "^": lambda p, q: p ^ q,
    "&": lambda p, q: p & q,
    "==": _compared(lambda p, q: p == q),
    "!=": _compared(lambda p, q: p != q),
    "<": _compared(lambda p, q: p < q),
    ">": _compared(lambda p, q: p > q),
    "<=": _compared(lambda p, q: p <= q),
    ">=": _compared(lambda p, q: p >= q),
    "<<": lambda p, q: p << q,
    ">>": lambda p, q: p >> q,
    "+": lambda p, q: p + q,
    "-": lambda p, q: p - q,
    "*": lambda p, q: p * q,
}


def evaluate_c(path: str, text: str) -> tuple[str, Raw]:
    """Return the function's name and its exhaustive raw behaviour.

    Operands are taken by parameter name (A is the activation, B the weight, whatever the order), else in the order given.

    Args:
        path: file name for messages.
        text: C source with one function.

    Raises:
        InputError: unsupported construct, undeclared or unset variable, truncated text; names file and line.
    """
    tokens = Tokens(path, _INCLUDE.sub("", text), _PATTERN)
    function = _Function(tokens)
    if tokens.at("#"):
        tokens.fail("preprocessor directives other than #include are outside the straight-line C subset; expected plain C.")
    line, kind = tokens.current.line, function.type_name()
    if kind is None:
        tokens.fail(f"{tokens.shown()}; expected a function such as 'int16_t mul(int8_t A, int8_t B)'.")
    name = tokens.name("a function name")
    tokens.expect("(")
    names: list[str] = []
    while not tokens.accept(")"):
        parameter = function.type_name()
        if parameter is None:
            tokens.fail(f"{tokens.shown()}; expected an integer parameter type.")
        names.append(tokens.name("a parameter name"))
        function.types[names[-1]] = parameter
        if not tokens.at(")"):
            tokens.expect(",")
    if len(names) != 2:
        tokens.fail(f"function {name!r} has {len(names)} parameters; expected two operands.", line)
    code = np.arange(CODES, dtype=np.int64)
    for parameter_name, grid in zip(operand_order(names), (code[:, None], code[None, :]), strict=True):
        function.values[parameter_name] = _wrap(np.broadcast_to(grid, (CODES, CODES)), function.types[parameter_name])
    tokens.expect("{")
    result: Value | None = None
    while not tokens.accept("}"):
        if result is not None:
            tokens.fail("a statement follows 'return'; expected '}'.")
        result = function.statement()
    if tokens.current.kind != "end":
        tokens.fail(f"{tokens.shown()} after the function; expected one function per file.")
    if result is None:
        tokens.fail(f"function {name!r} has no return; expected a product.")
    return name, np.broadcast_to(_wrap(result, kind) & np.int64(0xFFFF), (CODES, CODES)).astype(np.int64)
