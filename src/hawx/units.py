"""Granularity and units: what receives one block in a search."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Granularity(StrEnum):
    """How finely blocks may differ inside a network."""

    NETWORK = "network"
    LAYER = "layer"
    FILTER = "filter"


@dataclass(frozen=True, slots=True)
class Unit:
    """What receives one block: filters `start <= f < stop` of every layer in `layers`.

    A filter unit covers one filter of one layer, a layer unit all filters of one layer, the network unit everything.
    `layers` holds indices into `network.layers`; `stop` is None for "all filters".
    """

    layers: tuple[int, ...]
    start: int = 0
    stop: int | None = None
    name: str = ""
