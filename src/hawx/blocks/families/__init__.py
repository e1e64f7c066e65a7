"""Families: parameterized multipliers stated as laws, each with its source, and the built-in library made of them.

`from_name("mul8s_drum5")` gives any member by name, `builtin_families()` the default selection, `builtin_library()` the
same as blocks with the shipped figures.
"""

from __future__ import annotations

from functools import cache

from hawx.blocks.block import Block
from hawx.blocks.families.arrays import ArrayFamily
from hawx.blocks.families.broken_array import BrokenArray
from hawx.blocks.families.costs import attach, shipped
from hawx.blocks.families.drum import Drum
from hawx.blocks.families.exact import Exact
from hawx.blocks.families.family import Family
from hawx.blocks.families.magnitude import MagnitudeFamily
from hawx.blocks.families.mitchell import Mitchell
from hawx.blocks.families.roba import Roba
from hawx.blocks.families.truncated import ColumnTruncated, OperandTruncated
from hawx.blocks.library import Library
from hawx.errors import UnknownNameError

FAMILIES: tuple[type[Family], ...] = (Exact, ColumnTruncated, OperandTruncated, BrokenArray, Drum, Mitchell, Roba)
"""Every family that `from_name` understands."""

BUILTIN = "builtin"
"""Name of the built-in library."""


def is_family_name(name: str) -> bool:
    return any(family.PATTERN.fullmatch(name) for family in FAMILIES)


def from_name(name: str) -> Family:
    """Return the family member called `name`, for example `mul8s_drum5`.

    Raises:
        UnknownNameError: no family has such names.
        InputError: a family has, but the parameter is out of range.
    """
    for family in FAMILIES:
        match = family.PATTERN.fullmatch(name)
        if match is not None:
            return family.from_match(match)
    raise UnknownNameError("block family member", name, [family.EXAMPLE for family in FAMILIES])


def builtin_families() -> tuple[Family, ...]:
    """Return the members of the built-in library: the exact one first, then by family, mildest first."""
    return (
        Exact(),
        *(ColumnTruncated(k) for k in (2, 3, 4, 5, 6, 7, 8)),
        *(ColumnTruncated(k, compensated=True) for k in (4, 5, 6, 7, 8)),
        *(OperandTruncated(k, k) for k in (1, 2, 3)),
        BrokenArray(5, 2),
        BrokenArray(6, 2),
        BrokenArray(7, 3),
        *(Drum(k) for k in (6, 5, 4, 3)),
        Mitchell(),
        Roba(),
    )


def family_block(family: Family) -> Block:
    """Return the block of `family`, with its shipped figures where there are any."""
    return attach(family.block(), shipped())


@cache
def builtin_library() -> Library:
    """Return the built-in library.

    Raises:
        StaleCostsError: the shipped figures are not those of the shipped circuits.
    """
    return Library([family_block(family) for family in builtin_families()], name=BUILTIN)


__all__ = [
    "BUILTIN",
    "FAMILIES",
    "ArrayFamily",
    "BrokenArray",
    "ColumnTruncated",
    "Drum",
    "Exact",
    "Family",
    "MagnitudeFamily",
    "Mitchell",
    "OperandTruncated",
    "Roba",
    "builtin_families",
    "builtin_library",
    "family_block",
    "from_name",
    "is_family_name",
]
