"""Simulators: Icarus Verilog and Verilator run the testbenches that hawx.rtl writes."""

from hawx.simulators.simulate import Simulation, Simulator, available, simulate, version, write_files

__all__ = ["Simulation", "Simulator", "available", "simulate", "version", "write_files"]
