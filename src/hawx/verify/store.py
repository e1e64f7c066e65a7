"""MeasurementStore: remembers what was measured, so that a killed run resumes with nothing measured twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hawx.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementKey:
    """What a count of correct answers depends on, and nothing else. Every field is a hash or an id made of content."""

    network: str
    """Hash of the quantized network: weights, scales, formats, graph."""
    blocks: str
    """Hash of the tables that the assignment can name (names alone are not enough: they change between library releases)."""
    assignment: str
    """`Assignment.id`."""
    images: str
    """Hash of images and labels, in order."""


class MeasurementStore(Protocol):
    """Counts of correct answers by key.

    `put` is durable when it returns, whatever happens to the process afterwards. Putting the same key again with the same
    count changes nothing; with another count it raises `InputError`, because a measurement is bit-exact and cannot differ.
    Methods may be called from several threads of one process.
    """

    def get(self, key: MeasurementKey) -> int | None:
        """Return the number of correct answers stored for `key`, or None."""
        ...

    def put(self, key: MeasurementKey, correct: int) -> None:
        """Store that `correct` answers were right."""
        ...


class MemoryStore:
    """A store that lives as long as the process: the default where no run folder is wanted."""

    def __init__(self) -> None:
        self._counts: dict[MeasurementKey, int] = {}

    def get(self, key: MeasurementKey) -> int | None:
        return self._counts.get(key)

    def put(self, key: MeasurementKey, correct: int) -> None:
        require_same(key, self._counts.setdefault(key, correct), correct)

    def __len__(self) -> int:
        return len(self._counts)


def require_same(key: MeasurementKey, stored: int, correct: int) -> None:
    """Raise `InputError` when a key is measured again with another count."""
    if stored != correct:
        raise InputError(
            f"design {key.assignment!r} was measured with {stored} correct answers before and {correct} now; expected the same count. "
            "Start in an empty folder: the stored measurements come from another version."
        )
