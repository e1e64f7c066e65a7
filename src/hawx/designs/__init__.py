"""Designs: assignments, search spaces, designs and fronts. NumPy only."""

from hawx.designs.assignment import Assignment
from hawx.designs.design import Design, Hardware
from hawx.designs.space import SearchSpace

__all__ = ["Assignment", "Design", "Hardware", "SearchSpace"]
