"""The measurement store: what is put is there, even after the process was killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hawx.errors import InputError
from hawx.store import SqliteStore
from hawx.verify.store import MeasurementKey, MeasurementStore, MemoryStore


def key(assignment: str = "a", *, network: str = "n", blocks: str = "b", images: str = "i") -> MeasurementKey:
    return MeasurementKey(network=network, blocks=blocks, assignment=assignment, images=images)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_every_part_of_the_key_counts(kind: str, tmp_path: Path) -> None:
    store: MeasurementStore = MemoryStore() if kind == "memory" else SqliteStore(tmp_path / "run.sqlite")
    keys = [key(), key("c"), key(network="m"), key(blocks="d"), key(images="j")]
    assert [store.get(k) for k in keys] == [None] * 5
    for count, each in enumerate(keys):
        store.put(each, count)
        store.put(each, count)
    assert [store.get(k) for k in keys] == [0, 1, 2, 3, 4]
    with pytest.raises(InputError, match=r"^design 'c' was measured with 1 correct answers before and 9 now; expected the same count\. "):
        store.put(keys[1], 9)
    assert store.get(keys[1]) == 1
    if isinstance(store, SqliteStore):
        store.close()


def test_survives_kill(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    script = (
        "import os, signal, sys\n"
        "from hawx.store import SqliteStore\n"
        "from hawx.verify.store import MeasurementKey\n"
        "store = SqliteStore(sys.argv[1])\n"
        "for i in range(7):\n"
        "    store.put(MeasurementKey(network='n', blocks='b', assignment=str(i), images='i'), i * i)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode == -9
    with SqliteStore(path) as store:
        assert len(store) == 7
        assert [store.get(key(str(i))) for i in range(8)] == [0, 1, 4, 9, 16, 25, 36, None]


def test_two_processes_may_share_it(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with SqliteStore(path) as one, SqliteStore(path) as two:
        one.put(key("x"), 5)
        two.put(key("y"), 6)
        assert (one.get(key("y")), two.get(key("x"))) == (6, 5)


def test_refuses_what_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    path.write_bytes(b"this is not a database, however long it may be" * 100)
    with pytest.raises(InputError, match=r"^measurement store '.*run\.sqlite' cannot be read \(file is not a database\); expected a SQLite file\. "):
        SqliteStore(path)
