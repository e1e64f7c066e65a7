"""Characterize a multiplier: Verilog in, figures and mapped netlist out, its function checked on all 65 536 operand pairs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from hawx.blocks import Block, Costs
from hawx.circuits import (
    Pair,
    formats_of_circuit,
    from_patterns,
    is_multiplier,
    multiplier_ports,
    parse_header,
    signedness_hint,
    top_module,
    without_comments,
)
from hawx.circuits.energy import Held, SwitchingCircuit, toggle_energies
from hawx.circuits.liberty import CellLibrary
from hawx.circuits.models import cell_models
from hawx.circuits.netlist import Netlist, patterns
from hawx.circuits.timing import static_timing
from hawx.errors import InputError
from hawx.formats import IntFormat
from hawx.rtl import constant_lsbs
from hawx.synthesis import cache, yosys
from hawx.synthesis.cells import liberty_path
from hawx.synthesis.flow import FLOW_VERSION, Synthesis, modules_of, synthesize
from hawx.synthesis.liberty import liberty_sha256, read_liberty

READING = "circuits 1"
"""How ports and formats are read: figures kept under another reading are not taken."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Characterization:
    """What synthesis says about one multiplier."""

    block: Block
    """With its table, evaluated on the mapped netlist, and its costs in this technology."""
    circuit: SwitchingCircuit
    """The mapped netlist with its toggle energies: the source of operand-aware energy."""
    mapping: str
    gates: int
    full_adders: int
    tool: str
    library: str
    """Cell library: name and the first digits of its hash."""

    @property
    def costs(self) -> Costs:
        """Figures in the technology of the cell library."""
        return next(iter(self.block.costs.values()))

    def energy_fj(self, activations: Any, weights: Any, held: Held | str = Held.NONE) -> Any:
        """Return fJ per multiplication under operand distributions; see `SwitchingCircuit.energies`."""
        return self.circuit.energies(activations, weights, held)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON values (without netlist and table)."""
        costs = self.costs
        return {
            "name": self.block.name,
            "formats": [f.name for f in self.block.formats],
            "sha256": self.block.sha256,
            "is_exact": self.block.is_exact,
            "technology": costs.technology,
            "area_um2": costs.area_um2,
            "delay_ns": costs.delay_ns,
            "energy_fj": costs.energy_fj,
            "leakage_nw": costs.leakage_nw,
            "luts": costs.luts,
            "constant_lsbs": costs.constant_lsbs,
            "gates": self.gates,
            "full_adders": self.full_adders,
            "mapping": self.mapping,
            "tool": self.tool,
            "library": self.library,
            "origin": costs.origin,
        }


def characterize(
    source: str | PathLike[str],
    liberty: str | PathLike[str] | None = None,
    *,
    top: str | None = None,
    formats: tuple[str | IntFormat, str | IntFormat] | None = None,
    use_cache: bool = True,
) -> Characterization:
    """Return the characterization of a Verilog file or of a built-in block.

    Args:
        source: a path that ends in .v or .sv, or the name of a built-in block.
        liberty: cell library: `sky130hd`, `osu018` or a Liberty file; None for `sky130hd`, which the package ships.
        top: module to take from the file; None for its top module.
        formats: operand formats; None for what header, name and declarations say, else the reading nearer to an exact product.
        use_cache: take and keep results in the user's cache folder.

    Raises:
        InputError: the file, the module, its ports or the cell library cannot be used.
        UnknownNameError: no built-in block has this name.
        ToolMissingError: Yosys or the named cell library is absent.
    """
    path = Path(source)
    if path.suffix in {".v", ".sv"}:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise InputError(f"Verilog file {str(path)!r} cannot be read: {reason}; expected a multiplier in Verilog.") from error
        return characterize_text(text, liberty, source=str(path), top=top or _only_top(text, path), formats=formats, use_cache=use_cache)
    from hawx.blocks.families import builtin_families, from_name, is_family_name
    from hawx.errors import UnknownNameError
    from hawx.rtl.multipliers import verilog

    if not is_family_name(str(source)):
        known = [family.name for family in builtin_families()]
        raise UnknownNameError("block", str(source), known, "Or give a Verilog file that ends in .v or .sv.")
    family = from_name(str(source))
    result = characterize_text(verilog(family), liberty, source=family.name, top=family.name, formats=family.formats, use_cache=use_cache)
    if not np.array_equal(result.block.table, family.block().table):
        raise InputError(f"RTL of block {family.name!r} does not compute its table; expected equality on all operand pairs. Report this as a bug.")
    return result


def _only_top(text: str, path: Path) -> str | None:
    """Return the multiplier among the modules of a file, see `hawx.circuits.top_module`. None: Yosys says why not."""
    names = re.findall(r"\bmodule\s+([A-Za-z_][\w$]*)", without_comments(text))
    if len(names) < 2 or path.stem in names:
        return path.stem if path.stem in names else names[0] if names else None
    ports, instantiated = modules_of(text, str(path))
    names = [name for name in names if name in ports]
    where = f"Verilog file {str(path)!r}"
    return top_module(names, instantiated, path.stem, where, " Name it with --top.", multiplies=lambda name: is_multiplier(*ports[name]))


def characterize_text(
    verilog: str,
    liberty: str | PathLike[str] | None = None,
    *,
    source: str,
    top: str | None = None,
    formats: tuple[str | IntFormat, str | IntFormat] | None = None,
    use_cache: bool = True,
) -> Characterization:
    """Return the characterization of a Verilog text; arguments as of `characterize`, `source` is what messages call it."""
    cells = liberty_path(liberty)
    wanted = None if formats is None else (IntFormat.parse(formats[0]), IntFormat.parse(formats[1]))
    key = cache.content_key(
        READING, verilog, top or "", liberty_sha256(cells), yosys.tool().version, str(FLOW_VERSION), "" if wanted is None else f"{wanted}"
    )
    stored = cache.load("characterizations", key) if use_cache else None
    if stored is not None:
        return _from_stored(stored)
    library = read_liberty(cells)
    synthesis = synthesize(verilog + _models_of(verilog, library), library, source=source, top=top)
    values = _measured(synthesis, library, source, wanted, verilog)
    result = _from_stored(values)
    if use_cache:
        cache.save("characterizations", key, values)
        cache.save("circuits", cache.content_key(result.block.sha256, result.costs.technology), circuit_to_dict(result.circuit))
    return result


def _models_of(verilog: str, library: CellLibrary) -> str:
    """Return modules for the library's cells that a mapped netlist instantiates and does not define itself."""
    plain = without_comments(verilog)
    defined = set(re.findall(r"\bmodule\s+([A-Za-z_][\w$]*)", plain))
    kinds = set(re.findall(r";\s*([A-Za-z_][\w$]*)\s+[A-Za-z_\\][^\s(]*\s*\(", plain)) - defined
    return cell_models(library, (kind for kind in kinds if kind in library.cells and library.cells[kind].logic is not None))


def _measured(synthesis: Synthesis, library: CellLibrary, source: str, formats: Pair | None, text: str) -> dict[str, Any]:
    netlist = synthesis.netlist
    inputs, outputs = ({port: len(nets) for port, nets in ports.items()} for ports in (netlist.inputs, netlist.outputs))
    activation, weight, product = multiplier_ports(inputs, outputs, f"Verilog file {source!r} module {netlist.name!r}")
    raw = patterns(netlist, activation, weight, product)
    if formats is None:
        hint, figures = signedness_hint(netlist.name, text, ".v"), parse_header(text).figures
        formats = formats_of_circuit(raw, published=figures, hint=hint, where=repr(source))
    timing = static_timing(netlist, library)
    toggles = toggle_energies(netlist, library, timing)
    circuit = SwitchingCircuit(netlist=netlist, activation=activation, weight=weight, formats=formats, toggle_fj=toggles)
    table = from_patterns(raw, formats).astype(np.int32)
    adder = library.full_adder
    return {
        "schema": "hawx.characterization",
        "version": FLOW_VERSION,
        "name": netlist.name,
        "formats": [f.name for f in formats],
        "table": table.tolist(),
        "costs": {
            "technology": library.name,
            "area_um2": synthesis.area_um2,
            "delay_ns": timing.delay_ns,
            "energy_fj": circuit.uniform_fj,
            "leakage_nw": synthesis.leakage_nw,
            "luts": synthesis.luts,
            "constant_lsbs": constant_lsbs(table),
            "origin": f"synthesized: {synthesis.tool}, flow {FLOW_VERSION}, {library.name} {library.sha256[:12]}, pre-layout, zero-delay switching",
        },
        "netlist": netlist.to_dict(),
        "toggle_fj": [round(float(value), 4) for value in toggles],
        "ports": [activation, weight],
        "mapping": synthesis.mapping,
        "gates": len(netlist.gates),
        "full_adders": sum(adder is not None and gate.cell == adder[0].name for gate in netlist.gates),
        "tool": synthesis.tool,
        "library": f"{library.name} {library.sha256[:12]}",
    }


def _from_stored(values: Mapping[str, Any]) -> Characterization:
    circuit, costs = circuit_from_dict(values), Costs(**values["costs"])
    block = Block.from_table(
        np.array(values["table"], np.int32),
        name=re.sub(r"\s", "_", values["name"]),
        formats=circuit.formats,
        costs={costs.technology: costs},
        provenance={"characterized": costs.origin},
    )
    return Characterization(block=block, circuit=circuit, **{key: values[key] for key in ("mapping", "gates", "full_adders", "tool", "library")})


def circuit_to_dict(circuit: SwitchingCircuit) -> dict[str, Any]:
    """Return a circuit as plain JSON values."""
    return {
        "netlist": circuit.netlist.to_dict(),
        "ports": [circuit.activation, circuit.weight],
        "formats": [f.name for f in circuit.formats],
        "toggle_fj": [round(float(value), 3) for value in circuit.toggle_fj],
    }


def circuit_from_dict(values: Mapping[str, Any]) -> SwitchingCircuit:
    """Return the circuit that `circuit_to_dict` wrote."""
    a_format, w_format = (IntFormat.parse(f) for f in values["formats"])
    return SwitchingCircuit(
        netlist=Netlist.from_dict(values["netlist"]),
        activation=values["ports"][0],
        weight=values["ports"][1],
        formats=(a_format, w_format),
        toggle_fj=np.array(values["toggle_fj"]),
    )
