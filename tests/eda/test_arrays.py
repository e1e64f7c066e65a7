"""RTL arrays: simulated bit-exactly against the reference emulator, at RTL and gate level; predicted against synthesized figures."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import numpy as np
import pytest

from hawx.accelerators import Folding, Sharing, Spatial, Systolic
from hawx.blocks import Block, Library, sign_magnitude
from hawx.blocks.families import builtin_library
from hawx.designs import Assignment
from hawx.errors import HawxError, InputError
from hawx.networks.layer import Layer, LayerKind
from hawx.rtl import (
    ArraySpec,
    LayerSpec,
    LayerVectors,
    Multiplier,
    array_project,
    constant_lsbs,
    design_project,
    layer_project,
    on_magnitudes,
    receptive_fields,
    stream_project,
    table_memory,
)
from hawx.simulators import Simulator, available, simulate, write_files
from hawx.synthesis.project import run_vectors, synthesize_project
from hawx.wiring import PLAIN, Wiring

pytestmark = pytest.mark.eda
needs_simulator = pytest.mark.skipif(not available(), reason="neither Icarus Verilog nor Verilator is installed")
MIXED = ("mul8s_exact", "mul8s_bam_v7h3", "mul8s_mitchell", "mul8s_drum4")


def operands(seed, pixels, filters, reduction):
    rng = np.random.default_rng(seed)
    codes, weights = (rng.integers(-128, 128, shape).astype(np.int8) for shape in ((pixels, reduction), (filters, reduction)))
    return codes, weights, [int(b) for b in rng.integers(0, len(MIXED), filters)]


@needs_simulator
@pytest.mark.parametrize("columns", [tuple((c % 4,) for c in range(8)), ((0, 1, 2, 3),) * 8], ids=["partitioned", "multi-mode"])
def test_an_8x8_mixed_array_computes_what_the_emulator_computes(columns, multiplier):
    multipliers = tuple(multiplier(name) for name in MIXED)
    codes, weights, blocks = operands(1, 11, 9, 6)
    project = array_project(ArraySpec(rows=8, columns=columns, multipliers=multipliers), codes, weights, blocks)
    assert project.checked == 11 * 9
    result = simulate(project)
    assert result.passed, result.log


@needs_simulator
def test_folded_lanes_compute_what_the_emulator_computes(multiplier):
    multipliers = tuple(multiplier(name) for name in MIXED)
    codes, weights, _ = operands(2, 5, 6, 18)
    spec = LayerSpec(pe=2, simd=6, reduction=18, blocks=(0, 1, 2, 3, 1, 1), multipliers=multipliers)
    project = layer_project(spec, codes, weights)
    assert project.checked == 5 * 6
    result = simulate(project)
    assert result.passed, result.log


@needs_simulator
def test_a_wrong_product_is_found(multiplier):
    codes, weights, _ = operands(3, 3, 2, 4)
    good = multiplier("mul8s_ot2")
    liar = replace(good, verilog=good.verilog.replace("A[6] & B[6]", "A[6] | B[6]", 1))
    assert liar.verilog != good.verilog
    project = layer_project(LayerSpec(pe=2, simd=2, reduction=4, blocks=(0, 0), multipliers=(good,)), codes, weights)
    assert simulate(project).passed
    broken = layer_project(LayerSpec(pe=2, simd=2, reduction=4, blocks=(0, 0), multipliers=(liar,)), codes, weights)
    assert not simulate(broken).passed


@needs_simulator
def test_lanes_get_a_valid_bit_where_zero_times_a_weight_is_not_zero(multiplier):
    noisy = Block.from_table(builtin_library().exact.table + 3, name="noisy")
    memory = table_memory(noisy, "block_noisy")
    assert memory.zero_corrupts
    codes, weights, _ = operands(4, 5, 4, 7)
    project = array_project(ArraySpec(rows=2, columns=((0,), (1,)), multipliers=(memory, multiplier("mul8s_exact"))), codes, weights, [0, 1, 0, 1])
    assert "valid_in" in project.sources["lane_block_noisy.sv"]
    assert not project.is_synthesizable
    result = simulate(project)
    assert result.passed, result.log
    quiet = array_project(ArraySpec(rows=2, columns=((0,),), multipliers=(multiplier("mul8s_exact"),)), codes, weights, [0] * 4)
    assert "valid" not in "".join(quiet.sources.values())


@needs_simulator
@pytest.mark.parametrize("activations", ["s8", "u8"])
def test_an_unsigned_circuit_runs_on_signed_weights(activations):
    table = np.multiply.outer(np.arange(256), np.arange(256)) & ~7
    unsigned = Block.from_table(table, name="low3", formats=("u8", "u8"))
    text = "module low3 (input [7:0] A, input [7:0] B, output [15:0] O);\n  wire [15:0] p = A * B;\n  assign O = {p[15:3], 3'b0};\nendmodule\n"
    core = Multiplier(block=unsigned, module="low3", verilog=text)
    wrapped = on_magnitudes(core, sign_magnitude(unsigned, activations))
    rng = np.random.default_rng(5)
    low, high = (-128, 128) if activations == "s8" else (0, 256)
    codes = rng.integers(low, high, (6, 5)).astype(np.int8 if activations == "s8" else np.uint8)
    codes[0] = [low, high - 1, 0, 1, low]
    weights = rng.integers(-128, 128, (2, 5)).astype(np.int8)
    weights[0] = [-128, 127, -1, 0, 1]
    project = layer_project(LayerSpec(pe=2, simd=5, reduction=5, blocks=(0, 0), multipliers=(wrapped,)), codes, weights)
    result = simulate(project)
    assert result.passed, result.log


@needs_simulator
@pytest.mark.slow
@pytest.mark.skipif(Simulator.VERILATOR not in available(), reason="Verilator is not installed")
def test_verilator_agrees(multiplier):
    codes, weights, _ = operands(6, 5, 4, 7)
    spec = ArraySpec(rows=2, columns=((0,), (1,)), multipliers=(multiplier("mul8s_ot3"), multiplier("mul8s_tc8")))
    result = simulate(array_project(spec, codes, weights, [0, 1, 0, 1]), Simulator.VERILATOR)
    assert result.passed, result.log


@needs_simulator
@pytest.mark.usefixtures("needs_yosys")
def test_a_mapped_array_still_computes_what_the_emulator_computes(multiplier, osu018):
    codes, weights, _ = operands(7, 5, 3, 6)
    spec = ArraySpec(rows=2, columns=((0,), (1,)), multipliers=(multiplier("mul8s_tc6"), multiplier("mul8s_ot2")))
    project = array_project(spec, codes, weights, [0, 1, 1])
    mapped = synthesize_project(project, osu018, restructure=False)
    result = simulate(project, sources=mapped.sources)
    assert result.passed, result.log
    own = run_vectors(mapped, project)
    assert own.passed
    assert own.comparisons == result.comparisons
    assert mapped.clock_fj < own.energy_per_cycle_fj
    first, values = project.stimulus.checks[0]
    lie = replace(project.stimulus, checks=[(first, [None if v is None else v ^ 1 for v in values]), *project.stimulus.checks[1:]])
    assert not run_vectors(mapped, replace(project, stimulus=lie)).passed
    assert mapped.flip_flops <= 4 * 48 - 8 * 4


ARRAYS = {
    "2x2 mixed": (2, ("mul8s_exact", "mul8s_ot2")),
    "3x2 tc5": (3, ("mul8s_tc5", "mul8s_tc5")),
    "2x3 mixed": (2, ("mul8s_tc3", "mul8s_ot1", "mul8s_bam_v7h3")),
}


@pytest.mark.usefixtures("needs_yosys")
def test_predicted_arrays_are_those_that_synthesis_gives(multiplier, osu018):
    """Held-out arrays: none of them fitted a constant (benchmarks/arrays_synthesis.py has more and larger ones)."""
    library = builtin_library().select(sorted({name for _, names in ARRAYS.values() for name in names}))
    rng = np.random.default_rng(8)
    areas, energies = [], []
    for rows, names in ARRAYS.values():
        multipliers = tuple(multiplier(name) for name in names)
        columns = tuple((i,) for i in range(len(names)))
        project = array_project(ArraySpec(rows=rows, columns=columns, multipliers=multipliers), *operands(9, 1, 1, 2)[:2], [0])
        mapped = synthesize_project(project, osu018)
        streams = rng.integers(0, 1 << 63, (30, 64, 8), dtype=np.uint64) << np.uint64(1)
        streams |= rng.integers(0, 2, streams.shape, dtype=np.uint64)
        measured = mapped.energy_per_cycle_fj({"a": streams[:, : 8 * rows], "w": streams[:, 32 : 32 + 8 * len(names)]}, warm_up=8)
        counts = np.zeros((1, len(library)), int)
        for name in names:
            counts[0, library.index(name)] += 1
        layer = Layer(name="l", kind=LayerKind.LINEAR, in_channels=1 << 20, filters=len(names), in_size=(1, rows), out_size=(1, rows))
        accelerator = Systolic(rows=rows, columns=len(names), sharing=Sharing.PARTITIONED)
        law = accelerator.evaluate([layer], counts, library.costs(), exact=library.index(library.exact.name))
        areas.append(abs(float(law.area_um2) / mapped.area_um2 - 1))
        energies.append(abs(float(law.energy_uj) * 1e9 / float(law.cycles) / measured - 1))
    assert np.mean(areas) <= 0.05
    assert np.mean(energies) <= 0.10


def tiny_design():
    layers = (Layer(name="c", kind=LayerKind.CONV, in_channels=2, filters=4, kernel=(2, 3), in_size=(4, 5), out_size=(3, 3)),)
    library = Library([builtin_library()[name] for name in MIXED])
    assignment = Assignment(("c",), library.names, (np.array([3, 0, 3, 1], np.uint8),))
    codes, weights, _ = operands(10, 9, 4, 12)
    return layers, library, assignment, LayerVectors(codes=codes, weights=weights)


@needs_simulator
@pytest.mark.parametrize(
    "accelerator",
    [Spatial(folding={"c": Folding(2, 4)}), Systolic(rows=2, columns=4, sharing="partitioned"), Systolic(rows=2, columns=2)],
    ids=["spatial", "partitioned", "multi-mode"],
)
def test_a_design_becomes_hardware_that_computes_its_layer(accelerator, multiplier):
    layers, library, assignment, vectors = tiny_design()
    project = design_project(layers, library, assignment, accelerator, "c", vectors, lambda block: multiplier(block.name))
    result = simulate(project)
    assert result.passed, result.log
    assert "mul8s_mitchell.sv" not in project.sources  # not used by the design


@needs_simulator
@pytest.mark.parametrize("shift", [1, 2])
@pytest.mark.parametrize(
    "accelerator",
    [Spatial(folding={"c": Folding(2, 4)}), Systolic(rows=2, columns=4, sharing="partitioned"), Systolic(rows=2, columns=2)],
    ids=["spatial", "partitioned", "multi-mode"],
)
def test_wired_blocks_get_their_operands_so_in_hardware(accelerator, shift, multiplier):
    layers, library, assignment, vectors = tiny_design()
    codes = vectors.codes.copy()
    codes[0, :6] = [-128, 127, 64, 63, -64, -65]  # both sides of the clamp
    up, both = Wiring(shift=shift), Wiring(swapped=True, shift=shift)
    wired = replace(vectors, codes=codes, wirings=(both, PLAIN, both, up))  # of the blocks 3, 0, 3, 1
    project = design_project(layers, library, assignment, accelerator, "c", wired, lambda block: multiplier(block.name))
    assert f"shift_up_{shift}.sv" in project.sources
    result = simulate(project)
    assert result.passed, result.log
    several = replace(wired, wirings=(both, PLAIN, PLAIN, up))
    with pytest.raises(
        InputError, match=r"^layer 'c' wires filters on block '\w+' in several ways; RTL is written for one way per block and layer\.$"
    ):
        design_project(layers, library, assignment, accelerator, "c", several, lambda block: multiplier(block.name))


@needs_simulator
def test_unsigned_activations_are_shifted_up_in_hardware(multiplier):
    core = multiplier("mul8u_exact").wired(Wiring(shift=1))
    spec = LayerSpec(pe=1, simd=2, reduction=4, blocks=(0,), multipliers=(core,))
    codes = np.array([[0, 127, 128, 255], [1, 64, 200, 126]], np.uint8)
    result = simulate(layer_project(spec, codes, np.array([[1, 2, 3, 255]], np.uint8)))
    assert result.passed, result.log


@needs_simulator
@pytest.mark.parametrize(
    "accelerator",
    [Spatial(folding={"c": Folding(2, 4)}), Spatial(folding={"c": Folding(2, 12)}), Systolic(rows=2, columns=4, sharing="partitioned")],
    ids=["lanes", "lanes of one step", "array"],
)
def test_streams_around_it_wait_and_lose_nothing(accelerator, multiplier):
    layers, library, assignment, vectors = tiny_design()
    vectors = replace(vectors, codes=np.tile(vectors.codes, (4, 1)))
    project = stream_project(design_project(layers, library, assignment, accelerator, "c", vectors, lambda block: multiplier(block.name)))
    for waits in ([], ["+stall_in=70"], ["+stall_out=98"]):
        result = simulate(project, arguments=waits)
        assert result.passed, result.log
    text = project.sources[f"{project.top}.sv"]
    for right, wrong in (("& room", "& (1'b1 | room)"), ("(bursts !=", "(1'b1 | bursts !=")):
        broken = replace(project, sources={**project.sources, f"{project.top}.sv": text.replace(right, wrong)})
        assert not simulate(broken, arguments=["+stall_in=70" if "bursts" in right else "+stall_out=98"]).passed


@pytest.mark.skipif(Simulator.VERILATOR not in available(), reason="Verilator is not installed")
@pytest.mark.parametrize(
    "wirings", [(), (Wiring(swapped=True, shift=1), PLAIN, Wiring(swapped=True, shift=1), Wiring(shift=1))], ids=["plain", "wired"]
)
@pytest.mark.parametrize(
    "accelerator",
    [Spatial(folding={"c": Folding(2, 4)}), Systolic(rows=2, columns=4, sharing="partitioned"), Systolic(rows=2, columns=2)],
    ids=["spatial", "partitioned", "multi-mode"],
)
def test_what_is_written_passes_verilators_lint(accelerator, wirings, multiplier, tmp_path):
    layers, library, assignment, vectors = tiny_design()
    vectors = replace(vectors, wirings=wirings)
    project = design_project(layers, library, assignment, accelerator, "c", vectors, lambda block: multiplier(block.name))
    project = stream_project(project)
    write_files(project.files, tmp_path)
    command = ["verilator", "--lint-only", "-Wall", "--top-module", project.top, *project.sources]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_designs_without_rtl_say_so(multiplier):
    layers, library, assignment, vectors = tiny_design()
    with pytest.raises(InputError, match=r"^accelerator 'temporal' is weight-stationary; RTL is written for the output-stationary dataflow\.$"):
        design_project(layers, library, assignment, Systolic(dataflow="weight"), "c", vectors, lambda block: multiplier(block.name))
    with pytest.raises(InputError, match=r"^the design uses 3 blocks and the array has 2 columns; expected a column for each block\.$"):
        design_project(layers, library, assignment, Systolic(columns=2, sharing="partitioned"), "c", vectors, lambda block: multiplier(block.name))
    grouped = (replace(layers[0], groups=2),)
    with pytest.raises(
        InputError, match=r"^layer 'c' has 2 groups; RTL is written for layers whose filters share their inputs\. Choose another layer\.$"
    ):
        design_project(grouped, library, assignment, Spatial(), "c", vectors, lambda block: multiplier(block.name))
    with pytest.raises(
        InputError, match=r"^folding pe = 3, simd = 1 does not divide 4 filters and 12 products per output; expected divisors of both\.$"
    ):
        LayerSpec(pe=3, simd=1, reduction=12, blocks=(0, 0, 0, 0), multipliers=(multiplier("mul8s_exact"),))
    with pytest.raises(
        InputError, match=r"^block 'mul8s_exact' has the Verilog name 'a; b'; expected a plain identifier \(letters, digits, '_'\)\.$"
    ):
        replace(multiplier("mul8s_exact"), module="a; b")


def test_a_testbench_that_does_not_compile_says_why(multiplier):
    codes, weights, _ = operands(3, 1, 1, 2)
    bad = replace(multiplier("mul8s_exact"), verilog="module mul8s_exact (input [7:0] A);\n  wrong\nendmodule\n")
    project = layer_project(LayerSpec(pe=1, simd=2, reduction=2, blocks=(0,), multipliers=(bad,)), codes, weights)
    if Simulator.ICARUS in available():
        with pytest.raises(HawxError, match=r"^iverilog cannot compile the testbench; its log ends: .*syntax error.*$"):
            simulate(project, Simulator.ICARUS)


def test_receptive_fields_are_those_of_a_convolution():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(11)
    layer = Layer(
        name="c", kind=LayerKind.CONV, in_channels=3, filters=5, kernel=(3, 2), stride=(2, 1), padding=(1, 0, 2, 1), dilation=(1, 2),
        in_size=(7, 6), out_size=(3, 7),
    )  # fmt: skip
    codes = rng.integers(-128, 128, (2, 3, 7, 6)).astype(np.int8)
    weights = rng.integers(-128, 128, (5, 3, 3, 2)).astype(np.int8)
    fields = receptive_fields(codes, layer, 0)
    padded = torch.nn.functional.pad(torch.from_numpy(codes).double(), (2, 1, 1, 0))
    wanted = torch.nn.functional.conv2d(padded, torch.from_numpy(weights).double(), stride=(2, 1), dilation=(1, 2))
    found = fields.astype(np.int64) @ weights.reshape(5, -1).astype(np.int64).T
    np.testing.assert_array_equal(found.reshape(2, 3, 7, 5).transpose(0, 3, 1, 2), wanted.numpy())


def test_constant_low_bits():
    assert constant_lsbs(np.full((256, 256), 8, np.int32)) == 3
    assert constant_lsbs(np.zeros((256, 256), np.int32)) == 16
    assert constant_lsbs(builtin_library().exact.table) == 0
