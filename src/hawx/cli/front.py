"""The front as text: one line per design, accuracies labelled as measured, the chosen design marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hawx.cli.console import table, width

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hawx.designs.design import Design
    from hawx.results.recommendation import Recommendation
    from hawx.results.result import Result

ROWS = 24


def front_lines(result: Result, recommended: Recommendation | None) -> list[str]:
    """Return the useful part of the front as a table that fits the terminal, at 80 columns and more; what is left out is counted below."""
    from hawx.results.front import ordered, rivals
    from hawx.results.quantities import hardware_fields, quantity, significant

    wide = width() >= 112
    fields = tuple(field for field in hardware_fields(result.front) if wide or field != "power_uw")
    device = result.accelerator.get("device")
    units = {f: quantity(f).unit([float(getattr(d.hardware, f)) for d in result.front]) for f in fields}
    names = {"area_um2": "area", "luts": "area", "power_uw": "power", "energy_uj": "energy", "latency_us": "latency"}
    head = ["", "design", "top-1 %\nmeasured", "points lost ↑\n[95 % paired]", *(["points lost\nclaimed"] if wide else []), "mult.\npower %"]
    head += [f"{names[f]}\n{units[f][1]}" for f in fields] + ([f"most of\n{device}"] if device else [])
    beaten = rivals(result)
    useful = [d for d in ordered(result) if d.id not in beaten or not beaten[d.id].beyond]
    shown = _shown(useful, recommended)
    rows: list[list[str]] = []
    marked: int | None = None
    for design in shown:
        seen, claim = design.measurement, design.claim
        low, high = result.drop_interval(design)
        if recommended is not None and design.id == recommended.design.id:
            marked = len(rows)
        rows.append(
            [
                "*" if marked == len(rows) else "~" if design.id in beaten else "",
                design.id,
                f"{seen.top1:.2f}" if seen else "–",
                f"{result.drop(design):z.2f} [{low:z.2f}, {high:z.2f}]",
                *([f"{result.claimed_drop(design):z.2f} ± {claim.sigma:.2f}" if claim else "–"] if wide else []),
                f"{100 * design.mult_power_ratio:.1f}",
                *(significant(float(getattr(design.hardware, f)) / units[f][0]) for f in fields),
                *([_most(design.hardware.device_shares)] if device else []),
            ]
        )
    lines = table(head, rows, left=2, marked=marked)
    if len(shown) < len(useful):
        lines.append(f"   … and {len(useful) - len(shown)} more in front.csv")
    if any(design.id in beaten for design in shown):
        lines.append("~  another is no dearer and lost less, by less than the interval")
    if any(not design.hardware.fits for design in shown):
        lines.append(f"!  does not fit {device}: never put forward")
    if len(useful) < len(result.front):
        count = len(result.front) - len(useful)
        lines.append(f"   {count} left out, dominated beyond the interval: see dominated_by in front.csv")
    return lines


def _most(shares: Mapping[str, float] | None) -> str:
    """Return the largest share of a device's resources that a design takes, and of which; marked where it does not fit."""
    from hawx.accelerators.devices import WORDS

    if not shares:
        return "–"
    name = max(shares, key=lambda resource: shares[resource])
    return f"{100 * shares[name]:.0f} % {WORDS[name].split()[0]}" + (" !" if shares[name] > 1 else "")


def _shown(front: Sequence[Design], recommended: Recommendation | None) -> list[Design]:
    """Return at most ROWS designs, evenly along the front and with the chosen one."""
    if len(front) <= ROWS:
        return list(front)
    picks = {round(i * (len(front) - 1) / (ROWS - 1)) for i in range(ROWS)}
    picks |= {i for i, design in enumerate(front) if recommended is not None and design.id == recommended.design.id}
    return [front[i] for i in sorted(picks)]


def recommended_lines(result: Result, recommended: Recommendation | None) -> list[str]:
    """Return what the marked design is and which block every layer of it uses."""
    if recommended is None:
        return ["Nothing was measured."]
    assignment = recommended.design.assignment
    said = [_blocks_of(row, assignment.blocks) for row in assignment.counts]
    lines, start = [f"* {recommended.design.id}: {recommended.reason}."], 0
    for end in range(1, len(said) + 1):  # layers in a row that use the same blocks share a line
        if end == len(said) or said[end] != said[start]:
            first, last = assignment.layers[start], assignment.layers[end - 1]
            names = first if end - start == 1 else f"{first} … {last} ({end - start} layers)"
            lines.append(f"    {names}: {said[start]}")
            start = end
    return lines if len(lines) <= 26 else [*lines[:25], f"    … and {len(lines) - 25} more lines: see design.json"]


def _blocks_of(counts: NDArray[np.int64], blocks: Sequence[str]) -> str:
    """Return the blocks of one layer in words, the most used first."""
    used = sorted(((int(n), block) for n, block in zip(counts, blocks, strict=True) if n), reverse=True)
    if len(used) == 1:
        return used[0][1]
    return ", ".join(f"{block} ×{n}" for n, block in used[:6]) + (" …" if len(used) > 6 else "")
