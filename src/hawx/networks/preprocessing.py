"""Preprocessing: how an image becomes the network's float32 input. Declared with each network, never guessed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hawx.errors import InputError

Images = NDArray[np.uint8] | NDArray[np.float32] | Tensor
"""(N, C, H, W): uint8 pixels 0..255, or float32 values that are already preprocessed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """`x = (pixel / 255 - mean) / std` per channel, after `resize` of the short side and a center crop of `crop` pixels."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: int | None = None
    """Short side in pixels before the crop, bicubic; None where images already have the network's size."""
    crop: int | None = None

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return float32 (N, C, H, W) for uint8 (N, C, H, W).

        The affine map is folded in double precision, then applied as one float32 product and one float32 sum.
        """
        std = np.asarray(self.std, np.float64)
        gain = torch.from_numpy((1.0 / (255.0 * std)).astype(np.float32)).view(1, -1, 1, 1)
        offset = torch.from_numpy((-np.asarray(self.mean, np.float64) / std).astype(np.float32)).view(1, -1, 1, 1)
        return pixels.to(torch.float32) * gain + offset

    def to_dict(self) -> dict[str, Any]:
        return {"mean": list(self.mean), "std": list(self.std), "resize": self.resize, "crop": self.crop}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocessing:
        return cls(mean=tuple(values["mean"]), std=tuple(values["std"]), resize=values["resize"], crop=values["crop"])


def network_input(images: Images, input_shape: tuple[int, int, int], preprocessing: Preprocessing | None) -> Tensor:
    """Return the float32 network input for a batch of images of shape (N, *input_shape).

    Raises:
        InputError: wrong shape or dtype, NaN or infinite values, or pixels for a network that declares no preprocessing.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(images)) if isinstance(images, np.ndarray) else images
    if tensor.ndim != 4 or tuple(tensor.shape[1:]) != input_shape or tensor.shape[0] == 0:
        raise InputError(f"images have shape {tuple(tensor.shape)}; expected (N, {', '.join(map(str, input_shape))}) with N > 0.")
    if tensor.dtype == torch.uint8:
        if preprocessing is None:
            raise InputError("images are uint8 and the network declares no preprocessing; pass float32 input, or quantize with a Preprocessing.")
        return preprocessing(tensor)
    if tensor.dtype != torch.float32:
        raise InputError(f"images have dtype {str(tensor.dtype).removeprefix('torch.')!r}; expected uint8 pixels or preprocessed float32 values.")
    if not bool(torch.isfinite(tensor).all()):
        raise InputError("images contain NaN or infinite values; expected finite numbers. Clean the data set first.")
    return tensor
