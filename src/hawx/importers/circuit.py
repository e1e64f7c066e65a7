"""One circuit file (gate-level Verilog or straight-line C) as a block, checked against its own header."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hawx.blocks.block import Block
from hawx.circuits import Pair, formats_of_circuit, from_patterns, parse_header, published_costs, signedness_hint
from hawx.circuits.c_source import evaluate_c
from hawx.circuits.tokens import MAX_CIRCUIT_BYTES
from hawx.circuits.verilog import evaluate_verilog
from hawx.circuits.verilog_syntax import parse_verilog
from hawx.errors import HawxError, InputError, ToolMissingError
from hawx.files import read_text

SUFFIXES = (".v", ".sv", ".c")


def load_circuit(path: Path, *, wish: Pair | None = None, library: str = "", extra: Mapping[str, Any] | None = None) -> Block:
    """Return the block of one Verilog or C file.

    The file's own logic is evaluated for all operand pairs; it is never compiled or executed. Where its header publishes
    MAE and WCE, the circuit must reproduce them.

    Args:
        path: `.v`, `.sv` or `.c` file with one multiplier: 8-bit operands A (activation) and B (weight), 16-bit result.
        wish: formats to read it as; by default what header, signature, name or fit say.
        library: library and release for the origin of published figures, for example `EvoApproxLib v2022`.
        extra: further provenance.

    Raises:
        InputError: unreadable, outside the subset, wrong ports, or not the circuit its header describes.
    """
    shown = str(path)
    text = read_text(path, "circuit", most=MAX_CIRCUIT_BYTES)
    if path.suffix == ".c":
        name, raw = evaluate_c(shown, text)
    else:
        try:
            modules = parse_verilog(shown, text)
        except InputError as ours:
            return _through_yosys(path, wish, ours, extra or {})
        netlist, raw = evaluate_verilog(shown, modules, path.stem)
        name = netlist.name
    header = parse_header(text)
    hint = wish or signedness_hint(name, text, path.suffix)
    formats = formats_of_circuit(raw, published=header.figures, hint=hint, where=repr(shown))
    provenance = {
        "file": path.name,
        "file_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "language": "C" if path.suffix == ".c" else "Verilog",
        **header.provenance(),
        **(extra or {}),
    }
    block = Block.from_table(from_patterns(raw, formats), name=name, formats=formats, provenance=provenance)
    costs = published_costs(header.figures, library or f"header of {path.name}", block.table)
    return block if costs is None else block.with_costs(costs)


def characterized(block: Block, path: Path) -> Block:
    """Return `block`, read from `path`, with figures of its own where it has none and they can be found here: by Yosys and a cell library."""
    from hawx.synthesis import characterize, yosys

    if block.costs or path.suffix == ".c" or not yosys.available():
        return block
    try:
        found = characterize(path, top=block.name, formats=block.formats).block
    except HawxError:
        return block  # whoever needs its figures is told that it has none
    return not_free(block.with_costs(*found.costs.values()), path) if found.sha256 == block.sha256 else block


def not_free(block: Block, path: Path) -> Block:
    """Return `block`, read from `path`.

    Raises:
        InputError: it has no gate: a library would take it for a multiplier that costs nothing.
    """
    if any(costs.area <= 0 for costs in block.costs.values()):
        raise InputError(
            f"circuit {str(path)!r} needs no gate at all: its product is a constant or wires; expected a multiplier that costs something. "
            "Leave it out, or give it as a table with figures of its own."
        )
    return block


def _through_yosys(path: Path, wish: Pair | None, ours: InputError, extra: Mapping[str, Any]) -> Block:
    """Return the block of a file that is no gate-level Verilog, read and characterized by Yosys; `ours` says why it is none.

    Raises:
        InputError: it is no Verilog of a multiplier at all, or Yosys or a cell library is absent.
    """
    from hawx.synthesis import characterize, yosys

    if not yosys.available():
        raise InputError(f"{ours} Other than gate-level Verilog is read through Yosys, which is not installed: pip install 'hawx[eda]'.") from ours
    try:
        found = characterize(path, formats=wish).block
    except ToolMissingError as error:
        raise InputError(f"{ours} Other than gate-level Verilog is read through Yosys, which needs a cell library: {error}") from error
    found = not_free(found, path)
    return replace(found, provenance=MappingProxyType({**found.provenance, "file": path.name, "language": "Verilog", **extra}))
