"""Laws on FPGAs: lookup tables, registers, DSP blocks and block RAMs counted by hand, devices by their data sheets, designs that do not fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.toy_result import toy_result

from hawx.accelerators import DEVICES, Folding, Memory, Spatial, Systolic
from hawx.accelerators.devices import RAMS
from hawx.accelerators.fpga import FABRICS, LANES
from hawx.blocks import Costs
from hawx.blocks.families import builtin_library
from hawx.errors import GoalError, InputError, UnknownNameError
from hawx.importers.accelerator import accelerator_from_dict
from hawx.networks.layer import Layer, LayerKind
from hawx.results.recommendation import recommend
from hawx.search.problem import hardware_of
from hawx.testing.world import World

FC = Layer(name="fc", kind=LayerKind.LINEAR, in_channels=40, filters=10)


def costs(luts: int, zeros: int = 0, technology: str = "ice40") -> Costs:
    return Costs(technology=technology, area_um2=None, luts=luts, delay_ns=5.0, energy_fj=100.0 * luts, constant_lsbs=zeros, origin="test")


BLOCKS = [costs(100), costs(60, zeros=4)]
COUNTS = np.array([[[10, 0]], [[0, 10]]])


def test_a_systolic_array_of_ice40s_is_the_counted_one():
    """2 x 2 lanes: a multiplier and one table for each of 32 accumulator bits; 32 + 16 registers, less those that the edges do not pass on."""
    found = Systolic(rows=2, columns=2, sharing="partitioned", technology="ice40").evaluate((FC,), COUNTS, BLOCKS, exact=0)
    np.testing.assert_allclose(found.luts, [4 * (100 + 32), 4 * (60 + 28)])
    np.testing.assert_allclose(found.flip_flops, [4 * 48 - 32, 4 * 44 - 32])
    np.testing.assert_array_equal(found.dsps, [0, 0])
    assert np.isnan(found.area_um2).all()


def test_a_spatial_lane_of_ice40s_is_the_counted_one():
    """Four products: two rows of carry saving, (17 + 17 + 18) - 18 bits, a last adder of 18, an accumulator of 16 + 6 bits; five such lanes."""
    found = Spatial(folding={"fc": Folding(5, 4)}, technology="ice40").evaluate((FC,), COUNTS[:1], BLOCKS, exact=0)
    lane = LANES["ice40"]
    np.testing.assert_allclose(found.luts, 5 * (4 * 100 + 34 * lane.adder_bit_area + 18 + 22 * lane.restart_bit_area))
    # weights: 3,200 bits in words of 160, ten blocks of sixteen; activations: 320 bits in words of 32, two
    np.testing.assert_array_equal(found.brams, [12])


def test_exact_multipliers_in_dsp_blocks_take_no_tables():
    blocks = [costs(100, technology="xilinx7"), costs(60, 4, "xilinx7")]
    array = Systolic(rows=2, columns=2, sharing="partitioned", technology="xilinx7", dsp=True)
    energies = np.array([[5000.0, 3000.0]])  # half of the uniform figure of the exact one
    found = array.evaluate((FC,), COUNTS, blocks, exact=0, energies=energies)
    np.testing.assert_array_equal(found.dsps, [4, 0])
    np.testing.assert_allclose(found.luts, [4 * 2.0 * 32, 4 * (60 + 2.0 * 28)])
    assert found.mult_energy_ratio[1] == pytest.approx(3000 / (0.5 * FABRICS["xilinx7"].dsp_fj))


def test_dsp_blocks_are_of_fpgas():
    blocks = [Costs(technology="osu018", area_um2=1.0, delay_ns=1.0, energy_fj=1.0, origin="test")]
    with pytest.raises(InputError, match="technology 'osu018' has no DSP blocks"):
        Systolic(dsp=True).evaluate((FC,), np.array([[[10]]]), blocks, exact=0)


@pytest.mark.parametrize(("bits", "width", "blocks"), [(4096, 16, 1), (4097, 16, 2), (4096, 32, 2), (64, 64, 0), (64, 32, 2)])
def test_block_rams_hold_bits_and_read_words(bits, width, blocks):
    assert RAMS["ice40"].blocks(bits, width) == blocks


def test_devices_hold_what_their_data_sheets_say():
    """DS190 table 1, DS1040 table 1: a Zynq-7020 and an iCE40 HX8K."""
    zynq, ice = DEVICES["xc7z020"], DEVICES["ice40hx8k"]
    assert (zynq.luts, zynq.flip_flops, zynq.dsps, zynq.brams) == (53200, 106400, 220, 140)
    assert (ice.luts, ice.dsps, ice.brams * RAMS["ice40"].bits) == (7680, 0, 128 * 1024)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "spatial", "device": "xc7z02"}, "unknown FPGA device 'xc7z02'; did you mean 'xc7z020'"),
        ({"kind": "systolic", "device": "ice40hx8k", "dsp": True}, "has no DSP blocks; expected dsp = false"),
        ({"kind": "systolic", "device": "ice40hx8k", "technology": "ecp5"}, "is of family 'ice40'; expected technology = 'ice40'"),
        ({"kind": "systolic", "dsp": 1}, "has dsp = 1; expected true or false"),
        ({"kind": "systolic", "device": 7}, "has device = 7; expected a text"),
    ],
)
def test_bad_declarations_are_told_in_one_line(values, said):
    with pytest.raises((InputError, UnknownNameError), match=said):
        accelerator_from_dict(values)


def test_a_declaration_is_read_back():
    made = accelerator_from_dict({"kind": "spatial", "device": "XC7Z020", "luts": 40000})
    assert (made.params["device"], made.params["technology"]) == ("xc7z020", "xilinx7")
    assert accelerator_from_dict(made.params).params == made.params


def test_targets_are_in_the_unit_of_the_technology():
    blocks = [costs(100)]
    exact = np.array([[[10]]])
    found = Spatial(luts=3000, technology="ice40").evaluate((FC,), exact, blocks, exact=0)
    assert 1500 < found.luts[0] <= 3000
    with pytest.raises(InputError, match="in another unit than ice40; expected luts"):
        Spatial(area_um2=1e6).evaluate((FC,), exact, blocks, exact=0)
    with pytest.raises(InputError, match="declares memory in um2 on an FPGA"):
        Systolic(memory=Memory(area_um2_per_bit=1.0, energy_fj_per_bit=1.0)).evaluate((FC,), exact, blocks, exact=0)


def test_the_built_in_library_has_figures_on_three_families():
    library = builtin_library()
    for family in ("xilinx7", "ecp5", "ice40"):
        chosen = library.in_technology(family)
        assert chosen.technology == family
        exact = chosen.exact.costs[family]
        assert all(block.costs[family].luts < 1.3 * exact.luts for block in chosen)
        assert chosen["mul8s_tc8"].costs[family].luts < 0.5 * exact.luts
    with pytest.raises(InputError, match="no figures in technology 'xilinx8': mul8s_exact"):
        library.in_technology("xilinx8")


def shared(result, luts):
    """Return a result whose designs take these shares of a device's tables."""
    front = tuple(
        replace(design, hardware=replace(design.hardware, luts=share * 7680, device_shares={"luts": share, "dsps": 0.0}))
        for design, share in zip(result.front, luts, strict=False)
    )
    return replace(result, front=front, accelerator={**result.accelerator, "device": "ice40hx8k"})


def test_a_design_that_does_not_fit_is_never_put_forward():
    result = toy_result(max_drop=None)
    plain = result.best(100.0)
    others = shared(result, [1.2 if design.id == plain.id else 0.9 for design in result.front])
    assert others.best(100.0).id != plain.id
    assert recommend(others).met
    assert others.misfit() is None


def test_where_nothing_fits_it_is_told_by_how_much():
    result = toy_result(max_drop=None)
    none = shared(result, [1.5 + 0.1 * i for i in range(len(result.front))])
    assert none.misfit().startswith(f"no design fits device 'ice40hx8k': the nearest, {none.front[0].id}, takes 150 % of its LUTs (11\u202f520).")
    assert not recommend(none).met
    with pytest.raises(GoalError, match="no design fits device"):
        none.best(100.0)


def test_shares_are_of_the_device():
    device = DEVICES["xc7z020"]
    found = Systolic(rows=2, columns=2, sharing="partitioned", device="xc7z020").evaluate((FC,), COUNTS, [costs(9, 0, "xilinx7")] * 2, exact=0)
    hardware = hardware_of(found, 0, device)
    assert hardware.device_shares["luts"] == pytest.approx(4 * (9 + 64) / 53200)
    assert hardware.fits
    assert hardware.area_um2 is None


def test_a_search_takes_designs_that_do_not_fit_for_dear():
    """Eight lanes of 150 + 32 tables are 1,456 of an HX1K's 1,280; of 60 + 32 tables they are 736."""
    world = World(2)
    array = Systolic(rows=4, columns=2, sharing="partitioned", device="ice40hx1k")
    blocks = [costs(150), costs(120), costs(60), costs(140)]
    toy = world.problem(4)
    problem = replace(toy, costs=blocks, accelerator=array)
    assert problem.objectives == ("energy_uj", "luts")
    exact, cheap = problem.ratios(np.array([[0, 0], [2, 2]], np.uint8))
    assert exact[1] == pytest.approx(4 * 1456 / 1280)
    assert cheap[1] == pytest.approx(736 / 1456)
    with pytest.raises(InputError, match="objective 'luts' has no figures in technology 'toy'"):
        replace(toy, objectives=("luts",))
