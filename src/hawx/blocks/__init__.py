"""Blocks: arithmetic circuits as exhaustive tables, their error metrics, families, factors and libraries."""

from hawx.blocks.block import Block, Costs, Table, sign_magnitude
from hawx.blocks.library import Library

__all__ = ["Block", "Costs", "Library", "Table", "sign_magnitude"]
