"""The compiled part of the truth: `tail.cpp`, built once for this processor into HAWX's cache folder, called through ctypes."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hawx.errors import ToolMissingError
from hawx.files import cache_folder

SOURCE = Path(__file__).with_name("tail.cpp")
FLAGS = ("-std=c++20", "-O3", "-march=native", "-fno-math-errno", "-shared", "-fPIC")
COLUMNS = 32
"""Outputs of a layer are padded with zeros to a multiple of this (`kColumns` in tail.cpp)."""

Reals = NDArray[np.float32]


class Layer(ctypes.Structure):
    """`Layer` of tail.cpp; keeps the arrays that it points into."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("inputs", "columns")),
        *((name, ctypes.c_float) for name in ("inverse", "zero_point", "low", "high")),
        *((name, ctypes.c_void_p) for name in ("scale", "weight", "constant")),
    )

    @classmethod
    def of(cls, scale: Reals, law: tuple[float, float, float, float], weight: NDArray[np.int16], constant: NDArray[np.int32]) -> Layer:
        """Return a layer of (outputs, inputs) weights; `law`: inverse, zero point, low and high of the codes before it."""
        outputs, inputs = weight.shape
        columns = -(-outputs // COLUMNS) * COLUMNS
        padded = np.zeros((inputs + 1, columns), np.float32)
        padded[:, :outputs] = *weight.T, constant
        arrays = np.ascontiguousarray(scale), padded[:-1], padded[-1]
        layer = cls(inputs, columns, *law, *(array.ctypes.data for array in arrays))
        layer.arrays = arrays
        return layer


def count_correct(
    high: NDArray[np.int32], low: NDArray[np.int32], layers: Sequence[Layer], logit_scale: Reals, label: int, counts: NDArray[np.uint16]
) -> None:
    """Add 1 to `counts[i, j]`, contiguous, where the design of sums `high[i] + low[j]` answers `label`; releases the GIL.

    Raises:
        ToolMissingError: there is no C++ compiler.
    """
    assert counts.shape == (len(high), len(low))
    assert counts.flags.c_contiguous
    high, low, logit_scale = np.ascontiguousarray(high), np.ascontiguousarray(low), np.ascontiguousarray(logit_scale)
    rows = (Layer * len(layers))(*layers)
    library().count_correct(
        *(high.ctypes, ctypes.c_int64(len(high)), low.ctypes, ctypes.c_int64(len(low)), rows, ctypes.c_int64(len(layers))),
        *(logit_scale.ctypes, ctypes.c_int64(len(logit_scale)), ctypes.c_int64(label), counts.ctypes),
    )


@cache
def library() -> ctypes.CDLL:
    """Return the library, compiled unless the cache has it.

    Raises:
        ToolMissingError: there is no C++ compiler.
    """
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        raise ToolMissingError("the full truth needs a C++ compiler; expected `c++` or `g++` on the path.")
    name = hashlib.sha256(SOURCE.read_bytes() + platform.node().encode()).hexdigest()[:16]
    path = cache_folder() / f"truth-{name}.so"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}.so")
        subprocess.run(
            [compiler, "-std=c++20", "-O3", "-march=native", "-fno-math-errno", "-shared", "-fPIC", str(SOURCE), "-o", str(fresh)], check=True
        )
        fresh.replace(path)
    return ctypes.CDLL(str(path))
