"""Parser of the gate-level Verilog subset: modules, vector nets, assign, instances, bitwise expressions. Nothing is executed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from hawx.circuits.tokens import BLANKS, Token, Tokens, climb, language
from hawx.circuits.verilog_requests import check_requests

_VERILOG = language(
    BLANKS,
    number=r"\d*\s*'\s*[sS]?[bBoOdDhH]\s*[0-9a-fA-FxXzZ?_]+|\d+",
    name=r"[A-Za-z_][A-Za-z0-9_$]*|\\\S+\s",
    op=r"~\^|\^~|~&|~\||&&|\|\||==|!=|<<|>>|<=|>=|[-+*/%!~&|^?:;,.()\[\]{}=#@<>]",
)
_DIRECTIVE = re.compile(
    r"^[ \t]*`(timescale[ \t]+\w+[ \t]*/[ \t]*\w+|default_nettype[ \t]+\w+|celldefine|endcelldefine|resetall)[ \t]*(?=//|\r?$)", re.MULTILINE
)
_PRIMITIVES = {"and", "or", "xor", "nand", "nor", "xnor", "not", "buf"}
_STATEFUL = {"always", "always_ff", "always_latch", "always_comb", "initial", "reg", "posedge", "negedge", "function", "task", "generate", "specify"}
_WIDEST = 1 << 16

_DEEPEST = 200
"""Levels of operators in one expression, however they come about: by parentheses, or as a chain."""

WAY_OUT = "`hawx blocks characterize` reads it through Yosys."
"""Behavioral Verilog is not lost: synthesis brings it to gates."""


_Kind = Literal["net", "bits", "constant", "not", "and", "or", "xor", "mux", "add", "join", "any", "all", "odd"]


@dataclass(frozen=True, slots=True)
class Vector:
    """An operator or leaf over vectors of bits: a net, some of its bits, a constant, a bitwise operator, a choice, a sum, a join, a reduction."""

    kind: _Kind
    line: int
    operands: tuple[Vector, ...] = ()
    name: str = ""
    high: int = 0
    low: int = 0
    bits: tuple[int, ...] = ()
    """Constant bits, least significant first."""
    depth: int = 1
    """Levels of operators."""


@dataclass(frozen=True, slots=True)
class Assign:
    target: Vector
    value: Vector
    line: int


@dataclass(frozen=True, slots=True)
class Instance:
    cell: str
    name: str
    line: int
    named: dict[str, Vector | None]
    ordered: tuple[Vector, ...]


@dataclass(slots=True)
class Module:
    name: str
    line: int
    ports: list[str] = field(default_factory=list)
    directions: dict[str, str] = field(default_factory=dict)
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Declared nets: (msb, lsb)."""
    assigns: list[Assign] = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)


def parse_verilog(path: str, text: str) -> dict[str, Module]:
    """Return the modules of a Verilog text by name, in file order.

    Raises:
        InputError: a construct is outside the subset or the text is cut off; names file and line.
    """
    check_requests(path, text)
    tokens = Tokens(path, _DIRECTIVE.sub("", text), _VERILOG)
    modules: dict[str, Module] = {}
    while tokens.current.kind != "end":
        if not tokens.at("module"):
            tokens.fail(f"{tokens.shown()}; expected 'module'.")
        module = _module(tokens)
        if module.name in modules:
            tokens.fail(f"module {module.name!r} is defined twice; expected one definition.", module.line)
        modules[module.name] = module
    if not modules:
        tokens.fail("no module in the file; expected a Verilog circuit.")
    return modules


def _module(tokens: Tokens) -> Module:
    line = tokens.expect("module").line
    module = Module(tokens.name("a module name"), line)
    if tokens.at("#"):
        tokens.fail("parameters are outside the gate-level subset; expected plain ports.")
    if tokens.accept("("):
        direction, span = "", (0, 0)
        while not tokens.accept(")"):
            if tokens.at("input", "output", "inout"):
                direction, span = tokens.take().text, (0, 0)
                tokens.accept("wire", "logic")
                span = _range(tokens)
            port = tokens.name("a port name")
            module.ports.append(port)
            if direction:
                module.directions[port], module.ranges[port] = direction, span
            if not tokens.at(")"):
                tokens.expect(",")
    tokens.expect(";")
    while not tokens.accept("endmodule"):
        _item(tokens, module)
    return module


def _item(tokens: Tokens, module: Module) -> None:
    token = tokens.current
    if token.kind == "end":
        tokens.fail(f"the file ends inside module {module.name!r}; expected 'endmodule'. Is the file truncated?")
    if token.text in _STATEFUL:
        tokens.fail(f"{token.text!r} is outside the gate-level subset; expected wires, assign and instances. {WAY_OUT}")
    if token.text in ("input", "output", "inout", "wire", "logic"):
        _declaration(tokens, module)
    elif tokens.accept("assign"):
        while True:
            target = _primary(tokens)
            line = tokens.expect("=").line
            module.assigns.append(Assign(target, _expression(tokens), line))
            if not tokens.accept(","):
                break
        tokens.expect(";")
    elif token.kind == "name":
        _instances(tokens, module)
    else:
        tokens.fail(f"{tokens.shown()}; expected a declaration, assign or instance.")


def _declaration(tokens: Tokens, module: Module) -> None:
    kind = tokens.take().text
    tokens.accept("wire", "logic")
    if tokens.at("reg"):
        tokens.fail("'reg' is outside the gate-level subset; expected combinational wires.")
    if tokens.at("signed"):
        tokens.take()
    span = _range(tokens)
    while True:
        line, name = tokens.current.line, tokens.name("a net name")
        if kind in ("input", "output", "inout"):
            if name not in module.ports:
                tokens.fail(f"{kind} {name!r} is not in the port list of module {module.name!r}; expected one of: {', '.join(module.ports)}.", line)
            module.directions[name] = kind
        module.ranges[name] = span
        if tokens.accept("="):
            module.assigns.append(Assign(Vector("net", line, name=name), _expression(tokens), line))
        if not tokens.accept(","):
            break
    tokens.expect(";")


def _range(tokens: Tokens) -> tuple[int, int]:
    if not tokens.accept("["):
        return (0, 0)
    msb = _integer(tokens)
    tokens.expect(":")
    lsb = _integer(tokens)
    tokens.expect("]")
    if not 0 <= lsb <= msb < _WIDEST:
        tokens.fail(f"range [{msb}:{lsb}] is not usable; expected [high:low] with high at most {_WIDEST - 1}.")
    return (msb, lsb)


def _integer(tokens: Tokens) -> int:
    token = tokens.current
    if token.kind != "number" or not token.text.isdecimal() or len(token.text) > 6:
        tokens.fail(f"{tokens.shown()}; expected a plain index.")
    return int(tokens.take().text)


def _instances(tokens: Tokens, module: Module) -> None:
    cell, line = tokens.name("a cell name"), tokens.current.line
    if tokens.at("#"):
        tokens.fail(f"cell {cell!r} has parameters, which are outside the gate-level subset; expected plain connections.")
    while True:
        name = tokens.take().text if tokens.current.kind == "name" else ""
        if not tokens.at("(") or (not name and cell not in _PRIMITIVES):
            tokens.fail(f"{tokens.shown()} after {cell!r}; expected an instance 'cell name (connections);'.")
        tokens.expect("(")
        named: dict[str, Vector | None] = {}
        ordered: list[Vector] = []
        while not tokens.accept(")"):
            if tokens.accept("."):
                pin = tokens.name("a pin name")
                tokens.expect("(")
                named[pin] = None if tokens.at(")") else _expression(tokens)
                tokens.expect(")")
            else:
                ordered.append(_expression(tokens))
            if not tokens.at(")"):
                tokens.expect(",")
        if named and ordered:
            tokens.fail(f"instance {name!r} mixes named and ordered connections; expected one kind.", line)
        if cell in _PRIMITIVES:
            _primitive(tokens, module, cell, ordered, line)
        else:
            module.instances.append(Instance(cell, name, line, named, tuple(ordered)))
        if not tokens.accept(","):
            break
    tokens.expect(";")


def _primitive(tokens: Tokens, module: Module, cell: str, pins: list[Vector], line: int) -> None:
    unary = cell in ("not", "buf")
    if len(pins) < 2 or (unary and len(pins) != 2):
        tokens.fail(f"primitive {cell!r} has {len(pins)} connections; expected an output and {'one input' if unary else 'inputs'}.", line)
    target, value = pins[0], pins[1]
    operator: dict[str, Literal["and", "or", "xor"]] = {"and": "and", "nand": "and", "or": "or", "nor": "or", "xor": "xor", "xnor": "xor"}
    for pin in pins[2:]:
        value = _over(tokens, operator[cell], line, (value, pin))
    if cell in ("not", "nand", "nor", "xnor"):
        value = _over(tokens, "not", line, (value,))
    module.assigns.append(Assign(target, value, line))


def _over(tokens: Tokens, kind: _Kind, line: int, operands: tuple[Vector, ...]) -> Vector:
    """Return an operator over its operands."""
    depth = 1 + max(operand.depth for operand in operands)
    if depth > _DEEPEST:
        tokens.fail(f"an expression of more than {_DEEPEST} operators, each on the result of the one before; expected several assigns.", line)
    return Vector(kind, line, operands, depth=depth)


_BINARY: dict[str, tuple[int, Literal["and", "or", "xor", "add"], bool]] = {
    "|": (0, "or", False),
    "^": (1, "xor", False),
    "~^": (1, "xor", True),
    "^~": (1, "xor", True),
    "&": (2, "and", False),
    "+": (3, "add", False),
}
"""Binary operators: (precedence, kind, result inverted)."""
_LEVELS = {operator: level for operator, (level, _, _) in _BINARY.items()}


def _expression(tokens: Tokens) -> Vector:
    tokens.descend()
    condition = climb(tokens, _LEVELS, lambda: _unary(tokens), lambda *parts: _combined(tokens, *parts))
    if tokens.at("?"):
        line = tokens.take().line
        one = _expression(tokens)
        tokens.expect(":")
        condition = _over(tokens, "mux", line, (condition, one, _expression(tokens)))
    if tokens.at("-", "*", "/", "%", "<<", ">>", "==", "!=", "<", ">", "<=", ">=", "&&", "||"):
        tokens.fail(f"operator {tokens.current.text!r} is outside the gate-level subset; expected bitwise logic and sums. {WAY_OUT}")
    tokens.ascend()
    return condition


def _combined(tokens: Tokens, operator: Token, left: Vector, right: Vector) -> Vector:
    _, kind, inverted = _BINARY[operator.text]
    result = _over(tokens, kind, operator.line, (left, right))
    return _over(tokens, "not", operator.line, (result,)) if inverted else result


_REDUCTIONS: dict[str, tuple[Literal["all", "any", "odd"], bool]] = {
    "&": ("all", False),
    "|": ("any", False),
    "^": ("odd", False),
    "~&": ("all", True),
    "~|": ("any", True),
    "~^": ("odd", True),
    "^~": ("odd", True),
    "!": ("any", True),
}
"""Unary operators with a one-bit result: (kind, inverted)."""


def _unary(tokens: Tokens) -> Vector:
    token = tokens.current
    if token.kind != "op" or (token.text != "~" and token.text not in _REDUCTIONS):
        return _primary(tokens)
    tokens.take()
    tokens.descend()
    operand = _unary(tokens)
    tokens.ascend()
    if token.text == "~":
        return _over(tokens, "not", token.line, (operand,))
    kind, inverted = _REDUCTIONS[token.text]
    result = _over(tokens, kind, token.line, (operand,))
    if inverted:  # the join keeps the inversion to the one bit, whatever the width around it
        result = _over(tokens, "join", token.line, (_over(tokens, "not", token.line, (result,)),))
    return result


def _primary(tokens: Tokens) -> Vector:
    token = tokens.current
    if tokens.accept("("):
        inner = _expression(tokens)
        tokens.expect(")")
        return inner
    if tokens.accept("{"):
        return _join(tokens, token.line)
    if token.kind == "number":
        return _constant(tokens)
    name = tokens.name("a net, constant or parenthesis").strip()
    if not tokens.accept("["):
        return Vector("net", token.line, name=name)
    high = _integer(tokens)
    low = _integer(tokens) if tokens.accept(":") else high
    tokens.expect("]")
    if low > high:
        tokens.fail(f"part select [{high}:{low}] of {name!r} is reversed; expected [high:low].", token.line)
    return Vector("bits", token.line, name=name, high=high, low=low)


def _join(tokens: Tokens, line: int) -> Vector:
    tokens.descend()
    if tokens.current.kind == "number" and tokens.tokens[tokens.position + 1].text == "{":
        times = _integer(tokens)
        tokens.expect("{")
        inner = _join(tokens, line)
        tokens.expect("}")
        tokens.ascend()
        if not 1 <= times <= 64:
            tokens.fail(f"replication {times} is not usable; expected 1 to 64.", line)
        return _over(tokens, "join", line, (inner,) * times)
    parts = [_expression(tokens)]
    while tokens.accept(","):
        parts.append(_expression(tokens))
    tokens.expect("}")
    tokens.ascend()
    return _over(tokens, "join", line, tuple(reversed(parts)))


def _constant(tokens: Tokens) -> Vector:
    token = tokens.take()
    match = re.fullmatch(r"(?:(\d*)\s*'\s*[sS]?([bBoOdDhH])\s*)?([0-9a-fA-FxXzZ?_]+)", token.text)
    assert match is not None
    size, base, digits = match.groups()
    radix = {"b": 2, "o": 8, "d": 10, "h": 16}[(base or "d").lower()]
    try:
        value = int(digits.replace("_", ""), radix)
    except ValueError:
        tokens.fail(f"constant {token.text!r} is not usable; expected digits 0 and 1 or a number without x and z.", token.line)
    width = (int(size) if len(size) < 9 else "too many") if size else max(1, 32 if base else value.bit_length())
    if not isinstance(width, int) or not 1 <= width <= 64:
        tokens.fail(f"constant {token.text!r} has {width} bits; expected 1 to 64.", token.line)
    return Vector("constant", token.line, bits=tuple(value >> i & 1 for i in range(width)))
