"""`hawx doctor`: what this machine has, and whether the arithmetic is right on it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from argparse import Namespace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from hawx.cli.console import out, print_json
from hawx.cli.parser import Commands, add_command, add_json

REQUIRED = ("hawx", "numpy", "torch", "torchao", "safetensors", "scipy", "rich", "tomli-w")
OPTIONAL = {"onnx": "hawx[onnx]", "pyosys": "hawx[eda]", "pymoo": "hawx[search]", "distributed": "hawx[dask]", "pillow": "hawx[images]"}
PROGRAMS = {"verilator": "RTL simulation", "iverilog": "RTL simulation", "ghdl": "circuits in VHDL"}


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    add_json(add_command(commands, "doctor", run, "check this machine: versions, kernels, tools, and the arithmetic itself"))


def run(arguments: Namespace) -> int:
    """Print the findings; status 2 if something that HAWX needs is missing or wrong."""
    facts = examine()
    if arguments.json:
        print_json(facts)
        return 0 if facts["healthy"] else 2
    out(f"hawx {facts['packages']['hawx'] or 'not installed'}, Python {facts['python']}, {facts['system']}")
    out(f"processor   {facts['processor']}, {facts['cpus']} CPUs, {facts['threads']} threads, int8 GEMM {facts['arithmetic']}")
    out(f"kernels     {facts['kernels']}")
    out("needed      " + ", ".join(f"{name} {found or 'MISSING'}" for name, found in facts["packages"].items()))
    for name, extra in OPTIONAL.items():
        found = facts["optional"][name]
        out(f"optional    {name} {found}" if found else f"optional    {name} is absent: pip install '{extra}'")
    for name, purpose in PROGRAMS.items():
        out(f"tool        {name}: {facts['programs'][name] or f'absent (only for {purpose})'}")
    out(f"self-check  {facts['self_check']}", "all is well" if facts["healthy"] else "something is wrong: see above")
    return 0 if facts["healthy"] else 2


def examine() -> dict[str, Any]:
    """Return the findings as plain values."""
    packages = {name: _version(name) for name in REQUIRED}
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": platform.platform(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "packages": packages,
        "optional": {name: _version(name) for name in OPTIONAL},
        "programs": {name: shutil.which(name) for name in PROGRAMS},
        "threads": None,
        "arithmetic": "unknown",
        "kernels": "not loaded: torch is missing",
        "self_check": "not run: torch is missing",
    }
    if packages["torch"]:
        import torch

        facts["threads"] = torch.get_num_threads()
        facts["arithmetic"] = torch.backends.cpu.get_cpu_capability()
        facts["kernels"], facts["self_check"] = kernels(), check_arithmetic()
    facts["healthy"] = all(packages.values()) and facts["self_check"].startswith("passed") and not facts["kernels"].startswith("MISSING")
    return facts


def kernels() -> str:
    """Return which tier of native kernels is in use, of those that this processor has."""
    from hawx.emulate import active_target, targets
    from hawx.errors import ToolMissingError

    try:
        return f"{active_target()}, of {', '.join(targets())} (HAWX_FORCE_TARGET forces one)"
    except ToolMissingError as error:
        return f"MISSING: {error}"


def check_arithmetic() -> str:
    """Return what a comparison of every engine with the reference says, on a seeded random table and operands."""
    import numpy as np

    from hawx.blocks import Block
    from hawx.blocks.families import builtin_library
    from hawx.emulate import matmul, reference
    from hawx.errors import HawxError

    rng = np.random.default_rng(0)
    codes = np.arange(-128, 128)
    wild = Block.from_table(np.multiply.outer(codes, codes) + rng.integers(-300, 300, (256, 256)), name="random")
    a, w = (rng.integers(-128, 128, shape, dtype=np.int8) for shape in ((9, 25), (5, 25)))
    blocks = [wild, *builtin_library()]
    for block in blocks:
        try:
            found = matmul(a, w, block)
        except HawxError as error:
            return f"FAILED: {error}"
        if not np.array_equal(found, reference.matmul(a, w, [block] * len(w))):
            return f"FAILED: block {block.name} differs from the reference; please report this with `hawx doctor --json`"
    return f"passed: {len(blocks)} blocks equal the reference to the bit"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(from source)" if name == "hawx" and find_spec("hawx") else None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123  not a file of the project
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
