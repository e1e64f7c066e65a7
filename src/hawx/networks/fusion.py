"""Fusion: move every quantization as early as it can go, so that layers hand integer codes to each other.

`quantize` is monotone and element-wise. It therefore commutes with data movement, ReLU, clamps, max pooling and constant padding:

    quantize(max(x, 0)) = max(quantize(x), zero_point)          quantize(reshape(x)) = reshape(quantize(x))

A value whose every reader (through such operators) quantizes it the same way is never needed as real numbers: the layer that makes it
returns codes, the operators in between work on codes (a quarter of the bytes), and equal quantizations merge. The fused program
gives the same bits as the plain one; a test holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hawx.formats import IntFormat
from hawx.networks.quantized import CodesOutput
from hawx.networks.requantize import quantize_number
from hawx.networks.steps import INPUT, Dequantize, Glue, LayerStep, ProductStep, Quantize, Ref, Step, inputs, operators, rename, without_dead

Key = tuple[float, int, IntFormat]

MOVES: frozenset[str] = operators(
    """
    view.default reshape.default _unsafe_view.default flatten.using_ints unflatten.int permute.default transpose.int t.default
    unsqueeze.default squeeze.default squeeze.dim squeeze.dims expand.default cat.default slice.Tensor select.int
    split.Tensor split_with_sizes.default chunk.default unbind.int getitem clone.default contiguous.default dropout.default identity
    roll.default flip.default pixel_shuffle.default pixel_unshuffle.default channel_shuffle.default
    """
)
"""Operators that only move values: the same on codes as on real numbers."""

CLAMPS: frozenset[str] = operators("relu.default relu6.default hardtanh.default clamp.default clamp_min.default clamp_max.default")
POOLS: frozenset[str] = frozenset({"max_pool2d.default"})
PADS: frozenset[str] = frozenset({"constant_pad_nd.default"})
SHAPE_ONLY: frozenset[str] = frozenset({"sym_size.int", "sym_size"})
"""Operators that read a value's shape and not its numbers."""


def fuse(steps: tuple[Step, ...], output: str) -> tuple[Step, ...]:
    """Return an equivalent program in which values are kept as codes wherever all their readers quantize them alike."""
    coded = {name: key for name, demand in _demands(steps, output).items() if (key := _single(demand)) is not None}
    writer = _Writer()
    if INPUT in coded:
        writer.alias[INPUT] = writer.quantized(INPUT, coded[INPUT])
    for step in steps:
        if isinstance(step, Quantize):
            source = step.input
            writer.alias[step.output] = writer.alias.get(source, source) if source in coded else writer.quantized(source, step.key)
            continue
        key = coded.get(step.output)
        if key is None:
            writer.steps.append(writer.renamed(step))
        elif isinstance(step, LayerStep | ProductStep):
            coding = replace(step, codes=CodesOutput(scale=key[0], zero_point=key[1], format=key[2]))
            writer.steps.append(writer.renamed(coding))
        elif isinstance(step, Dequantize) and (step.scale, step.zero_point, step.format) == key:
            writer.alias[step.output] = writer.alias.get(step.input, step.input)
        elif isinstance(step, Glue) and _commutes(step) and (step.op != "getitem" or step.args[0].name in coded):
            for name in _operands(step):
                if name not in coded:
                    writer.local[name] = writer.quantized(name, key)
            writer.steps.append(writer.renamed(_on_codes(step, key)))
            writer.local.clear()
        else:
            writer.steps.append(writer.renamed(step))
            writer.alias[step.output] = writer.quantized(step.output, key)
    final = writer.alias.get(output, output)
    assert final == output, "the network's output is real"
    return _absorb_relu(without_dead(tuple(writer.steps), output), output)


class _Writer:
    """The program being written: its steps so far, the quantizations that exist, and new names for old values."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.alias: dict[str, str] = {}
        self.local: dict[str, str] = {}
        self._made: dict[tuple[str, Key], str] = {}

    def quantized(self, name: str, key: Key) -> str:
        """Return the name of the codes of `name`, quantizing it here if that was not done yet."""
        if (name, key) not in self._made:
            codes = f"{name}.codes{len([k for n, k in self._made if n == name]) or ''}"
            self.steps.append(Quantize(output=codes, input=name, scale=key[0], zero_point=key[1], format=key[2]))
            self._made[name, key] = codes
        return self._made[name, key]

    def name(self, old: str) -> str:
        return self.local.get(old) or self.alias.get(old, old)

    def renamed(self, step: Step) -> Step:
        return rename(step, self.name)


def _commutes(step: Glue) -> bool:
    if step.op in CLAMPS:
        return not any(isinstance(v, Ref) for v in (*step.args[1:], *(value for _, value in step.kwargs)))
    return step.op in MOVES or step.op in CLAMPS or step.op in POOLS or step.op in PADS


def _operands(step: Glue) -> tuple[str, ...]:
    """Return the tensors that an operator moves: its first argument, or the list that it joins. The others are sizes."""
    first = step.args[0]
    return tuple(item.name for item in (first if isinstance(first, tuple) else (first,)) if isinstance(item, Ref))


def _demands(steps: tuple[Step, ...], output: str) -> Mapping[str, frozenset[Key | None]]:
    """Return, per value, the quantizations that its readers want; None among them stands for real numbers."""
    demands: dict[str, frozenset[Key | None]] = {output: frozenset({None})}
    real: frozenset[Key | None] = frozenset({None})
    for step in reversed(steps):
        wanted: frozenset[Key | None]
        if isinstance(step, Quantize):
            wanted = frozenset({step.key})
        elif isinstance(step, Glue) and step.op in SHAPE_ONLY:
            wanted = frozenset()
        elif isinstance(step, Glue) and _commutes(step):
            own = demands.get(step.output, frozenset())
            wanted = own if len(own) <= 1 else real
            if len(own) > 1:
                demands[step.output] = real  # readers disagree: this value stays real, and so do those before it
        elif isinstance(step, LayerStep | ProductStep):
            continue  # reads codes already
        else:
            wanted = real
        moved = _operands(step) if isinstance(step, Glue) and _commutes(step) else inputs(step)
        for name in moved:
            demands[name] = demands.get(name, frozenset()) | wanted
    return demands


def _single(demand: frozenset[Key | None]) -> Key | None:
    return next(iter(demand)) if len(demand) == 1 else None


def _on_codes(step: Glue, key: Key) -> Glue:
    """Return the operator that does on codes what `step` does on real numbers."""
    scale, zero_point, fmt = key
    if step.op in MOVES:
        return step
    if step.op in POOLS:
        return replace(step, op="max_pool_codes")
    if step.op in PADS:
        value = float(step.args[2]) if len(step.args) > 2 and step.args[2] is not None else 0.0
        return replace(step, args=(*step.args[:2], quantize_number(value, scale, zero_point, fmt)))
    low, high = _bounds(step)
    arguments: list[Any] = [quantize_number(v, scale, zero_point, fmt) if v is not None else None for v in (low, high)]
    return Glue(output=step.output, op="clamp.default", args=(step.args[0], *arguments))


def _bounds(step: Glue) -> tuple[float | None, float | None]:
    rest = [*step.args[1:], None, None]
    named = dict(step.kwargs)
    match step.op:
        case "relu.default":
            return 0.0, None
        case "relu6.default":
            return 0.0, 6.0
        case "hardtanh.default":
            low, high = named.get("min_val", rest[0]), named.get("max_val", rest[1])
            return -1.0 if low is None else float(low), 1.0 if high is None else float(high)
        case "clamp_min.default":
            return float(rest[0]), None
        case "clamp_max.default":
            return None, float(rest[0])
    low, high = named.get("min", rest[0]), named.get("max", rest[1])
    return (None if low is None else float(low)), (None if high is None else float(high))


def _absorb_relu(steps: tuple[Step, ...], output: str) -> tuple[Step, ...]:
    """Let a layer that returns codes apply the ReLU that is the only reader of its output."""
    readers: dict[str, list[Step]] = {}
    for step in steps:
        for name in inputs(step):
            readers.setdefault(name, []).append(step)
    result: list[Step] = []
    absorbed: dict[str, str] = {}
    for step in steps:
        if isinstance(step, LayerStep | ProductStep) and step.codes is not None and step.output != output:
            after = readers.get(step.output, [])
            if len(after) == 1 and isinstance(after[0], Glue) and after[0].op == "clamp.default" and _is_relu(after[0], step.codes):
                result.append(replace(step, codes=replace(step.codes, relu=True), output=after[0].output))
                absorbed[after[0].output] = step.output
                continue
        if step.output not in absorbed:
            result.append(step)
    return tuple(result)


def _is_relu(step: Glue, codes: CodesOutput) -> bool:
    """Whether a clamp of codes is a ReLU: low end at the zero point, high end at or above the format's."""
    low, high = step.args[1], (step.args[2] if len(step.args) > 2 else None)
    return low == codes.zero_point and (high is None or high >= codes.format.max)
