"""A quantized network as bytes: safetensors with the program as JSON in its header. No code, no pickle.

Tensors: `weight:NAME`, `weight_scale:NAME`, `bias:NAME` per layer, `constant:NAME`; `variant:FIELD:SHA256:NAME` for what a layer takes on a block.
Wirings, where they are not plain, are int8 rows (swapped, shift): `wirings:NAME` of the filters, `variant:wiring:SHA256:NAME` of a variant.
Metadata key `hawx` holds the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from hawx.errors import InputError
from hawx.formats import CODES, IntFormat
from hawx.networks.layer import Layer, LayerKind
from hawx.networks.network import QuantizedNetwork
from hawx.networks.preprocessing import Preprocessing
from hawx.networks.quantized import QuantizedLayer, Variant
from hawx.networks.steps import INPUT, Dequantize, DType, Glue, LayerStep, ProductStep, Quantize, Ref, Step, inputs
from hawx.plain import json_values, typed
from hawx.wiring import PLAIN, Wiring

SCHEMA = "hawx.network/1"
VARIANTS = "hawx.variants/1"
_VARIANT = ("codes", "weight_scale", "bias")


def to_bytes(network: QuantizedNetwork) -> bytes:
    """Return a network as the bytes of a safetensors file; `from_bytes` reads them."""
    tensors: dict[str, Tensor] = {f"constant:{name}": value.contiguous() for name, value in network.constants.items()}
    layers = []
    for layer in network.layers:
        held = network.quantized[layer.name]
        tensors[f"weight:{layer.name}"] = held.weight.contiguous().clone()
        tensors[f"weight_scale:{layer.name}"] = held.weight_scale.contiguous().clone()
        tensors[f"bias:{layer.name}"] = held.bias.contiguous().clone()
        if held.wirings:
            tensors[f"wirings:{layer.name}"] = _wiring_rows(held.wirings)
        tensors |= _variants(held)
        input_facts = {"scale": held.input_scale, "zero_point": held.input_zero_point, "format": held.input_format.name}
        layers.append({"layer": asdict(layer), "input": input_facts})
    header = {
        "schema": SCHEMA,
        "name": network.name,
        "classes": network.classes,
        "input_shape": network.input_shape,
        "layers": layers,
        "steps": [_encode_step(step) for step in network.steps],
        "output": network.output,
        "preprocessing": network.preprocessing.to_dict() if network.preprocessing else None,
        "float_top1": network.float_top1,
        "unconverted": network.unconverted,
        "provenance": dict(network.provenance),
    }
    data: bytes = save_tensors(tensors, {"hawx": json.dumps(header, separators=(",", ":"))})
    return data


def from_bytes(data: bytes, *, source: str = "network") -> QuantizedNetwork:
    """Return the network that `to_bytes` wrote.

    Raises:
        InputError: the bytes are not a network of a known schema; the message names `source`.
    """
    where = f"network {source!r}"
    try:
        size = int.from_bytes(data[:8], "little")
        tensors = load_tensors(data)
        outer = json_values(data[8 : 8 + size].decode(), where, "the header of a safetensors file")
        header = json_values(outer["__metadata__"]["hawx"], where, "the program of a network")
        variants = _variants_by_layer(tensors)
        wirings = {name.removeprefix("wirings:"): _wirings(rows) for name, rows in tensors.items() if name.startswith("wirings:")}
    except InputError:
        raise
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"network {source!r} cannot be read; expected a network saved by HAWX (safetensors). Save it again.") from error
    found = header.get("schema") if isinstance(header, dict) else None
    if found != SCHEMA:
        raise InputError(f"network {source!r} has schema {found!r}; expected {SCHEMA!r}. Save it again with this version.")
    program = typed(_Program, header, where)
    quantized = {entry.layer.name: _held(entry, tensors, wirings, variants, where) for entry in program.layers}
    steps = tuple(_decode_step(entry, f"{where} steps[{place}]") for place, entry in enumerate(program.steps))
    constants = {name.removeprefix("constant:"): value for name, value in tensors.items() if name.startswith("constant:")}
    _check_steps(steps, program.output, constants, quantized, where)
    return QuantizedNetwork(
        name=program.name,
        layers=tuple(entry.layer for entry in program.layers),
        quantized=quantized,
        classes=program.classes,
        input_shape=program.input_shape,
        steps=steps,
        output=program.output,
        constants=constants,
        preprocessing=program.preprocessing,
        float_top1=program.float_top1,
        unconverted=program.unconverted,
        provenance=program.provenance,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Input:
    """The codes that a layer takes."""

    scale: float
    zero_point: int
    format: Literal["s8", "u8"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _LayerEntry:
    layer: Layer
    input: _Input


@dataclass(frozen=True, slots=True, kw_only=True)
class _Program:
    """The header of a saved network."""

    schema: str
    name: str
    classes: int
    input_shape: tuple[int, int, int]
    layers: tuple[_LayerEntry, ...]
    steps: tuple[Any, ...]
    output: str
    preprocessing: Preprocessing | None
    float_top1: float | None
    unconverted: tuple[str, ...]
    provenance: dict[str, Any]


def _held(
    entry: _LayerEntry,
    tensors: Mapping[str, Tensor],
    wirings: Mapping[str, tuple[Wiring, ...]],
    variants: Mapping[str, Mapping[str, Variant]],
    where: str,
) -> QuantizedLayer:
    """Return a layer with its tensors, which have the types and sizes that it says."""
    layer = entry.layer
    if min(layer.in_channels, layer.filters, layer.groups, *layer.kernel, *layer.stride, *layer.dilation, *layer.in_size, *layer.out_size) < 1:
        raise InputError(f"{where} layer {layer.name!r} has a size below 1; expected positive sizes. Save it again.")
    weight = (layer.filters, layer.in_channels // layer.groups, *layer.kernel)
    shapes = {
        "weight": (torch.int8, (0, *weight) if layer.kind is LayerKind.MATMUL else weight),
        "weight_scale": (torch.float32, (layer.filters,)),
        "bias": (torch.int32, (layer.filters,)),
    }
    held = {}
    for field, (dtype, shape) in shapes.items():
        tensor = tensors.get(f"{field}:{layer.name}")
        if tensor is None or tensor.dtype != dtype or tuple(tensor.shape) != shape:
            has = "none" if tensor is None else f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
            wanted = f"{str(dtype).removeprefix('torch.')} {shape}"
            raise InputError(f"{where} layer {layer.name!r} has {has} as {field}; expected {wanted}. Save it again.")
        held[field] = tensor
    wired = wirings.get(layer.name, ())
    if wired and len(wired) != layer.filters:
        raise InputError(f"{where} layer {layer.name!r} has {len(wired)} wirings; expected one per filter, {layer.filters}. Save it again.")
    for variant in variants.get(layer.name, {}).values():
        if variant.codes.shape != (CODES,) or variant.bias.shape != (layer.filters,) or variant.weight_scale.shape != (layer.filters,):
            raise InputError(f"{where} layer {layer.name!r} has a variant of other sizes; expected {CODES} codes and {layer.filters} filters.")
    return QuantizedLayer(
        layer=layer,
        **held,
        input_scale=entry.input.scale,
        input_zero_point=entry.input.zero_point,
        input_format=IntFormat.parse(entry.input.format),
        wirings=wired,
        variants=variants.get(layer.name, {}),
    )


def _check_steps(steps: Sequence[Step], output: str, constants: Mapping[str, Tensor], layers: Mapping[str, QuantizedLayer], where: str) -> None:
    """Raise `InputError` where a step reads what no step before it made, or runs a layer that is not there."""
    known = {INPUT, *constants}
    for step in steps:
        missing = [name for name in inputs(step) if name not in known]
        if missing:
            raise InputError(f"{where} reads {missing[0]!r} before it is computed; expected steps in order. Save it again.")
        if isinstance(step, LayerStep | ProductStep):
            if step.layer not in layers:
                raise InputError(f"{where} runs the layer {step.layer!r}, which it does not hold; expected one of its {len(layers)}. Save it again.")
            if layers[step.layer].is_product != isinstance(step, ProductStep):
                raise InputError(f"{where} runs the layer {step.layer!r} on a wrong number of operands; expected two of a matmul, else one.")
        known.add(step.output)
    if output not in known:
        raise InputError(f"{where} returns {output!r}, which no step computes; expected a value of the program. Save it again.")


def variants_to_bytes(network: QuantizedNetwork) -> bytes:
    """Return the variants of a network alone, as the bytes of a safetensors file; `with_variants` puts them into the same network."""
    tensors = {name: tensor for layer in network.quantized.values() for name, tensor in _variants(layer).items()}
    data: bytes = save_tensors(tensors, {"hawx": json.dumps({"schema": VARIANTS})})
    return data


def with_variants(network: QuantizedNetwork, data: bytes, *, source: str = "variants") -> QuantizedNetwork:
    """Return `network` with the variants that `variants_to_bytes` wrote, and no others.

    Raises:
        InputError: the bytes are not variants of this network; the message names `source`.
    """
    try:
        variants = _variants_by_layer(load_tensors(data))
        quantized = {name: replace(layer, variants=variants.get(name, {})) for name, layer in network.quantized.items()}
    except (SafetensorError, ValueError, KeyError) as error:
        raise InputError(f"constants {source!r} cannot be read; expected what HAWX saved (safetensors). Save them again.") from error
    for name, found in variants.items():
        filters = len(quantized[name].bias) if name in quantized else 0
        if any(variant.bias.shape != (filters,) for variant in found.values()):
            raise InputError(
                f"constants {source!r} hold layer {name!r}, which network {network.name!r} has not in that size; are they of another network?"
            )
    return replace(network, quantized=quantized)


def _variants(layer: QuantizedLayer) -> dict[str, Tensor]:
    name = layer.layer.name
    tensors = {
        f"variant:{field}:{block}:{name}": getattr(variant, field).contiguous().clone()
        for block, variant in layer.variants.items()
        for field in _VARIANT
    }
    wired = {block: variant.wiring for block, variant in layer.variants.items() if not variant.wiring.is_plain}
    return tensors | {f"variant:wiring:{block}:{name}": _wiring_rows([wiring]) for block, wiring in wired.items()}


def _wiring_rows(wirings: Sequence[Wiring]) -> Tensor:
    return torch.tensor([(wiring.swapped, wiring.shift) for wiring in wirings], dtype=torch.int8)


def _wirings(rows: Tensor) -> tuple[Wiring, ...]:
    if rows.ndim != 2 or rows.shape[1] != 2 or not bool(((rows >= 0) & (rows <= torch.tensor([1, 7]))).all()):
        raise ValueError("wirings are rows of (0 or 1, 0 to 7)")
    return tuple(Wiring(swapped=bool(swapped), shift=shift) for swapped, shift in rows.tolist())


def _variants_by_layer(tensors: Mapping[str, Tensor]) -> dict[str, Mapping[str, Variant]]:
    """Return layer name -> block -> variant."""
    found: dict[str, dict[str, dict[str, Tensor]]] = {}
    for key, tensor in tensors.items():
        if key.startswith("variant:"):
            _, field, block, name = key.split(":", 3)
            found.setdefault(name, {}).setdefault(block, {})[field] = tensor
    return {name: {block: _variant(parts) for block, parts in blocks.items()} for name, blocks in found.items()}


def _variant(parts: Mapping[str, Tensor]) -> Variant:
    (wiring,) = _wirings(parts["wiring"]) if "wiring" in parts else (PLAIN,)
    return Variant(wiring=wiring, **{field: parts[field] for field in _VARIANT})


def _encode_step(step: Step) -> dict[str, Any]:
    match step:
        case Quantize() | Dequantize():
            kind = "quantize" if isinstance(step, Quantize) else "dequantize"
            return {"step": kind, **_io(step), "scale": step.scale, "zero_point": step.zero_point, "format": step.format.name}
        case LayerStep(codes=None):
            place = {"arrangement": step.arrangement.value, "batch_axis": step.batch_axis, "batch_inner": step.batch_inner}
            return {"step": "layer", **_io(step), "layer": step.layer, **place}
        case ProductStep(codes=None):
            return {"step": "product", "output": step.output, "left": step.left, "right": step.right, "layer": step.layer}
        case LayerStep() | ProductStep():
            raise InputError("a fused program cannot be saved; save the network's plain steps.")
    return {"step": "glue", "output": step.output, "op": step.op, "args": _encode(step.args), "kwargs": _encode(step.kwargs)}


def _io(step: Quantize | Dequantize | LayerStep) -> dict[str, str]:
    return {"output": step.output, "input": step.input}


def _decode_step(entry: Any, where: str) -> Step:
    kind = entry.get("step") if isinstance(entry, dict) else None
    if kind not in ("glue", "layer", "product", "quantize", "dequantize"):
        raise InputError(f"{where} is of kind {str(kind)[:40]!r}; expected glue, layer, product, quantize or dequantize. Save it again.")
    values = {key: value for key, value in entry.items() if key != "step"}
    if kind == "glue":
        glue = typed(_GlueEntry, values, where)
        args, kwargs = _decode(glue.args, where), _decode(glue.kwargs, where)
        if any(len(pair) != 2 or not isinstance(pair[0], str) for pair in kwargs if isinstance(pair, tuple)) or not all(
            isinstance(p, tuple) for p in kwargs
        ):
            raise InputError(f"{where} has arguments by name that are no pairs; expected [name, value]. Save it again.")
        return Glue(output=glue.output, op=glue.op, args=args, kwargs=kwargs)
    if kind in ("layer", "product") and "codes" not in values:  # those of fused programs, which are not saved
        step: LayerStep | ProductStep = typed(LayerStep if kind == "layer" else ProductStep, values, where)
        return step
    codes = typed(_CodesEntry, values, where)
    make = Quantize if kind == "quantize" else Dequantize
    fmt = IntFormat.parse(codes.format)
    return make(output=codes.output, input=codes.input, scale=codes.scale, zero_point=codes.zero_point, format=fmt)


@dataclass(frozen=True, slots=True, kw_only=True)
class _GlueEntry:
    output: str
    op: str
    args: tuple[Any, ...]
    kwargs: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _CodesEntry:
    output: str
    input: str
    scale: float
    zero_point: int
    format: Literal["s8", "u8"]


def _encode(value: Any) -> Any:
    match value:
        case Ref():
            return {"ref": value.name}
        case DType():
            return {"dtype": value.name}
        case tuple():
            return [_encode(item) for item in value]
        case float() if value in (float("inf"), float("-inf")):
            return {"number": str(value)}
    return value


def _decode(value: Any, where: str) -> Any:
    if isinstance(value, dict):
        kinds = {"ref": Ref, "dtype": DType, "number": float}
        (kind, content) = next(iter(value.items()), ("", None))
        if kind not in kinds or not isinstance(content, str) or (kind == "number" and content not in ("inf", "-inf")):
            raise InputError(f"{where} has an argument {str(value)[:60]}; expected a ref, dtype or number. Save it again.")
        return kinds[kind](content)
    return tuple(_decode(item, where) for item in value) if isinstance(value, list | tuple) else value
