"""Design units of Verilog and VHDL: what a text defines, what each unit mentions, which are candidates for the top. Scanned, not parsed.

A name counts as mentioned wherever it stands, so what is needed is never missed; a unit without ports is a testbench, and mentions nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from hawx.errors import InputError

_VERILOG_SKIPPED = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_VHDL_SKIPPED = re.compile(r'"(?:[^"\n]|"")*"|--[^\n]*|/\*.*?\*/', re.DOTALL)
_VERILOG_UNIT = re.compile(
    r"\b(?P<kind>macromodule|module|package|primitive)\s+(?:(?:automatic|static)\s+)?(?P<name>\\\S+|[A-Za-z_][\w$]*).*?(?:\bend(?:module|package|primitive)\b|\Z)",
    re.DOTALL,
)
_VHDL_UNIT = re.compile(
    r"\b(?:(?P<kind>entity|package|context|configuration)(?:\s+body)?\s+(?P<name>\w+)|(?:architecture|configuration)\s+\w+\s+of\s+(?P<of>\w+))\s+is\b"
)
_CONTEXT = re.compile(r"\s*(library|use|context)\b")
_FUNCTIONS = re.compile(r"\bfunction\b.*?(?:\bendfunction\b|\Z)|\btask\b.*?(?:\bendtask\b|\Z)", re.DOTALL)
_PORTS = {"Verilog": re.compile(r"\b(?:input|output|inout)\b"), "VHDL": re.compile(r"\bport\s*\(")}
_WORD = re.compile(r"[A-Za-z_][\w$]*")
_MOST_UNITS = 4096


@dataclass(frozen=True, slots=True)
class DesignUnit:
    """A module, package or entity; in VHDL also an architecture or body, under the name of what it belongs to. Names of VHDL are in lower case."""

    name: str
    kind: str
    """`module`, `package`, or `part` of the unit of this name."""
    start: int
    end: int
    words: frozenset[str]
    """What it mentions, itself excepted."""
    has_ports: bool


def blanked(text: str, language: str) -> str:
    """Return a text without comments and strings, every other character in its place."""
    skipped = _VHDL_SKIPPED if language == "VHDL" else _VERILOG_SKIPPED
    return skipped.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def units_of(text: str, language: str) -> list[DesignUnit]:
    """Return the units of a text of `Verilog` or `VHDL` in its order.

    Raises:
        InputError: there are thousands.
    """
    plain = blanked(text, language)
    if language == "VHDL":
        plain = plain.lower()
    found = list(islice((_VHDL_UNIT if language == "VHDL" else _VERILOG_UNIT).finditer(plain), _MOST_UNITS + 1))
    if len(found) > _MOST_UNITS:
        raise InputError(f"the design has more than {_MOST_UNITS} modules; expected those of one multiplier.")
    starts, ends = [match.start() for match in found], [match.end() for match in found]
    if language == "VHDL":
        starts = [_with_context(plain, start) for start in starts]
        ends = [*starts[1:], len(plain)][: len(found)]
    return [_unit(match, plain[start:end], start, end, _PORTS[language]) for match, start, end in zip(found, starts, ends, strict=True)]


def _unit(match: re.Match[str], body: str, start: int, end: int, ports: re.Pattern[str]) -> DesignUnit:
    of = match.groupdict().get("of")
    kind = "part" if of else "package" if match["kind"] in ("package", "context", "configuration") else "module"
    name = of or match["name"]
    has_ports = kind == "module" and ports.search(_FUNCTIONS.sub(" ", body)) is not None
    return DesignUnit(name, kind, start, end, frozenset(_WORD.findall(body)) - {name}, has_ports)


def _with_context(plain: str, start: int) -> int:
    """Return where the library and use clauses before a unit of VHDL begin."""
    while (end := plain.rfind(";", 0, start)) >= 0 and not plain[end + 1 : start].strip():
        before = plain.rfind(";", 0, end) + 1
        clause = _CONTEXT.match(plain, before, end)
        if clause is None:
            break
        start = clause.start(1)
    return start


def mentioned(units: Iterable[DesignUnit]) -> frozenset[str]:
    """Return what units other than testbenches mention."""
    listed = list(units)
    benches = {unit.name for unit in listed if unit.kind == "module" and not unit.has_ports}
    return frozenset().union(*(unit.words for unit in listed if unit.name not in benches))


def tops(units: Sequence[DesignUnit]) -> list[str]:
    """Return the modules with ports that no other one mentions, in order; all with ports where every one is mentioned."""
    names = list(dict.fromkeys(unit.name for unit in units if unit.has_ports))
    used = mentioned(units)
    return [name for name in names if name not in used] or names


def needed(units: Sequence[DesignUnit], roots: Collection[str]) -> set[str]:
    """Return the names of all units that the roots need, themselves included."""
    by_name: dict[str, frozenset[str]] = {}
    for unit in units:
        by_name[unit.name] = by_name.get(unit.name, frozenset()) | unit.words
    found, waiting = set(), list(roots)
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in found:
            found.add(name)
            waiting += by_name[name]
    return found
