"""Checkouts of EvoApproxLib, any release: the 8×8 multipliers, each circuit once, with release and Pareto sets recorded.

A circuit lies in up to five folders (one per error metric); the files differ in their comments only, which is checked.
The behavioural netlist `NAME.v` is read where there is one, else the mapped `NAME_pdk45.v`, else `NAME.c`.
Names mean different circuits in different releases (mul8s_1KV8 is exact up to v1.1 and approximate in v2022): identity is the hash.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from hawx.blocks.block import Block, Costs
from hawx.circuits.header import published_costs
from hawx.circuits.ports import without_comments
from hawx.circuits.readings import SIGNED, UNSIGNED, Pair
from hawx.circuits.tokens import MAX_CIRCUIT_BYTES
from hawx.errors import InputError
from hawx.files import read_bytes, read_text
from hawx.importers.circuit import SUFFIXES, characterized, load_circuit
from hawx.synthesis.circuit_files import own_circuits

LIBRARY = "EvoApproxLib"
ROOT = "multiplers"  # spelled so in every release
FOLDERS = {SIGNED: "8x8_signed", UNSIGNED: "8x8_unsigned"}

_META_BYTES = 64 << 20
_RELEASES = {  # SHA-256 of meta.json -> release
    "541e4c717d9e35b76fec9999a9f06d83103aa5e7d64dc571ca1a8e9790bc034b": "v1.0",
    "82059c2015cc92a3bb54d49a6af9fb47373c409ddb3216f3d0f1ac66e476cb89": "v1.1",
    "e5cab25f8df2dd59b5af1119dd968c64b9843d3521ca715338c6e81b090ae94d": "master (July 2022)",
    "8290f23386321782ea6b6d0875c5162f08dc8406f34f6304ad31a572129d4455": "v2022",
}

PUBLISHED_EXACT = {
    "s8": {"area_um2": 729.8, "power_mw": 0.425, "delay_ns": 1.48},  # mul8s_1KV6 of v2022 = mul8s_1KV8 up to v1.1
    "u8": {"area_um2": 709.6, "power_mw": 0.391, "delay_ns": 1.43},  # mul8u_1JJQ
}
"""Headers of the exact circuits: the anchors of published PDK45 figures when a single approximate file is loaded."""


def exact_costs(block: Block) -> Costs:
    """Return the published figures of the library's exact multiplier of the first operand's format, for exact `block`."""
    operand = block.formats[0]
    costs = published_costs(PUBLISHED_EXACT[operand.name], f"{LIBRARY} v2022, exact {operand}×{operand} multiplier", block.table)
    assert costs is not None
    return costs


def is_checkout(folder: Path) -> bool:
    return any((folder / ROOT / name).is_dir() for name in FOLDERS.values())


def release(folder: Path) -> str:
    """Return the release of a checkout by the hash of its meta.json, `unknown release` where it is none of the known ones."""
    meta = folder / "meta.json"
    if not meta.is_file():
        return "unknown release"
    digest = hashlib.sha256(read_bytes(meta, "library description", most=_META_BYTES)).hexdigest()
    return _RELEASES.get(digest, "unknown release")


def load_checkout(folder: Path, formats: Pair | None = None) -> list[Block]:
    """Return the 8×8 multipliers of a checkout in the order of their names.

    Args:
        folder: the checkout.
        formats: read the signed or the unsigned ones; None reads the signed ones where there are any, else the unsigned ones.

    Raises:
        InputError: there are none, a file is not usable, or two files of one name hold different circuits.
    """
    found = release(folder)
    for wanted in (SIGNED, UNSIGNED) if formats is None else (formats,):
        blocks = load_folder(folder / ROOT / FOLDERS[wanted], library=f"{LIBRARY} {found}", provenance={"library": LIBRARY, "release": found})
        if blocks:
            return blocks
    places = " or ".join(f"{ROOT}/{FOLDERS[wanted]}" for wanted in ((SIGNED, UNSIGNED) if formats is None else (formats,)))
    raise InputError(f"checkout {str(folder)!r} has no such 8×8 multipliers; expected circuits below {places}.")


def load_folder(folder: Path, *, library: str = "", provenance: dict[str, object] | None = None) -> list[Block]:
    """Return every circuit below `folder`, one block per circuit name, in the order of the names.

    Circuits of no named `library` may have parts in other files, and are characterized where they publish no figures and Yosys and a cell library
    are there.
    """
    found = [path for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES and path.is_file()] if folder.is_dir() else []
    parts: dict[Path, list[Path]] = {path: [] for path in found} if library else own_circuits(found)
    files: defaultdict[str, list[Path]] = defaultdict(list)
    for path in parts:
        files[path.stem.removesuffix("_pdk45")].append(path)
    return [_load_one(paths, parts, library, provenance or {}) for _, paths in sorted(files.items())]


def _rank(path: Path) -> tuple[bool, bool, str]:
    return (path.suffix == ".c", path.stem.endswith("_pdk45"), str(path))


def _load_one(paths: list[Path], parts: Mapping[Path, Sequence[Path]], library: str, provenance: dict[str, object]) -> Block:
    paths = sorted(paths, key=_rank)
    first = paths[0]
    pareto = sorted({path.parent.name for path in paths if path.parent.name.startswith("pareto_")})
    extra = {**provenance, **({"pareto_sets": pareto} if pareto else {})}
    block = load_circuit(first, parts=parts[first], library=library, extra=extra)
    logic = _logic(first)
    for other in paths[1:]:
        if (
            (other.suffix, other.stem) == (first.suffix, first.stem)
            and _logic(other) != logic
            and load_circuit(other, parts=parts[other]).sha256 != block.sha256
        ):
            raise InputError(f"{str(other)!r} and {str(first)!r} have one name but differ; expected one circuit per name. Load them one by one.")
    return block if library else characterized(block, first)


def _logic(path: Path) -> str:
    """Return the file's text without comments and white space."""
    return "".join(without_comments(read_text(path, "circuit", most=MAX_CIRCUIT_BYTES)).split())
