"""Accelerators: what a design costs on the hardware that runs it. Closed-form laws, vectorized over designs, NumPy only."""

from hawx.accelerators.base import Accelerator, Clock, LayerShape
from hawx.accelerators.costs import ArchitectureCosts, LaneConstants
from hawx.accelerators.cycles import Dataflow, simt_cycles, systolic_cycles
from hawx.accelerators.devices import DEVICES, Device
from hawx.accelerators.folding import Folding
from hawx.accelerators.law import fpga_of, technology_of
from hawx.accelerators.memory import Memory, Traffic
from hawx.accelerators.spatial import Spatial
from hawx.accelerators.temporal import Sharing, Simt, Systolic

__all__ = [  # noqa: RUF022  grouped by what they are
    # the contract and what it returns
    "Accelerator",
    "ArchitectureCosts",
    "LayerShape",
    # kinds
    "Spatial",
    "Systolic",
    "Simt",
    # FPGAs
    "DEVICES",
    "Device",
    "fpga_of",
    "technology_of",
    # their parameters
    "Clock",
    "Dataflow",
    "Folding",
    "LaneConstants",
    "Memory",
    "Sharing",
    "Traffic",
    # laws
    "simt_cycles",
    "systolic_cycles",
]
