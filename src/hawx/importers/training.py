"""The checkpoint of a training run: a safetensors file beside its output, from which the same command goes on. Nothing is unpickled."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from hawx.errors import InputError
from hawx.files import replacing
from hawx.networks.datasets import Dataset
from hawx.networks.training import Recipe, Snapshot

_KEY = "hawx_training"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a run keeps its snapshot, and which run that is."""

    path: Path
    identity: str
    """Hash of network, recipe, seed and data."""

    @classmethod
    def of(cls, output: Path, *, name: str, recipe: Recipe | None, seed: int, data: Dataset) -> Checkpoint:
        """Return the checkpoint of the run that trains `name` and will write `output`."""
        digest = hashlib.sha256(f"{name} {recipe} {seed} {data.images.shape}".encode())
        digest.update(data.images.tobytes())
        digest.update(data.labels.tobytes())
        return cls(output.with_suffix(".checkpoint"), digest.hexdigest())

    def load(self) -> Snapshot | None:
        """Return the snapshot to go on from; None where the run has not begun.

        Raises:
            InputError: the file is damaged, or belongs to a run of another network, recipe, seed or data.
        """
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                identity = (file.metadata() or {}).get(_KEY)
                snapshot = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        except (SafetensorError, OSError) as error:
            raise InputError(
                f"checkpoint {str(self.path)!r} cannot be read; expected one that a training wrote. Delete it to begin again."
            ) from error
        if identity != self.identity:
            raise InputError(
                f"checkpoint {str(self.path)!r} belongs to another run; expected one of the same network, data, epochs and seed. "
                "Delete it, or choose another --out."
            )
        return snapshot

    def save(self, snapshot: Snapshot) -> None:
        """Replace the file at once: a run killed while it writes leaves the one before."""
        with replacing(self.path) as draft:
            save_file(dict(snapshot), draft, metadata={_KEY: self.identity})

    def remove(self) -> None:
        """Forget the run: it is done."""
        self.path.unlink(missing_ok=True)
