"""Netlist: gates and nets of a mapped circuit, self-contained (it carries its cells' functions), evaluated on bit-packed vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hawx.circuits.liberty import Cell, CellLibrary
from hawx.circuits.logic import Expression, Words, parse_function
from hawx.errors import InputError
from hawx.formats import CODES, IntFormat

ZERO, ONE = 0, 1
"""The constant nets."""


@dataclass(frozen=True, slots=True)
class CellLogic:
    """Pins and functions of one cell kind. A flip-flop's single function is its next state."""

    inputs: tuple[str, ...]
    functions: tuple[Expression, ...]
    """One per output, over the inputs."""
    is_register: bool = False


@dataclass(frozen=True, slots=True)
class Gate:
    """One cell: nets on its inputs and outputs in the order of its `CellLogic`; -1 is an open output."""

    cell: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Netlist:
    """A mapped circuit. `gates` are in evaluation order; registers stand apart; nets 0 and 1 are the constants."""

    name: str
    inputs: Mapping[str, tuple[int, ...]]
    """Port -> nets, least significant bit first."""
    outputs: Mapping[str, tuple[int, ...]]
    gates: tuple[Gate, ...]
    registers: tuple[Gate, ...]
    cells: Mapping[str, CellLogic]
    nets: int

    @cached_property
    def driven(self) -> NDArray[np.int64]:
        """Nets that can toggle: driven by a port, a gate or a register."""
        nets = {net for port in self.inputs.values() for net in port}
        nets |= {net for gate in (*self.gates, *self.registers) for net in gate.outputs if net >= 0}
        return np.array(sorted(nets), np.int64)

    def evaluate(self, state: Words) -> None:
        """Compute every gate in place.

        Args:
            state: (nets, ...) uint64, bit-packed; input and register nets are set, constants and gate outputs are written.
        """
        state[ZERO] = 0
        state[ONE] = ~np.uint64(0)
        for gate in self.gates:
            logic = self.cells[gate.cell]
            values = {pin: state[net] for pin, net in zip(logic.inputs, gate.inputs, strict=True)}
            for function, net in zip(logic.functions, gate.outputs, strict=True):
                if net >= 0:
                    state[net] = function(values)

    @cached_property
    def _program(self) -> list[tuple[tuple[int, ...], list[tuple[int, int]]]]:
        """Per gate: input nets, and (truth table, net) of each output."""
        truths = {kind: [f.truth(logic.inputs) for f in logic.functions] for kind, logic in self.cells.items()}
        return [(gate.inputs, [(t, net) for t, net in zip(truths[gate.cell], gate.outputs, strict=True) if net >= 0]) for gate in self.gates]

    @cached_property
    def _registers_program(self) -> list[tuple[tuple[int, ...], int, int]]:
        """Per register: input nets, truth table of its next state, output net."""
        kinds = {kind: (logic.inputs, logic.functions[0]) for kind, logic in self.cells.items() if logic.is_register}
        return [(gate.inputs, kinds[gate.cell][1].truth(kinds[gate.cell][0]), gate.outputs[0]) for gate in self.registers]

    def step(self, values: list[int], taken: list[int]) -> list[int]:
        """Compute one vector in place and return what the registers take at the next edge: for one stream, the quicker way.

        Args:
            values: 0 or 1 per net; inputs are set, everything else is written.
            taken: what the registers took at the last edge.
        """
        values[ZERO], values[ONE] = 0, 1
        for (_, _, net), value in zip(self._registers_program, taken, strict=True):
            values[net] = value
        for inputs, outputs in self._program:
            index = 0
            for place, net in enumerate(inputs):
                index |= values[net] << place
            for truth, net in outputs:
                values[net] = truth >> index & 1
        result = []
        for inputs, truth, _ in self._registers_program:
            index = 0
            for place, net in enumerate(inputs):
                index |= values[net] << place
            result.append(truth >> index & 1)
        return result

    def next_state(self, state: Words) -> Words:
        """Return what the registers take at the clock edge, shape (registers, ...); `state` is evaluated."""
        taken = np.empty((len(self.registers), *state.shape[1:]), np.uint64)
        for index, gate in enumerate(self.registers):
            logic = self.cells[gate.cell]
            taken[index] = logic.functions[0]({pin: state[net] for pin, net in zip(logic.inputs, gate.inputs, strict=True)})
        return taken

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        kinds = list(self.cells)

        def packed(gates: Sequence[Gate]) -> list[int]:
            return [number for gate in gates for number in (kinds.index(gate.cell), *gate.inputs, *gate.outputs)]

        return {
            "name": self.name,
            "nets": self.nets,
            "inputs": {port: list(nets) for port, nets in self.inputs.items()},
            "outputs": {port: list(nets) for port, nets in self.outputs.items()},
            "cells": {
                kind: [list(logic.inputs), [_text(function) for function in logic.functions], logic.is_register] for kind, logic in self.cells.items()
            },
            "gates": packed(self.gates),
            "registers": packed(self.registers),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Netlist:
        """Return the netlist that `to_dict` wrote."""
        cells = {
            kind: CellLogic(tuple(inputs), tuple(parse_function(text) for text in functions), is_register)
            for kind, (inputs, functions, is_register) in values["cells"].items()
        }
        kinds = list(cells)

        def unpacked(numbers: Sequence[int]) -> tuple[Gate, ...]:
            gates, at = [], 0
            while at < len(numbers):
                kind = kinds[numbers[at]]
                split = at + 1 + len(cells[kind].inputs)
                end = split + len(cells[kind].functions)
                gates.append(Gate(kind, tuple(numbers[at + 1 : split]), tuple(numbers[split:end])))
                at = end
            return tuple(gates)

        return cls(
            name=values["name"],
            inputs={port: tuple(nets) for port, nets in values["inputs"].items()},
            outputs={port: tuple(nets) for port, nets in values["outputs"].items()},
            gates=unpacked(values["gates"]),
            registers=unpacked(values["registers"]),
            cells=cells,
            nets=values["nets"],
        )


def exhaustive(netlist: Netlist, activation: str, weight: str) -> Words:
    """Return every net's value for all operand pairs, shape (nets, 1024) uint64: bit a·256 + w of a net, little-endian, by operand codes.

    Codes are bit patterns (two's complement where signed), 0..255. The netlist has no registers.
    """
    state = np.zeros((netlist.nets, CODES * CODES // 64), np.uint64)
    vectors = np.arange(CODES * CODES, dtype=np.uint32)
    for port, shift in ((activation, 8), (weight, 0)):
        for bit, net in enumerate(netlist.inputs[port]):
            state[net] = np.packbits((vectors >> (shift + bit)) & 1, bitorder="little").view(np.uint64)
    netlist.evaluate(state)
    return state


def table_of(netlist: Netlist, state: Words, output: str, formats: tuple[IntFormat, IntFormat]) -> NDArray[np.int32]:
    """Return `table[a, w]` in value order, (256, 256) int32, from the net values of `exhaustive`.

    The product is two's complement of the output's width if either operand is signed.
    """
    nets = netlist.outputs[output]
    total = np.zeros(CODES * CODES, np.int64)
    for bit, net in enumerate(nets):
        total |= np.unpackbits(state[net].view(np.uint8), bitorder="little").astype(np.int64) << bit
    if any(f.signed for f in formats):
        total -= (total >> (len(nets) - 1)) << len(nets)
    table = total.reshape(CODES, CODES)
    for axis, operand in enumerate(formats):
        if operand.signed:
            table = np.roll(table, CODES // 2, axis=axis)
    return np.ascontiguousarray(table, np.int32)


def from_yosys(module: Mapping[str, Any], name: str, library: CellLibrary) -> Netlist:
    """Return the netlist of one module of Yosys's JSON, mapped to `library`.

    Raises:
        InputError: a cell is not of the library or cannot be followed, a net has no driver, or gates form a loop.
    """
    numbers: dict[int | str, int] = {"0": ZERO, "1": ONE, "x": ZERO, "z": ZERO}

    def net(bit: int | str) -> int:
        return numbers.setdefault(bit, len(numbers) - 2)  # x and z are not nets of their own

    inputs: dict[str, tuple[int, ...]] = {}
    outputs: dict[str, tuple[int, ...]] = {}
    for port, entry in module["ports"].items():
        (inputs if entry["direction"] == "input" else outputs)[port] = tuple(net(bit) for bit in entry["bits"])
    cells: dict[str, CellLogic] = {}
    gates: list[Gate] = []
    registers: list[Gate] = []
    for instance, entry in module["cells"].items():
        kind = entry["type"]
        if kind not in cells:
            cells[kind] = _logic(kind, instance, library)
        logic = cells[kind]
        connections = entry["connections"]
        pins = _output_pins(kind, library)
        gate = Gate(
            kind,
            tuple(net(connections[pin][0]) if connections.get(pin) else ZERO for pin in logic.inputs),
            tuple(net(connections[pin][0]) if connections.get(pin) else -1 for pin in pins),
        )
        (registers if logic.is_register else gates).append(gate)
    count = max(numbers.values()) + 1
    sources = {ZERO, ONE, *(bit for bits in inputs.values() for bit in bits), *(bit for gate in registers for bit in gate.outputs)}
    return Netlist(name, inputs, outputs, _ordered(gates, sources, name), tuple(registers), cells, count)


def _logic(kind: str, instance: str, library: CellLibrary) -> CellLogic:
    cell = library.cells.get(kind)
    if cell is None or not cell.is_usable:
        raise InputError(
            f"cell {kind!r} (instance {instance!r}) cannot be evaluated; expected combinational cells or flip-flops of {library.name!r}."
        )
    if cell.register is None:
        functions = tuple(f for pin in cell.outputs if (f := cell.pins[pin].function) is not None)
        return CellLogic(cell.inputs, functions)
    inputs = tuple(pin for pin in cell.inputs if pin != cell.register.clock)
    return CellLogic(inputs, (cell.register.next_state,), is_register=True)


def _output_pins(kind: str, library: CellLibrary) -> tuple[str, ...]:
    cell = library.cells[kind]
    return cell.outputs if cell.register is None else register_outputs(cell)


def register_outputs(cell: Cell) -> tuple[str, ...]:
    """Return the pin that shows a flip-flop's state, as a tuple of at most one."""
    state = None if cell.register is None else cell.register.state
    return tuple(pin for pin in cell.outputs if cell.pins[pin].function == Expression("pin", pin=state or ""))[:1]


def _ordered(gates: list[Gate], sources: set[int], name: str) -> tuple[Gate, ...]:
    """Return the gates in evaluation order (Kahn)."""
    driver = {net: index for index, gate in enumerate(gates) for net in gate.outputs if net >= 0}
    waiting = [{driver[net] for net in gate.inputs if net in driver} for gate in gates]
    for gate in gates:
        for net in gate.inputs:
            if net not in driver and net not in sources:
                raise InputError(f"circuit {name!r} has an input of a {gate.cell} gate that nothing drives; expected every net to be driven.")
    sinks: list[list[int]] = [[] for _ in gates]
    for index, needs in enumerate(waiting):
        for other in needs:
            sinks[other].append(index)
    missing = [len(needs) for needs in waiting]
    ready = [index for index, count in enumerate(missing) if count == 0]
    order: list[int] = []
    while ready:
        index = ready.pop()
        order.append(index)
        for sink in sinks[index]:
            missing[sink] -= 1
            if missing[sink] == 0:
                ready.append(sink)
    if len(order) != len(gates):
        raise InputError(f"circuit {name!r} has a combinational loop; expected a circuit without feedback.")
    return tuple(gates[index] for index in order)


def _text(expression: Expression) -> str:
    match expression.operator:
        case "pin":
            return expression.pin
        case "0" | "1":
            return expression.operator
        case "not":
            return f"!({_text(expression.operands[0])})"
        case operator:
            mark = {"and": "*", "or": "+", "xor": "^"}[operator]
            return "(" + mark.join(f"({_text(operand)})" for operand in expression.operands) + ")"
