"""Synthesis: real figures for any multiplier in Verilog. Yosys maps it; area, timing and switching energy are computed here."""

from hawx.synthesis.builtin import builtin_circuit
from hawx.synthesis.characterize import Characterization, characterize, characterize_text
from hawx.synthesis.energy import Held, SwitchingCircuit, pairwise
from hawx.synthesis.liberty import CellLibrary, read_liberty
from hawx.synthesis.netlist import Netlist
from hawx.synthesis.operands import OperandEnergies, operand_energies

__all__ = [  # noqa: RUF022  grouped by what they are
    # Verilog in, figures out
    "characterize",
    "characterize_text",
    "Characterization",
    # energy under a network's own operands
    "operand_energies",
    "OperandEnergies",
    "SwitchingCircuit",
    "Held",
    "pairwise",
    "builtin_circuit",
    # what they are made of
    "CellLibrary",
    "Netlist",
    "read_liberty",
]
