"""What a training needs of files: its images, and a checkpoint beside its output from which the same command goes on. Nothing is unpickled."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from hawx.errors import InputError
from hawx.files import replacing, writable
from hawx.importers.datasets import has_two_parts, load_dataset
from hawx.importers.networks import training_part
from hawx.networks import zoo
from hawx.networks.datasets import Dataset, Pixels
from hawx.networks.preprocessing import Preprocessing
from hawx.networks.training import Recipe, Snapshot

_KEY, _CONTENT = "hawx_training", "sha256"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a training keeps its snapshot, and which training that is."""

    path: Path
    identity: str
    """Hash of network, recipe, seed and data."""

    @classmethod
    def of(cls, output: Path, *, name: str, recipe: Recipe | None, seed: int, data: Dataset) -> Checkpoint:
        """Return the checkpoint of the training of `name` and will write `output`."""
        digest = hashlib.sha256(f"{name} {recipe} {seed} {data.images.shape}".encode())
        digest.update(data.images.tobytes())
        digest.update(data.labels.tobytes())
        return cls(output.with_suffix(".checkpoint"), digest.hexdigest())

    @classmethod
    def beside(cls, output: Path, *parts: object) -> Checkpoint:
        """Return the checkpoint of the training that `parts` decide, as their texts, and that will write `output`."""
        return cls(output.with_suffix(".checkpoint"), hashlib.sha256(repr(parts).encode()).hexdigest())

    def load(self) -> Snapshot | None:
        """Return the snapshot to go on from; None where the training has not begun.

        Raises:
            InputError: the file is damaged, or belongs to a training of another network, recipe, seed or data.
        """
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                facts = file.metadata() or {}
                snapshot = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        except (SafetensorError, OSError) as error:
            raise InputError(
                f"checkpoint {str(self.path)!r} cannot be read; expected one that a training wrote. Delete it to begin again."
            ) from error
        identity = facts.get(_KEY)
        if facts.get(_CONTENT, found := _content(snapshot)) != found:
            raise InputError(
                f"checkpoint {str(self.path)!r} is damaged (SHA-256 differs); expected one as a training wrote it. Delete it to begin again."
            )
        if identity != self.identity:
            raise InputError(
                f"checkpoint {str(self.path)!r} belongs to another training; expected one of the same network, data, epochs and seed. "
                "Delete it, or choose another --out."
            )
        return snapshot

    def save(self, snapshot: Snapshot) -> None:
        """Replace the file at once: a training killed while it writes leaves the one before.

        Raises:
            InputError: the place cannot be written, or is full; the one before stays.
        """
        with writable(self.path, "checkpoint"), replacing(self.path) as draft:
            draft.write_bytes(save(dict(snapshot), metadata={_KEY: self.identity, _CONTENT: _content(snapshot)}))

    def remove(self) -> None:
        """Forget the training: it is done."""
        self.path.unlink(missing_ok=True)


def _content(snapshot: Snapshot) -> str:
    """Return a hash of all tensors: a bit that changed on the disk would still be a weight."""
    digest = hashlib.sha256()
    for name in sorted(snapshot):
        digest.update(f"{name} {tuple(snapshot[name].shape)} {snapshot[name].dtype}".encode())
        digest.update(snapshot[name].contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def training_images(
    source: str, *, data: str | None, train: str | None, preprocessing: Preprocessing | None, classes: int, apart: Pixels, limit: int | None
) -> Dataset:
    """Return the images to train the network `source` on, none of which is among `apart`.

    Args:
        data: what the network is evaluated on: its training part is used, where it has one.
        train: images of their own, which go before that.
        preprocessing: gives the size of image files.
        apart: uint8 images that a design is chosen or judged on.
        limit: at most so many images, evenly spread.

    Raises:
        InputError: there are no images to train on.
    """
    found: Dataset | None = None
    if train is not None:
        path = Path(train)
        part = "train" if path.suffix == ".npz" or has_two_parts(path) else "test"
        found = load_dataset(path, part=part, classes=classes, preprocessing=preprocessing, limit=limit)
    elif data is not None:
        found = training_part(data, preprocessing, limit)
    elif source in zoo.embedded.EMBEDDED:
        whole = zoo.calibration(source)
        found = whole.first(limit or len(whole))
    if found is None:
        raise InputError(
            f"data set {data!r} has no training part, and images that a design is chosen or judged on are not trained on; "
            "expected training images. Give them with --train."
        )
    seen = {hashlib.sha256(image.tobytes()).digest() for image in apart}
    unseen = [i for i, image in enumerate(found.images) if hashlib.sha256(image.tobytes()).digest() not in seen]
    if not unseen:
        raise InputError(f"all {len(found)} training images are among those that designs are judged on; expected others. Give them with --train.")
    return found.take(np.array(unseen, np.int64))
