"""What the cells of FPGA families compute: a module that Yosys mapped to them, as a netlist of gates whose functions are known.

Lookup tables, wide multiplexers and carry chains of Xilinx (LUT1..6, MUXF7/8, CARRY4/8), Lattice ECP5 (LUT4, PFUMX, L6MUX21, CCU2C) and
Lattice iCE40 (SB_LUT4, SB_CARRY), as their simulation models in Yosys's `techlibs` define them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hawx.circuits.logic import Expression
from hawx.circuits.netlist import ONE, ZERO, Cell, Gate, Netlist, evaluation_order
from hawx.errors import InputError

LUTS = ("LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6", "SB_LUT4", "INV")
CARRIES = ("CARRY4", "CARRY8", "CCU2C", "SB_CARRY")
MUXES = ("MUXF7", "MUXF8", "MUXF9", "PFUMX", "L6MUX21")
DSPS = ("DSP48E1", "DSP48E2", "MULT18X18D", "SB_MAC16")

_A, _B, _C, _D, _S, _CIN = (Expression("pin", pin=name) for name in ("A", "B", "C", "D", "S", "CIN"))


def _not(term: Expression) -> Expression:
    return Expression("not", (term,))


def _mux(select: Expression, high: Expression, low: Expression) -> Expression:
    return Expression("or", (Expression("and", (select, high)), Expression("and", (_not(select), low))))


def lut_function(truth: int, pins: tuple[str, ...]) -> Expression:
    """Return the function whose value for row i, in which pin k is bit k of i, is bit i of `truth` (Shannon's expansion)."""
    rows = 1 << len(pins)
    if truth in (0, (1 << rows) - 1):
        return Expression("1" if truth else "0")
    *rest, last = pins
    half = rows // 2
    low, high = truth & ((1 << half) - 1), truth >> half
    if low == high:
        return lut_function(low, tuple(rest))
    select = Expression("pin", pin=last)
    if low ^ high == (1 << half) - 1:
        return Expression("xor", (select, lut_function(low, tuple(rest)))) if rest else (select if high else _not(select))
    parts = [(select, high), (_not(select), low)]
    terms = [chosen if own == (1 << half) - 1 else Expression("and", (chosen, lut_function(own, tuple(rest)))) for chosen, own in parts if own]
    return terms[0] if len(terms) == 1 else Expression("or", tuple(terms))


_MUX = Cell(("A", "B", "S"), {"O": _mux(_S, _B, _A)})
_XOR = Cell(("A", "B"), {"O": Expression("xor", (_A, _B))})
_MAJORITY = Cell(("A", "B", "CIN"), {"O": Expression("or", (Expression("and", (_A, _B)), Expression("and", (_CIN, Expression("or", (_A, _B))))))})
_MUX_PINS = {
    "MUXF7": ("I0", "I1", "S"),
    "MUXF8": ("I0", "I1", "S"),
    "MUXF9": ("I0", "I1", "S"),
    "L6MUX21": ("D0", "D1", "SD"),
    "PFUMX": ("BLUT", "ALUT", "C0"),
}


def fpga_netlist(module: Mapping[str, Any], name: str) -> Netlist:
    """Return the netlist of a combinational module of Yosys's JSON.

    Raises:
        InputError: a cell cannot be followed, or gates form a loop.
    """
    return _Builder(module, name).netlist()


def routed(gate: Gate) -> tuple[int, ...]:
    """Return the nets that general routing brings to a gate of `fpga_netlist`.

    Carries stay in their chain, and what tables feed to multiplexers and chains stays in its slice; an iCE40 carry shares its table's operands.
    """
    if gate.cell.startswith("CCU"):
        return gate.inputs[:-1]
    return {"WIDE_MUX": gate.inputs[2:], "CARRY_MUX": gate.inputs[:1], "CARRY_SUM": (), "CARRY_MAJORITY": ()}.get(gate.cell, gate.inputs)


class _Builder:
    """Gates from cells; a cell of several outputs becomes one gate for each."""

    def __init__(self, module: Mapping[str, Any], name: str) -> None:
        self.module, self.name = module, name
        self.numbers: dict[int | str, int] = {"0": ZERO, "1": ONE, "x": ZERO, "z": ZERO}
        self.gates: list[Gate] = []
        self.cells: dict[str, Cell] = {}

    def nets(self, bits: Iterable[int | str]) -> tuple[int, ...]:
        return tuple(self.numbers.setdefault(bit, len(self.numbers) - 2) for bit in bits)

    def fresh(self) -> int:
        return self.nets([f"own {len(self.numbers)}"])[0]

    def add(self, kind: str, cell: Cell, inputs: Iterable[int], *outputs: int) -> None:
        self.cells[kind] = cell
        self.gates.append(Gate(kind, tuple(inputs), outputs))

    def netlist(self) -> Netlist:
        ports: dict[str, dict[str, tuple[int, ...]]] = {"input": {}, "output": {}}
        for port, entry in self.module["ports"].items():
            ports[entry["direction"]][port] = self.nets(entry["bits"])
        for instance, cell in self.module["cells"].items():
            maker = _MAKERS.get(cell["type"])
            if maker is None:
                raise InputError(
                    f"cell {cell['type']!r} (instance {instance!r}) of {self.name!r} cannot be evaluated; expected lookup tables, "
                    "wide multiplexers and carry chains: a purely combinational multiplier."
                )
            pins = {pin: self.nets(bits) for pin, bits in cell["connections"].items()}
            maker(self, pins, cell)
        order = evaluation_order(self.gates)
        if len(order) != len(self.gates):
            raise InputError(f"circuit {self.name!r} has a combinational loop; expected a circuit without feedback.")
        count = max(self.numbers.values()) + 1
        return Netlist(self.name, ports["input"], ports["output"], tuple(self.gates[i] for i in order), (), self.cells, count)


_Pins = Mapping[str, tuple[int, ...]]
_Maker = Callable[[_Builder, _Pins, Mapping[str, Any]], None]


def _one(pins: _Pins, name: str, bit: int = 0) -> int:
    """Return the net on a pin; ZERO where nothing is connected."""
    nets = pins.get(name, ())
    return nets[bit] if bit < len(nets) else ZERO


def _value(cell: Mapping[str, Any], key: str) -> int:
    value = cell["parameters"][key]
    return int(value, 2) if isinstance(value, str) else int(value)


def _lut(builder: _Builder, pins: _Pins, cell: Mapping[str, Any]) -> None:
    names = ("A", "B", "C", "D") if "Z" in pins else tuple(f"I{i}" for i in range(6) if f"I{i}" in pins)
    truth = _value(cell, "LUT_INIT" if "LUT_INIT" in cell["parameters"] else "INIT")
    builder.add(f"LUT{len(names)}_{truth:x}", Cell(names, {"O": lut_function(truth, names)}), [_one(pins, pin) for pin in names], _out(pins))


def _out(pins: _Pins) -> int:
    return _one(pins, "Z" if "Z" in pins else "O")


def _inverter(builder: _Builder, pins: _Pins, _: Mapping[str, Any]) -> None:
    builder.add("LUT1_1", Cell(("I0",), {"O": lut_function(1, ("I0",))}), [_one(pins, "I")], _out(pins))


def _wide_mux(builder: _Builder, pins: _Pins, cell: Mapping[str, Any]) -> None:
    builder.add("WIDE_MUX", _MUX, [_one(pins, pin) for pin in _MUX_PINS[cell["type"]]], _out(pins))


def _carry_chain(builder: _Builder, pins: _Pins, cell: Mapping[str, Any]) -> None:
    """CARRY4 and CARRY8: CO[i] = S[i] ? CO[i - 1] : DI[i] and O[i] = S[i] ^ CO[i - 1]; the first carry in is CI, or CYINIT of a CARRY4."""
    before = _one(pins, "CI") or _one(pins, "CYINIT")  # one of both is constant 0 in what Yosys makes
    two = cell["parameters"].get("CARRY_TYPE") == "DUAL_CY4"
    for bit in range(len(pins["S"])):
        if two and bit == 4:
            before = _one(pins, "CI_TOP")
        select = _one(pins, "S", bit)
        builder.add("CARRY_SUM", _XOR, [select, before], _one(pins, "O", bit) if "O" in pins else builder.fresh())
        after = _one(pins, "CO", bit) if "CO" in pins else builder.fresh()
        builder.add("CARRY_MUX", _MUX, [_one(pins, "DI", bit), before, select], after)
        before = after


def _ccu2c(builder: _Builder, pins: _Pins, cell: Mapping[str, Any]) -> None:
    """Two bits of a carry chain: S = LUT4 ^ carry in, carry out = LUT4 ? carry in : LUT2 of A and B; an injected half takes no carry in for both."""
    before = _one(pins, "CIN")
    for half in "01":
        truth, injects = _value(cell, f"INIT{half}"), cell["parameters"][f"INJECT1_{half}"] == "YES"
        table, names = lut_function(truth, ("A", "B", "C", "D")), ("A", "B", "C", "D", "CIN")
        generate = Expression("0") if injects else lut_function(truth & 15, ("A", "B"))
        functions = {"S": table if injects else Expression("xor", (table, _CIN)), "COUT": _mux(table, _CIN, generate)}
        after = _one(pins, "COUT") if half == "1" and "COUT" in pins else builder.fresh()
        inputs = [*(_one(pins, f"{pin}{half}") for pin in "ABCD"), before]
        total = _one(pins, f"S{half}") if f"S{half}" in pins else builder.fresh()
        builder.add(f"CCU_{truth:x}{'i' if injects else ''}", Cell(names, functions), inputs, total, after)
        before = after


def _ice40_carry(builder: _Builder, pins: _Pins, _: Mapping[str, Any]) -> None:
    builder.add("CARRY_MAJORITY", _MAJORITY, [_one(pins, pin) for pin in ("I0", "I1", "CI")], _one(pins, "CO"))


_MAKERS: Mapping[str, _Maker] = {
    **{name: _lut for name in LUTS if name != "INV"},
    "INV": _inverter,
    **dict.fromkeys(_MUX_PINS, _wide_mux),
    "CARRY4": _carry_chain,
    "CARRY8": _carry_chain,
    "CCU2C": _ccu2c,
    "SB_CARRY": _ice40_carry,
}
