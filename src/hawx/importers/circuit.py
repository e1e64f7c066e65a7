"""One circuit file (Verilog, VHDL or straight-line C) as a block, checked against its own header."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from hawx.blocks.block import Block
from hawx.circuits import Pair, check_widths, formats_of_circuit, from_patterns, parse_header, published_costs, reading_of, signedness_hint
from hawx.circuits.c_source import evaluate_c
from hawx.circuits.netlist import patterns
from hawx.circuits.verilog import netlist_of
from hawx.circuits.verilog_syntax import parse_verilog
from hawx.errors import HawxError, InputError, ToolMissingError
from hawx.files import existing
from hawx.synthesis.circuit_files import VERILOG, VHDL, circuit_text

SUFFIXES = (*VERILOG, *VHDL, ".c")


def load_circuit(
    path: Path, *, parts: Sequence[Path] = (), wish: Pair | None = None, library: str = "", extra: Mapping[str, Any] | None = None
) -> Block:
    """Return the block of one Verilog, VHDL or C file.

    The file's own logic is evaluated for all operand pairs; it is never compiled or executed. Where its header publishes
    MAE and WCE, the circuit must reproduce them.

    Args:
        path: `.v`, `.sv`, `.vhd` or `.c` file with one multiplier: 8-bit operands A (activation) and B (weight), and their product.
        parts: other files of the circuit, which it needs.
        wish: formats to read it as; by default what header, signature, name or fit say.
        library: library and release for the origin of published figures, for example `EvoApproxLib v2022`.
        extra: further provenance.

    Raises:
        InputError: unreadable, outside the subset, wrong ports, or not the circuit its header describes.
    """
    shown = str(path)
    text = circuit_text(existing(path, "circuit"))
    header = parse_header(text)
    if path.suffix == ".c":
        name, raw = evaluate_c(shown, text)
        hint = wish or signedness_hint(name, text, path.suffix)
        formats = formats_of_circuit(raw, published=header.figures, hint=hint, where=repr(shown))
        table = from_patterns(raw, formats)
    else:
        try:
            if parts or path.suffix in VHDL:
                raise InputError(f"circuit {shown!r} is {'VHDL' if path.suffix in VHDL else 'one of several files'}.")
            netlist = netlist_of(shown, parse_verilog(shown, text), path.stem)
        except InputError as ours:
            return _through_yosys(path, parts, wish, ours, extra or {})
        name, (activation, weight), (product,) = netlist.name, netlist.inputs, netlist.outputs
        check_widths([len(nets) for nets in netlist.inputs.values()], f"circuit {shown!r}")
        hint = wish or signedness_hint(name, text, path.suffix)
        raw, bits = patterns(netlist, activation, weight, product), len(netlist.outputs[product])
        pairs = np.indices(raw.shape).reshape(2, -1)
        reading = reading_of(pairs, raw.ravel(), (8, 8), bits, published=header.figures, hint=hint, where=repr(shown))
        formats, table = reading.formats, from_patterns(raw, reading.formats, bits, reading.missing_lsbs)
    provenance = {
        "file": path.name,
        "file_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "language": "C" if path.suffix == ".c" else "Verilog",
        **header.provenance(),
        **(extra or {}),
    }
    block = Block.from_table(table, name=name, formats=formats, provenance=provenance)
    costs = published_costs(header.figures, library or f"header of {path.name}", block.table)
    return block if costs is None else block.with_costs(costs)


def characterized(block: Block, path: Path) -> Block:
    """Return `block`, read from `path`, with figures of its own where it has none and they can be found here: by Yosys and a cell library."""
    from hawx.synthesis import characterize, yosys

    if block.costs or path.suffix == ".c" or not yosys.available():
        return not_free(block, path)
    try:
        found = characterize(path, top=block.name, formats=block.formats).block
    except HawxError:
        return block  # whoever needs its figures is told that it has none
    return not_free(block.with_costs(*found.costs.values()), path) if found.sha256 == block.sha256 else block


def not_free(block: Block, path: str | PathLike[str]) -> Block:
    """Return `block`, read from `path`.

    Raises:
        InputError: it has no gate: a library would take it for a multiplier that costs nothing.
    """
    if any(costs.area <= 0 for costs in block.costs.values()):
        raise InputError(
            f"circuit {fspath(path)!r} needs no gate at all: its product is a constant or wires; expected a multiplier that costs something. "
            "Leave it out, or give it as a table with figures of its own."
        )
    return block


def _through_yosys(path: Path, parts: Sequence[Path], wish: Pair | None, ours: InputError, extra: Mapping[str, Any]) -> Block:
    """Return the block of a file that is no gate-level Verilog, read and characterized by Yosys; `ours` says why it is none.

    Raises:
        InputError: it is no Verilog of a multiplier at all, or Yosys or a cell library is absent.
    """
    from hawx.synthesis import characterize, yosys

    if not yosys.available():
        raise InputError(f"{ours} Other than gate-level Verilog is read through Yosys, which is not installed: pip install 'hawx[eda]'.") from ours
    try:
        found = characterize([path, *parts] if parts else path, formats=wish).block
    except ToolMissingError as error:
        raise InputError(f"{ours} Other than gate-level Verilog is read through Yosys, which needs a cell library: {error}") from error
    found = not_free(found, path)
    return replace(
        found, provenance=MappingProxyType({**found.provenance, "file": path.name, "language": "VHDL" if path.suffix in VHDL else "Verilog", **extra})
    )
