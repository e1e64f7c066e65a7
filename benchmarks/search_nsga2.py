"""S3: how many evaluations HAWX needs to reach the measured front of NSGA-II, at filter level.

    python -m benchmarks.search_nsga2 [--network resnet20] [--images 200] [--nsga2-budget 1000] [--budget 40] [--seeds 5] [--multipliers 1024]
                                      [--nsga2-from benchmarks/results/search_nsga2_resnet20.json]

Candidate blocks are those built-in ones that, used everywhere, cost between 0.5 and 15 points on the images and that no other such block beats
in both drop and area; of more than three, three spread over the area. Blocks that destroy a network would leave NSGA-II nothing to find. Both
searchers measure on the same images through the same evaluator. NSGA-II spends its whole budget; its evaluations count up to the last that
improved its front. "Reached" means that the hypervolume of what HAWX has measured is at least that of everything NSGA-II measured.
Evaluation-equivalents are HAWX's other work divided by the wall time of one evaluation. The hypervolume over evaluations of both is written too, so
that one sees whether the budget was enough to converge. On a spatial accelerator of few multipliers a lane serves many filters, and filters mixed
at random need more lanes than they save: for networks of many layers give it enough `--multipliers`, or evolution finds nothing. NSGA-II's part takes
most of the time and does not depend on how HAWX searches: `--nsga2-from` takes it from an earlier run with the same settings.
Written: `benchmarks/results/search_nsga2_NETWORK.json`. Networks need the data folder (`HAWX_DATA`), efficientnet_lite0 also the package of its
weights.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.common import save
from benchmarks.search_setup import load, prepare, search_rng, search_set
from hawx.accelerators import Spatial
from hawx.accelerators.spatial import DEFAULT_MULTIPLIERS
from hawx.blocks.families import builtin_library
from hawx.designs import Assignment
from hawx.networks import Dataset, QuantizedNetwork
from hawx.pareto import non_dominated
from hawx.search import Problem, search
from hawx.verify import Task

LEAST, MOST = 0.5, 15.0
"""Points that a candidate block may cost when it is used everywhere."""


def fresh(problem: Problem, budget: int) -> Problem:
    """Return the same problem with nothing measured; its measurer remembers."""
    return replace(problem, budget=budget, evaluated=[], history=[], _known={})


def candidates(network: QuantizedNetwork, images: Dataset) -> dict[str, float]:
    """Return the candidate blocks and the points that each costs when it is used everywhere."""
    library = builtin_library()
    evaluator = Task(network, library, images.images, images.labels).evaluator
    filters = {layer.name: layer.filters for layer in network.layers}
    correct = {block.name: evaluator.correct(Assignment.uniform(filters, library.names, block.name)) for block in library}
    drops = {name: 100.0 * (correct["mul8s_exact"] - count) / len(images) for name, count in correct.items()}
    area = {name: cost.area_um2 for name, cost in zip(library.names, library.costs(), strict=True)}
    mild = [name for name, drop in drops.items() if LEAST <= drop <= MOST and area[name] < area["mul8s_exact"]]
    front = [name for name, keep in zip(mild, non_dominated(np.array([[drops[n], area[n]] for n in mild])), strict=True) if keep]
    front.sort(key=lambda name: area[name])
    chosen = sorted({round(i) for i in np.linspace(0, len(front) - 1, min(3, len(front)))})
    return {front[i]: drops[front[i]] for i in chosen}


def curve(problem: Problem) -> list[tuple[int, float]]:
    """Return hypervolume over evaluations, where it grew."""
    points: list[tuple[int, float]] = []
    for evaluations, _, volume in problem.history:
        if not points or volume > points[-1][1]:
            points.append((evaluations, round(volume, 6)))
    return points


def evolved(problem: Problem, seed: int) -> dict[str, Any]:
    """Return what NSGA-II finds with the whole budget of `problem`."""
    start = perf_counter()
    problem.measure(problem.space.exact_choices())
    search("nsga2", problem, search_rng(seed))
    return {
        "evaluations": len(problem.evaluated),
        "hypervolume": problem.hypervolume(),
        "wall_s": perf_counter() - start,
        "curve": curve(problem),
    }


def earlier(path: Path, **settings: Any) -> dict[int, dict[str, Any]]:
    """Return NSGA-II's part of an earlier run by seed, given that it had the same settings."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    for name, value in settings.items():
        if kept.get(name) != value:
            raise SystemExit(f"{path} was run with {name} = {kept.get(name)!r}; expected {value!r}.")
    return {row["seed"]: row["nsga2"] for row in kept["runs"]}


def summary(rows: list[dict[str, Any]]) -> dict[str, float | None]:
    """Return the least and the median factors over the seeds (None where a front was not reached), and mean wall times."""
    result: dict[str, float | None] = {}
    for key in ("fewer_evaluations", "fewer_with_equivalents"):
        found = [row[key] for row in rows]
        result[f"least_{key}"] = None if None in found else round(min(found), 1)
        result[f"median_{key}"] = None if None in found else round(float(np.median(found)), 1)
    for searcher in ("hawx", "nsga2"):
        result[f"{searcher}_wall_s"] = round(float(np.mean([row[searcher]["wall_s"] for row in rows])), 1)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="resnet20")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--nsga2-budget", type=int, default=1000)
    parser.add_argument("--budget", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--multipliers", type=int, default=DEFAULT_MULTIPLIERS, help="of the spatial accelerator")
    parser.add_argument("--nsga2-from", type=Path, metavar="JSON", help="take NSGA-II's part from an earlier run")
    options = parser.parse_args()
    network, data = load(options.network)
    chosen = search_set(data, options.images)
    uniform = candidates(network, chosen)
    library = builtin_library().select(["mul8s_exact", *uniform])
    print(f"{options.network}: {', '.join(f'{name} (everywhere: {drop:.1f} points)' for name, drop in uniform.items())}", flush=True)
    settings = {
        "network": network.name,
        "blocks_everywhere": uniform,
        "images": options.images,
        "multipliers": options.multipliers,
        "nsga2_budget": options.nsga2_budget,
    }
    known = earlier(options.nsga2_from, **settings) if options.nsga2_from else {}
    rows: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        made = prepare(
            network,
            library,
            chosen,
            granularity="filter",
            accelerator=Spatial(multipliers=options.multipliers),
            budget=options.budget,
            reference_drop=10.0,
            seed=seed,
        )
        ours = fresh(made.problem, options.budget)
        start = perf_counter()
        ours.measure(ours.space.exact_choices())
        search("hawx", ours, search_rng(seed), made.predictor())
        ours_s = perf_counter() - start
        theirs = known.get(seed) or evolved(fresh(made.problem, options.nsga2_budget), seed)
        goal, spent = theirs["hypervolume"], theirs["curve"][-1][0]
        reached = next((evaluations for evaluations, volume in curve(ours) if volume >= goal), None)
        equivalents = made.work_s / made.evaluation_s + max(ours_s / made.evaluation_s - len(ours.evaluated), 0.0)
        row = {
            "seed": seed,
            "space_log10": ours.space.log10_size,
            "hawx": {"evaluations": len(ours.evaluated), "hypervolume": ours.hypervolume(), "wall_s": made.work_s + ours_s, "curve": curve(ours)},
            "nsga2": theirs,
            "hawx_evaluations_to_reach_nsga2": reached,
            "evaluation_equivalents_of_hawx": equivalents,
            "nsga2_evaluations_to_its_front": spent,
            "fewer_evaluations": spent / reached if reached else None,
            "fewer_with_equivalents": spent / (reached + equivalents) if reached else None,
            "evaluation_s": made.evaluation_s,
        }
        rows.append(row)
        said = f"{row['fewer_evaluations']:.0f}x fewer, {row['fewer_with_equivalents']:.1f}x with equivalents" if reached else "not reached"
        print(
            f"{options.network} seed {seed}, 10^{ours.space.log10_size:.0f} designs: NSGA-II {goal:.4f} after {spent} of {theirs['evaluations']} "
            f"({theirs['wall_s']:.0f} s); HAWX {ours.hypervolume():.4f} after {len(ours.evaluated)} + {equivalents:.0f} equivalents "
            f"({made.work_s + ours_s:.0f} s), reached after {reached}: {said}",
            flush=True,
        )
        result = {
            "goal": "NSGA-II's measured front reached with >= 300x fewer evaluations",
            **settings,
            "summary": summary(rows),
            "runs": rows,
        }
        save(f"search_nsga2_{options.network}", result)
    print(f"{options.network}, {len(rows)} seeds: {result['summary']}")


if __name__ == "__main__":
    main()
