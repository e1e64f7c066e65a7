"""Self-check: every kernel of a tier against the reference on small asymmetric cases, before the first real product."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import torch

from hawx.blocks import Block
from hawx.blocks.knowledge import Knowledge
from hawx.emulate import layers, reference
from hawx.emulate.cache import ByteCache
from hawx.emulate.geometry import Geometry
from hawx.emulate.groups import group_filters
from hawx.emulate.native import describe
from hawx.emulate.plan import native_engines
from hawx.errors import HawxError

if TYPE_CHECKING:
    from hawx._native import Kernels


SHAPES = (2, 3, 19, 1), (1, 27, 19, 1), (2, 5, 5, 5)
"""Images, channels, filters and groups of a 2 × 3 kernel: shorter than any vector, longer than a tile (81 operands side by side), depthwise."""


class WrongKernelError(HawxError):
    """A kernel of the native extension disagrees with the reference on this machine."""


def check_kernels(kernels: Kernels, knowledge: Knowledge) -> None:
    """Compare every kernel of the tier with the reference, in a few hundredths of a second.

    Raises:
        WrongKernelError: a kernel is wrong; nothing may be computed with it.
    """
    tier, cache = describe(kernels), ByteCache(1 << 20)
    rng = np.random.default_rng(1)
    blocks = checked_blocks()
    for block, (images, channels, filters, groups) in product(blocks, SHAPES):
        x = rng.integers(-128, 128, (images, channels, 4, 5)).astype(np.int8)
        w = rng.integers(-128, 128, (filters, channels // groups, 2, 3)).astype(np.int8)
        geometry = Geometry(padding=(1, 0, 0, 1), groups=groups)
        expected = reference.conv2d(x, w, [block] * filters, padding=geometry.padding, groups=groups)
        constants, codes = layers.LayerConstants.plain(torch.from_numpy(w), geometry), torch.from_numpy(x)
        for engine in native_engines(block, knowledge.of(block), constants.work(codes, filters), tier):
            plan = [([*group_filters([block] * filters)], engine)]
            found = layers.in_kernels(kernels, cache, knowledge, constants, codes, plan, int, 1).numpy()
            if not np.array_equal(found, expected):
                kind = "depthwise " if groups > 1 else ""
                raise WrongKernelError(
                    f"the {kind}{engine} kernel of target {tier.name!r} disagrees with the reference on this machine; nothing was computed with it. "
                    "Choose another with HAWX_FORCE_TARGET (`hawx doctor` lists them), and report this."
                )


def checked_blocks() -> list[Block]:
    """Return blocks that between them need every kernel."""
    u, v = np.random.default_rng(0).integers(-90, 90, (2, 2, 256))
    a = np.arange(-128, 128)
    exact = np.multiply.outer(a, a)
    # Of rank 2; exact but for the two low bits, once and twenty times; and but for more: the remainders are bytes, bytes of a unit, and words.
    low = np.multiply.outer(a & 3, a & 3)
    tables = (u.T @ v, exact - low, exact - 20 * low, exact - np.multiply.outer(a & 1, 20 * (a & 63) + (a & 3)))
    return [Block.from_table(table, name=f"self-check-{i}") for i, table in enumerate(tables)]
