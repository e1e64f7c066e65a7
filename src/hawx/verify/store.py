"""MeasurementStore: remembers what was measured, so that a killed run resumes with nothing measured twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hawx.emulate.evaluator import Answers
from hawx.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementKey:
    """What the answers of a design depend on, and nothing else. Every field is a hash or an id made of content."""

    network: str
    """Hash of the quantized network: weights, scales, formats, graph."""
    blocks: str
    """Hash of the tables that the assignment can name (names alone are not enough: they change between library releases)."""
    assignment: str
    """`Assignment.id`."""
    images: str
    """Hash of images and labels, in order."""


class MeasurementStore(Protocol):
    """Which images were answered right, by key.

    `put` is durable when it returns, whatever happens to the process afterwards. Putting the same key again with the same
    answers changes nothing; with others it raises `InputError`, because a measurement is bit-exact and cannot differ.
    Methods may be called from several threads of one process.
    """

    def get(self, key: MeasurementKey) -> Answers | None:
        """Return which images were answered right, (images,), as stored for `key`, or None."""
        ...

    def put(self, key: MeasurementKey, right: Answers) -> None:
        """Store which images were answered right, (images,)."""
        ...


class MemoryStore:
    """A store that lives as long as the process: the default where no run folder is wanted."""

    def __init__(self) -> None:
        self._answers: dict[MeasurementKey, Answers] = {}

    def get(self, key: MeasurementKey) -> Answers | None:
        return self._answers.get(key)

    def put(self, key: MeasurementKey, right: Answers) -> None:
        require_same(key, self._answers.setdefault(key, right), right)

    def __len__(self) -> int:
        return len(self._answers)


def require_same(key: MeasurementKey, stored: Answers, right: Answers) -> None:
    """Raise `InputError` when a key is measured again with other answers."""
    if not np.array_equal(stored, right):
        raise InputError(
            f"design {key.assignment!r} was measured with {int(stored.sum())} correct answers before and {int(right.sum())} now; "
            "expected the same answers. "
            "Start in an empty folder: the stored measurements come from another version."
        )
