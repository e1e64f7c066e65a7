"""Evaluate gate-level Verilog: all 65,536 operand pairs at once, one bit each, by numpy. The file is never compiled or executed.

A circuit is its nets and drivers; drivers run in dependency order, so the file's order does not matter. A net without
driver, with two, or in a loop is refused.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from hawx.circuits.cells import CELLS, Cell, Packed
from hawx.circuits.ports import PRODUCT_BITS, is_multiplier, multiplier_ports, top_module
from hawx.circuits.verilog_syntax import Assign, Expression, Instance, Module, parse_verilog
from hawx.errors import InputError
from hawx.formats import CODES

_MOST_DRIVERS = 200_000

Raw = NDArray[np.int64]
"""`raw[A code, B code]`: 16-bit output pattern 0..65535 for operand bit patterns 0..255, (256, 256)."""

Bit = tuple[str, int]
"""One bit of one net; the name carries the instance path."""


@dataclass(frozen=True, slots=True)
class _Driver:
    targets: tuple[Bit, ...]
    sources: tuple[Bit, ...]
    compute: Callable[[dict[Bit, Packed]], list[Packed]]
    line: int


def pack(bits: NDArray[np.uint8]) -> Packed:
    """Return 65,536 bits as 1024 words."""
    return np.packbits(bits.ravel(), bitorder="little").view(np.uint64)


def unpack(word: Packed) -> NDArray[np.uint8]:
    """Return the 65,536 bits of a packed signal as (256, 256)."""
    return np.unpackbits(word.view(np.uint8), bitorder="little").reshape(CODES, CODES)


_ZERO: Packed = np.zeros(CODES * CODES // 64, dtype=np.uint64)
_ONE: Packed = ~_ZERO


class _Circuit:
    """Flattened drivers of one top module."""

    def __init__(self, path: str, modules: dict[str, Module]) -> None:
        self.path = path
        self.modules = modules
        self.drivers: list[_Driver] = []

    def fail(self, line: int, message: str) -> InputError:
        return InputError(f"{self.path!r} line {line}: {message}")

    def add(self, driver: _Driver) -> None:
        if len(self.drivers) >= _MOST_DRIVERS:
            raise self.fail(driver.line, f"more than {_MOST_DRIVERS} gates; expected an 8×8 multiplier.")
        self.drivers.append(driver)

    def bits(self, module: Module, prefix: str, expression: Expression) -> list[Bit]:
        """Return the net bits that an assignable expression names, least significant first."""
        if expression.kind == "join":
            return [bit for part in expression.operands for bit in self.bits(module, prefix, part)]
        if expression.kind not in ("net", "bits"):
            raise self.fail(expression.line, "the target is not a net; expected a net, bit or concatenation.")
        msb, lsb = module.ranges.get(expression.name, (0, 0))
        high, low = (msb, lsb) if expression.kind == "net" else (expression.high, expression.low)
        if not lsb <= low <= high <= msb:
            raise self.fail(expression.line, f"{expression.name}[{high}:{low}] is outside the declared range [{msb}:{lsb}].")
        return [(prefix + expression.name, i) for i in range(low, high + 1)]

    def leaves(self, module: Module, prefix: str, expression: Expression) -> list[Bit]:
        if expression.kind in ("net", "bits"):
            return self.bits(module, prefix, expression)
        return [bit for operand in expression.operands for bit in self.leaves(module, prefix, operand)]

    def width(self, module: Module, prefix: str, e: Expression) -> int:
        """Return the expression's own width in bits (IEEE 1364-2005, section 5.4)."""
        if e.kind == "constant":
            return len(e.bits)
        if e.kind in ("net", "bits"):
            return len(self.bits(module, prefix, e))
        if e.kind in ("any", "all", "odd"):
            return 1
        widths = [self.width(module, prefix, operand) for operand in e.operands]
        return sum(widths) if e.kind == "join" else max(widths[1:] if e.kind == "mux" else widths)

    def evaluate(self, module: Module, prefix: str, e: Expression, values: dict[Bit, Packed], width: int) -> list[Packed]:
        """Return `width` bits of an expression, least significant first; operands are extended with 0 before they are used."""

        def own(operand: Expression) -> list[Packed]:
            return self.evaluate(module, prefix, operand, values, self.width(module, prefix, operand))

        if e.kind == "constant":
            found = [_ONE if bit else _ZERO for bit in e.bits]
        elif e.kind in ("net", "bits"):
            found = [values[bit] for bit in self.bits(module, prefix, e)]
        elif e.kind == "join":
            found = [bit for operand in e.operands for bit in own(operand)]
        elif e.kind in ("any", "all", "odd"):
            fold = {"any": np.bitwise_or, "all": np.bitwise_and, "odd": np.bitwise_xor}[e.kind]
            found = [fold.reduce(np.stack(own(e.operands[0])), axis=0)]
        else:
            select = np.bitwise_or.reduce(np.stack(own(e.operands[0])), axis=0) if e.kind == "mux" else _ZERO
            x, *rest = (self.evaluate(module, prefix, operand, values, width) for operand in (e.operands[1:] if e.kind == "mux" else e.operands))
            return _combine(e.kind, select, x, rest[0] if rest else x)
        return (found + [_ZERO] * (width - len(found)))[:width]

    def connect(self, module: Module, prefix: str, assign: Assign, into: tuple[Module, str] | None = None) -> None:
        """Add `target = value`; with `into`, the target is a net of that inner module and prefix."""
        targets = self.bits(*(into or (module, prefix)), assign.target)
        width = max(len(targets), self.width(module, prefix, assign.value))

        def compute(values: dict[Bit, Packed]) -> list[Packed]:
            return self.evaluate(module, prefix, assign.value, values, width)[: len(targets)]

        self.add(_Driver(tuple(targets), tuple(self.leaves(module, prefix, assign.value)), compute, assign.line))

    def elaborate(self, module: Module, prefix: str, above: tuple[str, ...]) -> None:
        """Add the drivers of `module` and of everything inside it."""
        for assign in module.assigns:
            self.connect(module, prefix, assign)
        for number, instance in enumerate(module.instances):
            if instance.cell in self.modules:
                inner = self.modules[instance.cell]
                if inner.name in above:
                    raise self.fail(instance.line, f"module {inner.name!r} instantiates itself; expected a finite circuit.")
                self.submodule(module, prefix, instance, inner, f"{prefix}{instance.name}#{number}.")
                self.elaborate(inner, f"{prefix}{instance.name}#{number}.", (*above, inner.name))
            elif instance.cell in CELLS:
                self.cell(module, prefix, instance, CELLS[instance.cell])
            else:
                near = get_close_matches(instance.cell, [*self.modules, *CELLS], n=1)
                hint = f"did you mean {near[0]!r}?" if near else "expected a module of the file or a standard cell such as FAX1 or NAND2X1."
                raise self.fail(instance.line, f"cell {instance.cell!r} is not defined; {hint}")

    def pins(self, instance: Instance, names: list[str]) -> dict[str, Expression]:
        """Return the connected pins, checked against `names`."""
        pins = dict(instance.named) or dict(zip(names, instance.ordered, strict=False))
        unknown = [pin for pin in pins if pin not in names]
        if unknown or len(instance.ordered) > len(names):
            what = f"no pin {unknown[0]!r}" if unknown else f"{len(names)} pins, not {len(instance.ordered)}"
            raise self.fail(instance.line, f"cell {instance.cell!r} has {what}; expected {', '.join(names)}.")
        return {pin: expression for pin, expression in pins.items() if expression is not None}

    def submodule(self, module: Module, prefix: str, instance: Instance, inner: Module, path: str) -> None:
        for pin, expression in self.pins(instance, inner.ports).items():
            port = Expression("net", instance.line, name=pin)
            direction = inner.directions.get(pin)
            if direction == "input":
                self.connect(module, prefix, Assign(port, expression, instance.line), into=(inner, path))
            elif direction == "output":
                self.connect(inner, path, Assign(expression, port, instance.line), into=(module, prefix))
            else:
                raise self.fail(instance.line, f"pin {pin!r} of {inner.name!r} is neither input nor output; expected a direction.")

    def cell(self, module: Module, prefix: str, instance: Instance, cell: Cell) -> None:
        pins = self.pins(instance, [*cell.inputs, *cell.outputs])
        missing = [pin for pin in cell.inputs if pin not in pins]
        if missing:
            raise self.fail(instance.line, f"input {missing[0]!r} of {instance.cell} {instance.name!r} is not connected; expected every input.")
        inputs = [pins[pin] for pin in cell.inputs]
        sources = tuple(bit for expression in inputs for bit in self.leaves(module, prefix, expression))
        for pin, function in cell.outputs.items():
            if pin in pins:

                def compute(values: dict[Bit, Packed], function: Callable[..., Packed] = function) -> list[Packed]:
                    return [function(*(self.evaluate(module, prefix, e, values, 1)[0] for e in inputs))]

                self.add(_Driver(tuple(self.bits(module, prefix, pins[pin])[:1]), sources, compute, instance.line))

    def run(self, values: dict[Bit, Packed]) -> None:
        """Compute every driven bit, in dependency order."""
        driven: dict[Bit, int] = {}
        for index, driver in enumerate(self.drivers):
            for bit in driver.targets:
                if bit in values or bit in driven:
                    raise self.fail(driver.line, f"net {_shown(bit)} has two drivers; expected one.")
                driven[bit] = index
        waiting = [0] * len(self.drivers)
        readers: defaultdict[int, list[int]] = defaultdict(list)
        for index, driver in enumerate(self.drivers):
            for bit in set(driver.sources) - values.keys():
                if bit not in driven:
                    raise self.fail(driver.line, f"net {_shown(bit)} has no driver; expected an input or an assigned net.")
                waiting[index] += 1
                readers[driven[bit]].append(index)
        ready = deque(index for index, count in enumerate(waiting) if count == 0)
        done = 0
        while ready:
            index = ready.popleft()
            driver = self.drivers[index]
            values.update(zip(driver.targets, driver.compute(values), strict=True))
            done += 1
            for reader in readers[index]:
                waiting[reader] -= 1
                if waiting[reader] == 0:
                    ready.append(reader)
        if done < len(self.drivers):
            stuck = next(driver for driver, count in zip(self.drivers, waiting, strict=True) if count)
            raise self.fail(stuck.line, f"net {_shown(stuck.targets[0])} depends on itself; expected a circuit without loops.")


def _combine(kind: str, select: Packed, x: list[Packed], y: list[Packed]) -> list[Packed]:
    """Return a bitwise operator, a choice (`x` where `select`) or a sum of two equally wide words."""
    if kind == "not":
        return [~bit for bit in x]
    if kind == "mux":
        return [(select & p) | (~select & q) for p, q in zip(x, y, strict=True)]
    if kind == "add":
        total, carry = [], _ZERO
        for p, q in zip(x, y, strict=True):
            total.append(p ^ q ^ carry)
            carry = (p & q) | (carry & (p ^ q))
        return total
    operator = {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}[kind]
    return [operator(p, q) for p, q in zip(x, y, strict=True)]


def _shown(bit: Bit) -> str:
    return f"'{bit[0]}[{bit[1]}]'"


def module_of(path: str, modules: dict[str, Module], stem: str) -> Module:
    """Return the multiplier among the modules of a file; see `hawx.circuits.top_module`."""
    inner = {instance.cell for module in modules.values() for instance in module.instances}
    return modules[top_module(list(modules), inner, stem, repr(path), multiplies=lambda name: is_multiplier(*_widths(modules[name])))]


def _widths(module: Module) -> tuple[dict[str, int], dict[str, int]]:
    """Return input and output ports with their widths in bits; ports without a direction are left out."""
    widths = {port: module.ranges[port][0] - module.ranges[port][1] + 1 for port in module.ports if port in module.directions}
    inputs, outputs = ({port: width for port, width in widths.items() if module.directions[port] == kind} for kind in ("input", "output"))
    return inputs, outputs


def ports_of(path: str, top: Module) -> tuple[str, str, str]:
    """Return the names of the activation, weight and product port; see `hawx.circuits.multiplier_ports`."""
    where = f"{path!r} line {top.line}: "
    undirected = [port for port in top.ports if top.directions.get(port) not in ("input", "output")]
    if undirected:
        raise InputError(f"{where}port {undirected[0]!r} of {top.name!r} has no direction; expected input or output.")
    return multiplier_ports(*_widths(top), f"{where}module {top.name!r}")


def evaluate_verilog(path: str, text: str, stem: str) -> tuple[str, Raw]:
    """Return the top module's name and its exhaustive raw behaviour.

    Args:
        path: file name for messages.
        text: Verilog text.
        stem: file name without suffix, which names the top module where several are candidates.

    Raises:
        InputError: unsupported construct, wrong ports, undriven net, loop; names file and line.
    """
    modules = parse_verilog(path, text)
    top = module_of(path, modules, stem)
    circuit = _Circuit(path, modules)
    first, second, product = ports_of(path, top)
    code = np.arange(CODES)
    values: dict[Bit, Packed] = {}
    for port, grid in ((first, code[:, None]), (second, code[None, :])):
        for i in range(8):
            plane = np.broadcast_to(grid >> i & 1, (CODES, CODES)).astype(np.uint8)
            values[port, top.ranges[port][1] + i] = pack(plane)
    circuit.elaborate(top, "", (top.name,))
    circuit.run(values)
    low = top.ranges[product][1]
    raw = np.zeros((CODES, CODES), dtype=np.int64)
    for i in range(PRODUCT_BITS):
        if (product, low + i) not in values:
            raise circuit.fail(top.line, f"output bit {product}[{low + i}] has no driver; expected all 16 driven.")
        raw |= unpack(values[product, low + i]).astype(np.int64) << i
    return top.name, raw
