"""Families: parameterized multipliers stated as laws, each with its source, and the built-in library made of them.

`from_name("mul8s_drum5")` gives any member by name, `builtin_families()` the default selection, `builtin_library()` the
same as blocks with the shipped figures.
"""

from __future__ import annotations

from functools import cache

from hawx.blocks.block import Block
from hawx.blocks.families.arrays import ArrayFamily
from hawx.blocks.families.booth import TruncatedBooth
from hawx.blocks.families.broken_array import BrokenArray
from hawx.blocks.families.compressed import ApproximateCompressors, CompressedArray, OrCompressed
from hawx.blocks.families.costs import attach, shipped
from hawx.blocks.families.drum import Drum
from hawx.blocks.families.exact import Exact
from hawx.blocks.families.family import Family
from hawx.blocks.families.kulkarni import Kulkarni
from hawx.blocks.families.magnitude import MagnitudeFamily
from hawx.blocks.families.mitchell import Mitchell
from hawx.blocks.families.roba import Roba
from hawx.blocks.families.tosam import Tosam
from hawx.blocks.families.truncated import ColumnTruncated, OperandTruncated, VariableTruncated
from hawx.blocks.library import Library
from hawx.errors import UnknownNameError

FAMILIES: tuple[type[Family], ...] = (
    Exact,
    ColumnTruncated,
    VariableTruncated,
    OperandTruncated,
    BrokenArray,
    TruncatedBooth,
    OrCompressed,
    ApproximateCompressors,
    Drum,
    Mitchell,
    Roba,
    Kulkarni,
    Tosam,
)
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
    """Return the members of the built-in library: the exact one first, then by family, mildest first.

    Chosen for a dense front of error over energy from 0 to 60 % saved, under uniform operands and under those of networks
    (half the activations 0, weights near 0), where truncating the activation more than the weight is best. Logarithmic and
    leading-one multipliers cost more than the exact 8×8 array (their gain starts at wider operands); two stay for comparison.
    """
    return (
        Exact(),
        *(ColumnTruncated(k) for k in (2, 3, 4, 5, 6, 7, 8)),
        *(ColumnTruncated(k, compensated=True) for k in (6, 8)),
        *(VariableTruncated(k) for k in (6, 7, 8)),
        *(OperandTruncated(m, n) for m, n in ((1, 0), (1, 1), (2, 0), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3))),
        BrokenArray(4, activation_rows=1),
        BrokenArray(6, weight_rows=2),
        BrokenArray(7, activation_rows=2),
        BrokenArray(7, weight_rows=3),
        *(TruncatedBooth(k) for k in (6, 8)),
        OrCompressed(6, 8),
        Drum(4),
        Mitchell(),
    )


MORE_WITH_FIGURES = (
    *("tc1", "tc9", "tcc4", "tcc5", "tcc7", "vct4", "vct5"),
    *("ot_a0w1", "ot_a0w2", "ot_a1w2", "ot_a1w3", "ot_a2w3", "ot_a3w0", "ot_a4w1", "ot_a4w2", "ot_a4w3", "ot4"),
    *("bam_v3a1", "bam_v4h1", "bam_v5h2", "bam_v5a1", "bam_v5a2", "bam_v6a1", "bam_v6a2", "bam_v7h2"),
    *("booth4", "booth5", "booth7", "or4d8", "or5d8", "or6d2", "or7d8", "ac6"),
    *("drum3", "drum5", "drum6", "roba", "kulkarni", "tosam_h0t3", "tosam_h1t5"),
)
"""Members outside the built-in library that come with figures, so that they can join an exploration without characterizing."""


def characterized_families() -> tuple[Family, ...]:
    """Return the families whose figures the package ships: the built-in library, more members, and the exact unsigned block."""
    return (*builtin_families(), *(from_name(f"mul8s_{name}") for name in MORE_WITH_FIGURES), Exact(signed=False))


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
    "ApproximateCompressors",
    "ArrayFamily",
    "BrokenArray",
    "ColumnTruncated",
    "CompressedArray",
    "Drum",
    "Exact",
    "Family",
    "Kulkarni",
    "MagnitudeFamily",
    "Mitchell",
    "OperandTruncated",
    "OrCompressed",
    "Roba",
    "Tosam",
    "TruncatedBooth",
    "VariableTruncated",
    "builtin_families",
    "builtin_library",
    "characterized_families",
    "family_block",
    "from_name",
    "is_family_name",
]
