"""What a machine allows: as containers say it, and as the user does."""

from pathlib import Path

import pytest

from hawx.errors import InputError
from hawx.execution import resources
from hawx.runner import slices

GIB = 1 << 30


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 64 cores and 256 GiB, and the folder of its control group."""
    monkeypatch.setattr(resources, "_GROUP", tmp_path)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 256 * GIB // 4096}.get)
    monkeypatch.delenv("HAWX_JOBS", raising=False)
    return tmp_path


def test_a_whole_machine_works_on_all_cores(machine: Path) -> None:
    assert (resources.cores(), resources.memory_bytes(), resources.default_jobs(), resources.default_kept()) == (64, 256 * GIB, 64, 8 * GIB)


def test_a_container_has_what_it_is_given(machine: Path) -> None:
    (machine / "cpu.max").write_text("250000 100000\n")
    (machine / "memory.max").write_text(f"{4 * GIB}\n")
    assert (resources.cores(), resources.default_jobs(), resources.default_kept()) == (2, 2, GIB)
    (machine / "memory.max").write_text(f"{2 * GIB}\n")
    assert resources.default_jobs() == 1
    (machine / "cpu.max").write_text("50000 100000\n")
    assert resources.cores() == 1
    (machine / "cpu.max").write_text("max 100000\n")
    (machine / "memory.max").write_text("max\n")
    assert (resources.cores(), resources.memory_bytes()) == (64, 256 * GIB)


def test_the_environment_says_how_many_jobs(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAWX_JOBS", "3")
    assert resources.default_jobs() == 3
    monkeypatch.setenv("HAWX_JOBS", "all")
    with pytest.raises(InputError, match=r"^HAWX_JOBS = 'all' cannot be used; expected a whole number of at least 1\."):
        resources.default_jobs()


def test_slices_cover_everything_once_and_evenly() -> None:
    assert slices(10, 3) == [slice(0, 3), slice(3, 6), slice(6, 10)]
    assert slices(2, 5) == [slice(0, 1), slice(1, 2)]
    assert slices(7, 1) == [slice(0, 7)]
