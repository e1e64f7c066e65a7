"""Data sets from files: npz archives, the standard MNIST and CIFAR-10 archives, folders and tar archives of images.

Nothing is unpickled: of CIFAR-10 the binary archive is read. Images are brought to the size that the network's preprocessing declares.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from collections.abc import Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from hawx.errors import InputError, ToolMissingError
from hawx.files import existing
from hawx.networks.datasets import Dataset, Labels, Pixels
from hawx.networks.preprocessing import Preprocessing

_IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
_IMAGE_KEYS, _LABEL_KEYS = ("x", "images", "data"), ("y", "labels", "targets")
_CIFAR_RECORD = 1 + 3 * 32 * 32


def load_dataset(
    path: str | PathLike[str],
    *,
    part: str = "test",
    classes: int | None = None,
    preprocessing: Preprocessing | None = None,
    limit: int | None = None,
) -> Dataset:
    """Return the labelled images at `path`.

    Args:
        path: `.npz` with images and labels (`x`, `y` or `images`, `labels`, or `x_train`, `x_test`…; or JPEG bytes `data`, `offsets`),
            the folder of the four MNIST files, the binary CIFAR-10 archive or its folder, or a folder or `.tar` of images: one sub-folder
            per class, in sorted order, or file names that start with the class number.
        part: `test` or `train`, where the source holds both.
        classes: how many there are; default one more than the largest label.
        preprocessing: gives the size of image files; not needed where all have one size.
        limit: read at most so many images, evenly spread over the source.

    Raises:
        InputError: nothing there can be read as labelled images; the message names it.
        ToolMissingError: image files are given and Pillow is not installed.
    """
    source = existing(Path(fspath(path)), "data set")
    if source.suffix == ".npz":
        images, labels = _npz(source, part, preprocessing, limit)
    elif _is_mnist(source):
        images, labels = _mnist(source, part)
    elif _is_cifar(source):
        images, labels = _cifar(source, part)
    elif source.is_dir() or tarfile.is_tarfile(source):
        images, labels = _image_files(source, preprocessing, limit)
    else:
        raise InputError(
            f"data set {str(source)!r} has an unknown form; expected .npz, a folder or .tar of images, MNIST's files or CIFAR-10's binary archive. "
            "CIFAR-10's pickled archive is never loaded."
        )
    chosen = _spread(len(labels), limit)
    images, labels = images[chosen], labels[chosen]
    if not len(labels):
        raise InputError(f"data set {str(source)!r} holds no images; expected some.")
    return Dataset(source.stem, images, labels, classes if classes is not None else int(labels.max()) + 1)


def has_two_parts(path: Path) -> bool:
    """Whether a source is one of the standard archives, which hold training and test images."""
    return path.exists() and path.suffix != ".npz" and (_is_mnist(path) or _is_cifar(path))


def _spread(count: int, limit: int | None) -> NDArray[np.int64]:
    if limit is None or limit >= count:
        return np.arange(count)
    return np.linspace(0, count - 1, limit).round().astype(np.int64)


def _npz(source: Path, part: str, preprocessing: Preprocessing | None, limit: int | None) -> tuple[Pixels, Labels]:
    try:
        with source.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
        raise InputError(f"data set {str(source)!r} is not a readable .npz without pickled objects; expected arrays of images and labels.") from error
    images, labels = (_pick(arrays, keys, part) for keys in (_IMAGE_KEYS, _LABEL_KEYS))
    if images is None or labels is None:
        held = ", ".join(f"{key} {value.shape}" for key, value in arrays.items())
        raise InputError(f"data set {str(source)!r} holds {held}; expected images as one of {_IMAGE_KEYS} and labels as one of {_LABEL_KEYS}.")
    labels = labels.reshape(-1).astype(np.int64)
    if images.ndim == 1 and "offsets" in arrays:
        offsets = arrays["offsets"]
        chosen = _spread(len(labels), limit)
        files = ((str(i), images[offsets[i] : offsets[i + 1]].tobytes()) for i in chosen)
        return np.stack([_decode(name, data, preprocessing) for name, data in files]), labels[chosen]
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise InputError(
            f"images of data set {str(source)!r} have shape {images.shape}, dtype {images.dtype}; expected uint8 (N, C, H, W) or (N, H, W, C)."
        )
    if len(images) != len(labels):
        raise InputError(f"data set {str(source)!r} has {len(images)} images and {len(labels)} labels; expected one label per image.")
    return _channels_first(images), labels


def _pick(arrays: dict[str, Any], keys: tuple[str, ...], part: str) -> NDArray[Any] | None:
    for key in keys:
        for name in (f"{key}_{part}", key):
            if name in arrays:
                found: NDArray[Any] = arrays[name]
                return found
    return None


def _channels_first(images: NDArray[np.uint8]) -> Pixels:
    if images.ndim == 3:
        return images[:, None]
    if images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return images


def _is_mnist(source: Path) -> bool:
    return source.is_dir() and any(re.match(r"(t10k|train)-images", entry.name) for entry in source.iterdir())


def _mnist(folder: Path, part: str) -> tuple[Pixels, Labels]:
    prefix = "t10k" if part == "test" else "train"
    images = _idx(folder, f"{prefix}-images", dims=3)
    labels = _idx(folder, f"{prefix}-labels", dims=1)
    return images[:, None], labels.astype(np.int64)


def _idx(folder: Path, stem: str, *, dims: int) -> NDArray[np.uint8]:
    """Read an IDX file (Y. LeCun's format: magic 0, 0, 8, dims; sizes as big-endian int32; bytes), gzipped or not."""
    found = sorted(entry for entry in folder.iterdir() if entry.name.startswith(stem))
    if not found:
        raise InputError(f"data set {str(folder)!r} lacks {stem}-idx{dims}-ubyte(.gz); expected the four MNIST files.")
    try:
        data = gzip.decompress(found[0].read_bytes()) if found[0].suffix == ".gz" else found[0].read_bytes()
        sizes = tuple(int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(dims))
        array = np.frombuffer(data, np.uint8, offset=4 + 4 * dims).reshape(sizes)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"data set file {str(found[0])!r} is damaged; expected an IDX file of {dims} dimensions.") from error
    return array


def _is_cifar(source: Path) -> bool:
    if source.is_dir():
        return (source / "test_batch.bin").is_file()
    return source.is_file() and tarfile.is_tarfile(source) and "cifar-10-binary" in source.name


def _cifar(source: Path, part: str) -> tuple[Pixels, Labels]:
    wanted = re.compile(r"(^|/)test_batch\.bin$" if part == "test" else r"(^|/)data_batch_\d\.bin$")
    records = [np.frombuffer(data, np.uint8) for name, data in _files(source) if wanted.search(name)]
    if not records or any(len(record) % _CIFAR_RECORD for record in records):
        raise InputError(f"data set {str(source)!r} lacks whole {part} batches; expected the files of cifar-10-binary.tar.gz.")
    rows = np.concatenate(records).reshape(-1, _CIFAR_RECORD)
    return rows[:, 1:].reshape(-1, 3, 32, 32).copy(), rows[:, 0].astype(np.int64)


def _files(source: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (path inside the source, bytes) of every regular file, in sorted order."""
    if source.is_dir():
        for entry in sorted(source.rglob("*")):
            if entry.is_file():
                yield entry.relative_to(source).as_posix(), entry.read_bytes()
        return
    with tarfile.open(source) as archive:
        for member in sorted((m for m in archive.getmembers() if m.isfile()), key=lambda m: m.name):
            stream = archive.extractfile(member)
            if stream is not None:
                yield member.name.removeprefix("./"), stream.read()


def _image_files(source: Path, preprocessing: Preprocessing | None, limit: int | None) -> tuple[Pixels, Labels]:
    files = [(name, data) for name, data in _files(source) if Path(name).suffix.lower() in _IMAGES]
    if not files:
        raise InputError(f"data set {str(source)!r} holds no image files; expected {', '.join(sorted(_IMAGES))}, one sub-folder per class.")
    labels = _labels([name for name, _ in files], source)
    chosen = _spread(len(files), limit)
    images = [_decode(files[i][0], files[i][1], preprocessing) for i in chosen]
    if len({image.shape for image in images}) > 1:
        raise InputError(
            f"images of data set {str(source)!r} differ in size; expected one size. Give the network's preprocessing, which declares a crop."
        )
    return np.stack(images), labels[chosen]


def _labels(names: list[str], source: Path) -> Labels:
    folders = [Path(name).parent.as_posix() for name in names]
    if len(set(folders)) > 1:
        index = {folder: i for i, folder in enumerate(sorted(set(folders)))}
        return np.array([index[folder] for folder in folders], np.int64)
    numbers = [re.match(r"(\d+)[_\-.]", Path(name).name) for name in names]
    for name, number in zip(names, numbers, strict=True):
        if number is None:
            raise InputError(
                f"image {name!r} of data set {str(source)!r} has no class; expected one sub-folder per class, or file names like 17_cat.jpg."
            )
    return np.array([int(number[1]) for number in numbers if number is not None], np.int64)


def _decode(name: str, data: bytes, preprocessing: Preprocessing | None) -> NDArray[np.uint8]:
    """Return one image as (C, H, W), resized and cropped as the preprocessing declares."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise ToolMissingError("reading image files needs Pillow; run `pip install 'hawx[images]'`.") from error
    try:
        image = Image.open(io.BytesIO(data)).convert("RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(f"image {name!r} cannot be decoded; expected a JPEG, PNG, BMP or WebP file.") from error
    if preprocessing is not None and preprocessing.resize is not None:
        scale = preprocessing.resize / min(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    if preprocessing is not None and preprocessing.crop is not None:
        left, top = (image.width - preprocessing.crop) // 2, (image.height - preprocessing.crop) // 2
        image = image.crop((left, top, left + preprocessing.crop, top + preprocessing.crop))
    return np.asarray(image, np.uint8).transpose(2, 0, 1)
