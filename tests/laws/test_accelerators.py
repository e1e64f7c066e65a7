"""Cost laws: areas, cycles and ratios against counts made by hand and against the lanes that the RTL really instantiates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hawx.accelerators import Folding, Memory, Sharing, Simt, Spatial, Systolic
from hawx.accelerators.costs import OSU018
from hawx.accelerators.folding import choices, cycles, for_budget, for_interval
from hawx.accelerators.temporal import partition
from hawx.blocks import Costs
from hawx.errors import InputError, UnknownNameError
from hawx.networks.layer import Layer, LayerKind

LAYERS = (
    Layer(name="conv", kind=LayerKind.CONV, in_channels=2, filters=12, kernel=(3, 3), in_size=(8, 8), out_size=(6, 6)),
    Layer(name="deep", kind=LayerKind.DEPTHWISE, in_channels=12, filters=12, kernel=(3, 3), groups=12, in_size=(6, 6), out_size=(4, 4)),
    Layer(name="fc", kind=LayerKind.LINEAR, in_channels=40, filters=10),
)


def costs(area: float, delay: float, energy: float, zeros: int = 0, technology: str = "osu018") -> Costs:
    return Costs(technology=technology, area_um2=area, delay_ns=delay, energy_fj=energy, leakage_nw=2.0, constant_lsbs=zeros, origin="test")


COSTS = (costs(4000, 3.0, 7000, 4), costs(9000, 4.0, 12000), costs(6000, 4.5, 5000, 1))
EXACT = 1
ACCELERATORS = [
    Spatial(multipliers=64),
    Systolic(rows=4, columns=6),
    Systolic(rows=4, columns=6, dataflow="weight"),
    Systolic(rows=4, columns=6, dataflow="input", sharing="partitioned"),
    Systolic(rows=4, columns=6, sharing="partitioned"),
    Simt(compute_units=4),
    Simt(compute_units=4, sharing="partitioned"),
]
IDS = ["spatial", "os", "ws", "is-partitioned", "os-partitioned", "simt", "simt-partitioned"]


def random_counts(rng: np.random.Generator, designs: int) -> np.ndarray:
    shares = rng.dirichlet(np.full(len(COSTS), 0.5), (designs, len(LAYERS)))
    return np.stack([[rng.multinomial(layer.filters, p) for layer, p in zip(LAYERS, row, strict=True)] for row in shares])


def all_exact() -> np.ndarray:
    counts = np.zeros((len(LAYERS), len(COSTS)), int)
    counts[:, EXACT] = [layer.filters for layer in LAYERS]
    return counts


@pytest.mark.parametrize("accelerator", ACCELERATORS, ids=IDS)
def test_many_designs_cost_what_each_costs_alone(accelerator):
    counts = random_counts(np.random.default_rng(1), 12).reshape(3, 4, len(LAYERS), len(COSTS))
    energies = np.random.default_rng(2).uniform(100, 900, (len(LAYERS), len(COSTS)))
    together = accelerator.evaluate(LAYERS, counts, COSTS, exact=EXACT, energies=energies)
    for name in (
        "area_um2",
        "power_uw",
        "energy_uj",
        "latency_us",
        "critical_path_ns",
        "cycles",
        "multipliers",
        "mult_power_ratio",
        "mult_energy_ratio",
    ):
        found = getattr(together, name)
        assert found.shape == (3, 4)
        alone = [[getattr(accelerator.evaluate(LAYERS, one, COSTS, exact=EXACT, energies=energies), name) for one in row] for row in counts]
        np.testing.assert_allclose(found, np.array(alone, float), rtol=1e-12)


@pytest.mark.parametrize("accelerator", ACCELERATORS, ids=IDS)
def test_the_exact_design_is_the_yardstick_of_both_ratios(accelerator):
    energies = np.random.default_rng(3).uniform(100, 900, (len(LAYERS), len(COSTS)))
    result = accelerator.evaluate(LAYERS, all_exact(), COSTS, exact=EXACT, energies=energies)
    assert result.mult_power_ratio == pytest.approx(1.0)
    assert result.mult_energy_ratio == pytest.approx(1.0)
    assert np.isnan(accelerator.evaluate(LAYERS, all_exact(), COSTS, exact=EXACT).mult_energy_ratio)


def test_ratios_weigh_blocks_by_multiplications():
    counts = all_exact()
    counts[0] = [6, 6, 0]
    macs = [layer.macs for layer in LAYERS]
    wanted = (macs[0] * (7000 + 12000) / 2 + (macs[1] + macs[2]) * 12000) / (sum(macs) * 12000)
    assert Spatial().evaluate(LAYERS, counts, COSTS, exact=EXACT).mult_power_ratio == pytest.approx(wanted)
    energies = np.array([[10.0, 40.0, 1.0], [3.0, 20.0, 1.0], [5.0, 80.0, 1.0]])
    wanted = (macs[0] * (10 + 40) / 2 + macs[1] * 20 + macs[2] * 80) / (macs[0] * 40 + macs[1] * 20 + macs[2] * 80)
    assert Systolic().evaluate(LAYERS, counts, COSTS, exact=EXACT, energies=energies).mult_energy_ratio == pytest.approx(wanted)


def test_spatial_area_is_that_of_its_lanes():
    folding = {"conv": Folding(3, 6), "deep": Folding(12, 1), "fc": Folding(2, 5)}
    counts = np.array([[7, 5, 0], [0, 12, 0], [1, 8, 1]])
    result = Spatial(folding=folding).evaluate(LAYERS, counts, COSTS, exact=EXACT)
    lanes = [[2, 2, 0], [0, 12, 0], [1, 2, 1]]  # fold 4, 1, 5
    assert result.multipliers == 6 * 4 + 1 * 12 + 5 * 4
    area = 0.0
    for (layer, simd, tree, accumulator), row in zip((("conv", 6, 0, 16 + 5), ("deep", 1, 0, 16 + 4), ("fc", 5, 0, 16 + 6)), lanes, strict=True):
        # adders of the tree by level: 6 -> 3 pairs of 17 bits, 1 of 18, 1 of 19; 5 -> 2 of 17, 1 of 18, 1 of 19
        pairs = {"conv": (3, 1, 1), "deep": (), "fc": (2, 1, 1)}[layer]
        for cost, count in zip(COSTS, row, strict=True):
            tree = sum(number * (17 + level - cost.constant_lsbs) for level, number in enumerate(pairs))
            stored = accumulator - cost.constant_lsbs
            registers = (stored + 8 * simd) * OSU018.flip_flop_area
            lane = simd * cost.area_um2 + tree * OSU018.adder_bit_area + stored * OSU018.accumulator_bit_area + registers
            area += count * lane
        area += (8 * simd + 1) * OSU018.flip_flop_area
    assert result.area_um2 == pytest.approx(area)


def test_spatial_lanes_are_those_of_the_rtl():
    from hawx.blocks.families import builtin_families
    from hawx.rtl import LayerSpec, Multiplier

    family = builtin_families()[0]
    multiplier = Multiplier(block=family.block(), module=family.name, verilog="")
    rng = np.random.default_rng(5)
    layer = Layer(name="fc", kind=LayerKind.LINEAR, in_channels=12, filters=24)
    for pe in (2, 4, 8, 24):
        blocks = rng.integers(0, 3, 24)
        counts = np.bincount(blocks, minlength=3)[None]
        law = Spatial(folding={"fc": Folding(pe, 4)}).evaluate((layer,), counts, COSTS, exact=EXACT)
        spec = LayerSpec(pe=pe, simd=4, reduction=12, blocks=tuple(int(b) for b in blocks), multipliers=(multiplier,) * 3)
        assert law.multipliers == 4 * len(spec.lanes)


def test_multi_mode_adds_every_used_block_and_partitioned_does_not():
    counts = all_exact()
    counts[2] = [10, 0, 0]
    plain = Systolic(rows=2, columns=4).evaluate(LAYERS, all_exact(), COSTS, exact=EXACT)
    both = Systolic(rows=2, columns=4).evaluate(LAYERS, counts, COSTS, exact=EXACT)
    selection = 2 * OSU018.isolation_area + OSU018.selection_area
    assert both.area_um2 - plain.area_um2 == pytest.approx(8 * (4000 + selection))
    assert both.cycles == plain.cycles
    assert both.multipliers == 16
    split = Systolic(rows=2, columns=4, sharing="partitioned").evaluate(LAYERS, counts, COSTS, exact=EXACT)
    # one column of four goes to the small share; its lanes store four bits less
    saved = 2 * (9000 - 4000 + 4 * (OSU018.accumulator_bit_area + OSU018.flip_flop_area))
    assert plain.area_um2 - split.area_um2 == pytest.approx(saved)
    assert split.cycles > plain.cycles


def test_a_partitioned_array_with_too_few_columns_is_infeasible():
    counts = np.array([[4, 4, 4], [4, 4, 4], [4, 3, 3]])
    result = Systolic(rows=2, columns=2, sharing="partitioned").evaluate(LAYERS, counts, COSTS, exact=EXACT)
    assert np.isinf(result.latency_us)
    assert np.isinf(result.power_uw)


def test_clock_exact_is_shared_and_fastest_is_each_designs_own():
    fast = all_exact()[:, [1, 0, 2]]  # only the 3.0 ns block
    slow = all_exact()[:, [0, 2, 1]]  # only the 4.5 ns block
    shared = Systolic().evaluate(LAYERS, [all_exact(), fast, slow], COSTS, exact=EXACT)
    period = shared.latency_us / shared.cycles * 1e3
    assert period[0] == pytest.approx(shared.critical_path_ns[0])
    assert period[1] == pytest.approx(period[0])
    assert period[2] == pytest.approx(shared.critical_path_ns[2])
    own = Systolic(clock="fastest").evaluate(LAYERS, fast, COSTS, exact=EXACT)
    assert own.latency_us / own.cycles * 1e3 == pytest.approx(shared.critical_path_ns[1])
    given = Systolic(clock=10.0).evaluate(LAYERS, fast, COSTS, exact=EXACT)
    assert given.latency_us / given.cycles * 1e3 == pytest.approx(100.0)


def test_power_times_time_is_energy():
    result = Systolic().evaluate(LAYERS, random_counts(np.random.default_rng(7), 5), COSTS, exact=EXACT)
    np.testing.assert_allclose(result.power_uw * result.latency_us * 1e-6, result.energy_uj, rtol=1e-12)


def test_the_held_operand_is_one_that_energy_understands():
    from hawx.circuits.energy import Held

    assert [Held(accelerator.held).value for accelerator in ACCELERATORS] == ["none", "none", "weight", "activation", "none", "none", "none"]


def test_utilization_is_work_over_capacity():
    layer = LAYERS[2:]  # 10 filters of 40 products, one pixel
    counts = [[0, 10, 0]]
    array = Systolic(rows=4, columns=6).evaluate(layer, counts, COSTS, exact=EXACT)
    assert array.utilization == pytest.approx(400 / (24 * (2 * (4 + 6 + 40 - 2) - 1)))  # 10 filters on 6 columns: two folds
    assert Spatial(folding={"fc": Folding(5, 8)}).evaluate(layer, counts, COSTS, exact=EXACT).utilization == pytest.approx(1.0)
    # a second block takes a sixth lane for a single filter: 400 products in 10 cycles of 48 multipliers
    mixed = Spatial(folding={"fc": Folding(5, 8)}).evaluate(layer, [[1, 9, 0]], COSTS, exact=EXACT)
    assert mixed.utilization == pytest.approx(400 / (10 * 48))


def test_memory_is_an_own_labelled_term():
    bare = Spatial(multipliers=64).evaluate(LAYERS, all_exact(), COSTS, exact=EXACT)
    with_memory = Spatial(multipliers=64, memory=Memory(area_um2_per_bit=2.0, energy_fj_per_bit=3.0)).evaluate(
        LAYERS, all_exact(), COSTS, exact=EXACT
    )
    assert bare.memory_area_um2 == 0
    assert with_memory.area_um2 - bare.area_um2 == pytest.approx(with_memory.memory_area_um2)
    assert with_memory.energy_uj - bare.energy_uj == pytest.approx(with_memory.memory_energy_uj)
    weights, inputs = 12 * 18 + 12 * 9 + 10 * 40, 2 * 64 + 12 * 36 + 40
    assert with_memory.memory_area_um2 == 2.0 * 8 * (weights + inputs)
    assert "declared" in with_memory.origin


def test_lane_constants_of_another_technology_are_scaled_and_say_so():
    other = [costs(c.area_um2 / 10, c.delay_ns / 2, c.energy_fj / 5, c.constant_lsbs, "pdk45") for c in COSTS]
    result = Systolic().evaluate(LAYERS, all_exact(), other, exact=EXACT)
    assert "scaled by the exact multiplier of pdk45" in result.origin
    scale = 900 / OSU018.exact_area
    lanes, edge = 256, 8 * 32
    wanted = lanes * 900 + scale * (lanes * 32 * OSU018.accumulator_bit_area + (lanes * 48 - edge) * OSU018.flip_flop_area)
    assert result.area_um2 == pytest.approx(wanted)


def test_the_yardstick_of_the_lane_constants_is_the_built_in_exact_block():
    from hawx.blocks.families import builtin_library

    exact = builtin_library()["mul8s_exact"].costs["osu018"]
    assert (OSU018.exact_area, OSU018.exact_energy_fj, OSU018.exact_delay_ns) == pytest.approx((exact.area_um2, exact.energy_fj, exact.delay_ns))


def test_evaluate_refuses_what_does_not_fit():
    with pytest.raises(InputError, match=r"^filter counts have shape \(2, 3\); expected \(\.\.\., layers, blocks\) = \(\.\.\., 3, 3\)\.$"):
        Spatial().evaluate(LAYERS, all_exact()[:2], COSTS, exact=EXACT)
    with pytest.raises(InputError, match=r"^filter counts of layer 'fc' do not sum to its filters; expected 10 in every design\.$"):
        Spatial().evaluate(LAYERS, all_exact() + np.eye(3, dtype=int)[[2]].T * [1, 0, 0], COSTS, exact=EXACT)
    with pytest.raises(InputError, match=r"^filter counts have dtype float64; expected integers\.$"):
        Spatial().evaluate(LAYERS, all_exact().astype(float), COSTS, exact=EXACT)
    mixed = [*COSTS[:2], costs(1, 1, 1, technology="other")]
    with pytest.raises(InputError, match=r"^block costs are in technologies \['osu018', 'other'\]; expected one technology for all blocks\.$"):
        Spatial().evaluate(LAYERS, all_exact(), mixed, exact=EXACT)
    with pytest.raises(InputError, match=r"^operand-aware energies have shape \(3,\); expected \(layers, blocks\) = \(3, 3\)\.$"):
        Spatial().evaluate(LAYERS, all_exact(), COSTS, exact=EXACT, energies=[1.0, 2.0, 3.0])


def test_folding_that_does_not_divide_names_layer_and_divisors():
    bad = Spatial(folding={"conv": Folding(5, 6), "deep": Folding(1, 1), "fc": Folding(1, 1)})
    with pytest.raises(InputError, match=r"^folding pe = 5 of layer 'conv' does not divide its 12 filters; expected one of 1, 2, 3, 4, 6, 12\.$"):
        bad.evaluate(LAYERS, all_exact(), COSTS, exact=EXACT)
    bad = Spatial(folding={"conv": Folding(1, 1), "deep": Folding(1, 1), "fc": Folding(1, 3)})
    with pytest.raises(
        InputError, match=r"^folding simd = 3 of layer 'fc' does not divide its 40 products per output; expected one of 1, 2, 4, 5, 8, 10, 20, 40\.$"
    ):
        bad.evaluate(LAYERS, all_exact(), COSTS, exact=EXACT)
    with pytest.raises(UnknownNameError, match=r"^unknown layer 'conf'; did you mean 'conv'\? \(in the accelerator's folding\)$"):
        Spatial(folding={"conf": Folding(1, 1)}).evaluate(LAYERS, all_exact(), COSTS, exact=EXACT)
    with pytest.raises(InputError, match=r"^the accelerator has no folding for layer 'deep'; expected all of: conv, deep, fc\.$"):
        Spatial(folding={"conv": Folding(1, 1)}).evaluate(LAYERS, all_exact(), COSTS, exact=EXACT)


def test_targets_that_cannot_be_met_say_what_can():
    with pytest.raises(InputError, match=r"^target of 20 cycles per image cannot be met by layer 'conv'; expected at least 36 "):
        Spatial(interval_cycles=20).evaluate(LAYERS, all_exact(), COSTS, exact=EXACT)
    with pytest.raises(InputError, match=r"^multiplier target 2 is too small for 3 layers of a spatial accelerator; expected at least 3 "):
        Spatial(multipliers=2).evaluate(LAYERS, all_exact(), COSTS, exact=EXACT)
    with pytest.raises(
        InputError, match=r"^spatial accelerator 'spatial' has several targets \['interval_cycles', 'multipliers'\]; expected at most one\.$"
    ):
        Spatial(interval_cycles=100, multipliers=10)
    with pytest.raises(InputError, match=r"^clock 'slow' is not usable; expected a positive number of MHz, 'exact' or 'fastest'\.$"):
        Spatial(clock="slow")
    with pytest.raises(InputError, match=r"^accelerator 'temporal' has rows = 0; expected an integer from 1 to 4096\.$"):
        Systolic(rows=0)


def test_area_target_is_kept_and_nearly_used():
    target = 1.5e6
    result = Spatial(area_um2=target).evaluate(LAYERS, all_exact(), COSTS, exact=EXACT)
    assert target / 2 < result.area_um2 <= target


@given(budget=st.integers(3, 400))
@settings(max_examples=60, deadline=None)
def test_a_budgets_folding_fits_and_no_faster_one_does(budget):
    def size(foldings):
        return sum(f.multipliers for f in foldings)

    chosen = for_budget(LAYERS, budget, size, "multiplier target")
    assert size(chosen) <= budget
    for layer, folding in zip(LAYERS, chosen, strict=True):
        assert layer.filters % folding.pe == 0
        assert layer.reduction % folding.simd == 0
    interval = max(cycles(layer, f) for layer, f in zip(LAYERS, chosen, strict=True))
    if interval > max(layer.pixels for layer in LAYERS):
        assert size(for_interval(LAYERS, interval - 1)) > budget


@given(filters=st.integers(1, 60), reduction=st.integers(1, 60))
@settings(deadline=None)
def test_foldings_worth_having_cover_every_size(filters, reduction):
    every = {pe * simd for pe in range(1, filters + 1) if filters % pe == 0 for simd in range(1, reduction + 1) if reduction % simd == 0}
    assert {f.multipliers for f in choices(filters, reduction)} == every


@given(counts=st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=2, max_size=2), total=st.integers(1, 16))
@settings(deadline=None)
def test_partition_gives_every_used_block_a_column(counts, total):
    array = np.array([counts])
    used = array[0].any(axis=0)
    columns = partition(array, np.array([5.0, 3.0]), total)[0]
    assert (columns[~used] == 0).all()
    assert (columns[used] >= 1).all()
    if used.any():
        assert columns.sum() == max(total, used.sum())


def test_sharing_and_dataflow_are_types():
    assert Systolic(sharing="partitioned").sharing is Sharing.PARTITIONED
