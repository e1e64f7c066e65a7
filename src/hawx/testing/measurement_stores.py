"""Conformance of measurement stores: what anything that remembers measurements must keep.

    class TestMyStore(MeasurementStoreSuite):
        def open(self, folder: Path) -> MeasurementStore:
            return MyStore(folder / "measurements")

The contract: nothing is there that was not put; every part of the key counts; the same measurement may come again, other answers for
the same key may not; several threads may put at once; and, where a store is `durable`, what was put is there when it is opened anew.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from hawx.emulate.evaluator import Answers
from hawx.errors import InputError
from hawx.verify.store import MeasurementKey, MeasurementStore


def measurement_key(assignment: str = "a", *, network: str = "n", blocks: str = "b", images: str = "i") -> MeasurementKey:
    """Return a key that differs from the default one in what is given."""
    return MeasurementKey(network=network, blocks=blocks, assignment=assignment, images=images)


def answers(correct: int, images: int = 30) -> Answers:
    """Return answers of which the first `correct` are right, (images,)."""
    return np.arange(images) < correct


def counted(right: Answers | None) -> int | None:
    """Return how many answers are right, None for None."""
    return None if right is None else int(right.sum())


class MeasurementStoreSuite:
    """Test class for any measurement store; override `open`, and `durable` for one that forgets when it is closed."""

    durable = True

    def open(self, folder: Path) -> MeasurementStore:
        """Return the store that lives in `folder`, made if it is not there yet."""
        raise NotImplementedError("a measurement store suite says where its store comes from: override open()")

    def close(self, store: MeasurementStore) -> None:
        """Release what `open` took; override where that is something."""

    def test_every_part_of_the_key_counts(self, tmp_path: Path) -> None:
        store = self.open(tmp_path)
        keys = [
            measurement_key(),
            measurement_key("c"),
            measurement_key(network="m"),
            measurement_key(blocks="d"),
            measurement_key(images="j"),
        ]
        assert [store.get(key) for key in keys] == [None] * len(keys)
        for count, key in enumerate(keys):
            store.put(key, answers(count))
        assert [counted(store.get(key)) for key in keys] == list(range(len(keys)))
        self.close(store)

    def test_a_measurement_may_come_again_but_not_differ(self, tmp_path: Path) -> None:
        store = self.open(tmp_path)
        store.put(measurement_key(), answers(7))
        store.put(measurement_key(), answers(7))
        for other in (answers(8), answers(7)[::-1].copy()):
            refusal = None
            try:
                store.put(measurement_key(), other)
            except InputError as error:
                refusal = str(error)
            assert refusal is not None, "other answers for the same key were accepted"
            assert "7" in refusal, refusal
        assert counted(store.get(measurement_key())) == 7
        self.close(store)

    def test_threads_may_put_at_once(self, tmp_path: Path) -> None:
        store = self.open(tmp_path)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda i: store.put(measurement_key(str(i % 25)), answers(i % 25)), range(100)))
        assert [counted(store.get(measurement_key(str(i)))) for i in range(25)] == list(range(25))
        self.close(store)

    def test_what_was_put_is_there_when_opened_anew(self, tmp_path: Path) -> None:
        store = self.open(tmp_path)
        store.put(measurement_key("kept"), answers(3))
        self.close(store)
        again = self.open(tmp_path)
        kept = again.get(measurement_key("kept"))
        assert (kept is not None) == self.durable
        assert kept is None or kept.tolist() == answers(3).tolist()
        self.close(again)
