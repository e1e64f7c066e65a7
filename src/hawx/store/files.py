"""Files that are whole or absent: written beside their place, flushed to disk, then renamed."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from os import PathLike
from pathlib import Path
from typing import Any

from hawx.errors import InputError


def write_text(path: str | PathLike[str], content: str) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, never a part.

    Raises:
        InputError: the place cannot be written.
    """
    target = Path(path)
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(f"file {str(target)!r} cannot be written ({error.strerror}); expected a writable place. Choose another --out.") from error


def read_text(path: str | PathLike[str], what: str) -> str:
    """Return the text of `path`; `what` names its kind in errors.

    Raises:
        InputError: the file is missing, unreadable or not UTF-8.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{what} {str(path)!r} does not exist; expected a file.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise InputError(f"{what} {str(path)!r} cannot be read ({reason}); expected a text file.") from error


def json_text(values: Any) -> str:
    """Return `values` as JSON that every reader accepts: NaN and infinities, which JSON does not know, become null."""
    return json.dumps(_finite(values), indent=1, ensure_ascii=False, default=str, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as CSV with a header. Floats are written in full, so that reading gives the same bits."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: float(value) if hasattr(value, "dtype") else value for key, value in row.items()})
    return buffer.getvalue()
