"""`hawx score`: how much each layer suffers from each block, before any search."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from hawx.cli.console import out, print_json, table, width
from hawx.cli.inputs import load_library, load_network, settings_from, split_sizes
from hawx.cli.parser import Commands, add_command, add_json, add_settings
from hawx.errors import printable
from hawx.settings import ExploreSettings

if TYPE_CHECKING:
    from hawx.score.scores import Scores

USED = ("network", "weights", "data", "granularity", "layers", "library", "blocks", "images", "search_images", "report_images", "recover", "seed")


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "score", run, "score every layer (or filter) under every block, without a search")
    parser.add_argument("target", nargs="?", metavar="SETTINGS.toml|NETWORK", help="settings to start from, or a network [default: lenet5]")
    parser.add_argument("--out", type=Path, metavar="FILE.csv", help="save all scores as CSV")
    add_json(parser)
    add_settings(parser, ExploreSettings, USED)


def run(arguments: Namespace) -> int:
    """Score on the images that `hawx explore` would search on, print a table, save the rest."""
    settings = settings_from(arguments)
    from hawx.display import display

    with display(quiet=arguments.json) as progress:
        progress.stage("load")
        from hawx.flow import score
        from hawx.networks import Dataset
        from hawx.store.scores import save_scores
        from hawx.verify import split_images

        library = load_library(settings)
        loaded = load_network(settings, library)
        network, dataset = loaded.network, loaded.data
        data = Dataset("images", dataset.images, dataset.labels, network.classes)
        search, *_ = split_images(data, *split_sizes(settings), seed=settings.seed)
        scores = score(
            network,
            library,
            search.images,
            search.labels,
            granularity=settings.granularity,
            layers=settings.layers or None,
            recover=settings.recover,
            calibration=loaded.calibration.images,
            seed=settings.seed,
            progress=progress,
        )
    if arguments.out is not None:
        save_scores(scores, arguments.out)
    if arguments.json:
        print_json({"network": network.name, "images": scores.images, "scores": list(scores.rows())})
        return 0
    out("", *score_lines(scores))
    if arguments.out is not None:
        out("", f"all scores {arguments.out}")
    return 0


def score_lines(scores: Scores) -> list[str]:
    """Return the points of top-1 lost per block (rows) and layer (columns), in as many tables as the width needs."""
    lines = [f"Points of top-1 lost on {scores.images} scoring images when one layer alone uses one block (measured, bit-exact)", ""]
    first = max(map(len, scores.blocks))
    each = max(7, *(len(layer) for layer in scores.layers)) + 2
    step = max(1, (width() - first) // each)
    for start in range(0, len(scores.layers), step):
        columns = range(start, min(start + step, len(scores.layers)))
        rows = [[block, *(f"{scores.layer_drop[i, b]:z.2f}" for i in columns)] for b, block in enumerate(scores.blocks)]
        lines += [*table(["block", *(printable(scores.layers[i]) for i in columns)], rows), ""]
    return lines[:-1]
