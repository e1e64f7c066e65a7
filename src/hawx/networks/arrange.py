"""Bring a value into the (N, C, H, W) that layers take, and a layer's output back into the value's own arrangement."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from hawx.networks.steps import Arrangement, LayerStep


def run_layer_step(step: LayerStep, value: Tensor, images: int, run: Callable[[Tensor], Tensor]) -> Tensor:
    """Return `run` applied to `value` in the arrangement of images; without copies where the strides allow it.

    Args:
        step: says how `value` is arranged.
        value: the layer's input codes.
        images: the batch size, which `value` may hold together with other axes.
        run: the layer, (N, C, H, W) -> (N, filters, H', W').
    """
    if step.arrangement is Arrangement.IMAGE:
        return run(value)
    if step.arrangement is Arrangement.SIGNAL:
        return run(value.unsqueeze(2)).squeeze(2)
    batched = value.movedim(step.batch_axis, 0)
    rows = batched.reshape(images, -1, batched.shape[-1])
    result = run(rows.transpose(1, 2).unsqueeze(3))
    back = result.squeeze(3).transpose(1, 2).reshape(*batched.shape[:-1], result.shape[1])
    return back.movedim(0, step.batch_axis)
