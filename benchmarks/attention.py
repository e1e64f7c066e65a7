"""Attention under approximate multipliers: a small vision transformer on MNIST, its products in int8 and under blocks.

    python -m benchmarks.attention DATA [--blocks FILE] [--weights FILE] [--images N] [--budget N] [--jobs N]

DATA is the folder that `benchmarks.data` describes (mnist.npz). Trains the transformer (three blocks, three heads, 16 tokens, six passes; weights are
kept in FILE where one is given), compares float with int8 with and without its products on the 10,000 test images, and explores it by layers: once
with products exact, once with blocks everywhere.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (PyTorch's own idiom)
from torch import Tensor, nn

import hawx
from benchmarks.common import machine, save
from hawx.execution import runner_for
from hawx.networks import LayerKind, QuantizedNetwork
from hawx.store import Result

WIDTH, HEADS, DEPTH, PATCH = 48, 3, 3, 7


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        images, tokens, width = x.shape
        q, k, v = self.qkv(x).reshape(images, tokens, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4).unbind(0)
        seen = F.scaled_dot_product_attention(q, k, v)
        result: Tensor = self.proj(seen.transpose(1, 2).reshape(images, tokens, width))
        return result


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.attn, self.norm2 = nn.LayerNorm(WIDTH), Attention(), nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        result: Tensor = x + self.mlp(self.norm2(x))
        return result


class Transformer(nn.Module):
    """ViT (Dosovitskiy et al. 2021, arXiv 2010.11929) with the mean of its tokens as their summary."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(1, WIDTH, PATCH, PATCH)
        self.position = nn.Parameter(torch.randn(1, (28 // PATCH) ** 2, WIDTH) * 0.02)
        self.blocks = nn.Sequential(*(Block() for _ in range(DEPTH)))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 10)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(x).flatten(2).transpose(1, 2) + self.position
        result: Tensor = self.head(self.norm(self.blocks(tokens)).mean(1))
        return result


def trained(images: Tensor, labels: Tensor, epochs: int = 6, batch: int = 128) -> Transformer:
    """Return a transformer after `epochs` passes over `images`."""
    torch.manual_seed(0)
    module = Transformer()
    optimizer = torch.optim.AdamW(module.parameters(), 1e-3)
    steps = epochs * (len(images) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for epoch in range(epochs):
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(epoch))
        for some in order[: len(order) // batch * batch].split(batch):
            loss = F.cross_entropy(module(images[some]), labels[some])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"pass {epoch + 1} of {epochs}: loss {float(loss):.3f}", flush=True)
    return module.eval()


def top1(network: nn.Module | QuantizedNetwork, images: Tensor, labels: Tensor) -> float:
    """Return the share of right answers in percent."""
    with torch.inference_mode():
        return 100.0 * float((network(images).argmax(1) == labels).float().mean())


def saved(result: Result, limit: float) -> dict[str, Any]:
    """Return what the best design that claims to lose at most `limit` points saves, and what it loses on the report images."""
    design = max((one for one in result.front if result.claimed_drop(one) <= limit), key=lambda one: 1.0 - one.mult_power_ratio)
    return {"saved": 100.0 * (1.0 - design.mult_power_ratio), "unseen_drop": result.drop(design), "seconds": result.effort.wall_s}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--blocks", default="builtin")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--budget", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    with np.load(arguments.data / "mnist.npz") as file:
        pixels = {part: torch.from_numpy(file[f"x_{part}"]).reshape(-1, 1, 28, 28) for part in ("train", "test")}
        labels = {part: torch.from_numpy(file[f"y_{part}"]).long() for part in ("train", "test")}
    images = {part: (values.float() / 255 - 0.1307) / 0.3081 for part, values in pixels.items()}
    module = Transformer().eval()
    if arguments.weights is not None and arguments.weights.exists():
        module.load_state_dict(torch.load(arguments.weights, weights_only=True))
    else:
        module = trained(images["train"], labels["train"])
        if arguments.weights is not None:
            torch.save(module.state_dict(), arguments.weights)
    network = hawx.quantize(module, images["train"][:256])
    products = [layer.name for layer in network.layers if layer.kind is LayerKind.MATMUL]
    others = hawx.quantize(module, images["train"][:256], keep_float=products)
    row: dict[str, Any] = {
        "float": top1(module, images["test"], labels["test"]),
        "int8_products_float": top1(others, images["test"], labels["test"]),
        "int8": top1(network, images["test"], labels["test"]),
    }
    print("top-1 of 10,000 images: " + ", ".join(f"{name} {value:.2f}" for name, value in row.items()), flush=True)
    library = hawx.Library.load(arguments.blocks)
    with runner_for(jobs=arguments.jobs) as runner:
        for name, layers in (("products exact", [layer for layer in network.layer_names if layer not in products]), ("blocks everywhere", None)):
            found = hawx.explore(
                network,
                library,
                "spatial",
                images["test"][: arguments.images],
                labels["test"][: arguments.images],
                layers=layers,
                objectives=("mult_power_ratio",),
                max_drop=0.5,
                budget=arguments.budget,
                calibration=images["train"][256:768],
                runner=runner,
            )
            row[name] = best = saved(found, 0.5)
            print(f"{name}: {best['saved']:.1f} % saved at 0.5 points ({best['unseen_drop']:.2f} unseen), {best['seconds']:.0f} s", flush=True)
    print(save("attention", {**row, "machine": machine()}))


if __name__ == "__main__":
    main()
