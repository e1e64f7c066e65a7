"""Error metrics against their definitions written out, and against EvoApproxLib's published figures."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from hawx.blocks import Block
from hawx.blocks.metrics import distribution, error_metrics, joint_distribution
from hawx.errors import InputError

DATA = Path(os.environ.get("HAWX_DATA", Path(__file__).resolve().parents[3] / "shared")) / "blocks"
VALUES = np.arange(-128, 128)


def random_block(seed: int) -> Block:
    rng = np.random.default_rng(seed)
    return Block.from_table(np.multiply.outer(VALUES, VALUES) + rng.integers(-90, 90, (256, 256)), name="random")


def test_definitions_written_out_under_a_joint_distribution():
    block = random_block(1)
    joint = np.random.default_rng(2).random((256, 256))
    joint[:, 5] = 0
    pair = joint / joint.sum()
    found = error_metrics(block, joint=joint)
    moments = np.zeros(7)
    worst = worst_relative = 0.0
    for i, a in enumerate(VALUES.tolist()):
        for j, w in enumerate(VALUES.tolist()):
            p, e = pair[i, j], float(block.table[i, j]) - a * w
            moments += p * np.array([abs(e), e, e * e, e != 0, abs(e) / abs(a * w) if a * w else 0, a * w != 0, 0])
            if p > 0:
                worst = max(worst, abs(e))
                worst_relative = max(worst_relative, abs(e) / abs(a * w) if a * w else 0)
    assert found.mae == pytest.approx(moments[0])
    assert found.bias == pytest.approx(moments[1])
    assert found.mse == pytest.approx(moments[2])
    assert found.variance == pytest.approx(moments[2] - moments[1] ** 2)
    assert found.ep == pytest.approx(moments[3])
    assert found.mre == pytest.approx(moments[4] / moments[5])
    assert found.wce == worst
    assert found.wcre == worst_relative


def test_operands_are_not_swapped():
    table = np.multiply.outer(VALUES, VALUES)
    table[200, 30] += 1000
    block = Block.from_table(table, name="spike")
    only_a = np.zeros(256)
    only_a[200] = 7
    only_w = np.zeros(256)
    only_w[30] = 3
    assert error_metrics(block, joint=joint_distribution(only_a, only_w)).bias == 1000
    assert error_metrics(block, joint=joint_distribution(only_w, only_a)).bias == 0
    assert error_metrics(block, joint=joint_distribution(weights=only_w)).bias == pytest.approx(1000 / 256)


def test_only_zero_products_have_no_relative_error():
    zero = np.zeros(256)
    zero[128] = 1
    metrics = error_metrics(random_block(3), joint=joint_distribution(zero))
    assert (metrics.mre, metrics.wcre) == (0, 0)
    assert metrics.mae > 0


@pytest.mark.parametrize("bad", [np.ones(255), -np.ones(256), np.zeros(256), np.full(256, np.nan)])
def test_a_bad_histogram_is_refused(bad):
    with pytest.raises(InputError, match=r"^distribution of weights (has shape \(255,\)|is not a histogram); expected .*\.$"):
        distribution(bad, "weights")


def unit(printed: float) -> float:
    """The last digit's unit of a header figure: whole numbers from 10 on, two significant digits below."""
    if printed >= 10 or printed == 0:
        return 1.0
    return float(10.0 ** (math.floor(math.log10(printed)) - 1))


@pytest.mark.data
def test_all_50_published_circuits_reproduce_their_headers():
    if not (DATA / "evoapproxlib_v2022_8x8.npz").is_file():
        pytest.skip(f"needs {DATA}/evoapproxlib_v2022_8x8.npz (set HAWX_DATA)")
    entries = json.loads((DATA / "evoapproxlib_v2022_8x8.json").read_text())["blocks"]
    tables = np.load(DATA / "evoapproxlib_v2022_8x8.npz", allow_pickle=False)
    assert len(entries) == 50
    for name, entry in entries.items():
        printed = entry["published"]
        metrics = error_metrics(Block.from_table(tables[name], name=name, formats=tuple(entry["formats"])))
        assert metrics.wce == printed["wce"], name
        assert 100 * metrics.ep == pytest.approx(printed["ep_percent"], abs=0.0051), name
        assert 100 * metrics.wcre == pytest.approx(printed["wcre_percent"], abs=0.0051), name
        # MAE, MSE and small MRE are printed with two significant digits or none behind the point, some rounded, some cut off
        assert metrics.mae == pytest.approx(printed["mae"], abs=unit(printed["mae"])), name
        assert metrics.mse == pytest.approx(printed["mse"], rel=2e-8, abs=unit(printed["mse"])), name
        assert 100 * metrics.mre == pytest.approx(printed["mre_percent"], abs=0.0051), name
        assert 100 * metrics.mre == pytest.approx(printed["mre_percent"], rel=0.05), name
