"""START HERE: the whole of HAWX as one readable list of stages.

split → recover → prepare → profile → score → predict → search → verify → result. Every value between two stages is typed and can be looked
at (`hawx.stages`); what a stage does is in the package of its name. A stage more is a line more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from hawx import stages
from hawx.accelerators import Accelerator, technology_of
from hawx.blocks import Library
from hawx.designs import Assignment
from hawx.display import shown
from hawx.errors import InputError
from hawx.estimates import Measurement
from hawx.importers.accelerator import load_accelerator
from hawx.importers.library import load_library
from hawx.networks import Dataset, QuantizedNetwork
from hawx.networks.datasets import Pixels
from hawx.networks.given import Given, given_images, given_pairs
from hawx.progress import Progress, SilentProgress, StageClock
from hawx.recover import Method
from hawx.runner import Runner, run_here
from hawx.score import Scores
from hawx.search import OnMeasured, Searcher
from hawx.stages import Goal
from hawx.store import Result
from hawx.verify import MeasurementStore, MemoryStore, Task, split_images


def explore(
    network: QuantizedNetwork,
    library: Library | str | PathLike[str],
    accelerator: Accelerator | str | PathLike[str],
    images: Given,
    labels: ArrayLike | Tensor | None = None,
    *,
    granularity: str = "layer",
    objectives: Sequence[str] = ("energy_uj", "area_um2"),
    searcher: str | Searcher = "hawx",
    max_drop: float | None = None,
    budget: int = 40,
    layers: Sequence[str] | None = None,
    search_images: int | None = None,
    report_images: int | None = None,
    recover: Method | str = Method.FULL,
    calibration: Given | None = None,
    seed: int = 0,
    store: MeasurementStore | None = None,
    runner: Runner = run_here,
    progress: Progress | bool | None = None,
    on_measured: OnMeasured | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Result:
    """Find which block goes where: measured, non-dominated designs of a network on an accelerator.

    Args:
        library: blocks, or where they come from: `builtin`, a file or a folder.
        accelerator: an accelerator, its name (`spatial`, `temporal`, `simt`), or a TOML file that declares one.
        images: (N, C, H, W) as the network takes them, uint8 pixels or preprocessed float32, NumPy or PyTorch; or a data set or loader of PyTorch,
            or rows with images and labels (see `hawx.networks.given`). Split here into disjoint, seeded search and report images.
        labels: (N,) class indices; not needed where they come with the images.
        granularity: `network`, `layer` or `filter`: what receives one block.
        objectives: hardware figures to minimize together with the loss of top-1, some of `hawx.search.OBJECTIVES`; area on an FPGA is lookup tables.
        searcher: `hawx`, a baseline (`exhaustive`, `nsga2`, `greedy`, `random`, `uniform`), or one of your own (see `hawx.search.Searcher`).
        max_drop: points of top-1 that may be lost against int8; focuses the search, never cuts the front.
        budget: designs to measure at most.
        layers: names of the layers that may be approximated (the others stay exact); None for all.
        search_images, report_images: sizes of the splits; default at most 2,000 to search, the rest to report.
        recover: what of a design's accuracy is won back by its constants and wires, its multipliers as they are; see `hawx.recover.Method`.
        calibration: (N, C, H, W), images without labels to recover on; by default some of `images` are set aside for it.
        store: remembers measurements, so that a killed run resumes with nothing measured twice.
        runner: who does the parts of all stages: this process by default, a pool or a cluster (hawx.execution). The result does not depend on it.
        progress: told where the run is; True shows bars, on a terminal and in a notebook, lines elsewhere.
        on_measured: called with every design of the search as it is measured; returning True ends the search there, and what was found is verified.
        settings: kept in the result as provenance.

    Raises:
        InputError: something given cannot be used; the message names it and the way out.
    """
    if not isinstance(network, QuantizedNetwork):
        raise InputError(f"network is a {type(network).__name__}; expected integers: hawx.quantize(module, calibration) or hawx.load_network(name).")
    goal = Goal(objectives=tuple(objectives), searcher=searcher, max_drop=max_drop, budget=budget)
    library = library if isinstance(library, Library) else load_library(library)
    accelerator = load_accelerator(accelerator) if isinstance(accelerator, (str, PathLike)) else accelerator
    library = library.in_technology(technology_of(accelerator))
    space = stages.search_space(network, library, granularity, layers)
    wanted = stages.RECOVERY_IMAGES if calibration is None and Method(recover) is not Method.NONE else 0
    data = Dataset("images", *given_pairs(images, labels), network.classes)
    search_set, report_set, aside = split_images(data, search_images, report_images, wanted, seed=seed)
    unlabelled = aside.images if calibration is None else given_images(calibration, "calibration images")[: stages.RECOVERY_IMAGES]
    if wanted and not len(unlabelled):
        raise InputError(
            f"{len(search_set)} search and {len(report_set)} report images leave none of {len(data)} to recover on; expected some to spare. "
            "Pass calibration= images without labels, search or report on fewer, or recover='none'."
        )

    with shown(progress) as told:
        clock = StageClock(told)
        recovered = stages.recover(network, library, unlabelled, recover, runner=runner, clock=clock)
        prepared = stages.prepare(recovered, library, search_set, space, seed=seed, runner=runner, clock=clock)
        profiled = stages.profile(prepared)
        units = stages.score(profiled)
        predictor = stages.predict(units)
        whole = unlabelled if Method(recover).wholes else None
        searched = stages.search(units, predictor, accelerator, goal, MemoryStore() if store is None else store, whole, on_measured)
        verified = stages.verify(searched, report_set)
        return stages.result(verified, settings)


def score(
    network: QuantizedNetwork,
    library: Library,
    images: Pixels,
    labels: NDArray[np.int64],
    *,
    granularity: str = "layer",
    layers: Sequence[str] | None = None,
    score_images: int = stages.SCORE_IMAGES,
    recover: Method | str = Method.FULL,
    calibration: NDArray[np.uint8] | NDArray[np.float32] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Scores:
    """Return the scores of every unit under every block, without searching anything; arguments as of `explore`.

    Without `calibration`, what is recovered is calibrated on the first of `images`: nothing is reported of them.
    """
    space = stages.search_space(network, library, granularity, layers)
    clock = StageClock(progress or SilentProgress())
    unlabelled = (images if calibration is None else calibration)[: stages.RECOVERY_IMAGES]
    recovered = stages.recover(network, library, unlabelled, recover, clock=clock)
    prepared = stages.prepare(recovered, library, Dataset("images", images, labels, network.classes), space, seed=seed, clock=clock)
    return stages.score(stages.profile(prepared), score_images).scored.scores


def evaluate(
    network: QuantizedNetwork,
    library: Library,
    assignment: Assignment,
    images: Pixels,
    labels: NDArray[np.int64],
    *,
    against: QuantizedNetwork | None = None,
    runner: Runner = run_here,
) -> Measurement:
    """Return the bit-exactly measured top-1 of one assignment on labelled images, compared with the exact network.

    Args:
        network: what the design runs on: with the constants that it stores, where it was recovered.
        against: the exact network, where `network` holds constants of this design only; default `network` with exact blocks.
    """
    exact = Assignment.uniform(network.filters, library.names, library.exact.name)
    task = Task(network, library, images, labels)
    if against is None:
        reference, right = task.answers([exact, assignment], runner)
    else:
        (reference,), (right,) = Task(against, library, images, labels).answers([exact], runner), task.answers([assignment], runner)
    return Measurement.of(right, reference)
