"""Run a self-checking testbench with Icarus Verilog or Verilator, in a folder and a process of its own, and read its verdict."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from hawx.errors import HawxError, InputError, ToolMissingError


class Simulator(StrEnum):
    """Which program runs the testbench."""

    ICARUS = "icarus"
    VERILATOR = "verilator"


_PROGRAMS = {Simulator.ICARUS: "iverilog", Simulator.VERILATOR: "verilator"}
_FILE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\.(?:sv|v|hex)|README\.md|Makefile")


class Project(Protocol):
    """What is simulated: sources, and a module `testbench` that says PASS or FAIL and how many comparisons it made."""

    @property
    def sources(self) -> Mapping[str, str]:
        """File name -> text of the hardware."""
        ...

    @property
    def bench(self) -> Mapping[str, str]:
        """File name -> testbench and what it reads."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What a simulator said."""

    passed: bool
    comparisons: int
    """Comparisons of all accumulators at once, or of one word of a network's class scores."""
    log: str
    tool: str
    seconds: float


def available() -> tuple[Simulator, ...]:
    """Return the simulators that are installed, the quicker to start first."""
    return tuple(simulator for simulator in Simulator if shutil.which(_PROGRAMS[simulator]))


@lru_cache(maxsize=4)
def version(simulator: Simulator) -> str:
    """Return the program's name and version, as results carry it."""
    flag = "-V" if simulator is Simulator.ICARUS else "--version"
    said = subprocess.run([_PROGRAMS[simulator], flag], capture_output=True, text=True, timeout=60, check=False).stdout
    match = re.search(r"(Icarus Verilog version|Verilator)\s+([\w.]+)", said)
    return f"{match[1].removesuffix(' version')} {match[2]}" if match else _PROGRAMS[simulator]


def simulate(
    project: Project,
    simulator: Simulator | None = None,
    *,
    sources: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
    timeout_s: float = 600.0,
) -> Simulation:
    """Return the verdict of the project's own testbench.

    Args:
        project: sources, testbench and vectors.
        simulator: None for the first one installed.
        sources: other texts of the same top module, for example a mapped netlist with its cells; None for the project's RTL.
        arguments: what the testbench is told, for example `+stall=30`.
        timeout_s: seconds until the simulator is ended.

    Raises:
        ToolMissingError: the simulator is not installed.
        HawxError: it refused the sources, ran out of time, or gave no verdict.
    """
    chosen = simulator or next(iter(available()), Simulator.ICARUS)
    if shutil.which(_PROGRAMS[chosen]) is None:
        raise ToolMissingError(f"{_PROGRAMS[chosen]} is not installed; run `apt install iverilog` or `apt install verilator`.")
    texts = {**(project.sources if sources is None else sources), **project.bench}
    verilog = [name for name in texts if name.endswith((".sv", ".v"))]
    with tempfile.TemporaryDirectory(prefix="hawx-simulation-") as folder:
        write_files(texts, Path(folder))
        start = time.perf_counter()
        if chosen is Simulator.ICARUS:
            _run(["iverilog", "-g2012", "-s", "testbench", "-o", "simulation", *verilog], folder, timeout_s, "compile")
            log = _run(["vvp", "-n", "simulation", *arguments], folder, timeout_s, "run")
        else:
            options = [
                "--binary",
                "--timing",
                "-Wno-fatal",
                "-Wno-lint",
                "-CFLAGS",
                "-O0",
                "--top-module",
                "testbench",
                "-Mdir",
                "build",
                "-o",
                "simulation",
            ]
            _run(["verilator", *options, *verilog], folder, timeout_s, "compile")
            log = _run(["./build/simulation", *arguments], folder, timeout_s, "run")
        seconds = time.perf_counter() - start
    match = re.search(r"^(?:PASS (\d+)|FAIL \d+ of (\d+)) comparisons", log, re.MULTILINE)
    if match is None:
        raise HawxError(f"{version(chosen)} gave no verdict; its log ends: {log.strip()[-300:]!r}")
    return Simulation(passed=match[1] is not None, comparisons=int(match[1] or match[2]), log=log, tool=version(chosen), seconds=seconds)


def write_files(texts: Mapping[str, str], folder: Path) -> list[Path]:
    """Write texts under their names into `folder`; return the paths.

    Raises:
        InputError: a name is not a plain file name.
    """
    paths = []
    for name, text in texts.items():
        if _FILE.fullmatch(name) is None:
            raise InputError(f"file name {name!r} is not usable; expected letters, digits and '_' with .v, .sv or .hex.")
        path = folder / name
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


def _run(command: list[str], folder: str, timeout_s: float, what: str) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise HawxError(
            f"{command[0]} did not {what} the testbench within {timeout_s:g} s; simulate fewer pixels or images, or give it more time."
        ) from error
    if done.returncode != 0:
        raise HawxError(f"{command[0]} cannot {what} the testbench; its log ends: {(done.stdout + done.stderr).strip()[-600:]!r}")
    return done.stdout + done.stderr
