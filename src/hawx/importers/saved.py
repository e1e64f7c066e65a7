"""Saved libraries: tables in an npz, everything else in a json beside it; every table's hash is verified when it is read.

    NAME.json  {"schema": "hawx.library", "version": 1, "name": …, "blocks": [{"name", "formats", "sha256", "costs": […], "provenance"}, …]}
    NAME.npz   one (256, 256) int32 table per block, value order

`sha256` is `Block.sha256`. Nothing is pickled. Both files are written beside their place and then moved there.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hawx.blocks.block import Block, Costs
from hawx.blocks.library import Library
from hawx.errors import InputError
from hawx.files import existing, make_folder, write_bytes, write_text
from hawx.importers.tables import json_beside, npz_tables
from hawx.plain import typed

SCHEMA = "hawx.library"
VERSION = 1


def _plain(value: Any) -> Any:
    """Return `value` as JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def save_library(library: Library, path: str | os.PathLike[str]) -> Path:
    """Write `library` as `PATH.npz` and `PATH.json`; return the npz.

    Args:
        library: any library.
        path: the npz to write (the suffix is added if absent); its folder is made.

    Raises:
        InputError: the place cannot be written.
    """
    target = Path(path)
    target = target if target.suffix == ".npz" else target.with_name(target.name + ".npz")
    description = {
        "schema": SCHEMA,
        "version": VERSION,
        "name": library.name,
        "blocks": [
            {
                "name": block.name,
                "formats": [f.name for f in block.formats],
                "sha256": block.sha256,
                "costs": [asdict(costs) for costs in block.costs.values()],
                "provenance": _plain(block.provenance),
            }
            for block in library
        ],
    }
    packed = io.BytesIO()
    np.savez_compressed(packed, **{block.name: block.table for block in library})  # type: ignore[arg-type]
    make_folder(target.parent)
    write_text(target.with_suffix(".json"), json.dumps(description, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    write_bytes(target, packed.getvalue())
    return target


@dataclass(frozen=True, slots=True, kw_only=True)
class _SavedBlock:
    """One block of a description, without its table."""

    name: str
    formats: tuple[str, str]
    sha256: str
    costs: tuple[Costs, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)


def is_saved(content: Any) -> bool:
    return isinstance(content, dict) and "schema" in content


def load_saved(path: Path, beside: Path, content: Any) -> tuple[str, list[Block]]:
    """Return name and blocks of a saved library.

    Raises:
        InputError: another schema or version, a missing field or table, or a table that is not the one of the recorded hash.
    """
    shown = repr(str(beside))
    if content.get("schema") != SCHEMA:
        raise InputError(f"{shown} has schema {content.get('schema')!r}; expected {SCHEMA!r}.")
    if content.get("version") != VERSION:
        raise InputError(
            f"{shown} has version {content.get('version')!r} of {SCHEMA!r}; expected {VERSION}. Save the library again with this release."
        )
    tables = npz_tables(path)
    blocks = []
    for entry in typed(tuple[_SavedBlock, ...], content.get("blocks", []), f"{shown} blocks"):
        name = entry.name
        if name not in tables:
            raise InputError(f"{str(path)!r} has no table {name!r}; expected every block of {beside.name!r}.")
        block = Block.from_table(tables[name], name=name, formats=entry.formats, provenance=entry.provenance).with_costs(*entry.costs)
        if block.sha256 != entry.sha256:
            raise InputError(
                f"block {name!r} of {str(path)!r} does not have its recorded hash {entry.sha256[:12]}; expected an unchanged file. Restore it."
            )
        blocks.append(block)
    if not blocks:
        raise InputError(f"{shown} describes no blocks; expected at least one.")
    return str(content.get("name", path.stem)), blocks


def load_npz(path: Path) -> tuple[Path, Any]:
    """Return the json beside an npz and its content (saved library or described tables)."""
    return json_beside(existing(path, "library"))
