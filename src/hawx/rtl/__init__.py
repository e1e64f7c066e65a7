"""Netlist values to SystemVerilog text: pure functions, no files, no processes."""
