"""Facts of a run as plain values: what network, what library, what versions, how good the estimates were."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from hawx.blocks import Library
from hawx.blocks.metrics import error_metrics
from hawx.designs import Design
from hawx.networks import QuantizedNetwork
from hawx.predict import validate
from hawx.results.result import Validation

PACKAGES = ("hawx", "numpy", "torch", "torchao", "scipy")


def network_facts(network: QuantizedNetwork) -> dict[str, Any]:
    """Return name, classes, layers and MACs of a network as plain JSON values."""
    layers = [{**asdict(layer), "kind": layer.kind.value, "macs": layer.macs} for layer in network.layers]
    return {
        "name": network.name,
        "classes": network.classes,
        "input_shape": list(network.input_shape),
        "macs": sum(layer.macs for layer in network.layers),
        "layers": layers,
        "unconverted": list(network.unconverted),
    }


def library_facts(library: Library) -> dict[str, Any]:
    """Return the blocks of a library with hashes, costs and error metrics (uniform operands) as plain JSON values."""
    blocks = []
    for block in library:
        costs = block.costs[library.technology] if library.technology else None
        blocks.append(
            {
                "name": block.name,
                "sha256": block.sha256,
                "is_exact": block.is_exact,
                "errors": asdict(error_metrics(block)),
                "costs": asdict(costs) if costs else None,
            }
        )
    formats = [f.name for f in library.formats]
    return {"name": library.name, "technology": library.technology, "formats": formats, "blocks": blocks}


def validation_of(evaluated: Sequence[Design]) -> Validation:
    """Return how the estimates made before measuring compare with the measurements on the search images."""
    pairs = [(d.estimate, d.search) for d in evaluated if d.estimate is not None and d.search is not None]
    if not pairs:
        return Validation(designs=0, spearman=None, mean_absolute_error=None, within_two_sigma=None)
    estimates, sigmas, measured = (np.array(column, float) for column in zip(*((e.top1, e.sigma, m.top1) for e, m in pairs), strict=True))
    rank, error, share = validate(estimates, sigmas, measured)
    return Validation(designs=len(pairs), spearman=rank, mean_absolute_error=error, within_two_sigma=share)


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
