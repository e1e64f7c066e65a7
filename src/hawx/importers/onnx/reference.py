"""The page of ONNX operators, from the table that holds networks to it: `python -m hawx.importers.onnx.reference docs/operators.md`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hawx.importers.onnx.contracts import LARGEST, TYPES, Contract, Required, type_name
from hawx.importers.onnx.reader import NEWEST_OPSET, OLDEST_OPSET
from hawx.importers.onnx.table import OPERATORS

_HEAD = f"""# ONNX operators

<!-- Written by `python -m hawx.importers.onnx.reference docs/operators.md` from `hawx.importers.onnx.table`. -->

The {len(OPERATORS)} operators that are read, opsets {OLDEST_OPSET} to {NEWEST_OPSET}, and all that each of them takes.
**Everything else is refused when the file is read**,
in one line that names the node: another attribute or value, another type or rank, another number of inputs, an output in
use beyond those computed, sizes that depend on the image, more than {LARGEST:,} numbers. Nodes on constants alone are computed by ONNX's own
reference implementation, whatever their operator. Where a file leaves sizes free (other than the batch), they are checked with the first images.

All operator tests of the installed package `onnx` run in the test suite, each with its inputs as inputs and as constants: right to ONNX's own
tolerance, or refused. Which are refused, and why, is `tests/golden/onnx_refusals.json`.

Inputs: a type and a range of ranks; `?` may be missing, `*` any number, `!` a constant of rank 0 becomes a number. `sizes` are constants or
computed from shapes, `constant` is known when the file is read. Inputs of the same word have the same type.
Attributes: accepted values, the default first; a single value is the default of a number that is free; a bare name has no default.
"""


def page() -> str:
    """Return docs/operators.md."""
    words = "\n".join(f"| `{word}` | {', '.join(type_name(dtype) for dtype in dtypes)} |" for word, dtypes in TYPES.items())
    rows = "\n".join(_row(kind, contract) for kind, contract in sorted(OPERATORS.items()))
    types = f"| word | types |\n| --- | --- |\n{words}"
    return f"{_HEAD}\n{types}\n\n| operator | inputs | attributes | outputs |\n| --- | --- | --- | --- |\n{rows}\n"


def _row(kind: str, contract: Contract) -> str:
    inputs = "; ".join(spec.text for spec in contract.inputs)
    attributes = "; ".join(_attribute(name, given) for name, given in contract.attributes.items())
    outputs = "any" if contract.outputs is None else str(contract.outputs)
    return f"| {kind} | {inputs} | {attributes} | {outputs} |"


def _attribute(name: str, given: Any) -> str:
    if isinstance(given, tuple):
        return f"{name}: {', '.join(str(value) for value in given)}"
    if isinstance(given, Required):
        return f"{name} (required)"
    return name if isinstance(given, type) else f"{name} = {given:g}" if isinstance(given, float) else f"{name} = {given}"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
