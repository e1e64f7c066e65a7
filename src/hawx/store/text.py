"""Values as text that every reader accepts: JSON and CSV."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any


def json_text(values: Any) -> str:
    """Return `values` as JSON that every reader accepts: NaN and infinities, which JSON does not know, become null."""
    return json.dumps(_finite(values), indent=1, ensure_ascii=False, default=str, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value


_FORMULA = tuple("=+-@\t\r'")
"""A cell that begins so is a formula to spreadsheets, or would be taken for one that was marked as text."""


def cell(value: str) -> str:
    """Return a text as a cell that no spreadsheet computes: with an apostrophe before what looks like a formula."""
    return f"'{value}" if value.startswith(_FORMULA) else value


def text_of(cell: str) -> str:
    """Return the text that `cell` wrote."""
    return cell.removeprefix("'")


SEAL = "sha256"


def sealed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with a hash of their JSON text under `sha256`, so that damage is noticed."""
    return {**values, SEAL: _hash(values)}


def is_whole(values: Mapping[str, Any]) -> bool:
    """Return whether values that came back from JSON are those that were `sealed`; files of before there was a seal count as whole."""
    return SEAL not in values or values[SEAL] == _hash({key: value for key, value in values.items() if key != SEAL})


def _hash(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json_text(values).encode()).hexdigest()


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as CSV with a header. Floats are written in full, so that reading gives the same bits."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _cell(value) for key, value in row.items()})
    return buffer.getvalue()


def _cell(value: Any) -> Any:
    return float(value) if hasattr(value, "dtype") else cell(value) if isinstance(value, str) else value
