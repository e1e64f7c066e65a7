"""What recovery wins: blocks everywhere under every method, and fronts whose designs are chosen blind (Q1), with what they claimed (P3).

    python -m benchmarks.recovery blocks --network resnet20            # points lost, block × method, and designs recovered as a whole
    python -m benchmarks.recovery fronts --network resnet20 --seeds 5  # saved at most half a point, chosen on search images only

Blocks are the signed ones of EvoApproxLib v2022 (or `--library builtin`). Calibration images are of the training set, without labels; search and
report images are disjoint parts of the test set. *By claim* is blind: report images have no say. *By report* is what they would have chosen, which
flatters. The gap of a front is how much more its designs lose on the report images than they claimed to.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.common import save
from benchmarks.data import DATA, sources
from hawx.accelerators import Spatial
from hawx.designs import Assignment
from hawx.emulate import Evaluator
from hawx.estimates import Measurement
from hawx.execution import runner_for
from hawx.flow import explore
from hawx.importers import load_library
from hawx.importers.datasets import load_dataset
from hawx.importers.networks import load_network
from hawx.networks import Dataset, QuantizedNetwork, zoo
from hawx.recover import DesignRecovery, Method, recover_units
from hawx.runner import Runner
from hawx.stages import RECOVERY_IMAGES

STRONG = ("mul8s_1L2J", "mul8s_1KX5", "mul8s_1KXF", "mul8s_1L2L", "mul8s_1L2N")
LIMITS = (0.5, 1.0, 2.0)


def load(name: str) -> tuple[QuantizedNetwork, Dataset, Dataset]:
    """Return a network, its test images, and images to calibrate on that trained it."""
    if name == "resnet18":
        network = load_network("benchmarks/weights/resnet18_cifar10.safetensors")
        data, calibration = load_dataset(DATA / "data/cifar10_test.npz"), load_dataset(DATA / "data/cifar10_train8k.npz", limit=RECOVERY_IMAGES)
        return network, data, calibration
    data, calibration, weights = sources(name, calibration_images=512)
    return zoo.load(name) if name == "lenet5" else zoo.load(name, weights=weights, calibration=calibration), data, calibration


def blocks(name: str, images: int) -> dict[str, Any]:
    """Print and return the points lost by each strong block in every layer, under every method."""
    network, data, calibration = load(name)
    library = load_library(DATA / "blocks/evoapproxlib_v2022_8x8.npz").select(["mul8s_1KV6", *STRONG])
    seen, unlabelled = data.first(images), calibration.images[:RECOVERY_IMAGES]
    exact = Evaluator(network, library, seen.images, seen.labels).right(Assignment.uniform(network.filters, library.names, library.exact.name))
    energy = {block.name: costs.energy_fj for block, costs in zip(library, library.costs(), strict=True)}
    print(f"{name}, {images} test images, int8 {100 * exact.mean():.2f} %: points lost (whole: recovered layer after layer)")
    print(f"{'block':12} {'saved':>6} " + " ".join(f"{method.value:>8}" for method in Method) + "    whole")
    rows = []
    networks = {method: recover_units(network, library, unlabelled, method) for method in Method}
    whole = DesignRecovery(networks[Method.FULL], library, unlabelled)
    for block in STRONG:
        everywhere = Assignment.uniform(network.filters, library.names, block)
        found = {
            method.value: Measurement.of(Evaluator(of, library, seen.images, seen.labels).right(everywhere), exact) for method, of in networks.items()
        }
        found["whole"] = Measurement.of(Evaluator(whole(everywhere), library, seen.images, seen.labels).right(everywhere), exact)
        saved = 100.0 * (1.0 - energy[block] / energy[library.exact.name])
        rows.append({"block": block, "saved": saved, **{method: measured.to_dict() for method, measured in found.items()}})
        print(f"{block:12} {saved:5.1f}% " + " ".join(f"{measured.drop:8.2f}" for measured in found.values()), flush=True)
    return {"network": name, "images": images, "int8_top1": 100 * float(exact.mean()), "rows": rows}


def front(name: str, arguments: argparse.Namespace, seed: int, runner: Runner) -> dict[str, Any]:
    """Explore once; return the designs of the front with what they claimed and what they lost."""
    network, data, calibration = load(name)
    library = load_library(DATA / "blocks/evoapproxlib_v2022_8x8.npz" if arguments.library == "evoapprox" else "builtin")
    result = explore(
        network,
        library,
        Spatial(),
        data.images,
        data.labels,
        granularity=arguments.granularity,
        objectives=("mult_power_ratio",),
        max_drop=0.5,
        budget=arguments.budget,
        search_images=arguments.search_images,
        report_images=arguments.report_images,
        recover=arguments.recover,
        calibration=calibration.images,
        seed=seed,
        runner=runner,
    )
    designs = [
        {
            "id": design.id,
            "saved": 100.0 * (1.0 - design.mult_power_ratio),
            "search": result.baseline.search_int8_top1 - (design.search.top1 if design.search else np.nan),
            "claim": result.claimed_drop(design),
            "claim_sigma": design.claim.sigma if design.claim else None,
            "unseen": result.drop(design),
            "interval": result.drop_interval(design),
            "unseen_sigma": design.measurement.drop_sigma if design.measurement else None,
        }
        for design in result.front
    ]
    found = {"seed": seed, "designs": designs, "seconds": dict(result.effort.stages), "evaluations": result.effort.evaluations}
    print(f"{name} seed {seed}: {result.effort.wall_s:.0f} s, {result.effort.evaluations} designs measured")
    for limit in LIMITS:
        print(f"  at most {limit:g} points: " + ", ".join(f"by {by} {_saved(designs, by, limit)}" for by in ("claim", "search", "unseen")))
    return {**found, "validation": vars_of(result.validation)}


def vars_of(validation: Any) -> dict[str, Any]:
    return {name: getattr(validation, name) for name in ("designs", "spearman", "mean_absolute_error", "within_two_sigma")}


def _saved(designs: Sequence[dict[str, Any]], by: str, limit: float) -> str:
    allowed = [design for design in designs if design[by] <= limit]
    if not allowed:
        return "nothing"
    best = max(allowed, key=lambda design: design["saved"])
    return f"{best['saved']:.1f} % ({best['unseen']:.2f} unseen)"


def summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return and print means over the seeds, and how claims held (P3)."""
    designs = [design for run in runs for design in run["designs"] if design["saved"] > 0]
    gaps = np.array([design["unseen"] - design["claim"] for design in designs])
    spread = np.array([np.hypot(design["claim_sigma"] or 0.0, design["unseen_sigma"] or 0.0) for design in designs])
    chosen = []
    for run in runs:
        allowed = [design for design in run["designs"] if design["claim"] <= LIMITS[0]]
        chosen.append(max(allowed, key=lambda design: design["saved"]))
    facts = {
        "saved_at_half_a_point": float(np.mean([design["saved"] for design in chosen])),
        "unseen_loss_of_those": float(np.mean([design["unseen"] for design in chosen])),
        "gap": float(gaps.mean()),
        "gap_of_search_images": float(np.mean([design["unseen"] - design["search"] for design in designs])),
        "within_two_sigma": float((np.abs(gaps) <= 2 * spread).mean()),
    }
    print(", ".join(f"{key.replace('_', ' ')} {value:.2f}" for key, value in facts.items()))
    return facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("blocks", "fronts"))
    parser.add_argument("--network", default="resnet20")
    parser.add_argument("--images", type=int, default=5000, help="test images of `blocks`")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--granularity", default="layer")
    parser.add_argument("--recover", default="full")
    parser.add_argument("--library", choices=("evoapprox", "builtin"), default="evoapprox")
    parser.add_argument("--budget", type=int, default=40)
    parser.add_argument("--search-images", type=int, default=4000)
    parser.add_argument("--report-images", type=int, default=5000)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.what == "blocks":
        save(f"recovery_blocks_{arguments.network}", blocks(arguments.network, arguments.images))
        return
    with runner_for(jobs=arguments.jobs) as runner:
        runs = [front(arguments.network, arguments, seed, runner) for seed in range(arguments.seeds)]
    name = f"recovery_{arguments.network}_{arguments.granularity}_{arguments.library}_{arguments.recover}"
    save(name, {"arguments": vars(arguments), "runs": runs, **summary(runs)})


if __name__ == "__main__":
    main()
