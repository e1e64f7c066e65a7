"""What a machine keeps prepared: least recently used goes first, whatever layer it belongs to, and everything with its owner."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from weakref import ref

import numpy as np
import pytest
from blocks import exact, full_rank, low_rank

from hawx import emulate
from hawx.emulate import Machine, reference
from hawx.emulate.cache import ByteCache


class Owner:
    pass


class Value:
    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes


def refuse() -> Value:
    raise AssertionError("this value is there")


def test_values_of_all_owners_share_the_capacity() -> None:
    cache, one, two = ByteCache(100), Owner(), Owner()
    first = cache.get(one, "a", lambda: Value(40))
    cache.get(two, "a", lambda: Value(40))
    assert cache.get(one, "a", refuse) is first
    cache.get(two, "b", lambda: Value(40))  # the value of `two` is the one used longest ago
    assert (cache.nbytes, len(cache)) == (80, 2)
    assert cache.get(one, "a", refuse) is first
    with pytest.raises(AssertionError, match="this value is there"):
        cache.get(two, "a", refuse)


def test_a_value_larger_than_the_capacity_is_kept_alone() -> None:
    cache, owner = ByteCache(100), Owner()
    cache.get(owner, "small", lambda: Value(10))
    large = cache.get(owner, "large", lambda: Value(1000))
    assert cache.get(owner, "large", refuse) is large
    assert len(cache) == 1


def test_values_go_with_their_owner() -> None:
    cache, owner, other = ByteCache(100), Owner(), Owner()
    for key in range(3):
        cache.get(owner, key, lambda: Value(10))
    cache.get(other, 0, lambda: Value(7))
    del owner
    gc.collect()
    assert (cache.nbytes, len(cache)) == (7, 1)


def test_owners_that_are_values_take_what_they_own_along() -> None:
    """A layer composed for some blocks owns constants, which own parts: where the layer is forgotten, all of it goes."""
    cache, layer = ByteCache(100), Owner()
    composed = cache.get(layer, "composed", lambda: Value(40))
    cache.get(cache.get(composed, "constants", lambda: Value(10)), "part", lambda: Value(20))
    del composed
    cache.get(layer, "another", lambda: Value(50))
    assert (cache.nbytes, len(cache)) == (50, 1)


def test_a_cache_does_not_outlive_its_machine_for_its_owners() -> None:
    owner, machine = Owner(), Machine()
    kept = machine.cache.get(owner, "a", lambda: Value(1))
    gone = ref(kept)
    del kept, machine
    gc.collect()
    assert gone() is None


def test_layers_that_do_not_fit_are_prepared_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cap changes time, never a result; threads that share the cache included."""
    monkeypatch.setattr("hawx.emulate.machine._default", Machine(memory_bytes=1))
    rng = np.random.default_rng(0)
    cases = []
    for block in (exact(), low_rank(2), full_rank()):
        x, w = rng.integers(-128, 128, (1, 3, 5, 5)).astype(np.int8), rng.integers(-128, 128, (4, 3, 2, 2)).astype(np.int8)
        cases.append((x, w, block, reference.conv2d(x, w, [block] * 4)))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda case: emulate.conv2d(*case[:3]), cases * 8))
    for result, (*_, expected) in zip(found, cases * 8, strict=True):
        np.testing.assert_array_equal(result, expected)
