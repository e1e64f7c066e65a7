"""What users hold as images and labels: arrays and tensors, lists, PyTorch's data sets and loaders, rows of a table. All become arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from hawx.errors import InputError
from hawx.networks.datasets import Dataset, Labels, Pixels, as_array, as_labels

Given = ArrayLike | Tensor | Dataset | TorchDataset[Any] | DataLoader[Any] | Sequence[Any]
"""(N, C, H, W) as an array or a tensor, or something that yields images, or pairs of image and label, or batches of them."""

IMAGE_KEYS, LABEL_KEYS = ("image", "img", "pixel_values"), ("label", "labels", "fine_label")
"""Names of the columns of a table of images, such as those of the Hugging Face hub."""


def given_images(values: Given, what: str = "images") -> Pixels:
    """Return images as (N, C, H, W), whatever of `Given` holds them; labels beside them are left.

    Raises:
        InputError: they are none, or of several sizes, or have their channels last; the message calls them `what`.
    """
    return _held(values, what)[0]


def given_pairs(values: Given, labels: ArrayLike | Tensor | None, what: str = "images") -> tuple[Pixels, Labels]:
    """Return images, (N, C, H, W), and labels, (N,): those given, else those that come with the images.

    Raises:
        InputError: as of `given_images`, or there are no labels.
    """
    images, own = _held(values, what)
    if labels is None and own is None:
        raise InputError(f"{what} come without labels; expected labels= beside them, or pairs of image and label.")
    return images, as_labels(own if labels is None else labels)  # type: ignore[arg-type]


def _held(values: Given, what: str) -> tuple[Pixels, NDArray[Any] | None]:
    if isinstance(values, Dataset):
        return values.images, values.labels
    images, labels = (as_array(values, what), None) if isinstance(values, np.ndarray | Tensor) else _gathered(values, what)
    _channels_first(images, what)
    return images, labels


def _gathered(values: Any, what: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    if not hasattr(values, "__iter__") and not hasattr(values, "__getitem__"):
        raise InputError(f"{what} are a {type(values).__name__}; expected an array (N, C, H, W), a data set or a loader of them.")
    images: list[NDArray[Any]] = []
    labels: list[NDArray[Any]] = []
    for image, label in map(_parted, _items(values)):
        array = as_array(image, what) if isinstance(image, Tensor) else np.asarray(image)
        batched = isinstance(values, DataLoader)
        images.append(array if batched else _as_planes(array)[None])
        if label is not None:
            labels.append(np.atleast_1d(as_array(label, "labels")))
    sizes = {array.shape[1:] for array in images}
    if len(sizes) != 1:
        found = "none" if not sizes else "of several sizes, among them " + " and ".join(str(size) for size in sorted(sizes, key=str)[:2])
        raise InputError(f"{what} are {found}; expected some of one size. Resize or crop them first.")
    return np.concatenate(images), np.concatenate(labels) if len(labels) == len(images) else None


def _items(values: Any) -> Iterator[Any]:
    """Yield the items of what has a length and an index, or can be run through; a data set of PyTorch need not end where its index does."""
    if isinstance(values, TorchDataset) and hasattr(values, "__len__"):
        return (values[i] for i in range(len(values)))
    return iter(values)


def _parted(item: Any) -> tuple[Any, Any]:
    if isinstance(item, Mapping):
        named = [next((item[key] for key in keys if key in item), None) for keys in (IMAGE_KEYS, LABEL_KEYS)]
        if named[0] is None:
            raise InputError(
                f"rows have the columns {', '.join(map(repr, item))}; expected an image under one of {', '.join(map(repr, IMAGE_KEYS))}."
            )
        return named[0], named[1]
    return (item[0], item[1] if len(item) > 1 else None) if isinstance(item, tuple | list) else (item, None)


def _as_planes(image: NDArray[Any]) -> NDArray[Any]:
    """Return one image as (C, H, W): pictures (of Pillow) have no channels, or have them last."""
    if image.ndim == 2:
        return image[None]
    last = image.ndim == 3 and image.shape[2] in (1, 3, 4) and image.shape[0] not in (1, 3, 4)
    return image.transpose(2, 0, 1) if last else image


def _channels_first(images: NDArray[Any], what: str) -> None:
    if images.ndim == 4 and images.shape[3] in (1, 3) and images.shape[1] not in (1, 3) and images.shape[1] == images.shape[2]:
        raise InputError(f"{what} of shape {images.shape} have their channels last; expected (N, C, H, W): {what}.transpose(0, 3, 1, 2).")
