"""Switching energy of a netlist without glitches: per toggle from the cell library, per multiplication from operand statistics.

For temporally independent operands a net with probability p of being 1 toggles 2p(1 - p) times per operation, and p is a bilinear
form of the operand distributions: exact, no sampling (F. Najm, IEEE TVLSI 2(4), 1994, section III, with exact signal probabilities).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hawx.circuits.liberty import CellLibrary
from hawx.circuits.netlist import Netlist, exhaustive
from hawx.circuits.timing import Timing
from hawx.circuits.words import Words, ones, unpack
from hawx.errors import InputError
from hawx.formats import CODES, IntFormat

FJ_PER_PJ = 1e3


class Held(StrEnum):
    """Which operand stays while the other streams (the dataflow of the lane)."""

    NONE = "none"
    WEIGHT = "weight"
    ACTIVATION = "activation"


def toggle_energies(netlist: Netlist, library: CellLibrary, timing: Timing) -> NDArray[np.float64]:
    """Return the energy of one toggle of each net in fJ, shape (nets,).

    Half of C·V² of the pins on the net, the driver's internal energy (mean of rising and falling, mean over related pins, at their slew
    and this load) and the passive energy of the pins it drives.
    """
    result = 0.5 * timing.load_pf * library.voltage**2
    slew = timing.slew_ns.mean(axis=1)
    for gate in (*netlist.gates, *netlist.registers):
        cell = library.cells[gate.cell]
        logic = netlist.cells[gate.cell]
        by_pin = dict(zip(logic.inputs, gate.inputs, strict=True))
        for pin, net in by_pin.items():
            passive = [power.mean(float(slew[net]), 0.0) for power in cell.pins[pin].power if not power.related_pin]
            result[net] += sum(passive)
        for pin, net in zip(cell.outputs, gate.outputs, strict=False):
            if net >= 0:
                internal = [power.mean(float(slew[by_pin.get(power.related_pin, 0)]), float(timing.load_pf[net])) for power in cell.pins[pin].power]
                result[net] += float(np.mean(internal)) if internal else 0.0
    return result * FJ_PER_PJ


def clock_energy(netlist: Netlist, library: CellLibrary) -> float:
    """Return the energy of one clock cycle at the registers' clock pins in fJ: C·V² and passive energy of both edges."""
    total = 0.0
    for gate in netlist.registers:
        register = library.cells[gate.cell].register
        if register is not None:
            pin = library.cells[gate.cell].pins[register.clock]
            total += pin.capacitance_pf * library.voltage**2 + 2 * sum(power.mean(0.0, 0.0) for power in pin.power)
    return total * FJ_PER_PJ


def toggle_rates(netlist: Netlist, inputs: Mapping[str, Words], warm_up: int = 0) -> NDArray[np.float64]:
    """Return toggles per cycle of each net, shape (nets,), by simulating many independent streams at once.

    Args:
        netlist: with or without registers; they start at 0.
        inputs: port -> (cycles, bits, words) uint64, bit-packed streams; other ports stay 0.
        warm_up: cycles at the start that do not count.
    """
    cycles, _, words = next(iter(inputs.values())).shape
    state = np.zeros((netlist.nets, words), np.uint64)
    taken = np.zeros((len(netlist.registers), words), np.uint64)
    before = state.copy()
    toggles = np.zeros(netlist.nets, np.int64)
    for cycle in range(cycles):
        for port, values in inputs.items():
            state[list(netlist.inputs[port])] = values[cycle]
        for gate, value in zip(netlist.registers, taken, strict=True):
            state[gate.outputs[0]] = value
        netlist.evaluate(state)
        taken = netlist.next_state(state)
        if cycle > warm_up:
            toggles += ones(state ^ before)
        before[...] = state
    return np.asarray(toggles / (max(1, cycles - 1 - warm_up) * words * 64), np.float64)


@dataclass(frozen=True, eq=False, kw_only=True)
class SwitchingCircuit:
    """A combinational block with its toggle energies: all that operand-aware energy needs, no tool and no cell library."""

    netlist: Netlist
    activation: str
    weight: str
    formats: tuple[IntFormat, IntFormat]
    toggle_fj: NDArray[np.float64]
    """Energy of one toggle of each net, fJ, shape (nets,)."""

    @cached_property
    def _active(self) -> tuple[Words, NDArray[np.float64]]:
        """Values of the nets that cost energy, (active, 256, 4) in code order, and their energies."""
        state = exhaustive(self.netlist, self.activation, self.weight)
        varies = (state != state[:, :1]).any(axis=1) | ((state[:, 0] + np.uint64(1)) > 1)  # neither all 0 nor all 1
        keep = np.flatnonzero(varies & (self.toggle_fj != 0))
        return state[keep].reshape(-1, CODES, CODES // 64), self.toggle_fj[keep]

    def energies(self, activations: ArrayLike, weights: ArrayLike, held: Held | str = Held.NONE) -> NDArray[np.float64]:
        """Return fJ per multiplication for pairs of operand distributions, shape (pairs,).

        Args:
            activations: (pairs, 256) or (256,), probability of each activation code in value order, rows sum to 1.
            weights: the same for weight codes.
            held: which operand stays while the other streams; `none` when both are new every time.

        Raises:
            InputError: shapes that differ or rows that are not distributions.
        """
        p, q = _distributions(activations, "activation"), _distributions(weights, "weight")
        if p.shape != q.shape:
            raise InputError(f"operand distributions have shapes {p.shape!r} and {q.shape!r}; expected one weight row for each activation row.")
        p, q = (np.roll(rows, -CODES // 2, axis=1) if f.signed else rows for rows, f in zip((p, q), self.formats, strict=True))
        packed, toggle_fj = self._active
        result = np.zeros(len(p))
        for start in range(0, len(packed), 64):  # 64 nets at a time: 16 MB of float32
            bits = unpack(packed[start : start + 64]).astype(np.float32)
            result += toggle_fj[start : start + 64] @ _activity(bits, p, q, Held(held))
        return result

    @cached_property
    def uniform_fj(self) -> float:
        """Energy of one multiplication of uniform, independent operands, fJ."""
        packed, toggle_fj = self._active
        chance = ones(packed).sum(axis=1) / CODES**2
        return float(toggle_fj @ (2.0 * chance * (1.0 - chance)))


def _activity(bits: NDArray[np.float32], p: NDArray[np.float64], q: NDArray[np.float64], held: Held) -> NDArray[np.float64]:
    """Return toggles per operation, shape (nets, pairs); `bits[net, a, w]` by code."""
    if held is Held.WEIGHT:
        given = np.moveaxis(p.astype(np.float32) @ bits, 1, 2).astype(np.float64)  # (nets, w, pairs): probability of 1 given w
        return np.asarray(np.einsum("nwl,lw->nl", 2.0 * given * (1.0 - given), q), np.float64)
    given = (bits @ q.T.astype(np.float32)).astype(np.float64)  # (nets, a, pairs): probability of 1 given a
    if held is Held.ACTIVATION:
        return np.asarray(np.einsum("nal,la->nl", 2.0 * given * (1.0 - given), p), np.float64)
    chance = np.einsum("nal,la->nl", given, p)
    return np.asarray(2.0 * chance * (1.0 - chance), np.float64)


def _distributions(values: ArrayLike, what: str) -> NDArray[np.float64]:
    rows = np.atleast_2d(np.asarray(values, np.float64))
    if rows.ndim != 2 or rows.shape[1] != CODES or not np.allclose(rows.sum(axis=1), 1.0, atol=1e-6) or (rows < 0).any():
        raise InputError(f"{what} distribution has shape {np.shape(values)!r}; expected (256,) or (pairs, 256), non-negative rows that sum to 1.")
    return rows
