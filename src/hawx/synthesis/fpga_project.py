"""Synthesize a whole RTL project for an FPGA family: its lookup tables, carry cells, flip-flops and DSP blocks."""

from __future__ import annotations

import json

from hawx.rtl import RtlProject
from hawx.synthesis import yosys
from hawx.synthesis.fpga_families import family_of, mapping_commands
from hawx.synthesis.fpga_resources import DONE, Resources, resources
from hawx.synthesis.project import read_commands


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
    lines = [*read_commands(project), f"{chosen.synth} -top {project.top} -run begin:map_luts", *mapping_commands(chosen, project.top)["choices"]]
    lines += [*DONE, "write_json mapped.json"]
    files: dict[str, str | bytes] = {**project.sources}
    written = yosys.run("\n".join(lines) + "\n", files, ["mapped.json"], source=project.top, timeout_s=timeout_s)
    return resources(json.loads(written["mapped.json"])["modules"][project.top])
