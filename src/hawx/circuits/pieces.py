"""The files of a circuit as one text: where each line of it stands, what may be its top, and the text without what the top does not need."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import accumulate

from hawx.circuits.units import DesignUnit, blanked, needed, tops, units_of
from hawx.errors import InputError


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive lines of one file."""

    path: str
    line: int
    """Of its first line in the file."""
    text: str
    """Ends with a line break where another piece follows."""


@dataclass(frozen=True)
class CircuitFiles:
    """The text of a circuit, in one language, and where each line of it stands."""

    place: str
    """What messages call it: its first file or folder."""
    stem: str
    """Name of its only file, or its first one, without ending."""
    language: str
    """`Verilog` or `VHDL`."""
    pieces: tuple[Piece, ...]

    @cached_property
    def text(self) -> str:
        """All pieces, one after the other."""
        return "".join(piece.text for piece in self.pieces)

    @cached_property
    def units(self) -> list[DesignUnit]:
        return units_of(self.text, self.language)

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The files, in the order in which they are read."""
        return tuple(dict.fromkeys(piece.path for piece in self.pieces))

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *accumulate(len(piece.text) for piece in self.pieces)][:-1]

    def _file(self, unit: DesignUnit) -> str:
        return self.pieces[bisect_right(self._starts, unit.start) - 1].path

    def text_with(self, name: str) -> str:
        """Return the text of the file that defines the unit of a name."""
        path = self._file(next(unit for unit in self.units if unit.name == name))
        return "".join(piece.text for piece in self.pieces if piece.path == path)

    def where(self, name: str) -> str:
        """Return file and line of the unit of a name, for a message."""
        unit = next(unit for unit in self.units if unit.name == name)
        number = bisect_right(self._starts, unit.start) - 1
        piece = self.pieces[number]
        return f"{piece.path!r} line {piece.line + piece.text.count(chr(10), 0, unit.start - self._starts[number])}"

    def candidates(self) -> list[str]:
        """Return the modules that may be the top: see `hawx.circuits.units.tops`.

        Raises:
            InputError: there is none.
        """
        found = tops(self.units)
        if not found:
            raise InputError(f"{self.language} file {self.place!r} has no module with ports; expected a multiplier of two operands.")
        return found

    def reduced(self, roots: Sequence[str]) -> CircuitFiles:
        """Return the circuit without the units that none of the modules `roots` needs, and without repeated ones; every line keeps its place.

        Raises:
            InputError: two files define a unit of one name differently.
        """
        kept = needed(self.units, roots)
        first: dict[str, DesignUnit] = {}
        parts, at = [], 0
        for unit in self.units:
            keep = unit.name in kept or unit.kind == "package"
            if keep and unit.kind != "part":
                other = first.setdefault(unit.name, unit)
                if other is not unit and self._file(other) != self._file(unit):
                    if self._plain(other) != self._plain(unit):
                        raise InputError(
                            f"module {unit.name!r} is one thing in {self._file(other)!r} and another in {self._file(unit)!r}; "
                            "expected one definition. Leave out one of the files."
                        )
                    keep = False
            if not keep:
                parts += [self.text[at : unit.start], re.sub(r"[^\n]", " ", self.text[unit.start : unit.end])]
                at = unit.end
        text = "".join([*parts, self.text[at:]])
        pieces = _cut(text, self.pieces)
        if self.language == "VHDL":  # files of testbenches are empty now, and no design file may be
            pieces = (piece for piece in pieces if blanked(piece.text, self.language).strip())
        return replace(self, pieces=tuple(pieces))

    def _plain(self, unit: DesignUnit) -> str:
        return "".join(blanked(self.text[unit.start : unit.end], self.language).split())

    def ordered(self) -> CircuitFiles:
        """Return the circuit with every file after those whose packages and modules it mentions, where that is possible and none is included."""
        if len(self.paths) < len(self.pieces):
            return self
        defines: dict[str, set[str]] = {}
        mentions: dict[str, set[str]] = {path: set() for path in self.paths}
        for unit in self.units:
            path = self._file(unit)
            mentions[path] |= unit.words
            if unit.kind != "part":
                defines.setdefault(unit.name, set()).add(path)
        sorter = TopologicalSorter(
            {path: {other for word in words for other in defines.get(word, ()) if other != path} for path, words in mentions.items()}
        )
        try:
            order = list(sorter.static_order())
        except CycleError:
            return self
        return replace(self, pieces=tuple(sorted(self.pieces, key=lambda piece: order.index(piece.path))))


def _cut(text: str, pieces: Sequence[Piece]) -> Iterator[Piece]:
    at = 0
    for piece in pieces:
        yield replace(piece, text=text[at : at + len(piece.text)])
        at += len(piece.text)


def names_of(circuit: CircuitFiles) -> Mapping[str, str]:
    """Return the names under which tools know the files of a circuit → their paths."""
    ending = ".vhd" if circuit.language == "VHDL" else ".v"
    return {f"input{number}{ending}": path for number, path in enumerate(circuit.paths, 1)}


def tool_text(circuit: CircuitFiles) -> str:
    """Return a circuit of Verilog as one text in which every line knows its file, by the names of `names_of`."""
    if len(circuit.pieces) == 1:
        return circuit.text
    known = {path: name for name, path in names_of(circuit).items()}
    return "".join(f'`line {piece.line} "{known[piece.path]}" 0\n{piece.text}' for piece in circuit.pieces)
