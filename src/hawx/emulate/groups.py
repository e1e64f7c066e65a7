"""Grouping: the filters of a layer that share a block are computed together, never one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hawx.blocks import Block
from hawx.designs.assignment import BlockIndices
from hawx.wiring import Wiring


@dataclass(frozen=True, slots=True, eq=False)
class FilterGroup:
    """The filters, ascending, of one layer that use `block`."""

    block: Block
    filters: NDArray[np.int64]


def group_filters(blocks: Sequence[Block]) -> tuple[FilterGroup, ...]:
    """Return one group per distinct circuit (by sha256) in `blocks`, which names the block of every filter."""
    members: dict[str, list[int]] = {}
    first: dict[str, Block] = {}
    for filter_index, block in enumerate(blocks):
        members.setdefault(block.sha256, []).append(filter_index)
        first.setdefault(block.sha256, block)
    return tuple(FilterGroup(first[key], np.array(filters, np.int64)) for key, filters in members.items())


def group_indices(indices: BlockIndices, blocks: Sequence[Block], wirings: Sequence[Wiring] = ()) -> tuple[FilterGroup, ...]:
    """Return one group per index that occurs in `indices`, which point into `blocks`; with `wirings`, one per filter, per index and wiring."""
    found = []
    for i in np.unique(indices):
        filters = np.flatnonzero(indices == i)
        if not wirings:
            found.append(FilterGroup(blocks[i], filters))
            continue
        wired = [wirings[f] for f in filters.tolist()]
        found += [FilterGroup(blocks[i].wired(own), filters[[other == own for other in wired]]) for own in sorted(set(wired))]
    return tuple(found)


def merge(groups: Sequence[FilterGroup]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the filters of all groups, ascending, and for each the position of its group."""
    filters = np.concatenate([group.filters for group in groups])
    of = np.repeat(np.arange(len(groups)), [len(group.filters) for group in groups])
    order = np.argsort(filters)
    return filters[order].astype(np.int32), of[order].astype(np.int32)


def magnitude_bound(reduction: int, groups: Sequence[FilterGroup]) -> int:
    """Return `K · max|T|` over the groups: no accumulator can exceed it, whatever the operands."""
    return reduction * max(max(map(abs, group.block.extremes)) for group in groups)
