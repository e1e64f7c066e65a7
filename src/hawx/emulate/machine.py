"""Machine: what networks are emulated on, as one value: a tier of kernels, checked before its first product, their cost model, what is known
of tables, and one cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from hawx.blocks.knowledge import Knowledge, common_knowledge
from hawx.emulate import layers, memory
from hawx.emulate.cache import ByteCache
from hawx.emulate.cost import CostModel, built_in
from hawx.emulate.engine import AUTO, Engine
from hawx.emulate.groups import FilterGroup, magnitude_bound
from hawx.emulate.native import describe, kernels_of
from hawx.emulate.plan import make_plan
from hawx.emulate.selfcheck import check_kernels
from hawx.errors import InputError

if TYPE_CHECKING:
    from hawx._native import Kernels

MEMORY_BYTES = 2 << 30


class Machine:
    """Runs layers. Machines differ in speed, never in a result.

    Args:
        target: tier of kernels; None stands for that of `model`, for what `HAWX_FORCE_TARGET` says, or for the best.
        model: predicts what engines cost; by default built-in figures of the tier.
        knowledge: what is known of tables; by default what all machines of this process share.
        memory_bytes: cap on what is kept to spare work: a quarter of it for what kernels prepare, the rest for states of networks (see `states_mb`).

    Raises:
        InputError: the target cannot run here, or the model is of another.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        model: CostModel | None = None,
        knowledge: Knowledge | None = None,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        wanted = target or (model.tier.name if model else None)
        self._target = kernels_of(wanted).name if wanted else None
        if model and model.tier.name != wanted:
            raise InputError(f"a cost model of target {model.tier.name!r} does not fit target {wanted!r}; expected one measured on it.")
        self._model = model
        self.knowledge = common_knowledge() if knowledge is None else knowledge
        self.memory_bytes = memory_bytes
        self.cache = ByteCache(memory_bytes // 4)
        self._since = 0

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process of the same computer: with what is known of tables, without what is cached."""
        return partial(Machine, self.target, model=self._model, knowledge=self.knowledge, memory_bytes=self.memory_bytes), ()

    def with_memory(self, memory_bytes: int) -> Machine:
        """Return such a machine with another cap on what is kept, and nothing kept yet."""
        return Machine(self._target, model=self._model, knowledge=self.knowledge, memory_bytes=memory_bytes)

    @property
    def states_mb(self) -> int:
        """What an evaluator may keep by default, in mebibyte: a quarter of the memory. Two fit beside what kernels prepare, or one twice as large."""
        return self.memory_bytes // 4 >> 20

    @cached_property
    def target(self) -> str:
        """Name of the tier.

        Raises:
            InputError: `HAWX_FORCE_TARGET` names one that cannot run here.
        """
        return kernels_of(self._target).name

    @cached_property
    def model(self) -> CostModel:
        """Seconds that engines are predicted to take."""
        return self._model or built_in(describe(kernels_of(self.target)))

    @cached_property
    def kernels(self) -> Kernels:
        """The tier's kernels, checked.

        Raises:
            ToolMissingError: the native extension was not built.
            WrongKernelError: the self-check failed.
        """
        found = kernels_of(self.target)
        check_kernels(found, self.knowledge)
        return found

    def run(
        self,
        constants: layers.LayerConstants,
        codes: Tensor,
        groups: Sequence[FilterGroup],
        output: layers.Output,
        engine: str = AUTO,
        threads: int | None = None,
    ) -> Tensor:
        """Return the layer's output, (N, filters, H', W').

        Args:
            codes: (N, C, H, W), any memory format, on any device (native kernels run on the CPU, the torch engine elsewhere).
            groups: which filters use which block; together all filters, each once.
            output: codes, real values (None), or the accumulators themselves (`int`: int32, int64 where int32 does not hold their bound).
            engine: one of `ENGINES` except the reference.
            threads: of the kernels; PyTorch's number if None.
        """
        bound = magnitude_bound(constants.reduction, groups) + int(np.abs(constants.bias).max())
        torch_alone = bound >= 1 << 31 or not codes.is_cpu or engine == Engine.TORCH
        plan = None if torch_alone else make_plan(self.model, self.knowledge, constants, codes, groups, engine)
        if plan is None:
            return layers.in_torch(self.cache, self.knowledge, constants, codes, groups, bound, output)
        return layers.in_kernels(self.kernels, self.cache, self.knowledge, constants, codes, plan, output, threads or torch.get_num_threads())

    def worked(self, macs: int) -> None:
        """Count multiply-accumulates of work done; give memory back to the system when it was much."""
        self._since += macs
        if self._since > memory.GIVE_BACK_EVERY:
            self._since = 0
            memory.give_back()


_default = Machine()


def default_machine() -> Machine:
    """Return the machine of this process: what runs wherever no other is handed in."""
    return _default


def use_machine(machine: Machine) -> None:
    """Make `machine` the default one of this process. For the edge: programs and worker processes, when they begin."""
    global _default
    _default = machine


def active_target() -> str:
    """Return the tier in use: the best, or what `HAWX_FORCE_TARGET` or `use_target` says.

    Raises:
        InputError: the environment variable names a tier that cannot run here.
    """
    return default_machine().target


def use_target(name: str | None) -> None:
    """Use the tier `name` from now on; None restores the default.

    Raises:
        InputError: it cannot run here; the message lists those that can.
    """
    use_machine(Machine(name))
