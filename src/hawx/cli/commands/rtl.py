"""`hawx rtl`: SystemVerilog of a design with a self-checking testbench, optionally simulated and synthesized."""

from __future__ import annotations

from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hawx.cli.console import out, print_json
from hawx.cli.designs import add_design, load_inputs
from hawx.cli.parser import Commands, add_command, add_json, add_settings
from hawx.errors import HawxError, InputError
from hawx.settings import ExploreSettings

if TYPE_CHECKING:
    from hawx.rtl import RtlProject

USED = ("network", "weights", "data", "preprocessing", "accelerator", "library", "blocks", "recover", "seed")


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "rtl", run, "write the SystemVerilog of a design, with a testbench driven by the network's own operands")
    add_design(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for sources, testbench and vectors, new or empty")
    parser.add_argument(
        "--layer", metavar="NAME", help="layer that the testbench computes, and whose lanes a spatial design has [default: the first]"
    )
    parser.add_argument("--pixels", type=int, default=16, metavar="N", help="output positions that the testbench checks [default: 16]")
    parser.add_argument("--simulate", action="store_true", help="run the testbench with Icarus Verilog or Verilator")
    parser.add_argument("--synthesize", action="store_true", help="map it with Yosys: area, delay, gates")
    parser.add_argument(
        "--liberty",
        metavar="NAME|FILE.lib",
        help="cell library to map to: sky130hd, osu018 or a Liberty file [default: that of the design's figures]",
    )
    add_json(parser)
    add_settings(parser, ExploreSettings, USED)


def run(arguments: Namespace) -> int:
    """Write the project; simulate and synthesize it if asked for."""
    folder: Path = arguments.out
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"folder {str(folder)!r} is not empty; expected a new or empty folder. Choose another --out.")
    if arguments.pixels < 1:
        raise InputError(f"--pixels {arguments.pixels} cannot be used; expected a whole number of at least 1.")
    from hawx.display import display
    from hawx.simulators import simulate, write_files

    with display(quiet=arguments.json) as progress:
        progress.stage("load")
        project, layer, design, technology = make_project(arguments)
        progress.stage("write")
        folder.mkdir(parents=True, exist_ok=True)
        files = write_files({**project.sources, **project.bench}, folder)
        facts: dict[str, Any] = {"design": design, "layer": layer, "top": project.top, "files": [str(path) for path in files]}
        if arguments.simulate:
            progress.stage("simulate")
            seen = simulate(project)
            facts["simulation"] = {"passed": seen.passed, "comparisons": seen.comparisons, "tool": seen.tool, "seconds": seen.seconds}
        if arguments.synthesize:
            progress.stage("synthesize")
            facts["synthesis"] = _synthesized(project, arguments.liberty, technology)
    if arguments.json:
        print_json(facts)
    else:
        out(f"design {design}, layer {layer}: {len(files)} files in {folder}, top module {project.top}")
        if "simulation" in facts:
            s = facts["simulation"]
            out(f"simulation  {'passed' if s['passed'] else 'FAILED'}: {s['comparisons']} comparisons, {s['tool']}, {s['seconds']:.1f} s")
        if "synthesis" in facts:
            out(
                "synthesis   "
                + ", ".join(f"{key} {value:.6g}" if isinstance(value, float) else f"{key} {value}" for key, value in facts["synthesis"].items())
            )
    if arguments.simulate and not facts["simulation"]["passed"]:
        raise HawxError(
            f"the RTL of design {design} differs from the emulator on layer {layer!r}; please report it with the files in {str(folder)!r}."
        )
    return 0


def make_project(arguments: Namespace) -> tuple[RtlProject, str, str, str | None]:
    """Return the project, the name of its layer, the design's id and the technology of the blocks' figures."""
    from hawx.emulate import BlockExecutor
    from hawx.importers.accelerator import load_accelerator
    from hawx.importers.multiplier import find_multiplier
    from hawx.rtl import design_project, layer_vectors

    inputs = load_inputs(arguments)
    settings, library, assignment = inputs.settings, inputs.library, inputs.assignment
    accelerator = load_accelerator(settings.accelerator)
    network = inputs.network.on(assignment.labels(library.hashes))
    layer = arguments.layer if arguments.layer is not None else network.layers[0].name
    vectors = layer_vectors(network, layer, inputs.loaded.data.images[:2], BlockExecutor(library, assignment), pixels=arguments.pixels)
    find = partial(find_multiplier, sources=settings.library)
    project = design_project(network.layers, library, assignment, accelerator, layer, vectors, find)
    return project, layer, assignment.id, library.technology


def _synthesized(project: RtlProject, liberty: str | None, technology: str | None) -> dict[str, Any]:
    from hawx.synthesis.cells import cell_library, present
    from hawx.synthesis.project import synthesize_project

    found = synthesize_project(project, cell_library(liberty or present(technology)))
    return {
        "area_um2": found.area_um2,
        "delay_ns": found.delay_ns,
        "leakage_nw": found.leakage_nw,
        "gates": found.gates,
        "flip_flops": found.flip_flops,
        "technology": found.technology,
        "tool": found.tool,
    }
