"""A quantized network as bytes: safetensors with the program as JSON in its header. No code, no pickle.

Tensors: `weight:NAME`, `weight_scale:NAME`, `bias:NAME` per layer, `constant:NAME`; `variant:FIELD:SHA256:NAME` for what a layer takes on a block.
Wirings, where they are not plain, are int8 rows (swapped, shift): `wirings:NAME` of the filters, `variant:wiring:SHA256:NAME` of a variant.
Metadata key `hawx` holds the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from hawx.errors import InputError
from hawx.formats import IntFormat
from hawx.networks.layer import Layer, LayerKind
from hawx.networks.network import QuantizedNetwork
from hawx.networks.preprocessing import Preprocessing
from hawx.networks.quantized import QuantizedLayer, Variant
from hawx.networks.steps import Arrangement, Dequantize, DType, Glue, LayerStep, Quantize, Ref, Step
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
    try:
        size = int.from_bytes(data[:8], "little")
        header = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["hawx"])
        tensors = load_tensors(data)
        variants = _variants_by_layer(tensors)
        wirings = {name.removeprefix("wirings:"): _wirings(rows) for name, rows in tensors.items() if name.startswith("wirings:")}
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"network {source!r} cannot be read; expected a network saved by HAWX (safetensors). Save it again.") from error
    if header.get("schema") != SCHEMA:
        raise InputError(f"network {source!r} has schema {header.get('schema')!r}; expected {SCHEMA!r}. Save it again with this version.")
    layers = [_layer(entry["layer"]) for entry in header["layers"]]
    quantized = {
        layer.name: QuantizedLayer(
            layer=layer,
            weight=tensors[f"weight:{layer.name}"],
            weight_scale=tensors[f"weight_scale:{layer.name}"],
            bias=tensors[f"bias:{layer.name}"],
            input_scale=entry["input"]["scale"],
            input_zero_point=entry["input"]["zero_point"],
            input_format=IntFormat.parse(entry["input"]["format"]),
            wirings=wirings.get(layer.name, ()),
            variants=variants.get(layer.name, {}),
        )
        for layer, entry in zip(layers, header["layers"], strict=True)
    }
    channels, height, width = header["input_shape"]
    return QuantizedNetwork(
        name=header["name"],
        layers=tuple(layers),
        quantized=quantized,
        classes=header["classes"],
        input_shape=(channels, height, width),
        steps=tuple(_decode_step(entry) for entry in header["steps"]),
        output=header["output"],
        constants={name.removeprefix("constant:"): value for name, value in tensors.items() if name.startswith("constant:")},
        preprocessing=Preprocessing.from_dict(header["preprocessing"]) if header["preprocessing"] else None,
        float_top1=header["float_top1"],
        unconverted=tuple(header["unconverted"]),
        provenance=header["provenance"],
    )


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


def _layer(values: dict[str, Any]) -> Layer:
    facts: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return Layer(**{**facts, "kind": LayerKind(facts["kind"])})


def _encode_step(step: Step) -> dict[str, Any]:
    match step:
        case Quantize() | Dequantize():
            kind = "quantize" if isinstance(step, Quantize) else "dequantize"
            return {"step": kind, **_io(step), "scale": step.scale, "zero_point": step.zero_point, "format": step.format.name}
        case LayerStep(codes=None):
            place = {"arrangement": step.arrangement.value, "batch_axis": step.batch_axis, "batch_inner": step.batch_inner}
            return {"step": "layer", **_io(step), "layer": step.layer, **place}
        case LayerStep():
            raise InputError("a fused program cannot be saved; save the network's plain steps.")
    return {"step": "glue", "output": step.output, "op": step.op, "args": _encode(step.args), "kwargs": _encode(step.kwargs)}


def _io(step: Quantize | Dequantize | LayerStep) -> dict[str, str]:
    return {"output": step.output, "input": step.input}


def _decode_step(entry: dict[str, Any]) -> Step:
    kind, output = entry["step"], entry["output"]
    if kind == "glue":
        return Glue(output=output, op=entry["op"], args=_decode(entry["args"]), kwargs=_decode(entry["kwargs"]))
    if kind == "layer":
        place = {"arrangement": Arrangement(entry["arrangement"]), "batch_axis": entry["batch_axis"], "batch_inner": entry.get("batch_inner", False)}
        return LayerStep(output=output, input=entry["input"], layer=entry["layer"], **place)
    fmt = IntFormat.parse(entry["format"])
    make = Quantize if kind == "quantize" else Dequantize
    return make(output=output, input=entry["input"], scale=entry["scale"], zero_point=entry["zero_point"], format=fmt)


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


def _decode(value: Any) -> Any:
    if isinstance(value, dict):
        (kind, content), *_ = value.items()
        return {"ref": Ref, "dtype": DType, "number": float}[kind](content)
    return tuple(_decode(item) for item in value) if isinstance(value, list) else value
