"""Plain truth tables: npy, npz with a json beside it, csv, tf-approximate's raw binary, AdaPT's C header.

| file | content | order |
| --- | --- | --- |
| `.npy` | (256, 256) integers | value order, `[activation, weight]` |
| `.csv` | 256 lines of 256 integers, or 65,536 lines `a,w,product` with an optional heading | value order |
| `.bin` | 65,536 little-endian uint16, row-major, first index activation (tf-approximate) | unsigned |
| `.h` | `int lut[256][256] = {{…}}` of signed products (AdaPT) | two's-complement order, reordered |
| `.npz` | one (256, 256) table per name, described by `NAME.json` beside it | value order |

The rows of an AdaPT header are the circuit's first operand, taken as the activation; AdaPT's own convolution feeds the weight
there, so add `#swapped` to the source to follow it with an asymmetric circuit.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hawx.blocks.block import Block
from hawx.circuits.header import published_costs
from hawx.circuits.readings import SIGNED, UNSIGNED, Numbers, Pair, formats_of_table, value_order
from hawx.errors import InputError
from hawx.files import read_bytes, read_text
from hawx.formats import CODES
from hawx.importers.arrays import read_array, zip_members
from hawx.plain import json_values, typed

PAIRS = CODES * CODES
LARGEST = 1 << 24
"""Magnitude of the largest product."""
_NPY_BYTES = PAIRS * 8 + 4096
_TEXT_BYTES = 8 << 20
_FAR = 1 << 60
_LONGEST = 40
"""Characters of the longest integer that is read."""
_NPZ_BYTES = 256 << 20
_JSON_BYTES = 64 << 20


def block_name(path: Path) -> str:
    """Return a block name made of the file's stem."""
    return re.sub(r"[\s/\\]+", "_", "".join(c if c.isprintable() else " " for c in path.stem)) or "table"


def _checked(array: Any, where: str) -> Numbers:
    """Return (256, 256) int64 numbers.

    Raises:
        InputError: wrong shape, not integers, not finite.
    """
    table = np.asarray(array)
    if table.shape != (CODES, CODES):
        raise InputError(f"{where} has shape {table.shape}; expected (256, 256), table[activation, weight] in value order.")
    if table.dtype.kind == "f":
        if not np.isfinite(table).all():
            a, w = np.argwhere(~np.isfinite(table))[0]
            raise InputError(f"{where} has {table[a, w]} at [{a}, {w}]; expected finite integers.")
        if (table != np.rint(table)).any():
            a, w = np.argwhere(table != np.rint(table))[0]
            raise InputError(f"{where} has {table[a, w]} at [{a}, {w}]; expected integers.")
    elif table.dtype.kind not in "iu":
        raise InputError(f"{where} has dtype {table.dtype}; expected integers.")
    if np.abs(table.astype(np.float64)).max() > LARGEST:
        raise InputError(f"{where} spans {table.min()}..{table.max()}; expected products of 8-bit operands, at most 2^24 in magnitude.")
    return table.astype(np.int64)


def read_npy(data: bytes, where: str) -> Numbers:
    """Return the table of an npy file's bytes."""
    return _checked(read_array(data, where, "a (256, 256) integer array saved by numpy"), where)


def _read_csv(text: str, where: str) -> Numbers:
    rows = [line.replace(";", ",").strip().rstrip(",") for line in text.splitlines()]
    numbered = [(number, row) for number, row in enumerate(rows, start=1) if row and not row.startswith("#")]
    if numbered and re.search(r"[A-Za-z]", numbered[0][1]) and not re.search(r"nan|inf", numbered[0][1], re.IGNORECASE):
        numbered = numbered[1:]
    cells: list[list[int]] = []
    for number, row in numbered:
        try:
            cells.append([min(max(int(cell), -_FAR), _FAR) for cell in row.split(",")])
        except ValueError:
            raise InputError(f"{where} line {number} is not a list of integers; expected 256 comma-separated integers or 'a,w,product'.") from None
    widths = {len(row) for row in cells}
    if widths == {3} and len(cells) == PAIRS:
        return _triples(np.array(cells, dtype=np.int64), where)
    if widths != {CODES} or len(cells) != CODES:
        odd = next((number for (number, _), row in zip(numbered, cells, strict=True) if len(row) != CODES), None)
        place = f"line {odd} has {len(cells[[n for n, _ in numbered].index(odd)])} numbers" if odd is not None else f"there are {len(cells)} lines"
        raise InputError(f"{where}: {place}; expected 256 lines of 256 integers, or 65536 lines 'a,w,product'.")
    return _checked(cells, where)


def _triples(rows: Numbers, where: str) -> Numbers:
    low = int(min(rows[:, 0].min(), rows[:, 1].min()))
    offset = 128 if low < 0 else 0
    index = rows[:, :2] + offset
    if index.min() < 0 or index.max() >= CODES:
        raise InputError(f"{where} has operands from {rows[:, :2].min()} to {rows[:, :2].max()}; expected all of -128..127 or of 0..255.")
    flat = index[:, 0] * CODES + index[:, 1]
    if len(np.unique(flat)) != PAIRS:
        raise InputError(f"{where} does not give every operand pair once; expected 65536 different pairs.")
    table = np.empty(PAIRS, dtype=np.int64)
    table[flat] = rows[:, 2]
    return _checked(table.reshape(CODES, CODES), where)


def _read_header(text: str, where: str) -> Numbers:
    plain = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
    declared = re.search(r"\[\s*(\d+)\s*\]\s*\[\s*(\d+)\s*\]\s*=\s*\{", plain)
    if declared is None:
        raise InputError(f"{where} has no two-dimensional array; expected 'int lut[256][256] = {{{{…}}}};'.")
    if declared.groups() != ("256", "256"):
        raise InputError(f"{where} declares [{declared[1]}][{declared[2]}]; expected [256][256].")
    body, closed, _ = plain[declared.end() :].partition("}}")
    if not closed:
        body, closed, _ = plain[declared.end() :].partition("};")
    rows = [re.findall(r"[^\s,]+", row) for row in re.findall(r"\{([^{}]*)", body)]
    if not closed or len(rows) != CODES or any(len(row) != CODES for row in rows):
        short = next((i for i, row in enumerate(rows) if len(row) != CODES), len(rows))
        raise InputError(f"{where} is incomplete at row {short}; expected 256 rows of 256 integers. Is the file truncated?")
    return value_order(_checked([[_integer(cell, where) for cell in row] for row in rows], where))


def _integer(cell: str, where: str) -> int:
    """Return a cell as an integer, as C and Python write it."""
    try:
        value = int(cell, 0) if len(cell) <= _LONGEST else None
    except ValueError:
        value = None
    if value is None:
        raise InputError(f"{where} holds {cell[:40]!r}, which is not an integer; expected 256 rows of 256 integers.")
    return min(max(value, -_FAR), _FAR)  # what is that far out is told with its span


def load_table(path: Path, *, wish: Pair | None = None, wrapped: bool = False) -> Block:
    """Return the block of one plain table file (`.npy`, `.csv`, `.bin`, `.h`).

    Args:
        path: the file; its stem becomes the block's name.
        wish: formats to read it as; by default the better fit of s8×s8 and u8×u8 (`.bin` is unsigned, `.h` signed).
        wrapped: the table is in two's-complement order and is reordered.

    Raises:
        InputError: wrong size (checked before reading), shape, range, or not numbers.
    """
    where = f"table {str(path)!r}"
    fixed: Pair | None = None
    if path.suffix == ".npy":
        table = read_npy(read_bytes(path, "table", most=_NPY_BYTES), where)
    elif path.suffix == ".bin":
        table = np.frombuffer(read_bytes(path, "table", most=2 * PAIRS, least=2 * PAIRS), dtype="<u2").reshape(CODES, CODES).astype(np.int64)
        fixed = UNSIGNED
    elif path.suffix == ".h":
        table, fixed = _read_header(read_text(path, "table", most=_TEXT_BYTES), where), SIGNED
    else:
        table = _read_csv(read_text(path, "table", most=_TEXT_BYTES), where)
    if wrapped:
        table, wish = value_order(table), wish or SIGNED
    formats = fixed or formats_of_table(table, where, wish=wish)
    return Block.from_table(table, name=block_name(path), formats=formats, provenance={"file": path.name, "layout": path.suffix.lstrip(".")})


def json_beside(path: Path) -> tuple[Path, Any]:
    """Return the json file beside an npz and its content.

    Raises:
        InputError: absent, or not JSON.
    """
    beside = path.with_suffix(".json")
    if not beside.is_file():
        raise InputError(f"{str(path)!r} has no description beside it; expected {str(beside)!r}. A single table can be given as .npy.")
    return beside, json_values(read_text(beside, "description", most=_JSON_BYTES), repr(str(beside)), f"the description of {path.name!r}")


def npz_tables(path: Path) -> dict[str, Numbers]:
    """Return all tables of an npz by name; sizes are checked in the archive's directory before anything is unpacked.

    Raises:
        InputError: not an npz, or a member is not a table.
    """
    data = read_bytes(path, "tables", most=_NPZ_BYTES)
    tables = {}
    for name, content in zip_members(data, repr(str(path)), "an npz of tables saved by numpy", most=_NPY_BYTES):
        tables[name.removesuffix(".npy")] = read_npy(content, f"{str(path)!r} member {name!r}")
    return tables


def load_described(path: Path, beside: Path, content: Any) -> list[Block]:
    """Return the blocks of an npz of tables that a json describes.

    The json has `library`, `release`, `licence`, `reference` and `blocks: {name: {formats, published, pareto_sets, sha256}}`,
    `sha256` being that of the little-endian int32 table bytes.

    Raises:
        InputError: a table is missing, undescribed, or not the one of the recorded hash.
    """
    if not isinstance(content, dict) or not isinstance(content.get("blocks"), dict):
        raise InputError(f'{str(beside)!r} has no \'blocks\'; expected {{"blocks": {{name: {{"formats": […]}}}}}}.')
    tables = npz_tables(path)
    shared = {key: content[key] for key in ("library", "release", "licence", "reference") if key in content}
    source = " ".join(str(content[key]) for key in ("library", "release") if key in content) or path.name
    blocks = []
    for name, values in content["blocks"].items():
        where = f"{str(path)!r} table {name!r}"
        if name not in tables:
            raise InputError(f"{where} is missing; expected every block of {beside.name!r}.")
        table = tables[name]
        entry = _entry(values, f"{str(beside)!r} block {name!r}")
        if entry.sha256 is not None and hashlib.sha256(table.astype("<i4").tobytes()).hexdigest() != entry.sha256:
            raise InputError(f"{where} does not have the recorded hash {entry.sha256[:12]}; expected unchanged tables. Restore the file.")
        formats = entry.formats or formats_of_table(table, where)
        if len(formats) != 2:
            raise InputError(f"{str(beside)!r} gives block {name!r} formats {list(formats)}; expected two, such as ['s8', 's8'].")
        provenance = {**shared, **{key: values[key] for key in ("published", "pareto_sets") if key in values}}
        block = Block.from_table(table, name=name, formats=(formats[0], formats[1]), provenance=provenance)
        costs = published_costs(entry.published, source, block.table)
        blocks.append(block if costs is None else block.with_costs(costs))
    return blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """What a description says of one table."""

    formats: tuple[str, ...] = ()
    published: Mapping[str, Any] = field(default_factory=dict)
    sha256: str | None = None


def _entry(values: Any, where: str) -> _Entry:
    """Return what a description says of one table; what else it says is passed over."""
    known = {key: values[key] for key in ("formats", "published", "sha256") if key in values} if isinstance(values, dict) else values
    entry: _Entry = typed(_Entry, known, where)
    for key in ("area_um2", "delay_ns", "power_mw"):
        if key in entry.published:
            typed(float, entry.published[key], f"{where} published {key}")
    return entry
