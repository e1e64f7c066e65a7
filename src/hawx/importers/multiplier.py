"""The circuit of a block: Verilog of the built-in families, or of the file it was imported from, checked against its table."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from hawx.blocks import Block, sign_magnitude
from hawx.blocks.families import from_name
from hawx.circuits.readings import from_patterns
from hawx.circuits.verilog import evaluate_verilog
from hawx.circuits.verilog_syntax import parse_verilog
from hawx.errors import InputError
from hawx.formats import U8
from hawx.importers.source import parse_source
from hawx.rtl.multipliers import verilog
from hawx.rtl.project import PRODUCT_BITS, Multiplier
from hawx.rtl.wrappers import on_magnitudes, table_memory
from hawx.synthesis.circuit_files import circuit_text


def find_multiplier(block: Block, sources: Sequence[str | PathLike[str]] = ()) -> Multiplier:
    """Return the block's circuit: of its family, else of its Verilog file below `sources`, else a memory of its table.

    Args:
        block: its provenance names the file and its hash where it was imported from one.
        sources: what the library was loaded from: files, folders and names.

    Raises:
        InputError: the file is there and computes something else than the block's table.
    """
    try:
        family = from_name(block.name)
    except InputError:
        family = None
    if family is not None and family.block().sha256 == block.sha256:
        return Multiplier(block=block, module=family.name, verilog=verilog(family))
    path = _file_of(block, sources)
    return table_memory(block, _identifier(block.name)) if path is None else from_file(block, path)


def from_file(block: Block, path: Path) -> Multiplier:
    """Return the multiplier of a gate-level Verilog file that computes the block's table, as it is, swapped or on magnitudes.

    One whose product port has other than 16 bits becomes a memory of its table.

    Raises:
        InputError: it computes something else.
    """
    text = circuit_text(path)
    modules = parse_verilog(str(path), text)
    netlist, raw = evaluate_verilog(str(path), modules, path.stem)
    name, inputs, (output,) = netlist.name, [*netlist.inputs], netlist.outputs
    if len(netlist.outputs[output]) != PRODUCT_BITS:
        return table_memory(block, _identifier(block.name))  # lanes take products of sixteen bits
    for helper in modules:  # helper modules of two files may share a name
        if helper != name:
            text = re.sub(rf"(?<![\w$]){re.escape(helper)}(?![\w$])", f"{name}_{helper}", text)
    table = from_patterns(raw, block.formats)
    if np.array_equal(table, block.table):
        return Multiplier(block=block, module=name, verilog=text, ports=(inputs[0], inputs[1], output))
    if np.array_equal(table.T, block.table):
        return Multiplier(block=block, module=name, verilog=text, ports=(inputs[1], inputs[0], output))
    core = Block.from_table(from_patterns(raw, (U8, U8)), name=block.name, formats=(U8, U8))
    for ports, candidate in (((0, 1), core), ((1, 0), Block.from_table(core.table.T, name=block.name, formats=(U8, U8)))):
        if block.formats[1].signed and np.array_equal(sign_magnitude(candidate, block.formats[0]).table, block.table):
            inner = Multiplier(block=candidate, module=name, verilog=text, ports=(inputs[ports[0]], inputs[ports[1]], output))
            return on_magnitudes(inner, block)
    raise InputError(f"Verilog file {str(path)!r} does not compute the table of block {block.name!r}; expected the file the block was imported from.")


def _file_of(block: Block, sources: Sequence[str | PathLike[str]]) -> Path | None:
    """Return the block's Verilog file below the sources, found by name and content, or None."""
    name, wanted = str(block.provenance.get("file", "")), block.provenance.get("file_sha256")
    if Path(name).suffix not in {".v", ".sv"} or Path(name).name != name:
        return None
    for source in sources:
        place = Path(parse_source(fspath(source)).place)
        for path in [place] if place.is_file() else sorted(place.rglob(name)) if place.is_dir() else []:
            if path.name == name and hashlib.sha256(circuit_text(path).encode()).hexdigest() == wanted:
                return path
    return None


def _identifier(name: str) -> str:
    """Return a Verilog identifier made of `name`."""
    return "block_" + re.sub(r"\W", "_", name, flags=re.ASCII)
