"""Synthesize a whole RTL project for an FPGA family: its lookup tables, carry cells, flip-flops and DSP blocks."""

from __future__ import annotations

import json

from hawx.circuits.ports import check_module_name
from hawx.errors import InputError
from hawx.rtl import RtlProject
from hawx.synthesis import yosys
from hawx.synthesis.fpga_families import family_of, mapping_commands
from hawx.synthesis.fpga_resources import DONE, Resources, resources


def project_resources(project: RtlProject, family: str, *, timeout_s: float = 1800.0) -> Resources:
    """Return what a flattened design takes of an FPGA family, mapped like single multipliers are (`choices`).

    Args:
        project: RTL with its top module and lanes.
        family: one of `FAMILIES`.
        timeout_s: seconds until Yosys is ended.

    Raises:
        InputError: the design holds a table instead of a circuit.
        UnknownNameError: no such family.
        ToolMissingError: there is no Yosys.
    """
    chosen = family_of(family)
    if not project.is_synthesizable:
        raise InputError(f"design {project.top!r} holds a block known only by its table; expected Verilog for every block. Import it from a .v file.")
    for name in (*project.sources, project.top):
        check_module_name(name.removesuffix(".sv"))
    lines = [f"read_verilog -sv {name}" for name in project.sources]
    lines += [f"{chosen.synth} -top {project.top} -run begin:map_luts", *mapping_commands(chosen, project.top)["choices"]]
    lines += [*DONE, "write_json mapped.json"]
    files: dict[str, str | bytes] = {**project.sources}
    written = yosys.run("\n".join(lines) + "\n", files, ["mapped.json"], source=project.top, timeout_s=timeout_s)
    return resources(json.loads(written["mapped.json"])["modules"][project.top])
