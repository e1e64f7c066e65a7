"""S2: the HAWX search among LeNet-5's 2^22 filter-level designs, against the truth of all of them.

    python -m benchmarks.truth_lenet5 --blocks mul8s_exact,mul8s_tc8        (once; its counts are kept in benchmarks/results)
    python -m benchmarks.search_filters [--blocks mul8s_exact,mul8s_tc8] [--budget 12] [--score-images 192] [--seeds 5]

*Before verification*: the predicted front alone, nothing measured but the exact design; its true accuracies are looked up. *After*: what the search
measured bit-exactly (every count is compared with the truth). A ratio is the hypervolume of a front, with true accuracies, over that of the true
front. Evaluation-equivalents are all other work divided by the wall time of one evaluation. The baselines look accuracies up, so they can afford
thousands of evaluations. Written: `benchmarks/results/search_filters_A_B.json`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.common import RESULTS, save
from benchmarks.search_setup import Prepared, prepare, search_rng
from benchmarks.truth import FilterTruth
from benchmarks.truth_lenet5 import filter_truth, name_of, truth_images
from hawx.designs import Assignment
from hawx.estimates import Measurement
from hawx.networks import Dataset
from hawx.pareto import hypervolume, non_dominated
from hawx.search import Problem, search
from hawx.search.evolve import thin
from hawx.search.pool import build_pool
from hawx.verify import images_identity

REFERENCES = (10.0, 2.0)
PREDICTED_FRONT = 64
"""Designs of the predicted front that are looked up, spread along it."""


class Yardstick:
    """The truth, as points to minimize."""

    def __init__(self, truth: FilterTruth, counts: NDArray[np.uint16], images: int) -> None:
        self.truth, self.counts, self.images = truth, counts, images

    def drops(self, choices: NDArray[np.uint8]) -> NDArray[np.float64]:
        return (float(self.counts[0]) - self.counts[self.truth.numbers(choices)].astype(float)) * 100.0 / self.images

    def measure(self, assignments: Sequence[Assignment]) -> list[Measurement]:
        """Look correct answers up: a measurer for baselines."""
        layers = self.truth.split + 1
        choices = np.array([np.concatenate(a.indices[:layers]) for a in assignments])
        return [Measurement(int(c), self.images) for c in self.counts[self.truth.numbers(choices)]]

    def best(self) -> NDArray[np.int64]:
        """Return, per number of filters of each layer that use the second block, the design of most correct answers.

        Costs depend on these numbers alone, so the true front is among them.
        """
        numbers = np.arange(len(self.counts), dtype=np.int64)
        early = self.truth.early
        bits = [(numbers >> u) & 1 for u in range(self.truth.units)]
        cell = 64 * sum(bits[:early]) + sum(bits[early:])
        order = np.lexsort((numbers, -self.counts.astype(np.int64), cell))
        return np.asarray(order[np.flatnonzero(np.diff(cell[order], prepend=-1))])


def volume(problem: Problem, drops: NDArray[np.float64], ratios: NDArray[np.float64]) -> float:
    points = np.array([problem.point(float(drop), row) for drop, row in zip(drops, ratios, strict=True)])
    return hypervolume(points, np.ones(points.shape[1]))


def fresh(problem: Problem, reference: float, budget: int) -> Problem:
    return replace(problem, reference_drop=reference, budget=budget, evaluated=[], history=[], _known={})


def before(made: Prepared, stick: Yardstick, reference: float, seed: int, best: float) -> dict[str, Any]:
    """Return how good the predicted front is, with nothing measured but the exact design."""
    problem = fresh(made.problem, reference, 1)
    start = perf_counter()
    predictor = made.predictor()
    pool = build_pool(problem, predictor, search_rng(seed))
    predicted = predictor.predict(pool)[0]
    ratios = problem.ratios(pool)
    chosen = thin(np.column_stack([predicted, ratios]), PREDICTED_FRONT)
    took = perf_counter() - start
    found = volume(problem, stick.drops(pool[chosen]), ratios[chosen])
    equivalents = (made.work_s + took) / made.evaluation_s
    return {"hypervolume_ratio": found / best, "designs": len(chosen), "evaluations": 1, "evaluation_equivalents": equivalents, "pool_s": took}


def after(made: Prepared, stick: Yardstick, reference: float, seed: int, budget: int, best: float) -> dict[str, Any]:
    """Return what the search finds and what it costs; every measurement is compared with the truth."""
    problem = fresh(made.problem, reference, budget)
    start = perf_counter()
    problem.measure(problem.space.exact_choices())
    search("hawx", problem, search_rng(seed), made.predictor())
    took = perf_counter() - start
    measured = np.array([e.choices for e in problem.evaluated])
    np.testing.assert_allclose([e.drop for e in problem.evaluated], stick.drops(measured), atol=1e-9, err_msg="the truth says otherwise")
    estimated = [(stick_drop, e.design.estimate) for stick_drop, e in zip(stick.drops(measured), problem.evaluated, strict=True) if e.design.estimate]
    base = 100.0 * problem.baseline_correct / problem.images
    errors = [abs(base - drop - estimate.top1) for drop, estimate in estimated if estimate is not None]
    evaluations = len(problem.evaluated)
    equivalents = made.work_s / made.evaluation_s + max(took / made.evaluation_s - evaluations, 0.0)
    return {
        "hypervolume_ratio": problem.hypervolume() / best,
        "evaluations": evaluations,
        "evaluation_equivalents": equivalents,
        "mean_error_of_estimates": float(np.mean(errors)) if errors else None,
        "wall_s": made.baseline_s + made.work_s + took,
        "path": [round(v / best, 4) for _, _, v in problem.history],
    }


def baseline(name: str, made: Prepared, stick: Yardstick, reference: float, seed: int, budget: int, best: float, goal: float) -> dict[str, Any]:
    """Return the ratio a baseline reaches, and after how many evaluations it is as good as `goal`."""
    problem = replace(fresh(made.problem, reference, budget), measurer=stick.measure)
    problem.measure(problem.space.exact_choices())
    search(name, problem, search_rng(seed))
    volumes = np.array([v for _, _, v in problem.history]) / best
    reached = np.flatnonzero(volumes >= goal)
    return {
        "searcher": name,
        "evaluations": len(problem.evaluated),
        "hypervolume_ratio": volumes[-1],
        "evaluations_to_match_hawx": int(reached[0]) + 1 if len(reached) else None,
    }


def summary(rows: Sequence[dict[str, Any]], reference: float) -> dict[str, float]:
    """Return the least ratio of all seeds and the least factor of fewer evaluations, before and after verification."""
    some = [row for row in rows if row["reference_drop"] == reference]
    return {
        f"{part} {key}": round(float(min(row[part][key] for row in some)), 4)
        for part in ("before", "after")
        for key in ("hypervolume_ratio", "fewer")
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", default="mul8s_exact,mul8s_tc8")
    parser.add_argument("--budget", type=int, default=12)
    parser.add_argument("--score-images", type=int, default=192, help="images that scores are taken on, of the truth's 620")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--baseline-budget", type=int, default=2000)
    options = parser.parse_args()
    torch.set_num_threads(1)  # layers are too small to share
    first, second = options.blocks.split(",")
    truth = filter_truth((first, second))
    name = name_of(truth.blocks)
    facts = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    with np.load(RESULTS / f"{name}.npz", allow_pickle=False) as kept:
        counts = kept["counts"]
    images, labels = truth_images(facts["images"]["count"])
    if facts["images"]["sha256"] != images_identity(images, labels):
        parser.error(f"the truth {name} is of other images; measure it again")
    stick = Yardstick(truth, counts, len(images))
    candidates = stick.best()
    rows: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        data = Dataset("truth", images, labels, 10)
        made = prepare(
            truth.network,
            truth.library,
            data,
            granularity="filter",
            space=truth.space,
            budget=options.budget,
            reference_drop=10.0,
            seed=seed,
            score_images=options.score_images,
        )
        assert made.problem.baseline_correct == counts[0], "the network is not the one whose truth this is; measure it again"
        ratios = made.problem.ratios(truth.choices(candidates))
        true_drops = (float(counts[0]) - counts[candidates].astype(float)) * 100.0 / len(images)
        for reference in REFERENCES:
            best = volume(fresh(made.problem, reference, 1), true_drops, ratios)
            row: dict[str, Any] = {"seed": seed, "reference_drop": reference, "evaluation_s": made.evaluation_s, "scoring_s": made.work_s}
            row["true_front"] = int(non_dominated(np.column_stack([true_drops, ratios])).sum())
            row["before"] = before(made, stick, reference, seed, best)
            row["after"] = after(made, stick, reference, seed, options.budget, best)
            for part in ("before", "after"):
                cost = row[part]["evaluations"] + row[part]["evaluation_equivalents"]
                row[part]["fewer"] = len(counts) / cost
            goal = row["after"]["hypervolume_ratio"]
            row["baselines"] = [
                baseline(searcher, made, stick, reference, seed, options.baseline_budget, best, goal) for searcher in ("random", "nsga2")
            ]
            rows.append(row)
            b, a = row["before"], row["after"]
            print(
                f"seed {seed} ref {reference:4.0f}: before {b['hypervolume_ratio']:.4f} at {b['fewer']:.3g}x fewer; "
                f"after {a['hypervolume_ratio']:.4f} with {a['evaluations']} evaluations + {a['evaluation_equivalents']:.1f} equivalents, "
                f"{a['fewer']:.3g}x fewer, {a['wall_s']:.1f} s; "
                + ", ".join(f"{k['searcher']} {k['hypervolume_ratio']:.4f} ({k['evaluations_to_match_hawx']} to match)" for k in row["baselines"]),
                flush=True,
            )
    result = {
        "goal": "ratio >= 0.98 at >= 3e6x fewer evaluation-equivalents before verification, >= 1e5x after",
        "truth": {key: facts[key] for key in ("network", "blocks", "images", "designs")},
        "score_images": options.score_images,
        "summary": {f"reference {reference:g}": summary(rows, reference) for reference in REFERENCES},
        "runs": rows,
    }
    for reference, text in result["summary"].items():
        print(f"{reference}: {text}")
    print(save(f"search_filters_{name.removeprefix('truth_lenet5_')}", result))


if __name__ == "__main__":
    main()
