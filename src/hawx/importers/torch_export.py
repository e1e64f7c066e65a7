"""Read `.pt2` files: programs that `torch.export.save` wrote. Their graph is data; no Python code of the file is executed."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.export import ExportedProgram

from hawx.errors import InputError
from hawx.files import existing
from hawx.networks.quantization.exporting import quiet


def load_pt2(path: str | Path) -> ExportedProgram:
    """Return the exported program of a `.pt2` file.

    Raises:
        InputError: the file is missing, damaged, or not an exported program.
    """
    path = existing(Path(path), "network")
    try:
        with quiet():
            return torch.export.load(path)
    except Exception as error:  # the loader raises whatever its archive reader, JSON parser or tensors raise
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"network {str(path)!r} is not a readable .pt2 file ({type(error).__name__}: {reason}); expected one written by torch.export.save. "
            "Export it again with this version of PyTorch."
        ) from error
