"""The synthesis flow: one combinational Verilog module → its smallest mapped netlist, and its LUT6 count.

Two mappings are tried, because each wins on some circuits by ten percent: full adders extracted from the circuit as written (evolved
multipliers whose cells are visible) and after restructuring (generated arrays, logarithmic and segmented multipliers). The smallest
area is kept, so that no block is charged for a mapping that does not suit it. A library without full adders gets the plain mapping.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import inf
from typing import Any

from hawx.circuits.liberty import CellLibrary
from hawx.circuits.netlist import Netlist
from hawx.circuits.ports import check_module_name
from hawx.errors import InputError
from hawx.synthesis import yosys

FLOW_VERSION = 2
"""Raised whenever the figures of a flow change: part of the cache key and of the origin of every figure."""

_CLOCKED = ("dff", "dlatch", "adff", "sdff", "aldff", "dffsr", "sr", "ff", "mem")


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesis:
    """A synthesized combinational module."""

    netlist: Netlist
    mapping: str
    """Which mapping won: `adders`, `adders-after-restructuring` or `plain`."""
    area_um2: float
    leakage_nw: float
    luts: int
    tool: str


def synthesize(
    verilog: str, library: CellLibrary, *, source: str, top: str | None = None, names: Mapping[str, str] | None = None, timeout_s: float = 300.0
) -> Synthesis:
    """Return the smallest mapped netlist of a combinational module.

    Args:
        verilog: SystemVerilog text.
        library: cells to map to.
        source: what messages call the text: a file name.
        top: module to synthesize; None for the one no other instantiates.
        names: files that the text's line directives name → what messages call them.
        timeout_s: seconds until Yosys is ended.

    Raises:
        InputError: the text does not parse, holds latches, flip-flops or loops, or has no such module.
        ToolMissingError: there is no Yosys.
    """
    files: dict[str, str | bytes] = {yosys.SOURCE: verilog, "cells.lib": library.content, "adders.v": adder_map(library)}
    halves = [["plain", "luts"]] if library.full_adder is None else [["adders-after-restructuring"], ["luts", "adders"]]

    def run(mappings: Sequence[str]) -> dict[str, str]:
        wanted = ["elaborated.json", *(f"{mapping}.json" for mapping in mappings)]
        return yosys.run(_script(top, mappings), files, wanted, source=source, names=names, timeout_s=timeout_s)

    with ThreadPoolExecutor(len(halves)) as pool:
        written = {name: text for half in pool.map(run, halves) for name, text in half.items()}
    name, module = _top_module(json.loads(written.pop("elaborated.json")), source)
    check_combinational(module, source, names or {})
    mapped = {file.removesuffix(".json"): json.loads(text)["modules"][name] for file, text in written.items()}
    luts = sum(cell["type"] == "$lut" for cell in mapped.pop("luts")["cells"].values())
    mapping = min(sorted(mapped), key=lambda mapping: mapped_area(mapped[mapping], library))
    netlist = yosys.mapped_netlist(mapped[mapping], name, library)
    return Synthesis(
        netlist=netlist,
        mapping=mapping,
        area_um2=mapped_area(mapped[mapping], library),
        leakage_nw=sum(library.cells[gate.cell].leakage_nw for gate in netlist.gates),
        luts=luts,
        tool=yosys.tool().version,
    )


def modules_of(
    verilog: str, source: str, names: Mapping[str, str] | None = None
) -> tuple[dict[str, tuple[dict[str, int], dict[str, int]]], set[str]]:
    """Return, as Yosys reads a text, every module's inputs and outputs with their widths in bits, and the names that some module instantiates.

    Raises:
        InputError: the text does not parse.
        ToolMissingError: there is no Yosys.
    """
    script = f"{yosys.READ}\nproc\nwrite_json modules.json\n"
    written = yosys.run(script, {yosys.SOURCE: verilog}, ["modules.json"], source=source, names=names)
    modules = json.loads(written["modules.json"])["modules"]

    def widths(module: Mapping[str, Any], direction: str) -> dict[str, int]:
        return {name: len(port["bits"]) for name, port in module["ports"].items() if port["direction"] == direction}

    ports = {name: (widths(module, "input"), widths(module, "output")) for name, module in modules.items()}
    return ports, {cell["type"] for module in modules.values() for cell in module["cells"].values()}


def mapped_area(module: Mapping[str, Any], library: CellLibrary) -> float:
    """Return the area of a mapped module of Yosys's JSON in um2; inf where a cell is not of the library."""
    areas = (library.cells[cell["type"]].area_um2 if cell["type"] in library.cells else inf for cell in module["cells"].values())
    return sum(areas)


_ADDERS = ("extract_fa -fa", "techmap -map adders.v", "abc -liberty cells.lib", "opt_clean -purge")
MAPPINGS: Mapping[str, tuple[str, ...]] = {
    "plain": ("abc -liberty cells.lib", "opt_clean -purge"),
    "adders": _ADDERS,
    "adders-after-restructuring": ("abc", "opt_clean", *_ADDERS),
    "luts": ("abc -lut 6", "opt_clean -purge"),
}
"""Name -> Yosys commands that map generic gates (cells.lib and adders.v in the folder)."""


def _script(top: str | None, mappings: Sequence[str]) -> str:
    hierarchy = "hierarchy -check -auto-top" if top is None else f"hierarchy -check -top {check_module_name(top)}"
    lines = [yosys.READ, hierarchy, "proc", "flatten", "write_json elaborated.json", "check -assert"]
    lines += ["synth -flatten -noabc", "read_liberty -lib cells.lib", "design -save gates"]
    for mapping in mappings:
        lines += ["design -load gates", *MAPPINGS[mapping], f"write_json {mapping}.json"]
    return "\n".join(lines) + "\n"


def adder_map(library: CellLibrary) -> str:
    """Return the techmap file that turns `$fa` into the library's full adder; empty where it has none."""
    if library.full_adder is None:
        return ""
    cell, pins = library.full_adder
    connections = {pins["A"]: "A[i]", pins["B"]: "B[i]", pins["C"]: "C[i]", pins["CARRY"]: "X[i]", pins["SUM"]: "Y[i]"}
    for name in (cell.name, *connections):
        check_module_name(name)
    ports = ", ".join(f".{pin}({signal})" for pin, signal in connections.items())
    return (
        "module \\$fa (A, B, C, X, Y);\n"
        "  parameter WIDTH = 1;\n"
        "  input [WIDTH-1:0] A, B, C;\n"
        "  output [WIDTH-1:0] X, Y;\n"
        "  genvar i;\n"
        f"  generate for (i = 0; i < WIDTH; i = i + 1) begin : bit_ {cell.name} adder ({ports}); end endgenerate\n"
        "endmodule\n"
    )


def _top_module(design: Mapping[str, Any], source: str) -> tuple[str, Mapping[str, Any]]:
    tops = [name for name, module in design["modules"].items() if int(module.get("attributes", {}).get("top", "0"), 2)]
    if len(tops) != 1:
        raise InputError(f"Verilog file {source!r} has no single top module; expected one. Name it with top=.")
    return tops[0], design["modules"][tops[0]]


def check_combinational(module: Mapping[str, Any], source: str, names: Mapping[str, str]) -> None:
    """Raise InputError if the elaborated module holds latches, flip-flops or memories; the message names file and line, as of `synthesize`."""
    for cell in module["cells"].values():
        kind = cell["type"].lstrip("$_").lower()
        if kind.startswith(_CLOCKED):
            what = "a latch" if "latch" in kind or kind.startswith("sr") else "a memory" if kind.startswith("mem") else "a clocked register"
            file, line = _place(cell)
            known = {yosys.SOURCE: source, **names}.get(file)
            where = f"{known!r} line {line}" if known is not None and line else repr(source)
            raise InputError(
                f"Verilog file {where} holds {what}; expected a purely combinational multiplier. Remove the clock, or assign in every branch."
            )


def _place(cell: Mapping[str, Any]) -> tuple[str, str]:
    """Return file and line number of a cell's source attribute, or empty texts."""
    file, _, place = str(cell.get("attributes", {}).get("src", "")).split("|")[0].rpartition(":")
    return file, place.split(".")[0]
