"""Emulation: bit-exact approximate inference. `matmul` and `conv2d` on codes, `BlockExecutor` for networks, `reference` the oracle."""

from __future__ import annotations

from hawx.emulate import reference
from hawx.emulate.engine import ENGINES
from hawx.emulate.evaluator import Evaluator
from hawx.emulate.executor import BlockExecutor
from hawx.emulate.machine import Machine, active_target, default_machine, use_machine, use_target
from hawx.emulate.native import targets
from hawx.emulate.operations import conv2d, matmul

__all__ = [
    "ENGINES",
    "BlockExecutor",
    "Evaluator",
    "Machine",
    "active_target",
    "conv2d",
    "default_machine",
    "matmul",
    "reference",
    "targets",
    "use_machine",
    "use_target",
]
