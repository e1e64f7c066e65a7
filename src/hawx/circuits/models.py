"""Functional Verilog models of a Liberty library's cells, so that a mapped netlist simulates with any simulator and any library."""

from __future__ import annotations

from collections.abc import Iterable

from hawx.circuits.liberty import Cell, CellLibrary
from hawx.circuits.logic import Expression
from hawx.circuits.netlist import ONE, ZERO, Netlist, register_outputs
from hawx.circuits.ports import check_module_name
from hawx.errors import InputError

_MARKS = {"and": " & ", "or": " | ", "xor": " ^ "}


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
        pins = list(zip(netlist.cells[gate.cell].inputs, gate.inputs, strict=True))
        outputs = cell.outputs if cell.register is None else register_outputs(cell)
        pins += [(pin, net) for pin, net in zip(outputs, gate.outputs, strict=True) if net >= 0]
        wires = [f".{pin}(n{net})" for pin, net in pins] + ([] if cell.register is None else [f".{cell.register.clock}({clock})"])
        lines.append(f"  {gate.cell} g{number} ({', '.join(wires)});")
    return "\n".join([*lines, "endmodule"]) + "\n"


def _model(library: CellLibrary, kind: str) -> str:
    cell = library.cells.get(kind)
    if cell is None or not cell.is_usable:
        raise InputError(f"cell {kind!r} has no functional model; expected a combinational cell or flip-flop of {library.name!r}.")
    for name in (kind, *cell.pins):
        check_module_name(name)
    ports = [f"input {pin}" for pin in cell.inputs] + [f"output {pin}" for pin in cell.outputs]
    return f"module {kind} ({', '.join(ports)});\n{_body(cell)}endmodule\n"


def _body(cell: Cell) -> str:
    if cell.register is None:
        return "".join(f"  assign {pin} = {_text(f)};\n" for pin in cell.outputs if (f := cell.pins[pin].function) is not None)
    register = cell.register
    lines = [
        f"  reg {register.state};",
        f"  wire {register.inverted_state} = ~{register.state};",
        f"  always @(posedge {register.clock}) {register.state} <= {_text(register.next_state)};",
    ]
    lines += [f"  assign {pin} = {_text(f)};" for pin in cell.outputs if (f := cell.pins[pin].function) is not None]
    return "\n".join(lines) + "\n"


def _text(expression: Expression) -> str:
    match expression.operator:
        case "pin":
            return expression.pin
        case "0" | "1":
            return f"1'b{expression.operator}"
        case "not":
            return f"~({_text(expression.operands[0])})"
        case operator:
            return "(" + _MARKS[operator].join(_text(operand) for operand in expression.operands) + ")"
