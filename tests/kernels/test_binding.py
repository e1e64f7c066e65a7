"""What the extension is called with is checked: wrong types, layouts, sizes and numbers are refused by Python, and no call ends the process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from hawx import _native, emulate

IMAGES, CHANNELS, SIZE, FILTERS = 2, 3, 5, 4
TAPS = 4
OUT = 4
KERNELS = [tier for tier in _native.tiers() if tier.runs_here]

Arguments = dict[str, Any]


def window(**changes: Any) -> Any:
    return _native.Window(**{"kernel": (2, 2), "stride": (1, 1), "origin": (0, 0), "dilation": (1, 1), "pad": 128, **changes})


def finish(**changes: Any) -> Any:
    given = {
        "filters": np.arange(FILTERS, dtype=np.int32),
        "constant": np.zeros(FILTERS, np.int32),
        "scale": np.ones(FILTERS, np.float32),
        "inverse": 1.0,
        "zero_point": 0.0,
        "low": -128.0,
        "high": 127.0,
        "out": np.zeros((IMAGES, OUT, OUT, FILTERS), np.int32),
    }
    return _native.Finish(**{**given, **changes})


def panels(kernels: Any, factors: np.ndarray, products: int) -> np.ndarray:
    size = kernels.panel_size(window(), CHANNELS, products, FILTERS, factors.dtype == np.int8)
    made = np.zeros(size, factors.dtype)
    kernels.pack(window(), CHANNELS, products, factors, made)
    return made


def calls(kernels: Any) -> dict[str, tuple[Callable[..., None], Arguments]]:
    """Return every function of a tier with arguments that it takes."""
    random = np.random.default_rng(0)
    codes = random.integers(-128, 128, (IMAGES, CHANNELS, SIZE, SIZE), dtype=np.int8)
    rows, planes = np.zeros((256, 256), np.uint16), np.zeros((256, 512), np.uint8)
    taken = {"codes": codes, "window": window(), "finish": finish(), "threads": 2}
    tables = {"rows": [rows, rows], "planes": [planes, planes], "of": np.array([0, 1, 1, 0], np.int32)}
    flat = random.integers(0, 256, (FILTERS, TAPS * CHANNELS), dtype=np.uint8)
    words = {"map": np.ones((256, 2), np.int16), "panels": panels(kernels, np.ones((FILTERS, TAPS * CHANNELS * 2), np.int16), 2)}
    channels = np.array([0, 1, 2, 0], np.int32)
    depthwise = np.ones((TAPS, -(-FILTERS * 2 // _native.DEPTHWISE_COLUMNS) * _native.DEPTHWISE_COLUMNS), np.int16)
    found: dict[str, tuple[Callable[..., None], Arguments]] = {
        "pack": (
            kernels.pack,
            {"window": window(), "channels": CHANNELS, "products": 2, "factors": np.ones((FILTERS, 24), np.int16), "panels": words["panels"]},
        ),
        "conv_factored": (kernels.conv_factored, {**taken, **words}),
        "conv_table": (kernels.conv_table, {**taken, **tables, "weights": flat, "stationary": False}),
        "conv_lookup": (kernels.conv_table, {**taken, **tables, "weights": flat, "stationary": True}),
        "depthwise_factored": (kernels.depthwise_factored, {**taken, "map": np.ones((256, 2), np.int16), "weights": depthwise, "channels": channels}),
        "depthwise_lookup": (kernels.depthwise_lookup, {**taken, **tables, "weights": flat[:, :TAPS].copy(), "channels": channels}),
    }
    if kernels.has_byte_products:
        octets = {"map": np.ones((256, 1), np.uint8), "panels": panels(kernels, np.ones((FILTERS, TAPS * CHANNELS), np.int8), 1)}
        found["conv_bytes"] = (kernels.conv_factored, {**taken, **octets})
        classes = {"classes": np.zeros(256, np.uint8), "tables": np.zeros((4, 1, 256), np.uint8), "group": 1, "unit": 1, "longest": 4}
        stacks = np.zeros((1, TAPS * CHANNELS, _native.CLASS_COLUMNS), np.uint8)
        found["conv_residual"] = (kernels.conv_residual, {**taken, **octets, **classes, "weights": stacks})
    if _native.gather_available():
        square = {"a": np.zeros((3, 7), np.uint8), "w": np.zeros((4, 7), np.uint8), "table": np.zeros((256, 256), np.int32)}
        found["gather_gemm"] = (_native.gather_gemm, {**square, "out": np.zeros((3, 4), np.int32)})
    return found


def hostile(name: str, value: Any) -> Iterator[Any]:
    """Yield values that an argument must not have, whatever the others are."""
    if isinstance(value, np.ndarray):
        yield from (None, 3, "text", [1, 2], object())
        yield from (value.astype(kind) for kind in (np.float64, np.complex64, np.bool_, object) if kind != value.dtype)
        yield value.ravel()[:1].reshape((1,) * (value.ndim + 1))
        yield np.zeros((0,) * value.ndim, value.dtype)
        if name != "codes":
            yield np.zeros(tuple(size + 1 for size in value.shape), value.dtype)
            yield np.broadcast_to(np.zeros((), value.dtype), tuple(size + 1 for size in value.shape))
            if value.dtype == np.int32 and value.ndim == 1:
                yield from (np.full_like(value, wrong) for wrong in (-1, 1 << 20, 1 << 31 - 1))
        else:
            yield np.zeros((IMAGES + 1, *value.shape[1:]), value.dtype)
            yield np.broadcast_to(np.zeros((), value.dtype), (IMAGES, 1 << 31, 1, 1))
            yield np.broadcast_to(np.zeros((), value.dtype), (IMAGES, CHANNELS, 1 << 31, 1))
    elif isinstance(value, list):
        yield from (None, [], value[:1], value * 2, [None], [value[0][:1]], [value[0].astype(np.float32)] * 2)
    elif isinstance(value, bool):
        yield from (None, "yes", 1.5)
    elif isinstance(value, int):
        yield from (None, "1", 1.5, 0, -1, 1 << 31, 1 << 63, -(1 << 31))
    else:
        yield from (None, 1, np.zeros(3))


@pytest.mark.parametrize("kernels", KERNELS, ids=lambda kernels: kernels.name)
def test_no_argument_is_taken_on_trust(kernels: Any) -> None:
    for name, (function, arguments) in calls(kernels).items():
        function(**arguments)  # as they are, they are taken
        for argument, value in arguments.items():
            for wrong in hostile(argument, value):
                with pytest.raises((TypeError, ValueError), match=r"."):  # noqa: PT012  the name is needed where it is not refused
                    function(**{**arguments, argument: wrong})
                    pytest.fail(f"{name} takes {argument} = {type(wrong).__name__} {getattr(wrong, 'shape', wrong)}")


WINDOWS: list[Arguments] = [
    *({part: (size, 1)} for part in ("kernel", "stride", "dilation") for size in (0, -1, 1 << 12, 1 << 31, 1 << 62)),
    *({"origin": (size, 0)} for size in (-1, 1 << 12, 1 << 62)),
    {"kernel": (4095, 4095)},
    {"kernel": (4, 16384)},
    {"kernel": (3, 3)},  # of more positions than the weights have
]


@pytest.mark.parametrize("change", WINDOWS, ids=str)
@pytest.mark.parametrize("kernels", KERNELS, ids=lambda kernels: kernels.name)
def test_windows_that_no_layer_has_are_refused(kernels: Any, change: Arguments) -> None:
    for name, (function, arguments) in calls(kernels).items():
        if "window" in arguments:
            with pytest.raises(ValueError, match=r"^(window|panels|weights|factors): "):  # noqa: PT012
                function(**{**arguments, "window": window(**change)})
                pytest.fail(name)


def test_a_window_of_far_apart_positions_is_refused_before_memory_is_asked_for() -> None:
    far = window(stride=(4095, 4095), dilation=(4095, 4095))
    for name, (function, arguments) in calls(KERNELS[0]).items():
        if "finish" in arguments:
            wide = finish(out=np.zeros((1, 1, (1 << 20) - 1, FILTERS), np.int32))
            one = arguments["codes"][:1]
            with pytest.raises(ValueError, match=r"^window: reaches over more than 2 GB of operands$"):  # noqa: PT012
                function(**{**arguments, "codes": one, "window": far, "finish": wide})
                pytest.fail(name)


@pytest.mark.parametrize("sizes", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (1 << 31, 1, 1), (1 << 24, 1, 1), (1, 2000, 1), (1, 1, 1 << 24), (-1, 1, 1)])
def test_panels_of_impossible_sizes_are_refused(sizes: tuple[int, int, int]) -> None:
    with pytest.raises((ValueError, TypeError), match=r"."):
        KERNELS[0].panel_size(window(), *sizes, False)


@pytest.mark.parametrize(
    "change",
    [
        {"filters": np.array([0, 1, 2, 4], np.int32)},
        {"filters": np.array([0, 1, 2, -1], np.int32)},
        {"filters": np.zeros(0, np.int32)},
        {"constant": np.zeros(3, np.int32)},
        {"scale": np.zeros(5, np.float32)},
        {"out": np.zeros((IMAGES + 1, OUT, OUT, FILTERS), np.int32)},
        {"out": np.zeros((IMAGES, OUT, OUT, FILTERS), np.int64)},
        {"out": np.zeros((IMAGES, 0, OUT, FILTERS), np.int32)},
        {"out": np.zeros((IMAGES, OUT, OUT, FILTERS), np.int8), "high": 200.0},
        {"out": np.zeros((IMAGES, OUT, OUT, FILTERS), np.uint8), "low": float("nan")},
    ],
    ids=str,
)
def test_results_that_do_not_fit_are_refused(change: Arguments) -> None:
    for function, arguments in calls(KERNELS[-1]).values():
        if "finish" in arguments:
            with pytest.raises(ValueError, match=r"^(filters|out): "):
                function(**{**arguments, "finish": finish(**change)})


def test_a_result_that_cannot_be_written_is_refused() -> None:
    fixed = np.zeros((IMAGES, OUT, OUT, FILTERS), np.int32)
    fixed.setflags(write=False)
    for out in (fixed, np.zeros((IMAGES, OUT, OUT, 2 * FILTERS), np.int32)[..., ::2]):
        with pytest.raises(TypeError):
            finish(out=out)


def test_no_images_give_nothing_and_any_layout_the_same() -> None:
    for name, (function, arguments) in calls(KERNELS[-1]).items():
        if "finish" not in arguments:
            continue
        function(**{**arguments, "codes": arguments["codes"][:0], "finish": finish(out=np.zeros((0, OUT, OUT, FILTERS), np.int32))})
        results = []
        whole = np.zeros((IMAGES, CHANNELS, 2 * SIZE, 2 * SIZE), np.int8)
        whole[:, :, ::2, ::2] = arguments["codes"]
        for codes in (arguments["codes"], np.asfortranarray(arguments["codes"]), whole[:, :, ::2, ::2], arguments["codes"][:, ::-1].copy()[:, ::-1]):
            out = np.zeros((IMAGES, OUT, OUT, FILTERS), np.int32)
            function(**{**arguments, "codes": codes, "finish": finish(out=out)})
            results.append(out)
        assert all(np.array_equal(results[0], other) for other in results[1:]), name


def test_the_tiers_tested_are_those_that_run_here() -> None:
    assert [tier.name for tier in KERNELS] == [*reversed(emulate.targets())] or {tier.name for tier in KERNELS} == set(emulate.targets())
