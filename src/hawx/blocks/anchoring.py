"""Anchoring: bring figures of several technologies into one, by the ratio of the exact blocks.

Figures of two technologies never compare as they stand (HARDWARE: two 45 nm libraries differ by a factor of two). The exact
multiplier is the common measure: `scaled = figure · exact(base) / exact(other)`, separately for area, delay and energy.
The result is labelled `scaled: …` and is an estimate, good for ranking against the base's own figures, not a synthesis result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hawx.blocks.block import Block, Costs


def base_technology(blocks: Sequence[Block]) -> str | None:
    """Return the cell library in which most blocks have figures (the earliest seen on a tie), or None without any figures.

    Lookup tables of an FPGA are no area that could be scaled.
    """
    counts = Counter(technology for block in blocks for technology, costs in block.costs.items() if costs.area_um2 is not None)
    return counts.most_common(1)[0][0] if counts else None


def exact_anchor(blocks: Sequence[Block], technology: str) -> Costs | None:
    """Return the figures of the least-energy exact block in `technology`, or None where no exact block has any."""
    known = [block.costs[technology] for block in blocks if block.is_exact and technology in block.costs]
    usable = [costs for costs in known if costs.area_um2 is not None and min(costs.area_um2, costs.delay_ns, costs.energy_fj) > 0]
    return min(usable, key=lambda costs: costs.energy_fj, default=None)


def scaled(costs: Costs, other: Costs, base: Costs) -> Costs:
    """Return `costs` carried from the technology of exact block `other` to that of exact block `base`.

    Leakage follows its own ratio where the other technology states any, else the area's.
    """
    area = costs.area * base.area / other.area
    by_area = base.leakage_nw * area / base.area
    leakage = costs.leakage_nw * base.leakage_nw / other.leakage_nw if other.leakage_nw > 0 else by_area
    return Costs(
        technology=base.technology,
        area_um2=area,
        delay_ns=costs.delay_ns * base.delay_ns / other.delay_ns,
        energy_fj=costs.energy_fj * base.energy_fj / other.energy_fj,
        leakage_nw=leakage,
        luts=costs.luts,
        constant_lsbs=costs.constant_lsbs,
        origin=f"scaled: {other.technology} to {base.technology} by the ratio of the exact blocks; {costs.origin}",
    )


def anchored(blocks: Sequence[Block], anchors: Sequence[Block] = ()) -> tuple[Block, ...]:
    """Return the blocks with figures in one shared technology, as far as that is possible.

    A block that lacks figures in the base technology gets scaled ones from a technology that it and an exact block have.
    Blocks without figures, or whose technology has no exact anchor, are returned as they are.

    Args:
        blocks: blocks of one format pair.
        anchors: further exact blocks whose figures may serve as anchors.
    """
    base_name = base_technology(blocks)
    if base_name is None or all(base_name in block.costs for block in blocks):
        return tuple(blocks)
    candidates = [*blocks, *anchors]
    base = exact_anchor(candidates, base_name)
    if base is None:
        return tuple(blocks)
    return tuple(block if base_name in block.costs else _with_scaled(block, base, candidates) for block in blocks)


def _with_scaled(block: Block, base: Costs, candidates: Sequence[Block]) -> Block:
    for technology, costs in block.costs.items():
        other = exact_anchor(candidates, technology)
        if other is not None:
            return block.with_costs(scaled(costs, other, base))
    return block
