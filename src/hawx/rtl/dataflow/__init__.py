"""A whole network as streaming hardware: every layer has its own lanes, all layers work at once (the spatial accelerator).

The network becomes a chain of operators (`chain`), each gets its widths (`schedule`), each stage its modules (`window`, `stage`, `scaling`,
`gather`), and a top module connects them (`network`); `bench` compares it with the emulator.
"""

from hawx.rtl.dataflow.bench import network_project
from hawx.rtl.dataflow.network import NetworkRtl, network_rtl
from hawx.rtl.dataflow.project import NetworkProject

__all__ = ["NetworkProject", "NetworkRtl", "network_project", "network_rtl"]
