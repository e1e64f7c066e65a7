"""Static timing of a mapped netlist: NLDM tables, both edges, worst slew; ideal inputs, no wires (pre-layout)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hawx.circuits.liberty import Arc, CellLibrary
from hawx.circuits.netlist import Netlist

FALL, RISE = 0, 1


@dataclass(frozen=True, slots=True)
class Timing:
    """Arrival and slew of every net in ns, shape (nets, 2): index 0 = falling, 1 = rising edge; -inf where the edge never happens."""

    arrival_ns: NDArray[np.float64]
    slew_ns: NDArray[np.float64]
    load_pf: NDArray[np.float64]
    """Capacitance of the input pins on each net, shape (nets,)."""
    delay_ns: float
    """Latest arrival at an output port or a register input (with its set-up time)."""


def loads(netlist: Netlist, library: CellLibrary) -> NDArray[np.float64]:
    """Return the pin capacitance on each net in pF, shape (nets,)."""
    result = np.zeros(netlist.nets)
    for gate in (*netlist.gates, *netlist.registers):
        pins = library.cells[gate.cell].pins
        for pin, net in zip(netlist.cells[gate.cell].inputs, gate.inputs, strict=True):
            result[net] += pins[pin].capacitance_pf
    return result


def static_timing(netlist: Netlist, library: CellLibrary) -> Timing:
    """Return arrival times and slews. Input ports switch at time 0 with zero slew; registers after their clock-to-output delay."""
    load = loads(netlist, library)
    arrival = np.full((netlist.nets, 2), -np.inf)
    slew = np.zeros((netlist.nets, 2))
    for nets in netlist.inputs.values():
        arrival[list(nets)] = 0.0
    for gate in netlist.registers:
        cell = library.cells[gate.cell]
        for net in gate.outputs:
            if net >= 0:
                _launch(cell.pins[cell.outputs[0]].arcs, net, load, arrival, slew)
    for gate in netlist.gates:
        cell = library.cells[gate.cell]
        by_pin = dict(zip(netlist.cells[gate.cell].inputs, gate.inputs, strict=True))
        for pin, net in zip(cell.outputs, gate.outputs, strict=True):
            if net < 0:
                continue
            for arc in cell.pins[pin].arcs:
                source = by_pin.get(arc.related_pin)
                if source is None or arc.clocked:
                    continue
                for edge in (FALL, RISE):
                    for cause in _causes(arc, edge):
                        start = arrival[source, cause]
                        if start == -np.inf:
                            continue
                        entry = float(slew[source, cause])
                        arrival[net, edge] = max(arrival[net, edge], start + arc.delays[edge](entry, float(load[net])))
                        slew[net, edge] = max(slew[net, edge], arc.transitions[edge](entry, float(load[net])))
    latest = [arrival[net].max() for nets in netlist.outputs.values() for net in nets]
    for gate in netlist.registers:
        pins = library.cells[gate.cell].pins
        latest += [arrival[net].max() + pins[pin].setup_ns for pin, net in zip(netlist.cells[gate.cell].inputs, gate.inputs, strict=True)]
    return Timing(arrival, slew, load, float(max([0.0, *latest])))


def _causes(arc: Arc, edge: int) -> tuple[int, ...]:
    """Return the input edges that cause this output edge."""
    if arc.sense == "positive_unate":
        return (edge,)
    if arc.sense == "negative_unate":
        return (1 - edge,)
    return (FALL, RISE)


def _launch(arcs: tuple[Arc, ...], net: int, load: NDArray[np.float64], arrival: NDArray[np.float64], slew: NDArray[np.float64]) -> None:
    for arc in arcs:
        if arc.clocked:
            for edge in (FALL, RISE):
                arrival[net, edge] = max(arrival[net, edge], arc.delays[edge](0.0, float(load[net])))
                slew[net, edge] = max(slew[net, edge], arc.transitions[edge](0.0, float(load[net])))
