"""Regressions: a few minutes of ratios, compared with those kept for the same kind of machine.

    python -m benchmarks.track [--keep] [--tolerance 1.25] [--repeats 3]

Every ratio is processor time over that of a float32 network in PyTorch that is timed between the others, so that the speed of the day and of the
machine cancel; the median of the repeats counts, and less is better. What is kept is in benchmarks/track.json, one entry for every kind of
processor; `--keep` writes it anew. Where a ratio exceeds the kept one by more than the tolerance, twice in a row, the status is 1.

start    `hawx --version`, `hawx explore --help`, `hawx doctor`
run      the default `hawx explore`, whole and its stages by their share of the wall's time
search   the decompositions of tables that nobody knows
engine   a ResNet-18 layer by the engine of each block's choice
network  a whole design of ResNet-18
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import thread_time

import numpy as np
import torch

from benchmarks.common import machine
from hawx import emulate
from hawx.blocks import Block, Library
from hawx.blocks.decompositions import decompose
from hawx.blocks.families import from_name
from hawx.designs import Assignment
from hawx.emulate import BlockExecutor
from hawx.emulate.bench import default_blocks
from hawx.networks import zoo
from hawx.store.kernel_costs import timed_machine

KEPT = Path(__file__).with_name("track.json")
IMAGES = 32

Seconds = Mapping[str, float]
"""Name of a figure -> seconds."""


def processor() -> str:
    """Return the kind of machine: processor and tier of kernels."""
    return f"{machine()['cpu']}, {emulate.active_target()}"


def yardstick() -> Callable[[], Seconds]:
    """Return the run of a float32 ResNet-18 that all others are measured by."""
    module = zoo.float_module("resnet18", "random").to(memory_format=torch.channels_last)
    images = torch.rand((IMAGES, 3, 32, 32), generator=torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)
    return timed("yardstick", lambda: module(images))


def timed(name: str, call: Callable[[], object]) -> Callable[[], Seconds]:
    """Return a measure of `call` in this thread."""

    def measure() -> Seconds:
        start = thread_time()
        call()
        return {name: thread_time() - start}

    return measure


def command(name: str, *arguments: str) -> Callable[[], Seconds]:
    """Return a measure of a command line of HAWX, in processor seconds of its process and of those that it waits for."""

    def measure() -> Seconds:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "hawx", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {name: after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}

    return measure


def default_run() -> Seconds:
    """Measure the default exploration."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        whole = command("run", "explore", "--out", str(out))()["run"]
        cost = json.loads((out / "result.json").read_text(encoding="utf-8"))["cost"]
    return {"run": whole, **{f"run: {stage}": whole * seconds / cost["wall_s"] for stage, seconds in cost["stages"].items()}}


def engines() -> Iterator[Callable[[], Seconds]]:
    """Give a ResNet-18 layer under blocks that every engine is the best for."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.integers(0, 128, (IMAGES, 16, 16, 128)).astype(np.int8)).permute(0, 3, 1, 2)
    w = torch.from_numpy(rng.integers(-100, 100, (128, 128, 3, 3)).astype(np.int8))
    thin = torch.from_numpy(rng.integers(-100, 100, (128, 1, 3, 3)).astype(np.int8))
    exact = from_name("mul8s_exact").block()
    classes = Block.from_table(exact.table + rng.integers(0, 100, (256, 256)), name="classes")
    for block in (*(from_name(f"mul8s_{name}").block() for name in ("exact", "tc4", "tc6", "booth8", "ot3")), classes, default_blocks()[-1][1]):
        emulate.default_machine().knowledge.of(block)  # as if it had run for long
        yield timed(f"engine: {block.name}", lambda block=block: emulate.conv2d(x, w, block, padding=1, threads=1))
    for block in (exact, default_blocks()[-1][1]):
        yield timed(f"engine: {block.name}, depthwise", lambda block=block: emulate.conv2d(x, thin, block, padding=1, groups=128, threads=1))


def network() -> Iterator[Callable[[], Seconds]]:
    """Give ResNet-18 with one block everywhere, and with one of four for every filter."""
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, 3, 32, 32)).astype(np.uint8)
    quantized, library = zoo.load("resnet18", weights="random", calibration=pixels), Library([block for _, block in default_blocks()])
    rng = np.random.default_rng(1)
    exact = Assignment.uniform(quantized.filters, library.names, library.names[0])
    drawn = tuple(rng.integers(0, len(library), len(array)).astype(array.dtype) for array in exact.indices)
    for name, design in (("exact", exact), ("mixed", Assignment(exact.layers, exact.blocks, drawn))):
        executor = BlockExecutor(library, design)
        yield timed(f"network: {name}", lambda executor=executor: quantized.run(pixels, executor))


def measures() -> list[Callable[[], Seconds]]:
    unknown = [from_name(f"mul8s_{name}").block() for name in ("tc4", "tc8", "or4d8", "mitchell")]
    return [
        command("start: version", "--version"),
        command("start: help", "explore", "--help"),
        command("start: doctor", "doctor"),
        default_run,
        timed("search: four tables", lambda: [decompose(block) for block in unknown]),
        *engines(),
        *network(),
    ]


def ratios(calls: list[Callable[[], Seconds]], repeats: int) -> dict[str, float]:
    """Return the median of `repeats` ratios of each figure: its seconds over the mean of the yardstick's before and after."""
    scale, found = yardstick(), dict[str, list[float]]()
    scale()
    with torch.inference_mode():
        for call in calls:
            call()  # prepares operands, warms caches
            before = scale()["yardstick"]
            for _ in range(repeats):
                seconds = call()
                after = scale()["yardstick"]
                for name, value in seconds.items():
                    found.setdefault(name, []).append(2 * value / (before + after))
                before = after
    return {name: median(values) for name, values in found.items()}


def worse(now: Mapping[str, float], kept: Mapping[str, float], tolerance: float) -> list[str]:
    """Return the names of the figures that exceed what was kept by more than the tolerance."""
    return [name for name, value in now.items() if name in kept and value > tolerance * kept[name]]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="keep today's ratios for this kind of machine")
    parser.add_argument("--tolerance", type=float, default=1.25, help="factor by which a ratio may exceed the kept one")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    emulate.use_machine(timed_machine())
    load = machine()["load"]  # what else ran: ratios of a busy machine are those of its caches, too
    every = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    kept = every.get(processor(), {}).get("ratios", {})
    now = ratios(measures(), options.repeats)
    suspects = set(worse(now, kept, options.tolerance))
    if suspects and not options.keep:
        print("measured again:", ", ".join(sorted(suspects)))
        again = ratios(measures(), options.repeats)
        now = {name: min(value, again[name]) for name, value in now.items()}
    print(f"{processor()}; {'nothing kept yet' if not kept else 'now, kept, now over kept'}")
    for name, value in now.items():
        said = f"{kept[name]:9.3f}  {value / kept[name]:5.2f}" if name in kept else ""
        print(f"{name:32} {value:9.3f}  {said}")
    if options.keep:
        every[processor()] = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "load": load, "torch": torch.__version__, "ratios": now}
        KEPT.write_text(json.dumps(every, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return 0
    slower = worse(now, kept, options.tolerance)
    if slower:
        print("slower than kept:", ", ".join(slower))
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
