"""
HAWX kernels: exact integer convolutions under approximate products. Use hawx.emulate, not this module.
"""

from collections.abc import Sequence
from typing import Annotated, overload

import numpy
from numpy.typing import NDArray


class Window:
    def __init__(self, *, kernel: Sequence[int], stride: Sequence[int], origin: Sequence[int], dilation: Sequence[int], pad: int) -> None: ...

class Finish:
    def __init__(self, *, filters: Annotated[NDArray[numpy.int32], dict(shape=(None,), order='C', device='cpu', writable=False)], constant: Annotated[NDArray[numpy.int32], dict(shape=(None,), order='C', device='cpu', writable=False)], scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], inverse: float, zero_point: float, low: float, high: float, out: Annotated[NDArray, dict(shape=(None, None, None, None), order='C', device='cpu')]) -> None: ...

CLASS_COLUMNS: int = 64

DEPTHWISE_COLUMNS: int = 32

TABLE_PIXELS: int = 4096

class Kernels:
    """
    The kernels of one tier: a set of instructions that processors have or lack.
    """

    @property
    def name(self) -> str: ...

    @property
    def gemm_columns(self) -> int: ...

    @property
    def table_columns(self) -> int: ...

    @property
    def runs_here(self) -> bool: ...

    @property
    def has_byte_products(self) -> bool: ...

    def panel_size(self, window: Window, channels: int, products: int, filters: int, bytes: bool) -> int: ...

    @overload
    def pack(self, window: Window, channels: int, products: int, factors: Annotated[NDArray[numpy.int16], dict(shape=(None, None), order='C', device='cpu', writable=False)], panels: Annotated[NDArray[numpy.int16], dict(shape=(None,), order='C', device='cpu')]) -> None: ...

    @overload
    def pack(self, window: Window, channels: int, products: int, factors: Annotated[NDArray[numpy.int8], dict(shape=(None, None), order='C', device='cpu', writable=False)], panels: Annotated[NDArray[numpy.int8], dict(shape=(None,), order='C', device='cpu')]) -> None: ...

    @overload
    def conv_factored(self, codes: Annotated[NDArray, dict(shape=(None, None, None, None), device='cpu', writable=False)], window: Window, map: Annotated[NDArray[numpy.int16], dict(shape=(None, None), order='C', device='cpu', writable=False)], panels: Annotated[NDArray[numpy.int16], dict(shape=(None,), order='C', device='cpu', writable=False)], finish: Finish, threads: int) -> None: ...

    @overload
    def conv_factored(self, codes: Annotated[NDArray, dict(shape=(None, None, None, None), device='cpu', writable=False)], window: Window, map: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order='C', device='cpu', writable=False)], panels: Annotated[NDArray[numpy.int8], dict(shape=(None,), order='C', device='cpu', writable=False)], finish: Finish, threads: int) -> None: ...

    def conv_residual(self, codes: Annotated[NDArray, dict(shape=(None, None, None, None), device='cpu', writable=False)], window: Window, map: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order='C', device='cpu', writable=False)], panels: Annotated[NDArray[numpy.int8], dict(shape=(None,), order='C', device='cpu', writable=False)], classes: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)], tables: Annotated[NDArray[numpy.uint8], dict(shape=(None, None, None), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.uint8], dict(shape=(None, None, None), order='C', device='cpu', writable=False)], group: int, unit: int, longest: int, finish: Finish, threads: int) -> None: ...

    def conv_table(self, codes: Annotated[NDArray, dict(shape=(None, None, None, None), device='cpu', writable=False)], window: Window, rows: Sequence[Annotated[NDArray[numpy.uint16], dict(shape=(None, None), order='C', device='cpu', writable=False)]], planes: Sequence[Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order='C', device='cpu', writable=False)]], of: Annotated[NDArray[numpy.int32], dict(shape=(None,), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order='C', device='cpu', writable=False)], stationary: bool, finish: Finish, threads: int) -> None: ...

    def depthwise_factored(self, codes: Annotated[NDArray, dict(shape=(None, None, None, None), device='cpu', writable=False)], window: Window, map: Annotated[NDArray[numpy.int16], dict(shape=(None, None), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.int16], dict(shape=(None, None), order='C', device='cpu', writable=False)], channels: Annotated[NDArray[numpy.int32], dict(shape=(None,), order='C', device='cpu', writable=False)], finish: Finish, threads: int) -> None: ...

    def depthwise_lookup(self, codes: Annotated[NDArray, dict(shape=(None, None, None, None), device='cpu', writable=False)], window: Window, rows: Sequence[Annotated[NDArray[numpy.uint16], dict(shape=(None, None), order='C', device='cpu', writable=False)]], planes: Sequence[Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order='C', device='cpu', writable=False)]], of: Annotated[NDArray[numpy.int32], dict(shape=(None,), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order='C', device='cpu', writable=False)], channels: Annotated[NDArray[numpy.int32], dict(shape=(None,), order='C', device='cpu', writable=False)], finish: Finish, threads: int) -> None: ...

def tiers() -> list[Kernels]:
    """All tiers that were compiled, worst first."""

def gather_available() -> bool: ...

def gather_gemm(a: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order='C', device='cpu', writable=False)], w: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order='C', device='cpu', writable=False)], table: Annotated[NDArray[numpy.int32], dict(shape=(None, None), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.int32], dict(shape=(None, None), order='C', device='cpu')]) -> None: ...
