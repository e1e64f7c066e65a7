"""Memory: an optional, declared term. HAWX does not synthesize memories; these figures are the user's and are reported apart."""

from __future__ import annotations

from dataclasses import dataclass

from hawx.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Memory use of one image: bits held, and bits read or written, by the accelerator's own dataflow."""

    weight_bits: float
    """Weights held on chip."""
    activation_bits: float
    """Largest activation buffer."""
    accessed_bits: float
    """Weights, activations and outputs moved between memories and lanes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """On-chip memory figures, declared by the user from a datasheet or a memory compiler."""

    area_um2_per_bit: float
    energy_fj_per_bit: float
    origin: str = "declared"

    def __post_init__(self) -> None:
        for name in ("area_um2_per_bit", "energy_fj_per_bit"):
            if getattr(self, name) < 0:
                raise InputError(f"memory {name} {getattr(self, name)!r} is negative; expected a figure of at least 0.")

    def costs(self, traffic: Traffic) -> tuple[float, float]:
        """Return area in um2 and energy in fJ per image."""
        return self.area_um2_per_bit * (traffic.weight_bits + traffic.activation_bits), self.energy_fj_per_bit * traffic.accessed_bits
