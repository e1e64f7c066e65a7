"""`hawx finetune`: train the weights of one design under its blocks, and measure it before and after."""

from __future__ import annotations

from argparse import SUPPRESS, Namespace
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hawx.cli.console import out, print_json
from hawx.cli.designs import add_design, load_inputs
from hawx.cli.inputs import split_sizes
from hawx.cli.parser import Commands, add_command, add_json, add_settings, given
from hawx.errors import InputError
from hawx.files import is_trace, locked, make_folder, refuse_locked, remove_drafts
from hawx.finetuning.recipe import TuningRecipe
from hawx.settings import ExploreSettings

if TYPE_CHECKING:
    from hawx.estimates import Measurement
    from hawx.finetuning import FineTuned

USED = ("network", "weights", "data", "library", "blocks", "search_images", "report_images", "recover", "seed")


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "finetune", run, "train the weights of one design under its blocks, towards the exact network's answers")
    add_design(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the design and its network, new or empty")
    parser.add_argument("--resume", action="store_true", help="continue the interrupted run in --out, to the same weights")
    parser.add_argument("--train", metavar="PATH", help="training images [default: the training part of the network's data set]")
    parser.add_argument("--train-images", type=int, default=SUPPRESS, metavar="N", help="train on at most so many images [default: all]")
    parser.add_argument("--device", default="cpu", metavar="NAME", help="where to train, as PyTorch names it, such as cuda [default: cpu]")
    add_json(parser)
    add_settings(parser, TuningRecipe, title="training", about="Shift and mirror are by default those that the network of the zoo was trained with.")
    add_settings(parser, ExploreSettings, USED)


def run(arguments: Namespace) -> int:
    """Fine-tune, measure before and after on the report images, write network and design."""
    folder: Path = arguments.out
    recipe = TuningRecipe(**given(arguments, TuningRecipe))
    limit = getattr(arguments, "train_images", None)
    if limit is not None and limit < 20:
        raise InputError(f"--train-images {limit} cannot be used; expected a whole number of at least 20.")
    from hawx.display import display
    from hawx.importers.training import Checkpoint, training_images
    from hawx.store.design import save_tuned

    checkpoint = Checkpoint(folder / "network.checkpoint", "")
    refuse_locked(folder)
    _check_folder(folder, checkpoint.path, resume=arguments.resume)
    with display(quiet=arguments.json) as progress, ExitStack() as held:
        progress.stage("load")
        from hawx.finetuning import finetune
        from hawx.flow import evaluate
        from hawx.networks import zoo
        from hawx.verify import images_identity, library_identity, network_identity, split_images

        inputs = load_inputs(arguments)
        settings, library, loaded = inputs.settings, inputs.library, inputs.loaded
        exact, start, assignment = loaded.network, inputs.network, inputs.assignment
        if settings.network in zoo.names() and (trained := zoo.describe(settings.network).recipe):
            recipe = replace(recipe, **{"shift": trained.shift, "mirror": trained.mirror, **given(arguments, TuningRecipe)})
        images = training_images(
            settings.network,
            data=settings.data,
            train=arguments.train,
            preprocessing=exact.preprocessing,
            classes=exact.classes,
            apart=loaded.data.images,
            limit=limit,
        )
        _, report, _ = split_images(loaded.data, *split_sizes(settings), seed=settings.seed)
        identity = (network_identity(exact), network_identity(start), library_identity(library), images_identity(images.images, images.labels))
        checkpoint = Checkpoint.beside(folder / "network.safetensors", identity, assignment.id, recipe, settings.seed)
        resume = checkpoint.load() if arguments.resume else None
        progress.stage("measure", 1)
        before = evaluate(start, library, assignment, report.images, report.labels, against=exact)
        progress.advance()
        make_folder(folder)
        held.enter_context(locked(folder))
        _check_folder(folder, checkpoint.path, resume=arguments.resume)  # once more: now nobody else can change it
        remove_drafts(folder)
        try:
            tuned = finetune(
                exact,
                assignment,
                library,
                images.images,
                images.labels,
                start=start,
                recipe=recipe,
                seed=settings.seed,
                device=arguments.device,
                progress=progress,
                resume=resume,
                keep=checkpoint.save,
            )
        except KeyboardInterrupt as stop:
            raise type(stop)(f"the same command with --resume goes on from {checkpoint.path}." if checkpoint.path.exists() else "") from None
        progress.stage("measure")
        after = evaluate(tuned.network, library, assignment, report.images, report.labels, against=exact)
        facts = _facts(tuned, recipe, len(images), before, after)
        found = {"id": assignment.id, "measurement": after.to_dict(), "finetuning": facts}
        save_tuned(inputs.saved, tuned.network, found, asdict(settings), library.hashes, folder)
        checkpoint.remove()
    if arguments.json:
        print_json({"id": assignment.id, "network": exact.name, **facts})
    else:
        _print(assignment.id, exact.name, facts, folder)
    return 0


def _check_folder(folder: Path, checkpoint: Path, *, resume: bool) -> None:
    from hawx.store.run import DESIGN

    if resume and not checkpoint.exists() and (folder / DESIGN).exists():
        raise InputError(f"folder {str(folder)!r} holds a finished design, so there is nothing to resume; use it with `hawx evaluate {folder}`.")
    if resume and not checkpoint.exists():
        raise InputError(f"folder {str(folder)!r} has no {checkpoint.name}, so there is nothing to resume; start without --resume.")
    if not resume and folder.exists() and (not folder.is_dir() or not all(map(is_trace, folder.iterdir()))):
        way = "Continue it with --resume, or choose another --out." if checkpoint.exists() else "Choose another --out."
        raise InputError(f"folder {str(folder)!r} is not empty; expected a new or empty folder. {way}")


def _facts(tuned: FineTuned, recipe: TuningRecipe, images: int, before: Measurement, after: Measurement) -> dict[str, Any]:
    return {
        "before": before.to_dict(),
        "after": after.to_dict(),
        "int8_top1": after.reference_top1,
        "best_epoch": tuned.best,
        "held_out_loss": [tuned.start_loss, *(epoch.held_out for epoch in tuned.epochs)],
        "seconds_per_epoch": tuned.seconds_per_epoch,
        "train_images": images,
        "recipe": asdict(recipe),
    }


def _print(name: str, network: str, facts: dict[str, Any], folder: Path) -> None:
    out("", f"design {name} of {network}, fine-tuned on {facts['train_images']} images, {facts['after']['images']} report images")
    for when in ("before", "after"):
        seen = facts[when]
        lost = f"lost {seen['drop']:z.2f} points [{seen['drop_low']:z.2f}, {seen['drop_high']:z.2f}]"
        out(f"{when:7} {seen['top1']:.2f} %  [{seen['low']:.2f}, {seen['high']:.2f}], {lost} measured, 95 % intervals, paired for what is lost")
    out(f"int8    {facts['int8_top1']:.2f} %  measured, all blocks exact")
    if not facts["best_epoch"]:
        out("no epoch was better than the start on the held-out images, so the weights are those of the start; try a lower --rate or more images")
    out(f"design and network are in {folder}", f"use it  hawx evaluate {folder}")
