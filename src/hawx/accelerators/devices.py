"""FPGA devices: what they hold, by their vendors' data sheets, and how a design stands to that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil

from hawx.errors import UnknownNameError

RESOURCES = ("luts", "flip_flops", "dsps", "brams")
"""What a device holds and a design takes; the fields of both."""
WORDS: Mapping[str, str] = {"luts": "LUTs", "flip_flops": "flip-flops", "dsps": "DSP blocks", "brams": "block RAMs"}


@dataclass(frozen=True, slots=True)
class Ram:
    """A memory block of a family."""

    bits: int
    width: int
    """Bits read at once."""

    def blocks(self, bits: float, width: int) -> int:
        """Return how many blocks hold `bits` that are read in words of `width`; a single word stands in registers."""
        return 0 if bits <= width else max(ceil(bits / self.bits), ceil(width / self.width))


RAMS: Mapping[str, Ram] = {
    "xilinx7": Ram(36 * 1024, 72),
    "ultrascale": Ram(36 * 1024, 72),
    "ecp5": Ram(18 * 1024, 36),
    "ice40": Ram(4 * 1024, 16),
}
"""Block RAM of each family in its widest simple dual-port form: RAMB36E1 (UG473), RAMB36E2 (UG573), DP16KD (FPGA-TN-02204), EBR (FPGA-TN-02002)."""


@dataclass(frozen=True, slots=True)
class Device:
    """Capacities of one FPGA."""

    name: str
    family: str
    luts: int
    flip_flops: int
    dsps: int
    brams: int
    source: str

    def shares(self, taken: Mapping[str, float]) -> dict[str, float]:
        """Return the share of each resource that a design takes, 1.0 being all; inf of one that the device has none of."""
        return {name: _share(taken[name], getattr(self, name)) for name in RESOURCES}


def _share(taken: float, held: int) -> float:
    return 0.0 if taken == 0 else float("inf") if held == 0 else taken / held


def _devices(family: str, source: str, rows: Iterable[tuple[str, int, int, int, int]]) -> dict[str, Device]:
    return {name: Device(name, family, luts, flip_flops, dsps, brams, source) for name, luts, flip_flops, dsps, brams in rows}


DEVICES: Mapping[str, Device] = {
    **_devices(
        "xilinx7",
        "DS190, Zynq-7000",
        [("xc7z010", 17600, 35200, 80, 60), ("xc7z020", 53200, 106400, 220, 140), ("xc7z045", 218600, 437200, 900, 545)],
    ),
    **_devices(
        "xilinx7",
        "DS180, 7 Series",
        [
            ("xc7a35t", 20800, 41600, 90, 50),
            ("xc7a100t", 63400, 126800, 240, 135),
            ("xc7a200t", 134600, 269200, 740, 365),
            ("xc7vx485t", 303600, 607200, 2800, 1030),
        ],
    ),
    **_devices("ultrascale", "DS891, Zynq UltraScale+", [("xczu3eg", 70560, 141120, 360, 216), ("xczu9eg", 274080, 548160, 2520, 912)]),
    **_devices(
        "ecp5",
        "FPGA-DS-02012, ECP5",
        [("ecp5-25f", 24288, 24288, 28, 56), ("ecp5-45f", 43848, 43848, 72, 108), ("ecp5-85f", 83640, 83640, 156, 208)],
    ),
    **_devices("ice40", "DS1040, iCE40 HX", [("ice40hx1k", 1280, 1280, 0, 16), ("ice40hx4k", 3520, 3520, 0, 20), ("ice40hx8k", 7680, 7680, 0, 32)]),
    **_devices("ice40", "FPGA-DS-02008, iCE40 UltraPlus", [("ice40up5k", 5280, 5280, 8, 30)]),
}
"""Name -> device; block RAMs of 36, 18 and 4 kbit. UltraPlus's single-port RAM is not counted."""


def device_of(name: str) -> Device:
    """Return the device called `name`, in any case.

    Raises:
        UnknownNameError: it is not known.
    """
    if name.lower() not in DEVICES:
        raise UnknownNameError("FPGA device", name, DEVICES)
    return DEVICES[name.lower()]
