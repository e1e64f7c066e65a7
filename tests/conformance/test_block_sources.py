"""Every block source of the package keeps the contract of block sources, and the suite notices those that do not."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from hawx.blocks import Block, Costs, Library
from hawx.blocks.families import FAMILIES
from hawx.importers import load_library
from hawx.testing import BlockSourceSuite

DATA = Path(os.environ.get("HAWX_DATA", Path(__file__).resolve().parents[3] / "shared")) / "blocks" / "evoapproxlib_v2022_8x8.npz"
HAND = Path(__file__).parents[1] / "data"
needs_data = pytest.mark.skipif(not DATA.is_file(), reason=f"needs {DATA} (set HAWX_DATA)")


class TestBuiltin(BlockSourceSuite):
    def load(self) -> Library:
        return load_library("builtin")


class TestEveryFamily(BlockSourceSuite):
    def load(self) -> Library:
        return load_library(*(family.EXAMPLE for family in FAMILIES))


class TestCircuitFile(BlockSourceSuite):
    def load(self) -> Library:
        return load_library(HAND / "mul8s_hand.v")


class TestUnsignedFamily(BlockSourceSuite):
    def load(self) -> Library:
        return load_library("mul8u_exact")


@needs_data
@pytest.mark.data
class TestDescribedTables(BlockSourceSuite):
    def load(self) -> Library:
        return load_library(DATA)


@needs_data
@pytest.mark.data
class TestSignMagnitude(BlockSourceSuite):
    def load(self) -> Library:
        return load_library(f"{DATA}#magnitude")


@needs_data
@pytest.mark.data
class TestBuiltinWithPublished(BlockSourceSuite):
    def load(self) -> Library:
        return load_library("builtin", DATA)


# ---------------------------------------------------------------- the suite itself


EXACT = load_library("builtin").exact


def drum(**changes: object) -> Block:
    return replace(load_library("mul8s_drum4")["mul8s_drum4"], **changes)


def mislabeled() -> Block:
    block = drum()
    block.__dict__["sha256"] = "0" * 64  # the cached hash of another table
    return block


def source_of(block: Block) -> BlockSourceSuite:
    class Source(BlockSourceSuite):
        def load(self) -> Library:
            return Library([EXACT, block])

    return Source()


def costs(**changes: object) -> MappingProxyType:
    values = {"technology": "t", "area_um2": 1.0, "delay_ns": 1.0, "energy_fj": 1.0, "origin": "published: test"}
    return MappingProxyType({"t": Costs(**{**values, **changes})})


def wrapped() -> np.ndarray:
    table = np.roll(drum().table, 128, axis=(0, 1))
    table.setflags(write=False)
    return table


@pytest.mark.parametrize(
    ("block", "check"),
    [
        (drum(table=drum().table.copy()), "test_tables_are_read_only_int32_of_16_bits"),
        (drum(table=drum().table.astype(np.int64)), "test_tables_are_read_only_int32_of_16_bits"),
        (Block.from_table(drum().table * 4, name="large"), "test_tables_are_read_only_int32_of_16_bits"),
        (drum(table=wrapped()), "test_tables_are_in_value_order"),
        (drum(name="two words"), "test_names_are_unique_and_usable"),
        (mislabeled(), "test_the_hash_is_that_of_the_content"),
        (drum(provenance=MappingProxyType({})), "test_provenance_is_plain_json"),
        (drum(provenance=MappingProxyType({"x": float("nan")})), "test_provenance_is_plain_json"),
        (drum(costs=costs(area_um2=-1.0)), "test_figures_are_usable_and_labelled"),
        (drum(costs=costs(energy_fj=float("inf"))), "test_figures_are_usable_and_labelled"),
        (drum(costs=costs(origin="somebody said so")), "test_figures_are_usable_and_labelled"),
        (drum(costs=MappingProxyType({"u": costs()["t"]})), "test_figures_are_usable_and_labelled"),
    ],
)
def test_the_suite_notices_a_broken_block(block, check):
    with pytest.raises((AssertionError, ValueError)):
        getattr(source_of(block), check)()


def test_the_suite_notices_a_source_that_changes():
    class Source(BlockSourceSuite):
        calls = 0

        def load(self) -> Library:
            self.calls += 1
            return load_library("mul8s_drum4" if self.calls == 1 else "mul8s_drum5")

    with pytest.raises(AssertionError):
        Source().test_loading_twice_gives_the_same()


def test_the_suite_says_what_to_override():
    with pytest.raises(NotImplementedError, match=r"^a block source suite says where its library comes from: override load\(\)$"):
        BlockSourceSuite().load()
