"""One design from a file or a run: the assignment, the settings of its run, and what was found of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from hawx.errors import InputError, UnknownNameError
from hawx.files import make_folder, read_bytes, read_text, write_bytes, write_text
from hawx.networks import QuantizedNetwork
from hawx.networks.serialize import from_bytes, to_bytes, with_variants
from hawx.networks.trial import check_program
from hawx.plain import json_values, typed
from hawx.store.run import DESIGN, DESIGN_SCHEMA, NETWORK, OWN, load_run
from hawx.store.text import json_text
from hawx.verify import network_identity

LARGEST = 1 << 31
"""Bytes of the largest network that is read."""
LARGEST_TEXT = 1 << 26
"""Bytes of the largest design file that is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedDesign:
    """What a design file holds, as plain JSON values."""

    source: str
    assignment: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the run that found it; empty where the file is a bare assignment."""
    found: Mapping[str, Any] = field(default_factory=dict)
    """The design as the run's result.json has it."""
    library: Mapping[str, str] = field(default_factory=dict)
    """Block name -> SHA-256 of its table, of the blocks that the run had."""
    network: Path | None = None
    """File of the network that the design runs on; None: the one that the settings name."""
    network_identity: str | None = None
    """Its `hawx.verify.network_identity`, where the file says so."""
    constants: Path | None = None
    """File of the constants that this design has of its own on that network."""


def load_design(source: str | PathLike[str]) -> SavedDesign:
    """Return the design at `source`: a design file, a bare assignment (layer -> block or blocks), a run folder (the design it puts
    forward) or `RUN#ID` (one design of its front or among those it measured).

    Raises:
        InputError: the source is missing or holds no design.
        UnknownNameError: the run has no such design.
    """
    text = fspath(source)
    place, mark, wanted = text.rpartition("#")
    if mark and not Path(text).exists():
        return _of_run(Path(place), wanted)
    path = Path(text) / DESIGN if Path(text).is_dir() else Path(text)
    values = json_values(read_text(path, "design", most=LARGEST_TEXT), f"design {str(path)!r}", "a design file")
    if not isinstance(values, dict) or not values:
        raise InputError(f"design {str(path)!r} holds no design; expected layers with their blocks.")
    if "assignment" not in values:
        bare = _checked(values, path)
        return SavedDesign(source=text, assignment=bare)
    where = f"design {str(path)!r}"
    beside = typed(str | None, values.get("network_file"), f"{where} network_file")
    if beside and Path(beside).name != beside:
        raise InputError(f"{where} names the network file {beside!r}; expected a file beside it, without a folder.")
    return SavedDesign(
        source=text,
        assignment=_checked(values["assignment"], path),
        settings=typed(dict[str, Any], values.get("settings") or {}, f"{where} settings"),
        found=values,
        library=typed(dict[str, str], values.get("library") or {}, f"{where} library"),
        network=path.parent / beside if beside else None,
        network_identity=typed(str | None, values.get("network_identity"), f"{where} network_identity"),
    )


def save_tuned(
    saved: SavedDesign,
    network: QuantizedNetwork,
    found: Mapping[str, Any],
    settings: Mapping[str, Any],
    library: Mapping[str, str],
    folder: str | PathLike[str],
) -> None:
    """Write `saved` into `folder` as a design on `network`, which goes beside it.

    Args:
        found: overrules what was found of the design before.
        settings: of the run, as plain values.
        library: block name -> SHA-256 of its table.

    Raises:
        InputError: the folder cannot be made or written.
    """
    target = make_folder(folder)
    write_bytes(target / NETWORK, to_bytes(network))
    kept = {key: value for key, value in saved.found.items() if key not in ("estimate", "search")}  # these were of the network before
    values = {
        **kept,
        **found,
        "schema": DESIGN_SCHEMA,
        "assignment": dict(saved.assignment),
        "settings": dict(settings),
        "library": {**saved.library, **library},
        "network_file": NETWORK,
        "network_identity": network_identity(network),
    }
    write_text(target / DESIGN, json_text(values) + "\n")


def network_of(saved: SavedDesign, named: QuantizedNetwork) -> QuantizedNetwork:
    """Return the network that a design runs on: the one saved with it, else `named`, the one that its settings name.

    Raises:
        InputError: the saved network is missing or damaged, is another one than the design was found on, or has other layers than `named`.
    """
    if saved.network is None:
        return named
    source = str(saved.network)
    network = from_bytes(read_bytes(saved.network, "network", most=LARGEST), source=source)
    if saved.constants is not None:
        constants = str(saved.constants)
        network = with_variants(network, read_bytes(saved.constants, "constants of the design", most=LARGEST), source=constants)
    check_program(network, source)
    if saved.network_identity not in (None, network_identity(network)):
        raise InputError(f"network {source!r} is another one than design {saved.source!r} was found on; expected the file saved with it.")
    if dict(network.filters) != dict(named.filters):
        raise InputError(
            f"network {source!r} of design {saved.source!r} has other layers than {named.name!r}; "
            "expected the network of its run. Give it with --network."
        )
    return network


def _of_run(folder: Path, wanted: str) -> SavedDesign:
    result = load_run(folder)
    known = {design.id: design for design in (*result.evaluated, *result.front)}  # those of the front are measured on the report images
    matches = [name for name in known if wanted and name.startswith(wanted)]
    if len(matches) != 1:
        raise UnknownNameError("design", wanted, list(known), f"(run {str(folder)!r})")
    design = known[matches[0]]
    library = {block["name"]: block["sha256"] for block in result.library.get("blocks", [])}
    network, constants = folder / NETWORK, folder / OWN / f"{design.id}.safetensors"
    return SavedDesign(
        source=f"{folder}#{design.id}",
        assignment=design.assignment.to_dict(),
        settings=result.settings,
        found=design.to_dict(),
        library=library,
        network=network if network.is_file() else None,
        constants=constants if constants.is_file() else None,
    )


def _checked(values: Any, path: Path) -> Mapping[str, Any]:
    good = isinstance(values, dict) and all(
        isinstance(v, str) or (isinstance(v, list) and all(isinstance(b, str) for b in v)) for v in values.values()
    )
    if not good:
        raise InputError(f"design {str(path)!r} has an assignment that cannot be read; expected layer -> block name, or a list with one per filter.")
    return dict(values)
