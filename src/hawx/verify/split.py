"""Search and report images: disjoint by construction."""

from __future__ import annotations

import numpy as np

from hawx.errors import InputError
from hawx.networks import Dataset

SEARCH_IMAGES = 2000
"""Default size of the search split, at most half of the images."""


def split_images(dataset: Dataset, search: int | None, report: int | None, aside: int = 0, *, seed: int) -> tuple[Dataset, Dataset, Dataset]:
    """Return the search, the report and further images to calibrate on, drawn without replacement from a seeded permutation.

    Args:
        search: images to search on; default 2,000 or half of them.
        report: images to report on; default all others.
        aside: images that neither searches nor reports, at most an eighth of all where the report images are not stated.

    Raises:
        InputError: a split would be empty, or both need more images than there are.
    """
    total = len(dataset)
    search = min(SEARCH_IMAGES, total // 2) if search is None else search
    aside = min(aside, total // 8 if report is None else total - search - report)
    report = total - search - aside if report is None else report
    if search < 1 or report < 1 or search + report > total:
        raise InputError(f"{search} search and {report} report images do not fit {total} images; expected two positive numbers of at most that sum.")
    order = np.random.default_rng(seed).permutation(total).astype(np.int64)
    parts = {"search": order[:search], "report": order[search : search + report], "calibration": order[search + report :][:aside]}
    found = {name: dataset.take(index, name=f"{dataset.name}:{name}") for name, index in parts.items()}
    return found["search"], found["report"], found["calibration"]
