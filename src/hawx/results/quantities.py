"""Quantities: how each figure of a design is called and in which unit it is best read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor, isfinite, log10

from hawx.designs.design import Design


@dataclass(frozen=True, slots=True)
class Quantity:
    """A hardware field of a design: its name and its units with their factors, largest first."""

    field: str
    label: str
    units: tuple[tuple[float, float, str], ...]
    """From which value on, divided by what, called how."""

    def unit(self, values: Iterable[float]) -> tuple[float, str]:
        """Return the factor and the name of the unit in which the largest of `values` reads best."""
        largest = max((abs(v) for v in values if isfinite(v)), default=0.0)
        _, factor, name = next((u for u in self.units if largest >= u[0]), self.units[-1])
        return factor, name

    def show(self, value: float) -> str:
        """Return `value` with its unit, three significant digits."""
        factor, unit = self.unit([value])
        return f"{significant(value / factor)}\u202f{unit}".rstrip("\u202f")


_KNOWN = {
    q.field: q
    for q in (
        Quantity("area_um2", "Area", ((1e5, 1e6, "mm²"), (0.0, 1.0, "µm²"))),
        Quantity("luts", "Area", ((0.0, 1.0, "LUTs"),)),
        Quantity("flip_flops", "Flip-flops", ((0.0, 1.0, ""),)),
        Quantity("dsps", "DSP blocks", ((0.0, 1.0, ""),)),
        Quantity("brams", "Block RAMs", ((0.0, 1.0, ""),)),
        Quantity("power_uw", "Power", ((1e6, 1e6, "W"), (1e3, 1e3, "mW"), (0.0, 1.0, "µW"))),
        Quantity("energy_uj", "Energy per image", ((1e3, 1e3, "mJ"), (1.0, 1.0, "µJ"), (1e-3, 1e-3, "nJ"), (0.0, 1e-6, "pJ"))),
        Quantity("latency_us", "Latency", ((1e6, 1e6, "s"), (1e3, 1e3, "ms"), (1.0, 1.0, "µs"), (0.0, 1e-3, "ns"))),
        Quantity("mult_power_ratio", "Multiplier power", ((0.0, 0.01, "%"),)),
        Quantity("mult_energy_ratio", "Multiplier energy (own operands)", ((0.0, 0.01, "%"),)),
    )
}
HARDWARE = ("area_um2", "power_uw", "energy_uj", "latency_us")
ON_FPGA = ("luts", *HARDWARE[1:])


def hardware_fields(designs: Iterable[Design]) -> tuple[str, ...]:
    """Return the hardware figures that designs have: area in lookup tables on an FPGA."""
    return ON_FPGA if any(design.hardware.luts is not None for design in designs) else HARDWARE


def quantity(field: str) -> Quantity:
    """Return the quantity of a hardware field; an unknown field is shown under its own name, without a unit."""
    return _KNOWN.get(field, Quantity(field, field, ((0.0, 1.0, ""),)))


def significant(value: float, digits: int = 3) -> str:
    """Return `value` with about `digits` significant digits, never in exponent form between 1e-4 and 1e7."""
    if not isfinite(value):
        return "–"
    if value == 0:
        return "0"
    magnitude = floor(log10(abs(value)))
    if not -5 < magnitude < 7:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(0, digits - 1 - magnitude)}f}".replace(",", "\u202f")


def seconds(value: float) -> str:
    """Return a duration as people say it."""
    if value < 0.001:
        return f"{value * 1e6:.0f}\u202fµs"
    if value < 1:
        return f"{value * 1e3:.0f}\u202fms"
    if value < 120:
        return f"{value:.1f}\u202fs"
    if value < 7200:
        return f"{value / 60:.1f}\u202fmin"
    return f"{value / 3600:.1f}\u202fh"
