"""Read `.pt2` files: programs that `torch.export.save` wrote. Their graph is data; no code of the file is executed.

PyTorch's own loader trusts the file: it unpickles what it cannot read otherwise, evaluates the sizes of dynamic shapes as Python, and
loads compiled libraries. So an archive is looked through first. What a program of tensors has no use for is refused: pickled objects, compiled
code, sizes that are more than sums and products of symbols, and operators beyond those of tensors.
"""

from __future__ import annotations

import logging
import operator
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule

from hawx.errors import InputError
from hawx.files import existing
from hawx.importers.arrays import opened_zip
from hawx.networks.quantization.exporting import quiet
from hawx.plain import json_values

_CODE = ("aotinductor", "custom_obj_", "opaque_obj_", "executorch", ".so", ".py", ".cpp")
"""Parts of names of members that hold compiled code or pickled objects."""
_SIZE = re.compile(
    r"(?:Symbol\('[A-Za-z]{1,8}\d{1,9}'(?:, [a-z]{1,20}=(?:True|False)){0,9}\)|[A-Za-z]{1,4}\d{1,9}|\d{1,18}|Integer|Add|Mul|Max|Min"
    r"|FloorDiv|CeilDiv|CleanDiv|IntTrueDiv|Mod|PythonMod|ModularIndexing|\*(?!\*)|[-+/(), ])*",
    re.ASCII,
)
"""Sizes as PyTorch writes them: symbols, whole numbers, sums, products, quotients. No powers, whose value may have no end."""
_LONGEST_SIZE = 1000
_NAMESPACES = ("aten", "prim", "quantized_decomposed", "torchao", "torchvision")
_FILES = ("aten::from_file",)
"""Operators that open a file."""
_WRAPPERS = ("wrap_with_set_grad_enabled", "wrap_with_autocast")


def load_pt2(path: str | Path) -> ExportedProgram:
    """Return the exported program of a `.pt2` file.

    Raises:
        InputError: the file is missing, damaged, not an exported program, or holds more than a program of tensors.
    """
    path = existing(Path(path), "network")
    where = f"network {str(path)!r}"
    _check_archive(path, where)
    try:
        with quiet(), _restricted():
            program = torch.export.load(path)
    except Exception as error:  # the loader raises whatever its archive reader, JSON parser or tensors raise
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{where} is not a readable .pt2 file ({type(error).__name__}: {reason}); expected one written by torch.export.save. "
            "Export it again with this version of PyTorch."
        ) from error
    _check_operators(program, where)
    return program


def _check_archive(path: Path, where: str) -> None:
    """Raise `InputError` where an archive unpacks to too much, or holds what is code."""
    with opened_zip(path, where, "one written by torch.export.save", kind=".pt2 file", way="Export it again.") as archive:
        for member in archive.infolist():
            name = PurePosixPath(member.filename).name
            if any(mark in member.filename for mark in _CODE):
                raise InputError(f"{where} holds {member.filename!r}, which is code or a pickled object; expected a program of tensors alone.")
            if name.endswith(".json"):
                text = archive.read(member).decode()
                _check_sizes(json_values(text, f"{where} member {member.filename!r}", "what torch.export.save wrote"), where)


def _check_sizes(values: Any, where: str) -> None:
    """Raise `InputError` where an expression of sizes, which PyTorch evaluates as Python, is more than one."""
    waiting = [values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            text = value.get("expr_str")
            if text is not None and not (isinstance(text, str) and len(text) <= _LONGEST_SIZE and _SIZE.fullmatch(text)):
                raise InputError(f"{where} has the size {str(text)[:60]!r}; expected sums and products of symbols such as 2*s0. Export it again.")
            for key in value:
                if key.startswith("s") and key[1:].isdigit() and not _SIZE.fullmatch(key):
                    raise InputError(f"{where} has the symbol {key[:60]!r}; expected one such as s0. Export it again.")
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


@contextmanager
def _restricted() -> Iterator[None]:
    """Let PyTorch unpickle tensors alone, whatever its loader asks for, and keep what it tells its developers to itself."""
    name, logger = "TORCH_FORCE_WEIGHTS_ONLY_LOAD", logging.getLogger("torch.export")
    before, disabled = os.environ.get(name), logger.disabled
    os.environ[name], logger.disabled = "1", True
    try:
        yield
    finally:
        logger.disabled = disabled
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _check_operators(program: ExportedProgram, where: str) -> None:
    """Raise `InputError` where a program calls more than operators on tensors."""
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, GraphModule) else ():
            if node.op == "call_function" and not _computes(node.target):
                name = getattr(node.target, "__name__", node.target)
                raise InputError(f"{where} calls {str(name)[:60]!r}; expected operators on tensors. Export it again without that.")


def _computes(target: Any) -> bool:
    """Whether a function that a graph calls is an operator on tensors or numbers."""
    if isinstance(target, torch._ops.OpOverload):
        return target.namespace in _NAMESPACES and str(target._schema.name) not in _FILES
    if isinstance(target, torch._ops.HigherOrderOperator):
        return str(target) in _WRAPPERS
    return getattr(operator, getattr(target, "__name__", ""), None) is target or getattr(target, "__module__", "") in ("torch", "math")
