"""Designs to SystemVerilog text with self-checking testbenches: pure functions, no files, no processes."""

from hawx.rtl.lanes import LayerSpec, layer_project
from hawx.rtl.project import Multiplier, RtlProject, Stimulus, constant_lsbs
from hawx.rtl.systolic import ArraySpec, array_project

__all__ = ["ArraySpec", "LayerSpec", "Multiplier", "RtlProject", "Stimulus", "array_project", "constant_lsbs", "layer_project"]
