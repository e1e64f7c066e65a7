"""`hawx rtl`: SystemVerilog of a design with a self-checking testbench, optionally simulated and synthesized."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hawx.cli.console import out, print_json
from hawx.cli.designs import DesignInputs, add_design, load_inputs
from hawx.cli.parser import Commands, add_command, add_json, add_settings
from hawx.errors import HawxError, InputError, UnknownNameError
from hawx.settings import ExploreSettings

if TYPE_CHECKING:
    from hawx.rtl import RtlProject
    from hawx.simulators import Simulator

PATIENCE_S = 7200.0
"""Seconds that a simulator may take: building a network's model takes minutes."""
USED = ("network", "weights", "data", "preprocessing", "accelerator", "library", "blocks", "recover", "seed")


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "rtl", run, "write the SystemVerilog of a design, with a testbench driven by the network's own operands")
    add_design(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for sources, testbench and vectors, new or empty")
    parser.add_argument(
        "--layer", metavar="NAME", help="layer that the testbench computes, and whose lanes a spatial design has [default: the first]"
    )
    parser.add_argument("--all-layers", action="store_true", help="a whole spatial design, from pixels to class scores, between two AXI-Streams")
    parser.add_argument("--streams", action="store_true", help="two AXI-Streams around the lanes or the array; what is where stands in the text")
    parser.add_argument(
        "--images", dest="shown", type=int, default=2, metavar="N", help="images that the testbench of --all-layers runs [default: 2]"
    )  # not the setting of this name
    parser.add_argument("--pixels", type=int, default=16, metavar="N", help="output positions that the testbench checks [default: 16]")
    parser.add_argument("--simulate", action="store_true", help="run the testbench with Icarus Verilog or Verilator")
    parser.add_argument("--simulator", metavar="icarus|verilator", help="which of them [default: the first one installed]")
    parser.add_argument(
        "--stall",
        type=int,
        nargs=2,
        default=(0, 0),
        metavar=("IN", "OUT"),
        help="of 100 cycles, those in which source and sink of streams wait [default: 0 0]",
    )
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
    _check(arguments, folder)
    from hawx.display import display
    from hawx.rtl.stream_bench import cycles_seen, images_equal
    from hawx.simulators import simulate, write_files

    simulator = _simulator(arguments)
    with display(quiet=arguments.json) as progress:
        progress.stage("load")
        inputs = load_inputs(arguments)
        made = _whole(inputs, arguments.shown) if arguments.all_layers else _layer(inputs, arguments.layer, arguments.pixels, arguments.streams)
        progress.stage("write")
        folder.mkdir(parents=True, exist_ok=True)
        files = write_files(made.project.files, folder)
        facts: dict[str, Any] = {"design": inputs.assignment.id, "layer": made.layer, "top": made.project.top, "files": [str(path) for path in files]}
        if arguments.simulate:
            progress.stage("simulate")
            waits = [f"+stall_{side}={percent}" for side, percent in zip(("in", "out"), arguments.stall, strict=True)]
            seen = simulate(made.project, simulator, arguments=waits, timeout_s=PATIENCE_S)
            facts["simulation"] = {"passed": seen.passed, "comparisons": seen.comparisons, "tool": seen.tool, "seconds": seen.seconds}
            if arguments.all_layers:
                facts["simulation"] |= {"images_equal": images_equal(seen.log), **cycles_seen(seen.log)}
        if arguments.synthesize:
            progress.stage("synthesize")
            facts["synthesis"] = _synthesized(made.project, arguments.liberty, inputs.library.technology)
    if arguments.json:
        print_json(facts)
    else:
        _print(facts, made, folder)
    if arguments.simulate and not facts["simulation"]["passed"]:
        raise HawxError(
            f"the RTL of design {facts['design']} differs from the emulator on {made.what}; please report it with the files in {str(folder)!r}."
        )
    return 0


def _check(arguments: Namespace, folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"folder {str(folder)!r} is not empty; expected a new or empty folder. Choose another --out.")
    for option, count in (("pixels", arguments.pixels), ("images", arguments.shown)):
        if count < 1:
            raise InputError(f"--{option} {count} cannot be used; expected a whole number of at least 1.")
    if not all(0 <= percent < 100 for percent in arguments.stall):
        raise InputError(f"--stall {' '.join(map(str, arguments.stall))} cannot be used; expected two whole numbers from 0 to 99.")
    if (arguments.all_layers or arguments.synthesize) and arguments.streams:
        other = "--all-layers, which has streams" if arguments.all_layers else "--synthesize, which measures what stands between them"
        raise InputError(f"--streams does not go with {other}; leave one of them out.")
    if arguments.all_layers and arguments.layer is not None:
        raise InputError("--layer does not go with --all-layers; leave one of them out.")
    if arguments.all_layers and arguments.synthesize:
        raise InputError("--synthesize does not go with --all-layers, whose folder has `make synthesize`; leave one of them out.")


def _simulator(arguments: Namespace) -> Simulator | None:
    from hawx.simulators import Simulator

    if arguments.simulator is None:
        return None
    if arguments.simulator not in list(Simulator):
        raise UnknownNameError("simulator", arguments.simulator, [simulator.value for simulator in Simulator])
    return Simulator(arguments.simulator)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Made:
    """What was made of a design."""

    project: Any
    """An `RtlProject` or a `NetworkProject`."""
    layer: str | None
    what: str


def _whole(inputs: DesignInputs, images: int) -> _Made:
    from hawx.emulate import BlockExecutor
    from hawx.importers.accelerator import load_accelerator
    from hawx.importers.multiplier import find_multiplier
    from hawx.rtl import network_project, network_rtl

    library, assignment = inputs.library, inputs.assignment
    network = inputs.network.on(assignment.labels(library.hashes))
    find = partial(find_multiplier, sources=inputs.settings.library)
    rtl = network_rtl(network, library, assignment, load_accelerator(inputs.settings.accelerator), find)
    project = network_project(rtl, network, inputs.loaded.data.images[:images], BlockExecutor(library, assignment))
    return _Made(project=project, layer=None, what=f"{project.images} images")


def _layer(inputs: DesignInputs, name: str | None, pixels: int, streams: bool) -> _Made:
    from hawx.emulate import BlockExecutor
    from hawx.importers.accelerator import load_accelerator
    from hawx.importers.multiplier import find_multiplier
    from hawx.rtl import design_project, layer_vectors, stream_project

    settings, library, assignment = inputs.settings, inputs.library, inputs.assignment
    accelerator = load_accelerator(settings.accelerator)
    network = inputs.network.on(assignment.labels(library.hashes))
    layer = name if name is not None else network.layers[0].name
    vectors = layer_vectors(network, layer, inputs.loaded.data.images[:2], BlockExecutor(library, assignment), pixels=pixels)
    find = partial(find_multiplier, sources=settings.library)
    project = design_project(network.layers, library, assignment, accelerator, layer, vectors, find)
    return _Made(project=stream_project(project) if streams else project, layer=layer, what=f"layer {layer!r}")


def _print(facts: dict[str, Any], made: _Made, folder: Path) -> None:
    what = "all layers" if made.layer is None else f"layer {made.layer}"
    out(f"design {facts['design']}, {what}: {len(facts['files'])} files in {folder}, top module {facts['top']}")
    if made.layer is None:
        out(f"cycles      {made.project.rtl.schedule.interval} from image to image, by the accelerator's law")
    if "simulation" in facts:
        s = facts["simulation"]
        out(f"simulation  {'passed' if s['passed'] else 'FAILED'}: {s['comparisons']} comparisons, {s['tool']}, {s['seconds']:.1f} s")
        if made.layer is None:
            out(f"            {s['images_equal']} of {made.project.images} images have the emulator's scores to the bit")
            out(f"            {s['first_image_cycles']} cycles for the first image, then {s['least_interval_cycles']} to {s['most_interval_cycles']}")
    if "synthesis" in facts:
        out(
            "synthesis   "
            + ", ".join(f"{key} {value:.6g}" if isinstance(value, float) else f"{key} {value}" for key, value in facts["synthesis"].items())
        )


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
