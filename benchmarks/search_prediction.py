"""P1: predicted against measured top-1 on random designs within 5 points of int8 that the predictor has not seen.

    python -m benchmarks.search_prediction [--network lenet5] [--granularity layer] [--images 1000] [--designs 60] [--tries 400] [--share 1.0]
    python -m benchmarks.search_prediction --recover full --library evoapprox …   # as a search sees designs: units recovered, and each as a whole

Random designs are drawn with every share of approximate units up to `--share` and every set of blocks, and kept evenly over the measured drop: at
most a tenth of the designs per half point. (Drawn without this, nearly all designs of an easy network lose nothing, and a rank correlation among
them is that of noise; of a deep one nearly all lose more than 5 points, unless shares are smaller.) The predictor learns from `--measurements` other
random designs, drawn without regard to their drop; five such draws. Also printed: the same for probes of the test designs (each design's deciding
images run bit-exactly, hawx.predict.probe) of several sizes, as shares of an evaluation, with the one that a search takes; the rank correlation that
one half of the images has with the other, which is what a perfect predictor of the other half would reach; and designs predicted per second.
Written: `benchmarks/results/search_prediction_NETWORK_GRANULARITY.json`. CIFAR-10 networks need the data folder (`HAWX_DATA`).
"""

from __future__ import annotations

import argparse
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks.common import save
from benchmarks.data import DATA, sources
from benchmarks.search_setup import Prepared, load, prepare, random_designs, search_set
from hawx.blocks.families import builtin_library
from hawx.importers import load_library
from hawx.predict import Predictor, Probes, deciding_images
from hawx.predict.probe import PROBED_SHARE
from hawx.recover import DesignRecovery, Method, recover_units
from hawx.stages import RECOVERY_IMAGES, whole_images

BLOCKS = "mul8s_tc5,mul8s_tc6,mul8s_tc7,mul8s_tc8,mul8s_ot2,mul8s_ot3,mul8s_bam_v6h2,mul8s_bam_v7h3,mul8s_tcc8"
BINS = 10
LIMIT = 5.0
DRAWS = 5
SHARES = (0.02, 0.05, 0.1, 0.2)
"""Images of a probe, as shares of the search images."""
KEYS = ("spearman", "mean_absolute_error", "bias", "within_two_sigma")


class Measured:
    """Random designs that were measured, with which images each answers right."""

    def __init__(self) -> None:
        self.choices: list[NDArray[np.uint8]] = []
        self.right: list[NDArray[np.bool_]] = []

    def add(self, choices: NDArray[np.uint8], right: NDArray[np.bool_]) -> None:
        self.choices.append(choices)
        self.right.append(right)

    def drops(self, exact: NDArray[np.bool_], images: NDArray[np.bool_] | slice = slice(None)) -> NDArray[np.float64]:
        return np.array([100.0 * (exact[images].mean() - right[images].mean()) for right in self.right])


def measure(
    made: Prepared, designs: int, tries: int, measurements: int, seed: int, share: float = 1.0
) -> tuple[Measured, Measured, NDArray[np.bool_]]:
    """Return designs to learn from, designs to test on, and which images the exact design answers right."""
    space, task = made.problem.space, made.task
    (exact,) = task.answers([space.assignment(space.exact_choices())])
    rng = np.random.default_rng(seed + 1000)
    learn, test = Measured(), Measured()
    quota = np.zeros(BINS, int)
    for attempt in range(tries):
        row = random_designs(space, rng, 1, share)[0]
        (right,) = task.answers([space.assignment(row)])
        drop = 100.0 * (exact.mean() - right.mean())
        if attempt < DRAWS * measurements:
            learn.add(row, right)
            continue
        place = min(int(max(drop, 0.0) / LIMIT * BINS), BINS - 1)
        if abs(drop) <= LIMIT and quota[place] < max(1, designs // BINS):
            quota[place] += 1
            test.add(row, right)
        if quota.sum() >= designs:
            break
    return learn, test, exact


def validate(made: Prepared, learn: Measured, test: Measured, exact: NDArray[np.bool_], measurements: int) -> list[dict[str, Any]]:
    """Return the figures of every draw of designs to learn from, and of the predictor that has learned nothing."""
    problem = made.problem
    assert problem.probe is not None
    everything = np.broadcast_to(np.arange(made.effects.images), (len(test.choices), made.effects.images))
    answers = problem.probe([problem.space.assignment(row) for row in test.choices], everything)
    truth, known = test.drops(exact), learn.drops(exact)
    rows = []
    for draw in (None, *range(DRAWS)):
        predictor = made.predictor()
        if draw is not None:
            part = slice(draw * measurements, (draw + 1) * measurements)
            predictor.observe(np.array(learn.choices[part]), [float(d) for d in known[part]])
        rows.append(figures(*predictor.predict(np.array(test.choices)), truth))
        rows[-1] |= {"measurements": 0 if draw is None else measurements, "attenuation": predictor.effects.attenuation}
        rows[-1]["probed"] = [
            figures(probed.drops, probed.sigmas, truth) for probed in (probes(predictor, test, answers, count) for count in probe_sizes(made))
        ]
    return rows


def figures(drops: NDArray[np.float64], sigmas: NDArray[np.float64], truth: NDArray[np.float64]) -> dict[str, Any]:
    """Return how estimates compare with measured drops, all (designs,) in points."""
    error = np.abs(drops - truth)
    return {
        "spearman": float(spearmanr(drops, truth).statistic),
        "mean_absolute_error": error.mean(),
        "bias": (drops - truth).mean(),
        "within_two_sigma": (error <= 2 * sigmas).mean(),
        "predicted": drops.round(3),
    }


def probe_sizes(made: Prepared) -> list[int]:
    """Return numbers of scoring images, ascending: some shares of the search images, and what a search runs."""
    sizes = {round(share * made.problem.images) for share in SHARES} | {round(PROBED_SHARE * made.effects.images)}
    return sorted(size for size in sizes if size <= made.effects.images)


def probes(predictor: Predictor, test: Measured, answers: NDArray[np.bool_], count: int) -> Probes:
    """Return probes of the test designs, each on its `count` deciding images, given their answers on all scoring images, (designs, images)."""
    choices = np.array(test.choices)
    images = deciding_images(predictor.effects, choices, count)
    return Probes.of(predictor.effects, choices, images, np.take_along_axis(answers, images, axis=1))


def speed(made: Prepared, designs: int = 20000) -> float:
    """Return designs predicted per second, best of three."""
    rows = made.problem.space.random(np.random.default_rng(0), designs)
    times = []
    for _ in range(3):
        start = perf_counter()
        made.effects.drops(rows)
        times.append(perf_counter() - start)
    return designs / min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="lenet5")
    parser.add_argument("--granularity", default="layer", choices=["layer", "filter"])
    parser.add_argument("--blocks", default=BLOCKS, help="of the built-in library")
    parser.add_argument("--library", choices=("builtin", "evoapprox"), default="builtin")
    parser.add_argument("--recover", choices=[method.value for method in Method], default="none")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--designs", type=int, default=60)
    parser.add_argument("--tries", type=int, default=400)
    parser.add_argument("--share", type=float, default=1.0, help="most units of a random design that are approximate")
    parser.add_argument("--measurements", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    network, data = load(options.network)
    if options.library == "evoapprox":
        library = load_library(DATA / "blocks/evoapproxlib_v2022_8x8.npz")
    else:
        library = builtin_library().select(["mul8s_exact", *options.blocks.split(",")])
    chosen = search_set(data, options.images)
    recovery = None
    if options.recover != "none":
        unlabelled = sources(options.network, calibration_images=512)[1].images[:RECOVERY_IMAGES]
        network = recover_units(network, library, unlabelled, options.recover)
        recovery = DesignRecovery(network, library, unlabelled[: whole_images(options.images)])
    made = prepare(network, library, chosen, granularity=options.granularity, budget=1, reference_drop=10.0, seed=options.seed, recovery=recovery)
    learn, test, exact = measure(made, options.designs, options.tries, options.measurements, options.seed, options.share)
    truth = test.drops(exact)
    rows = validate(made, learn, test, exact, options.measurements)
    half = np.arange(len(exact)) % 2 == 0
    ceiling = float(spearmanr(test.drops(exact, half), test.drops(exact, ~half)).statistic)
    rate = speed(made, 20000 if options.granularity == "layer" else 2000)
    untaught, taught = rows[0], rows[1:]
    summary = {key: float(np.mean([row[key] for row in taught])) for key in KEYS}
    probed = [
        {"images": count, "evaluations": count / options.images, **{key: float(np.mean([row["probed"][i][key] for row in taught])) for key in KEYS}}
        for i, count in enumerate(probe_sizes(made))
    ]
    print(
        f"{options.network} {options.granularity}: {len(truth)} designs, drops {truth.min():.2f}..{truth.max():.2f}; after {options.measurements} "
        f"measurements Spearman {summary['spearman']:.3f}, MAE {summary['mean_absolute_error']:.2f} points, within two sigma "
        f"{summary['within_two_sigma']:.0%}; untaught {untaught['spearman']:.3f}, {untaught['mean_absolute_error']:.2f}; half of the images against "
        f"the other {ceiling:.3f}; {rate:.0f} designs/s"
    )
    for row in probed:
        print(
            f"  probed on {row['evaluations']:.0%} of the images: Spearman {row['spearman']:.3f}, MAE {row['mean_absolute_error']:.2f}, "
            f"within two sigma {row['within_two_sigma']:.0%}"
        )
    result = {
        "goal": "Spearman >= 0.97, mean absolute error <= 0.5 points after <= 16 measurements",
        "network": network.name,
        "granularity": options.granularity,
        "blocks": list(library.names),
        "images": options.images,
        "largest_share": options.share,
        "int8_top1": 100.0 * exact.mean(),
        "measured_drops": truth.round(3),
        "summary": summary,
        "probed_summary": probed,
        "half_against_half_spearman": ceiling,
        "designs_per_second": rate,
        "scoring_s": made.work_s,
        "evaluation_s": made.evaluation_s,
        "draws": rows,
    }
    mark = "" if recovery is None else f"_{options.library}_{options.recover}"
    print(save(f"search_prediction_{options.network}_{options.granularity}{mark}", result))


if __name__ == "__main__":
    main()
