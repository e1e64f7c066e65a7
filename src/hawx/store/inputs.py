"""What a run works on, by content: names and paths stay the same when what they name changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hawx.accelerators import Accelerator
from hawx.blocks import Library
from hawx.files import read_cached, write_text
from hawx.networks import Dataset, QuantizedNetwork
from hawx.store.text import is_whole, json_text, sealed
from hawx.verify import images_identity, network_identity

INPUTS = "inputs.json"


def inputs_of(
    network: QuantizedNetwork, library: Library, accelerator: Accelerator, data: Dataset, unlabelled: Dataset, version: str
) -> dict[str, Any]:
    """Return what a run works on as plain values: version of HAWX, hashes of network, images, blocks and their figures, and the accelerator."""
    return {
        "version": version,
        "network": network_identity(network),
        "images": images_identity(data.images, data.labels),
        "unlabelled images": images_identity(unlabelled.images, np.zeros(0, np.int64)),
        "accelerator": json.loads(json_text({"name": accelerator.name, **accelerator.params})),
        "circuits": {block.name: block.sha256 for block in library},
        "figures": {block.name: _hash(repr(costs)) for block, costs in zip(library, library.costs(), strict=True)},
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def save_inputs(inputs: Mapping[str, Any], folder: Path) -> None:
    """Write `inputs.json`."""
    write_text(folder / INPUTS, json_text(sealed(inputs)) + "\n")


def kept_inputs(folder: Path) -> dict[str, Any]:
    """Return what `save_inputs` wrote; nothing where it is not there or damaged: then it decides nothing."""
    found = read_cached(folder / INPUTS) or {}
    return found if is_whole(found) else {}


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Return the first difference of two runs' inputs in words that follow "was started with", or None; what `before` does not say is none."""
    for kind in ("images", "unlabelled images", "network"):  # what is quantized here changes with its images
        if before.get(kind, now[kind]) != now[kind]:
            other = "another" if kind == "network" else "other"
            return f"{other} {kind} of the same name (sha256 {before[kind][:10]}, not {now[kind][:10]})"
    for kind in ("accelerator", "circuits", "figures"):
        was, held = before.get(kind, now[kind]), now[kind]
        for name in (*was, *(name for name in held if name not in was)):
            if was.get(name) != held.get(name):
                return _changed(kind, name, was.get(name), held.get(name))
    return None


def _changed(kind: str, name: str, was: Any, held: Any) -> str:
    if kind == "accelerator":
        return f"{name} = {was!r} of the accelerator, not {held!r}"
    if was is None or held is None:
        return f"a library {'without' if was is None else 'with'} block {name!r}"
    what = "another circuit for" if kind == "circuits" else "other figures of"
    return f"{what} block {name!r} (sha256 {was[:10]}, not {held[:10]})"
