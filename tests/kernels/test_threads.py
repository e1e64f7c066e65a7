"""Many callers at once, and processes that are forked while others compute: the same bits."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

import numpy as np
import pytest
from blocks import exact, full_rank, low_rank

from hawx import emulate
from hawx.emulate import Machine

RANDOM = np.random.default_rng(3)
IMAGES = [RANDOM.integers(-128, 128, (n, 5, 9, 8), dtype=np.int8) for n in (1, 2, 7)]
WEIGHTS = RANDOM.integers(-128, 128, (6, 5, 3, 3), dtype=np.int8)
BLOCKS = [exact(), low_rank(3), full_rank(seed=1), full_rank(seed=2, span=200)]
JOBS = [(images, block, threads) for images in IMAGES for block in BLOCKS for threads in (1, 3)]


def convolved(images: np.ndarray, block: object, threads: int) -> bytes:
    return emulate.conv2d(images, WEIGHTS, block, padding=1, threads=threads).tobytes()


def test_threads_that_share_a_fresh_machine_get_the_bits_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = [convolved(*job) for job in JOBS]
    monkeypatch.setattr("hawx.emulate.machine._default", Machine())  # its kernels are checked and its tables are searched by all at once
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            assert list(pool.map(lambda job: convolved(*job), JOBS)) == alone


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_a_process_that_is_forked_while_threads_compute_computes_the_same() -> None:
    job = (IMAGES[2], BLOCKS[2], 3)
    expected, stop = convolved(*job), Event()

    def work() -> None:
        while not stop.is_set():
            convolved(*job)

    threads = [Thread(target=work, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                os._exit(0 if convolved(*job) == expected else 1)
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
