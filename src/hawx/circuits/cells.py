"""Logic of the standard cells that mapped netlists instantiate: those of EvoApproxLib (OSU FreePDK45 and OSU018 names and pins), NanGate's.

The helper modules PDKGENHAX1 and PDKGENFAX1 are defined inside the files that use them; a module of the file wins over this table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from hawx.circuits.logic import VERILOG, parse_function
from hawx.circuits.netlist import Cell

_FUNCTIONS = {
    "INVX1 INVX2 INVX4 INVX8": "Y=!A",
    "BUFX2 BUFX4 CLKBUF1 CLKBUF2 CLKBUF3": "Y=A",
    "AND2X1 AND2X2": "Y=A*B",
    "OR2X1 OR2X2": "Y=A+B",
    "NAND2X1": "Y=!(A*B)",
    "NOR2X1": "Y=!(A+B)",
    "NAND3X1": "Y=!(A*B*C)",
    "NOR3X1": "Y=!(A+B+C)",
    "XOR2X1": "Y=A^B",
    "XNOR2X1": "Y=!(A^B)",
    "AOI21X1": "Y=!(A*B+C)",
    "AOI22X1": "Y=!(A*B+C*D)",
    "OAI21X1": "Y=!((A+B)*C)",
    "OAI22X1": "Y=!((A+B)*(C+D))",
    "MUX2X1": "Y=!(S*A+!S*B)",
    "HAX1": "YC=A*B YS=A^B",
    "FAX1": "YC=A*B+(A+B)*C YS=A^B^C",
    "INV_X1 INV_X2 INV_X4 INV_X8": "ZN=!A",
    "BUF_X1 BUF_X2 BUF_X4": "Z=A",
    "AND2_X1 AND2_X2": "ZN=A1*A2",
    "AND3_X1": "ZN=A1*A2*A3",
    "AND4_X1": "ZN=A1*A2*A3*A4",
    "OR2_X1 OR2_X2": "ZN=A1+A2",
    "OR3_X1": "ZN=A1+A2+A3",
    "OR4_X1": "ZN=A1+A2+A3+A4",
    "NAND2_X1 NAND2_X2": "ZN=!(A1*A2)",
    "NAND3_X1": "ZN=!(A1*A2*A3)",
    "NAND4_X1": "ZN=!(A1*A2*A3*A4)",
    "NOR2_X1 NOR2_X2": "ZN=!(A1+A2)",
    "NOR3_X1": "ZN=!(A1+A2+A3)",
    "NOR4_X1": "ZN=!(A1+A2+A3+A4)",
    "XOR2_X1 XOR2_X2": "Z=A^B",
    "XNOR2_X1 XNOR2_X2": "ZN=!(A^B)",
    "AOI21_X1": "ZN=!(A+B1*B2)",
    "AOI22_X1": "ZN=!(A1*A2+B1*B2)",
    "AOI211_X1": "ZN=!(A+B+C1*C2)",
    "AOI221_X1": "ZN=!(A+B1*B2+C1*C2)",
    "OAI21_X1": "ZN=!(A*(B1+B2))",
    "OAI22_X1": "ZN=!((A1+A2)*(B1+B2))",
    "OAI211_X1": "ZN=!(A*B*(C1+C2))",
    "OAI221_X1": "ZN=!(A*(B1+B2)*(C1+C2))",
    "MUX2_X1": "Z=S*B+!S*A",
    "HA_X1": "CO=A*B S=A^B",
    "FA_X1": "CO=A*B+(A+B)*CI S=A^B^CI",
}
"""Names → pin=function, in Liberty's notation; inputs are in alphabetical order."""


def _cell(text: str) -> Cell:
    outputs = {pin: parse_function(function) for pin, _, function in (part.partition("=") for part in text.split())}
    return Cell(tuple(sorted(frozenset().union(*(function.pins for function in outputs.values())))), outputs)


CELLS: Mapping[str, Cell] = MappingProxyType({name: _cell(text) for names, text in _FUNCTIONS.items() for name in names.split()})


def models(kinds: Iterable[str]) -> str:
    """Return a Verilog module for each of these cells that is known."""
    return "".join(_model(kind, CELLS[kind]) for kind in sorted(set(kinds)) if kind in CELLS)


def _model(kind: str, cell: Cell) -> str:
    ports = ", ".join([*(f"input {pin}" for pin in cell.inputs), *(f"output {pin}" for pin in cell.outputs)])
    body = "".join(f"  assign {pin} = {function.text(VERILOG)};\n" for pin, function in cell.outputs.items())
    return f"module {kind} ({ports});\n{body}endmodule\n"
