"""Every figure of every accelerator, dataflow and sharing, counted on paper.

The technology is made up: each lane constant is a small number of its own, so that a bit, register or gate that is counted once too
often, or not at all, changes a sum by an amount that nothing else explains. Times are multiples of 1/8 ns, exact in binary.

Two designs: `all exact`, and `mixed`, in which two blocks share layers. A third block is in the library and in no design: a figure
that counts what is not used shows it at once, for it is by far the largest, slowest and hungriest.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pytest

from hawx.accelerators import Folding, LaneConstants, Memory, Simt, Spatial, Systolic
from hawx.accelerators.temporal import partition
from hawx.blocks import Costs
from hawx.errors import InputError
from hawx.networks.layer import Layer, LayerKind

PAPER = LaneConstants(
    technology="paper",
    flip_flop_area=2.0,
    flip_flop_clock_fj=3.0,
    flip_flop_leakage_nw=5.0,
    operand_fj=7.0,
    adder_bit_area=11.0,
    final_bit_area=11.0,
    adder_bit_fj=13.0,
    accumulator_bit_area=17.0,
    restart_bit_area=17.0,
    accumulator_bit_fj=19.0,
    adder_bit_leakage_nw=23.0,
    isolation_area=29.0,
    selection_area=31.0,
    selection_fj=37.0,
    select_ns=0.5,
    lane_ns=0.25,
    carry_ns=0.125,
    level_ns=1.0,
    exact_area=100.0,
    exact_energy_fj=1000.0,
    exact_delay_ns=4.0,
    origin="counted by hand",
)


def block(area: float, delay: float, energy: float, leakage: float, zeros: int) -> Costs:
    return Costs(technology="paper", area_um2=area, delay_ns=delay, energy_fj=energy, leakage_nw=leakage, constant_lsbs=zeros, origin="test")


BLOCKS = (block(60, 4.5, 400, 6, 2), block(100, 4.0, 1000, 10, 0), block(9999, 99.0, 99999, 9999, 0))  # small, exact, never used
EXACT = 1
MEMORY = Memory(area_um2_per_bit=2.0, energy_fj_per_bit=0.5)

# conv: N = 4 pixels, K = 4 products, M = 3 filters; pair: two groups, each N = 2, K = 6, M = 2; fc: N = 1, K = 5, M = 2
LAYERS = (
    Layer(name="conv", kind=LayerKind.CONV, in_channels=1, filters=3, kernel=(2, 2), in_size=(3, 3), out_size=(2, 2)),
    Layer(name="pair", kind=LayerKind.CONV, in_channels=4, filters=4, kernel=(1, 3), groups=2, in_size=(1, 4), out_size=(1, 2)),
    Layer(name="fc", kind=LayerKind.LINEAR, in_channels=5, filters=2),
)
# products of one filter: conv 16, pair 12, fc 5. All exact: 48 + 48 + 10 = 106. Mixed: exact 16 + 12 + 10 = 38, small 32 + 36 = 68
DESIGNS = [[[0, 3, 0], [0, 4, 0], [0, 2, 0]], [[2, 1, 0], [3, 1, 0], [0, 2, 0]]]
ENERGIES = [[300.0, 900.0, 1e6], [200.0, 800.0, 1e6], [100.0, 700.0, 1e6]]
# uniform operands: 106·1000 = 106000; 38·1000 + 68·400 = 65200
# own operands: 48·900 + 48·800 + 10·700 = 88600; (16·900 + 32·300) + (12·800 + 36·200) + 10·700 = 24000 + 16800 + 7000 = 47800

# A soft GPU needs more than 64 outputs to show its wavefronts. wide: N = 64, K = 2, M = 5; fc as above
WIDE = (Layer(name="wide", kind=LayerKind.CONV, in_channels=1, filters=5, kernel=(1, 2), in_size=(8, 9), out_size=(8, 8)), LAYERS[2])
# products of one filter: wide 128, fc 5. All exact: 640 + 10 = 650. Mixed: exact 128 + 10 = 138, small 4·128 = 512
WIDE_DESIGNS = [[[0, 5, 0], [0, 2, 0]], [[4, 1, 0], [0, 2, 0]]]
WIDE_ENERGIES = [ENERGIES[0], ENERGIES[2]]
# uniform: 650·1000 = 650000; 138·1000 + 512·400 = 342800. Own: 640·900 + 7000 = 583000; 128·900 + 512·300 + 7000 = 275800


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Figures of the two designs; named as those of `ArchitectureCosts`, energy in fJ and times in ns."""

    area_um2: tuple[float, float]
    energy_fj: tuple[float, float]
    busy_ns: tuple[float, float]
    """Cycles between two images times the clock period: power is energy over it."""
    latency_ns: tuple[float, float]
    critical_path_ns: tuple[float, float]
    cycles: tuple[float, float]
    multipliers: tuple[float, float]
    utilization: tuple[float, float]
    memory_area_um2: float
    memory_energy_fj: float


SPATIAL = Spatial(folding={"conv": Folding(3, 4), "pair": Folding(2, 3), "fc": Folding(1, 1)}, memory=MEMORY)
SIMT = {"compute_units": 2, "instructions_per_mac": 2.5, "accumulator_bits": 24, "lane_area_um2": 43.0, "instruction_fj": 2.0, "memory": MEMORY}


def systolic(dataflow: str, sharing: str) -> Systolic:
    """Three rows, two columns: six lanes."""
    return Systolic(rows=3, columns=2, accumulator_bits=20, dataflow=dataflow, sharing=sharing, memory=MEMORY)


CASES = {
    # Lanes, a filter each or `fold` filters in turn: conv fold 1, pair fold 2, fc fold 2.
    #   all exact: 3, 2, 1. mixed: conv 1 exact + 2 small; pair ceil(1/2) = 1 exact + ceil(3/2) = 2 small; fc 1 exact
    # Adder tree, 17 bits in the first level, 18 in the second, two less each for the small block:
    #   conv 4 products: 2·17 + 18 = 52, small 2·15 + 16 = 46; pair 3 products: 17 + 18 = 35, small 15 + 16 = 31; fc: none
    # Accumulator 16 + ceil(log2 K): conv 18, small 16; pair 19, small 17; fc 19
    # Registers, accumulator and 8 per multiplier: conv 50, small 48; pair 43, small 41; fc 27; of the layers, 8·SIMD + 1: 33 + 25 + 9 = 67
    # Area of a lane: conv 4·100 + 52·11 + 18·17 + 50·2 = 1378, small 4·60 + 46·11 + 16·17 + 48·2 = 1114;
    #   pair 3·100 + 35·11 + 19·17 + 43·2 = 1094, small 3·60 + 31·11 + 17·17 + 41·2 = 892; fc 100 + 19·17 + 27·2 = 477; layers 67·2 = 134
    #   all exact: 3·1378 + 2·1094 + 477 + 134 = 6933; mixed: (1378 + 2·1114) + (1094 + 2·892) + 477 + 134 = 7095
    # Leakage of a lane: conv 4·10 + 70·23 + 50·5 = 1900, small 4·6 + 62·23 + 48·5 = 1690; pair 3·10 + 54·23 + 43·5 = 1487,
    #   small 3·6 + 48·23 + 41·5 = 1327; fc 10 + 19·23 + 27·5 = 582; layers 67·5 = 335
    #   all exact: 5700 + 2974 + 582 + 335 = 9591 nW; mixed: 5280 + 4141 + 582 + 335 = 10338 nW
    # Flip-flops: 150 + 86 + 27 + 67 = 330; mixed 146 + 125 + 27 + 67 = 365
    # Cycles N·K/SIMD·fold: 4·1·1 = 4, 2·2·2 = 8, 1·5·2 = 10: 22 in all, an image every 10
    # Path: multiplier + 0.25 + accumulator/8 + levels: conv 4 + 0.25 + 2.25 + 2 = 8.5, small 8.75; pair 4 + 0.25 + 2.375 + 2 = 8.625,
    #   small 8.875; fc 6.625
    # Turns of a filter N·K/SIMD: conv 4, pair 4, fc 5. Switching of a turn: tree·13 + accumulator·19 + 8·SIMD weight bits·7:
    #   conv 676 + 342 + 224 = 1242, small 598 + 304 + 224 = 1126; pair 455 + 361 + 168 = 984, small 403 + 323 + 168 = 894; fc 361 + 56 = 417
    #   activation registers, once for all lanes: 4·224 + 8·168 + 10·56 = 2800
    #   all exact: 12·1242 + 16·984 + 10·417 + 2800 = 37618; mixed: (4·1242 + 8·1126) + (4·984 + 12·894) + 4170 + 2800 = 35610
    # Memory: weights 12 + 24 + 10 = 46 bytes, inputs 9 + 16 + 5 = 30 bytes: 608 bits;
    #   moved: a weight per product and the outputs, 106 + 12 + 8 + 2 = 128 bytes = 1024 bits
    # Energy: 88600 + 37618 + 330·10·3 + 9591·86.25/1000 + 512; 47800 + 35610 + 365·10·3 + 10338·88.75/1000 + 512
    "spatial": Counted(
        area_um2=(6933 + 1216, 7095 + 1216),
        energy_fj=(137457.22375, 95789.4975),
        busy_ns=(86.25, 88.75),
        latency_ns=(189.75, 195.25),
        critical_path_ns=(8.625, 8.875),
        cycles=(22, 22),
        multipliers=(19, 22),  # 3·4 + 2·3 + 1; 3·4 + 3·3 + 1
        utilization=(106 / 190, 106 / 220),
        memory_area_um2=1216,
        memory_energy_fj=512,
    ),
    # Output-stationary lane: accumulator 20 bits, small 18; registers 36, small 34. 8·(3 + 2) = 40 registers at two edges pass nothing on
    # Area: 6·(100 + 20·17 + 36·2) - 40·2 = 2992; mixed adds the small block, 2 isolations, 1 selection: 6·(60 + 58 + 31) more = 3886
    # Leakage: 6·(10 + 20·23 + 36·5) - 40·5 = 3700; mixed 6·6 more = 3736. Flip-flops 6·36 - 40 = 176
    # Path: 4 + 20/8 + 0.25 = 6.75; mixed: the small block is slower, 4.5 + 18/8 + 0.25, + 0.5 for selection = 7.5
    # Cycles ceil(N/3)·ceil(M/2)·(3 + 2 + K - 2) - 1: conv 2·2·7 - 1 = 27, pair 2 runs of 1·1·9 - 1 = 8, fc 1·1·8 - 1 = 7: 50
    # Switching: 106·20·19 + 106·16·7 = 40280 + 11872 = 52152; mixed: 38·20·19 + 68·18·19 + 106·(112 + 37) = 14440 + 23256 + 15794 = 53490
    # Memory: weights 46 bytes, largest input and output pair 4·4 + 4·2 = 24 bytes: 560 bits; moved, weights once per fold of pixels,
    #   activations once per fold of filters, outputs: conv 2·12 + 2·16 + 12 = 68, pair 2·(12 + 12 + 4) = 56, fc 10 + 5 + 2 = 17: 1128 bits
    # Energy: 88600 + 52152 + 176·50·3 + 3700·337.5/1000 + 564; 47800 + 53490 + 26400 + 3736·375/1000 + 564
    "output multi-mode": Counted(
        area_um2=(2992 + 1120, 3886 + 1120),
        energy_fj=(168964.75, 129655.0),
        busy_ns=(337.5, 375.0),
        latency_ns=(337.5, 375.0),
        critical_path_ns=(6.75, 7.5),
        cycles=(50, 50),
        multipliers=(6, 12),
        utilization=(106 / 300, 106 / 300),
        memory_area_um2=1120,
        memory_energy_fj=564,
    ),
    # Mixed: one column of three lanes for each block.
    # Area: 3·512 + 3·(60 + 18·17 + 34·2) - 80 = 2758. Leakage: 3·650 + 3·(6 + 18·23 + 34·5) - 200 = 3520. Flip-flops 3·36 + 3·34 - 40 = 170
    # Path: no selection: 7. Switching: 14440 + 23256 + 11872 = 49568
    # Cycles on one column ceil(N/3)·M·(K + 2) - 1: conv exact 2·1·6 - 1 = 11, small 2·2·6 - 1 = 23; pair, whole groups of 2 filters of
    #   1·2·8 - 1 = 15: exact 1 group, small 2 groups = 30; fc 1·2·7 - 1 = 13: 23 + 30 + 13 = 66
    # Energy: 47800 + 49568 + 170·66·3 + 3520·462/1000 + 564
    "output partitioned": Counted(
        area_um2=(2992 + 1120, 2758 + 1120),
        energy_fj=(168964.75, 133218.24),
        busy_ns=(337.5, 462.0),
        latency_ns=(337.5, 462.0),
        critical_path_ns=(6.75, 7.0),
        cycles=(50, 66),
        multipliers=(6, 6),
        utilization=(106 / 300, 106 / 396),
        memory_area_um2=1120,
        memory_energy_fj=564,
    ),
    # Weight-stationary lane: partial sums of 16, 17, 18 bits down the rows: 17, small 15; registers 33, small 31.
    # 8·3 = 24 registers at the edge where activations leave
    # Area: 6·(100 + 17·17 + 33·2) - 24·2 = 2682; mixed 6·149 more = 3576
    # Leakage: 6·(10 + 17·23 + 33·5) - 24·5 = 3276; mixed 3312. Flip-flops 6·33 - 24 = 174
    # Path: 4 + 17/8 + 0.25 = 6.375; mixed 4.5 + 15/8 + 0.25 + 0.5 = 7.125
    # Cycles ceil(K/3)·ceil(M/2)·(3 + 2 + N - 2 + 3) - 1: conv 2·2·10 - 1 = 39, pair 2 runs of 2·1·8 - 1 = 15, fc 2·1·7 - 1 = 13: 82
    # Switching: 106·17·19 + 11872 = 46110; mixed 38·17·19 + 68·15·19 + 15794 = 12274 + 19380 + 15794 = 47448
    # Moved, weights once, activations once per fold of filters: conv 12 + 2·16 + 12 = 56, pair 56, fc 17: 1032 bits
    # Energy: 88600 + 46110 + 174·82·3 + 3276·522.75/1000 + 516; 47800 + 47448 + 42804 + 3312·584.25/1000 + 516
    "weight multi-mode": Counted(
        area_um2=(2682 + 1120, 3576 + 1120),
        energy_fj=(179742.529, 140503.036),
        busy_ns=(522.75, 584.25),
        latency_ns=(522.75, 584.25),
        critical_path_ns=(6.375, 7.125),
        cycles=(82, 82),
        multipliers=(6, 12),
        utilization=(106 / 492, 106 / 492),
        memory_area_um2=1120,
        memory_energy_fj=516,
    ),
    # Mixed. Area: 3·455 + 3·(60 + 15·17 + 31·2) - 48 = 2448. Leakage: 3·566 + 3·(6 + 15·23 + 31·5) - 120 = 3096.
    # Flip-flops 3·33 + 3·31 - 24 = 168. Path 6.625. Switching: 12274 + 19380 + 11872 = 43526
    # Cycles on one column ceil(K/3)·M·(N + 5) - 1: conv exact 2·1·9 - 1 = 17, small 2·2·9 - 1 = 35; pair groups of 2·2·7 - 1 = 27: small 54;
    #   fc 2·2·6 - 1 = 23: 112
    # Energy: 47800 + 43526 + 168·112·3 + 3096·742/1000 + 516
    "weight partitioned": Counted(
        area_um2=(2682 + 1120, 2448 + 1120),
        energy_fj=(179742.529, 150587.232),
        busy_ns=(522.75, 742.0),
        latency_ns=(522.75, 742.0),
        critical_path_ns=(6.375, 6.625),
        cycles=(82, 112),
        multipliers=(6, 6),
        utilization=(106 / 492, 106 / 672),
        memory_area_um2=1120,
        memory_energy_fj=516,
    ),
    # Lanes as of the weight-stationary array.
    # Cycles ceil(K/3)·ceil(N/2)·(3 + 2 + M - 2 + 3) - 1: conv 2·2·9 - 1 = 35, pair 2 runs of 2·1·8 - 1 = 15, fc 2·1·8 - 1 = 15: 80
    # Moved, weights once per fold of pixels, activations once: conv 2·12 + 16 + 12 = 52, pair 56, fc 17: 1000 bits
    # Energy: 88600 + 46110 + 174·80·3 + 3276·510/1000 + 500; 47800 + 47448 + 41760 + 3312·570/1000 + 500
    "input multi-mode": Counted(
        area_um2=(2682 + 1120, 3576 + 1120),
        energy_fj=(178640.76, 139395.84),
        busy_ns=(510.0, 570.0),
        latency_ns=(510.0, 570.0),
        critical_path_ns=(6.375, 7.125),
        cycles=(80, 80),
        multipliers=(6, 12),
        utilization=(106 / 480, 106 / 480),
        memory_area_um2=1120,
        memory_energy_fj=500,
    ),
    # Mixed: cycles on one column ceil(K/3)·N·(M + 5) - 1: conv exact 2·4·6 - 1 = 47, small 2·4·7 - 1 = 55; pair groups of 2·2·7 - 1 = 27:
    #   small 54; fc 2·1·7 - 1 = 13: 122. Energy: 47800 + 43526 + 168·122·3 + 3096·808.25/1000 + 500
    "input partitioned": Counted(
        area_um2=(2682 + 1120, 2448 + 1120),
        energy_fj=(178640.76, 155816.342),
        busy_ns=(510.0, 808.25),
        latency_ns=(510.0, 808.25),
        critical_path_ns=(6.375, 6.625),
        cycles=(80, 122),
        multipliers=(6, 6),
        utilization=(106 / 480, 106 / 732),
        memory_area_um2=1120,
        memory_energy_fj=500,
    ),
    # Two units of 8 lanes, accumulator 24 bits, small 22; registers 40, small 38; nothing is passed on, so no edge
    # Area: 16·(100 + 24·17 + 40·2 + 43) = 10096; mixed 16·149 more = 12480
    # Leakage: 16·(10 + 24·23 + 40·5) = 12192; mixed 16·6 more = 12288. Flip-flops 640
    # Path: 4 + 24/8 + 0.25 = 7.25; mixed 4.5 + 22/8 + 0.25 + 0.5 = 8
    # Cycles, 8 of a wavefront times 2.5 instructions = 20 per product: wide 320 outputs = 5 wavefronts, 3 rounds of 2 units, 3·2·20 = 120;
    #   fc 1 round, 5·20 = 100: 220
    # Switching: 650·24·19 + 650·16·7 = 369200, instructions 650·2.5·2 = 3250; mixed: 138·24·19 + 512·22·19 = 276944, + 650·149 + 3250
    # Memory: weights 10 + 10 = 20 bytes, largest input and output wide 72 + 320 = 392 bytes: 3296 bits;
    #   moved, two operands per product and the outputs: 320·5 + 2·11 = 1622 bytes = 12976 bits
    # Energy: 583000 + 372450 + 640·220·3 + 12192·1595/1000 + 6488; 275800 + 377044 + 422400 + 12288·1760/1000 + 6488
    "simt multi-mode": Counted(
        area_um2=(10096 + 6592, 12480 + 6592),
        energy_fj=(1403784.24, 1103358.88),
        busy_ns=(1595.0, 1760.0),
        latency_ns=(1595.0, 1760.0),
        critical_path_ns=(7.25, 8.0),
        cycles=(220, 220),
        multipliers=(16, 32),
        utilization=(650 / 3520, 650 / 3520),
        memory_area_um2=6592,
        memory_energy_fj=6488,
    ),
    # Mixed: a unit for each block.
    # Area: 8·588 + 8·(60 + 22·17 + 38·2) + 16·43 = 9472. Leakage: 8·762 + 8·(6 + 22·23 + 38·5) = 11712. Flip-flops 8·40 + 8·38 = 624
    # Path 7.5. Switching: 276944 + 72800 + 3250 = 352994
    # Cycles: wide exact 1 wavefront 40, small 4 rounds 160; fc 100: 260
    # Energy: 275800 + 352994 + 624·260·3 + 11712·1950/1000 + 6488
    "simt partitioned": Counted(
        area_um2=(10096 + 6592, 9472 + 6592),
        energy_fj=(1403784.24, 1144840.4),
        busy_ns=(1595.0, 1950.0),
        latency_ns=(1595.0, 1950.0),
        critical_path_ns=(7.25, 7.5),
        cycles=(220, 260),
        multipliers=(16, 16),
        utilization=(650 / 3520, 650 / 4160),
        memory_area_um2=6592,
        memory_energy_fj=6488,
    ),
}


@pytest.fixture(autouse=True)
def paper(monkeypatch):
    monkeypatch.setattr("hawx.accelerators.figures.OSU018", PAPER)


def evaluated(case: str):
    kind, _, sharing = case.partition(" ")
    if kind == "simt":
        return Simt(**SIMT, sharing=sharing).evaluate(WIDE, WIDE_DESIGNS, BLOCKS, exact=EXACT, energies=WIDE_ENERGIES)
    accelerator = SPATIAL if kind == "spatial" else systolic(kind, sharing)
    return accelerator.evaluate(LAYERS, DESIGNS, BLOCKS, exact=EXACT, energies=ENERGIES)


@pytest.mark.parametrize("case", CASES)
def test_every_figure_is_the_counted_one(case):
    found, counted = evaluated(case), CASES[case]
    for name in ("area_um2", "critical_path_ns", "cycles", "multipliers", "utilization", "memory_area_um2"):
        np.testing.assert_allclose(getattr(found, name), getattr(counted, name), rtol=1e-13, err_msg=name)
    energy, busy = np.array(counted.energy_fj), np.array(counted.busy_ns)
    np.testing.assert_allclose(found.energy_uj, energy / 1e9, rtol=1e-13)
    np.testing.assert_allclose(found.power_uw, energy / busy, rtol=1e-13)
    np.testing.assert_allclose(found.latency_us, np.array(counted.latency_ns) / 1e3, rtol=1e-13)
    assert found.memory_energy_uj == pytest.approx(counted.memory_energy_fj / 1e9, rel=1e-13)
    uniform, own = ((650000, 342800), (583000, 275800)) if "simt" in case else ((106000, 65200), (88600, 47800))
    np.testing.assert_allclose(found.mult_power_ratio, np.array(uniform) / uniform[0], rtol=1e-13)
    np.testing.assert_allclose(found.mult_energy_ratio, np.array(own) / own[0], rtol=1e-13)
    assert found.origin == "paper: counted by hand; memories: declared"


def test_a_lane_is_as_wide_as_the_blocks_of_its_own_design_need():
    # all small: 6·(60 + 18·17 + 34·2) - 40·2 = 2524, path 4.5 + 18/8 + 0.25 = 7; the all-exact design beside it stays as it is
    small = [[3, 0, 0], [4, 0, 0], [2, 0, 0]]
    for sharing in ("multi-mode", "partitioned"):
        found = systolic("output", sharing).evaluate(LAYERS, [small, DESIGNS[0]], BLOCKS, exact=EXACT)
        assert found.area_um2.tolist() == [2524 + 1120, 2992 + 1120]
        assert found.critical_path_ns.tolist() == [7, 6.75]


@pytest.mark.parametrize(
    ("accelerator", "path"),
    [
        (SPATIAL, 103.625),  # 99 + 0.25 + 19/8 + 2 levels
        (systolic("output", "multi-mode"), 102.25),  # 99 + 20/8 + 0.25 + 0.5
        (systolic("output", "partitioned"), 101.75),
        (systolic("weight", "multi-mode"), 101.875),  # 99 + 17/8 + 0.25 + 0.5
    ],
    ids=["spatial", "output", "output-partitioned", "weight"],
)
def test_one_filter_is_enough_to_slow_the_clock(accelerator, path):
    found = accelerator.evaluate(LAYERS, [[0, 3, 0], [0, 3, 1], [0, 2, 0]], BLOCKS, exact=EXACT)
    assert found.critical_path_ns == path


def test_columns_by_hand():
    def columns(total, *shares):
        return partition(np.array([[share] for share in shares]), np.ones(1), total).tolist()

    assert columns(3, [1, 0]) == [[3, 0]]
    assert columns(16, [5, 3, 2]) == [[8, 5, 3]]  # 8, 4.8, 3.2: the largest remainder gets the sixteenth
    assert columns(5, [32, 34, 34]) == [[1, 2, 2]]  # 1.6, 1.7, 1.7: two are left, one for each
    # at least one each, which is taken back where the wish is exceeded most, or missed least
    assert columns(8, [30, 1, 1]) == [[6, 1, 1]]  # 7.5, 0.25, 0.25: 7 + 1 + 1 is one too many
    assert columns(8, [47, 21, 4, 4, 4]) == [[4, 1, 1, 1, 1]]  # 4.7 and 2.1 to 4 and 2: the 2 misses its wish least
    # with too many blocks every one has its one, and designs beside it are not touched
    assert columns(3, [1, 1, 1, 1], [1, 20, 1, 0]) == [[1, 1, 1, 1], [1, 1, 1, 0]]
    # layers weigh by their products: 3·5 + 1·2 = 17 of 20 against 1·3 = 3
    assert partition(np.array([[[3, 0], [1, 1]]]), np.array([5.0, 2.5]), 10).tolist() == [[9, 1]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Systolic(columns=0), "accelerator 'temporal' has columns = 0; expected an integer from 1 to 4096."),
        (lambda: Systolic(rows=4097), "accelerator 'temporal' has rows = 4097; expected an integer from 1 to 4096."),
        (lambda: Systolic(rows=True), "accelerator 'temporal' has rows = True; expected an integer from 1 to 4096."),
        (lambda: Systolic(rows=2.5), "accelerator 'temporal' has rows = 2.5; expected an integer from 1 to 4096."),
        (lambda: Systolic(accumulator_bits=16), "accelerator 'temporal' has accumulator_bits = 16; expected 17..48."),
        (lambda: Systolic(accumulator_bits=49), "accelerator 'temporal' has accumulator_bits = 49; expected 17..48."),
        (lambda: Simt(compute_units=0), "accelerator 'simt' has compute_units = 0; expected an integer from 1 to 4096."),
        (lambda: Simt(instructions_per_mac=0.5), "accelerator 'simt' has instructions_per_mac = 0.5; expected at least 1."),
        (lambda: Spatial(multipliers=0), "spatial accelerator 'spatial' has multipliers = 0; expected a positive number."),
        (lambda: Spatial(area_um2=-1.0), "spatial accelerator 'spatial' has area_um2 = -1.0; expected a positive number."),
        (lambda: Spatial(interval_cycles=0), "spatial accelerator 'spatial' has interval_cycles = 0; expected a positive number."),
        (
            lambda: Spatial(multipliers=3, folding={"a": Folding(1, 1)}),
            "spatial accelerator 'spatial' has several targets ['multipliers', 'folding']; expected at most one.",
        ),
        (lambda: Systolic(clock=0), "clock 0 is not usable; expected a positive number of MHz, 'exact' or 'fastest'."),
        (lambda: Systolic(clock=True), "clock True is not usable; expected a positive number of MHz, 'exact' or 'fastest'."),
        (lambda: Memory(area_um2_per_bit=-1.0, energy_fj_per_bit=0), "memory area_um2_per_bit -1.0 is negative; expected a figure of at least 0."),
        (lambda: Memory(area_um2_per_bit=0, energy_fj_per_bit=-2), "memory energy_fj_per_bit -2 is negative; expected a figure of at least 0."),
    ],
)
def test_parameters_that_cannot_be_used_are_refused(make, message):
    with pytest.raises(InputError) as refusal:
        make()
    assert str(refusal.value) == message


def test_the_ends_of_every_range_are_usable():
    assert Systolic(rows=1, columns=4096, accumulator_bits=17).columns == 4096
    assert Systolic(accumulator_bits=48, clock=0.5).accumulator_bits == 48
    assert Simt(compute_units=1, instructions_per_mac=1).compute_units == 1
    assert Spatial(multipliers=1).multipliers == 1
    assert Memory(area_um2_per_bit=0, energy_fj_per_bit=0).area_um2_per_bit == 0


def test_params_are_plain_values():
    memory = {"area_um2_per_bit": 2.0, "energy_fj_per_bit": 0.5, "origin": "declared"}
    assert SPATIAL.params == {
        "kind": "spatial",
        "clock": "exact",
        "folding": {"conv": {"pe": 3, "simd": 4}, "pair": {"pe": 2, "simd": 3}, "fc": {"pe": 1, "simd": 1}},
        "memory": memory,
    }
    assert Spatial().params == {"kind": "spatial", "clock": "exact", "multipliers": 1024}
    assert Spatial(area_um2=5.0, clock=9.0).params == {"kind": "spatial", "clock": 9.0, "area_um2": 5.0}
    wanted = {"kind": "systolic", "rows": 3, "columns": 2, "dataflow": "weight", "sharing": "partitioned", "accumulator_bits": 20, "clock": "exact"}
    assert systolic("weight", "partitioned").params == wanted | {"memory": memory}
    assert all(type(value) in {str, int, float, dict} for value in systolic("weight", "partitioned").params.values())
    assert Simt(**SIMT).params == {
        "kind": "simt",
        "compute_units": 2,
        "instructions_per_mac": 2.5,
        "sharing": "multi-mode",
        "accumulator_bits": 24,
        "lane_area_um2": 43.0,
        "instruction_fj": 2.0,
        "clock": "exact",
        "memory": memory,
    }


def test_designs_of_any_number_and_shape_are_evaluated_alike():
    many = np.repeat(np.array(DESIGNS), 4097, axis=0)  # more than are evaluated at once
    found = SPATIAL.evaluate(LAYERS, many.reshape(2, 4097, 3, 3), BLOCKS, exact=EXACT)
    np.testing.assert_array_equal(found.area_um2, np.repeat([[8149], [8311]], 4097, axis=1))
    for accelerator in (SPATIAL, systolic("output", "multi-mode"), systolic("input", "partitioned")):
        none = accelerator.evaluate(LAYERS, many[:0], BLOCKS, exact=EXACT)
        assert none.area_um2.shape == none.mult_energy_ratio.shape == (0,)


def test_without_energies_of_its_own_a_design_has_those_of_uniform_operands():
    with_own = systolic("output", "multi-mode").evaluate(LAYERS, DESIGNS, BLOCKS, exact=EXACT, energies=ENERGIES)
    found = systolic("output", "multi-mode").evaluate(LAYERS, DESIGNS, BLOCKS, exact=EXACT)
    np.testing.assert_allclose(found.energy_uj * 1e9, [168964.75 + 106000 - 88600, 129655 + 65200 - 47800], rtol=1e-13)
    assert np.isnan(found.mult_energy_ratio).all()
    np.testing.assert_array_equal(found.mult_power_ratio, with_own.mult_power_ratio)


def test_constants_of_another_technology_scale_by_area_energy_and_delay_of_its_exact_block():
    exact = Costs(technology="other", area_um2=300.0, delay_ns=2.0, energy_fj=5000.0, leakage_nw=1.0, origin="test")
    scaled = PAPER.scaled_to(exact)  # area times 3, energy times 5, delay halved, leakage unknown
    wanted = {
        "flip_flop_area": 6,
        "adder_bit_area": 33,
        "final_bit_area": 33,
        "accumulator_bit_area": 51,
        "restart_bit_area": 51,
        "isolation_area": 87,
        "selection_area": 93,
        "flip_flop_clock_fj": 15,
        "operand_fj": 35,
        "adder_bit_fj": 65,
        "accumulator_bit_fj": 95,
        "selection_fj": 185,
        "select_ns": 0.25,
        "lane_ns": 0.125,
        "carry_ns": 0.0625,
        "level_ns": 0.5,
        "flip_flop_leakage_nw": 0,
        "adder_bit_leakage_nw": 0,
        "exact_area": 300,
        "exact_energy_fj": 5000,
        "exact_delay_ns": 2,
        "technology": "other",
        "origin": "lane constants of paper, scaled by the exact multiplier of other",
    }
    assert {field.name for field in fields(LaneConstants)} == set(wanted)
    assert {name: getattr(scaled, name) for name in wanted} == wanted


def test_an_area_target_folds_by_the_counted_area():
    with pytest.raises(InputError, match=r"^spatial accelerator 'spatial' has an area target 5\.0; expected block costs to fold by\.$"):
        Spatial(area_um2=5.0).foldings(LAYERS)
    # one multiplier per layer: 100 + accumulator·17 + (accumulator + 8)·2 + 9·2 of the layer: conv 476, pair 495, fc 495 = 1466,
    # cycles 48, 48, 10. Any faster layer is larger, so both 1466 and a little more than it give just that
    alone = Spatial(area_um2=1466.0).evaluate(LAYERS, DESIGNS, BLOCKS, exact=EXACT)
    assert (alone.area_um2[0], alone.cycles[0], alone.multipliers[0]) == (1466, 106, 3)
    with pytest.raises(InputError, match=r"^area target 1465\.5 is too small for 3 layers .*; expected at least 1466 "):
        Spatial(area_um2=1465.5).evaluate(LAYERS, DESIGNS, BLOCKS, exact=EXACT)
    # the next step halves the slowest two, cheapest with two lanes: conv cannot (3 filters), so PE 3 there: 3·458 + 18 = 1392, 16 cycles;
    # or SIMD 2: 2·100 + 17·11 + 18·17 + 34·2 + 17·2 = 795, 24 cycles; pair PE 2: 2·477 + 18 = 972, 24 cycles; with fc 495: 2262
    step = Spatial(area_um2=2262.0).evaluate(LAYERS, DESIGNS, BLOCKS, exact=EXACT)
    assert (step.area_um2[0], step.cycles[0], step.multipliers[0]) == (2262, 58, 5)
    short = Spatial(area_um2=2261.5).evaluate(LAYERS, DESIGNS, BLOCKS, exact=EXACT)
    assert short.area_um2[0] == 1466
