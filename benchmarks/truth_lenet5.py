"""The full truth of LeNet-5's convolution filters: all 2^22 designs of two candidate blocks, measured bit-exactly.

    python -m benchmarks.truth_lenet5 --blocks mul8s_exact,mul8s_tc8 --images 2000 --threads 2

Every one of the 6 + 16 convolution filters takes the first or the second block; the linear layers stay exact. The images are the first ones of
the search split of seed 0 (`hawx.verify.split_images`), so `hawx explore lenet5 --granularity filter --layers conv1,conv2 --seed 0` searches
on the same images. Work is done in chunks of images and resumes after a kill: run the same command again. `--finish` writes the counts of the
images that are done. Bit u of a design's number is the block of filter u: conv1[0..5], then conv2[0..15].

Written: `benchmarks/results/truth_lenet5_A_B.npz` (correct answers of every design, uint16, in the order of their numbers) and `….json`.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.common import RESULTS, save
from benchmarks.truth import FilterTruth
from hawx.blocks.families import builtin_library
from hawx.emulate import Evaluator
from hawx.networks import zoo
from hawx.verify import images_identity, network_identity, split_images

CHUNK = 20
SPLIT = 1
"""conv2 is the last layer that takes part."""


@dataclass(eq=False)
class Progress:
    """Counts of the images done so far, kept in a file."""

    path: Path
    identity: str
    counts: NDArray[np.uint16]
    images: int = 0
    seconds: float = 0.0

    def load(self) -> None:
        if not self.path.exists():
            return
        with np.load(self.path, allow_pickle=False) as kept:
            if str(kept["identity"]) == self.identity:
                self.counts, self.images, self.seconds = kept["counts"], int(kept["images"]), float(kept["seconds"])

    def store(self) -> None:
        """Replace the file in one step: a kill leaves the old one or the new one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new.npz")
        np.savez(fresh, counts=self.counts, images=self.images, seconds=self.seconds, identity=self.identity)
        fresh.replace(self.path)


def filter_truth(blocks: tuple[str, str]) -> FilterTruth:
    """Return the truth of LeNet-5's convolutions under two built-in blocks."""
    library = builtin_library().select(list(dict.fromkeys(["mul8s_exact", *blocks])))
    return FilterTruth.of(zoo.load("lenet5"), library, blocks, split=SPLIT)


def truth_images(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the first `count` images and labels of the search split of seed 0."""
    data = zoo.dataset("lenet5")
    chosen, _ = split_images(data, count, len(data) - count, seed=0)
    return chosen.images, chosen.labels


def name_of(blocks: tuple[str, str]) -> str:
    return "truth_lenet5_" + "_".join(name.removeprefix("mul8s_") for name in blocks)


def check(truth: FilterTruth, counts: NDArray[np.uint16], images: NDArray[np.uint8], labels: NDArray[np.int64], designs: int) -> int:
    """Run random designs through the plain evaluator; return how many were compared.

    Raises:
        AssertionError: a count differs.
    """
    evaluator = Evaluator(truth.network, truth.library, images, labels)
    numbers = np.concatenate([[0, len(counts) - 1], np.random.default_rng(7).integers(len(counts), size=designs)])
    for number, row in zip(numbers, truth.choices(numbers), strict=True):
        measured = evaluator.correct(truth.space.assignment(row))
        assert measured == counts[number], f"design {number}: {counts[number]} counted, {measured} measured"
    return len(numbers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", default="mul8s_exact,mul8s_tc8", help="two names of the built-in library")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("build/truth"), help="where the counts so far are kept")
    parser.add_argument("--finish", action="store_true", help="count no more; write what is done")
    options = parser.parse_args()
    first, second = options.blocks.split(",")
    torch.set_num_threads(1)
    truth = filter_truth((first, second))
    images, labels = truth_images(options.images)
    identity = " ".join([network_identity(truth.network), *(truth.library[b].sha256 for b in truth.blocks)])
    done = Progress(options.work / f"{name_of(truth.blocks)}.npz", identity, truth.empty())
    done.load()
    while done.images < len(images) and not options.finish:
        start = time.perf_counter()
        part = slice(done.images, min(done.images + CHUNK, len(images)))
        truth.add(images[part], labels[part], done.counts, threads=options.threads)
        done.images, done.seconds = part.stop, done.seconds + time.perf_counter() - start
        done.store()
        print(f"{done.images:6d} of {len(images)} images, {done.seconds:8.0f} s", flush=True)
    if not done.images:
        parser.error("no image is done yet")
    images, labels = truth_images(done.images)
    counts = truth.by_number(done.counts)
    compared = check(truth, counts, images, labels, 48)
    top1 = 100.0 * counts / done.images
    RESULTS.mkdir(exist_ok=True)
    np.savez_compressed(RESULTS / f"{name_of(truth.blocks)}.npz", counts=counts)
    path = save(
        name_of(truth.blocks),
        {
            "command": f"python -m benchmarks.truth_lenet5 --blocks {first},{second} --images {done.images}",
            "network": {"name": truth.network.name, "identity": network_identity(truth.network)},
            "blocks": [{"bit": i, "name": b, "sha256": truth.library[b].sha256} for i, b in enumerate(truth.blocks)],
            "units": [unit.name for unit in truth.space.units],
            "designs": len(counts),
            "images": {"count": done.images, "of": "MNIST test set, search split of seed 0", "sha256": images_identity(images, labels)},
            "compared_with_evaluator": compared,
            "top1": {
                "all_first": top1[0],
                "all_second": top1[-1],
                "least": top1.min(),
                "most": top1.max(),
                "quantiles_1_10_50_90_99": np.quantile(top1, [0.01, 0.1, 0.5, 0.9, 0.99]),
            },
            "seconds": round(done.seconds, 1),
            "threads": options.threads,
        },
    )
    print(f"{len(counts)} designs on {done.images} images, {compared} of them compared with the evaluator: equal")
    print(f"top-1: all {first} {top1[0]:.2f}, all {second} {top1[-1]:.2f}, least {top1.min():.2f}, most {top1.max():.2f}; written {path}")


if __name__ == "__main__":
    main()
