"""Wiring: how operands reach a multiplier. Its circuit stays as it is; only wires, and the clamp of the activations, differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hawx.formats import IntFormat


@dataclass(frozen=True, slots=True, order=True)
class Wiring:
    """Which operand reaches which input, and how far activations are shifted up on their way.

    An activation code a arrives as `clip(a, min >> shift, max >> shift) << shift`. A circuit that leaves out low bits errs by as much as before on
    operands that are 2^shift times larger; what is paid is the clamp of the few largest activations.
    """

    swapped: bool = False
    """The circuit's first input takes the weight, its second the activation."""
    shift: int = 0
    """Bits, 0 to 7."""

    @property
    def is_plain(self) -> bool:
        return self == PLAIN

    def shifted(self, codes: NDArray[np.integer], fmt: IntFormat) -> NDArray[np.int32]:
        """Return what activation codes of format `fmt` arrive as, int32, same shape."""
        return np.left_shift(np.clip(codes.astype(np.int32), *clamp(fmt, self.shift)), self.shift)


PLAIN = Wiring()


def clamp(fmt: IntFormat, shift: int) -> tuple[int, int]:
    """Return the least and the largest code of format `fmt` that a shift up by `shift` bits keeps in its range."""
    return fmt.min >> shift, fmt.max >> shift
