"""`hawx evaluate`: measure one design bit-exactly."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hawx.cli.console import out, print_json
from hawx.cli.inputs import load_library, load_network, network_of_design, settings_from, split_sizes
from hawx.cli.parser import Commands, add_command, add_json, add_settings, given
from hawx.errors import InputError
from hawx.settings import ExploreSettings, from_values

if TYPE_CHECKING:
    from hawx.blocks import Library
    from hawx.store.design import SavedDesign

USED = ("network", "weights", "data", "library", "blocks", "images", "search_images", "report_images", "recover", "seed")


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "evaluate", run, "measure one design bit-exactly on the report images")
    parser.add_argument("design", metavar="DESIGN.json|RUN|RUN#ID", help="a design file, the design that a run puts forward, or one of its designs")
    add_json(parser)
    add_settings(parser, ExploreSettings, USED)


def run(arguments: Namespace) -> int:
    """Measure the design and the all-exact one on the same images, and print both."""
    from hawx.cli.display import display
    from hawx.store.design import load_design

    saved = load_design(arguments.design)
    settings = settings_of(saved, arguments)
    with display(quiet=arguments.json) as progress:
        progress.stage("load")
        from hawx.designs import Assignment
        from hawx.flow import evaluate
        from hawx.networks import Dataset
        from hawx.verify import split_images

        library = load_library(settings)
        loaded = load_network(settings, library)
        dataset = loaded.data
        check_tables(saved, library)
        network = network_of_design(saved, loaded, settings, library)
        assignment = Assignment.from_dict(saved.assignment, network.filters, library.names)
        data = Dataset("images", dataset.images, dataset.labels, network.classes)
        _, images, _ = split_images(data, *split_sizes(settings), seed=settings.seed)
        exact = Assignment.uniform(network.filters, library.names, library.exact.name)
        progress.stage("measure", 2)
        base = evaluate(loaded.network, library, exact, images.images, images.labels)
        progress.advance()
        found = evaluate(network, library, assignment, images.images, images.labels, against=loaded.network)
        progress.advance()
    facts: dict[str, Any] = {
        "id": assignment.id,
        "network": network.name,
        "measurement": found.to_dict(),
        "int8_top1": base.top1,
        "drop": found.drop,
    }
    if arguments.json:
        print_json(facts)
        return 0
    low, high = found.interval
    least, most = found.drop_interval or (float("nan"), float("nan"))
    out("", f"design {assignment.id} of {network.name}, {found.images} report images")
    out(f"top-1   {found.top1:.2f} %  [{low:.2f}, {high:.2f}] measured, 95 % interval")
    out(
        f"int8    {base.top1:.2f} %  measured, all blocks exact",
        f"lost    {found.drop or 0.0:z.2f} points  [{least:z.2f}, {most:z.2f}] measured, 95 % interval, paired",
    )
    return 0


def settings_of(saved: SavedDesign, arguments: Namespace) -> ExploreSettings:
    """Return the settings of the run that found the design, overruled by flags."""
    if not saved.settings:
        return settings_from(arguments)
    kept = {"recover": "none", **{key: value for key, value in saved.settings.items() if value is not None}}  # runs before it existed say nothing
    return from_values(ExploreSettings, {**kept, **given(arguments, ExploreSettings)}, f"settings in {saved.source}")


def check_tables(saved: SavedDesign, library: Library) -> None:
    """Raise `InputError` when a block of the design is another circuit than the one of the same name that its run had."""
    for block in library:
        expected = saved.library.get(block.name)
        if expected is not None and expected != block.sha256:
            raise InputError(
                f"block {block.name!r} is another circuit (sha256 {block.sha256[:10]}) than the one that design {Path(saved.source).name!r} "
                f"was found with ({expected[:10]}); names change between releases. Give the library of that run with --library."
            )
