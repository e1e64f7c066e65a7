"""How the search scales: designs predicted per second, and time and memory of a pool of designs in large spaces.

    python -m benchmarks.search_scale [--case NAME …]

Networks, blocks, spaces and cost laws are real; effects are random, scaled such that a unit's best blocks do little and its worst flip a few images
in a hundred: time and memory depend on sizes, not on where the effects come from. Every case runs in a process of its own, whose peak memory is
its own. Goals: 10^5 designs/s for LeNet-5 at layer level, 10^3 for ResNet-18 at filter level; 10^4 units with 20 blocks in bounded memory. Written:
`benchmarks/results/search_scale.json`.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.common import save
from benchmarks.search_setup import OBJECTIVES, search_rng
from hawx.accelerators import Spatial
from hawx.blocks.families import builtin_library
from hawx.estimates import Measurement
from hawx.networks import zoo
from hawx.predict import Effects, Predictor, ranking_of
from hawx.predict.superposition import LAWS
from hawx.score import EffectKind
from hawx.search import Problem
from hawx.search.pool import build_pool
from hawx.stages import COMPETITORS, SCORE_IMAGES, scoring_images, search_space

CASES = {
    "lenet5 layer": ("lenet5", "layer", 10, 50_000),
    "resnet18 layer": ("resnet18", "layer", 30, 2_000),
    "resnet18 filter": ("resnet18", "filter", 4, 2_000),
    "efficientnet_lite0 filter": ("efficientnet_lite0", "filter", 20, 500),
}
"""Network, granularity, blocks, designs predicted."""


def no_measurements(assignments: object) -> list[Measurement]:
    raise AssertionError("nothing is measured here")


def run(name: str) -> dict[str, Any]:
    """Return the figures of one case."""
    network_name, granularity, blocks, designs = CASES[name]
    library = builtin_library()
    library = library.select(["mul8s_exact", *[block.name for block in library if block.name != "mul8s_exact"][: blocks - 1]])
    if network_name == "lenet5":
        network = zoo.load("lenet5")
    else:
        pixels = np.random.default_rng(0).integers(0, 256, (8, *zoo.describe(network_name).input_shape)).astype(np.uint8)
        network = zoo.load(network_name, weights="random", calibration=pixels)
    space = search_space(network, library, granularity, None)
    images = scoring_images(SCORE_IMAGES, space)
    rng = np.random.default_rng(1)
    base = rng.gamma(2.0, 2.0, (COMPETITORS, images)).astype(np.float32)
    delta = np.zeros((len(space.units), len(space.blocks), *base.shape), np.float32)
    for block in range(1, len(space.blocks)):
        strength = 0.5 * block / len(space.units) ** 0.5 / len(space.blocks)
        delta[:, block] = rng.standard_normal((len(space.units), *base.shape), np.float32) * strength - 0.1 * strength
    attenuation = LAWS[EffectKind.MIDPOINT if granularity == "filter" else EffectKind.MEASURED].attenuation
    effects = Effects(base=base, delta=delta, weights=np.ones(images), groups=space.unit_layers, attenuation=attenuation)
    problem = Problem(
        space=space,
        layers=network.layers,
        costs=library.costs(),
        accelerator=Spatial(),
        objectives=OBJECTIVES,
        measurer=no_measurements,
        images=images,
        baseline_correct=images,
        budget=1,
        reference_drop=10.0,
    )
    rows = space.random(rng, designs)
    start = perf_counter()
    predictor = Predictor(effects, images, ranking_of(effects, space))
    prepared_s = perf_counter() - start
    predictor.drops(rows[:16])
    start = perf_counter()
    predictor.drops(rows)
    rate = designs / (perf_counter() - start)
    start = perf_counter()
    pool = build_pool(problem, predictor, search_rng(0))
    return {
        "units": len(space.units),
        "blocks": len(space.blocks),
        "scoring_images": images,
        "effects_mb": delta.nbytes / 2**20,
        "designs_per_second": rate,
        "pool": len(pool),
        "pool_s": perf_counter() - start,
        "ranked_by": "effects" if predictor.ranking is effects else "spread",
        "prepared_s": prepared_s,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--alone", metavar="NAME", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(run(options.alone)))
        return
    cases = {}
    for name in options.case:
        command = [sys.executable, "-m", "benchmarks.search_scale", "--alone", name]
        cases[name] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        figures = cases[name]
        print(
            f"{name}: {figures['units']} units × {figures['blocks']} blocks on {figures['scoring_images']} images, "
            f"{figures['designs_per_second']:.0f} designs/s by {figures['ranked_by']}, pool of {figures['pool']} in {figures['pool_s']:.1f} s, "
            f"{figures['peak_memory_mb']:.0f} MB at most",
            flush=True,
        )
    print(
        save("search_scale", {"goal": "1e5 designs/s LeNet-5, 1e3 ResNet-18 filter level; 1e4 units x 20 blocks in bounded memory", "cases": cases})
    )


if __name__ == "__main__":
    main()
