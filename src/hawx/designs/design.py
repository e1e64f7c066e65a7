"""Design: an assignment on an accelerator, with what is predicted of it and what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from hawx.designs.assignment import Assignment
from hawx.estimates import Estimate, Measurement
from hawx.notebook import facts_html


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """Figures of one design from the accelerator's cost laws (predictions, composed of synthesized block figures). Smaller is better."""

    area_um2: float | None
    """None on an FPGA, where area is `luts`."""
    power_uw: float
    energy_uj: float
    """Energy of one inference."""
    latency_us: float
    mult_power_ratio: float
    """MAC-weighted multiplier power over that of the all-exact design, uniform operands (comparable with the literature)."""
    mult_energy_ratio: float | None = None
    """The same under the network's own operands; None where the blocks' netlists are not known."""
    luts: float | None = None
    """Lookup tables on an FPGA; None elsewhere, like the three that follow."""
    flip_flops: float | None = None
    dsps: float | None = None
    brams: float | None = None
    device_shares: Mapping[str, float] | None = None
    """Share of each of these that the design takes of the device, where one is named; more than 1: it does not fit."""

    @property
    def fits(self) -> bool:
        """Whether the design fits the device; True where none is named."""
        return self.excess[0] <= 1.0

    @property
    def excess(self) -> tuple[float, float]:
        """How near the design is to the device: its largest share of a resource, and of equals the sum of all."""
        shares = (self.device_shares or {"": 0.0}).values()
        return max(shares), sum(shares)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Design:
    """One point of the search space. `estimate` is what was predicted before anything of it was measured."""

    assignment: Assignment
    hardware: Hardware
    estimate: Estimate | None = None
    search: Measurement | None = None
    """Measured on the search images: what the search saw."""
    claim: Estimate | None = None
    """What it is expected to reach on images that nobody has seen, by all that was measured on the search images. Designs are chosen by it."""
    measurement: Measurement | None = None
    """Measured on the report images, which no search ever saw. The only accuracy to quote."""
    unrecovered: Measurement | None = None
    """The same with the constants and wires of the exact network: what recovery won. None where nothing was recovered."""
    parameters: dict[str, Any] | None = None
    """Accelerator parameters that belong to the design (partition sizes, lane grouping), as plain JSON values."""

    @property
    def id(self) -> str:
        return self.assignment.id

    @property
    def area_um2(self) -> float | None:
        return self.hardware.area_um2

    @property
    def power_uw(self) -> float:
        return self.hardware.power_uw

    @property
    def energy_uj(self) -> float:
        return self.hardware.energy_uj

    @property
    def latency_us(self) -> float:
        return self.hardware.latency_us

    @property
    def mult_power_ratio(self) -> float:
        return self.hardware.mult_power_ratio

    def with_claim(self, claim: Estimate) -> Design:
        return replace(self, claim=claim)

    def with_measurement(self, measurement: Measurement, unrecovered: Measurement | None = None) -> Design:
        return replace(self, measurement=measurement, unrecovered=unrecovered)

    def _repr_html_(self) -> str:
        seen = {"claimed": self.claim, "measured in the search": self.search, "measured on report images": self.measurement}
        known = {f"top-1, {name}": f"{value.top1:.2f} %" for name, value in seen.items() if value is not None}
        figures = {name: value for name, value in self.hardware.to_dict().items() if value is not None}
        blocks = {f"layer {layer}": ", ".join(dict.fromkeys(self.assignment.names(layer))) for layer in self.assignment.layers}
        return facts_html(f"design {self.id}", {**known, **figures, **blocks})

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, as `result.json` holds them."""
        return {
            "id": self.id,
            "assignment": self.assignment.to_dict(),
            "estimate": self.estimate.to_dict() if self.estimate else None,
            "search": self.search.to_dict() if self.search else None,
            "claim": self.claim.to_dict() if self.claim else None,
            "measurement": self.measurement.to_dict() if self.measurement else None,
            "unrecovered": self.unrecovered.to_dict() if self.unrecovered else None,
            **self.hardware.to_dict(),
            "parameters": self.parameters or {},
        }
