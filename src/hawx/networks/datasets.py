"""Datasets and their splits: images to calibrate, to search and to report on never overlap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from hawx.errors import InputError

Pixels = NDArray[np.uint8] | NDArray[np.float32]
"""(N, C, H, W): uint8 pixels, or float32 values that are already preprocessed."""
Labels = NDArray[np.int64]
"""(N,), int64, values 0..classes-1."""


def as_array(values: ArrayLike | Tensor, what: str = "values") -> NDArray[Any]:
    """Return values as a NumPy array: of a tensor its numbers, wherever it lies.

    Raises:
        InputError: NumPy has no such type (bfloat16); the message calls them `what`.
    """
    if not isinstance(values, Tensor):
        return np.asarray(values)
    try:
        return values.detach().cpu().numpy()
    except TypeError:
        kind = str(values.dtype).removeprefix("torch.")
        raise InputError(f"{what} are of type {kind}, which NumPy lacks; expected uint8 or float32. Convert them: .float().") from None


def as_labels(values: ArrayLike | Tensor) -> Labels:
    """Return class indices, (N,), int64.

    Raises:
        InputError: they are no whole numbers, or one-hot rows.
    """
    labels = as_array(values, "labels")
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise InputError(f"labels have shape {labels.shape}, dtype {labels.dtype}; expected (N,) whole numbers: one class index per image.")
    return labels.astype(np.int64)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images.

    Raises:
        InputError: shapes, dtypes or labels do not fit.
    """

    name: str
    images: Pixels
    labels: Labels
    classes: int

    def __post_init__(self) -> None:
        subject = f"data set {self.name!r}"
        if self.images.ndim != 4 or self.images.dtype not in (np.uint8, np.float32):
            raise InputError(
                f"images of {subject} have shape {self.images.shape}, dtype {self.images.dtype}; "
                "expected (N, C, H, W), uint8 pixels or float32 values as the network takes them."
            )
        if self.labels.shape != (len(self.images),):
            raise InputError(f"{subject} has {len(self.images)} images and labels of shape {self.labels.shape}; expected one label per image.")
        if len(self.labels) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < self.classes:
            raise InputError(f"labels of {subject} span {self.labels.min()}..{self.labels.max()}; expected 0..{self.classes - 1}.")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.int64], *, name: str | None = None) -> Dataset:
        """Return the images at `indices`, in that order."""
        return Dataset(name or self.name, self.images[indices], self.labels[indices], self.classes)

    def first(self, count: int) -> Dataset:
        """Return the first `count` images (all, where there are fewer)."""
        return Dataset(self.name, self.images[:count], self.labels[:count], self.classes)


@dataclass(frozen=True, eq=False, kw_only=True)
class Splits:
    """Three disjoint sets: `calibration` fixes scales, `search` guides the search, `report` gives the printed accuracies."""

    calibration: Dataset
    search: Dataset
    report: Dataset

    @classmethod
    def make(
        cls,
        dataset: Dataset,
        *,
        seed: int,
        calibration: Dataset | int = 256,
        search: int | None = None,
        report: int | None = None,
    ) -> Splits:
        """Cut a data set into disjoint, seeded splits.

        Args:
            dataset: the evaluation images.
            seed: of the permutation; the same seed gives the same splits.
            calibration: a data set of its own (for example training images), or how many of `dataset`'s images to set aside.
            search: how many images guide the search; default half of what remains.
            report: how many images the report uses; default all that remain.

        Raises:
            InputError: more images are asked for than there are, or a split would be empty.
        """
        order = np.random.default_rng(seed).permutation(len(dataset)).astype(np.int64)
        used = 0
        if isinstance(calibration, int):
            used, calibration = calibration, dataset.take(order[:calibration], name=f"{dataset.name}:calibration")
        left = len(dataset) - used
        search = left // 2 if search is None else search
        report = left - search if report is None else report
        if search + report > left or min(search, report, len(calibration)) < 1:
            raise InputError(
                f"data set {dataset.name!r} has {len(dataset)} images; {used} to calibrate, {search} to search and {report} to report "
                "do not fit; expected positive numbers whose sum is at most that."
            )
        return cls(
            calibration=calibration,
            search=dataset.take(order[used : used + search], name=f"{dataset.name}:search"),
            report=dataset.take(order[used + search : used + search + report], name=f"{dataset.name}:report"),
        )
