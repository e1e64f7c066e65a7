"""The Yosys adapter: run a script on given files in a folder of its own, in a process of its own, with a time limit.

Yosys scripts are text and ABC starts through a shell, so no name from outside ever enters them: files are copied to fixed names in the
temporary folder, and module names are checked. A crash or an endless synthesis ends that process, never the caller's.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata, util
from pathlib import Path
from typing import Any

from hawx.circuits.liberty import CellLibrary
from hawx.circuits.netlist import ONE, ZERO, Cell, Gate, Netlist, evaluation_order
from hawx.circuits.verilog_requests import check_requests
from hawx.errors import HawxError, InputError, ToolMissingError

_RUN_IN_PYTHON = "from pyosys import libyosys as ys; ys.run_pass('script flow.ys', ys.Design())"

SOURCE = "input.v"
"""Name under which the user's Verilog is known to the script."""
READ = f"read_verilog -sv {SOURCE}"
"""Command that reads it. Verilog in which a word of SystemVerilog is a name (`bit`, `do`) is read without `-sv`."""
GENERATED = ("adders.v",)


@dataclass(frozen=True, slots=True)
class Tool:
    command: tuple[str, ...]
    """Program and arguments that run the script `flow.ys` of the current folder."""
    version: str
    """As printed in results: `pyosys 0.70` or `Yosys 0.23 (git sha1 …)`."""


class YosysError(InputError):
    """Yosys refused the input; `log` holds all it said."""

    def __init__(self, message: str, log: str) -> None:
        super().__init__(message)
        self.log = log


def available() -> bool:
    """Whether some Yosys can run here."""
    return bool(os.environ.get("HAWX_YOSYS")) or util.find_spec("pyosys") is not None or shutil.which("yosys") is not None


@lru_cache(maxsize=1)
def tool() -> Tool:
    """Return the Yosys in use: the program that the environment variable HAWX_YOSYS names, else the package pyosys, else `yosys` on the path.

    Raises:
        ToolMissingError: there is none.
    """
    program = os.environ.get("HAWX_YOSYS")
    if program is None and util.find_spec("pyosys") is not None:
        return Tool((sys.executable, "-c", _RUN_IN_PYTHON), f"pyosys {metadata.version('pyosys')}")
    program = shutil.which(program or "yosys")
    if program is None:
        raise ToolMissingError("Yosys is not installed; run `pip install pyosys` (or install yosys, or set HAWX_YOSYS to its path).")
    said = subprocess.run([program, "-V"], capture_output=True, text=True, timeout=60, check=False).stdout.strip()
    return Tool((program, "-Q", "-s", "flow.ys"), " ".join(said.split()[:2]) or "yosys (unknown version)")


def run(
    script: str,
    files: Mapping[str, str | bytes],
    wanted: Iterable[str],
    *,
    source: str,
    names: Mapping[str, str] | None = None,
    timeout_s: float = 300.0,
) -> dict[str, str]:
    """Run a script and return the text of the files it wrote.

    Args:
        script: Yosys commands; file names in it are those of `files` and `wanted`.
        files: name in the folder -> content.
        wanted: names of files that the script writes.
        source: how messages call `input.v`: the user's file name.
        names: files that line directives of `input.v` name → how messages call them.
        timeout_s: seconds until the process is ended.

    Raises:
        YosysError: Yosys refused the input; the message carries its first error with the user's file name and line.
        ToolMissingError: there is no Yosys.
        HawxError: it ran out of time or crashed.
    """
    for name, content in files.items():
        if name.endswith((".v", ".sv")) and name not in GENERATED and isinstance(content, str):
            check_requests(source if name == SOURCE else name, content)
    try:
        return _run(script, files, wanted, source, names or {}, timeout_s)
    except YosysError as error:
        if "syntax error" not in str(error) or READ not in script:
            raise
        try:
            return _run(script.replace(READ, READ.replace(" -sv", "")), files, wanted, source, names or {}, timeout_s)
        except YosysError:
            raise error from None


def _run(
    script: str, files: Mapping[str, str | bytes], wanted: Iterable[str], source: str, names: Mapping[str, str], timeout_s: float
) -> dict[str, str]:
    used = tool()
    with tempfile.TemporaryDirectory(prefix="hawx-yosys-") as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content if isinstance(content, bytes) else content.encode())
        Path(folder, "flow.ys").write_text(script, encoding="utf-8")
        environment = {**os.environ, "TMPDIR": folder}
        try:
            done = subprocess.run(
                used.command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise HawxError(f"{used.version} did not finish on {source!r} within {timeout_s:g} s; give it more time or a smaller circuit.") from error
        except OSError as error:
            raise ToolMissingError(
                f"Yosys {used.command[0]!r} cannot be started: {error.strerror}; check HAWX_YOSYS or `pip install pyosys`."
            ) from error
        log = done.stdout + done.stderr
        if done.returncode != 0 or "ERROR:" in done.stderr:
            raise YosysError(_message(log, source, names, used.version), log)
        missing = [name for name in wanted if not Path(folder, name).exists()]
        if missing:
            raise HawxError(f"{used.version} wrote no {missing[0]!r} for {source!r}; its log ends: {log.strip()[-300:]!r}")
        return {name: Path(folder, name).read_text(encoding="utf-8") for name in wanted}


def _message(log: str, source: str, names: Mapping[str, str], version: str) -> str:
    match = re.search(r"^(?:(\S+?):(\d+)(?:\.\d+(?:-[\d.]+)?)?:\s*)?ERROR:\s*(.*)$", log, re.MULTILINE)
    if match is None:
        return f"{version} ended abnormally on {source!r}; its log ends: {log.strip()[-300:]!r}"
    reason = match[3]
    warnings = re.findall(r"^Warning: (.*)$", log[: match.start()], re.MULTILINE)
    if "check -assert" in reason and warnings:  # the reason stands in the warnings before
        twice = [warning for warning in warnings if warning.startswith("multiple conflicting drivers")]
        reason = twice[0] if twice else warnings[-1] if "logic loop" not in log else "it has a combinational loop"
    reason = reason.replace(SOURCE, source).replace("\\", "").rstrip(".!: ")
    file = {SOURCE: source, **names}.get(match[1])
    where = repr(source) if file is None else f"{file!r} line {match[2]}"
    return f"Verilog file {where} cannot be synthesized: {reason}; expected a combinational multiplier in synthesizable Verilog."


def mapped_netlist(module: Mapping[str, Any], name: str, library: CellLibrary) -> Netlist:
    """Return the netlist of one module of Yosys's JSON, mapped to `library`.

    Raises:
        InputError: a cell is not of the library or cannot be followed, a net has no driver, or gates form a loop.
    """
    numbers: dict[int | str, int] = {"0": ZERO, "1": ONE, "x": ZERO, "z": ZERO}

    def nets(bits: Iterable[int | str]) -> tuple[int, ...]:
        return tuple(numbers.setdefault(bit, len(numbers) - 2) for bit in bits)  # x and z are not nets of their own

    inputs: dict[str, tuple[int, ...]] = {}
    outputs: dict[str, tuple[int, ...]] = {}
    for port, entry in module["ports"].items():
        (inputs if entry["direction"] == "input" else outputs)[port] = nets(entry["bits"])
    cells: dict[str, Cell] = {}
    gates: list[Gate] = []
    registers: list[Gate] = []
    for instance, entry in module["cells"].items():
        kind, connections = entry["type"], entry["connections"]
        cell = cells[kind] = cells.get(kind) or _cell(kind, instance, library)
        reads = nets(connections[pin][0] if connections.get(pin) else "0" for pin in cell.inputs)
        gate = Gate(kind, reads, tuple(nets(connections[pin][:1])[0] if connections.get(pin) else -1 for pin in cell.outputs))
        (registers if cell.is_register else gates).append(gate)
    count = max(numbers.values()) + 1
    driven = {ZERO, ONE, *(net for port in inputs.values() for net in port), *(net for gate in (*gates, *registers) for net in gate.outputs)}
    for gate in gates:
        if not driven.issuperset(gate.inputs):
            raise InputError(f"circuit {name!r} has an input of a {gate.cell} gate that nothing drives; expected every net to be driven.")
    order = evaluation_order(gates)
    if len(order) != len(gates):
        raise InputError(f"circuit {name!r} has a combinational loop; expected a circuit without feedback.")
    return Netlist(name, inputs, outputs, tuple(gates[index] for index in order), tuple(registers), cells, count)


def _cell(kind: str, instance: str, library: CellLibrary) -> Cell:
    found = library.cells.get(kind)
    if found is None or found.logic is None:
        raise InputError(
            f"cell {kind!r} (instance {instance!r}) cannot be evaluated; expected combinational cells or flip-flops of {library.name!r}."
        )
    return found.logic
