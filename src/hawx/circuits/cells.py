"""Logic of the standard cells that EvoApproxLib's mapped netlists instantiate (OSU FreePDK45 and OSU018 names and pins).

The helper modules PDKGENHAX1 and PDKGENFAX1 are defined inside the files that use them; a module of the file wins over this table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Packed = NDArray[np.uint64]
"""One signal for all 65,536 operand pairs, one bit each, shape (1024,)."""


@dataclass(frozen=True, slots=True)
class Cell:
    inputs: tuple[str, ...]
    outputs: Mapping[str, Callable[..., Packed]]
    """Output pin -> function of the inputs in order."""


def _cell(inputs: str, **outputs: Callable[..., Packed]) -> Cell:
    return Cell(tuple(inputs), MappingProxyType(outputs))


_KINDS: Mapping[str, Cell] = {
    "INVX1 INVX2 INVX4 INVX8": _cell("A", Y=lambda a: ~a),
    "BUFX2 BUFX4 CLKBUF1 CLKBUF2 CLKBUF3": _cell("A", Y=lambda a: a),
    "AND2X1 AND2X2": _cell("AB", Y=lambda a, b: a & b),
    "OR2X1 OR2X2": _cell("AB", Y=lambda a, b: a | b),
    "NAND2X1": _cell("AB", Y=lambda a, b: ~(a & b)),
    "NOR2X1": _cell("AB", Y=lambda a, b: ~(a | b)),
    "NAND3X1": _cell("ABC", Y=lambda a, b, c: ~(a & b & c)),
    "NOR3X1": _cell("ABC", Y=lambda a, b, c: ~(a | b | c)),
    "XOR2X1": _cell("AB", Y=lambda a, b: a ^ b),
    "XNOR2X1": _cell("AB", Y=lambda a, b: ~(a ^ b)),
    "AOI21X1": _cell("ABC", Y=lambda a, b, c: ~((a & b) | c)),
    "AOI22X1": _cell("ABCD", Y=lambda a, b, c, d: ~((a & b) | (c & d))),
    "OAI21X1": _cell("ABC", Y=lambda a, b, c: ~((a | b) & c)),
    "OAI22X1": _cell("ABCD", Y=lambda a, b, c, d: ~((a | b) & (c | d))),
    "MUX2X1": _cell("ABS", Y=lambda a, b, s: ~((s & a) | (~s & b))),
    "HAX1": _cell("AB", YC=lambda a, b: a & b, YS=lambda a, b: a ^ b),
    "FAX1": _cell("ABC", YC=lambda a, b, c: (a & b) | (b & c) | (a & c), YS=lambda a, b, c: a ^ b ^ c),
}

CELLS: Mapping[str, Cell] = MappingProxyType({name: cell for names, cell in _KINDS.items() for name in names.split()})
