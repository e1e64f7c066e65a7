"""Evaluate straight-line C: one function of two integers, all 65,536 operand pairs at once, by numpy. Never compiled or executed.

The subset is what EvoApproxLib's behavioural files use and a little more: integer declarations, assignments
(`=`, `|=`, `&=`, `^=`, `+=`, `-=`, `<<=`, `>>=`), `return`, and the operators `~ ! + - * << >> < > <= >= == != & ^ | ?:` with casts.
No loops, calls, arrays, pointers or preprocessor beyond `#include`.
Types, promotion and wrapping are those of C (`c_arithmetic`).
"""

from __future__ import annotations

import re

import numpy as np

from hawx.circuits import operand_order
from hawx.circuits.c_arithmetic import Type, Typed, binary, choose, convert, literal, shift, unary, wrap
from hawx.circuits.readings import Numbers
from hawx.circuits.tokens import BLANKS, Token, Tokens, climb, language
from hawx.formats import CODES

_C = language(
    BLANKS,
    number=r"0[xX][0-9a-fA-F]+[uUlL]*|0[bB][01]+[uUlL]*|\d+[uUlL]*",
    name=r"[A-Za-z_]\w*",
    op=r"<<=|>>=|\|=|&=|\^=|\+=|-=|\*=|<<|>>|<=|>=|==|!=|&&|\|\||\+\+|--|->|[-+*/%!~&|^?:;,.()\[\]{}=<>#\"'\\]",
)
_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include\b[^\n]*$", re.MULTILINE)
_QUALIFIERS = {"const", "static", "inline", "register", "volatile", "extern"}
_TYPES = {f"{u}int{n}_t": (n, not u) for n in (8, 16, 32, 64) for u in ("", "u")}
_WORDS = {"signed", "unsigned", "char", "short", "int", "long"}
_STATEMENTS = {"for", "while", "do", "if", "else", "switch", "goto", "break", "continue", "struct", "typedef", "asm", "sizeof"}


class _Function:
    """Interprets one function while it is parsed: straight-line code needs no tree."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.types: dict[str, Type] = {}
        self.values: dict[str, Typed] = {}

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

    def statement(self) -> Typed | None:
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
                self.values[name] = convert(self.expression(), kind)
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
        self.values[name] = convert(value, self.types[name])

    def read(self, name: str, line: int) -> Typed:
        if name not in self.values:
            what = "is read before it is set" if name in self.types else "is not declared"
            self.tokens.fail(f"variable {name!r} {what}; expected a value.", line)
        return self.values[name]

    def expression(self) -> Typed:
        tokens = self.tokens
        tokens.descend()
        value = climb(tokens, _LEVELS, self.unary, self.combined)
        if tokens.accept("?"):
            one = self.expression()
            tokens.expect(":")
            value = choose(value, one, self.expression())
        tokens.ascend()
        return value

    def combined(self, operator: Token, left: Typed, right: Typed) -> Typed:
        return self.binary(operator.text, left, right, operator.line)

    def binary(self, operator: str, left: Typed, right: Typed, line: int) -> Typed:
        if operator not in ("<<", ">>"):
            return binary(operator, left, right)
        shifted = shift(operator, left, right)
        if shifted is None:
            self.tokens.fail("a shift amount is negative or not below the width of the shifted type; expected a smaller one.", line)
        return shifted

    def unary(self) -> Typed:
        tokens = self.tokens
        token = tokens.current
        if token.kind == "op" and token.text in ("~", "-", "+", "!"):
            tokens.take()
            tokens.descend()
            value = unary(token.text, self.unary())
            tokens.ascend()
            return value
        if tokens.accept("("):
            kind = self.type_name()
            tokens.descend()
            if kind is not None:
                tokens.expect(")")
                value = convert(self.unary(), kind)
            else:
                value = self.expression()
                tokens.expect(")")
            tokens.ascend()
            return value
        if token.kind == "number":
            number = literal(tokens.take().text)
            if number is None:
                tokens.fail(f"number {token.text!r} is not usable; expected a C integer below 2^64.", token.line)
            return number
        name = tokens.name("a value")
        if tokens.at("(", "["):
            what = "a call" if tokens.at("(") else "an array"
            tokens.fail(f"{name!r} is {what}, which is outside the straight-line C subset; expected variables and operators.", token.line)
        return self.read(name, token.line)


_PRECEDENCE = ("||", "&&", "|", "^", "&", "== !=", "< > <= >=", "<< >>", "+ -", "*")
"""Binary operators, loosest first."""
_LEVELS = {operator: level for level, operators in enumerate(_PRECEDENCE) for operator in operators.split()}


def evaluate_c(path: str, text: str) -> tuple[str, Numbers]:
    """Return the function's name and its 16-bit output patterns, (256, 256) over operand patterns 0..255.

    Operands are taken by parameter name (A is the activation, B the weight, whatever the order), else in the order given.

    Args:
        path: file name for messages.
        text: C source with one function.

    Raises:
        InputError: unsupported construct, undeclared or unset variable, truncated text; names file and line.
    """
    tokens = Tokens(path, _INCLUDE.sub("", text), _C)
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
        kind_of = function.types[parameter_name]
        function.values[parameter_name] = Typed(wrap(np.broadcast_to(grid, (CODES, CODES)), kind_of), kind_of)
    tokens.expect("{")
    result: Typed | None = None
    while not tokens.accept("}"):
        if result is not None:
            tokens.fail("a statement follows 'return'; expected '}'.")
        result = function.statement()
    if tokens.current.kind != "end":
        tokens.fail(f"{tokens.shown()} after the function; expected one function per file.")
    if result is None:
        tokens.fail(f"function {name!r} has no return; expected a product.")
    return name, np.broadcast_to(convert(result, kind).value & np.int64(0xFFFF), (CODES, CODES)).astype(np.int64)
