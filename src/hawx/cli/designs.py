"""Inputs of a command that takes a design: what the design, its run and the flags name, loaded and checked against one another."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hawx.cli.inputs import load_library, load_network, settings_from
from hawx.cli.parser import Parser, given
from hawx.errors import InputError
from hawx.settings import ExploreSettings, from_values

if TYPE_CHECKING:
    from hawx.blocks import Library
    from hawx.designs import Assignment
    from hawx.importers.networks import Loaded
    from hawx.networks import QuantizedNetwork
    from hawx.store.design import SavedDesign


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DesignInputs:
    """A design with all that it needs to run."""

    saved: SavedDesign
    settings: ExploreSettings
    """Of the run that found it, overruled by flags."""
    library: Library
    loaded: Loaded
    """The exact network, with images."""
    assignment: Assignment
    network: QuantizedNetwork
    """What the design runs on: the network saved with it; where it names blocks only, the exact one, recovered as the settings say."""


def add_design(parser: Parser) -> None:
    """Add the argument that names a design."""
    parser.add_argument("design", metavar="DESIGN.json|RUN|RUN#ID", help="a design file, the design that a run puts forward, or one of its designs")


def load_inputs(arguments: Namespace) -> DesignInputs:
    """Return what `arguments.design` names, loaded.

    Raises:
        InputError: something is missing or does not belong to the design.
    """
    from hawx.designs import Assignment
    from hawx.recover import recover_units
    from hawx.stages import RECOVERY_IMAGES
    from hawx.store.design import load_design, network_of

    saved = load_design(arguments.design)
    settings = _settings(saved, arguments)
    library = load_library(settings)
    _check_tables(saved, library)
    loaded = load_network(settings, library)
    assignment = Assignment.from_dict(saved.assignment, loaded.network.filters, library.names)
    network = network_of(saved, loaded.network)
    if saved.network is None:
        network = recover_units(network, library, loaded.calibration.images[:RECOVERY_IMAGES], settings.recover)
    return DesignInputs(saved=saved, settings=settings, library=library, loaded=loaded, assignment=assignment, network=network)


def _settings(saved: SavedDesign, arguments: Namespace) -> ExploreSettings:
    if not saved.settings:
        return settings_from(arguments)
    kept = {"recover": "none", **{key: value for key, value in saved.settings.items() if value is not None}}  # runs before it existed say nothing
    return from_values(ExploreSettings, {**kept, **given(arguments, ExploreSettings)}, f"settings in {saved.source}")


def _check_tables(saved: SavedDesign, library: Library) -> None:
    """Raise `InputError` when a block of the design is another circuit than the one of the same name that its run had."""
    for block in library:
        expected = saved.library.get(block.name)
        if expected is not None and expected != block.sha256:
            raise InputError(
                f"block {block.name!r} is another circuit (sha256 {block.sha256[:10]}) than the one that design {Path(saved.source).name!r} "
                f"was found with ({expected[:10]}); names change between releases. Give the library of that run with --library."
            )
