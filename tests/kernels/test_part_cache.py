"""What is kept of prepared operands: least recently used goes first, whatever layer it belongs to, and everything with its owner."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from blocks import exact, full_rank, low_rank

from hawx import emulate
from hawx.emulate import layers, reference
from hawx.emulate.part_cache import PartCache
from hawx.emulate.parts import Part


class Owner:
    pass


def part(nbytes: int) -> Part:
    nothing = np.zeros(0, np.int64)
    return Part(filters=nothing.astype(np.int32), channels=slice(None), offset=nothing, nbytes=nbytes, call=lambda *_: None)


def refuse() -> Part:
    raise AssertionError("this part is there")


def test_parts_of_all_owners_share_the_capacity() -> None:
    cache, one, two = PartCache(100), Owner(), Owner()
    first = cache.get(one, "a", lambda: part(40))
    cache.get(two, "a", lambda: part(40))
    assert cache.get(one, "a", refuse) is first
    cache.get(two, "b", lambda: part(40))  # the part of `two` is the one used longest ago
    assert (cache.nbytes, len(cache)) == (80, 2)
    assert cache.get(one, "a", refuse) is first
    with pytest.raises(AssertionError, match="this part is there"):
        cache.get(two, "a", refuse)


def test_a_part_larger_than_the_capacity_is_kept_alone() -> None:
    cache, owner = PartCache(100), Owner()
    cache.get(owner, "small", lambda: part(10))
    large = cache.get(owner, "large", lambda: part(1000))
    assert cache.get(owner, "large", refuse) is large
    assert len(cache) == 1


def test_parts_go_with_their_owner() -> None:
    cache, owner, other = PartCache(100), Owner(), Owner()
    for key in range(3):
        cache.get(owner, key, lambda: part(10))
    cache.get(other, 0, lambda: part(7))
    del owner
    gc.collect()
    assert (cache.nbytes, len(cache)) == (7, 1)


def test_layers_that_do_not_fit_are_prepared_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cap changes time, never a result; threads that share the cache included."""
    monkeypatch.setattr(layers, "_prepared", PartCache(1))
    rng = np.random.default_rng(0)
    cases = []
    for block in (exact(), low_rank(2), full_rank()):
        x, w = rng.integers(-128, 128, (1, 3, 5, 5)).astype(np.int8), rng.integers(-128, 128, (4, 3, 2, 2)).astype(np.int8)
        cases.append((x, w, block, reference.conv2d(x, w, [block] * 4)))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda case: emulate.conv2d(*case[:3]), cases * 8))
    for result, (*_, expected) in zip(found, cases * 8, strict=True):
        np.testing.assert_array_equal(result, expected)
