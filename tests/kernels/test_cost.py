"""The cost model ranks engines from amounts of work; timing fits it, survives damaged caches and never changes a result."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from blocks import exact, full_rank, low_rank

from hawx import emulate
from hawx.blocks import Block
from hawx.blocks.decompositions import decompose
from hawx.emulate import Machine
from hawx.emulate.bench import bench
from hawx.emulate.cost import TERMS, CostModel, PairWork, Tier, Work, built_in
from hawx.emulate.engine import AUTO, Engine
from hawx.emulate.native import describe, extension
from hawx.emulate.plan import Selection, select
from hawx.emulate.timing import time_kernels
from hawx.emulate.workloads import WORKLOADS
from hawx.errors import InputError, UnknownNameError
from hawx.store.kernel_costs import read_model, timed_machine, write_model

WORK = Work(pixels=64000, reduction=576, filters=64, codes=4_096_000)


def tier(name: str) -> Tier:
    """A tier that was compiled, whether it runs here or not."""
    return next(describe(kernels) for kernels in extension().tiers() if kernels.name == name)


def chosen_for(block: Block, work: Work, model: CostModel, engine: str) -> Selection:
    return select(block, decompose(block), work, model, engine)


def test_counts_of_a_factored_layer() -> None:
    model = CostModel(tier("scalar"), dict.fromkeys(TERMS, 1.0))
    work = Work(pixels=10, reduction=27, filters=17, codes=90)
    every = {"call": 1, "output": 10 * 17}
    assert model.amounts("factored", work, PairWork(3)) == every | {"factored_mac": 10 * 27 * 32 * 3, "factored_code": 180}
    assert model.amounts("bytes", work, PairWork(3)) == every | {"byte_mac": 10 * 27 * 32 * 3, "byte_code": 180}
    split = {"byte_mac": 10 * 27 * 32 * 2, "byte_code": 225, "class_row": 10 * 27 * 64 * 1.5}
    assert model.amounts("residual", work, PairWork(2, 1.5)) == every | split
    made = Work(pixels=1025, reduction=3, filters=65, codes=1025)  # rows are made twice, each in the time of four
    assert model.amounts("residual", made, PairWork(1, 1.0, 32))["class_row"] == (1025 + 2 * 32 * 4) * 3 * 128
    assert model.amounts("table", work, PairWork(1)) == every | {"table_product": 10 * 27 * 32, "table_entry": 256 * 27 * 32}
    assert model.amounts("table", Work(pixels=4097, reduction=1, filters=1, codes=1), PairWork(1))["table_entry"] == 2 * 256 * 16
    assert model.amounts("lookup", work, PairWork(1)) == every | {"lookup_product": 10 * 27 * 17}
    deep = Work(pixels=10, reduction=9, filters=17, codes=90, depthwise=True)
    assert model.amounts("factored", deep, PairWork(3)) == every | {"depthwise_mac": 10 * 9 * 17 * 4, "depthwise_code": 90}
    assert model.amounts("table", deep, PairWork(3)) == every | {"depthwise_product": 10 * 9 * 17, "depthwise_plane": 90}


@pytest.mark.parametrize("target", ["scalar", "avx2", "avx512", "avx512_vnni"])
def test_the_exact_block_is_factored_and_full_rank_is_not(target: str) -> None:
    if target != "scalar":  # where a multiplication costs as much as a lookup, either may win
        expected = Engine.BYTES if target == "avx512_vnni" else Engine.FACTORED
        assert chosen_for(exact(), WORK, built_in(tier(target)), AUTO).engine is expected
    chosen = chosen_for(full_rank(), WORK, built_in(tier(target)), AUTO)
    assert chosen.engine in (Engine.TABLE, Engine.LOOKUP)
    assert not {Engine.FACTORED, Engine.BYTES, Engine.RESIDUAL} & chosen.seconds.keys()
    assert chosen.seconds[chosen.engine] == min(chosen.seconds.values())


def test_few_pixels_do_not_pay_for_expanding_a_table() -> None:
    few = Work(pixels=4, reduction=576, filters=64, codes=2304)
    assert chosen_for(full_rank(), few, built_in(tier("avx2")), AUTO).engine is Engine.LOOKUP
    assert chosen_for(full_rank(), WORK, built_in(tier("avx2")), AUTO).engine is Engine.TABLE


def test_a_table_that_no_kernel_holds_runs_in_torch() -> None:
    table = np.random.default_rng(0).integers(0, 1 << 20, (256, 256))
    assert chosen_for(Block.from_table(table, name="b"), WORK, built_in(tier("avx2")), AUTO).engine is Engine.TORCH


def test_timing_measures_this_machine_and_results_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine()
    model = time_kernels(machine, repeats=1)
    assert model.tier == machine.model.tier
    assert set(model.coefficients) == set(TERMS)
    assert all(0 < value < 1e-6 for name, value in model.coefficients.items() if name != "call")
    a, w = np.random.default_rng(0).integers(-128, 128, (2, 30, 40)).astype(np.int8)
    before = emulate.matmul(a, w, low_rank(3))
    slow = CostModel(model.tier, dict.fromkeys(TERMS, 1e-9) | {"factored_mac": 1.0})
    monkeypatch.setattr("hawx.emulate.machine._default", Machine(model=slow))
    np.testing.assert_array_equal(emulate.matmul(a, w, low_rank(3)), before)


def test_the_cache_is_kept_read_and_mistrusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Machine().model.tier
    model = CostModel(here, {name: 1e-9 * (i + 1) for i, name in enumerate(TERMS)})
    monkeypatch.setattr("hawx.store.kernel_costs.time_kernels", lambda _: model)
    assert timed_machine(tmp_path).model is model
    (path,) = tmp_path.iterdir()
    monkeypatch.setattr("hawx.store.kernel_costs.time_kernels", lambda _: pytest.fail("measured again although a good file exists"))
    assert timed_machine(tmp_path).model == model
    good = json.loads(path.read_text())
    for damage in (
        "",
        "{",
        "[]",
        "null",
        json.dumps({**good, "tier": {**good["tier"], "name": "neon"}}),
        json.dumps({**good, "tier": {**good["tier"], "columns": [0, 16]}}),
        json.dumps({**good, "tier": []}),
        json.dumps({**good, "processor": "other"}),
        json.dumps({**good, "coefficients": {**good["coefficients"], "factored_mac": -1}}),
        json.dumps({**good, "coefficients": {**good["coefficients"], "factored_mac": "x"}}),
        json.dumps({**good, "coefficients": {**good["coefficients"], "factored_mac": None}}),
    ):
        path.write_text(damage)
        assert read_model(path, here) is None, damage
    path.write_bytes(b"\xff\xfe\x00")
    assert read_model(path, here) is None


def test_a_folder_that_cannot_be_written_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    write_model(tmp_path / "file" / "x.json", built_in(tier("scalar")))
    assert (tmp_path / "file").read_text() == ""


def test_bench_reports_ratios_of_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WORKLOADS, "tiny", (WORKLOADS["vgg11"][-1], WORKLOADS["efficientnet_lite0"][-3]))
    report = bench(("tiny",), repeats=1)
    assert len(report.rows) == 8
    for row in report.rows:
        assert row.to_float32 == pytest.approx(row.gmacs / row.float32_gmacs)
        if row.gather_gmacs is not None:
            assert row.to_gather == pytest.approx(row.gmacs / row.gather_gmacs)
    assert {row.products for row in report.rows} == {1, 4, 5, None}
    assert json.loads(json.dumps(report.to_dict()))["target"] == emulate.active_target()


def test_bench_refuses_what_it_cannot_time() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown network 'resnet81'; did you mean 'resnet18'\?$"):
        bench(("resnet81",))
    with pytest.raises(InputError, match=r"^0 repeats on 1 threads cannot be timed; expected at least one of each\.$"):
        bench(("resnet18",), repeats=0)


def test_macs_of_the_workloads_agree_with_the_papers() -> None:
    """One 3×3 layer of ResNet-18 on 32×32 is 37.7 million; the first of EfficientNet-Lite0 is 10.8 million."""
    assert WORKLOADS["resnet18"][1].macs == 37_748_736
    assert WORKLOADS["efficientnet_lite0"][0].macs == 10_838_016
