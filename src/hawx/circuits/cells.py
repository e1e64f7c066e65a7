"""Logic of the standard cells that mapped netlists instantiate: those of EvoApproxLib (OSU FreePDK45 and OSU018 names and pins), NanGate's.

The helper modules PDKGENHAX1 and PDKGENFAX1 are defined inside the files that use them; a module of the file wins over this table.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
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
}
"""Names → pin=function, in Liberty's notation; inputs are in alphabetical order."""


def _cell(text: str) -> Cell:
    outputs = {pin: parse_function(function) for pin, _, function in (part.partition("=") for part in text.split())}
    return Cell(tuple(sorted(frozenset().union(*(function.pins for function in outputs.values())))), outputs)


CELLS: Mapping[str, Cell] = MappingProxyType({name: _cell(text) for names, text in _FUNCTIONS.items() for name in names.split()})

_NANGATE = {
    "INV": ("ZN=!A", "ZN=!I"),
    "BUF": ("Z=A", "Z=I"),
    "AND2": ("ZN=A1*A2", "Z=A1*A2"),
    "AND3": ("ZN=A1*A2*A3", "Z=A1*A2*A3"),
    "AND4": ("ZN=A1*A2*A3*A4", "Z=A1*A2*A3*A4"),
    "OR2": ("ZN=A1+A2", "Z=A1+A2"),
    "OR3": ("ZN=A1+A2+A3", "Z=A1+A2+A3"),
    "OR4": ("ZN=A1+A2+A3+A4", "Z=A1+A2+A3+A4"),
    "NAND2": ("ZN=!(A1*A2)",),
    "NAND3": ("ZN=!(A1*A2*A3)",),
    "NAND4": ("ZN=!(A1*A2*A3*A4)",),
    "NOR2": ("ZN=!(A1+A2)",),
    "NOR3": ("ZN=!(A1+A2+A3)",),
    "NOR4": ("ZN=!(A1+A2+A3+A4)",),
    "XOR2": ("Z=A^B", "Z=A1^A2"),
    "XNOR2": ("ZN=!(A^B)", "ZN=!(A1^A2)"),
    "AOI21": ("ZN=!(A+B1*B2)", "ZN=!(A1*A2+B)"),
    "AOI22": ("ZN=!(A1*A2+B1*B2)",),
    "OAI21": ("ZN=!(A*(B1+B2))", "ZN=!((A1+A2)*B)"),
    "OAI22": ("ZN=!((A1+A2)*(B1+B2))",),
    "MUX2": ("Z=S*B+!S*A", "Z=S*I1+!S*I0"),
    "HA": ("CO=A*B S=A^B",),
    "FA": ("CO=A*B+(A+B)*CI S=A^B^CI",),
}
"""NanGate's cells without the drive strength, first the pins of the 45 nm library, then those of the 15 nm one."""
_DRIVE = re.compile(r"_X\d+")


def known_cell(kind: str, pins: Collection[str] = ()) -> Cell | None:
    """Return the logic of a cell by its name and the pins that are connected, or None where it is not known."""
    variants = [CELLS[kind]] if kind in CELLS else [_cell(text) for text in _NANGATE.get(_DRIVE.sub("", kind), ()) if _DRIVE.search(kind)]
    return next((cell for cell in variants if {*cell.inputs, *cell.outputs}.issuperset(pins)), variants[0] if variants else None)


def cell_module(kind: str, cell: Cell) -> str:
    """Return a cell as a module of Verilog."""
    ports = ", ".join([*(f"input {pin}" for pin in cell.inputs), *(f"output {pin}" for pin in cell.outputs)])
    body = "".join(f"  assign {pin} = {function.text(VERILOG)};\n" for pin, function in cell.outputs.items())
    return f"module {kind} ({ports});\n{body}endmodule\n"
