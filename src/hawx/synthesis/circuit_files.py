"""The one door for circuit files of any number: files, folders and includes → the text of a circuit in pieces.

Only files that were given, or that lie in the folder of a file that was given, are read, and no tool ever opens one: includes are replaced by
the text that they name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path

from hawx.circuits.pieces import CircuitFiles, Piece
from hawx.circuits.tokens import MAX_CIRCUIT_BYTES
from hawx.circuits.units import blanked, mentioned, units_of
from hawx.errors import InputError
from hawx.files import existing, present, read_bytes

VERILOG, VHDL = (".v", ".sv"), (".vhd", ".vhdl")
INCLUDED = (*VERILOG, ".vh", ".svh", ".h", ".inc")
"""Endings of files that a circuit may include."""

_MOST_FILES = 256
_DEEPEST_INCLUDE = 16
_INCLUDE = re.compile(r"`\s*include\b[ \t]*(?:\"([^\"\n]*)\"|(\S*))")


def circuit_text(path: Path) -> str:
    """Return the text of a circuit file; what is not UTF-8 is taken as Latin-1, in which authors' names are written.

    Raises:
        InputError: it is not readable, or larger than circuits are.
    """
    data = read_bytes(path, "circuit", most=MAX_CIRCUIT_BYTES)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_circuit(*sources: str | PathLike[str]) -> CircuitFiles:
    """Return the circuit of one or more files or folders of Verilog, or of VHDL.

    Args:
        sources: files; of a folder, all circuit files below it that no other one includes.

    Raises:
        InputError: a file is missing, of another kind, or includes what it may not; they are too many or too large.
    """
    paths = [Path(source) for source in sources]
    files = [file for path in paths for file in (_files_below(path) if path.is_dir() else [existing(path, "circuit")])]
    for file in files:
        if file.suffix.lower() not in (*VERILOG, *VHDL):
            raise InputError(f"circuit {str(file)!r} has ending {file.suffix!r}; expected Verilog (.v, .sv), VHDL (.vhd, .vhdl), or their folder.")
    kinds = {_language(file) for file in files}
    if len(kinds) != 1:
        raise InputError(f"{str(paths[0])!r} is a circuit of {' and '.join(sorted(kinds)) or 'no file'}; expected files of one language; name those.")
    reader = _Reader()
    read = {file: tuple(reader.pieces(file, file.parent)) for file in dict.fromkeys(files)}
    roots = [file for file in read if file.resolve() not in reader.included] or list(read)
    pieces = [piece for file in roots for piece in read[file]]
    stem = files[0].stem if len(files) == 1 or not paths[0].is_dir() else paths[0].resolve().name
    return CircuitFiles(str(paths[0]), stem, kinds.pop(), tuple(pieces))


def own_circuits(files: Sequence[Path]) -> dict[Path, list[Path]]:
    """Return those of a folder's files that hold a circuit of their own, each with the others that it needs.

    Parts that others instantiate, and testbenches, are none; a file without any module is one, for its reader to refuse.
    """
    units = {file: units_of(circuit_text(file), _language(file)) for file in files if file.suffix.lower() in (*VERILOG, *VHDL)}
    words = {file: mentioned(found) for file, found in units.items()}
    homes: dict[str, list[Path]] = {}
    for file, found in units.items():
        for name in {unit.name for unit in found if unit.kind != "part"}:
            homes.setdefault(name, []).append(file)
    used = Counter(word for mentions in words.values() for word in mentions)
    circuits: dict[Path, list[Path]] = {}
    for file in files:
        found = units.get(file, [])
        own = words.get(file, frozenset())
        if not found or any(unit.has_ports and used[unit.name] == (unit.name in own) for unit in found):
            circuits[file] = _needs(file, words, homes)
    return circuits


def _needs(file: Path, words: Mapping[Path, frozenset[str]], homes: Mapping[str, Sequence[Path]]) -> list[Path]:
    """Return the other files that define what a file mentions and does not define itself, and what those mention."""
    found, waiting = [file], [file]
    while waiting:
        for name in sorted(words.get(waiting.pop(), ())):
            places = homes.get(name, ())
            if places and not any(place in found for place in places):
                found.append(places[0])
                waiting.append(places[0])
    return found[1:]


def _language(file: Path) -> str:
    return "VHDL" if file.suffix.lower() in VHDL else "Verilog"


def _files_below(folder: Path) -> list[Path]:
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (*VERILOG, *VHDL) and path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            found.append(path)
            if len(found) > _MOST_FILES:
                raise InputError(f"folder {str(folder)!r} holds more than {_MOST_FILES} circuit files; expected those of one. Name its files.")
    if not found:
        raise InputError(f"folder {str(folder)!r} holds no circuit; expected Verilog (.v, .sv) or VHDL (.vhd, .vhdl) files.")
    return found


class _Reader:
    """Reads files with what they include, and adds up their sizes."""

    def __init__(self) -> None:
        self.size = 0
        self.included: set[Path] = set()

    def pieces(self, path: Path, root: Path, depth: int = 0) -> Iterator[Piece]:
        """Yield the lines of a file, included files in place of what includes them; only files below `root` are included."""
        text = circuit_text(path)
        self.size += len(text)
        if self.size > MAX_CIRCUIT_BYTES:
            raise InputError(f"the files of the circuit hold more than {MAX_CIRCUIT_BYTES} characters; expected those of one multiplier. Name them.")
        if path.suffix.lower() in VHDL:
            text = text.replace("\u2014-", "--")  # comments that an editor of prose has been through
            yield Piece(str(path), 1, text if text.endswith("\n") else text + "\n")
            return
        at, line, plain = 0, 1, blanked(text, "Verilog")
        for match in _INCLUDE.finditer(text):
            if plain[match.start()] == " ":  # a comment
                continue
            here = line + text.count("\n", at, match.start())
            where = f"{str(path)!r} line {here}"
            yield Piece(str(path), line, text[at : match.start()] + "\n")
            if depth >= _DEEPEST_INCLUDE:
                raise InputError(f"{where}: includes are nested more than {_DEEPEST_INCLUDE} deep; expected a file that does not include itself.")
            file = _included(match[1], where, [path.parent, root], root)
            self.included.add(file.resolve())
            yield from self.pieces(file, root, depth + 1)
            at, line = match.end(), here
        yield Piece(str(path), line, text[at:] if text.endswith("\n") else text[at:] + "\n")


def _included(name: str | None, where: str, folders: Sequence[Path], root: Path) -> Path:
    """Return the file below `root` that an include names.

    Raises:
        InputError: the name leads elsewhere, or there is no such file.
    """
    inside = Path(name or "/")
    if not name or inside.is_absolute() or ".." in inside.parts or "\\" in name or inside.suffix.lower() not in INCLUDED:
        raise InputError(
            f'{where}: the include {name or "<…>"!r} is no Verilog file beside it; expected such as `include "part.v", without .. and macros.'
        )
    for folder in folders:
        file = folder / inside
        if present(file) and file.is_file() and file.resolve().is_relative_to(root.resolve()):
            return file
    raise InputError(f"{where}: the included file {name!r} is not below {str(root)!r}; expected it there, no link out of it. Put it beside the file.")
