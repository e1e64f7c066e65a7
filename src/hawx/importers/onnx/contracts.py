"""Contracts: what an ONNX operator takes, as data. The table of them is `table.OPERATORS`; `check` refuses everything else by node name.

A contract says of every input how it arrives and which types and ranks it may have, of every attribute which values it may have, and how
many outputs are computed. Inputs are written as one line of text each:

    x float 3-5          a tensor of a floating-point type and of rank 3 to 5
    y! number            a tensor; a constant of rank 0 arrives as a Python number
    bias? float32 1      may be missing
    values* any          any number of them
    axes? sizes          integers known without the image: constants, or computed from shapes (a NumPy array, of objects where sizes are symbolic)
    scale constant       known when the file is read (a NumPy array)

Tensors described by the same types have the same type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hawx.errors import InputError
from hawx.importers.onnx.reader import OnnxNode

Value = Any
"""A tensor; a NumPy array for what is known without the image; a Python number; None for a missing input."""

FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
TYPES: Mapping[str, tuple[torch.dtype, ...]] = {
    "float": FLOATS,
    "single": (torch.float32, torch.float64),
    "float32": (torch.float32,),
    "integer": INTEGERS,
    "codes": (torch.int8, torch.uint8, torch.int32),
    "index": (torch.int64, torch.int32),
    "number": FLOATS + INTEGERS,
    "exponent": FLOATS + INTEGERS,
    "bool": (torch.bool,),
    "any": (*FLOATS, *INTEGERS, torch.bool),
    "pattern": (*FLOATS, *INTEGERS, torch.bool),
}
"""Words for types. `exponent` and `pattern` are second groups, for inputs whose type need not be that of the first."""

LARGEST = 1 << 28
"""Numbers of the largest tensor that a network computes for one image, or two."""

_HOST = ("sizes", "constant")
_INPUT = re.compile(r"(?P<name>\w+)(?P<mark>[?*!]*) (?P<kind>\w+)(?: (?P<low>\d)(?:-(?P<high>\d))?)?")


class Required:
    """Marks an attribute that every node must have; `kind` is the type of its value."""

    def __init__(self, kind: type) -> None:
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Input:
    """One input of an operator; see the module for how it is written."""

    name: str
    kind: str
    optional: bool
    variadic: bool
    numbers: bool
    """Whether a constant of rank 0 arrives as a Python number."""
    ranks: tuple[int, int] | None
    text: str

    @property
    def host(self) -> bool:
        return self.kind in _HOST

    @classmethod
    def parse(cls, text: str) -> Input:
        found = _INPUT.fullmatch(text)
        if found is None or found["kind"] not in (*TYPES, *_HOST):
            raise ValueError(f"input {text!r} of a contract is malformed")
        low = found["low"]
        ranks = None if low is None else (int(low), int(found["high"] or low))
        mark = found["mark"]
        return cls(found["name"], found["kind"], "?" in mark, "*" in mark, "!" in mark, ranks, text)


@dataclass(frozen=True, slots=True)
class Call:
    """One application of an operator: its node, its attributes with defaults filled in, and what its meaning depends on."""

    node: OnnxNode
    opset: int
    attributes: Mapping[str, Any]
    source: str
    used: int = 1
    """How many outputs are asked for, up to the last that something reads."""
    turned: bool = False
    """Whether the second operand of a product is stored as (out, in)."""
    single: bool = False
    """Whether the file was made for one image at a time."""

    def __getitem__(self, name: str) -> Any:
        return self.attributes[name]

    def refuse(self, found: str, expected: str) -> InputError:
        """Return the error that says what a node has and what is supported."""
        return InputError(
            f"network {self.source!r} has ONNX {self.node} with {found}; expected {expected}. Export the network without that, or replace the node."
        )

    def limit(self, count: Any) -> None:
        """Raise `InputError` where a node would make more than `LARGEST` numbers."""
        if isinstance(count, int) and count > LARGEST:
            raise self.refuse(f"a result of {count:,} numbers", f"at most {LARGEST:,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What one operator takes, and the function that computes it."""

    function: Callable[..., Value]
    """A `Call` and the inputs in order -> the output, or a tuple of outputs."""
    inputs: tuple[Input, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Name -> accepted values as a tuple (the first is the default), the default (any value of its type is taken), a type (no default),
    or `Required`."""
    outputs: int | None = 1
    """How many outputs are computed; None for as many as the node names."""
    sizes: Callable[..., Value] | None = None
    """The same on NumPy arrays, for inputs that are all known without the image: the arithmetic of shapes."""

    def defaults(self) -> dict[str, Any]:
        return {name: _default(given) for name, given in self.attributes.items()}


def _default(given: Any) -> Any:
    if isinstance(given, tuple):
        return given[0]
    return None if isinstance(given, (type, Required)) else given


def call_of(contract: Contract, node: OnnxNode, *, opset: int, source: str, used: int, single: bool = False) -> Call:
    """Return the call of a node that keeps its contract as far as the file alone tells: attributes, number of inputs and outputs.

    Args:
        contract: that of the node's operator.
        node: the node.
        opset: version of the operators.
        source: how messages call the network.
        used: position of the last output that something reads, plus one.
        single: whether the file was made for one image at a time.

    Raises:
        InputError: an attribute, or a number of inputs or outputs, is outside the contract.
    """
    call = Call(node, opset, {**contract.defaults(), **node.attributes}, source, used, single=single)
    for name, value in node.attributes.items():
        if name not in contract.attributes:
            raise call.refuse(f"attribute {name}={_shown(value)}", f"no attribute but {_listed(contract.attributes)}")
        accepted = contract.attributes[name]
        if isinstance(accepted, tuple) and value not in accepted:
            raise call.refuse(f"{name}={_shown(value)}", f"{name} {_listed(accepted)}")
        kind = accepted.kind if isinstance(accepted, Required) else accepted if isinstance(accepted, type) else type(_default(accepted))
        if not isinstance(value, kind):
            raise call.refuse(f"{name}={_shown(value)}", f"{name} as {kind.__name__}")
    for name, accepted in contract.attributes.items():
        if isinstance(accepted, Required) and name not in node.attributes:
            raise call.refuse(f"no attribute {name}", "one")
    least = sum(not (spec.optional or spec.variadic) for spec in contract.inputs)
    most = None if contract.inputs and contract.inputs[-1].variadic else len(contract.inputs)
    given = len(node.inputs)
    while given and not node.inputs[given - 1]:
        given -= 1
    if given < least or (most is not None and given > most):
        raise call.refuse(f"{given} inputs", f"{least}" if least == most else f"{least} to {most or 'any number'}")
    if contract.outputs is not None and used > contract.outputs:
        raise call.refuse(
            f"its output {node.outputs[used - 1]!r} in use", f"the first {contract.outputs} only" if contract.outputs > 1 else "the first only"
        )
    return call


def arranged(contract: Contract, call: Call, values: tuple[Value, ...], constant: tuple[bool, ...]) -> tuple[Value, ...]:
    """Return the inputs of a call as its function takes them, after checking how they arrive, their types and their ranks.

    Args:
        contract: that of the operator.
        call: the call.
        values: tensors, NumPy arrays, or None.
        constant: which of them are the same for every image and shape.

    Raises:
        InputError: an input is outside the contract.
    """
    result: list[Value] = []
    types: dict[str, torch.dtype] = {}
    for position, value in enumerate(values):
        spec = contract.inputs[min(position, len(contract.inputs) - 1)]
        if value is None:
            if not spec.optional:
                raise call.refuse(f"no input {spec.name}", "one")
            result.append(None)
        elif spec.host:
            if isinstance(value, Tensor) or (spec.kind == "constant" and not constant[position]):
                wanted = "a constant" if spec.kind == "constant" else "a constant, or numbers computed from shapes"
                raise call.refuse(f"input {spec.name} computed from the image", wanted)
            result.append(value)
        elif spec.numbers and isinstance(value, np.ndarray) and value.ndim == 0 and constant[position]:
            result.append(value.item())
        else:
            tensor = value if isinstance(value, Tensor) else as_tensor(value)
            _check_tensor(call, spec, tensor, types)
            result.append(tensor)
    return tuple(result)


def _check_tensor(call: Call, spec: Input, tensor: Tensor, types: dict[str, torch.dtype]) -> None:
    accepted = TYPES[spec.kind]
    if tensor.dtype not in accepted:
        raise call.refuse(f"{type_name(tensor.dtype)} input {spec.name}", _listed([type_name(t) for t in accepted]))
    first = types.setdefault(spec.kind, tensor.dtype)
    if first != tensor.dtype:
        raise call.refuse(f"{type_name(tensor.dtype)} input {spec.name} beside {type_name(first)}", "one type")
    if spec.ranks is not None and not spec.ranks[0] <= tensor.ndim <= spec.ranks[1]:
        low, high = spec.ranks
        raise call.refuse(f"input {spec.name} of rank {tensor.ndim}", f"rank {low}" if low == high else f"rank {low} to {high}")


def as_tensor(array: Any) -> Tensor:
    """Return a NumPy array as a tensor; one of objects holds sizes, some of them symbolic."""
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(np.array(array).view(np.int16)).view(torch.bfloat16)
    if array.dtype != object:
        return torch.from_numpy(np.array(array))
    numbers: list[Any] = array.reshape(-1).tolist()
    return torch.stack([torch.scalar_tensor(number, dtype=torch.int64) for number in numbers]).reshape(array.shape)


def type_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _listed(names: Any) -> str:
    items = [str(name) for name in names]
    return ", ".join(items[:-1]) + (" or " if len(items) > 1 else "") + items[-1] if items else "none"
