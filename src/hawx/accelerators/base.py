"""Accelerator: the contract of what runs a network and what that costs.

An accelerator is a frozen value: its parameters and nothing else. `evaluate` is a pure array function over designs, vectorized over
the leading axes of `counts`; it keeps no state, never mutates its arguments and is safe to call from several threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from numpy.typing import ArrayLike

from hawx.accelerators.costs import ArchitectureCosts
from hawx.blocks import Costs

Clock = float | Literal["exact", "fastest"]
"""A clock in MHz; `exact`: that of the all-exact design; `fastest`: every design at its own critical path.
A design slower than the wanted clock runs at its own critical path."""


class LayerShape(Protocol):
    """What a cost law needs of a layer; `hawx.networks.Layer` is one."""

    @property
    def name(self) -> str: ...
    @property
    def filters(self) -> int: ...
    @property
    def groups(self) -> int: ...
    @property
    def reduction(self) -> int:
        """Products summed for one output value."""
        ...

    @property
    def pixels(self) -> int:
        """Output positions of one filter, for one image."""
        ...

    @property
    def in_channels(self) -> int: ...
    @property
    def in_size(self) -> tuple[int, int]: ...


class Accelerator(Protocol):
    """Hardware that runs a network, with the law of its costs."""

    @property
    def name(self) -> str:
        """`spatial`, `temporal`, or the name its file gives."""
        ...

    @property
    def params(self) -> dict[str, Any]:
        """Plain JSON values from which the accelerator can be built again."""
        ...

    @property
    def held(self) -> str:
        """Which operand a multiplier keeps while the other streams: `none`, `weight` or `activation`; decides operand-aware energy."""
        ...

    def evaluate(
        self, layers: Sequence[LayerShape], counts: ArrayLike, costs: Sequence[Costs], *, exact: int, energies: ArrayLike | None = None
    ) -> ArchitectureCosts:
        """Return the costs of many designs.

        Args:
            layers: the network's layers, in execution order.
            counts: (..., layers, blocks) integers: filters of each layer that use each block; each row sums to the layer's filters.
            costs: one per block, all of one technology.
            exact: index of the exact block among them.
            energies: (layers, blocks), fJ per multiplication under that layer's own operands; None for the uniform-operand figures.

        Raises:
            InputError: shapes that do not fit, mixed technologies, or a folding that does not divide.
        """
        ...
