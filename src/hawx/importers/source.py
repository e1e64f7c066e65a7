"""Source strings: what to load, and after a `#` how to read it.

evoapproxlib/                signed blocks where the folder has any, else the unsigned ones
evoapproxlib/#u8xu8          the unsigned blocks as they are
evoapproxlib/#magnitude      the unsigned blocks as s8×s8 by sign-magnitude
evoapproxlib/#u8xs8          the unsigned blocks on unsigned activations and sign-magnitude weights
table.npy#wrapped            a table in two's-complement order
circuit.v#swapped            operand B is the activation
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hawx.blocks.block import Block, sign_magnitude
from hawx.circuits.readings import SIGNED, UNSIGNED, Pair
from hawx.errors import InputError, UnknownNameError
from hawx.files import present
from hawx.formats import S8, U8
from hawx.rtl import constant_lsbs

MIXED: Pair = (U8, S8)
_FORMATS: dict[str, Pair] = {"s8xs8": SIGNED, "u8xu8": UNSIGNED, "u8xs8": MIXED}
OPTIONS = (*_FORMATS, "magnitude", "wrapped", "swapped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One parsed source."""

    text: str
    """The source as given."""
    place: str
    """Name or path without options."""
    formats: Pair | None = None
    magnitude: bool = False
    wrapped: bool = False
    swapped: bool = False


def parse_source(source: str | os.PathLike[str]) -> Source:
    """Return the parsed source. A file whose name contains `#` is taken as it is.

    Raises:
        UnknownNameError: an option is not known.
        InputError: options contradict each other.
    """
    text = os.fspath(source)
    place, mark, listed = text.rpartition("#")
    if not mark or present(Path(text)):
        return Source(text=text, place=text)
    options = [option.strip() for option in listed.split(",") if option.strip()]
    for option in options:
        if option not in OPTIONS:
            raise UnknownNameError("source option", option, OPTIONS)
    pairs = [_FORMATS[option] for option in options if option in _FORMATS]
    if len(pairs) + ("magnitude" in options) > 1:
        raise InputError(f"source {text!r} asks for several formats; expected one of {', '.join((*_FORMATS, 'magnitude'))}.")
    return Source(
        text=text,
        place=place,
        formats=pairs[0] if pairs else None,
        magnitude="magnitude" in options,
        wrapped="wrapped" in options,
        swapped="swapped" in options,
    )


def swapped(block: Block) -> Block:
    """Return the block with its operands exchanged: operand B of the circuit takes the activation."""
    provenance = {**block.provenance, "operands_swapped_of": block.sha256}
    a, w = block.formats
    return Block.from_table(block.table.T, name=f"{block.name}_swapped", formats=(w, a), costs=block.costs, provenance=provenance)


def on_signed_weights(block: Block, activations: str) -> Block:
    """Return an unsigned block by sign-magnitude, its figures labelled as those of the unsigned circuit alone."""
    converted = sign_magnitude(block, activations)
    low_bits = constant_lsbs(converted.table)
    return converted.with_costs(
        *(
            replace(costs, constant_lsbs=low_bits, origin=f"{costs.origin}; of the unsigned circuit, sign handling not included")
            for costs in converted.costs.values()
        )
    )


def as_wished(blocks: Sequence[Block], source: Source) -> list[Block]:
    """Return those of a source's blocks that have the wished formats, converted by sign-magnitude where that is the wish.

    Without a wish: the s8×s8 ones where there are any, else all.

    Raises:
        InputError: none has.
    """
    if source.magnitude or source.formats == MIXED:
        chosen = [block for block in blocks if block.formats == MIXED and source.formats == MIXED]
        chosen += [on_signed_weights(block, "u8" if source.formats == MIXED else "s8") for block in blocks if block.formats == UNSIGNED]
    elif source.formats is not None:
        chosen = [block for block in blocks if block.formats == source.formats]
    else:
        chosen = [block for block in blocks if block.formats == SIGNED] or list(blocks)
    if not chosen:
        found = sorted({f"{block.formats[0]}×{block.formats[1]}" for block in blocks})
        raise InputError(
            f"source {source.text!r} has only {' and '.join(found)} blocks; expected another '#' option ({', '.join((*_FORMATS, 'magnitude'))})."
        )
    return [swapped(block) for block in chosen] if source.swapped else chosen
