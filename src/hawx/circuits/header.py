"""EvoApproxLib's comment headers: published figures, licence and reference of one circuit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hawx.blocks.block import Costs, Table
from hawx.rtl import constant_lsbs

ENERGY_FJ_PER_MW = 2417.0
"""Switching energy per published milliwatt: fitted once on 48 circuits (rank correlation 0.995); the clock of the published power is not stated."""

TECHNOLOGY = "PDK45"

_FIGURE = re.compile(r"^//\s*([A-Z0-9_]+%?)\s*=\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(%|mW|um2|um\^2|ns)?\s*$", re.MULTILINE)
_KEYS = {
    "MAE%": "mae_percent",
    "MAE": "mae",
    "WCE%": "wce_percent",
    "WCE": "wce",
    "WCRE%": "wcre_percent",
    "EP%": "ep_percent",
    "MRE%": "mre_percent",
    "MSE": "mse",
    "PDK45_PWR": "power_mw",
    "PDK45_AREA": "area_um2",
    "PDK45_DELAY": "delay_ns",
    "FPGA_POWER": "fpga_power",
    "FPGA_DELAY": "fpga_delay",
    "FPGA_LUT": "fpga_luts",
}
_LICENCE = re.compile(r"distributed under (?:The )?(.+? [Ll]icense)", re.MULTILINE)
_REFERENCE = re.compile(r"please cite the following article\(s\):\s*(.+)")


@dataclass(frozen=True, slots=True)
class Header:
    """What the comments of a circuit file state. `figures` has the keys of shared tables: `mae`, `wce`, `power_mw`, …"""

    figures: Mapping[str, float] = field(default_factory=dict)
    licence: str = ""
    reference: str = ""

    def provenance(self) -> dict[str, Any]:
        stated: dict[str, Any] = {"licence": self.licence, "reference": self.reference}
        return {key: value for key, value in stated.items() if value} | ({"published": dict(self.figures)} if self.figures else {})


def parse_header(text: str) -> Header:
    """Return what the comments of `text` state; empty where they state nothing."""
    figures = {_KEYS[key]: float(value) for key, value, _ in _FIGURE.findall(text) if key in _KEYS}
    licence, reference = _LICENCE.search(text), _REFERENCE.search(text)
    return Header(figures, licence[1] if licence else "", reference[1].strip() if reference else "")


def published_costs(figures: Mapping[str, Any], origin: str, table: Table) -> Costs | None:
    """Return published area, delay and power as costs, or None where one is missing.

    The energy is inferred: `power_mw · 2417 fJ`, as the origin says.

    Args:
        figures: `area_um2`, `delay_ns`, `power_mw`.
        origin: who published them, for example `EvoApproxLib v2022`.
        table: the block's table.
    """
    if not {"area_um2", "delay_ns", "power_mw"} <= figures.keys():
        return None
    return Costs(
        technology=str(figures.get("technology", TECHNOLOGY)),
        area_um2=float(figures["area_um2"]),
        delay_ns=float(figures["delay_ns"]),
        energy_fj=float(figures["power_mw"]) * ENERGY_FJ_PER_MW,
        constant_lsbs=constant_lsbs(table),
        origin=f"published: {origin}; energy inferred from power at {ENERGY_FJ_PER_MW:g} fJ per mW",
    )
