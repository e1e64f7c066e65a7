"""Designs to SystemVerilog text with self-checking testbenches: pure functions, no files, no processes."""

from hawx.rtl.dataflow import NetworkProject, NetworkRtl, network_project, network_rtl
from hawx.rtl.design import LayerVectors, design_project, layer_vectors, receptive_fields
from hawx.rtl.lanes import LayerSpec, layer_project
from hawx.rtl.project import Multiplier, RtlProject, Stimulus, constant_lsbs
from hawx.rtl.streams import stream_project
from hawx.rtl.systolic import ArraySpec, array_project
from hawx.rtl.wrappers import on_magnitudes, table_memory

__all__ = [  # noqa: RUF022  grouped by what they are
    # a design to hardware
    "design_project",
    "stream_project",
    "layer_vectors",
    "LayerVectors",
    "RtlProject",
    # a whole network
    "network_rtl",
    "NetworkRtl",
    "network_project",
    "NetworkProject",
    # the parts
    "ArraySpec",
    "array_project",
    "LayerSpec",
    "layer_project",
    "Multiplier",
    "on_magnitudes",
    "table_memory",
    "Stimulus",
    "constant_lsbs",
    "receptive_fields",
]
