"""`hawx evaluate`: measure one design bit-exactly."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from hawx.cli.console import out, print_json
from hawx.cli.designs import add_design, load_inputs
from hawx.cli.inputs import split_sizes
from hawx.cli.parser import Commands, add_command, add_json, add_settings
from hawx.settings import ExploreSettings

USED = ("network", "weights", "data", "library", "blocks", "images", "search_images", "report_images", "recover", "seed")


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "evaluate", run, "measure one design bit-exactly on the report images")
    add_design(parser)
    add_json(parser)
    add_settings(parser, ExploreSettings, USED)


def run(arguments: Namespace) -> int:
    """Measure the design and the all-exact one on the same images, and print both."""
    from hawx.display import display

    with display(quiet=arguments.json) as progress:
        progress.stage("load")
        from hawx.flow import evaluate
        from hawx.verify import split_images

        inputs = load_inputs(arguments)
        exact, settings = inputs.loaded.network, inputs.settings
        _, images, _ = split_images(inputs.loaded.data, *split_sizes(settings), seed=settings.seed)
        progress.stage("measure", 1)
        found = evaluate(inputs.network, inputs.library, inputs.assignment, images.images, images.labels, against=exact)
        progress.advance()
    facts: dict[str, Any] = {
        "id": inputs.assignment.id,
        "network": exact.name,
        "measurement": found.to_dict(),
        "int8_top1": found.reference_top1,
        "drop": found.drop,
    }
    if arguments.json:
        print_json(facts)
        return 0
    low, high = found.interval
    least, most = found.drop_interval or (float("nan"), float("nan"))
    out("", f"design {inputs.assignment.id} of {exact.name}, {found.images} report images")
    out(f"top-1   {found.top1:.2f} %  [{low:.2f}, {high:.2f}] measured, 95 % interval")
    out(
        f"int8    {found.reference_top1 or 0.0:.2f} %  measured, all blocks exact",
        f"lost    {found.drop or 0.0:z.2f} points  [{least:z.2f}, {most:z.2f}] measured, 95 % interval, paired",
    )
    return 0
