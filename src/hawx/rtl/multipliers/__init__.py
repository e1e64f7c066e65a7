"""SystemVerilog of every multiplier family: combinational gates, written so that what is left out costs nothing.

Module name = block name; ports `input [7:0] A` (activation), `input [7:0] B` (weight), `output [15:0] O`, two's complement.
Each text is exhaustively equal to the family's table (tests/unit/test_importers_circuits.py by evaluation, tests/eda by simulation).
"""

from __future__ import annotations

from functools import singledispatch

from hawx.blocks.families import ArrayFamily, Drum, Family, Kulkarni, Mitchell, Roba, Tosam, TruncatedBooth
from hawx.errors import InputError
from hawx.rtl.multipliers.arrays import array_outputs
from hawx.rtl.multipliers.booth import booth_outputs
from hawx.rtl.multipliers.gates import Gates, Word
from hawx.rtl.multipliers.magnitude import drum, kulkarni, mitchell, roba, signed_outputs, tosam


@singledispatch
def outputs(family: Family, gates: Gates) -> Word:
    """Return the 16 output bits of `family`, built into `gates`.

    Raises:
        InputError: the family has no hardware description; register one with `outputs.register`.
    """
    raise InputError(f"family {type(family).__name__!r} has no hardware description; expected one registered with hawx.rtl.multipliers.outputs.")


@outputs.register
def _array(family: ArrayFamily, gates: Gates) -> Word:
    return array_outputs(gates, family)


@outputs.register
def _drum(family: Drum, gates: Gates) -> Word:
    return signed_outputs(gates, drum(family.kept))


@outputs.register
def _mitchell(_: Mitchell, gates: Gates) -> Word:
    return signed_outputs(gates, mitchell)


@outputs.register
def _roba(_: Roba, gates: Gates) -> Word:
    return signed_outputs(gates, roba)


@outputs.register
def _kulkarni(_: Kulkarni, gates: Gates) -> Word:
    return signed_outputs(gates, kulkarni)


@outputs.register
def _tosam(family: Tosam, gates: Gates) -> Word:
    return signed_outputs(gates, tosam(family.product_bits, family.sum_bits))


@outputs.register
def _booth(family: TruncatedBooth, gates: Gates) -> Word:
    return booth_outputs(gates, family.columns)


def verilog(family: Family) -> str:
    """Return the synthesizable SystemVerilog module of `family`, named `family.name`."""
    gates = Gates()
    bits = outputs(family, gates)
    return gates.module(family.name, bits, f"{family.name}: {family.formats[0]}×{family.formats[1]} multiplier\n{family.SOURCE}")


__all__ = ["outputs", "verilog"]
