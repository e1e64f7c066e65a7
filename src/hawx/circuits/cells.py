"""Logic of the standard cells that EvoApproxLib's mapped netlists instantiate (OSU FreePDK45 and OSU018 names and pins).

The helper modules PDKGENHAX1 and PDKGENFAX1 are defined inside the files that use them; a module of the file wins over this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hawx.circuits.logic import parse_function
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
