"""A table is searched once: records are verified whoever kept them, damage costs time and never a result."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blocks import exact, full_rank, low_rank

from hawx import emulate
from hawx.blocks import Block, Library
from hawx.blocks import knowledge as module
from hawx.blocks.decompositions import NOTHING, Decompositions, decompose, from_record, to_record
from hawx.blocks.families import characterized_families
from hawx.blocks.knowledge import Knowledge, shipped
from hawx.designs import Assignment
from hawx.emulate import Evaluator, Machine, layers
from hawx.emulate.engine import SHARED_ENGINES
from hawx.emulate.selfcheck import checked_blocks
from hawx.emulate.timing import timed_blocks
from hawx.networks import zoo
from hawx.store.kernel_costs import timed_machine
from hawx.store.tables import TableArchive

DATA = Path(os.environ.get("HAWX_DATA", Path(__file__).parents[2] / ".." / "shared")) / "blocks"
CODES = np.arange(-128, 128)
LEFT = Block.from_table(exact().table - np.multiply.outer(CODES & 7, CODES & 15), name="left")
"""All forms at once: words, bytes, and a remainder."""


def same(one: Decompositions | None, other: Decompositions | None) -> bool:
    """Whether two decompositions are equal to the last factor."""
    if one is None or other is None:
        return one is other
    forms = [(f.words, f.bytes, f.residual and f.residual.factors, f.residual) for f in (one, other)]
    for left, right in zip(*forms, strict=True):
        if (left is None) != (right is None):
            return False
        for name in ("u", "v", "zero", "scale", "classes", "rows", "low", "unit"):
            if not np.array_equal(getattr(left, name, 0), getattr(right, name, 0)):
                return False
    return True


def refuse(*_: object) -> Any:
    raise AssertionError("searched, although it is known")


@pytest.mark.parametrize("block", [exact(), exact(("u8", "u8")), low_rank(3), low_rank(6, formats=("u8", "s8")), full_rank(), LEFT], ids=str)
def test_a_record_gives_the_forms_back(block: Block) -> None:
    found = decompose(block)
    record = json.loads(json.dumps(to_record(block, found)))
    assert same(from_record(block, record), found)


DAMAGE: dict[str, Callable[[dict[str, Any]], object]] = {
    "schema": lambda r: r.update(schema=r["schema"] + 1),
    "table": lambda r: r.update(table="0" * 64),
    "no table": lambda r: r.pop("table"),
    "no form": lambda r: r.pop("residual"),
    "a factor of words": lambda r: r["words"][0][0].__setitem__(17, r["words"][0][0][17] + 1),
    "a factor of bytes": lambda r: r["bytes"][-1][1].__setitem__(3, 5),
    "a factor of the remainder": lambda r: r["residual"][0][0].__setitem__(200, 100000),
    "a scale": lambda r: r["words"][0].__setitem__(2, 2),
    "a short factor": lambda r: r["words"][0][0].pop(),
    "a product less": lambda r: r["bytes"].pop(),
    "no products": lambda r: r.update(residual=[]),
    "no outer product": lambda r: r.update(words=[[1, 2]]),
    "no number": lambda r: r["words"][0][0].__setitem__(0, float("nan")),
    "long numbers": lambda r: r["words"][0][0].__setitem__(0, 1 << 90),
    "words": lambda r: r.update(bytes="bytes"),
    "nothing remains": lambda r: r.update(residual=r["bytes"]),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_record_is_refused(damage: str) -> None:
    record = to_record(LEFT, decompose(LEFT))
    assert all(record[form] for form in ("words", "bytes", "residual"))
    damaged = copy.deepcopy(record)
    DAMAGE[damage](damaged)
    assert damaged != record
    assert from_record(LEFT, damaged) is None
    assert from_record(LEFT, record) is not None


def test_a_split_whose_classes_were_mistaken_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes are told by sums of multiples; here they are sums of one column, which rows share that differ elsewhere."""
    low = sum(np.multiply.outer(CODES & (1 << i), CODES & ((1 << (4 - i)) - 1)) for i in range(3))
    block = Block.from_table(exact().table - low, name="b")
    record = to_record(block, decompose(block))
    assert record["residual"]
    monkeypatch.setattr("hawx.blocks.residual._MULTIPLIERS", (CODES == 8).astype(np.int64))
    assert from_record(block, record) is None


def test_a_table_is_searched_once_and_found_on_disk_by_the_next_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = low_rank(4, seed=11)
    knowledge = Knowledge(TableArchive(tmp_path / "tables"))
    found = knowledge.of(block)
    assert [path.name for path in (tmp_path / "tables").iterdir()] == [f"{block.sha256}.json"]
    monkeypatch.setattr(module, "decompose", refuse)
    assert knowledge.of(block.renamed("other")) is found
    assert same(Knowledge(TableArchive(tmp_path / "tables")).of(block), found)


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "list", "another's", "a factor"])
def test_a_damaged_file_is_searched_again_and_mended(damage: str, tmp_path: Path) -> None:
    block, other = low_rank(4, seed=11), low_rank(4, seed=12)
    archive = TableArchive(tmp_path)
    found = Knowledge(archive).of(block)
    path = tmp_path / f"{block.sha256}.json"
    good = path.read_bytes()
    record = json.loads(good)
    record["words"][0][0][0] += 1
    Knowledge(archive).of(other)
    stranger = (tmp_path / f"{other.sha256}.json").read_bytes()
    bad = {"empty": b"", "cut": good[: len(good) // 2], "text": b"\xff\xfe\x00", "list": b"[1]", "another's": stranger}
    path.write_bytes(bad.get(damage, json.dumps(record).encode()))
    assert same(Knowledge(archive).of(block), found)
    assert path.read_bytes() == good


def test_a_folder_that_cannot_be_written_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    knowledge = Knowledge(TableArchive(tmp_path / "home" / "tables"))
    assert same(knowledge.of(LEFT), decompose(LEFT))
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


FILL = """
import sys
from pathlib import Path
import numpy as np
from hawx.blocks import Block
from hawx.blocks.knowledge import Knowledge
from hawx.store.tables import TableArchive

sys.stdin.readline()  # both begin at once
for seed in range(12):
    u, v = np.random.default_rng(seed).integers(-40, 41, (2, 4, 256))
    found = Knowledge(TableArchive(Path(sys.argv[1]))).of(Block.from_table(u.T @ v, name="b"))
    assert np.array_equal(found.words.table, u.T @ v)
"""


def test_two_processes_fill_the_cache_at_once(tmp_path: Path) -> None:
    workers = [subprocess.Popen([sys.executable, "-c", FILL, str(tmp_path)], stdin=subprocess.PIPE, text=True) for _ in range(2)]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.close()
    assert [worker.wait(60) for worker in workers] == [0, 0]
    files = list(tmp_path.iterdir())
    assert len(files) == 12
    assert {f"{json.loads(path.read_text())['table']}.json" for path in files} == {path.name for path in files}


def test_the_least_recently_used_tables_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CAPACITY", 2)
    knowledge, (one, two, three) = Knowledge(), (low_rank(1, seed=seed) for seed in range(3))
    first = knowledge.of(one)
    knowledge.of(two)
    knowledge.of(one)
    knowledge.of(three)
    assert len(knowledge) == 2
    monkeypatch.setattr(module, "decompose", refuse)
    assert knowledge.of(one) is first
    with pytest.raises(AssertionError, match="searched"):
        knowledge.of(two)


def test_a_table_is_searched_when_it_has_cost_a_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    knowledge, block = Knowledge(TableArchive(tmp_path)), low_rank(4, seed=11)
    monkeypatch.setattr(module, "SEARCH_SECONDS", 1.0)
    assert knowledge.worth(block, 0.4) is NOTHING
    assert knowledge.worth(block, 0.4) is NOTHING
    assert list(tmp_path.iterdir()) == []
    found = knowledge.worth(block.renamed("other"), 0.4)
    assert found.words is not None
    assert found.words.products == 4
    monkeypatch.setattr(module, "decompose", refuse)
    assert knowledge.worth(block, 0.0) is found
    assert same(Knowledge(TableArchive(tmp_path)).worth(block, 0.0), found)
    assert Knowledge().worth(exact(), 0.0).words is not None


def test_a_layer_that_costs_less_than_a_search_runs_by_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    block, machine = low_rank(2, seed=99), Machine(knowledge=Knowledge())
    ran: list[str] = []
    in_kernels = layers.in_kernels
    monkeypatch.setattr(layers, "in_kernels", lambda *args: (ran.extend(engine for _, engine in args[5]), in_kernels(*args))[1])
    monkeypatch.setattr("hawx.emulate.machine._default", machine)
    monkeypatch.setattr(module, "SEARCH_SECONDS", 0.05)
    a, w = np.random.default_rng(0).integers(-128, 128, (2, 64, 32)).astype(np.int8)
    before = emulate.matmul(a, w, block)
    assert ran[-1] in SHARED_ENGINES
    monkeypatch.setattr(module, "SEARCH_SECONDS", 0.0)
    after = emulate.matmul(a, w, block)
    assert machine.knowledge.of(block).words is not None
    np.testing.assert_array_equal(after, before)


def test_workers_get_what_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(knowledge=Knowledge(TableArchive(tmp_path)))
    found = machine.knowledge.of(low_rank(4, seed=11))
    other = pickle.loads(pickle.dumps(machine))
    monkeypatch.setattr(module, "decompose", refuse)
    monkeypatch.setattr(module, "from_record", refuse)
    assert same(other.knowledge.of(low_rank(4, seed=11)), found)
    assert other.knowledge.archive == TableArchive(tmp_path)


def test_a_timed_machine_keeps_tables_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Machine().model
    monkeypatch.setattr("hawx.store.kernel_costs.time_kernels", lambda _: model)
    timed_machine(tmp_path).knowledge.of(LEFT)
    assert [path.name for path in (tmp_path / "tables").iterdir()] == [f"{LEFT.sha256}.json"]


def in_package() -> list[Block]:
    return [*(family.block() for family in characterized_families()), *checked_blocks(), *(block for block, _ in timed_blocks())]


@pytest.mark.parametrize("block", in_package(), ids=lambda block: block.name)
def test_the_package_holds_what_a_search_finds(block: Block) -> None:
    """Where this fails, a search finds something else than before: raise SCHEMA and run benchmarks/embed_decompositions.py."""
    assert shipped(block.sha256) == to_record(block, decompose(block))


@pytest.mark.data
@pytest.mark.skipif(not (DATA / "evoapproxlib_v2022_8x8.npz").exists(), reason="needs shared/blocks (HAWX_DATA)")
def test_the_package_knows_evoapproxlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "decompose", refuse)
    with np.load(DATA / "evoapproxlib_v2022_8x8.npz") as tables:
        for name in tables.files:
            formats = ("s8", "s8") if name.startswith("mul8s") else ("u8", "u8")
            Knowledge().of(Block.from_table(tables[name], name=name, formats=formats))


def test_results_do_not_depend_on_where_knowledge_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, data = zoo.load("lenet5"), zoo.dataset("lenet5").first(40)
    library = Library([family.block() for family in characterized_families()[:6]])
    indices = tuple(np.arange(filters, dtype=np.uint8) % 6 for filters in network.filters.values())
    design = Assignment(network.layer_names, library.names, indices)

    def logits(knowledge: Knowledge) -> np.ndarray:
        return Evaluator(network, library, data.images, data.labels, machine=Machine(knowledge=knowledge)).logits(design)

    monkeypatch.setattr(module, "SEARCH_SECONDS", 0.0)
    from_package = logits(Knowledge())
    monkeypatch.setattr(module, "shipped", lambda _: None)
    np.testing.assert_array_equal(logits(Knowledge(TableArchive(tmp_path))), from_package)
    monkeypatch.setattr(module, "decompose", refuse)
    np.testing.assert_array_equal(logits(Knowledge(TableArchive(tmp_path))), from_package)
    assert len(list(tmp_path.iterdir())) >= 6
