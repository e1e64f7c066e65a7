"""`hawx export`: a design's network as ONNX in QDQ form, or as safetensors."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from hawx.cli.commands.evaluate import check_tables, settings_of
from hawx.cli.console import out, print_json
from hawx.cli.inputs import load_library, load_network, network_of_design
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
    parser.add_argument("design", metavar="DESIGN.json|RUN|RUN#ID", help="a design file, the design that a run puts forward, or one of its designs")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write: .onnx, or .safetensors as HAWX reads it")
    add_json(parser)
    add_settings(parser, ExploreSettings, USED)


def run(arguments: Namespace) -> int:
    """Load the design's network and write it."""
    file: Path = arguments.out
    if file.suffix not in ENDINGS:
        raise InputError(f"--out {str(file)!r} has an unknown ending; expected {' or '.join(ENDINGS)}.")
    from hawx.cli.display import display
    from hawx.store.design import load_design

    saved = load_design(arguments.design)
    settings = settings_of(saved, arguments)
    with display(quiet=arguments.json) as progress:
        progress.stage("load")
        from hawx.designs import Assignment
        from hawx.exporters import export_onnx
        from hawx.importers.networks import save_network

        library = load_library(settings)
        loaded = load_network(settings, library)
        check_tables(saved, library)
        assignment = Assignment.from_dict(saved.assignment, loaded.network.filters, library.names)
        network = network_of_design(saved, loaded, settings, library).on(assignment.labels(library.hashes))
        progress.stage("write")
        if file.suffix == ".onnx":
            export_onnx(network, file)
        else:
            save_network(network, file)
    facts = {"design": assignment.id, "network": network.name, "file": str(file), "bytes": file.stat().st_size}
    if arguments.json:
        print_json(facts)
    else:
        out("", f"design {assignment.id} of {network.name}: {file} ({facts['bytes']:,} bytes)")
    return 0
