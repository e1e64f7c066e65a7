"""Bring a value into the (N, C, H, W) that layers take, and a layer's output back into the value's own arrangement."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, broadcast_shapes

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


def run_product_step(left: Tensor, right: Tensor, images: int, run: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Return `left @ right`, (…, M, N), made by `run` in the arrangement of a grouped 1×1 convolution, one group per product of an image.

    Args:
        left: (…, M, K), images outermost.
        right: (…, K, N), likewise; axes before the last two are broadcast.
        images: the batch size.
        run: (images, groups·K, M, 1) and the weights (images, groups·N, K, 1, 1) -> (images, groups·N, M, 1).
    """
    rows, depth, columns = left.shape[-2], left.shape[-1], right.shape[-1]
    batch = broadcast_shapes(left.shape[:-2], right.shape[:-2])  # type: ignore[no-untyped-call]
    left, right = left.expand(*batch, rows, depth), right.expand(*batch, depth, columns)
    codes = left.reshape(images, -1, rows, depth).transpose(2, 3).reshape(images, -1, rows, 1)
    weight = right.reshape(images, -1, depth, columns).transpose(2, 3).reshape(images, -1, depth, 1, 1)
    result = run(codes, weight)
    return result.reshape(images, -1, columns, rows).transpose(2, 3).reshape(*batch, rows, columns)
