"""Train the small networks of the zoo, reproducibly, on a CPU.

One recipe shape for all: SGD with Nesterov momentum, a learning rate that rises and falls linearly (L. N. Smith, arXiv 1803.09820),
label smoothing, random shifts and mirror images, small images first where a full-size epoch is too dear. A training is a function of its
recipe, data and seed; with one thread it is so to the last bit on one machine, also where it is interrupted and goes on from a snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import perf_counter

import torch
import torch.nn.functional as F  # noqa: N812 (PyTorch's own idiom)
from torch import Tensor, nn

from hawx.networks.datasets import Dataset
from hawx.networks.preprocessing import Preprocessing

Snapshot = Mapping[str, Tensor]
"""All that a training needs to go on: step, order, generator, weights, average and momentum, as contiguous tensors on the CPU."""

SMALL_COST = 0.25
"""A step on images of half the size, in steps on whole images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one network is trained."""

    epochs: float
    batch: int = 128
    peak_rate: float = 0.1
    weight_decay: float = 5e-4
    warmup: float = 0.2
    """Share of the steps during which the learning rate rises."""
    smoothing: float = 0.0
    shift: int = 0
    """Largest random shift in pixels, in each direction."""
    mirror: bool = False
    bfloat16: bool = False
    """Multiply in bfloat16 where the CPU has instructions for it (AMX or AVX512-BF16; elsewhere it would only be slower)."""
    small_epochs: float = 0.0
    """The first so many epochs see images of half the size, at a quarter of the cost (progressive resizing)."""
    average: float = 0.0
    """Decay per step of the exponential moving average of the weights that is returned; 0 returns the last weights."""

    def lasting(self, epochs: float) -> Recipe:
        """Return the recipe stretched to `epochs`: every phase keeps its share."""
        return replace(self, epochs=epochs, small_epochs=self.small_epochs * epochs / self.epochs)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingProgress:
    """Where a training stands."""

    epoch: float
    epochs: float
    loss: float
    """Mean training loss since the last report."""
    seconds_left: float
    """From the pace of this training so far."""


def train(
    module: nn.Module,
    data: Dataset,
    preprocessing: Preprocessing,
    recipe: Recipe,
    *,
    seed: int = 0,
    report: Callable[[TrainingProgress], None] = lambda _: None,
    resume: Snapshot | None = None,
    keep: Callable[[Snapshot], None] = lambda _: None,
) -> dict[str, Tensor]:
    """Train `module` in place and return its state dict, detached, on the CPU.

    Args:
        module: the network; its weights are initialized again from `seed`.
        data: training images and labels.
        preprocessing: applied to every batch.
        recipe: see `Recipe`.
        seed: of initialization, order and augmentation.
        report: called four times an epoch.
        resume: a snapshot of a training with the same arguments: it goes on from there, to the same weights.
        keep: called with a snapshot before every report but the last.
    """
    images, labels = torch.from_numpy(data.images), torch.from_numpy(data.labels)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for part in module.modules():
            reset = getattr(part, "reset_parameters", None)
            if callable(reset):
                reset()
    module.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = {name: value.detach().clone() for name, value in module.state_dict().items()} if recipe.average else None
    decayed = [p for p in module.parameters() if p.ndim > 1]
    others = [p for p in module.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=recipe.peak_rate, momentum=0.9, nesterov=True)
    per_epoch = len(images) // recipe.batch
    total = round(recipe.epochs * per_epoch)
    small = min(total, int(recipe.small_epochs * per_epoch))
    order = torch.empty(0, dtype=torch.long)
    first = 0
    if resume is not None:
        first, order = int(resume["step"]), resume["order"]
        _restore(resume, module, average, optimizer, generator)
    losses: list[float] = []
    began = perf_counter()
    for step in range(first + 1, total + 1):
        if len(order) < recipe.batch:
            order = torch.randperm(len(images), generator=generator)
        chosen, order = order[: recipe.batch], order[recipe.batch :]
        batch = preprocessing(augment(images[chosen], shift=recipe.shift, mirror=recipe.mirror, generator=generator))
        if step <= small:
            batch = F.avg_pool2d(batch, 2)
        for group in optimizer.param_groups:
            group["lr"] = recipe.peak_rate * _triangle(step / total, recipe.warmup)
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bfloat16 and multiplies_bfloat16()):
            logits = module(batch.contiguous(memory_format=torch.channels_last))
            loss = F.cross_entropy(logits.float(), labels[chosen], label_smoothing=recipe.smoothing)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
        if average is not None:
            _update_average(average, module, min(recipe.average, step / (step + 10)))
        if step % max(1, per_epoch // 4) == 0 or step == total:
            if step < total:
                keep(_snapshot(step, order, module, average, optimizer, generator))
            pace = (perf_counter() - began) / (_cost(step, small) - _cost(first, small))
            left = pace * (_cost(total, small) - _cost(step, small))
            report(TrainingProgress(epoch=step / per_epoch, epochs=recipe.epochs, loss=sum(losses) / len(losses), seconds_left=left))
            losses.clear()
    if average is not None:
        module.load_state_dict(average)
    module.eval()
    return {name: value.detach().clone().contiguous() for name, value in module.state_dict().items()}


def top1(module: nn.Module, data: Dataset, preprocessing: Preprocessing, *, batch: int = 250) -> float:
    """Return the float network's top-1 accuracy in percent."""
    correct = 0
    with torch.inference_mode():
        for start in range(0, len(data.labels), batch):
            logits = module.eval()(preprocessing(torch.from_numpy(data.images[start : start + batch])))
            correct += int((logits.argmax(1).numpy() == data.labels[start : start + batch]).sum())
    return 100.0 * correct / len(data.labels)


def _cost(steps: int, small: int) -> float:
    """Return what the first `steps` steps cost, in steps on whole images."""
    return steps - (1.0 - SMALL_COST) * min(steps, small)


def _snapshot(
    step: int, order: Tensor, module: nn.Module, average: Mapping[str, Tensor] | None, optimizer: torch.optim.SGD, generator: torch.Generator
) -> Snapshot:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    held = {
        "step": torch.tensor(step),
        "order": order,
        "generator": generator.get_state(),
        **{f"weights.{name}": value for name, value in module.state_dict().items()},
        **{f"average.{name}": value for name, value in (average or {}).items()},
        **{f"momentum.{i}": optimizer.state[p]["momentum_buffer"] for i, p in enumerate(parameters)},
    }
    return {name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in held.items()}


def _restore(
    snapshot: Snapshot, module: nn.Module, average: Mapping[str, Tensor] | None, optimizer: torch.optim.SGD, generator: torch.Generator
) -> None:
    generator.set_state(snapshot["generator"])
    module.load_state_dict({name: snapshot[f"weights.{name}"] for name in module.state_dict()})
    for name, value in (average or {}).items():
        value.copy_(snapshot[f"average.{name}"])
    for i, parameter in enumerate(p for group in optimizer.param_groups for p in group["params"]):
        optimizer.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(snapshot[f"momentum.{i}"])


def multiplies_bfloat16() -> bool:
    """Return whether this processor has instructions that multiply bfloat16."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _update_average(average: dict[str, Tensor], module: nn.Module, decay: float) -> None:
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value.detach(), 1.0 - decay)
        else:
            average[name].copy_(value)


def _triangle(progress: float, warmup: float) -> float:
    """Return the learning rate's share of its peak: up to 1 at `warmup`, down to 0 at the end."""
    return progress / warmup if progress < warmup else (1 - progress) / (1 - warmup)


def augment(images: Tensor, *, shift: int, mirror: bool, generator: torch.Generator) -> Tensor:
    """Return copies of images (N, C, H, W) shifted by up to `shift` pixels, half of them mirrored if `mirror`; what a shift uncovers is 0."""
    if mirror:
        flip = torch.rand(len(images), generator=generator) < 0.5
        images = torch.where(flip.view(-1, 1, 1, 1), images.flip(3), images)
    if shift:
        height, width = images.shape[2:]
        padded = F.pad(images, (shift,) * 4)
        dy, dx = torch.randint(0, 2 * shift + 1, (2, len(images)), generator=generator)
        rows = (torch.arange(height) + dy.view(-1, 1)).view(-1, 1, height, 1)
        columns = (torch.arange(width) + dx.view(-1, 1)).view(-1, 1, 1, width)
        batch = torch.arange(len(images)).view(-1, 1, 1, 1)
        channels = torch.arange(images.shape[1]).view(1, -1, 1, 1)
        images = padded[batch, channels, rows, columns]
    return images
