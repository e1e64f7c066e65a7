"""`hawx blocks characterize --fpga`: multipliers on an FPGA family beside the exact ones that a designer has, in lookup tables and in a DSP block."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hawx.cli.console import out, print_json, say, table, width

if TYPE_CHECKING:
    from hawx.synthesis.fpga import FpgaCharacterization

POWER_MHZ = 100.0
"""Clock at which power is printed."""
WIDE = 100
"""Columns from which on lookup tables are also shown by their inputs."""


def characterize_on_fpga(sources: Sequence[str], family: str, *, top: str | None, routed: bool, save: Path | None, as_json: bool) -> None:
    """Characterize multipliers on an FPGA family, print their figures with the exact baselines, and save them as a library where asked."""
    from hawx.blocks.families.exact import Exact
    from hawx.synthesis.fpga import characterize_fpga, exact_dsp
    from hawx.synthesis.fpga_route import route_block, router_of

    if routed:
        router_of(family)  # says at once that it is absent
    multipliers = _multipliers(sources)
    found = [characterize_fpga(one, family, top=top) for one in multipliers]
    formats = found[0].block.formats
    baselines = [characterize_fpga(Exact(signed=formats[0].signed).name, family), exact_dsp(family, formats)]
    given = {item.block.name for item in found}
    rows = [*found, *(item for item in baselines if item.block.name not in given)]
    if save is not None:
        _save([*baselines[:1], *found], multipliers, save)
    facts = [item.to_dict() for item in rows]
    for item, fact in zip(rows, facts, strict=True):
        if routed and item.circuit is not None:
            fact["routed"] = asdict(route_block(item))
    if as_json:
        print_json({"family": family, "blocks": facts})
    else:
        _print(rows, facts, family)
    if save is not None:
        say(f"saved to {save}; use it with --library {save}")


def _multipliers(sources: Sequence[str]) -> list[list[str]]:
    """Return what each multiplier is made of: a built-in block of its name, all files together of one circuit."""
    from hawx.blocks.families import is_family_name

    files = [source for source in sources if not is_family_name(source)]
    return [[source] for source in sources if is_family_name(source)] + ([files] if files else [])


def _save(items: Sequence[FpgaCharacterization], multipliers: Sequence[Sequence[str]], path: Path) -> None:
    from hawx.blocks import Library
    from hawx.importers import save_library
    from hawx.importers.circuit import not_free

    for item, made_of in zip(items[1:], multipliers, strict=True):
        not_free(item.block, Path(made_of[0]))
    blocks = {item.block.sha256: item.block for item in items}
    save_library(Library(blocks.values(), name=path.stem), path)


def _print(rows: Sequence[FpgaCharacterization], facts: Sequence[Mapping[str, Any]], family: str) -> None:
    from hawx.results.quantities import significant
    from hawx.synthesis.fpga_families import family_of

    routed = any("routed" in fact for fact in facts)
    sizes = sorted({size for fact in facts for size in fact["lut_sizes"]}) if width() >= WIDE else []
    exact = next((item.costs for item in rows if item.block.is_exact and item.circuit is not None), None)

    def cells(item: FpgaCharacterization, fact: Mapping[str, Any]) -> list[str]:
        costs = item.costs
        share = f"{100 * costs.energy_fj / exact.energy_fj:.1f}" if exact is not None else "–"
        counts = [str(fact[key]) for key in ("carries", "muxes", "dsps")]
        power = significant(costs.energy_fj * POWER_MHZ * 1e-3)
        return [
            item.block.name,
            str(fact["luts"]),
            *([" ".join(f"{fact['lut_sizes'].get(size, 0):3d}" for size in sizes)] if len(sizes) > 1 else []),
            *counts,
            str(item.levels) if item.circuit is not None else "–",
            significant(costs.delay_ns) if costs.delay_ns else "–",
            *([f"{fact['routed']['fmax_mhz']:.1f}" if "routed" in fact else "–"] if routed else []),
            significant(costs.energy_fj * 1e-3),
            share,
            power,
        ]

    head = [
        "block",
        "LUTs",
        *(["of inputs\n" + " ".join(f"{size:>3}" for size in sizes)] if len(sizes) > 1 else []),
        *("carry", "wide\nmux", "DSP", "LUT\nlevels", "delay\nns"),
        *(["routed\nMHz"] if routed else []),
        *("energy\npJ", "energy\n% exact", f"power µW\n{POWER_MHZ:.0f} MHz"),
    ]
    out(*table(head, [cells(item, fact) for item, fact in zip(rows, facts, strict=True)]))
    said = f"{family}: {family_of(family).title}, {rows[0].tool}. Combinational: no flip-flops. Delay and energy are models (docs/hardware.md)."
    if routed:
        seen = next(fact["routed"] for fact in facts if "routed" in fact)
        said += f" Routed between operand and product registers: {seen['device']}, {seen['tool']}."
    out("", *textwrap.wrap(said, width()))
