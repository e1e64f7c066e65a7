"""What holds for every test."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep costs of the kernels out of the user's cache, and share one among the tests of a process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HAWX_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HAWX_JOBS", "1")  # processes that test beside each other have the cores
        yield
