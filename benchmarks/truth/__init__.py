"""The full truth: how many images every design of a space of 2^units classifies correctly, bit-exactly, by incremental evaluation."""

from benchmarks.truth.filters import FilterTruth
from benchmarks.truth.tail import DenseTail, Folded

__all__ = ["DenseTail", "FilterTruth", "Folded"]
