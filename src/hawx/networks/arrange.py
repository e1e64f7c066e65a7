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
    axis, channels = step.batch_axis, value.shape[-1]
    split = (-1, images) if step.batch_inner else (images, -1)
    spread = value.reshape(*value.shape[:axis], *split, *value.shape[axis + 1 :])
    batch = axis + 1 if step.batch_inner else axis
    front = spread.movedim(batch, 0)
    result = run(front.reshape(images, -1, channels).transpose(1, 2).unsqueeze(3))
    filters = result.shape[1]
    back = result.squeeze(3).transpose(1, 2).reshape(*front.shape[:-1], filters)
    return back.movedim(0, batch).reshape(*value.shape[:-1], filters)
