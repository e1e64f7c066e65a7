"""Inputs of a command: what the settings name, loaded. The order is cheap first, so that bad input is told early."""

from __future__ import annotations

import logging
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hawx.cli.parser import given
from hawx.errors import InputError
from hawx.settings import ExploreSettings, from_values, read_values
from hawx.settings.paths import anchored

if TYPE_CHECKING:
    from hawx.blocks import Library
    from hawx.importers.networks import Loaded
    from hawx.networks import Preprocessing

CALIBRATION_IMAGES = 256
"""Images that fix the ranges of a network that is quantized here."""


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
    return {key: value for key, value in asdict(settings).items() if value is not None}


def load_library(settings: ExploreSettings) -> Library:
    """Return the library that the settings name, reduced to the chosen blocks."""
    from hawx.importers import Library

    library = Library.load(*settings.library)
    return library.select(settings.blocks) if settings.blocks else library


def load_network(settings: ExploreSettings, library: Library) -> Loaded:
    """Return the network, its activations in the format of the library's first operand, and the images to work with."""
    # What torch tells its own developers on import is not for the users of a command.
    logging.getLogger("torch").setLevel(logging.ERROR)
    from hawx.importers.networks import load_with_data

    return load_with_data(
        settings.network,
        weights=settings.weights,
        data=settings.data,
        preprocessing=None if settings.preprocessing is None else _preprocessing(settings.preprocessing),
        calibration_images=CALIBRATION_IMAGES,
        limit=None if settings.images is None else settings.images + CALIBRATION_IMAGES,
        activations=library.formats[0].name,
        seed=settings.seed,
    )


def _preprocessing(text: str) -> Preprocessing:
    """Return what `--preprocessing` names: `NAME`, or `MEAN,…/STD,…`."""
    from hawx.networks import Preprocessing, zoo

    if "/" not in text:
        return zoo.describe(text).preprocessing
    try:
        mean, std = (tuple(float(part) for part in side.split(",")) for side in text.split("/"))
        if len(mean) != len(std) or min(std) <= 0:
            raise ValueError
    except ValueError:
        raise InputError(
            f"--preprocessing {text!r} cannot be used; expected a zoo network's name, or as many means as positive standard deviations, "
            "such as 0.5,0.5,0.5/0.25,0.25,0.25."
        ) from None
    return Preprocessing(mean=mean, std=std)


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
