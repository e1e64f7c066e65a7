"""Data sets from files: npz archives, the standard MNIST and CIFAR-10 archives, folders and tar archives of images.

Nothing is unpickled: of CIFAR-10 the binary archive is read. Images are brought to the size that the network's preprocessing declares.
"""

from __future__ import annotations

import io
import lzma
import math
import re
import struct
import tarfile
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hawx.bounds import MEMBERS, check_expansion
from hawx.errors import InputError, ToolMissingError
from hawx.files import existing, read_bytes
from hawx.importers.arrays import gunzipped, npz_arrays
from hawx.networks.datasets import Dataset, Labels, Pixels
from hawx.networks.preprocessing import Preprocessing

_IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
_IMAGE_KEYS, _LABEL_KEYS = ("x", "images", "data"), ("y", "labels", "targets")
_CIFAR_RECORD = 1 + 3 * 32 * 32
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
"""Of image files, whatever their names say: other decoders start programs."""
_PIXELS = 1 << 26
"""Pixels of the largest image."""
_LARGEST = 1 << 33
"""Bytes of the largest file of a data set."""
_CLASSES = 1 << 20
_DAMAGED_TAR = (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, OverflowError)
"""What tarfile and its decompressors raise on damaged bytes."""
_DAMAGED_IMAGE = (OSError, SyntaxError, ValueError, zlib.error, struct.error, LookupError, OverflowError)
"""What Pillow raises on damaged bytes."""


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
    elif source.is_dir() or _is_tar(source):
        images, labels = _image_files(source, preprocessing, limit)
    else:
        raise InputError(
            f"data set {str(source)!r} has an unknown form; expected .npz, a folder or .tar of images, MNIST's files or CIFAR-10's binary archive. "
            "CIFAR-10's pickled archive is never loaded."
        )
    if len(images) != len(labels):
        raise InputError(f"data set {str(source)!r} has {len(images)} images and {len(labels)} labels; expected one label per image.")
    chosen = _spread(len(labels), limit)
    images, labels = images[chosen], labels[chosen]
    if not len(labels):
        raise InputError(f"data set {str(source)!r} holds no images; expected some.")
    if not 0 <= labels.min() <= labels.max() < _CLASSES:
        raise InputError(f"labels of data set {str(source)!r} span {labels.min()}..{labels.max()}; expected class indices below {_CLASSES:,}.")
    return Dataset(source.stem, images, labels, classes if classes is not None else int(labels.max()) + 1)


def has_two_parts(path: Path) -> bool:
    """Whether a source is one of the standard archives, which hold training and test images."""
    return path.exists() and path.suffix != ".npz" and (_is_mnist(path) or _is_cifar(path))


def _spread(count: int, limit: int | None) -> NDArray[np.int64]:
    if limit is None or limit >= count:
        return np.arange(count)
    return np.linspace(0, count - 1, limit).round().astype(np.int64)


def _npz(source: Path, part: str, preprocessing: Preprocessing | None, limit: int | None) -> tuple[Pixels, Labels]:
    where = f"data set {str(source)!r}"
    arrays = npz_arrays(source, where, "an .npz of arrays of images and labels")
    images, labels = (_pick(arrays, keys, part) for keys in (_IMAGE_KEYS, _LABEL_KEYS))
    if images is None or labels is None:
        held = ", ".join(f"{key} {value.shape}" for key, value in arrays.items())
        raise InputError(f"{where} holds {held}; expected images as one of {_IMAGE_KEYS} and labels as one of {_LABEL_KEYS}.")
    if labels.dtype.kind not in "iu":
        raise InputError(f"labels of {where} have dtype {labels.dtype}; expected whole numbers: one class index per image.")
    labels = labels.reshape(-1).astype(np.int64)
    if images.ndim == 1 and "offsets" in arrays:
        return _packed(images, labels, arrays["offsets"], where, preprocessing, limit)
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise InputError(f"images of {where} have shape {images.shape}, dtype {images.dtype}; expected uint8 (N, C, H, W) or (N, H, W, C).")
    return _channels_first(images), labels


def _packed(
    data: NDArray[Any], labels: Labels, offsets: NDArray[Any], where: str, preprocessing: Preprocessing | None, limit: int | None
) -> tuple[Pixels, Labels]:
    """Return images whose files stand one after the other in `data`, from `offsets[i]` to `offsets[i + 1]`."""
    good = data.dtype == np.uint8 and offsets.dtype.kind in "iu" and offsets.shape == (len(labels) + 1,) and len(labels) > 0
    if not good or (np.diff(offsets.astype(np.float64)) < 0).any() or not 0 <= offsets[0] <= offsets[-1] <= len(data):
        raise InputError(
            f"{where} has offsets of shape {offsets.shape}, dtype {offsets.dtype}, into {len(data)} of {data.dtype} for {len(labels)} labels; "
            "expected uint8 data and whole numbers that rise, one more than labels, within them."
        )
    chosen = _spread(len(labels), limit)
    return _stacked([_decode(str(i), data[int(offsets[i]) : int(offsets[i + 1])].tobytes(), preprocessing) for i in chosen], where), labels[chosen]


def _stacked(images: list[NDArray[np.uint8]], where: str) -> Pixels:
    if len({image.shape for image in images}) > 1:
        raise InputError(f"images of {where} differ in size; expected one size. Give the network's preprocessing, which declares a crop.")
    return np.stack(images)


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
    where = f"data set file {str(found[0])!r}"
    data = read_bytes(found[0], "data set file", most=_LARGEST)
    if found[0].suffix == ".gz":
        data = gunzipped(data, where)
    sizes = tuple(int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(dims))
    if data[:4] != bytes([0, 0, 8, dims]) or len(data) != 4 + 4 * dims + math.prod(sizes):
        raise InputError(f"{where} is damaged; expected an IDX file of bytes in {dims} dimensions, as long as its head says.")
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dims).reshape(sizes)


def _is_cifar(source: Path) -> bool:
    if source.is_dir():
        return (source / "test_batch.bin").is_file()
    return "cifar-10-binary" in source.name and _is_tar(source)


def _is_tar(source: Path) -> bool:
    try:
        return source.is_file() and tarfile.is_tarfile(source)
    except _DAMAGED_TAR:
        return False


def _cifar(source: Path, part: str) -> tuple[Pixels, Labels]:
    wanted = re.compile(r"(^|/)test_batch\.bin$" if part == "test" else r"(^|/)data_batch_\d\.bin$")
    with _opened(source) as files:
        records = [np.frombuffer(read(), np.uint8) for name, read in files if wanted.search(name)]
    if not sum(map(len, records)) or any(len(record) % _CIFAR_RECORD for record in records):
        raise InputError(f"data set {str(source)!r} lacks whole {part} batches; expected the files of cifar-10-binary.tar.gz.")
    rows = np.concatenate(records).reshape(-1, _CIFAR_RECORD)
    return rows[:, 1:].reshape(-1, 3, 32, 32).copy(), rows[:, 0].astype(np.int64)


_Files = list[tuple[str, Callable[[], bytes]]]
"""Path inside a source, and what reads the file there."""


@contextmanager
def _opened(source: Path) -> Iterator[_Files]:
    """Give the regular files of a folder or tar archive in sorted order. Links in an archive lead nowhere, and nothing of it is written.

    Raises:
        InputError: the archive is damaged, or unpacks to too much.
    """
    if source.is_dir():
        yield [(entry.relative_to(source).as_posix(), partial(_read, entry)) for entry in sorted(source.rglob("*")) if entry.is_file()]
        return
    where = f"data set {str(source)!r}"
    try:
        with tarfile.open(source) as archive:
            members: list[tarfile.TarInfo] = []
            total = 0
            for member in archive:
                total += member.size
                check_expansion(total, source.stat().st_size, where)
                if len(members) >= MEMBERS:
                    raise InputError(f"{where} holds more than {MEMBERS} files; expected fewer. Split it.")
                if member.isfile():
                    members.append(member)
            members.sort(key=lambda member: member.name)
            yield [(member.name.removeprefix("./"), partial(_extracted, archive, member)) for member in members]
    except InputError:
        raise
    except _DAMAGED_TAR as error:
        raise InputError(f"{where} is a damaged archive ({type(error).__name__}: {error}); expected a whole tar file. Fetch it again.") from error


def _read(path: Path) -> bytes:
    return read_bytes(path, "data set file", most=_LARGEST, least=0)


def _extracted(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    return b"" if stream is None else stream.read()


def _image_files(source: Path, preprocessing: Preprocessing | None, limit: int | None) -> tuple[Pixels, Labels]:
    with _opened(source) as found:
        files = [(name, read) for name, read in found if Path(name).suffix.lower() in _IMAGES]
        if not files:
            raise InputError(f"data set {str(source)!r} holds no image files; expected {', '.join(sorted(_IMAGES))}, one sub-folder per class.")
        labels = _labels([name for name, _ in files], source)
        chosen = _spread(len(files), limit)
        images = [_decode(files[i][0], files[i][1](), preprocessing) for i in chosen]
    return _stacked(images, f"data set {str(source)!r}"), labels[chosen]


def _labels(names: list[str], source: Path) -> Labels:
    folders = [Path(name).parent.as_posix() for name in names]
    if len(set(folders)) > 1:
        index = {folder: i for i, folder in enumerate(sorted(set(folders)))}
        return np.array([index[folder] for folder in folders], np.int64)
    numbers = [re.match(r"([0-9]{1,6})[_\-.]", Path(name).name) for name in names]
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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images, which are refused below
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
        _check_size(name, image.size)
        image = image.convert("RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError, *_DAMAGED_IMAGE) as error:
        raise InputError(f"image {name!r} cannot be decoded; expected a JPEG, PNG, BMP or WebP file.") from error
    if preprocessing is not None and preprocessing.resize is not None:
        scale = preprocessing.resize / min(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        _check_size(name, size)
        image = image.resize(size, Image.Resampling.BICUBIC)
    if preprocessing is not None and preprocessing.crop is not None:
        left, top = (image.width - preprocessing.crop) // 2, (image.height - preprocessing.crop) // 2
        image = image.crop((left, top, left + preprocessing.crop, top + preprocessing.crop))
    return np.asarray(image, np.uint8).transpose(2, 0, 1)


def _check_size(name: str, size: tuple[int, int]) -> None:
    if not 0 < math.prod(size) <= _PIXELS:
        raise InputError(f"image {name!r} has {size[0]}×{size[1]} pixels, as stored or as resized; expected at most {_PIXELS:,}. Scale it down.")
