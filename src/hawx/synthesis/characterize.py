"""Characterize a multiplier: Verilog or VHDL in, figures and mapped netlist out, its function checked on all operand pairs or a sample of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike, fspath
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hawx.blocks import Costs
from hawx.blocks.families.family import Family
from hawx.circuits import Pair, Reading, from_patterns, multiplier_ports, reading_of
from hawx.circuits.behavior import Errors, Ports, measured, raw_products
from hawx.circuits.energy import SwitchingCircuit, toggle_energies
from hawx.circuits.liberty import CellLibrary
from hawx.circuits.netlist import ZERO, Netlist
from hawx.circuits.pairs import Pairs
from hawx.circuits.pieces import CircuitFiles, Piece
from hawx.circuits.readings import Numbers, agrees, mismatch
from hawx.circuits.timing import static_timing
from hawx.errors import InputError
from hawx.formats import CODES, IntFormat
from hawx.rtl import constant_lsbs
from hawx.synthesis import cache, yosys
from hawx.synthesis.cells import liberty_path
from hawx.synthesis.characterization import Characterization, circuit_from_dict, circuit_to_dict
from hawx.synthesis.circuit_files import VERILOG, VHDL, read_circuit
from hawx.synthesis.elaboration import Elaborated, elaborated
from hawx.synthesis.flow import FLOW_VERSION, Synthesis, synthesize
from hawx.synthesis.liberty import liberty_sha256, read_liberty

__all__ = ["Characterization", "characterize", "characterize_text", "circuit_from_dict", "circuit_to_dict"]

READING = "circuits 2"
"""How ports and formats are read: figures kept under another reading are not taken."""

_PROBED_BITS = 16
"""Most operand bits of which all pairs decide how a circuit is read; of more, a sample does."""

Source = str | PathLike[str]


def characterize(
    source: Source | Iterable[Source],
    liberty: Source | None = None,
    *,
    top: str | None = None,
    formats: tuple[str | IntFormat, str | IntFormat] | None = None,
    use_cache: bool = True,
) -> Characterization:
    """Return the characterization of a circuit file, of a circuit of several, or of a built-in block.

    Args:
        source: Verilog (.v, .sv) or VHDL (.vhd, .vhdl): a file, several, or a folder of them; or the name of a built-in block.
        liberty: cell library: `sky130hd`, `osu018` or a Liberty file; None for `sky130hd`, which the package ships.
        top: module to take; None for the multiplier that no other module instantiates.
        formats: operand formats, of which the signs count; None for what header, name and declarations say, else the better fit.
        use_cache: take and keep results in the user's cache folder.

    Raises:
        InputError: the files, the module, its ports or the cell library cannot be used.
        UnknownNameError: no built-in block has this name.
        ToolMissingError: Yosys, GHDL for VHDL, or the named cell library is absent.
    """
    family = family_or_files(source)
    if isinstance(family, CircuitFiles):
        return characterize_files(family, liberty, top=top, formats=formats, use_cache=use_cache)
    from hawx.rtl.multipliers import verilog

    result = characterize_text(verilog(family), liberty, source=family.name, top=family.name, formats=family.formats, use_cache=use_cache)
    if not np.array_equal(result.block.table, family.block().table):
        raise InputError(f"RTL of block {family.name!r} does not compute its table; expected equality on all operand pairs. Report this as a bug.")
    return result


def family_or_files(source: Source | Iterable[Source]) -> Family | CircuitFiles:
    """Return the built-in family of a name, or the circuit of files; arguments and errors as of `characterize`."""
    sources = [source] if isinstance(source, (str, PathLike)) else list(source)
    paths = [Path(one) for one in sources]
    if len(paths) > 1 or paths[0].is_dir() or paths[0].suffix.lower() in (*VERILOG, *VHDL):
        return read_circuit(*paths)
    from hawx.blocks.families import builtin_families, from_name, is_family_name
    from hawx.errors import UnknownNameError

    name = fspath(sources[0])
    if not is_family_name(name):
        known = [family.name for family in builtin_families()]
        raise UnknownNameError("block", name, known, "Or give circuit files: Verilog (.v, .sv) or VHDL (.vhd, .vhdl), or a folder of them.")
    return from_name(name)


def characterize_text(
    verilog: str,
    liberty: Source | None = None,
    *,
    source: str,
    top: str | None = None,
    formats: tuple[str | IntFormat, str | IntFormat] | None = None,
    use_cache: bool = True,
) -> Characterization:
    """Return the characterization of a Verilog text; arguments as of `characterize`, `source` is what messages call it."""
    circuit = CircuitFiles(source, Path(source).stem, "Verilog", (Piece(source, 1, verilog),))
    return characterize_files(circuit, liberty, top=top, formats=formats, use_cache=use_cache)


def characterize_files(
    circuit: CircuitFiles,
    liberty: Source | None = None,
    *,
    top: str | None = None,
    formats: tuple[str | IntFormat, str | IntFormat] | None = None,
    use_cache: bool = True,
) -> Characterization:
    """Return the characterization of a circuit; arguments as of `characterize`."""
    return characterize_elaborated(elaborated(circuit, top), liberty, formats=formats, use_cache=use_cache)


def characterize_elaborated(
    whole: Elaborated,
    liberty: Source | None = None,
    *,
    formats: tuple[str | IntFormat, str | IntFormat] | None = None,
    use_cache: bool = True,
) -> Characterization:
    """Return the characterization of a circuit whose top is known; arguments as of `characterize`."""
    cells = liberty_path(liberty)
    wish = None if formats is None else (IntFormat.parse(formats[0]), IntFormat.parse(formats[1]))
    said = f"{wish or whole.said} {sorted(whole.published.items())}"
    key = cache.content_key(READING, whole.text, whole.top, liberty_sha256(cells), yosys.tool().version, str(FLOW_VERSION), said)
    stored = cache.load("characterizations", key) if use_cache else None
    if stored is not None:
        return Characterization.from_stored(stored)
    library = read_liberty(cells)
    try:
        named = None if whole.top.startswith("\\") else whole.top  # an escaped name never enters a script: Yosys finds it, as the only top left
        synthesis = synthesize(whole.with_cells(library), library, source=whole.circuit.place, top=named, names=whole.names)
    except yosys.YosysError as error:
        raise whole.explained(error) from error
    result = _measured(synthesis, library, whole, wish)
    if use_cache:
        cache.save("characterizations", key, result.to_stored())
        if result.table is not None:
            cache.save("circuits", cache.content_key(result.block.sha256, result.costs.technology), circuit_to_dict(result.circuit))
    return result


def _measured(synthesis: Synthesis, library: CellLibrary, whole: Elaborated, wish: Pair | None) -> Characterization:
    netlist = synthesis.netlist
    where = f"{whole.circuit.language} file {whole.circuit.place!r}"
    ports = multiplier_ports(_widths(netlist.inputs), _widths(netlist.outputs), f"{where} module {netlist.name!r}")
    reading, errors, chance, raw = _read(netlist, ports, whole, wish)
    table = (
        from_patterns(raw.reshape(CODES, CODES), reading.formats, reading.bits, reading.missing_lsbs).astype(np.int32) if raw is not None else None
    )
    timing = static_timing(netlist, library)
    toggles = toggle_energies(netlist, library, timing)
    adder = library.full_adder
    origin = f"synthesized: {synthesis.tool}, flow {FLOW_VERSION}, {library.name} {library.sha256[:12]}, pre-layout, zero-delay switching"
    return Characterization(
        name=netlist.name,
        reading=reading,
        errors=errors,
        costs=Costs(
            technology=library.name,
            area_um2=synthesis.area_um2,
            delay_ns=timing.delay_ns,
            energy_fj=float(toggles @ (2.0 * chance * (1.0 - chance))),
            leakage_nw=synthesis.leakage_nw,
            luts=synthesis.luts,
            constant_lsbs=_constant_lsbs(netlist, ports, reading) if table is None else constant_lsbs(table),
            origin=origin,
        ),
        circuit=SwitchingCircuit(netlist=netlist, activation=ports[0], weight=ports[1], formats=reading.formats, toggle_fj=toggles),
        table=table,
        mapping=synthesis.mapping,
        gates=len(netlist.gates),
        full_adders=sum(adder is not None and gate.cell == adder[0].name for gate in netlist.gates),
        tool=synthesis.tool,
        library=f"{library.name} {library.sha256[:12]}",
    )


def _widths(ports: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    return {port: len(nets) for port, nets in ports.items()}


def _read(netlist: Netlist, ports: Ports, whole: Elaborated, wish: Pair | None) -> tuple[Reading, Errors, NDArray[np.float64], Numbers | None]:
    """Return how a circuit is read, its errors, how often its nets are 1, and the patterns of its products if it is 8×8."""
    where = repr(whole.circuit.place)
    widths = len(netlist.inputs[ports[0]]), len(netlist.inputs[ports[1]])
    probe, pairs = Pairs.of(widths, most=_PROBED_BITS), Pairs.of(widths)
    operands = next(probe.chunks())
    raw = raw_products(netlist, ports, operands)
    published = whole.published if probe.seed is None else {}
    bits = len(netlist.outputs[ports[2]])
    reading = reading_of(operands, raw, widths, bits, published=published, hint=wish or whole.said, where=where)
    errors, chance = measured(netlist, ports, reading, pairs)
    if not errors.is_sampled and agrees(errors.mae, errors.wce, whole.published) is False:
        raise mismatch(where, reading, whole.published, errors.mae, int(errors.wce))
    return reading, errors, chance, raw if widths == (8, 8) else None


def _constant_lsbs(netlist: Netlist, ports: Ports, reading: Reading) -> int:
    """Return how many low bits of the product are always 0."""
    nets = netlist.outputs[ports[2]]
    return reading.missing_lsbs + next((place for place, net in enumerate(nets) if net != ZERO), len(nets))
