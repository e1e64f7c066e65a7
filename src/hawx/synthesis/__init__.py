"""Synthesis: real figures for any multiplier in Verilog. Yosys maps it; area, timing and switching energy are computed in `hawx.circuits`."""

from hawx.synthesis.builtin import builtin_circuit
from hawx.synthesis.characterize import Characterization, characterize, characterize_text
from hawx.synthesis.liberty import read_liberty
from hawx.synthesis.operands import OperandEnergies, operand_energies

__all__ = [  # noqa: RUF022  grouped by what they are
    # Verilog in, figures out
    "characterize",
    "characterize_text",
    "Characterization",
    "read_liberty",
    # energy under a network's own operands
    "operand_energies",
    "OperandEnergies",
    "builtin_circuit",
]
