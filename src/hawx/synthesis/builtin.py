"""Characterize every built-in block: `python -m hawx.synthesis` writes the figures and circuits that the package ships.

`hawx/blocks/data/builtin_costs.json` holds the figures; `hawx/synthesis/data/builtin_circuits.json.gz` the mapped netlists with their
toggle energies, so that operand-aware energy works where no Yosys is installed. Both hold every technology of `TECHNOLOGIES`, and of the built-in
library and the exact unsigned block also those of `FPGA_FAMILIES`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from hawx.blocks.families import builtin_families, characterized_families
from hawx.blocks.families.costs import SCHEMA, VERSION
from hawx.circuits.energy import SwitchingCircuit
from hawx.errors import InputError
from hawx.synthesis.characterize import Characterization, characterize, circuit_from_dict, circuit_to_dict
from hawx.synthesis.fpga import FpgaCharacterization, characterize_fpga

TECHNOLOGIES = ("osu018", "sky130hd")
"""Cell libraries that the built-in blocks are characterized in; the first is the one that they are compared in by default."""
FPGA_FAMILIES = ("xilinx7", "ecp5", "ice40")
"""FPGA families that the built-in library is characterized in."""
CIRCUITS_SCHEMA = "hawx.builtin-circuits"
CIRCUITS_FILE = "builtin_circuits.json.gz"
_FIGURES = ("sha256", "area_um2", "delay_ns", "energy_fj", "leakage_nw", "luts", "constant_lsbs", "mapping")
_FPGA_FIGURES = ("sha256", "area_um2", "delay_ns", "energy_fj", "luts", "carries", "levels", "constant_lsbs", "mapping")
Found = Characterization | FpgaCharacterization


@cache
def _shipped() -> Mapping[str, Any]:
    resource = files("hawx.synthesis").joinpath("data", CIRCUITS_FILE)
    content: dict[str, Any] = json.loads(gzip.decompress(resource.read_bytes()))
    return content


@cache
def builtin_circuit(sha256: str, technology: str = TECHNOLOGIES[0]) -> SwitchingCircuit | None:
    """Return the shipped circuit of the block with this table hash in a technology, or None where none is shipped."""
    values = _shipped()["technologies"].get(technology, {}).get(sha256)
    return None if values is None else circuit_from_dict(values)


def costs_file(technologies: Iterable[Sequence[Found]]) -> dict[str, Any]:
    """Return the content of `builtin_costs.json`: one entry for the characterizations of each technology.

    Raises:
        InputError: characterizations of one entry are of more than one technology or by more than one tool.
    """
    parts = [_part(items) for items in technologies]
    return {"schema": SCHEMA, "version": VERSION, "command": "python -m hawx.synthesis", "technologies": parts}


def _part(items: Sequence[Found]) -> dict[str, Any]:
    origins = {(item.costs.technology, item.costs.origin) for item in items}
    if len(origins) != 1:
        raise InputError(f"characterizations have origins {sorted(origins)!r}; expected one technology and one tool version.")
    ((technology, origin),) = origins
    blocks = {}
    for item in items:
        figures = {"area_um2": item.costs.area_um2, **item.to_dict()}
        keys = _FPGA_FIGURES if isinstance(item, FpgaCharacterization) else _FIGURES
        blocks[item.block.name] = {key: round(v, 4) if isinstance(v := figures[key], float) else v for key in keys}
    return {"technology": technology, "origin": origin, "blocks": blocks}


def write(package: Path) -> None:
    """Characterize all built-in blocks anew in all `TECHNOLOGIES` and `FPGA_FAMILIES`, and write both files below `package`, the folder of `hawx`."""
    found: dict[str, list[Found]] = {
        name: [characterize(family.name, name, use_cache=False) for family in characterized_families()] for name in TECHNOLOGIES
    }
    library = [*(family.name for family in builtin_families()), "mul8u_exact"]
    found |= {family: [characterize_fpga(name, family, use_cache=False) for name in library] for family in FPGA_FAMILIES}
    costs = package / "blocks" / "data" / "builtin_costs.json"
    circuits = package / "synthesis" / "data" / CIRCUITS_FILE
    for path in (costs, circuits):
        path.parent.mkdir(exist_ok=True)
    costs.write_text(json.dumps(costs_file(found.values()), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    by_hash = {
        name: {item.block.sha256: circuit_to_dict(item.circuit) for item in items if item.circuit is not None} for name, items in found.items()
    }
    text = json.dumps({"schema": CIRCUITS_SCHEMA, "version": 2, "technologies": by_hash}, separators=(",", ":"))
    circuits.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))
