"""The recipe of a fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass

from hawx.errors import InputError

_LEAST = {"epochs": 0, "batch": 1, "rate": 0, "temperature": 0, "label_share": 0, "shift": 0, "progressive": 0, "held_out": 1, "patience": 1}
_SHARES = ("label_share", "progressive")
_POSITIVE = ("rate", "temperature")


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningRecipe:
    """How a network is fine-tuned.

    Raises:
        InputError: a value lies outside its range; the message names it.
    """

    epochs: float = 5.0
    """Passes over the training images; 0 changes nothing."""
    batch: int = 128
    """Images per step."""
    rate: float = 0.05
    """Peak learning rate, in weight codes per step (Adam); scales and biases move in proportion. It rises over a tenth of the steps, then falls
    to 0 as a cosine."""
    temperature: float = 2.0
    """Softness of the exact network's answers, which are the goal (distillation, G. Hinton et al., arXiv 1503.02531)."""
    label_share: float = 0.0
    """Share of the loss that true labels have, 0 to 1; the exact network's answers have the rest."""
    shift: int = 0
    """Largest random shift of the images in pixels, in each direction."""
    mirror: bool = False
    """Whether half of the images are mirrored."""
    progressive: float = 0.0
    """Share of the steps over which layers are switched to their blocks, first to last; until then a layer is the exact network's. 0: all at once."""
    held_out: int = 1000
    """Images, at most a tenth, that are not trained on: the weights that do best on them are kept."""
    patience: int = 3
    """Epochs that gain nothing on the held-out images, after which the training ends."""

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value, most = getattr(self, name), 1 if name in _SHARES else 1_000_000_000
            beyond = name in _POSITIVE and value == least
            if not least <= value <= most or beyond:  # NaN fails too
                raise InputError(f"{name} {value!r} cannot be used; expected {'more than' if beyond else 'at least'} {least}, at most {most}.")
