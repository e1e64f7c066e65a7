"""Functional Verilog models of a Liberty library's cells, so that a mapped netlist simulates with any simulator and any library."""

from __future__ import annotations

from collections.abc import Iterable

from hawx.circuits.liberty import CellLibrary, LibraryCell
from hawx.circuits.logic import VERILOG
from hawx.circuits.netlist import ONE, ZERO, Netlist
from hawx.circuits.ports import check_module_name
from hawx.errors import InputError


def cell_models(library: CellLibrary, kinds: Iterable[str]) -> str:
    """Return one Verilog module for each cell kind: its function without delays; flip-flops sample on the rising edge.

    Raises:
        InputError: a cell is not of the library or its function is unknown.
    """
    return "".join(_model(library, kind) for kind in sorted(set(kinds)))


def netlist_verilog(netlist: Netlist, library: CellLibrary, clock: str = "clk") -> str:
    """Return a netlist as structural Verilog over the library's cells, every net a wire of its own (simulators copy wide nets whole).

    Args:
        netlist: combinational, or with registers.
        library: its cells.
        clock: port that clocks the registers.
    """
    ports = [f"input [{len(nets) - 1}:0] {port}" for port, nets in netlist.inputs.items()]
    ports += [f"output [{len(nets) - 1}:0] {port}" for port, nets in netlist.outputs.items()]
    lines = [f"module {check_module_name(netlist.name)} ({', '.join(ports)});"]
    lines += [f"  wire n{net};" for net in range(netlist.nets)]
    lines += [f"  assign n{ZERO} = 1'b0;", f"  assign n{ONE} = 1'b1;"]
    lines += [f"  assign n{net} = {port}[{bit}];" for port, nets in netlist.inputs.items() for bit, net in enumerate(nets)]
    lines += [f"  assign {port} = {{{', '.join(f'n{net}' for net in reversed(nets))}}};" for port, nets in netlist.outputs.items()]
    for number, gate in enumerate((*netlist.gates, *netlist.registers)):
        cell = library.cells[gate.cell]
        assert cell.logic is not None  # the netlist was mapped to this library
        pins = zip((*cell.logic.inputs, *cell.logic.outputs), (*gate.inputs, *gate.outputs), strict=True)
        wires = [f".{pin}(n{net})" for pin, net in pins if net >= 0] + ([] if cell.register is None else [f".{cell.register.clock}({clock})"])
        lines.append(f"  {gate.cell} g{number} ({', '.join(wires)});")
    return "\n".join([*lines, "endmodule"]) + "\n"


def _model(library: CellLibrary, kind: str) -> str:
    cell = library.cells.get(kind)
    if cell is None or cell.logic is None:
        raise InputError(f"cell {kind!r} has no functional model; expected a combinational cell or flip-flop of {library.name!r}.")
    for name in (kind, *cell.pins):
        check_module_name(name)
    ports = [f"input {pin}" for pin in cell.inputs] + [f"output {pin}" for pin in cell.outputs]
    return f"module {kind} ({', '.join(ports)});\n{_body(cell)}endmodule\n"


def _body(cell: LibraryCell) -> str:
    lines = [f"  assign {pin} = {f.text(VERILOG)};\n" for pin in cell.outputs if (f := cell.pins[pin].function) is not None]
    if cell.register is not None:
        register = cell.register
        lines = [
            f"  reg {register.state};\n",
            f"  wire {register.inverted_state} = ~{register.state};\n",
            f"  always @(posedge {register.clock}) {register.state} <= {register.next_state.text(VERILOG)};\n",
            *lines,
        ]
    return "".join(lines)
