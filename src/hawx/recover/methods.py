"""What of a design is recovered."""

from __future__ import annotations

from enum import StrEnum


class Method(StrEnum):
    """Ways to win accuracy back with the same multipliers: weights, biases and requantization scales are constants of an accelerator."""

    NONE = "none"
    """Nothing: the constants of the exact network."""
    BIAS = "bias"
    """A shift per filter. Dangerous alone: the error of many blocks is a gain on the signal, which a shift cannot mend."""
    GAIN = "gain"
    """A gain and a shift per filter, which give its output the mean and the deviation of the exact one."""
    MAP = "map"
    """Each weight code gives way to the one whose products come closest (see hawx.recover.mapping)."""
    FULL = "full"
    """The wires that suit a block (see hawx.recover.wires), the mapping, then gain and shift; of each measured design again, layer after layer."""

    @property
    def maps(self) -> bool:
        return self in (Method.MAP, Method.FULL)

    @property
    def wires(self) -> bool:
        return self is Method.FULL

    @property
    def wholes(self) -> bool:
        return self is Method.FULL

    @property
    def gains(self) -> bool:
        return self in (Method.GAIN, Method.FULL)

    @property
    def shifts(self) -> bool:
        return self in (Method.BIAS, Method.GAIN, Method.FULL)
