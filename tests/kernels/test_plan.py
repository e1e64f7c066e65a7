"""Plans: the filters of a layer run in few calls, together where that is cheaper, and every filter in exactly one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from blocks import exact, full_rank, low_rank

from hawx import emulate
from hawx.blocks.knowledge import Knowledge
from hawx.emulate import reference
from hawx.emulate.cost import TERMS, CostModel, Tier
from hawx.emulate.engine import AUTO, SHARED_ENGINES, Engine
from hawx.emulate.geometry import Geometry
from hawx.emulate.groups import group_filters
from hawx.emulate.layers import LayerConstants
from hawx.emulate.plan import make_plan

BLOCKS = (exact(), low_rank(2), low_rank(3), full_rank())


TIER = Tier(name="flat", columns=(32, 32), class_columns=64, table_pixels=4096, byte_products=False)
MODEL = CostModel(TIER, dict.fromkeys(TERMS, 0.0) | {"factored_mac": 1.0, "table_product": 4.0, "lookup_product": 9.0})
"""Only multiply-accumulates of padded calls count: words one, products of tables four."""


def plan(counts: tuple[int, ...], engine: str = AUTO) -> list[tuple[list[int], Engine]]:
    """Return the filters of every block in each call, for a layer with `counts` filters of each block in random order."""
    blocks = [BLOCKS[i] for i in np.random.default_rng(0).permutation(np.repeat(range(4), counts))]
    weight = torch.zeros((len(blocks), 4, 1, 1), dtype=torch.int8)
    constants = LayerConstants.plain(weight, Geometry())
    found = make_plan(MODEL, Knowledge(), constants, torch.zeros((1, 4, 8, 8), dtype=torch.int8), group_filters(blocks), engine)
    assert found is not None
    filters = np.concatenate([group.filters for groups, _ in found for group in groups])
    assert sorted(filters) == list(range(len(blocks)))
    assert all(blocks[f] is group.block for groups, _ in found for group in groups for f in group.filters)
    return [([sum(len(g.filters) for g in groups if g.block is block) for block in BLOCKS], e) for groups, e in found]


def test_a_layer_of_one_block_is_one_call() -> None:
    assert plan((96, 0, 0, 0)) == [([96, 0, 0, 0], Engine.FACTORED)]
    assert plan((0, 0, 0, 50)) == [([0, 0, 0, 50], Engine.TABLE)]


def test_few_filters_join_what_tables_hold_anyway() -> None:
    assert plan((5, 0, 0, 20)) == [([5, 0, 0, 20], Engine.TABLE)]


def test_large_groups_leave_what_exceeds_a_multiple_to_a_call_with_room() -> None:
    assert plan((70, 0, 0, 20)) == [([64, 0, 0, 0], Engine.FACTORED), ([6, 0, 0, 20], Engine.TABLE)]
    assert plan((70, 0, 0, 30)) == [([70, 0, 0, 0], Engine.FACTORED), ([0, 0, 0, 30], Engine.TABLE)]
    assert plan((66, 65, 0, 28))[-1] == ([2, 1, 0, 28], Engine.TABLE)


@pytest.mark.parametrize("engine", ["table", "lookup"])
def test_an_engine_that_was_asked_for_takes_everything(engine: str) -> None:
    assert plan((70, 3, 0, 20), engine) == [([70, 3, 0, 20], Engine(engine))]
    assert engine in SHARED_ENGINES


def test_split_groups_compute_the_same() -> None:
    rng = np.random.default_rng(3)
    blocks = [BLOCKS[i] for i in rng.permutation(np.repeat(range(4), (37, 66, 3, 20)))]
    a, w = (rng.integers(-128, 128, shape).astype(np.int8) for shape in ((9, 21), (len(blocks), 21)))
    before = emulate.default_machine()
    emulate.use_machine(emulate.Machine(model=CostModel(replace(emulate.Machine("scalar").model.tier, columns=(32, 32)), MODEL.coefficients)))
    try:
        np.testing.assert_array_equal(emulate.matmul(a, w, blocks), reference.matmul(a, w, blocks))
    finally:
        emulate.use_machine(before)
