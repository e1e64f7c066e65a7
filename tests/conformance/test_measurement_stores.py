"""Every measurement store of HAWX keeps the contract, and the suite notices one that does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from hawx.emulate.evaluator import Answers
from hawx.store import SqliteStore
from hawx.testing import MeasurementStoreSuite
from hawx.testing.measurement_stores import measurement_key
from hawx.verify.store import MeasurementKey, MeasurementStore, MemoryStore


class TestSqliteStore(MeasurementStoreSuite):
    def open(self, folder: Path) -> MeasurementStore:
        return SqliteStore(folder / "run.sqlite")

    def close(self, store: MeasurementStore) -> None:
        assert isinstance(store, SqliteStore)
        store.close()


class TestMemoryStore(MeasurementStoreSuite):
    durable = False

    def open(self, folder: Path) -> MeasurementStore:
        return MemoryStore()


class Forgetful(MemoryStore):
    """Keeps the last answers and ignores the images: wrong twice."""

    def get(self, key: MeasurementKey) -> Answers | None:
        return self._answers.get(measurement_key(key.assignment, network=key.network, blocks=key.blocks))

    def put(self, key: MeasurementKey, right: Answers) -> None:
        self._answers[measurement_key(key.assignment, network=key.network, blocks=key.blocks)] = right


class _Wrong(MeasurementStoreSuite):
    def open(self, folder: Path) -> MeasurementStore:
        return Forgetful()


def test_the_suite_notices_a_wrong_store(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        _Wrong().test_every_part_of_the_key_counts(tmp_path)
    with pytest.raises(AssertionError, match="other answers for the same key were accepted"):
        _Wrong().test_a_measurement_may_come_again_but_not_differ(tmp_path)
    with pytest.raises(AssertionError):
        _Wrong().test_what_was_put_is_there_when_opened_anew(tmp_path)
