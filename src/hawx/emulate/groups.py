"""Grouping: the filters of a layer that share a block are computed together, never one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hawx.blocks import Block


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


def magnitude_bound(reduction: int, groups: Sequence[FilterGroup]) -> int:
    """Return `K · max|T|` over the groups: no accumulator can exceed it, whatever the operands."""
    return reduction * max(int(np.abs(group.block.table).max()) for group in groups)
