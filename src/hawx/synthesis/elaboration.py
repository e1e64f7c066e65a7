"""From a circuit to the one Verilog text that is synthesized: its top module, what that needs, and what it says of itself."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from hawx.circuits import Pair, likeness, parse_header, signedness_hint, top_module
from hawx.circuits.cells import cell_module, known_cell
from hawx.circuits.liberty import CellLibrary
from hawx.circuits.models import cell_models
from hawx.circuits.pieces import CircuitFiles, names_of, tool_text
from hawx.circuits.ports import check_module_name
from hawx.circuits.units import blanked
from hawx.circuits.verilog_requests import check_requests
from hawx.errors import InputError
from hawx.synthesis import ghdl, yosys
from hawx.synthesis.circuit_files import VERILOG, VHDL, circuit_text
from hawx.synthesis.flow import modules_of

_MISSING = re.compile(r"Module `\\?([^']+)' referenced in module `\\?([^']+)' in cell `[^']+' is not part of the design")
_DERIVED = re.compile(r"^\$paramod(?:\$\w+)?\\([^\\]+).*")
_NAME = re.compile(r"[A-Za-z_][\w$]*")
_PIN = re.compile(r"\.\s*(\w+)\s*\(")
_MOST_SIBLINGS = 64


@dataclass(frozen=True, slots=True)
class Elaborated:
    """A circuit of Verilog, complete and in one text, of which tools can be asked."""

    circuit: CircuitFiles
    """As it was read, in its own language, without what its top module does not need."""
    text: str
    top: str
    names: Mapping[str, str]
    """What the text calls files by → their paths."""
    said: Pair | None
    """Formats whose signs the name or the declarations of its operands give."""
    published: Mapping[str, float]
    """Figures of its header."""

    def with_cells(self, library: CellLibrary) -> str:
        """Return the text with modules for the cells that it instantiates and does not define: of the library, else those that are known by name."""
        words = set(_NAME.findall(self.text)) - {unit.name for unit in self.circuit.units}
        own = {kind for kind in words if kind in library.cells and library.cells[kind].logic is not None}
        others = [kind for kind in sorted(words - own) if known_cell(kind) is not None]
        cells = ((kind, known_cell(kind, _pins(kind, self.text))) for kind in others)
        return self.text + cell_models(library, own) + "".join(cell_module(kind, cell) for kind, cell in cells if cell is not None)

    def explained(self, error: yosys.YosysError) -> InputError:
        """Return the error of a synthesis, with the way out where a module is missing."""
        missing = _MISSING.search(error.log)
        if missing is None:
            return error
        module, inside = (_DERIVED.sub(r"\1", name) for name in missing.groups())
        where = self.circuit.where(inside) if any(unit.name == inside for unit in self.circuit.units) else repr(self.circuit.place)
        found = _defining(module, [Path(path) for path in self.circuit.paths])
        files = shlex.join([*self.circuit.paths, found or f"{module}.v"])
        way_out = "It is in that file beside it" if found else "Give the file that defines it, too"
        return InputError(
            f"{where}: module {inside!r} instantiates {module!r}, which no file of the circuit defines. {way_out}: "
            f"hawx blocks characterize {files}. If it is a standard cell, name its library: --liberty FILE.lib."
        )


def elaborated(circuit: CircuitFiles, top: str | None = None) -> Elaborated:
    """Return a circuit with its top module.

    Args:
        circuit: of Verilog, or of VHDL, which GHDL brings to Verilog.
        top: module or entity to take; None for the multiplier that nothing instantiates.

    Raises:
        InputError: there is no such module, or several; or the text asks for what no multiplier needs.
        ToolMissingError: a tool is absent: GHDL for VHDL, Yosys where ports decide between modules.
    """
    if top is not None:
        check_module_name(top)
        known = [unit.name for unit in circuit.units if unit.kind == "module"]
        if (top.lower() if circuit.language == "VHDL" else top) not in known:
            near = get_close_matches(top, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of: {', '.join(known[:8])}."
            raise InputError(f"{circuit.language} file {circuit.place!r} has no module {top!r}; {hint}")
    if circuit.language == "VHDL":
        return _of_vhdl(circuit, top)
    if top is None:
        top = _verilog_top(circuit)
    reduced = _checked(circuit.reduced([top]))
    if any(unit.kind == "package" for unit in reduced.units):  # which must come before their use
        reduced = reduced.ordered()
    said, figures = signedness_hint(top, reduced.text, ".v"), parse_header(circuit.text_with(top)).figures
    return Elaborated(reduced, tool_text(reduced), top, names_of(reduced), said, figures)


def _verilog_top(circuit: CircuitFiles) -> str:
    modules = list(dict.fromkeys(unit.name for unit in circuit.units if unit.kind == "module"))
    for name in (circuit.stem, circuit.stem.removesuffix("_pdk45")):
        if name in modules and (len(circuit.paths) == 1 or name in circuit.candidates()):
            return name
    candidates = circuit.candidates()
    if len(candidates) == 1:
        return candidates[0]
    reduced = _checked(circuit.reduced(candidates))
    ports, instantiated = modules_of(tool_text(reduced), circuit.place, names_of(reduced))
    return _chosen(circuit, [name for name in candidates if name in ports], ports, instantiated)


def _of_vhdl(circuit: CircuitFiles, top: str | None) -> Elaborated:
    candidates = circuit.candidates() if top is None else [top.lower()]
    reduced = {name: circuit.reduced([name]).ordered() for name in candidates}
    written = {name: ghdl.verilog_of(files, name) for name, files in reduced.items()}
    name = candidates[0]
    if len(candidates) > 1:
        ports = {name: modules_of(text, circuit.place)[0][module] for name, (text, module) in written.items()}
        name = _chosen(circuit, candidates, ports, ())
    text, module = written[name]
    return Elaborated(reduced[name], text, module, {}, signedness_hint(name, _entity(reduced[name], name), ".vhd"), {})


def _entity(circuit: CircuitFiles, name: str) -> str:
    unit = next(unit for unit in circuit.units if unit.name == name and unit.kind == "module")
    return blanked(circuit.text, circuit.language).lower()[unit.start : unit.end]


def _chosen(
    circuit: CircuitFiles, candidates: list[str], ports: Mapping[str, tuple[Mapping[str, int], Mapping[str, int]]], instantiated: Collection[str]
) -> str:
    where = f"{circuit.language} file {circuit.place!r}"
    return top_module(candidates, instantiated, circuit.stem, where, " Name it with --top.", likeness=lambda name: likeness(*ports[name]))


def _checked(circuit: CircuitFiles) -> CircuitFiles:
    """Return the circuit of Verilog if it asks for no file and no program.

    Raises:
        InputError: it does.
    """
    for piece in circuit.pieces:
        check_requests(piece.path, piece.text, first_line=piece.line, around=circuit.text)
    return circuit


def _defining(module: str, files: Collection[Path]) -> str | None:
    """Return the path of a file beside these that defines a module, or None."""
    pattern = re.compile(rf"\bmodule\s+{re.escape(module)}\b")
    for folder in dict.fromkeys(file.parent for file in files):
        beside = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in (*VERILOG, *VHDL) and path not in files]
        for path in beside[:_MOST_SIBLINGS]:
            try:
                if pattern.search(circuit_text(path)) is not None:
                    return str(path)
            except InputError:
                continue
    return None


def _pins(kind: str, text: str) -> set[str]:
    """Return the pins that the first instance of a cell connects by name."""
    instance = re.search(rf"\b{re.escape(kind)}\s+\\?[\w$\[\]]+\s*\(([^;]*);", text)
    return set(_PIN.findall(instance[1])) if instance is not None else set()
