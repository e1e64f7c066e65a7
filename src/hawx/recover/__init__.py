"""Recover: accuracy won back by constants and wires, the multipliers as they are, between the choice of blocks and everything that judges it."""

from hawx.recover.design import DesignRecovery, Fit, fitted
from hawx.recover.methods import Method
from hawx.recover.units import recover_units

__all__ = ["DesignRecovery", "Fit", "Method", "fitted", "recover_units"]
