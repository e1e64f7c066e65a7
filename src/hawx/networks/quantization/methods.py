"""What a user chooses when quantizing: the format of the activations, and how their range is found."""

from __future__ import annotations

from enum import StrEnum

from hawx.formats import S8, U8, IntFormat


class Activations(StrEnum):
    """Format and zero point of the activation codes. Weights are always per-channel symmetric, -127..127."""

    SIGNED = "s8"
    """Symmetric `s8`, zero point 0: real zeros are code 0, so that they carry no error of a block. The default."""
    SIGNED_AFFINE = "s8-affine"
    """`s8` with a zero point that uses the whole range."""
    UNSIGNED = "u8"
    """`u8`, for unsigned blocks: zero point 0 where values are never negative (after a ReLU), affine elsewhere."""

    @property
    def operand(self) -> IntFormat:
        return U8 if self is Activations.UNSIGNED else S8

    @property
    def symmetric(self) -> bool:
        return self is Activations.SIGNED


class Method(StrEnum):
    """How calibration images fix the range of an activation."""

    MINMAX = "minmax"
    """Smallest and largest value over all images."""
    MOVING_AVERAGE = "moving-average"
    """Exponential moving average (0.01) over batches of their smallest and largest values (Jacob et al. 2018, arXiv 1712.05877)."""
    PERCENTILE = "percentile"
    """Mean over batches of their 0.01 and 99.99 percentiles."""
    HISTOGRAM = "histogram"
    """The range of least squared error between values and codes, by histogram. Slow, and best where outliers stretch the range."""
