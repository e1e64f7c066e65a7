"""The measurement store: what is put is there, even after the process was killed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from hawx.errors import InputError
from hawx.store import SqliteStore
from hawx.testing.measurement_stores import answers, counted
from hawx.verify.store import MeasurementKey


def key(assignment: str = "a", *, network: str = "n", blocks: str = "b", images: str = "i") -> MeasurementKey:
    return MeasurementKey(network=network, blocks=blocks, assignment=assignment, images=images)


KILLED = """
import os, signal, sqlite3, sys
from hawx.store import measurements
class Killed(sqlite3.Connection):
    def execute(self, statement, *arguments):
        if statement.startswith("PRAGMA user_version ="):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(statement, *arguments)
connect = sqlite3.connect
measurements.sqlite3.connect = lambda *arguments, **options: connect(*arguments, factory=Killed, **options)
measurements.SqliteStore(sys.argv[1])
"""


def test_a_store_of_counts_alone_is_measured_again_and_must_agree(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with sqlite3.connect(path) as old:  # as version 1 wrote it
        old.execute(
            "CREATE TABLE measurements (network TEXT NOT NULL, blocks TEXT NOT NULL, assignment TEXT NOT NULL, images TEXT NOT NULL, "
            "correct INTEGER NOT NULL, PRIMARY KEY (network, blocks, assignment, images)) WITHOUT ROWID"
        )
        old.execute("INSERT INTO measurements VALUES ('n', 'b', 'x', 'i', 4), ('n', 'b', 'y', 'i', 4)")
        old.execute("PRAGMA user_version = 1")
    old.close()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, capture_output=True)  # half way through the change
    assert killed.returncode == -9, killed.stderr
    with SqliteStore(path) as store:
        assert (len(store), store.get(key("x"))) == (2, None)
        store.put(key("x"), answers(4))
        assert counted(store.get(key("x"))) == 4
        with pytest.raises(InputError, match=r"^design 'y' has another count of right answers in '.*run\.sqlite'; start in an empty folder\.$"):
            store.put(key("y"), answers(5))
    with SqliteStore(path) as again:
        assert counted(again.get(key("x"))) == 4


def test_survives_kill(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    script = (
        "import os, signal, sys\n"
        "import numpy as np\n"
        "from hawx.store import SqliteStore\n"
        "from hawx.verify.store import MeasurementKey\n"
        "store = SqliteStore(sys.argv[1])\n"
        "for i in range(7):\n"
        "    store.put(MeasurementKey(network='n', blocks='b', assignment=str(i), images='i'), np.arange(50) < i * i)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode == -9
    with SqliteStore(path) as store:
        assert len(store) == 7
        assert [counted(store.get(key(str(i)))) for i in range(8)] == [0, 1, 4, 9, 16, 25, 36, None]


def test_two_processes_may_share_it(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with SqliteStore(path) as one, SqliteStore(path) as two:
        one.put(key("x"), answers(5))
        two.put(key("y"), answers(6))
        assert (counted(one.get(key("y"))), counted(two.get(key("x")))) == (6, 5)


def test_refuses_what_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    path.write_bytes(b"this is not a database, however long it may be" * 100)
    with pytest.raises(InputError, match=r"^measurement store '.*run\.sqlite' cannot be read \(file is not a database\); expected a SQLite file\. "):
        SqliteStore(path)
