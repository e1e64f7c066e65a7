"""The fine-tuning itself: distillation from the exact network through bit-exact approximate layers.

A training is a function of its arguments and seed; with the same number of threads it is so to the last bit on one machine, also where it is
interrupted and goes on from a snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import cos, isfinite, pi
from time import perf_counter

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (PyTorch's own idiom)
from numpy.typing import NDArray
from torch import Tensor

from hawx.blocks import Library
from hawx.designs import Assignment
from hawx.emulate import BlockExecutor
from hawx.emulate.evaluator import default_batch
from hawx.errors import InputError
from hawx.finetuning.layer import ApproximateLayer
from hawx.finetuning.masters import Master
from hawx.finetuning.recipe import TuningRecipe
from hawx.networks.gradients import differentiable_logits, product
from hawx.networks.network import QuantizedNetwork
from hawx.networks.preprocessing import network_input
from hawx.networks.quantized import Executor, QuantizedLayer
from hawx.networks.training import Snapshot, augment
from hawx.progress import Progress, SilentProgress

WARMUP = 0.1
"""Share of the steps during which the learning rate rises."""
SNAPSHOTS = 4
"""Per epoch."""
DIVERGED = 1.5
"""A loss of so many times what the start has, and what a constant answer has, at least 1, is one of no return."""
WINDOW = 20
"""Steps over which a loss is averaged before it is judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What one epoch came to."""

    epoch: float
    loss: float
    """Mean training loss."""
    held_out: float
    """Mean loss on the held-out images after it."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FineTuned:
    """The best network of a fine-tuning and how it came about."""

    network: QuantizedNetwork
    start_loss: float
    """Mean loss of the start on the held-out images."""
    epochs: tuple[Epoch, ...]
    best: float
    """The epoch after which `network` stood; 0 where no training step was better than the start."""
    seconds_per_epoch: float
    """Training alone, of this process."""


def finetune(
    network: QuantizedNetwork,
    assignment: Assignment,
    library: Library,
    images: NDArray[np.uint8] | NDArray[np.float32],
    labels: NDArray[np.int64] | None = None,
    *,
    start: QuantizedNetwork | None = None,
    recipe: TuningRecipe | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
    resume: Snapshot | None = None,
    keep: Callable[[Snapshot], None] = lambda _: None,
) -> FineTuned:
    """Return `start` with weights, biases and scales trained under the blocks of `assignment`.

    Args:
        network: the exact network, whose answers are the goal.
        assignment: a block for every filter; stays as it is.
        images: (N, C, H, W) as the network takes them: training images, never those that a design is chosen or judged on.
        labels: (N,) class indices; needed only where the recipe gives them a share.
        start: the same network, perhaps recovered, to start from; default `network` itself.
        recipe: default `TuningRecipe()`.
        seed: of order, augmentation and the choice of held-out images.
        device: where activations live, a name of PyTorch's. The emulation is as exact on a GPU; gradients there may differ in their last bits.
        resume: a snapshot of a training with the same arguments: it goes on from there, to the same network.
        keep: called with a snapshot several times an epoch.

    Raises:
        InputError: something given does not fit, or the training diverges; the message says what to change.
    """
    recipe = recipe or TuningRecipe()
    begun = network if start is None else start
    _check(network, begun, assignment, images, labels, recipe)
    begun = begun.on(assignment.labels(library.hashes))
    classes = None if labels is None else torch.from_numpy(labels)
    training = _Training(network, begun, assignment, library, recipe, torch.from_numpy(images), classes, seed, torch.device(device))
    return training.train(progress or SilentProgress(), resume, keep)


def _check(
    network: QuantizedNetwork,
    start: QuantizedNetwork,
    assignment: Assignment,
    images: NDArray[np.uint8] | NDArray[np.float32],
    labels: NDArray[np.int64] | None,
    recipe: TuningRecipe,
) -> None:
    if assignment.layers != network.layer_names:
        raise InputError(f"the assignment is for layers {assignment.layers}; expected {network.layer_names}.")
    if start.layers != network.layers or start.steps != network.steps:
        raise InputError(f"network {start.name!r} to start from has other layers than {network.name!r}; expected the same with other weights.")
    if recipe.label_share and labels is None:
        raise InputError(f"label_share {recipe.label_share:g} needs labels; give some, or 0 to learn from the exact network alone.")
    if labels is not None and len(labels) != len(images):
        raise InputError(f"{len(images)} training images have {len(labels)} labels; expected one each.")
    if len(images) < 20:
        raise InputError(f"{len(images)} training images are too few to fine-tune on; expected at least 20, better thousands.")


class _Training:
    """One fine-tuning under way."""

    def __init__(
        self,
        network: QuantizedNetwork,
        start: QuantizedNetwork,
        assignment: Assignment,
        library: Library,
        recipe: TuningRecipe,
        images: Tensor,
        labels: Tensor | None,
        seed: int,
        device: torch.device,
    ) -> None:
        self.network, self.start = network, start
        self.recipe, self.labels, self.device = recipe, labels, device
        exact = Assignment.uniform(network.filters, library.names, library.exact.name)
        self.blocks: Executor = BlockExecutor(library, assignment)
        self.exact: Executor = BlockExecutor(library, exact)
        with torch.inference_mode(False):
            self.masters = {name: Master.of(start.quantized[name]) for name in network.layer_names if not start.quantized[name].is_product}
        self.parameters = [p for master in self.masters.values() for p in master.parameters]
        self.optimizer = torch.optim.Adam(self.parameters, lr=recipe.rate)
        self.generator = torch.Generator().manual_seed(seed)
        shuffled = torch.randperm(len(images), generator=self.generator)
        held = max(1, min(recipe.held_out, len(images) // 10))
        self.images, self.held, self.trained = images, shuffled[:held], shuffled[held:]
        self.batch = min(recipe.batch, len(self.trained))
        self.per_epoch = len(self.trained) // self.batch
        self.total = round(recipe.epochs * self.per_epoch)
        self.order = torch.empty(0, dtype=torch.long)
        self.step = 0
        self.losses: list[float] = []
        self.epochs: list[Epoch] = []
        self.best = start
        self.best_at, self.best_loss = 0.0, float("inf")

    def train(self, progress: Progress, resume: Snapshot | None, keep: Callable[[Snapshot], None]) -> FineTuned:
        """Run all steps that are left and return the best network."""
        progress.stage("fine-tune", self.total)
        answers = self._logits(self.network, self.exact)
        start_loss = self.best_loss = self._held_loss(answers, self._logits(self.start, self.blocks))
        worst = DIVERGED * max(1.0, start_loss, self._held_loss(answers, answers.mean(0).expand_as(answers)))
        progress.note(f"epoch 0: loss {start_loss:.4f} on {len(self.held)} held-out images")
        if resume is not None:
            self._restore(resume)
            progress.advance(self.step)
        seconds, steps = 0.0, 0
        while self.step < self.total and not self._exhausted():
            began = perf_counter()
            self._learn(worst)
            seconds, steps = seconds + perf_counter() - began, steps + 1
            progress.advance()
            if self.step % self.per_epoch == 0 or self.step == self.total:
                self._close_epoch(answers)
                last = self.epochs[-1]
                progress.note(f"epoch {last.epoch:g} of {self.recipe.epochs:g}: loss {last.loss:.4f}, {last.held_out:.4f} on held-out images")
                if not last.held_out <= worst:
                    self._diverged(last.held_out)
            if self.step % max(1, self.per_epoch // SNAPSHOTS) == 0:
                keep(self._snapshot())
        if self._exhausted():
            progress.note(f"no progress for {self.recipe.patience} epochs: stopped early")
        pace = seconds / steps * self.per_epoch if steps else 0.0
        return FineTuned(network=self.best, start_loss=start_loss, epochs=tuple(self.epochs), best=self.best_at, seconds_per_epoch=pace)

    def _learn(self, worst: float) -> None:
        """Make one step."""
        if len(self.order) < self.batch:
            self.order = self.trained[torch.randperm(len(self.trained), generator=self.generator)]
        chosen, self.order = self.order[: self.batch], self.order[self.batch :]
        batch = augment(self.images[chosen], shift=self.recipe.shift, mirror=self.recipe.mirror, generator=self.generator)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate * _cosine((self.step + 1) / self.total)
        switched = self._switched()
        with torch.inference_mode(False), torch.enable_grad():
            inputs = self._inputs(batch)
            answers = self._there(self.network).run(inputs, self.exact).clone()
            logits = differentiable_logits(self._there(self.start), inputs, lambda layer, codes, other: self._layer(layer, codes, other, switched))
            loss = self._loss(logits, answers, None if self.labels is None else self.labels[chosen].to(self.device))
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        for name in switched & self.masters.keys():
            self.masters[name].keep_in_range()
        self.losses.append(float(loss.detach()))
        self.step += 1
        recent = self.losses[-WINDOW:]
        mean = sum(recent) / len(recent)
        if not isfinite(mean) or (len(recent) == WINDOW and mean > worst):
            self._diverged(mean)

    def _layer(self, layer: QuantizedLayer, codes: Tensor, other: Tensor | None, switched: frozenset[str]) -> Tensor:
        name = layer.layer.name
        if other is not None:
            return product(layer, codes, other, self.blocks) if name in switched else product(self.network.quantized[name], codes, other, self.exact)
        master = self.masters[name]
        if name in switched:
            given = (master.weight, master.log_scale, master.real_bias, master.quantized(), self.blocks)
        else:
            still = torch.zeros(layer.layer.filters)
            given = (master.weight.detach(), still, still, self.network.quantized[name], self.exact)
        result: Tensor = ApproximateLayer.apply(codes, *given)  # type: ignore[no-untyped-call]
        return result

    def _switched(self) -> frozenset[str]:
        """Return the layers that use their blocks at this step."""
        names = self.network.layer_names
        over = self.recipe.progressive * self.total
        return frozenset(names if self.step >= over else names[: 1 + int(len(names) * self.step / over)])

    def _loss(self, logits: Tensor, answers: Tensor, labels: Tensor | None) -> Tensor:
        heat, share = self.recipe.temperature, self.recipe.label_share
        soft = F.kl_div(F.log_softmax(logits / heat, 1), F.log_softmax(answers / heat, 1), reduction="batchmean", log_target=True) * heat**2
        return soft if labels is None or not share else (1 - share) * soft + share * F.cross_entropy(logits, labels)

    def _logits(self, network: QuantizedNetwork, executor: Executor) -> Tensor:
        """Return the logits of the held-out images."""
        there = self._there(network)
        return torch.cat([there.run(self._inputs(self.images[part]), executor).cpu() for part in torch.split(self.held, default_batch(network))])

    def _inputs(self, images: Tensor) -> Tensor:
        return network_input(images, self.network.input_shape, self.network.preprocessing).to(self.device)

    def _there(self, network: QuantizedNetwork) -> QuantizedNetwork:
        """Return `network` with the constants of its program on the device."""
        return replace(network, constants={name: value.to(self.device) for name, value in network.constants.items()})

    def _held_loss(self, answers: Tensor, logits: Tensor) -> float:
        return max(
            0.0, float(self._loss(logits, answers, None if self.labels is None else self.labels[self.held]))
        )  # a divergence of 0 may round below

    def _close_epoch(self, answers: Tensor) -> None:
        tuned = self._tuned()
        loss = self._held_loss(answers, self._logits(tuned, self.blocks))
        at = self.step / self.per_epoch
        since = self.losses[-self.per_epoch :]
        self.epochs.append(Epoch(epoch=at, loss=sum(since) / len(since), held_out=loss))
        if loss < self.best_loss and len(self._switched()) == len(self.network.layers):
            self.best, self.best_at, self.best_loss = tuned, at, loss

    def _exhausted(self) -> bool:
        """Whether the last `patience` epochs, counted from when all layers were switched, brought nothing better."""
        since = max(self.best_at, self.recipe.progressive * self.recipe.epochs)
        return bool(self.epochs) and self.epochs[-1].epoch - since >= self.recipe.patience

    def _tuned(self) -> QuantizedNetwork:
        return replace(self.start, quantized={**self.start.quantized, **{name: master.quantized() for name, master in self.masters.items()}})

    def _diverged(self, loss: float) -> None:
        raise InputError(
            f"fine-tuning diverges at step {self.step} of {self.total} (loss {loss:.4g}; it was {self.best_loss:.4g} at its best); "
            f"expected a falling loss. Lower the rate {self.recipe.rate:g} to a third, or choose a design that loses less to begin with."
        )

    def _snapshot(self) -> Snapshot:
        held: dict[str, Tensor] = {
            "step": torch.tensor(self.step),
            "order": self.order,
            "generator": self.generator.get_state(),
            "losses": torch.tensor(self.losses, dtype=torch.float64),
            "epochs": torch.tensor([(e.epoch, e.loss, e.held_out) for e in self.epochs], dtype=torch.float64),
            "best": torch.tensor([self.best_at, self.best_loss], dtype=torch.float64),
        }
        for i, parameter in enumerate(self.parameters):
            held[f"master.{i}"] = parameter
            held |= {f"adam.{i}.{key}": value for key, value in self.optimizer.state.get(parameter, {}).items()}
        for name, layer in self.best.quantized.items():
            held |= {f"best.{name}.weight": layer.weight, f"best.{name}.weight_scale": layer.weight_scale, f"best.{name}.bias": layer.bias}
        return {name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in held.items()}

    def _restore(self, snapshot: Snapshot) -> None:
        self.step, self.order = int(snapshot["step"]), snapshot["order"]
        self.generator.set_state(snapshot["generator"])
        self.losses = snapshot["losses"].tolist()
        self.epochs = [Epoch(epoch=e, loss=loss, held_out=held) for e, loss, held in snapshot["epochs"].tolist()]
        self.best_at, self.best_loss = snapshot["best"].tolist()
        with torch.no_grad():
            for i, parameter in enumerate(self.parameters):
                parameter.copy_(snapshot[f"master.{i}"])
                state = {key: snapshot[f"adam.{i}.{key}"] for key in ("step", "exp_avg", "exp_avg_sq") if f"adam.{i}.{key}" in snapshot}
                if state:
                    self.optimizer.state[parameter] = {key: value.clone() for key, value in state.items()}
        self.best = replace(self.start, quantized=_filled(self.start.quantized, snapshot))


def _filled(layers: Mapping[str, QuantizedLayer], snapshot: Snapshot) -> dict[str, QuantizedLayer]:
    """Return `layers` with the constants of the snapshot's best network."""
    return {
        name: replace(
            layer,
            weight=snapshot[f"best.{name}.weight"],
            weight_scale=snapshot[f"best.{name}.weight_scale"],
            bias=snapshot[f"best.{name}.bias"],
        )
        for name, layer in layers.items()
    }


def _cosine(progress: float) -> float:
    """Return the learning rate's share of its peak."""
    return progress / WARMUP if progress < WARMUP else 0.5 * (1 + cos(pi * (progress - WARMUP) / (1 - WARMUP)))
