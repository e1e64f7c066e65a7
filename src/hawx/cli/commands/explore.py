"""`hawx explore`: from settings to a front, a report and a run folder."""

from __future__ import annotations

import textwrap
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from hawx.cli.console import out, print_json, width
from hawx.cli.folder import MEASUREMENTS, SETTINGS, begun, check, default_folder
from hawx.cli.inputs import load_library, load_network, settings_from, split_sizes
from hawx.cli.parser import Commands, add_command, add_json, add_settings
from hawx.errors import GoalError, InputError
from hawx.settings import ExploreSettings

if TYPE_CHECKING:
    from hawx.results.result import Result


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "explore", run, "find which block goes where: a measured front, a report and a run folder")
    parser.add_argument("target", nargs="?", metavar="SETTINGS.toml|NETWORK", help="settings to start from, or a network [default: lenet5]")
    parser.add_argument("--out", type=Path, metavar="DIR", help="run folder, new or empty [default: runs/NETWORK-GRANULARITY-TIME]")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out; nothing is measured twice")
    add_json(parser)
    add_settings(parser, ExploreSettings)


def run(arguments: Namespace) -> int:
    """Explore, write the run folder, print the front."""
    if arguments.resume and arguments.out is None:
        raise InputError("--resume needs --out DIR: which run should go on?")
    kept = arguments.out / SETTINGS if arguments.resume and (arguments.out / SETTINGS).exists() else None
    settings = settings_from(arguments, kept)
    folder: Path = arguments.out or default_folder(settings)
    split_sizes(settings)
    check(folder, settings, resume=arguments.resume)
    try:
        result = explore(settings, folder, resume=arguments.resume, quiet=arguments.json)
    except KeyboardInterrupt as stop:
        going = (folder / SETTINGS).exists()
        raise type(stop)(f"what was measured is kept. Continue with: hawx explore --resume --out {folder}" if going else "") from None
    report(result, folder, as_json=arguments.json)
    misfit = result.misfit()
    if misfit is not None:
        raise GoalError(f"{misfit} The front is in {folder}.")
    if settings.max_drop is not None:
        try:
            result.best(settings.max_drop)
        except GoalError as error:
            raise GoalError(f"{error} The front is in {folder}.") from None
    return 0


def explore(settings: ExploreSettings, folder: Path, *, resume: bool = False, quiet: bool) -> Result:
    """Run one exploration, or go on with the one in `folder`; measurements are kept there, and the result."""
    from hawx import __version__
    from hawx.display import display
    from hawx.execution import runner_for

    with display(quiet=quiet) as progress, runner_for(jobs=settings.jobs, dask=settings.dask, note=progress.note) as runner:
        progress.stage("load")  # while workers begin to start
        from hawx.accelerators import technology_of
        from hawx.emulate import use_machine
        from hawx.execution.resources import default_kept
        from hawx.flow import explore as explore_network
        from hawx.importers.accelerator import load_accelerator
        from hawx.store import SqliteStore, save_run
        from hawx.store.inputs import inputs_of
        from hawx.store.kernel_costs import timed_machine

        accelerator = load_accelerator(settings.accelerator)
        library = load_library(settings).in_technology(technology_of(accelerator))
        library.costs()  # says which block has no figures, before anything long begins
        loaded = load_network(settings, library)
        search_images, report_images = split_sizes(settings)
        kept = default_kept() if settings.memory is None else int(settings.memory * 1e9)
        use_machine(timed_machine(memory_bytes=kept))  # which kernel is fastest here: measured in about a second, once per machine
        inputs = inputs_of(loaded.network, library, accelerator, loaded.data, loaded.calibration, __version__)
        with begun(folder, settings, inputs, resume=resume), SqliteStore(folder / MEASUREMENTS, progress.note) as store:
            result = explore_network(
                loaded.network,
                library,
                accelerator,
                loaded.data.images,
                loaded.data.labels,
                granularity=settings.granularity,
                objectives=settings.objectives,
                searcher=settings.searcher,
                max_drop=settings.max_drop,
                budget=settings.budget,
                layers=settings.layers or None,
                search_images=search_images,
                report_images=report_images,
                recover=settings.recover,
                calibration=loaded.calibration.images,
                seed=settings.seed,
                store=store,
                runner=runner,
                progress=progress,
                settings=asdict(settings),
            )
            save_run(result, folder)
    return result


def report(result: Result, folder: Path, *, as_json: bool) -> None:
    """Print the outcome of a run."""
    from hawx.cli.front import front_lines, recommended_lines
    from hawx.report.page import space_size
    from hawx.results.quantities import seconds
    from hawx.results.recommendation import doubts, optimism_words, recommend, recovery_words

    if as_json:
        print_json(result.to_dict())
        return
    recommended, base, effort = recommend(result), result.baseline, result.effort
    sentences = (doubts(result, recommended) if recommended else None, recovery_words(result), optimism_words(result))
    said = [words for words in sentences if words]
    float_top1 = "" if base.float_top1 is None else f"float {base.float_top1:.2f} %, "
    out(
        "",
        f"{result.network['name']} ({float_top1}int8 {base.int8_top1:.2f} % measured), {result.granularity} level, "
        f"{len(result.library['blocks'])} blocks, {space_size(result.space_log10)} designs",
        f"{effort.evaluations} designs measured in the search, {effort.evaluation_equivalents:.1f} evaluation-equivalents of other work, "
        f"{seconds(effort.wall_s)}",
        "",
        *front_lines(result, recommended),
        "",
        *recommended_lines(result, recommended),
        "",
        *(line for words in said for line in (*textwrap.wrap(words, width()), "")),
        f"report   {folder / 'report.html'}",
        f"design   {folder / 'design.json'}",
        f"again    hawx explore {folder / SETTINGS} --out ANOTHER-FOLDER",
    )
