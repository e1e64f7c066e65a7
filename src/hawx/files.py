"""Files: checked before they are read, written whole or not at all; folders of one process; the cache folder. One clear line where that fails."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from socket import gethostname
from typing import IO, Any

from hawx.errors import InputError

TEXT_BYTES = 1 << 28
"""Largest plausible text file."""
TOML_BYTES = 1 << 20
"""Largest plausible file of settings."""
LOCK = ".lock"
"""File in a folder that one process alone writes: that process holds the system's lock on it, which ends with the process however it ends."""
_DRAFT = re.compile(r"\..+\.\d+\.tmp")


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


def read_text(path: Path, what: str, *, most: int = TEXT_BYTES, least: int = 1) -> str:
    """Return the UTF-8 text of `path`; arguments as of `read_bytes`.

    Raises:
        InputError: not readable, not of that size, or not text.
    """
    data = read_bytes(path, what, most=most, least=least)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{what} {str(path)!r} line {line} is not UTF-8 text; expected a text file.") from error


def read_values(path: Path, what: str) -> dict[str, Any]:
    """Return the keys and values of a TOML file, unchecked.

    Raises:
        InputError: the file is missing, larger than `TOML_BYTES`, or is not TOML; names the line.
    """
    text = read_text(path, what, most=TOML_BYTES, least=0)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{what} {str(path)!r} is not TOML: {error}.") from None
    except RecursionError:
        raise InputError(f"{what} {str(path)!r} is nested too deep; expected keys and values.") from None
    except ValueError:  # Python's limit of the digits of an integer
        raise InputError(f"{what} {str(path)!r} holds a whole number of thousands of digits; expected settings.") from None


def is_trace(path: Path) -> bool:
    """Return whether a file holds nothing that anyone asked for: a lock, or a draft whose writer may have been killed."""
    return path.name == LOCK or _DRAFT.fullmatch(path.name) is not None


def remove_drafts(folder: Path) -> None:
    """Remove what writers that were killed left behind in a folder that is `locked`, or that nobody else writes."""
    for path in folder.rglob(".*.tmp"):
        if _DRAFT.fullmatch(path.name):
            path.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a draft beside `path` to write; it takes the place of `path` at the end, on disk and whole, and is gone after an error."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield draft
        with draft.open("r+b") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_bytes(path: str | PathLike[str], content: bytes) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, never a part.

    Raises:
        InputError: the place cannot be written, or is full.
    """
    target = Path(path)
    with writable(target), replacing(target) as draft:
        draft.write_bytes(content)


@contextmanager
def writable(path: Path, what: str = "file") -> Iterator[None]:
    """Say in one line why `path` cannot be written, where the block fails to.

    Raises:
        InputError: the block raised an `OSError`.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        way = "expected room on its disk. Free some, or choose another --out." if full else "expected a writable place. Choose another --out."
        raise InputError(f"{what} {str(path)!r} cannot be written ({error.strerror or error}); {way}") from error


def write_text(path: str | PathLike[str], content: str) -> None:
    """Write `content` as UTF-8, lines ended as they are: see `write_bytes`."""
    write_bytes(path, content.encode("utf-8", "backslashreplace"))  # of names that no encoding has


def make_folder(path: str | PathLike[str], what: str = "folder") -> Path:
    """Make a folder with those above it, where it is not there yet, and return it.

    Raises:
        InputError: it cannot be made.
    """
    target = Path(path)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{what} {str(path)!r} cannot be made ({error.strerror}); expected a writable place. Choose another --out.") from error
    return target


@contextmanager
def locked(folder: Path, what: str = "folder") -> Iterator[None]:
    """Keep `folder` to this process while the block runs. A file system that knows no locks is used without one.

    Raises:
        InputError: another process holds it, or it cannot be written.
    """
    with _lock(folder, what):
        try:
            yield
        finally:
            with suppress(OSError):
                (folder / LOCK).unlink()  # while it is ours: whoever has just opened it sees that it is gone, and opens another


def refuse_locked(folder: Path, what: str = "folder") -> None:
    """Raise `InputError` where another process holds `folder`; change nothing."""
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError), (folder / LOCK).open("rb") as file:
        _try_lock(file, folder, what)


def _lock(folder: Path, what: str) -> IO[bytes]:
    """Return the open file that holds the lock."""
    path = folder / LOCK
    while True:
        with writable(path):
            file = path.open("a+b", buffering=0)
        try:
            _try_lock(file, folder, what)
            ours = path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno()))
        except BaseException:
            file.close()
            raise
        if ours:
            with suppress(OSError):  # a full disk: the lock holds without the name
                file.truncate(0)
                file.write(f"process {os.getpid()} on {gethostname()}".encode())
            return file
        file.close()


def _try_lock(file: IO[bytes], folder: Path, what: str) -> None:
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read(200).decode(errors="replace") or "another process"
        raise InputError(
            f"{what} {str(folder)!r} is in use by {holder}; expected one that nobody writes. Wait until that ends, or choose another --out."
        ) from None
    except OSError:
        return  # a file system without locks


def cache_folder() -> Path:
    """Return the user's cache folder of HAWX: `HAWX_CACHE`, or `hawx` in the platform's cache folder."""
    if given := os.environ.get("HAWX_CACHE"):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "hawx"


def read_cached(path: Path) -> dict[str, Any] | None:
    """Return the JSON object that `write_cached` kept, or None; a damaged file counts as absent."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def write_cached(path: Path, values: Mapping[str, Any], *, indent: int | None = 1) -> None:
    """Keep plain JSON values, on one line where `indent` is None; a cache that cannot be written is passed over."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as draft:
            draft.write_text(json.dumps(values, indent=indent), encoding="utf-8")
