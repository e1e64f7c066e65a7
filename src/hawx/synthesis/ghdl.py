"""The GHDL adapter: VHDL in, Verilog out, in a folder and a process of its own with a time limit.

GHDL analyzes and synthesizes; it compiles and runs nothing. But it evaluates functions of constants, in which files could be opened, so a
text that could name one never reaches it (`hawx.circuits.vhdl_requests`).
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hawx.circuits.pieces import CircuitFiles, names_of
from hawx.circuits.ports import check_module_name
from hawx.circuits.vhdl_requests import check_vhdl_requests
from hawx.errors import HawxError, InputError, ToolMissingError

_OPTIONS = ("--synth", "--std=08", "-fsynopsys", "-fexplicit", "-frelaxed", "--out=verilog")
_SAID = re.compile(r"^(input\d+\.vhd):(\d+):\d+:(?!(?:warning|note):)\s*(?:error:\s*)?(.*)$", re.MULTILINE)
_UNBOUND = re.compile(r'^(input\d+\.vhd):(\d+):\d+:\s*warning:\s*instance "([^"]*)" of component "([^"]*)" is not bound', re.MULTILINE)
_KEYWORDS = re.compile(
    r"\b(output|input|wire|reg|logic|always|assign|initial|module|endmodule|parameter|task|table|cell|final|priority|unique|byte|int|var|void|tri)\b",
    re.IGNORECASE,
)
"""Names that VHDL leaves free and Verilog does not; GHDL writes them as they are."""
_VIVADO = re.compile(r"\bxil_defaultlib\b", re.IGNORECASE)
_ASSERTED = re.compile(r"^\s*always @\*\s+if \(!?[^;\n]*\)\s+\$fatal\([^;\n]*\);\n", re.MULTILINE)


def available() -> bool:
    """Whether GHDL can run here."""
    return shutil.which("ghdl") is not None


def verilog_of(circuit: CircuitFiles, top: str, *, timeout_s: float = 60.0) -> tuple[str, str]:
    """Return an entity of VHDL, with all that it needs, as Verilog, and the name of its module; its generics have their defaults.

    Raises:
        InputError: the text is no VHDL-2008 that can be synthesized, lacks an entity, or asks for a file; names file and line.
        ToolMissingError: there is no GHDL.
        HawxError: it ran out of time.
    """
    program = shutil.which("ghdl")
    if program is None:
        raise ToolMissingError(
            f"circuit {circuit.place!r} is VHDL, which is read through GHDL, and GHDL is not installed: `apt install ghdl`, "
            "or give the circuit in Verilog."
        )
    for piece in circuit.pieces:
        check_vhdl_requests(piece.path, piece.text)
    names = names_of(circuit)
    with tempfile.TemporaryDirectory(prefix="hawx-ghdl-") as folder:
        for name, piece in zip(names, circuit.pieces, strict=True):
            Path(folder, name).write_text(_renamed(piece.text), encoding="utf-8")
        command = [program, *_OPTIONS, *names, "-e", check_module_name(top)]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False)
        except subprocess.TimeoutExpired as error:
            raise HawxError(f"GHDL did not finish on {circuit.place!r} within {timeout_s:g} s; give it a smaller circuit.") from error
    _check(done.stderr, names, circuit)
    if done.returncode != 0 or not done.stdout.strip():
        raise InputError(f"VHDL file {circuit.place!r} cannot be synthesized: {_reason(done.stderr, names)}; expected a multiplier in VHDL-2008.")
    written = re.search(rf"^module ({re.escape(top)}\w*)", done.stdout, re.IGNORECASE | re.MULTILINE)
    text = '`line 1 "ghdl.v" 0\n' + _ASSERTED.sub("", done.stdout)  # its lines are nobody's
    return text, written[1] if written is not None else top


def _renamed(text: str) -> str:
    """Return VHDL without names that are words of Verilog, and with Vivado's name of the library work as all others write it."""
    return _VIVADO.sub("work", _KEYWORDS.sub(r"own_\1", text))


def _check(log: str, names: Mapping[str, str], circuit: CircuitFiles) -> None:
    """Raise InputError where a component has no entity: GHDL would leave it out."""
    for file, line, instance, component in _UNBOUND.findall(log):
        raise InputError(
            f"{names[file]!r} line {line}: instance {instance!r} needs the entity {component!r}, which no file defines; "
            f"expected all files of the circuit. Give them all, or their folder: hawx blocks characterize {shlex.quote(circuit.place)} OTHER.vhd."
        )


def _reason(log: str, names: Mapping[str, str]) -> str:
    said = _SAID.search(log)
    if said is None:
        return (log.strip().splitlines() or ["GHDL ended without a word"])[0][:200]
    return f"{names.get(said[1], said[1])!r} line {said[2]}: {said[3].rstrip('.')}"
