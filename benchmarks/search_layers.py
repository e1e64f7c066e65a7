"""S1: LeNet-5 at layer level, two candidate blocks and the exact one, all 3^5 = 243 designs measured, against a search of ten evaluations.

    python -m benchmarks.search_layers [--pairs A,B A,B …] [--images 2000] [--seeds 5] [--budget 10]

Printed per pair and seed: hypervolume of the measured front over that of the exhaustive front, for a reference drop of 10 points (the default of
`hawx explore`) and of 2 points (`--max-drop 1`). The all-exact design counts as an evaluation. Written: `benchmarks/results/search_layers.json`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
import torch

from benchmarks.common import save
from benchmarks.search_setup import load, prepare, search_rng, search_set
from hawx.blocks.families import builtin_library
from hawx.pareto import hypervolume, non_dominated
from hawx.search import Problem, search

PAIRS = (
    ("mul8s_tc7", "mul8s_tc8"),
    ("mul8s_ot2", "mul8s_bam_v7h3"),
    ("mul8s_tc6", "mul8s_ot3"),
    ("mul8s_vct7", "mul8s_tcc8"),
    ("mul8s_bam_v6h2", "mul8s_tc8"),
)
REFERENCES = (10.0, 2.0)


def with_reference(problem: Problem, points: float, budget: int) -> Problem:
    """Return the same problem, nothing measured, for another corner of the hypervolume; measurements are remembered by its measurer."""
    return replace(problem, reference_drop=points, budget=budget, evaluated=[], history=[], _known={})


def best_of(problem: Problem, budget: int) -> float:
    """Return the share of the measured hypervolume that the best `budget` designs hold, greedily chosen with hindsight, the exact one first."""
    bound = np.ones(1 + len(problem.objectives))
    points = problem.points()
    front = points[non_dominated(points)]
    chosen = [problem.point(0.0, problem.ratios(problem.space.exact_choices()[None])[0])]
    for _ in range(budget - 1):
        chosen.append(max(front, key=lambda point: hypervolume([*chosen, point], bound)))
    return hypervolume(chosen, bound) / problem.hypervolume()


def run_pair(pair: tuple[str, str], images: int, seeds: int, budget: int) -> list[dict[str, Any]]:
    network, data = load("lenet5")
    library = builtin_library().select(["mul8s_exact", *pair])
    chosen = search_set(data, images)
    rows: list[dict[str, Any]] = []
    whole: Problem | None = None
    measured_s = 0.0
    for seed in range(seeds):
        start = perf_counter()
        made = prepare(network, library, chosen, granularity="layer", budget=budget, reference_drop=10.0, seed=seed, evaluation_s=1.0)
        prepared_s = perf_counter() - start - made.baseline_s
        if whole is None:
            whole = with_reference(made.problem, 10.0, made.problem.space.size)
            start = perf_counter()
            search("exhaustive", whole, np.random.default_rng(0))
            measured_s = perf_counter() - start
        one_s = measured_s / len(whole.evaluated)
        for reference in REFERENCES:
            truth = replace(whole, reference_drop=reference)
            problem = replace(with_reference(made.problem, reference, budget), measurer=whole.measurer)
            start = perf_counter()
            problem.measure(problem.space.exact_choices())
            search("hawx", problem, search_rng(seed), made.predictor())
            drops = np.array([e.drop for e in whole.evaluated])
            rows.append(
                {
                    "blocks": list(pair),
                    "seed": seed,
                    "reference_drop": reference,
                    "evaluations": len(problem.evaluated),
                    "hypervolume_ratio": problem.hypervolume() / truth.hypervolume(),
                    "best_with_hindsight": best_of(truth, budget),
                    "front_designs_found": sum(problem.is_known(e.choices) for e in truth.front()),
                    "front_designs": len(truth.front()),
                    "exhaustive_evaluations": len(whole.evaluated),
                    "evaluation_equivalents_of_scoring": prepared_s / one_s,
                    "search_s": perf_counter() - start,
                    "exhaustive_s": measured_s,
                    "drops": {"least": drops.min(), "median": np.median(drops), "most": drops.max()},
                }
            )
            r = rows[-1]
            print(
                f"{'+'.join(pair):30s} seed {seed} ref {reference:4.0f}: ratio {r['hypervolume_ratio']:.4f} after {r['evaluations']:2d} evaluations "
                f"(with hindsight {r['best_with_hindsight']:.4f}), "
                f"front {r['front_designs_found']}/{r['front_designs']}, scoring {r['evaluation_equivalents_of_scoring']:.0f} equivalents",
                flush=True,
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", nargs="*", default=[",".join(p) for p in PAIRS])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(max(1, torch.get_num_threads()))
    rows = []
    for text in options.pairs:
        first, second = text.split(",")
        rows += run_pair((first, second), options.images, options.seeds, options.budget)
    summary = {}
    for reference in REFERENCES:
        ratios = np.array([r["hypervolume_ratio"] for r in rows if r["reference_drop"] == reference])
        summary[f"reference_{reference:g}"] = {"least": ratios.min(), "median": np.median(ratios), "share_at_least_0.99": (ratios >= 0.99).mean()}
        print(f"reference {reference:g}: least {ratios.min():.4f}, median {np.median(ratios):.4f}, {(ratios >= 0.99).mean():.0%} at 0.99 or more")
    goal = "hypervolume ratio >= 0.99 with <= 10 evaluations"
    print(save("search_layers", {"goal": goal, "images": options.images, "budget": options.budget, "summary": summary, "runs": rows}))


if __name__ == "__main__":
    main()
