"""Trace a module with `torch.export`: a graph of ATen operators with a free batch size."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule

from hawx.errors import InputError


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the deprecation chatter of tracing and quantization libraries, which users can do nothing about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def trace(module: nn.Module, example: Tensor, *, name: str) -> GraphModule:
    """Return the module's graph of ATen operators, batch size free, in evaluation mode.

    Args:
        module: takes one float32 tensor (N, C, H, W), returns logits (N, classes). Its training flags are left as they were.
        example: a batch of at least two preprocessed images.
        name: how messages call the network.

    Raises:
        InputError: the module cannot be traced; the message says where.
    """
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with quiet(), torch.no_grad():
            program = torch.export.export(module, (example,), dynamic_shapes=({0: Dim.DYNAMIC},))
    except InputError:
        raise
    except Exception as error:  # the user's forward and the tracer may raise anything
        raise InputError(_explain(name, error)) from error
    finally:
        for part, training in modes.items():
            part.training = training
    return graph_of(program)


def graph_of(program: ExportedProgram) -> GraphModule:
    """Return the graph module of an exported program, for example one read from a `.pt2` file."""
    with quiet():
        module = program.module(check_guards=False)
    assert isinstance(module, GraphModule)
    return module


def _explain(name: str, error: Exception) -> str:
    text = " ".join(str(error).split())
    kind = type(error).__name__
    if "GuardOnDataDependentSymNode" in kind or "data-dependent" in text.lower():
        return (
            f"network {name!r} takes a branch that depends on its input; expected a forward without data-dependent control flow. "
            f"Replace `if tensor…` by torch.where, or quantize the branch that is used. PyTorch says: {_short(text)}"
        )
    if "dynamic" in text.lower() and ("constraint" in text.lower() or "specialized" in text.lower() or "batch" in text.lower()):
        return (
            f"network {name!r} fixes its batch size; expected a forward that takes any number of images. "
            f"Use x.shape[0] or flatten(1) instead of a constant. PyTorch says: {_short(text)}"
        )
    if "is invalid for input of size" in text:
        return (
            f"network {name!r} reshapes to a size that does not hold for every number of images; expected a forward that takes any. "
            f"Use x.flatten(1) or x.shape[0] instead of a constant. PyTorch says: {_short(text)}"
        )
    return (
        f"network {name!r} cannot be traced by torch.export ({kind}); expected a module of one image tensor. "
        f"Try `torch.export.export` on it alone to find the place. PyTorch says: {_short(text)}"
    )


def _short(text: str) -> str:
    return text if len(text) <= 300 else text[:297] + "…"
