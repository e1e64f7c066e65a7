"""Figures E1 to E4: is emulation exact, and how fast is it here?

    python -m benchmarks.emulation [--quick] [--save NAME]

E1  every engine and tier equals the reference, on random asymmetric tables and shapes (the tests do more of it)
E2  the signed blocks of EvoApproxLib where HAWX_DATA has them, and truncated ones, on ResNet-18 layer shapes, over float32 convolution: at
    least 1.0 with int8 dot products in hardware, 0.3 elsewhere
E3  a full-rank table over an AVX2 gather loop: at least 5
E6  the unsigned blocks of EvoApproxLib on unsigned activations and signed weights, by sign-magnitude, likewise: median at least 1.0
E4  whole ResNet-18 over its float32 evaluation time: at most 1.5, with one block everywhere and with blocks drawn for every filter; peak memory at
    batch 250: below 2 GB; the same of EfficientNet-Lite0 on 224x224, half of whose layers are depthwise
Also: scaling from one to two threads, and the cost of a design that shares a prefix with one measured before.

Networks have random weights and images: time depends on shapes and on the spread of codes, not on accuracy.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, thread_time
from typing import Any

import numpy as np
import torch

from benchmarks.common import save
from hawx import emulate
from hawx.blocks import Block, Library, sign_magnitude
from hawx.designs import Assignment
from hawx.emulate import BlockExecutor, Evaluator, reference
from hawx.emulate.bench import BenchRow, bench, default_blocks
from hawx.emulate.cost import Work
from hawx.emulate.plan import native_engines
from hawx.networks import zoo
from hawx.store.kernel_costs import timed_machine

CASES = 40


def e1() -> dict[str, object]:
    """Random shapes and tables of every kind on every engine and tier of this machine against the reference."""
    before = emulate.default_machine()
    rng = np.random.default_rng(1)
    compared, engines = 0, set[str]()
    code = np.arange(-128, 128)
    exact = np.multiply.outer(code, code)
    for target in emulate.targets():
        machine = emulate.Machine(target)
        emulate.use_machine(machine)
        for case in range(CASES):
            groups, depth, per_group = (int(v) for v in rng.integers(1, 5, 3))
            kernel, stride = (tuple(int(v) for v in rng.integers(1, 4, 2)) for _ in range(2))
            u, v = rng.integers(-90, 90, (2, 3, 256))
            table = (rng.integers(-16000, 16000, (256, 256)), u.T @ v, exact - np.multiply.outer(code & 7, code & 31))[case % 3]
            block = Block.from_table(table, name="random")
            x = rng.integers(-128, 128, (2, groups * depth, 7, 6)).astype(np.int8)
            w = rng.integers(-128, 128, (groups * per_group, depth, *kernel)).astype(np.int8)
            expected = reference.conv2d(x, w, [block] * len(w), stride=stride, padding=(1, 2, 0, 1), groups=groups)
            work = Work(pixels=1, reduction=1, filters=1, codes=1, depthwise=groups > 1 and depth == 1)
            for engine in native_engines(block, machine.knowledge.of(block), work, machine.model.tier):
                found = emulate.conv2d(x, w, block, stride=stride, padding=(1, 2, 0, 1), groups=groups, engine=engine)
                if not np.array_equal(found, expected):
                    raise SystemExit(f"E1 fails: {engine} on {target}")
                compared += expected.size
                engines.add(engine.value)
    emulate.use_machine(before)
    return {"targets": emulate.targets(), "engines": sorted(engines), "values_compared": compared, "different": 0}


def evoapprox_blocks(kind: str) -> list[Block]:
    """Return the 8×8 multipliers of EvoApproxLib, `mul8s` or (on signed weights) `mul8u`, none where HAWX_DATA does not have them."""
    path = Path(os.environ.get("HAWX_DATA", "")) / "blocks" / "evoapproxlib_v2022_8x8.npz"
    if not path.exists():
        return []
    with np.load(path) as tables:
        chosen = {name: tables[name] for name in tables.files if name.startswith(kind)}
    if kind == "mul8s":
        return [Block.from_table(table, name=name) for name, table in chosen.items()]
    return [sign_magnitude(Block.from_table(table, name=name, formats=("u8", "u8")), "u8") for name, table in chosen.items()]


def fastest(calls: dict[str, Callable[[], object]], repeats: int, clock: Callable[[], float]) -> dict[str, float]:
    """Seconds of the fastest run of each call, all run in turn."""
    best = dict.fromkeys(calls, float("inf"))
    for round_ in range(repeats + 1):
        for name, call in calls.items():
            start = clock()
            call()
            if round_:
                best[name] = min(best[name], clock() - start)
    return best


def e4(name: str, images: int, repeats: int) -> dict[str, Any]:
    """Whole-network time over that of the float32 network, alternately; the float network in the faster memory format.

    Designs are uniform, one for every block, and "mixed": every filter multiplies with one of the blocks, drawn at random.
    """
    pixels = np.random.default_rng(0).integers(0, 256, (images, *zoo.describe(name).input_shape)).astype(np.uint8)
    network = zoo.load(name, weights="random", calibration=pixels[:32])
    library = Library([block for _, block in default_blocks()])
    inputs = torch.from_numpy(pixels).to(torch.float32) / 255
    calls: dict[str, Callable[[], object]] = {}
    for memory in (torch.contiguous_format, torch.channels_last):
        m, x = zoo.float_module(name, "random").to(memory_format=memory), inputs.to(memory_format=memory)
        calls[f"float32 {memory}"] = lambda m=m, x=x: m(x)
    exact = Assignment.uniform(network.filters, library.names, library.names[0])
    designs = {block: Assignment.uniform(network.filters, library.names, block) for block in library.names}
    rng = np.random.default_rng(1)
    drawn = tuple(rng.integers(0, len(library), len(array)).astype(array.dtype) for array in exact.indices)
    designs["mixed"] = Assignment(exact.layers, exact.blocks, drawn)
    for design, assignment in designs.items():
        executor = BlockExecutor(library, assignment)
        calls[design] = lambda executor=executor: network.run(pixels, executor)
    with torch.inference_mode():
        seconds = fastest(calls, repeats, thread_time)
    float32 = min(value for call, value in seconds.items() if call.startswith("float32"))
    ratios = {design: seconds[design] / float32 for design in designs}
    result: dict[str, Any] = {"network": name, "images": images, "float32_s": float32, "over_float32": ratios}
    result["mixed_over_mean_of_blocks"] = ratios["mixed"] * len(library) / sum(ratios[block] for block in library.names)
    return result


def prefixes(images: int) -> dict[str, object]:
    """Cost of a design that differs from a measured one in one layer, over that of a whole ResNet-18; and the peak of memory."""
    pixels = np.random.default_rng(0).integers(0, 256, (images, *zoo.describe("resnet18").input_shape)).astype(np.uint8)
    network = zoo.load("resnet18", weights="random", calibration=pixels[:32])
    library = Library([block for _, block in default_blocks()])
    exact = Assignment.uniform(network.filters, library.names, library.names[0])
    evaluator = Evaluator(network, library, pixels, np.zeros(images, np.int64), batch=250, threads=1)
    start = thread_time()
    evaluator.correct(exact)
    whole = thread_time() - start
    shared = {}
    for layer in (10, 18):
        indices = [array if i != layer else np.full_like(array, 3) for i, array in enumerate(exact.indices)]
        start = thread_time()
        evaluator.correct(Assignment(exact.layers, exact.blocks, tuple(indices)))
        shared[exact.layers[layer]] = (thread_time() - start) / whole
    return {"cost_of_changing_one_layer": shared, "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def scaling() -> dict[str, float]:
    """Speedup of two threads over one on a ResNet-18 layer, by the wall's clock."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.integers(0, 128, (64, 16, 16, 128)).astype(np.int8)).permute(0, 3, 1, 2)
    w = torch.from_numpy(rng.integers(-100, 100, (128, 128, 3, 3)).astype(np.int8))
    result = {}
    for _, block in default_blocks():
        calls = {str(t): lambda t=t, block=block: emulate.conv2d(x, w, block, padding=1, threads=t) for t in (1, 2)}
        seconds = fastest(calls, 5, perf_counter)
        result[block.name] = seconds["1"] / seconds["2"]
    return result


def ratios_of(rows: Sequence[BenchRow]) -> dict[str, Any]:
    ratios = [row.to_float32 for row in rows]
    return {"least": min(ratios), "median": median(ratios), "ratios": ratios}


def shown(rows: Sequence[BenchRow]) -> str:
    ratios = [row.to_float32 for row in rows]
    return f"{median(ratios):.2f}x float32 (median of {len(rows)} rows), least {min(ratios):.2f}x"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer images and repeats")
    parser.add_argument("--save", metavar="NAME", help="also write the figures to benchmarks/results/NAME.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    machine = timed_machine()
    emulate.use_machine(machine)
    signed, unsigned = evoapprox_blocks("mul8s"), evoapprox_blocks("mul8u")
    blocks = [*(("signed", block) for block in signed), *(("unsigned", block) for block in unsigned), *default_blocks()]
    report = bench(("resnet18",), blocks=blocks, repeats=2 if options.quick else 5)
    figures: dict[str, Any] = {
        "target": report.target,
        "float32": torch.backends.cpu.get_cpu_capability(),
        "threads": 1,
        "cost_model": machine.model.origin.split(",")[0],
    }
    print(f"{report.machine}; kernels {report.target}; one thread; torch {report.torch}")
    figures["E1"] = e1()
    print("E1 ", figures["E1"])
    figures |= {"E2": {}, "E6": {}}
    for kind, block in blocks:
        rows = [row for row in report.rows if row.block == block.name]
        engines = sorted({row.engine for row in rows})
        figure = "E6" if kind == "unsigned" else "E2"
        figures[figure][block.name] = {"kind": kind, "engines": engines, **ratios_of(rows)}
        print(f"{figure}  {block.name:18} {kind:9} {shown(rows)}, {'+'.join(engines)}")
    for kind, figure in (("signed", "E2"), ("unsigned", "E6")) if signed else ():
        rows = [row for row in report.rows if row.kind == kind]
        share = sum(row.to_float32 >= 1 for row in rows) / len(rows)
        figures[f"{figure} {kind}"] = {**ratios_of(rows), "at least 1": share}
        print(f"{figure}  all {kind} blocks: {shown(rows)}, at least 1.0x in {share:.0%}")
    full = [row for row in report.rows if row.kind == "full-rank"]
    gathers = [row.to_gather for row in full if row.to_gather is not None]
    if gathers:
        figures["E3"] = {"least": min(gathers), "median": median(gathers)}
        print(f"E3  full-rank: {median(gathers):.1f}x the gather loop (median), least {min(gathers):.1f}x")
    repeats = 1 if options.quick else 3
    figures["E4"] = e4("resnet18", 50 if options.quick else 250, repeats) | prefixes(50 if options.quick else 250)
    print("E4 ", json.dumps(figures["E4"], indent=1))
    figures["E4 depthwise"] = e4("efficientnet_lite0", 4 if options.quick else 16, repeats)
    print("E4 ", json.dumps(figures["E4 depthwise"], indent=1))
    figures["two_threads"] = speedups = scaling()
    print("two threads over one:", {name: round(value, 2) for name, value in speedups.items()})
    if options.save:
        print(f"written to {save(options.save, figures)}")


if __name__ == "__main__":
    main()
