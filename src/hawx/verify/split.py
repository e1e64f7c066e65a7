"""Search and report images: disjoint by construction."""

from __future__ import annotations

import numpy as np

from hawx.errors import InputError
from hawx.networks import Dataset

SEARCH_IMAGES = 2000
"""Default size of the search split, at most half of the images."""


def split_images(dataset: Dataset, search: int | None, report: int | None, *, seed: int) -> tuple[Dataset, Dataset]:
    """Return the search and the report images, drawn without replacement from a seeded permutation.

    Args:
        search: images to search on; default 2,000 or half of them.
        report: images to report on; default all others.

    Raises:
        InputError: a split would be empty, or both need more images than there are.
    """
    total = len(dataset)
    search = min(SEARCH_IMAGES, total // 2) if search is None else search
    report = total - search if report is None else report
    if search < 1 or report < 1 or search + report > total:
        raise InputError(f"{search} search and {report} report images do not fit {total} images; expected two positive numbers of at most that sum.")
    order = np.random.default_rng(seed).permutation(total).astype(np.int64)
    return dataset.take(order[:search], name=f"{dataset.name}:search"), dataset.take(order[search : search + report], name=f"{dataset.name}:report")
