"""One layer under a choice of blocks: groups filters, picks an engine per group, runs it, and finishes as the requantization law says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hawx.blocks import Block
from hawx.emulate import torch_engine
from hawx.emulate.cost import CLASS_COLUMNS, CostModel, Effort, Work, active_model
from hawx.emulate.engine import AUTO, SHARED_ENGINES, Engine, choose
from hawx.emulate.geometry import Geometry
from hawx.emulate.groups import FilterGroup, magnitude_bound, merge
from hawx.emulate.native import active_target, kernels
from hawx.emulate.part_cache import PartCache
from hawx.emulate.parts import Part, WeightCodes, prepare
from hawx.networks.quantized import CodesOutput
from hawx.networks.requantize import inverse, torch_dtype

Plan = list[tuple[list[FilterGroup], Engine]]
"""Groups that run together, and how."""

_SWEEPS = 8
"""Rounds in which groups may change what they leave to a common call; two or three are enough."""


_prepared = PartCache(512 << 20)
"""Keyed by blocks, the block of each filter, filters, first channel, engine and tier."""


@dataclass(eq=False)
class Operands:
    """The constant operands of one layer."""

    weight: Tensor
    """(filters, depth, kh, kw), int8 or uint8."""
    geometry: Geometry
    constant: NDArray[np.int64]
    """(filters,): bias minus zero-point correction, in accumulator units."""
    scale: NDArray[np.float32]
    """(filters,)."""

    @property
    def reduction(self) -> int:
        return self.weight[0].numel()

    @property
    def depthwise(self) -> bool:
        return self.weight.shape[1] == 1 and self.geometry.groups > 1


def run(
    operands: Operands, codes: Tensor, groups: Sequence[FilterGroup], output: CodesOutput | type[int] | None, engine: str, threads: int | None
) -> Tensor:
    """Return the layer's output, (N, filters, H', W').

    Args:
        codes: (N, C, H, W), any memory format, on any device (native kernels run on the CPU, the torch engine elsewhere).
        groups: which filters use which block; together all filters, each once.
        output: codes, real values (None), or the accumulators themselves (`int`: int32, int64 where int32 does not hold their bound).
        engine: one of `ENGINES` except the reference.
    """
    bound = magnitude_bound(operands.reduction, groups) + int(np.abs(operands.constant).max())
    if bound >= 1 << 31 or not codes.is_cpu or engine == Engine.TORCH:
        return _finish(operands, _in_torch(operands, codes, groups), bound, output)
    plan = make_plan(operands, codes, groups, engine)
    if plan is None:
        return _finish(operands, _in_torch(operands, codes, groups), bound, output)
    return _in_kernels(operands, codes, plan, output, threads or torch.get_num_threads())


def make_plan(operands: Operands, codes: Tensor, groups: Sequence[FilterGroup], engine: str) -> Plan | None:
    """Return which groups run together on which engine, or None where only the torch engine can run them all.

    Table engines take filters of any blocks in one call, and every engine pays for filters in multiples of its own. So small groups share a call,
    and what large ones have beyond a multiple may fill up that call. Starting from everything that tables hold in one call, and from nothing, each
    group in turn keeps as many filters to itself as is predicted to be cheapest, until none changes.
    """
    model = active_model(active_target())
    largest_first = sorted(groups, key=lambda group: -len(group.filters))
    options = [_options(operands, codes, group, model, engine) for group in largest_first]
    if any(not option for option in options):
        return None

    @cache
    def together(count: int) -> tuple[float, Engine]:
        if count == 0:
            return 0.0, Engine.TABLE
        work = work_of(operands, codes, count)
        return min((model.seconds(e, work, Effort()), e) for e in (SHARED_ENGINES if engine == AUTO else (Engine(engine),)))

    def descend(kept: list[int]) -> tuple[float, list[int]]:
        shared = sum(len(group.filters) - keep for group, keep in zip(largest_first, kept, strict=True))
        for _ in range(_SWEEPS):
            before = [*kept]
            for i, option in enumerate(options):
                rest = shared + kept[i]
                kept[i] = min(option, key=lambda keep, option=option, rest=rest: option[keep][0] + together(rest - keep)[0])  # type: ignore[misc]
                shared = rest - kept[i]
            if before == kept:
                break
        return sum(option[keep][0] for option, keep in zip(options, kept, strict=True)) + together(shared)[0], kept

    _, kept = min(descend([min(option) for option in options]), descend([max(option) for option in options]))
    plan: Plan = []
    left = []
    for group, option, keep in zip(largest_first, options, kept, strict=True):
        if keep:
            plan.append(([FilterGroup(group.block, group.filters[:keep])], option[keep][1]))
        if keep < len(group.filters):
            left.append(FilterGroup(group.block, group.filters[keep:]))
    return [*plan, (left, together(sum(len(group.filters) for group in left))[1])] if left else plan


def _options(operands: Operands, codes: Tensor, group: FilterGroup, model: CostModel, engine: str) -> dict[int, tuple[float, Engine]]:
    """Return, for each number of filters that `group` may keep to itself, the predicted seconds and the engine; nothing where it needs torch."""
    count = len(group.filters)
    seconds = choose(group.block, work_of(operands, codes, count), model, engine).seconds
    own = [e for e in seconds if e not in SHARED_ENGINES and engine in (AUTO, e)]
    shared = Engine.TABLE in seconds and engine in (AUTO, *SHARED_ENGINES)
    options = {0: (0.0, Engine.TABLE)} if shared else {}
    if not own:
        return options
    options[count] = min((seconds[e], e) for e in own)
    if shared and not operands.depthwise:
        for multiple in {model.columns[0], CLASS_COLUMNS}:
            if 0 < (keep := count - count % multiple) < count:
                fewer = choose(group.block, work_of(operands, codes, keep), model, engine).seconds
                options[keep] = min((fewer[e], e) for e in own)
    return options


def work_of(operands: Operands, codes: Tensor, filters: int) -> Work:
    """Return what the cost model needs to know of `filters` of the layer's filters."""
    kernel = operands.weight.shape[2:]
    size = operands.geometry.out_size(codes.shape[2], codes.shape[3], (kernel[0], kernel[1]))
    channels = filters if operands.depthwise else codes.shape[1]
    read = [min(given, out) if k == 1 else given for given, out, k in zip(codes.shape[2:], size, kernel, strict=True)]
    return Work(
        pixels=len(codes) * size[0] * size[1],
        reduction=operands.reduction,
        filters=filters,
        codes=len(codes) * channels * read[0] * read[1],
        depthwise=operands.depthwise,
    )


def _in_kernels(operands: Operands, codes: Tensor, plan: Plan, output: CodesOutput | type[int] | None, threads: int) -> Tensor:
    native = kernels()
    filters, _, kh, kw = operands.weight.shape
    size = operands.geometry.out_size(codes.shape[2], codes.shape[3], (kh, kw))
    dtype = torch.float32 if output is None else torch_dtype(output.format) if isinstance(output, CodesOutput) else torch.int32
    out = torch.empty((len(codes), *size, filters), dtype=dtype)
    law = (1.0, 0.0, 0.0, 0.0)
    if isinstance(output, CodesOutput):
        low = max(output.format.min, output.zero_point) if output.relu else output.format.min
        law = (inverse(output.scale), float(output.zero_point), float(low), float(output.format.max))
    for groups, engine in plan:
        for part in _parts(operands, groups, engine):
            constant = (operands.constant[part.filters] + part.offset).astype(np.int32, casting="unsafe")  # modulo 2^32, as the kernels sum
            finish = native.Finish(
                filters=part.filters,
                constant=constant,
                scale=operands.scale[part.filters],
                inverse=law[0],
                zero_point=law[1],
                low=law[2],
                high=law[3],
                out=out,
            )
            part.call(codes[:, part.channels], finish, threads)
    return out.permute(0, 3, 1, 2)


def _parts(operands: Operands, groups: Sequence[FilterGroup], engine: Engine) -> list[Part]:
    """Return the prepared parts of groups that run together: one, or one per convolution group of a grouped (not depthwise) layer."""
    geometry, depth = operands.geometry, operands.weight.shape[1]
    per_group = len(operands.weight) // geometry.groups
    blocks = [group.block for group in groups]
    filters, of = merge(groups)
    if operands.depthwise or geometry.groups == 1:
        split = [(filters, of, slice(None))]
    else:
        homes = filters // per_group
        split = [(filters[homes == h], of[homes == h], slice(h * depth, (h + 1) * depth)) for h in np.unique(homes).tolist()]
    parts = []
    for some, their, channels in split:
        key = (tuple(block.sha256 for block in blocks), their.tobytes(), some.tobytes(), channels.start or 0, engine.value, active_target())
        make = partial(_prepare, operands, blocks, their, some, channels, engine)
        parts.append(_prepared.get(operands, key, make))
    return parts


def _prepare(operands: Operands, blocks: Sequence[Block], of: NDArray[np.int32], filters: NDArray[np.int32], channels: slice, engine: Engine) -> Part:
    multiplier = len(operands.weight) // operands.geometry.groups if operands.depthwise else None
    return prepare(blocks, of, _weight_codes(operands.weight, filters), filters, channels, operands.geometry, engine, multiplier)


def _weight_codes(weight: Tensor, filters: NDArray[np.int32]) -> WeightCodes:
    """Return (filters, kh, kw, depth) indices in value order."""
    chosen = weight[torch.from_numpy(filters).to(torch.int64)].permute(0, 2, 3, 1).contiguous()
    return np.ascontiguousarray(chosen.view(torch.uint8).numpy() ^ (128 if weight.dtype == torch.int8 else 0))


def _in_torch(operands: Operands, codes: Tensor, groups: Sequence[FilterGroup]) -> Tensor:
    """Return int64 accumulators, without the constant, on the device of `codes`."""
    weight = operands.weight.to(codes.device)
    if len(groups) == 1:
        return torch_engine.accumulate(codes, weight, groups[0].block, operands.geometry)
    out: Tensor | None = None
    for group in groups:
        filters = torch.from_numpy(group.filters).to(codes.device)
        whole = operands.geometry.groups > 1  # convolution groups stay whole: compute all filters, keep those of the block
        part = torch_engine.accumulate(codes, weight if whole else weight[filters], group.block, operands.geometry)
        if out is None:
            out = part.new_empty((part.shape[0], len(weight), *part.shape[2:]))
        out[:, filters] = part[:, filters] if whole else part
    assert out is not None
    return out


def _finish(operands: Operands, acc: Tensor, bound: int, output: CodesOutput | type[int] | None) -> Tensor:
    """Add the constant and apply the requantization law of `hawx.networks.requantize`."""
    total = acc + torch.from_numpy(operands.constant).to(acc.device).view(1, -1, 1, 1)
    if output is int:
        return total if bound >= 1 << 31 else total.to(torch.int32)
    real = total.to(torch.float32) * torch.from_numpy(operands.scale).to(acc.device).view(1, -1, 1, 1)
    if not isinstance(output, CodesOutput):
        return real
    low = max(output.format.min, output.zero_point) if output.relu else output.format.min
    codes = real.mul_(inverse(output.scale)).round_().add_(output.zero_point).clamp_(low, output.format.max)
    return codes.to(torch_dtype(output.format))
