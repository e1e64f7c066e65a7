"""Reading input files: they exist, have a plausible size before a byte is read, and decode. One clear line otherwise."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from hawx.errors import InputError


def present(path: Path) -> bool:
    """Return whether there is such a file or folder.

    Raises:
        InputError: the system refuses the path (too long, no permission).
    """
    try:
        return path.exists()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"path {str(path)[:80]!r} cannot be used ({reason}); expected the path of a file or folder.") from error


def existing(path: Path, what: str = "source") -> Path:
    """Return `path` if there is such a file or folder.

    Raises:
        InputError: there is none; names the nearest entries of its folder.
    """
    if present(path):
        return path
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"{what} {str(path)!r} does not exist, nor does its folder; expected a file or folder.")
    entries = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    near = get_close_matches(path.name, entries, n=3, cutoff=0.4)
    hint = "did you mean " + " or ".join(repr(str(folder / name)) for name in near) + "?" if near else "expected a file or folder."
    raise InputError(f"{what} {str(path)!r} does not exist; {hint}")


def read_bytes(path: Path, what: str, *, most: int, least: int = 1) -> bytes:
    """Return the bytes of `path`, whose size is checked first.

    Args:
        path: a regular file.
        what: what the file should hold, for the message.
        most: largest plausible size in bytes.
        least: smallest plausible size in bytes.

    Raises:
        InputError: not a readable regular file, or not of that size.
    """
    existing(path, what)
    if not path.is_file():
        raise InputError(f"{what} {str(path)!r} is not a regular file; expected one.")
    size = path.stat().st_size
    if not least <= size <= most:
        span = f"{least}" if least == most else f"{least} to {most}"
        raise InputError(f"{what} {str(path)!r} has {size} bytes; expected {span}.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{what} {str(path)!r} cannot be read ({error.strerror}); expected a readable file.") from error


def read_text(path: Path, what: str, *, most: int) -> str:
    """Return the UTF-8 text of `path` (size checked first).

    Raises:
        InputError: not readable, not of that size, or not text.
    """
    data = read_bytes(path, what, most=most)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{what} {str(path)!r} line {line} is not UTF-8 text; expected a text file.") from error
