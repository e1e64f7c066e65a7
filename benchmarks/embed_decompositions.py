"""Rebuild the decompositions that the package ships: of every block with shipped figures, of what machines are checked and timed with, and of
EvoApproxLib's 8x8 multipliers (release 2022, read from HAWX_DATA) in every pair of formats that they are used in.

    HAWX_DATA=... python benchmarks/embed_decompositions.py

They are sums of products that equal published tables, computed here; circuits and tables themselves are not among them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np

import hawx.blocks.knowledge
from hawx.blocks import Block, sign_magnitude
from hawx.blocks.decompositions import decompose, to_record
from hawx.blocks.families import characterized_families
from hawx.emulate.selfcheck import checked_blocks
from hawx.emulate.timing import timed_blocks

TARGET = Path(hawx.blocks.knowledge.__file__).parent / "data" / hawx.blocks.knowledge.FILE


def blocks() -> Iterator[Block]:
    yield from checked_blocks()
    yield from (block for block, _ in timed_blocks())
    for family in characterized_families():
        yield from in_every_format(family.block())
    with np.load(Path(os.environ["HAWX_DATA"]) / "blocks" / "evoapproxlib_v2022_8x8.npz") as tables:
        for name in tables.files:
            formats = ("s8", "s8") if name.startswith("mul8s") else ("u8", "u8")
            yield from in_every_format(Block.from_table(tables[name], name=name, formats=formats))


def in_every_format(block: Block) -> Iterator[Block]:
    """Give a block, and where it is unsigned the same on signed weights, as importers offer it."""
    yield block
    if not any(f.signed for f in block.formats):
        yield from (sign_magnitude(block, activations) for activations in ("u8", "s8"))


def main() -> None:
    records = {block.sha256: to_record(block, decompose(block)) for block in blocks()}
    with ZipFile(TARGET, "w", ZIP_DEFLATED, compresslevel=9) as archive:
        for table in sorted(records):
            member = ZipInfo(f"{table}.json")  # without a time: the same records give the same file
            member.compress_type = ZIP_DEFLATED
            archive.writestr(member, json.dumps(records[table], separators=(",", ":")), compresslevel=9)
    print(f"{TARGET}: {len(records)} tables, {TARGET.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
