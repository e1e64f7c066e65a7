"""Conformance of block sources: what every library, importer or generator of blocks must keep.

Subclass in a test module and say where the blocks come from; pytest collects the rest:

    class TestMyCircuits(BlockSourceSuite):
        def load(self) -> Library:
            return my_package.library()

The contract: tables are read-only int32 in value order and fit 16 bits (and a sign, with signed operands); names are unique and
usable; the hash is that of the content; provenance is plain JSON; figures are finite, not negative, labelled and of one technology
per name; loading twice gives the same; saving and loading changes nothing; an exact block is there and is exact; the emulator
reproduces every table.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from hawx.blocks import Block, Library
from hawx.emulate import reference
from hawx.formats import CODES
from hawx.importers import load_library, save_library


class BlockSourceSuite:
    """Test class for any source of blocks; override `load`."""

    def load(self) -> Library:
        """Return the source's library, anew on every call."""
        raise NotImplementedError("a block source suite says where its library comes from: override load()")

    def test_tables_are_read_only_int32_of_16_bits(self) -> None:
        for block in self.load():
            low = -(1 << 16) if any(f.signed for f in block.formats) else -1
            assert block.table.shape == (CODES, CODES), block
            assert block.table.dtype == np.int32, block
            assert not block.table.flags.writeable, f"the table of {block} can be written to"
            assert low < int(block.table.min()), f"{block} has products below 16 bits"
            assert int(block.table.max()) < 1 << 16, f"{block} has products above 16 bits"

    def test_tables_are_in_value_order(self) -> None:
        """Value order puts the row of code -128 first: reordered as two's complement, a table is farther from the exact products."""
        for block in self.load():
            signed = [axis for axis, f in enumerate(block.formats) if f.signed]
            if signed and not block.is_exact:
                wrapped = np.roll(block.table, CODES // 2, axis=signed)
                assert np.abs(block.error).mean() <= np.abs(wrapped - block.exact_products).mean(), f"{block} looks like two's-complement order"

    def test_names_are_unique_and_usable(self) -> None:
        names = self.load().names
        assert len(set(names)) == len(names)
        assert all(name and not any(c.isspace() or c in "/\\" for c in name) for name in names)

    def test_the_hash_is_that_of_the_content(self) -> None:
        for block in self.load():
            again = Block.from_table(block.table.copy(), name="other", formats=block.formats)
            assert again.sha256 == block.sha256
            changed = block.table.copy()
            changed[17, 201] ^= 1
            assert Block.from_table(changed, name="other", formats=block.formats).sha256 != block.sha256

    def test_there_is_an_exact_block(self) -> None:
        exact = self.load().exact
        a, w = (f.values().astype(np.int64) for f in exact.formats)
        assert (exact.table == np.multiply.outer(a, w)).all()

    def test_provenance_is_plain_json(self) -> None:
        for block in self.load():
            assert block.provenance or block.is_exact, f"{block} does not say where it comes from"
            text = json.dumps(dict(block.provenance), allow_nan=False)
            assert json.loads(text) is not None

    def test_figures_are_usable_and_labelled(self) -> None:
        for block in self.load():
            for technology, costs in block.costs.items():
                assert costs.technology == technology, block
                figures = (costs.area, costs.delay_ns, costs.energy_fj, costs.leakage_nw)
                assert all(math.isfinite(figure) and figure >= 0 for figure in figures), block
                assert costs.origin.partition(":")[0] in ("synthesized", "published", "scaled"), f"{block}: origin {costs.origin!r}"
                assert 0 <= costs.constant_lsbs <= 16, block

    def test_loading_twice_gives_the_same(self) -> None:
        first, second = self.load(), self.load()
        assert first.names == second.names
        for one, other in zip(first, second, strict=True):
            assert one.sha256 == other.sha256
            assert dict(one.costs) == dict(other.costs)
            assert dict(one.provenance) == dict(other.provenance)

    def test_saving_and_loading_changes_nothing(self, tmp_path: Path) -> None:
        library = self.load()
        again = load_library(save_library(library, tmp_path / "saved.npz"))
        for before in library:
            after = again[before.name]
            assert after.sha256 == before.sha256
            assert after.formats == before.formats
            assert before.costs.items() <= after.costs.items()
            assert json.dumps(dict(after.provenance), sort_keys=True) == json.dumps(dict(before.provenance), sort_keys=True)

    def test_the_reference_emulator_reproduces_every_table(self) -> None:
        for block in self.load():
            a, w = (f.values().astype(f.dtype)[:, None] for f in block.formats)
            assert (reference.matmul(a, w, [block] * CODES) == block.table).all(), block
