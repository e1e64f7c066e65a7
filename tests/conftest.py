"""What holds for every test."""

import os
from collections.abc import Iterator

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # processes that test beside each other have the cores: read when PyTorch is imported


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep costs of the kernels out of the user's cache, share one among the tests of a process, and work in one where nothing else is said."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HAWX_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HAWX_JOBS", "1")
        yield
