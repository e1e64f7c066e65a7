"""One layer as planned: prepares constants, runs kernels or PyTorch, and finishes as the requantization law says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hawx.blocks.knowledge import Knowledge
from hawx.emulate import torch_engine
from hawx.emulate.cache import ByteCache
from hawx.emulate.cost import Work
from hawx.emulate.engine import Engine
from hawx.emulate.geometry import Geometry
from hawx.emulate.groups import FilterGroup, merge
from hawx.emulate.native import extension
from hawx.emulate.parts import Part, Share, WeightCodes, prepare
from hawx.networks.quantized import CodesOutput
from hawx.networks.requantize import inverse, torch_dtype

if TYPE_CHECKING:
    from hawx._native import Kernels

Output = CodesOutput | type[int] | None
"""Codes, the accumulators themselves (`int`), or real values."""

Plan = list[tuple[list[FilterGroup], Engine]]
"""Groups that run together, and how."""


@dataclass(eq=False)
class LayerConstants:
    """What does not change while a layer runs."""

    weight: Tensor
    """(filters, depth, kh, kw), int8 or uint8."""
    geometry: Geometry
    bias: NDArray[np.int64]
    """(filters,): minus the zero-point correction, in accumulator units."""
    scale: NDArray[np.float32]
    """(filters,)."""

    @classmethod
    def plain(cls, weight: Tensor, geometry: Geometry, scale: float = 1.0) -> LayerConstants:
        """Return constants that add nothing, with one scale."""
        return cls(weight=weight, geometry=geometry, bias=np.zeros(len(weight), np.int64), scale=np.full(len(weight), scale, np.float32))

    @property
    def nbytes(self) -> int:
        """Beside the weight, which is the layer's."""
        return self.bias.nbytes + self.scale.nbytes

    @property
    def reduction(self) -> int:
        return self.weight[0].numel()

    @property
    def depthwise(self) -> bool:
        return self.weight.shape[1] == 1 and self.geometry.groups > 1

    def work(self, codes: Tensor, filters: int) -> Work:
        """Return what the cost model needs to know of `filters` of the layer's filters."""
        kernel = self.weight.shape[2:]
        size = self.geometry.out_size(codes.shape[2], codes.shape[3], (kernel[0], kernel[1]))
        channels = filters if self.depthwise else codes.shape[1]
        read = [min(given, out) if k == 1 else given for given, out, k in zip(codes.shape[2:], size, kernel, strict=True)]
        return Work(
            pixels=len(codes) * size[0] * size[1],
            reduction=self.reduction,
            filters=filters,
            codes=len(codes) * channels * read[0] * read[1],
            depthwise=self.depthwise,
        )


def in_kernels(
    kernels: Kernels, cache: ByteCache, knowledge: Knowledge, constants: LayerConstants, codes: Tensor, plan: Plan, output: Output, threads: int
) -> Tensor:
    """Return the layer's output, (N, filters, H', W'), of codes (N, C, H, W) on the CPU, any memory format; what is prepared is kept in `cache`.

    For `int` they are accumulators in int32, which must hold them.
    """
    finish_of, values = extension().Finish, codes.numpy()
    filters, _, kh, kw = constants.weight.shape
    size = constants.geometry.out_size(codes.shape[2], codes.shape[3], (kh, kw))
    out = torch.empty((len(codes), *size, filters), dtype=_dtype_of(output))
    written, law = out.numpy(), _law_of(output)
    for groups, engine in plan:
        for share in _shares(constants, groups):
            part = cache.get(constants, share.key(engine), partial(_prepare, kernels, cache, knowledge, constants, share, engine))
            constant = (constants.bias[share.filters] + part.offset).astype(np.int32, casting="unsafe")  # modulo 2^32, as the kernels sum
            finish = finish_of(filters=share.filters, constant=constant, scale=constants.scale[share.filters], out=written, **law)
            part.call(values[:, share.channels], finish, threads)
    return out.permute(0, 3, 1, 2)


def _dtype_of(output: Output) -> torch.dtype:
    if isinstance(output, CodesOutput):
        return torch_dtype(output.format)
    return torch.float32 if output is None else torch.int32


def _law_of(output: Output) -> dict[str, float]:
    """Return the requantization law as kernels take it."""
    if not isinstance(output, CodesOutput):
        return {"inverse": 1.0, "zero_point": 0.0, "low": 0.0, "high": 0.0}
    return {"inverse": inverse(output.scale), "zero_point": output.zero_point, "low": output.low, "high": output.format.max}


def _shares(constants: LayerConstants, groups: Sequence[FilterGroup]) -> list[Share]:
    """Return what groups that run together give kernels: one share, or one per convolution group of a grouped (not depthwise) layer."""
    blocks, (filters, of) = tuple(group.block for group in groups), merge(groups)
    if constants.depthwise or constants.geometry.groups == 1:
        return [Share(blocks, of, filters, slice(0, None))]
    depth, homes = constants.weight.shape[1], filters // (len(constants.weight) // constants.geometry.groups)
    return [Share(blocks, of[homes == h], filters[homes == h], slice(h * depth, (h + 1) * depth)) for h in np.unique(homes).tolist()]


def _prepare(kernels: Kernels, cache: ByteCache, knowledge: Knowledge, constants: LayerConstants, share: Share, engine: Engine) -> Part:
    multiplier = len(constants.weight) // constants.geometry.groups if constants.depthwise else None
    return prepare(kernels, cache, knowledge, share, _weight_codes(constants.weight, share.filters), constants.geometry, engine, multiplier)


def _weight_codes(weight: Tensor, filters: NDArray[np.int32]) -> WeightCodes:
    """Return (filters, kh, kw, depth) indices in value order."""
    chosen = weight[torch.from_numpy(filters).to(torch.int64)].permute(0, 2, 3, 1).contiguous()
    return np.ascontiguousarray(chosen.view(torch.uint8).numpy() ^ (128 if weight.dtype == torch.int8 else 0))


def in_torch(
    cache: ByteCache, knowledge: Knowledge, constants: LayerConstants, codes: Tensor, groups: Sequence[FilterGroup], bound: int, output: Output
) -> Tensor:
    """Return the layer's output, (N, filters, H', W'), on the device of `codes`; `output` `int` gives int64 where int32 does not hold `bound`."""
    return _finish(constants, _accumulate(cache, knowledge, constants, codes, groups), bound, output)


def _accumulate(cache: ByteCache, knowledge: Knowledge, constants: LayerConstants, codes: Tensor, groups: Sequence[FilterGroup]) -> Tensor:
    """Return int64 accumulators, without the constant, on the device of `codes`."""
    weight = constants.weight.to(codes.device)
    if len(groups) == 1:
        return torch_engine.accumulate(codes, weight, groups[0].block, constants.geometry, cache, knowledge)
    out: Tensor | None = None
    for group in groups:
        filters = torch.from_numpy(group.filters).to(codes.device)
        whole = constants.geometry.groups > 1  # convolution groups stay whole: compute all filters, keep those of the block
        part = torch_engine.accumulate(codes, weight if whole else weight[filters], group.block, constants.geometry, cache, knowledge)
        if out is None:
            out = part.new_empty((part.shape[0], len(weight), *part.shape[2:]))
        out[:, filters] = part[:, filters] if whole else part
    assert out is not None
    return out


def _finish(constants: LayerConstants, acc: Tensor, bound: int, output: Output) -> Tensor:
    """Add the constant and apply the requantization law of `hawx.networks.requantize`."""
    total = acc + torch.from_numpy(constants.bias).to(acc.device).view(1, -1, 1, 1)
    if output is int:
        return total if bound >= 1 << 31 else total.to(torch.int32)
    real = total.to(torch.float32) * torch.from_numpy(constants.scale).to(acc.device).view(1, -1, 1, 1)
    if not isinstance(output, CodesOutput):
        return real
    codes = real.mul_(inverse(output.scale)).round_().add_(output.zero_point).clamp_(output.low, output.format.max)
    return codes.to(torch_dtype(output.format))
