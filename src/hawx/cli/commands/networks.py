"""`hawx networks`: what the zoo holds, and how its small networks are trained."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from hawx.cli.console import out, print_json, say, table
from hawx.cli.parser import Commands, add_command, add_group, add_json
from hawx.errors import InputError


def add(commands: Commands) -> None:
    """Add the command and its own commands to the parser."""
    inner = add_group(commands, "networks", "networks of the zoo")
    add_json(add_command(inner, "list", run_list, "list the networks of the zoo and where their weights come from"))
    trained = add_command(inner, "train", run_train, "train a network of the zoo on a CPU, reproducibly from its seed; an interrupted run goes on")
    trained.add_argument("name", metavar="NAME")
    trained.add_argument("--data", required=True, metavar="PATH", help="training images: the training part where the source has two, else all")
    trained.add_argument("--out", type=Path, required=True, metavar="FILE.safetensors", help="where the weights go; use them with --weights")
    trained.add_argument("--epochs", type=float, metavar="X", help="passes over the data [default: the recipe's]")
    trained.add_argument("--seed", type=int, default=0, metavar="N", help="seed of initialization, order and augmentation [default: 0]")


def run_list(arguments: Namespace) -> int:
    """Print a line per network."""
    from hawx.networks import zoo

    facts: list[dict[str, Any]] = []
    for name in zoo.names():
        entry = zoo.describe(name)
        facts.append(
            {
                "name": name,
                "input_shape": list(entry.input_shape),
                "classes": entry.classes,
                "data": entry.data,
                "trainable": entry.recipe is not None,
                "weights": entry.weights,
            }
        )
    if arguments.json:
        print_json(facts)
        return 0
    rows = [[str(f["name"]), "×".join(map(str, f["input_shape"])), str(f["data"]), str(f["weights"])] for f in facts]
    out(*table(["network", "input", "data", "weights"], rows, left=4))
    return 0


def run_train(arguments: Namespace) -> int:
    """Train a network and write its weights."""
    target: Path = arguments.out
    if target.suffix != ".safetensors":
        raise InputError(f"--out {str(target)!r} has another ending; expected FILE.safetensors.")
    if arguments.epochs is not None and not 0 < arguments.epochs < float("inf"):
        raise InputError(f"--epochs {arguments.epochs:g} cannot be used; expected a positive number.")
    if not target.parent.is_dir():
        raise InputError(f"folder {str(target.parent)!r} does not exist; expected a place for {target.name!r}.")
    from safetensors.torch import save_file

    from hawx.files import replacing, writable
    from hawx.importers.datasets import has_two_parts, load_dataset
    from hawx.importers.training import Checkpoint
    from hawx.networks import zoo
    from hawx.results.quantities import seconds

    entry = zoo.describe(arguments.name)
    data = Path(arguments.data)
    part = "train" if has_two_parts(data) or data.suffix == ".npz" else "test"
    images = load_dataset(data, part=part, classes=entry.classes, preprocessing=entry.preprocessing)
    recipe = entry.recipe if entry.recipe is None or arguments.epochs is None else entry.recipe.lasting(arguments.epochs)
    checkpoint = Checkpoint.of(target, name=arguments.name, recipe=recipe, seed=arguments.seed, data=images)
    resume = checkpoint.load()
    if resume is not None:
        say(f"hawx goes on from {checkpoint.path}")
    try:
        weights = zoo.train(
            arguments.name,
            images,
            seed=arguments.seed,
            recipe=recipe,
            report=lambda p: say(
                f"hawx {p.epoch:8.2f} of {p.epochs:g} epochs  loss {p.loss:.4f}" + (f"  {seconds(p.seconds_left)} left" if p.seconds_left else "")
            ),
            resume=resume,
            keep=checkpoint.save,
        )
    except KeyboardInterrupt as stop:
        raise type(stop)(f"the same command goes on from {checkpoint.path}." if checkpoint.path.exists() else "") from None
    with writable(target), replacing(target) as draft:
        save_file(weights, draft)
    checkpoint.remove()
    out(
        f"{arguments.name}, {len(images)} images, seed {arguments.seed}: {target}",
        f"use it   hawx explore {arguments.name} --weights {target} --data PATH",
    )
    return 0
