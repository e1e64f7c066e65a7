"""Inputs of a command: what the settings name, loaded. The order is cheap first, so that bad input is told early."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hawx.cli.parser import given
from hawx.errors import InputError
from hawx.settings import ExploreSettings, from_values, read_values
from hawx.settings.paths import anchored

if TYPE_CHECKING:
    from hawx.accelerators import Accelerator
    from hawx.blocks import Library
    from hawx.networks import Dataset, QuantizedNetwork


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What an exploration works on."""

    library: Library
    accelerator: Accelerator
    network: QuantizedNetwork
    dataset: Dataset


def settings_from(arguments: Namespace, kept: Path | None = None) -> ExploreSettings:
    """Return the settings of a command: those of the file (its target, or `kept`), overruled by flags.

    `arguments.target` is a settings file if it ends in `.toml`, else a network.
    """
    target = getattr(arguments, "target", None)
    values: dict[str, Any] = {}
    base, where = Path.cwd(), "command line"
    source = Path(target) if target is not None and target.endswith(".toml") else kept if target is None else None
    if source is not None:
        values, base, where = read_values(source), source.resolve().parent, str(source)
    settings = anchored(from_values(ExploreSettings, values, where), base)
    flags = given(arguments, ExploreSettings)
    if target is not None and source is None:
        if "network" in flags and flags["network"] != target:
            raise InputError(f"--network {flags['network']!r} contradicts the network {target!r}; give one of them.")
        flags["network"] = target
    return anchored(from_values(ExploreSettings, {**_plain(settings), **flags}, where), Path.cwd()) if flags else settings


def _plain(settings: ExploreSettings) -> dict[str, Any]:
    from dataclasses import asdict

    return {key: value for key, value in asdict(settings).items() if value is not None}


def load_library(settings: ExploreSettings) -> Library:
    """Return the library that the settings name, reduced to the chosen blocks."""
    from hawx.blocks import Library

    library = Library.load(*settings.library)
    return library.select(settings.blocks) if settings.blocks else library


def load_inputs(settings: ExploreSettings) -> Inputs:
    """Return everything that the settings name.

    Raises:
        InputError: something is missing or cannot be used; the message names it and the way out.
    """
    from hawx.importers.accelerator import load_accelerator

    library = load_library(settings)
    accelerator = load_accelerator(settings.accelerator)
    network, dataset = load_network(settings)
    return Inputs(library=library, accelerator=accelerator, network=network, dataset=dataset)


def load_network(settings: ExploreSettings) -> tuple[QuantizedNetwork, Dataset]:
    """Return the network and the images to work with."""
    from hawx.importers.networks import load_with_data

    return load_with_data(settings.network, weights=settings.weights, data=settings.data, seed=settings.seed)


def split_sizes(settings: ExploreSettings) -> tuple[int | None, int | None]:
    """Return how many images to search and to report on, None for the default.

    `images` bounds both together; what is not stated is shared as by default.
    """
    search, report = settings.search_images, settings.report_images
    if settings.images is None:
        return search, report
    if search is None and report is None:
        search = min(2000, settings.images // 2)
    if search is None:
        search = settings.images - (report or 0)
    if report is None:
        report = settings.images - search
    if min(search, report) < 1 or search + report > settings.images:
        raise InputError(
            f"--images {settings.images} does not hold {search} search and {report} report images; expected at least their sum, each positive."
        )
    return search, report
