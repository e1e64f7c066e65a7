"""Figures E1 to E4: is emulation exact, and how fast is it here?

    python benchmarks/emulation.py [--quick] [--json FILE]

E1  every engine and tier equals the reference, on random asymmetric tables and shapes (the tests do more of it)
E2  low-rank blocks, ResNet-18 layer shapes, over float32 convolution: at least 1.0 with int8 dot products in hardware, 0.3 elsewhere
E3  a full-rank table over an AVX2 gather loop: at least 5
E4  whole ResNet-18 over its float32 evaluation time: at most 1.5; peak memory at batch 250: below 2 GB
Also: scaling from one to two threads, and the cost of a design that shares a prefix with one measured before.

Networks have random weights and images: time depends on shapes and on the spread of codes, not on accuracy.
"""

from __future__ import annotations

import argparse
import json
import resource
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, thread_time

import numpy as np
import torch

from hawx import emulate
from hawx.blocks import Block, Library
from hawx.designs import Assignment
from hawx.emulate import BlockExecutor, Evaluator, reference
from hawx.emulate.bench import bench, default_blocks
from hawx.networks import zoo
from hawx.store.calibration import ensure_calibrated

CASES = 40


def e1() -> dict[str, object]:
    """Random shapes on every engine and tier of this machine against the reference."""
    rng = np.random.default_rng(1)
    compared = 0
    for target in emulate.targets():
        emulate.use_target(target)
        for _ in range(CASES):
            groups, depth, per_group = (int(v) for v in rng.integers(1, 5, 3))
            kernel, stride = (tuple(int(v) for v in rng.integers(1, 4, 2)) for _ in range(2))
            block = Block.from_table(rng.integers(-16000, 16000, (256, 256)), name="random")
            x = rng.integers(-128, 128, (2, groups * depth, 7, 6)).astype(np.int8)
            w = rng.integers(-128, 128, (groups * per_group, depth, *kernel)).astype(np.int8)
            expected = reference.conv2d(x, w, [block] * len(w), stride=stride, padding=(1, 2, 0, 1), groups=groups)
            for engine in ("table", "lookup"):
                found = emulate.conv2d(x, w, block, stride=stride, padding=(1, 2, 0, 1), groups=groups, engine=engine)
                if not np.array_equal(found, expected):
                    raise SystemExit(f"E1 fails: {engine} on {target}")
                compared += expected.size
    emulate.use_target(None)
    return {"targets": emulate.targets(), "values_compared": compared, "different": 0}


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


def e4(images: int, repeats: int) -> dict[str, object]:
    """Whole-network time over that of the float32 network, alternately; the float network in the faster memory format."""
    pixels = np.random.default_rng(0).integers(0, 256, (images, *zoo.describe("resnet18").input_shape)).astype(np.uint8)
    network = zoo.load("resnet18", weights="random", calibration=pixels[:32])
    library = Library([block for _, block in default_blocks()])
    inputs = torch.from_numpy(pixels).to(torch.float32) / 255
    calls: dict[str, Callable[[], object]] = {}
    for memory in (torch.contiguous_format, torch.channels_last):
        m, x = zoo.float_module("resnet18", "random").to(memory_format=memory), inputs.to(memory_format=memory)
        calls[f"float32 {memory}"] = lambda m=m, x=x: m(x)
    for block in library:
        executor = BlockExecutor(library, Assignment.uniform(network.filters, library.names, block.name))
        calls[block.name] = lambda executor=executor: network.run(pixels, executor)
    with torch.inference_mode():
        seconds = fastest(calls, repeats, thread_time)
    float32 = min(value for name, value in seconds.items() if name.startswith("float32"))
    result: dict[str, object] = {"images": images, "float32_s": float32}
    result["over_float32"] = {name: value / float32 for name, value in seconds.items() if not name.startswith("float32")}

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
    result["cost_of_changing_one_layer"] = shared
    result["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer images and repeats")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = ensure_calibrated()
    report = bench(("resnet18",), repeats=2 if options.quick else 5)
    figures: dict[str, object] = {"machine": report.machine, "target": report.target, "threads": report.threads, "cost_model": model.origin}
    print(f"{report.machine}; kernels {report.target}; one thread; torch {report.torch}")
    figures["E1"] = e1()
    print("E1 ", figures["E1"])
    exact, low, full = ([row for row in report.rows if row.kind == kind] for kind in ("exact", "low-rank", "full-rank"))
    for name, rows in (("exact", exact), ("low-rank", low), ("full-rank", full)):
        ratios = [row.to_float32 for row in rows]
        figures[f"E2 {name}"] = {"least": min(ratios), "median": median(ratios)}
        print(f"E2  {name}: {median(ratios):.2f}x float32 (median of {len(ratios)} rows), least {min(ratios):.2f}x")
    gathers = [row.to_gather for row in full if row.to_gather is not None]
    if gathers:
        figures["E3"] = {"least": min(gathers), "median": median(gathers)}
        print(f"E3  full-rank: {median(gathers):.1f}x the gather loop (median), least {min(gathers):.1f}x")
    figures["E4"] = e4(50 if options.quick else 250, 1 if options.quick else 3)
    print("E4 ", json.dumps(figures["E4"], indent=1))
    figures["two_threads"] = speedups = scaling()
    print("two threads over one:", {name: round(value, 2) for name, value in speedups.items()})
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
