"""Netlist: gates and nets of a mapped circuit, self-contained (it carries its cells' functions), evaluated on bit-packed vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hawx.circuits.logic import Expression, parse_function
from hawx.circuits.words import Words, numbers, operand_words
from hawx.formats import CODES

ZERO, ONE = 0, 1
"""The constant nets."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one kind of gate computes. A flip-flop's single output takes its function at the clock's edge."""

    inputs: tuple[str, ...]
    outputs: Mapping[str, Expression]
    """Pin -> function of the inputs; a netlist read from JSON knows its pins by number only."""
    is_register: bool = False

    @property
    def functions(self) -> tuple[Expression, ...]:
        return tuple(self.outputs.values())


@dataclass(frozen=True, slots=True)
class Gate:
    """One cell: nets on its inputs and outputs in the order of its `Cell`; -1 is an open output."""

    cell: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


_Row = tuple[tuple[int, ...], list[tuple[int, int]]]
"""Input nets, and (truth table over them, net) of each output."""


@dataclass(frozen=True)
class Netlist:
    """A mapped circuit. `gates` are in evaluation order; registers stand apart; nets 0 and 1 are the constants."""

    name: str
    inputs: Mapping[str, tuple[int, ...]]
    """Port -> nets, least significant bit first."""
    outputs: Mapping[str, tuple[int, ...]]
    gates: tuple[Gate, ...]
    registers: tuple[Gate, ...]
    cells: Mapping[str, Cell]
    nets: int

    def evaluate(self, state: Words) -> None:
        """Compute every gate in place.

        Args:
            state: (nets, ...) uint64, bit-packed; input and register nets are set, constants and gate outputs are written.
        """
        state[ZERO] = 0
        state[ONE] = ~np.uint64(0)
        for gate in self.gates:
            cell = self.cells[gate.cell]
            values = dict(zip(cell.inputs, [state[net] for net in gate.inputs], strict=True))
            for function, net in zip(cell.outputs.values(), gate.outputs, strict=True):
                if net >= 0:
                    state[net] = function(values)

    def _rows(self, gates: Sequence[Gate]) -> list[_Row]:
        truths = {kind: [f.truth(cell.inputs) for f in cell.functions] for kind, cell in self.cells.items()}
        return [(gate.inputs, [(truth, net) for truth, net in zip(truths[gate.cell], gate.outputs, strict=True) if net >= 0]) for gate in gates]

    @cached_property
    def _program(self) -> tuple[list[_Row], list[_Row]]:
        """Gates and registers as truth tables."""
        return self._rows(self.gates), self._rows(self.registers)

    def step(self, values: list[int], taken: list[int]) -> list[int]:
        """Compute one vector in place and return what the registers take at the next edge: for one stream, the quicker way.

        Args:
            values: 0 or 1 per net; inputs are set, everything else is written.
            taken: what the registers took at the last edge.
        """
        gates, registers = self._program
        values[ZERO], values[ONE] = 0, 1
        for (_, outputs), value in zip(registers, taken, strict=True):
            values[outputs[0][1]] = value
        for inputs, outputs in gates:
            index = 0
            for place, net in enumerate(inputs):
                index |= values[net] << place
            for truth, net in outputs:
                values[net] = truth >> index & 1
        return [outputs[0][0] >> sum(values[net] << place for place, net in enumerate(inputs)) & 1 for inputs, outputs in registers]

    def next_state(self, state: Words) -> Words:
        """Return what the registers take at the clock edge, shape (registers, ...); `state` is evaluated."""
        taken = np.empty((len(self.registers), *state.shape[1:]), np.uint64)
        for row, gate in zip(taken, self.registers, strict=True):
            cell = self.cells[gate.cell]
            row[...] = cell.functions[0](dict(zip(cell.inputs, state[list(gate.inputs)], strict=True)))
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
            "cells": {kind: [list(cell.inputs), [f.text() for f in cell.functions], cell.is_register] for kind, cell in self.cells.items()},
            "gates": packed(self.gates),
            "registers": packed(self.registers),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Netlist:
        """Return the netlist that `to_dict` wrote."""
        cells = {
            kind: Cell(tuple(inputs), {str(place): parse_function(text) for place, text in enumerate(functions)}, is_register)
            for kind, (inputs, functions, is_register) in values["cells"].items()
        }
        kinds = list(cells)

        def unpacked(flat: Sequence[int]) -> tuple[Gate, ...]:
            gates, at = [], 0
            while at < len(flat):
                kind = kinds[flat[at]]
                split = at + 1 + len(cells[kind].inputs)
                end = split + len(cells[kind].outputs)
                gates.append(Gate(kind, tuple(flat[at + 1 : split]), tuple(flat[split:end])))
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
    """Return every net's value for all pairs of 8-bit operands, shape (nets, 1024), as of `operand_words`. The netlist has no registers."""
    return evaluated(netlist, dict(zip((activation, weight), operand_words(), strict=True)))


def evaluated(netlist: Netlist, inputs: Mapping[str, Words]) -> Words:
    """Return every net's value for the words of its input ports, (bits, words) → (nets, words). The netlist has no registers."""
    state = np.zeros((netlist.nets, next(iter(inputs.values())).shape[1]), np.uint64)
    for port, words in inputs.items():
        state[list(netlist.inputs[port])] = words
    netlist.evaluate(state)
    return state


def patterns(netlist: Netlist, activation: str, weight: str, product: str) -> NDArray[np.int64]:
    """Return the product's bit pattern for all operand patterns 0..255, shape (256, 256)."""
    state = exhaustive(netlist, activation, weight)
    return numbers(state[list(netlist.outputs[product])]).reshape(CODES, CODES)


def evaluation_order(gates: Sequence[Gate]) -> list[int]:
    """Return the indices of the gates, each after those that drive its inputs (Kahn); gates in and behind loops are left out."""
    driver = {net: index for index, gate in enumerate(gates) for net in gate.outputs if net >= 0}
    missing = []
    sinks: list[list[int]] = [[] for _ in gates]
    for index, gate in enumerate(gates):
        needs = {driver[net] for net in gate.inputs if net in driver}
        missing.append(len(needs))
        for other in needs:
            sinks[other].append(index)
    ready = [index for index, count in enumerate(missing) if count == 0]
    order: list[int] = []
    while ready:
        order.append(ready.pop())
        for sink in sinks[order[-1]]:
            missing[sink] -= 1
            if missing[sink] == 0:
                ready.append(sink)
    return order
