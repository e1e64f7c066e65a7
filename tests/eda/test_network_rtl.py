"""Whole networks as hardware: class scores to the last bit, through real simulators, while both sides wait at random."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, replace

import numpy as np
import pytest

from hawx.accelerators import Folding, Spatial, Systolic
from hawx.blocks import Library
from hawx.blocks.families import builtin_library
from hawx.designs import Assignment
from hawx.emulate import BlockExecutor
from hawx.errors import InputError
from hawx.importers.multiplier import find_multiplier
from hawx.rtl import Multiplier, NetworkProject, network_project, network_rtl
from hawx.rtl.dataflow.chain import Requantization
from hawx.rtl.dataflow.scaling import QUANTIZE_CYCLES, ROUND_MODULE, SCALE_CYCLES, float_parts, quantize_module, scale_module
from hawx.rtl.stream_bench import cycles_seen, images_equal
from hawx.simulators import Simulator, available, simulate, write_files
from hawx.synthesis import yosys
from hawx.wiring import Wiring

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from hawx.networks.quantization import quantize  # noqa: E402

pytestmark = [pytest.mark.eda, pytest.mark.skipif(not available(), reason="neither Icarus Verilog nor Verilator is installed")]
BLOCKS = ("mul8s_exact", "mul8s_bam_v7h3", "mul8s_mitchell", "mul8s_ot2")

NETWORKS = {
    "padding and a pool": (
        (2, 6, 7),
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5)),
        {"0": Folding(2, 6), "4": Folding(1, 6)},
    ),
    "strides, uneven padding, dilation": (
        (3, 9, 8),
        lambda: nn.Sequential(
            nn.Conv2d(3, 6, (3, 2), stride=(2, 1), padding=(2, 0), dilation=(2, 3)), nn.ReLU(), nn.Conv2d(6, 4, 1), nn.Flatten(), nn.Linear(100, 3)
        ),
        {"0": Folding(3, 9), "2": Folding(4, 3), "4": Folding(3, 20)},
    ),
    "overlapping, padded pools with a ragged end": (
        (1, 10, 9),
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.MaxPool2d(3, stride=2, padding=1), nn.Conv2d(4, 4, 2, stride=2), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True),
            nn.Flatten(), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 4),
        ),
        {"0": Folding(4, 9), "2": Folding(2, 16), "6": Folding(6, 4), "8": Folding(2, 1)},
    ),
    "small": (
        (1, 5, 4),
        lambda: nn.Sequential(
            nn.Conv2d(1, 2, 2, padding=1), nn.MaxPool2d(2, padding=1), nn.Flatten(), nn.Linear(24, 4), nn.ReLU(), nn.Linear(4, 4)
        ),
        {"0": Folding(2, 4), "3": Folding(4, 2), "5": Folding(1, 2)},
    ),
    "every product at once": (
        (2, 4, 4),
        lambda: nn.Sequential(nn.Conv2d(2, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(27, 2)),
        {"0": Folding(3, 8), "3": Folding(2, 27)},
    ),
}  # fmt: skip


WAITS = (["+stall_in=60", "+stall_out=60", "+seed=7"], ["+stall_out=99"])
"""Both sides wait now and then; the outer side is slower than the network, which fills from its end."""


@dataclass(frozen=True)
class Bench:
    sources: dict[str, str]
    bench: dict[str, str]


def network_of(module, shape, seed=0):
    torch.manual_seed(seed)
    inputs = torch.randn(32, *shape)
    return quantize(module().eval(), inputs), inputs


def assigned(network, seed=0):
    library = Library([builtin_library()[block] for block in BLOCKS])
    rng = np.random.default_rng(seed)
    blocks = tuple(rng.integers(0, len(BLOCKS), count).astype(np.uint8) for count in network.filters.values())
    return library, Assignment(tuple(network.filters), library.names, blocks)


def project_of(name: str, images: int = 4) -> NetworkProject:
    return hardware(*NETWORKS[name], images)


def hardware(shape, module, folding, images, seed=0) -> NetworkProject:
    network, inputs = network_of(module, shape, seed)
    library, assignment = assigned(network, seed)
    rtl = network_rtl(network, library, assignment, Spatial(folding=folding), find_multiplier)
    return network_project(rtl, network, inputs[:images].numpy(), BlockExecutor(library, assignment))


@pytest.mark.parametrize("name", NETWORKS)
def test_class_scores_are_those_of_the_emulator(name):
    project = project_of(name)
    for waits in WAITS:
        result = simulate(project, arguments=waits)
        assert result.passed, result.log
        assert images_equal(result.log) == 4


def drawn(seed):
    """Return shape, module and folding of a network drawn at random: two convolutions, a pool, a linear layer."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 5)), int(rng.integers(5, 9)), int(rng.integers(5, 9)))
    channels, sizes, parts, folding = shape[0], shape[1:], [], {}

    def fold(filters, reduction):
        pe, simd = ([d for d in range(1, n + 1) if n % d == 0] for n in (filters, reduction))
        return Folding(int(rng.choice(pe)), int(rng.choice([d for d in simd if d <= 12])))

    for index in range(3):
        kernel = tuple(int(min(rng.integers(1, 4), size)) for size in sizes)
        stride = tuple(int(n) for n in rng.integers(1, 4, 2))
        if index == 1:
            padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel)
            parts.append(nn.MaxPool2d(kernel, stride, padding, ceil_mode=bool(rng.integers(2))))
        else:
            filters = int(rng.integers(1, 7))
            folding[str(len(parts))] = fold(filters, channels * kernel[0] * kernel[1])
            parts.append(nn.Conv2d(channels, filters, kernel, stride, tuple(int(n) for n in rng.integers(0, 4, 2))))
            channels = filters
            if rng.integers(2):
                parts.append(nn.ReLU())
        channels, *sizes = nn.Sequential(*parts)(torch.zeros(1, *shape)).shape[1:]
    parts += [nn.Flatten(), nn.Linear(channels * sizes[0] * sizes[1], 3)]
    folding[str(len(parts) - 1)] = fold(3, channels * sizes[0] * sizes[1])
    return shape, lambda: nn.Sequential(*parts), folding


@pytest.mark.parametrize("seed", [0, 1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
def test_networks_drawn_at_random_compute_what_the_emulator_computes(seed):
    result = simulate(hardware(*drawn(seed), images=3, seed=seed), arguments=["+stall_in=20", "+stall_out=60"])
    assert result.passed, result.log


@pytest.mark.parametrize(
    ("name", "cycles"),
    [  # pixels · products / SIMD · filters / PE of the slowest layer, counted by hand, or the words of an image
        ("padding and a pool", 42 * (18 // 6) * (4 // 2)),
        ("strides, uneven padding, dilation", 25 * (18 // 9) * (6 // 3)),
        ("overlapping, padded pools with a ragged end", 90),
        ("every product at once", 16),
        ("small", 30),
    ],
)
def test_an_image_takes_the_cycles_of_the_law(name, cycles):
    project = project_of(name, images=6)
    result = simulate(project)
    assert result.passed, result.log
    seen = cycles_seen(result.log)
    assert seen["least_interval_cycles"] <= cycles <= seen["most_interval_cycles"]
    assert seen["most_interval_cycles"] - seen["least_interval_cycles"] <= 1


def test_pixels_get_the_networks_own_codes_and_padding_its_own_product():
    """Channels of their own mean, words of one channel; a block with T[0, w] ≠ 0; activations that are unsigned; filters wired in several ways."""
    from hawx.networks.preprocessing import Preprocessing

    torch.manual_seed(1)
    pixels = np.random.default_rng(1).integers(0, 256, (32, 2, 5, 5)).astype(np.uint8)
    module = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(50, 3)).eval()
    network = quantize(module, pixels, preprocessing=Preprocessing(mean=(0.2, 0.6), std=(0.3, 0.5)))
    exact = builtin_library().exact
    noisy = type(exact).from_table(exact.table + 3, name="noisy")
    library = Library([exact, noisy])
    assignment = Assignment(("0", "3"), library.names, (np.array([0, 1], np.uint8), np.array([1, 1, 0], np.uint8)))
    wired = replace(network.quantized["0"], wirings=(Wiring(shift=1), Wiring(swapped=True)))
    network = replace(network, quantized={**network.quantized, "0": wired})
    rtl = network_rtl(network, library, assignment, Spatial(folding={"0": Folding(1, 3), "3": Folding(1, 2)}), find_multiplier)
    assert not rtl.is_synthesizable
    project = network_project(rtl, network, pixels[:3], BlockExecutor(library, assignment))
    assert "word_last" in project.sources["pixel_codes.sv"]  # a table for each of two channels
    result = simulate(project, arguments=["+stall_in=30", "+stall_out=30"])
    assert result.passed, result.log


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("stage3_fifo.sv", "assign room = ", "assign room = 1'b1 | "),  # results are lost where the outer side waits
        ("stage3_window.sv", "assign in_ready = ", "assign in_ready = 1'b1 | "),  # input overwrites what is still read
        ("stage3_fifo.sv", "out_valid <= take | (out_valid & ~out_ready)", "out_valid <= take"),  # a word does not wait
        ("stage0_quantize.sv", "+ {11'h0, round}", "+ {11'h0, 1'b0 & round}"),  # codes are truncated
        ("stage0_window.sv", "(inside_held_0 ?", "(1'b1 | inside_held_0 ?"),  # padding is what the buffer holds
        ("stage1.sv", "$signed(a) > $signed(b)", "a > b"),
        ("network.sv", "tlast = score_last", "tlast = 1'b0 & score_last"),
    ],
)
def test_faults_are_found(file, right, wrong):
    project = project_of("small", images=20)
    assert right in project.sources[file]
    broken = replace(project.rtl, sources={**project.sources, file: project.sources[file].replace(right, wrong)})
    assert not simulate(replace(project, rtl=broken), arguments=["+stall_out=99"]).passed


def scaling_bench(acc, bias, scale, law):
    """Return a bench that shows every (acc, bias, scale) to the scaling modules, one a clock cycle, and what NumPy's float32 gives."""
    sums = (acc + bias).astype(np.float32)
    values = sums * scale
    scaled = np.rint(values * np.float32(law.inverse)).astype(np.float64) + law.zero_point
    codes = np.clip(scaled, law.low, law.high).astype(np.int64)
    parts = [float_parts(float(s), "scale") for s in scale]
    words = [
        (int(a) & 0xFFFFFFF) | (int(b) & 0xFFFFFFF) << 28 | m << 56 | e << 80 | int(v) << 88 | (int(c) & 0xFF) << 120
        for a, b, (m, e), v, c in zip(acc, bias, parts, values.view(np.uint32), codes, strict=True)
    ]
    delay = SCALE_CYCLES + QUANTIZE_CYCLES
    bench = f"""module testbench;
  reg [127:0] words [0:{len(words) - 1}];
  reg clk;
  integer at, wrong;
  wire [31:0] value;
  wire [7:0] code;
  wire [127:0] now = words[at < {len(words)} ? at : 0];
  wire [127:0] then_value = words[at >= {SCALE_CYCLES} ? at - {SCALE_CYCLES} : 0];
  wire [127:0] then_code = words[at >= {delay} ? at - {delay} : 0];
  scale scale_0 (.clk(clk), .acc(now[27:0]), .bias(now[55:28]), .significand(now[79:56]), .exponent(now[87:80]), .value(value));
  quantize quantize_0 (.clk(clk), .value(value), .code(code));
  initial begin $readmemh("words.hex", words); clk = 0; at = 0; wrong = 0; end
  always #5 clk = ~clk;
  always @(posedge clk) at <= at + 1;
  always @(negedge clk) begin
    if (at >= {SCALE_CYCLES} && at < {len(words) + SCALE_CYCLES} && value !== then_value[119:88]) begin
      wrong = wrong + 1; $display("value %h of %h", value, then_value);
    end
    if (at >= {delay} && code !== then_code[127:120]) begin wrong = wrong + 1; $display("code %h of %h", code, then_code); end
    if (at == {len(words) + delay - 1}) begin
      if (wrong == 0) $display("PASS %0d comparisons", at); else $display("FAIL %0d of %0d comparisons", wrong, at);
      $finish;
    end
  end
endmodule
"""
    sources = {"round_product.sv": ROUND_MODULE, "scale.sv": scale_module("scale", 28, 28), "quantize.sv": quantize_module("quantize", law)}
    return Bench(sources, {"testbench.sv": bench, "words.hex": "".join(f"{word:032x}\n" for word in words)})


def hard_values():
    """Accumulators around ties of every rounding, beyond 24 bits, and zero."""
    rng = np.random.default_rng(0)
    acc = np.concatenate([
        np.arange(-600, 600), rng.integers(-(1 << 27), 1 << 27, 3000), (1 << 24) + np.arange(-40, 40), (1 << 26) + 2 * np.arange(-40, 40) + 1,
        [0, -(1 << 27), (1 << 27) - 1],
    ])  # fmt: skip
    bias = np.where(np.arange(len(acc)) % 3 == 0, rng.integers(-9, 9, len(acc)), 0)
    scale = rng.choice(np.array([1.0, 0.5, 0.25, 3.0, 0.0123, 1.7e-5, 2.0**-20, 1.9999999], np.float32), len(acc))
    return acc, bias, scale


@pytest.mark.parametrize(
    "law",
    [
        Requantization(inverse=0.5, zero_point=0, low=-128, high=127),
        Requantization(inverse=0.1, zero_point=0, low=0, high=127),
        Requantization(inverse=17.3, zero_point=128, low=0, high=255),
        Requantization(inverse=1e-3, zero_point=-7, low=-128, high=127),
    ],
)
def test_scaling_is_float32_to_the_bit(law):
    law = replace(law, inverse=float(np.float32(law.inverse)))
    result = simulate(scaling_bench(*hard_values(), law))
    assert result.passed, result.log[:2000]


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("round_product.sv", "(high[24] | (high[22:0] != 23'h0))", "1'b1"),  # ties away from zero
        ("scale.sv", "wire round = normal", "wire round = 1'b0 & normal"),  # large accumulators truncated
        ("quantize.sv", "(fixed[24] | (fixed[22:0] != 23'h0))", "1'b1"),
    ],
)
def test_wrong_roundings_are_found(file, right, wrong):
    good = scaling_bench(*hard_values(), Requantization(inverse=0.5, zero_point=0, low=-128, high=127))
    assert right in good.sources[file]
    broken = replace(good, sources={**good.sources, file: good.sources[file].replace(right, wrong)})
    assert not simulate(broken).passed


@pytest.mark.skipif(shutil.which("verilator") is None, reason="Verilator is not installed")
@pytest.mark.parametrize("name", NETWORKS)
def test_the_text_passes_verilators_lint(name, tmp_path):
    project = project_of(name, images=1)
    write_files(project.files, tmp_path)
    command = ["verilator", "--lint-only", "-Wall", "--top-module", project.top, *project.sources]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("needs_yosys")
@pytest.mark.parametrize("name", NETWORKS)
def test_yosys_reads_the_same_text(name):
    project = project_of(name, images=1)
    script = [f"read_verilog -sv {file}" for file in project.sources]
    script += [f"hierarchy -check -top {project.top}", "proc", "check -assert", "write_json read.json"]
    yosys.run("\n".join(script), dict(project.sources), ["read.json"], source="network.sv")


@pytest.mark.slow
@pytest.mark.skipif(Simulator.VERILATOR not in available(), reason="Verilator is not installed")
def test_verilator_agrees():
    result = simulate(project_of("padding and a pool", images=8), Simulator.VERILATOR, arguments=["+stall_in=40", "+stall_out=99"])
    assert result.passed, result.log


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.last = nn.Conv2d(1, 1, 3, padding=1), nn.Linear(16, 2)

    def forward(self, x):
        return self.last(torch.flatten(self.conv(x) + x, 1))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Branches, r"node 'add\w*' cannot be made hardware: .*"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(2, 2)), r"node '\w+' cannot be made hardware: .*"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sigmoid(), nn.Flatten(), nn.Linear(8, 2)), r"node '\w+' cannot be made hardware: .*"),
    ],
)
def test_what_is_no_chain_is_refused_by_name(module, message):
    network, _ = network_of(module, (1, 4, 4))
    library, assignment = assigned(network)
    with pytest.raises(InputError, match=f"^{message}") as caught:
        network_rtl(network, library, assignment, Spatial(), find_multiplier)
    print(caught.value)
    assert "\n" not in str(caught.value)


def test_a_circuit_with_a_name_of_the_networks_own_is_refused():
    network, _ = network_of(NETWORKS["every product at once"][1], (2, 4, 4))
    library, assignment = assigned(network)
    message = r"^a block has the Verilog module name 'stage0', which the network's own modules use; rename the block's\.$"
    with pytest.raises(InputError, match=message):
        network_rtl(network, library, assignment, Spatial(), lambda block: Multiplier(block=block, module="stage0", verilog="module stage0;"))


def test_other_accelerators_are_refused():
    network, _ = network_of(NETWORKS["every product at once"][1], (2, 4, 4))
    library, assignment = assigned(network)
    message = (
        r"^accelerator 'temporal' has no RTL of a whole network; expected a spatial one\. "
        r"Use --accelerator spatial, or write the array without --all-layers\.$"
    )
    with pytest.raises(InputError, match=message):
        network_rtl(network, library, assignment, Systolic(), find_multiplier)
