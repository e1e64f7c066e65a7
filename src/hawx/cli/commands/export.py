"""`hawx export`: a design's network as ONNX in QDQ form, or as safetensors."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from hawx.cli.console import out, print_json
from hawx.cli.designs import add_design, load_inputs
from hawx.cli.parser import Commands, add_command, add_json, add_settings
from hawx.errors import InputError
from hawx.settings import ExploreSettings

USED = ("network", "weights", "data", "preprocessing", "library", "blocks", "recover", "seed")
ENDINGS = (".onnx", ".safetensors")


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands, "export", run, "write a design's network, with the codes that the hardware multiplies, as ONNX (QDQ) or safetensors"
    )
    add_design(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write: .onnx, or .safetensors as HAWX reads it")
    add_json(parser)
    add_settings(parser, ExploreSettings, USED)


def run(arguments: Namespace) -> int:
    """Load the design's network and write it."""
    file: Path = arguments.out
    if file.suffix not in ENDINGS:
        raise InputError(f"--out {str(file)!r} has an unknown ending; expected {' or '.join(ENDINGS)}.")
    from hawx.display import display

    with display(quiet=arguments.json) as progress:
        progress.stage("load")
        from hawx.exporters import export_onnx
        from hawx.importers.networks import save_network

        inputs = load_inputs(arguments)
        network = inputs.network.on(inputs.assignment.labels(inputs.library.hashes))
        progress.stage("write")
        if file.suffix == ".onnx":
            export_onnx(network, file)
        else:
            save_network(network, file)
    facts = {"design": inputs.assignment.id, "network": network.name, "file": str(file), "bytes": file.stat().st_size}
    if arguments.json:
        print_json(facts)
    else:
        out("", f"design {inputs.assignment.id} of {network.name}: {file} ({facts['bytes']:,} bytes)")
    return 0
