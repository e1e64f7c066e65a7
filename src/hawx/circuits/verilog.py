"""Gate-level Verilog as a netlist, evaluated for all 65,536 operand pairs at once, one bit each. The file is never compiled or executed.

Vector expressions become one Boolean expression for each bit, sums become full adders. Gates run in dependency order, so the file's
order does not matter. A net without driver, with two, or in a loop is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from hawx.circuits.cells import CELLS, known_cell
from hawx.circuits.logic import Expression, joined
from hawx.circuits.netlist import ONE, ZERO, Cell, Gate, Netlist, evaluation_order, patterns
from hawx.circuits.ports import check_widths, likeness, multiplier_ports, top_module
from hawx.circuits.readings import Numbers
from hawx.circuits.verilog_syntax import Assign, Instance, Module, Vector
from hawx.errors import InputError

_MOST_DRIVERS = 50_000

_NEVER, _ALWAYS = Expression("0"), Expression("1")
_FOLDS = {"any": "or", "all": "and", "odd": "xor"}


@dataclass(frozen=True, slots=True)
class _Scope:
    """A module where it is instantiated; the names of its nets carry the instance path."""

    module: Module
    prefix: str = ""

    def bits(self, net: str, high: int | None = None, low: int = 0) -> list[str]:
        """Return the names of a net's bits, least significant first, by default all."""
        if high is None:
            high, low = self.module.ranges[net]
        return [f"{self.prefix}{net}[{place}]" for place in range(low, high + 1)]


@dataclass(frozen=True, slots=True)
class _Driver:
    """One assignment or instance: what it drives and reads, and the bits of its own between."""

    line: int
    targets: list[str]
    reads: list[str] = field(default_factory=list)
    inner: list[str] = field(default_factory=list)


class _Circuit:
    """The gates of one top module, flattened."""

    def __init__(self, path: str, modules: dict[str, Module]) -> None:
        self.path = path
        self.modules = modules
        self.nets = {"0": ZERO, "1": ONE}
        self.cells: dict[str, Cell] = {}
        self.gates: list[Gate] = []
        self.owners: list[_Driver] = []
        """The driver of each gate."""
        self.drivers: list[_Driver] = []

    def fail(self, line: int, message: str) -> InputError:
        return InputError(f"{self.path!r} line {line}: {message}")

    def start(self, line: int, targets: list[str]) -> None:
        """Begin a driver."""
        if len(self.drivers) >= _MOST_DRIVERS:
            raise self.fail(line, f"more than {_MOST_DRIVERS} gates; expected a multiplier.")
        self.drivers.append(_Driver(line, targets))

    def numbers(self, bits: Iterable[str]) -> tuple[int, ...]:
        return tuple(self.nets.setdefault(bit, len(self.nets)) for bit in bits)

    def add(self, kind: str, cell: Cell, inputs: Iterable[str], outputs: Sequence[str]) -> None:
        """Add a gate of the latest driver; its inputs are bits and constants, an output without a name is open."""
        self.cells[kind] = cell
        self.gates.append(Gate(kind, self.numbers(inputs), tuple(self.numbers([bit])[0] if bit else -1 for bit in outputs)))
        self.owners.append(self.drivers[-1])

    def drive(self, targets: list[str], values: list[Expression], reads: Iterable[str]) -> None:
        """Add a gate that computes the values."""
        inputs = tuple(reads)
        self.add(f"{len(self.gates)}", Cell(inputs, dict(zip(targets, values, strict=True))), inputs, targets)

    def leaf(self, value: Expression) -> Expression:
        """Return the value if it is a bit or constant, else a new inner bit of the driver that carries it."""
        if not value.operands:
            return value
        bit = f"={len(self.gates)}"
        self.drive([bit], [value], sorted(value.pins))
        self.drivers[-1].inner.append(bit)
        return Expression("pin", pin=bit)

    def bit(self, value: Expression) -> str:
        """Return a bit that carries the value; a constant is one by its own name."""
        leaf = self.leaf(value)
        return leaf.pin or leaf.operator

    def bits(self, scope: _Scope, vector: Vector) -> list[str]:
        """Return the net bits that an assignable vector names, least significant first."""
        if vector.kind == "join":
            return [bit for part in vector.operands for bit in self.bits(scope, part)]
        if vector.kind not in ("net", "bits"):
            raise self.fail(vector.line, "the target is not a net; expected a net, bit or concatenation.")
        msb, lsb = scope.module.ranges.get(vector.name, (0, 0))
        high, low = (msb, lsb) if vector.kind == "net" else (vector.high, vector.low)
        if not lsb <= low <= high <= msb:
            raise self.fail(vector.line, f"{vector.name}[{high}:{low}] is outside the declared range [{msb}:{lsb}].")
        return scope.bits(vector.name, high, low)

    def width(self, scope: _Scope, vector: Vector) -> int:
        """Return the vector's own width in bits (IEEE 1364-2005, section 5.4)."""
        if vector.kind == "constant":
            return len(vector.bits)
        if vector.kind in ("net", "bits"):
            msb, lsb = scope.module.ranges.get(vector.name, (0, 0)) if vector.kind == "net" else (vector.high, vector.low)
            return msb - lsb + 1
        if vector.kind in _FOLDS:
            return 1
        widths = [self.width(scope, operand) for operand in vector.operands]
        return sum(widths) if vector.kind == "join" else max(widths[1:] if vector.kind == "mux" else widths)

    def values(self, scope: _Scope, vector: Vector, width: int | None = None) -> list[Expression]:
        """Return `width` bits, least significant first, by default the vector's own; operands are extended with 0 before they are used."""
        width = self.width(scope, vector) if width is None else width
        match vector.kind:
            case "constant":
                found = [_ALWAYS if bit else _NEVER for bit in vector.bits]
            case "net" | "bits":
                bits = self.bits(scope, vector)
                self.drivers[-1].reads.extend(bits)
                found = [Expression("pin", pin=bit) for bit in bits]
            case "join":
                found = [bit for operand in vector.operands for bit in self.values(scope, operand)]
            case "any" | "all" | "odd" as fold:
                found = [joined(_FOLDS[fold], self.values(scope, vector.operands[0]))]
            case "mux":
                select = self.leaf(joined("or", self.values(scope, vector.operands[0])))
                one, other = (self.values(scope, operand, width) for operand in vector.operands[1:])
                found = _choice(select, one, other)
            case "add":
                found = self.sum(*(self.values(scope, operand, width) for operand in vector.operands))
            case operator:
                operands = (self.values(scope, operand, width) for operand in vector.operands)
                found = [Expression(operator, bits) for bits in zip(*operands, strict=True)]
        return (found + [_NEVER] * (width - len(found)))[:width]

    def sum(self, one: list[Expression], other: list[Expression]) -> list[Expression]:
        """Return the sum of two equally wide vectors, by full adders."""
        total, carry = [], "0"
        for p, q in zip(one, other, strict=True):
            inputs, number = (self.bit(p), self.bit(q), carry), len(self.gates)
            carry, digit = f"={number}c", f"={number}s"
            self.add("FAX1", CELLS["FAX1"], inputs, (carry, digit))
            self.drivers[-1].inner.append(digit)
            total.append(Expression("pin", pin=digit))
        return total

    def connect(self, scope: _Scope, assign: Assign, into: _Scope | None = None) -> None:
        """Add `target = value`; with `into`, the target is a net of that scope."""
        targets = self.bits(into or scope, assign.target)
        self.start(assign.line, targets)
        width = max(len(targets), self.width(scope, assign.value))
        values = self.values(scope, assign.value, width)[: len(targets)]
        self.drive(targets, values, dict.fromkeys((*self.drivers[-1].reads, *self.drivers[-1].inner)))

    def elaborate(self, scope: _Scope, above: tuple[str, ...]) -> None:
        """Add the gates of a module and of everything inside it."""
        for assign in scope.module.assigns:
            self.connect(scope, assign)
        for number, instance in enumerate(scope.module.instances):
            if instance.cell in self.modules:
                inner = _Scope(self.modules[instance.cell], f"{scope.prefix}{instance.name}#{number}.")
                if instance.cell in above:
                    raise self.fail(instance.line, f"module {instance.cell!r} instantiates itself; expected a finite circuit.")
                self.submodule(scope, instance, inner)
                self.elaborate(inner, (*above, instance.cell))
            elif (cell := known_cell(instance.cell, instance.named)) is not None:
                self.cell(scope, instance, cell)
            else:
                near = get_close_matches(instance.cell, [*self.modules, *CELLS], n=1)
                hint = f"did you mean {near[0]!r}?" if near else "expected a module of the file or a standard cell such as FAX1 or NAND2X1."
                raise self.fail(instance.line, f"cell {instance.cell!r} is not defined; {hint}")

    def pins(self, instance: Instance, names: list[str]) -> dict[str, Vector]:
        """Return the connected pins, checked against `names`."""
        pins = dict(instance.named) or dict(zip(names, instance.ordered, strict=False))
        unknown = [pin for pin in pins if pin not in names]
        if unknown or len(instance.ordered) > len(names):
            what = f"no pin {unknown[0]!r}" if unknown else f"{len(names)} pins, not {len(instance.ordered)}"
            raise self.fail(instance.line, f"cell {instance.cell!r} has {what}; expected {', '.join(names)}.")
        return {pin: expression for pin, expression in pins.items() if expression is not None}

    def submodule(self, scope: _Scope, instance: Instance, inner: _Scope) -> None:
        for pin, vector in self.pins(instance, inner.module.ports).items():
            port = Vector("net", instance.line, name=pin)
            direction = inner.module.directions.get(pin)
            if direction == "input":
                self.connect(scope, Assign(port, vector, instance.line), into=inner)
            elif direction == "output":
                self.connect(inner, Assign(vector, port, instance.line), into=scope)
            else:
                raise self.fail(instance.line, f"pin {pin!r} of {instance.cell!r} is neither input nor output; expected a direction.")

    def cell(self, scope: _Scope, instance: Instance, cell: Cell) -> None:
        pins = self.pins(instance, [*cell.inputs, *cell.outputs])
        missing = [pin for pin in cell.inputs if pin not in pins]
        if missing:
            raise self.fail(instance.line, f"input {missing[0]!r} of {instance.cell} {instance.name!r} is not connected; expected every input.")
        outputs = [self.bits(scope, pins[pin])[0] if pin in pins else "" for pin in cell.outputs]
        if any(outputs):
            self.start(instance.line, [bit for bit in outputs if bit])
            self.add(instance.cell, cell, [self.bit(self.values(scope, pins[pin], 1)[0]) for pin in cell.inputs], outputs)

    def driven(self, inputs: Iterable[str]) -> set[str]:
        """Return the bits that have a value.

        Raises:
            InputError: one has two drivers, or one that is read has none.
        """
        known = set(inputs)
        for driver in self.drivers:
            for bit in driver.targets:
                if bit in known:
                    raise self.fail(driver.line, f"net '{bit}' has two drivers; expected one.")
                known.add(bit)
        for driver in self.drivers:
            for bit in driver.reads:
                if bit not in known:
                    raise self.fail(driver.line, f"net '{bit}' has no driver; expected an input or an assigned net.")
        return known

    def ordered(self) -> tuple[Gate, ...]:
        """Return the gates in evaluation order.

        Raises:
            InputError: there is a loop.
        """
        order = evaluation_order(self.gates)
        if len(order) < len(self.gates):
            stuck = self.owners[min(set(range(len(self.gates))).difference(order))]
            raise self.fail(stuck.line, f"net '{stuck.targets[0]}' depends on itself; expected a circuit without loops.")
        return tuple(self.gates[index] for index in order)


def _choice(select: Expression, one: list[Expression], other: list[Expression]) -> list[Expression]:
    unselected = Expression("not", (select,))
    return [Expression("or", (Expression("and", (select, p)), Expression("and", (unselected, q)))) for p, q in zip(one, other, strict=True)]


def module_of(path: str, modules: dict[str, Module], stem: str) -> Module:
    """Return the multiplier among the modules of a file; see `hawx.circuits.top_module`."""
    inner = {instance.cell for module in modules.values() for instance in module.instances}
    return modules[top_module(list(modules), inner, stem, repr(path), likeness=lambda name: likeness(*_widths(modules[name])))]


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


def netlist_of(path: str, modules: dict[str, Module], stem: str) -> Netlist:
    """Return the multiplier of a file as a netlist: activation and weight as inputs, in this order, and the product.

    Args:
        path: file name for messages.
        modules: of `parse_verilog`.
        stem: file name without suffix, which names the top module where several are candidates.

    Raises:
        InputError: wrong ports, undriven net, loop; names file and line.
    """
    top = module_of(path, modules, stem)
    circuit, scope = _Circuit(path, modules), _Scope(top)
    ports = {port: scope.bits(port) for port in ports_of(path, top)}
    first, second, product = ports
    circuit.elaborate(scope, (top.name,))
    known = circuit.driven([*ports[first], *ports[second]])
    gates = circuit.ordered()
    for bit in ports[product]:
        if bit not in known:
            raise circuit.fail(top.line, f"output bit {bit} has no driver; expected all driven.")
    nets = {port: circuit.numbers(bits) for port, bits in ports.items()}
    inputs, outputs = {first: nets[first], second: nets[second]}, {product: nets[product]}
    return Netlist(top.name, inputs, outputs, gates, (), circuit.cells, len(circuit.nets))


def evaluate_verilog(path: str, modules: dict[str, Module], stem: str) -> tuple[Netlist, Numbers]:
    """Return the 8×8 multiplier of a file, and its output patterns, (256, 256) over operand patterns 0..255.

    Arguments and errors as of `netlist_of`; other operands are refused, too.
    """
    netlist = netlist_of(path, modules, stem)
    check_widths(tuple(map(len, netlist.inputs.values())), repr(path))
    return netlist, patterns(netlist, *netlist.inputs, *netlist.outputs)
