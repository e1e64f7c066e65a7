"""Libraries from sources: saved and loaded unchanged, joined without repeats, always exact, always one technology."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from hawx.blocks import Block, Costs, Library
from hawx.blocks.anchoring import anchored, base_technology, scaled
from hawx.blocks.families import Drum, Exact, OperandTruncated, builtin_library, family_block
from hawx.errors import InputError, UnknownNameError
from hawx.importers import load_block, load_library, save_library
from hawx.importers.evoapprox import PUBLISHED_EXACT

DATA = Path(os.environ.get("HAWX_DATA", Path(__file__).resolve().parents[3] / "shared")) / "blocks"


def costs(technology: str, area: float, delay: float, energy: float, leakage: float = 0.0) -> Costs:
    return Costs(technology=technology, area_um2=area, delay_ns=delay, energy_fj=energy, leakage_nw=leakage, origin=f"test {technology}")


def table_file(folder: Path, name: str, seed: int) -> Path:
    values = np.arange(-128, 128)
    np.save(folder / f"{name}.npy", np.multiply.outer(values, values) + np.random.default_rng(seed).integers(-9, 9, (256, 256)))
    return folder / f"{name}.npy"


def test_saved_libraries_come_back_unchanged(tmp_path):
    blocks = [Exact().block().with_costs(costs("x", 1, 2, 3, 4)), Drum(4).block(), OperandTruncated(2, 1).block()]
    path = save_library(Library(blocks, name="mine"), tmp_path / "deep" / "mine")
    again = load_library(path)
    assert again.name == "mine"
    assert again.names == tuple(block.name for block in blocks)
    for before, after in zip(blocks, again, strict=True):
        assert after.sha256 == before.sha256
        assert dict(after.provenance) == dict(before.provenance)
        assert dict(after.costs) == dict(before.costs)
    assert load_library(tmp_path / "deep" / "mine").names == again.names
    assert sorted(p.name for p in path.parent.iterdir()) == ["mine.json", "mine.npz"]
    first = path.read_bytes()
    save_library(again, path)
    assert path.read_bytes() == first


def saved(folder: Path) -> tuple[Path, dict]:
    path = save_library(Library([Exact().block(), Drum(4).block()], name="mine"), folder / "mine.npz")
    return path, json.loads(path.with_suffix(".json").read_text())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: d["blocks"][1].update(sha256="f" * 64),
            r"^block 'mul8s_drum4' of '.*mine\.npz' does not have its recorded hash ffffffffffff; expected an unchanged file\. Restore it\.$",
        ),
        (lambda d: d["blocks"][1].update(name="other"), r"^'.*mine\.npz' has no table 'other'; expected every block of 'mine\.json'\.$"),
        (
            lambda d: d.update(version=2),
            r"^'.*mine\.json' has version 2 of 'hawx\.library'; expected 1\. Save the library again with this release\.$",
        ),
        (lambda d: d.update(schema="x"), r"^'.*mine\.json' has schema 'x'; expected 'hawx\.library'\.$"),
        (
            lambda d: d["blocks"][0].pop("formats"),
            r"^'.*mine\.json' blocks\[0\] has no 'formats'; expected a table with name, formats, sha256, costs, provenance\.$",
        ),
        (
            lambda d: d["blocks"][0].update(costs=[{"price": 1}]),
            r"^'.*mine\.json' blocks\[0\]\.costs\[0\] has no 'technology'; expected a table with technology, area_um2, .*\.$",
        ),
        (lambda d: d.update(blocks=[]), r"^'.*mine\.json' describes no blocks; expected at least one\.$"),
    ],
)
def test_a_changed_saved_library_is_refused(tmp_path, change, message):
    path, description = saved(tmp_path)
    change(description)
    path.with_suffix(".json").write_text(json.dumps(description))
    with pytest.raises(InputError, match=message):
        load_library(path)


def test_a_changed_table_is_noticed(tmp_path):
    path, _ = saved(tmp_path)
    tables = dict(np.load(path, allow_pickle=False))
    tables["mul8s_drum4"][3, 4] += 1
    np.savez_compressed(path, **tables)
    with pytest.raises(InputError, match=r"^block 'mul8s_drum4' of .* does not have its recorded hash "):
        load_library(path)


def test_default_source_and_family_names():
    assert load_library().names == builtin_library().names
    library = load_library("mul8s_drum5", "mul8s_bam_v6h2")
    assert library.names == ("mul8s_exact", "mul8s_drum5", "mul8s_bam_v6h2")
    assert load_block("mul8s_drum7").name == "mul8s_drum7"
    assert load_library("mul8u_exact").formats[0].name == "u8"


def test_missing_sources_name_what_is_near(tmp_path):
    table_file(tmp_path, "mine", 1)
    with pytest.raises(InputError, match=r"^library '.*/mien\.npy' does not exist; did you mean '.*/mine\.npy'\?$"):
        load_library(tmp_path / "mien.npy")
    with pytest.raises(InputError, match=r"^library '.*/no/where\.npy' does not exist, nor does its folder; expected a file or folder\.$"):
        load_library(tmp_path / "no" / "where.npy")
    with pytest.raises(
        InputError,
        match=r"^unknown library or block 'evoaprox'; expected 'builtin', a family member such as 'mul8s_tc4', or the path of a file or folder\.$",
    ):
        load_library("evoaprox")
    with pytest.raises(InputError, match=r"^path 'x{80}' cannot be used \(File name too long\); expected the path of a file or folder\.$"):
        load_library("x" * 5000)
    (tmp_path / "x.txt").write_text("?")
    with pytest.raises(InputError, match=r"^library '.*x\.txt' has suffix '\.txt'; expected a folder or one of \.v, .*\.$"):
        load_library(tmp_path / "x.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"^folder '.*empty' holds no blocks; expected an EvoApproxLib checkout or files ending in \.v, .*\.$"):
        load_library(tmp_path / "empty")
    with pytest.raises(InputError, match=r"^source 'builtin' holds \d+ blocks \(mul8s_exact, .*\); expected one\. Load it as a library\.$"):
        load_block("builtin")
    with pytest.raises(InputError, match=r"^DRUM kept bits 12 is out of range; expected 3 to 7\.$"):
        load_library("mul8s_drum12")
    with pytest.raises(UnknownNameError):
        load_library("builtin#u8")


def test_a_circuit_that_comes_twice_is_kept_once_with_all_figures(tmp_path):
    mine = Block.from_table(Drum(4).table(), name="renamed").with_costs(costs("y", 5, 6, 7))
    path = save_library(Library([Exact().block(), mine]), tmp_path / "mine.npz")
    library = load_library("mul8s_drum4", path)
    assert library.names == ("mul8s_drum4", "mul8s_exact")
    assert library["mul8s_drum4"].costs["y"].area_um2 == 5
    assert library["mul8s_drum4"].provenance["also"] == ["renamed"]


def test_one_name_for_two_circuits_gets_the_hash(tmp_path):
    (tmp_path / "other").mkdir()
    first, second = table_file(tmp_path, "mine", 1), table_file(tmp_path / "other", "mine", 2)
    library = load_library(first, second)
    other = library.blocks[2]
    assert library.names == ("mul8s_exact", "mine", f"mine_{other.sha256[:6]}")


def test_an_exact_block_of_the_format_pair_is_added(tmp_path):
    values = np.arange(256)
    np.save(tmp_path / "u.npy", np.multiply.outer(values, values) ^ 1)
    assert load_library(tmp_path / "u.npy").exact.name == "mul8u_exact"
    mixed = load_library(f"{tmp_path}/u.npy#u8xs8")
    assert [f.name for f in mixed.formats] == ["u8", "s8"]
    assert mixed.exact.is_exact
    with pytest.raises(InputError, match=r"^no built-in exact block has formats s8×u8; expected .*\. Add an exact one to the sources\.$"):
        load_library(f"{tmp_path}/u.npy#u8xs8,swapped")
    with pytest.raises(InputError, match=r"^library '.*' mixes formats: .*; load one format pair per library\.$"):
        load_library("mul8s_drum4", tmp_path / "u.npy")


def test_folders_of_mixed_files(tmp_path):
    table_file(tmp_path, "b", 1)
    save_library(Library([Exact().block(), Drum(4).block()]), tmp_path / "a.npz")
    (tmp_path / "notes.txt").write_text("ignored")
    assert load_library(tmp_path).names == ("mul8s_exact", "mul8s_drum4", "b")


# ---------------------------------------------------------------- one technology


def test_scaling_goes_by_the_exact_blocks():
    found = scaled(costs("new", 10, 1.0, 100), costs("new", 20, 2.0, 400), costs("old", 2000, 8.0, 40, 5.0))
    assert (found.technology, found.area_um2, found.delay_ns, found.energy_fj) == ("old", 1000, 4, 10)
    assert found.leakage_nw == 2.5  # no leakage stated: by area
    assert found.origin == "scaled: new to old by the ratio of the exact blocks; test new"
    assert scaled(costs("new", 10, 1, 1, 3), costs("new", 20, 2, 2, 6), costs("old", 2000, 8, 40, 5)).leakage_nw == 2.5


def test_blocks_without_a_shared_technology_get_one():
    exact = Exact().block().with_costs(costs("old", 1000, 4, 80))
    other_exact = Block.from_table(Exact().table(), name="their_exact").with_costs(costs("new", 10, 1, 8))
    blocks = [
        exact,
        Drum(4).block().with_costs(costs("old", 500, 3, 40)),
        OperandTruncated(2, 2).block().with_costs(costs("new", 4, 0.5, 2)),
        other_exact,
    ]
    assert base_technology(blocks) == "old"
    library = Library(anchored(blocks))
    assert library.technology == "old"
    assert library["mul8s_ot2"].costs["old"].area_um2 == 400
    assert library["mul8s_ot2"].costs["new"].area_um2 == 4
    assert library["their_exact"].costs["old"].energy_fj == 80
    assert anchored(blocks[:3])[2].costs.keys() == {"new"}  # nothing exact in "new": left as it is
    bare = [exact, Drum(3).block()]
    assert anchored(bare)[1].costs == {}


@pytest.mark.skipif(not family_block(Exact()).costs, reason="the package ships no characterized figures yet")
def test_a_single_published_circuit_is_comparable_with_the_built_in_exact_one():
    library = load_library(Path(__file__).parents[1] / "data" / "mul8s_hand.v")
    assert library.names == ("mul8s_exact", "mul8s_hand")
    exact, hand = library.costs()
    assert exact.technology == hand.technology == "osu018"
    assert hand.area_um2 / exact.area_um2 == pytest.approx(60.5 / PUBLISHED_EXACT["s8"]["area_um2"])
    assert hand.origin.startswith("scaled: PDK45 to osu018 by the ratio of the exact blocks; published: ")


@pytest.mark.data
@pytest.mark.skipif(not (DATA / "evoapproxlib_v2022_8x8.npz").is_file(), reason="needs shared/blocks/evoapproxlib_v2022_8x8.npz (set HAWX_DATA)")
def test_the_shared_tables_load_and_join_the_built_in_library():
    path = DATA / "evoapproxlib_v2022_8x8.npz"
    signed, unsigned = load_library(path), load_library(f"{path}#u8xu8")
    assert (len(signed), len(unsigned)) == (13, 37)
    assert signed.exact.name == "mul8s_1KV6"
    assert signed.technology == unsigned.technology == "PDK45"
    for operand, library in (("s8", signed), ("u8", unsigned)):
        anchor, published = library.exact.costs["PDK45"], PUBLISHED_EXACT[operand]
        assert (anchor.area_um2, anchor.delay_ns) == (published["area_um2"], published["delay_ns"])
    joined = load_library("builtin", path)
    assert joined.technology is not None
    also = {name: block.name for block in joined for name in block.provenance.get("also", [])}
    assert also["mul8s_1KV6"] == "mul8s_exact"
    assert also["mul8s_1KV8"] == "mul8s_tc2"
    assert also["mul8s_1L2N"] == "mul8s_ot3"


@pytest.mark.data
@pytest.mark.skipif(not (DATA / "evoapproxlib_v2022_8x8.npz").is_file(), reason="needs shared/blocks/evoapproxlib_v2022_8x8.npz (set HAWX_DATA)")
def test_twelve_of_thirteen_signed_evoapproxlib_circuits_are_members_of_a_family():
    names = ["exact", "tc2", "tc3", "tc4", "bam_v0a1", "bam_v3a1", "bam_v4a1", "bam_v5a2", "bam_v3a3", "ot1", "ot2", "ot3"]
    hashes = {load_block(f"mul8s_{name}").sha256 for name in names}
    published = {block.sha256 for block in load_library(DATA / "evoapproxlib_v2022_8x8.npz")}
    assert hashes < published
    assert len(published - hashes) == 1


@pytest.mark.data
@pytest.mark.skipif(not (DATA / "evoapproxlib_v2022_8x8.npz").is_file(), reason="needs shared/blocks/evoapproxlib_v2022_8x8.npz (set HAWX_DATA)")
def test_sign_magnitude_of_a_published_library():
    path = DATA / "evoapproxlib_v2022_8x8.npz"
    assert len(load_library(f"{path}#magnitude")) == 37
