"""Every engine on every tier equals the reference to the bit; bad input is refused before any work."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from blocks import exact, full_rank, low_rank
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hawx import emulate
from hawx.blocks import Block
from hawx.blocks.knowledge import common_knowledge
from hawx.emulate import ENGINES, layers, reference
from hawx.emulate.cost import Work
from hawx.emulate.geometry import Geometry
from hawx.emulate.groups import group_filters
from hawx.emulate.layers import LayerConstants
from hawx.emulate.plan import native_engines
from hawx.errors import InputError, UnknownNameError
from hawx.formats import U8
from hawx.networks.quantized import CodesOutput

RNG = np.random.default_rng(7)


@pytest.fixture(params=emulate.targets())
def target(request: pytest.FixtureRequest) -> Iterator[str]:
    emulate.use_target(request.param)
    yield request.param
    emulate.use_target(None)


def codes(shape: tuple[int, ...], fmt: str = "s8", rng: np.random.Generator = RNG) -> np.ndarray:
    return rng.integers(-128, 128, shape).astype(np.int8) if fmt == "s8" else rng.integers(0, 256, shape).astype(np.uint8)


# name: input (N, C, H, W), weight (O, C / groups, kh, kw), stride, padding, dilation, groups
SHAPES = {
    "3x3": ((2, 5, 7, 6), (9, 5, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "one": ((1, 1, 1, 1), (1, 1, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "1x1": ((3, 17, 4, 5), (33, 17, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "1x1 stride": ((2, 8, 5, 7), (16, 8, 1, 1), (2, 2), (0, 0, 0, 0), (1, 1), 1),
    "linear": ((37, 301, 1, 1), (10, 301, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "odd": ((1, 3, 9, 11), (50, 3, 5, 2), (2, 3), (2, 1, 0, 3), (1, 2), 1),
    "dilated": ((2, 4, 9, 9), (6, 4, 3, 3), (1, 2), (2, 2, 2, 2), (2, 2), 1),
    "all padding": ((1, 2, 2, 2), (4, 2, 3, 3), (1, 1), (3, 3, 3, 3), (1, 1), 1),
    "grouped": ((2, 6, 5, 5), (9, 2, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 3),
    "depthwise": ((2, 19, 6, 7), (19, 1, 3, 3), (2, 1), (1, 0, 1, 1), (1, 1), 19),
    "depthwise x2": ((1, 3, 5, 5), (6, 1, 5, 5), (1, 1), (2, 2, 2, 2), (1, 1), 3),
    "many": ((70, 2, 3, 3), (3, 2, 2, 2), (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "long": ((1, 130, 3, 3), (18, 130, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1),
}
CODES = np.arange(-128, 128)


def with_classes(classes: int, span: int) -> Block:
    """The exact product and an entry of any row for every class of activations."""
    rest = np.random.default_rng(classes).integers(0, span + 1, (classes, 256))
    return Block.from_table(exact().table + rest[np.arange(256) * 3 % classes], name=f"classes_{classes}_{span}")


BLOCKS = {
    "exact": exact(),
    "bytes left": Block.from_table(exact().table - np.multiply.outer(CODES & 7, CODES & 15), name="bytes_left"),
    "words left": Block.from_table(exact().table - np.multiply.outer(CODES & 15, 5 * (CODES & 31)), name="words_left"),
    "units left": Block.from_table(exact().table - 24 * np.multiply.outer(CODES & 7, CODES & 3), name="units_left"),
    "bytes of 64 classes": with_classes(64, 40),
    "bytes of 256 classes": with_classes(256, 200),
    "words of 32 classes": with_classes(32, 900),
    "words of 256 classes": with_classes(256, 4000),
    "rank3": low_rank(3),
    "rank6": low_rank(6),
    "pairs": full_rank(span=32768),
    "wide": full_rank(span=65536, low=-30000),
}


REMAINDERS = [name for name in BLOCKS if "left" in name or "classes" in name]


def computes(engine: str, block: Block, target: str, *, depthwise: bool = False) -> bool:
    """Whether the tier offers `engine` for `block` (of which the reference asks nothing)."""
    work = Work(pixels=1, reduction=1, filters=1, codes=1, depthwise=depthwise)
    return engine in (*native_engines(block, common_knowledge().of(block), work, emulate.Machine(target).model.tier), "auto", "torch", "reference")


def test_remainders_are_added_where_the_processor_has_dot_products_of_bytes(target: str) -> None:
    for name in REMAINDERS:
        assert computes("residual", BLOCKS[name], target) == (target == "avx512_vnni")
        assert not computes("residual", BLOCKS[name], target, depthwise=True)


@pytest.mark.parametrize("name", REMAINDERS)
def test_sums_of_remainders_are_widened_before_they_pass_their_limit(name: str, target: str) -> None:
    if computes("residual", BLOCKS[name], target):
        a, w = codes((70, 5000)), codes((66, 5000))
        w[:, :] |= 31  # the longest entries
        np.testing.assert_array_equal(emulate.matmul(a, w, BLOCKS[name], engine="residual"), reference.matmul(a, w, [BLOCKS[name]] * len(w)))


def test_a_low_rank_is_computed_in_bytes_where_the_processor_has_them(target: str) -> None:
    for block in (exact(), low_rank(3)):
        assert computes("bytes", block, target) == (target == "avx512_vnni")
        assert not computes("bytes", block, target, depthwise=True)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("engine", ["auto", "factored", "bytes", "residual", "table", "lookup", "torch"])
@pytest.mark.parametrize("name", SHAPES)
def test_every_engine_on_every_tier_equals_the_reference(name: str, engine: str, threads: int, target: str) -> None:
    shape, weight, stride, padding, dilation, groups = SHAPES[name]
    x, w = codes(shape), codes(weight)
    for block in BLOCKS.values():
        if not computes(engine, block, target, depthwise=groups > 1 and w.shape[1] == 1):
            continue
        expected = reference.conv2d(x, w, [block] * len(w), stride=stride, padding=padding, dilation=dilation, groups=groups)
        found = emulate.conv2d(x, w, block, stride=stride, padding=padding, dilation=dilation, groups=groups, engine=engine, threads=threads)
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, expected, err_msg=block.name)


@pytest.mark.parametrize("name", ["3x3", "grouped", "depthwise", "depthwise x2", "linear"])
def test_filters_with_their_own_blocks(name: str, target: str) -> None:
    shape, weight, stride, padding, dilation, groups = SHAPES[name]
    x, w = codes(shape), codes(weight)
    chosen = [list(BLOCKS.values())[i] for i in RNG.integers(0, len(BLOCKS), len(w))]
    expected = reference.conv2d(x, w, chosen, stride=stride, padding=padding, dilation=dilation, groups=groups)
    found = emulate.conv2d(x, w, chosen, stride=stride, padding=padding, dilation=dilation, groups=groups)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("channels", [3, 67])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(1, 1, 1), (1, 3, 1), (3, 1, 1), (3, 2, 1), (3, 3, 2), (5, 2, 1), (4, 2, 3), (2, 1, 3)])
def test_depthwise_lookups_whatever_the_walk(kernel: int, stride: int, dilation: int, channels: int, target: str) -> None:
    """Channels below, at and above what becomes planes together; images that need padding on all sides or on some; signs that do and do not mix."""
    rng = np.random.default_rng(kernel * 100 + stride * 10 + channels)
    blocks = [BLOCKS[name] for name in ("pairs", "wide", "rank3")]
    for multiplier, size, padding, low in ((1, (7, 7), (1, 1, 1, 1), -128), (2, (1, 9), (5, 4, 3, 0), 0), (1, (13, 4), (4, 7, 6, 3), -128)):
        size = tuple(max(n, dilation * (kernel - 1) + 1 - sum(padding[2 * i : 2 * i + 2])) for i, n in enumerate(size))
        x = rng.integers(low, 128, (2, channels, *size)).astype(np.int8)
        w = codes((channels * multiplier, 1, kernel, kernel), rng=rng)
        chosen = [blocks[i] for i in rng.integers(0, 3, len(w))]
        walk = {"stride": (stride, stride), "padding": padding, "dilation": (dilation, dilation), "groups": channels}
        expected = reference.conv2d(x, w, chosen, **walk)
        last = torch.from_numpy(x).to(memory_format=torch.channels_last)
        for threads in (1, 2):
            np.testing.assert_array_equal(emulate.conv2d(x, w, chosen, engine="lookup", threads=threads, **walk), expected)
            found = emulate.conv2d(last, torch.from_numpy(w), chosen, engine="lookup", threads=threads, **walk)
            np.testing.assert_array_equal(found.numpy(), expected)
        some = rng.integers(0, 2, len(w))  # the filters of one block are a list with gaps
        mixed = [(BLOCKS["exact"], BLOCKS["pairs"])[i] for i in some]
        np.testing.assert_array_equal(emulate.conv2d(last, torch.from_numpy(w), mixed, **walk).numpy(), reference.conv2d(x, w, mixed, **walk))


@pytest.mark.parametrize("images", [1, 2, 60])
@pytest.mark.parametrize("channels", [3, 70])
def test_depthwise_layers_of_several_chunks_finish_as_codes(images: int, channels: int, target: str) -> None:
    """Codes leave in blocks of channels, real values one by one: both equal the law, for chunks of rows and of images."""
    rng = np.random.default_rng(images)
    size = 45 if images < 3 else 8
    x = torch.from_numpy(codes((images, channels, size, size), rng=rng)).to(memory_format=torch.channels_last)
    w = torch.from_numpy(codes((channels, 1, 3, 3), rng=rng))
    block = BLOCKS["wide"]
    constants = LayerConstants(
        weight=w,
        geometry=Geometry(padding=(1, 1, 1, 1), groups=channels, pad=-3),
        bias=rng.integers(-5000, 5000, channels),
        scale=rng.uniform(1e-4, 2e-4, channels).astype(np.float32),
    )
    sums = torch.from_numpy(reference.conv2d(x.numpy(), w.numpy(), [block] * channels, padding=(1, 1, 1, 1), groups=channels, pad=-3))
    for output in (CodesOutput(scale=0.05, zero_point=3, relu=True), CodesOutput(scale=0.03, format=U8), None, int):
        expected = layers._finish(constants, sums, 0, output)
        for threads in (1, 2):
            found = emulate.default_machine().run(constants, x, group_filters([block] * channels), output, "lookup", threads)
            np.testing.assert_array_equal(found.numpy(), expected.numpy())


@pytest.mark.parametrize("share", [0.1, 0.5, 0.97])
def test_codes_of_filters_that_lie_apart(share: float, target: str) -> None:
    """Filters of one block among those of another leave gaps of any width in the output's channels."""
    rng = np.random.default_rng(11)
    x, w = codes((2, 6, 5, 3), rng=rng), codes((210, 6, 2, 2), rng=rng)
    chosen = [(BLOCKS["exact"], BLOCKS["pairs"])[int(v)] for v in rng.uniform(size=210) < share]
    constants = LayerConstants(
        weight=torch.from_numpy(w),
        geometry=Geometry(),
        bias=rng.integers(-5000, 5000, 210),
        scale=rng.uniform(1e-4, 2e-4, 210).astype(np.float32),
    )
    sums = torch.from_numpy(reference.conv2d(x, w, chosen))
    groups = group_filters(chosen)
    for output in (CodesOutput(scale=0.05, zero_point=3, relu=True), CodesOutput(scale=0.03, format=U8), None, int):
        for engine in ("auto", "table", "lookup"):
            np.testing.assert_array_equal(
                emulate.default_machine().run(constants, torch.from_numpy(x), groups, output, engine, 1).numpy(),
                layers._finish(constants, sums, 0, output).numpy(),
            )


@pytest.mark.parametrize(("a_format", "w_format"), [("s8", "u8"), ("u8", "s8"), ("u8", "u8")])
@pytest.mark.parametrize("engine", ["auto", "factored", "bytes", "residual", "table", "lookup", "torch"])
def test_unsigned_formats(a_format: str, w_format: str, engine: str, target: str) -> None:
    x, w = codes((2, 3, 6, 6), a_format), codes((4, 3, 3, 3), w_format)
    for block in (low_rank(2, formats=(a_format, w_format)), exact((a_format, w_format))):
        if computes(engine, block, target):
            expected = reference.conv2d(x, w, [block] * 4, padding=(1, 1, 1, 1))
            np.testing.assert_array_equal(emulate.conv2d(x, w, block, padding=1, engine=engine), expected)


def test_padding_multiplies_code_zero() -> None:
    table = np.zeros((256, 256), int)
    table[128] = np.arange(256)  # only T[0, w] is not zero
    block = Block.from_table(table, name="pad")
    x, w = np.ones((1, 1, 1, 1), np.int8), np.full((1, 1, 3, 3), 5, np.int8)
    for engine in ENGINES:
        if not computes(engine, block, emulate.active_target()):
            continue
        assert emulate.conv2d(x, w, block, padding=1, engine=engine).ravel().tolist() == [8 * (5 + 128)]


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, list[Block], dict[str, object]]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    padding = draw(st.tuples(*[st.integers(0, 3)] * 4))
    size = [max(1, dilation[i] * (kernel[i] - 1) + 1 - padding[2 * i] - padding[2 * i + 1]) + draw(st.integers(0, 4)) for i in (0, 1)]
    groups, depth, per_group = draw(st.integers(1, 4)), draw(st.integers(1, 5)), draw(st.integers(1, 5))
    x = codes((draw(st.integers(1, 3)), groups * depth, *size), rng=rng)
    w = codes((groups * per_group, depth, *kernel), rng=rng)
    palette = [low_rank(draw(st.integers(1, 5)), seed=draw(st.integers(0, 9))), full_rank(seed=draw(st.integers(0, 9))), exact()]
    chosen = [palette[i] for i in rng.integers(0, 3, len(w))]
    return x, w, chosen, {"stride": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))), "padding": padding, "dilation": dilation, "groups": groups}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(convolutions(), st.sampled_from(["auto", "table", "lookup"]))
def test_fuzz(target: str, case: tuple[np.ndarray, np.ndarray, list[Block], dict[str, object]], engine: str) -> None:
    x, w, blocks, arguments = case
    np.testing.assert_array_equal(emulate.conv2d(x, w, blocks, engine=engine, **arguments), reference.conv2d(x, w, blocks, **arguments))


def test_tensors_in_any_memory_format_give_tensors() -> None:
    x, w = torch.from_numpy(codes((2, 8, 5, 5))), torch.from_numpy(codes((4, 8, 3, 3)))
    expected = reference.conv2d(x.numpy(), w.numpy(), [BLOCKS["pairs"]] * 4)
    for images in (x, x.to(memory_format=torch.channels_last), x.transpose(2, 3).contiguous().transpose(2, 3)):
        found = emulate.conv2d(images, w, BLOCKS["pairs"])
        assert isinstance(found, torch.Tensor)
        np.testing.assert_array_equal(found.numpy(), expected)


def test_matmul_is_rows_against_rows() -> None:
    a, w = codes((11, 29)), codes((5, 29))
    blocks = [low_rank(2), exact(), full_rank(), exact(), low_rank(3)]
    np.testing.assert_array_equal(emulate.matmul(a, w, blocks), reference.matmul(a, w, blocks))
    assert np.array_equal(emulate.matmul(a, w, exact()), a.astype(int) @ w.astype(int).T)


def test_no_rows_give_no_results() -> None:
    assert emulate.matmul(codes((0, 4)), codes((3, 4)), exact()).shape == (0, 3)


@pytest.mark.parametrize("entry", [1 << 15, -(1 << 15), (1 << 20) - 1])
def test_tables_beyond_sixteen_bits(entry: int) -> None:
    table = np.random.default_rng(0).integers(-9000, 9000, (256, 256))
    table[5, 9], table[9, 5] = entry, -20000 if entry > 0 else 40000
    block = Block.from_table(table, name="wide")
    a, w = codes((6, 40)), codes((3, 40))
    np.testing.assert_array_equal(emulate.matmul(a, w, block), reference.matmul(a, w, [block] * 3))


@pytest.mark.parametrize(("entry", "dtype"), [(32767, np.int32), (32768, np.int64)])
def test_accumulators_at_the_limit_of_int32(entry: int, dtype: type[np.integer]) -> None:
    reduction = 65536
    a, w = np.full((1, reduction), -128, np.int8), np.full((2, reduction), -128, np.int8)
    table = np.zeros((256, 256), int)
    table[0, 0] = entry
    found = emulate.matmul(a, w, Block.from_table(table, name="limit"))
    assert found.dtype == dtype
    assert found.tolist() == [[entry * reduction] * 2]


def test_sums_that_wrap_on_the_way_are_exact_at_the_end() -> None:
    """Table entries are shifted to start at zero, so partial sums pass 2^32 although the result is small."""
    block = full_rank(span=65536, low=-32768)
    a, w = codes((2, 65535)), codes((3, 65535))
    for engine in ("table", "lookup"):
        np.testing.assert_array_equal(emulate.matmul(a, w, block, engine=engine), reference.matmul(a, w, [block] * 3))


BAD = {
    "dtype": (
        lambda: emulate.matmul(np.zeros((2, 3)), codes((2, 3)), exact()),
        "a of type float64 is not an array of codes; expected int8 or uint8.",
    ),
    "list": (lambda: emulate.matmul([[1, 2]], codes((2, 3)), exact()), "a of type list is not an array of codes; expected int8 or uint8."),
    "dimensions": (
        lambda: emulate.conv2d(codes((2, 3)), codes((1, 3, 1, 1)), exact()),
        r"x of shape (2, 3) is not usable; expected 4 non-empty dimensions.",
    ),
    "empty": (lambda: emulate.matmul(codes((2, 0)), codes((1, 0)), exact()), r"a of shape (2, 0) is not usable; expected 2 non-empty dimensions."),
    "depth": (
        lambda: emulate.matmul(codes((2, 4)), codes((1, 3)), exact()),
        "operands of shapes (2, 4) and (1, 3) do not fit; expected (M, K) and (N, K).",
    ),
    "count": (
        lambda: emulate.matmul(codes((2, 3)), codes((4, 3)), [exact()] * 3),
        "3 blocks do not fit 4 filters; expected one block, or one per filter.",
    ),
    "block": (
        lambda: emulate.matmul(codes((2, 3)), codes((1, 3)), ["mul8s"]),
        "block 'mul8s' is not a block; expected hawx.Block.from_table(...) or a member of a library.",
    ),
    "name": (
        lambda: emulate.matmul(codes((2, 3)), codes((1, 3)), "mul8s"),
        "block 'mul8s' is not a block; expected hawx.Block.from_table(...) or a member of a library.",
    ),
    "number": (
        lambda: emulate.matmul(codes((2, 3)), codes((1, 3)), 3),
        "block 3 is not a block; expected hawx.Block.from_table(...) or a member of a library.",
    ),
    "format": (
        lambda: emulate.matmul(codes((2, 3), "u8"), codes((1, 3)), exact()),
        "activations of dtype torch.uint8 do not fit format s8; expected int8.",
    ),
    "groups": (
        lambda: emulate.conv2d(codes((1, 4, 3, 3)), codes((3, 2, 1, 1)), exact(), groups=2),
        "weights (3, 2, 1, 1) do not fit input (1, 4, 3, 3) in 2 groups; expected (O, C / groups, kh, kw).",
    ),
    "kernel": (
        lambda: emulate.conv2d(codes((1, 1, 2, 2)), codes((1, 1, 3, 3)), exact()),
        "kernel (3, 3) does not fit input (1, 1, 2, 2) with padding (0, 0, 0, 0); expected a non-empty output.",
    ),
    "stride": (
        lambda: emulate.conv2d(codes((1, 1, 2, 2)), codes((1, 1, 1, 1)), exact(), stride=0),
        "stride 0 is not usable; expected a positive integer or a pair of them.",
    ),
    "padding": (
        lambda: emulate.conv2d(codes((1, 1, 2, 2)), codes((1, 1, 1, 1)), exact(), padding=(1, -1)),
        "padding (1, -1) is not usable; expected a non-negative integer, (height, width) or (top, bottom, left, right).",
    ),
    "engine": (
        lambda: emulate.matmul(codes((2, 3)), codes((1, 3)), full_rank(), engine="factored"),
        "engine 'factored' cannot compute block 'full_0_32768'; expected one of: table, lookup, torch.",
    ),
    "threads": (
        lambda: emulate.matmul(codes((2, 3)), codes((1, 3)), exact(), threads=0),
        "threads 0 is not usable; expected a positive integer, or None for PyTorch's number.",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused(name: str) -> None:
    call, message = BAD[name]
    with pytest.raises(InputError) as raised:
        call()
    assert str(raised.value) == message


def test_unknown_engine_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown engine 'lookups'; did you mean 'lookup'\?$"):
        emulate.matmul(codes((2, 3)), codes((1, 3)), exact(), engine="lookups")


def test_unknown_target_lists_those_that_run_here() -> None:
    with pytest.raises(
        InputError, match=r"^kernel target 'neon' cannot run here; expected one of: scalar.*\. Unset HAWX_FORCE_TARGET for the best\.$"
    ):
        emulate.use_target("neon")
