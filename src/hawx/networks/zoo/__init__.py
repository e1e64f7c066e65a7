"""The zoo: networks by name. `lenet5` is embedded with its images; the others take weights and calibration images."""

from __future__ import annotations

from hawx.errors import UnknownNameError
from hawx.networks.datasets import Dataset
from hawx.networks.network import QuantizedNetwork
from hawx.networks.zoo import embedded

__all__ = ["calibration", "dataset", "load", "names"]


def names() -> tuple[str, ...]:
    """Return the names of the zoo's networks."""
    return embedded.EMBEDDED


def load(name: str) -> QuantizedNetwork:
    """Return a quantized network.

    Raises:
        UnknownNameError: no such network.
    """
    _check(name)
    return embedded.load(name)


def dataset(name: str) -> Dataset:
    """Return the evaluation images of an embedded network."""
    _check(name)
    return embedded.evaluation(name)


def calibration(name: str) -> Dataset:
    """Return the calibration images of an embedded network; none of them is among `dataset(name)`."""
    _check(name)
    return embedded.calibration(name)


def _check(name: str) -> None:
    if name not in names():
        raise UnknownNameError("network", name, names(), "`hawx networks list` shows them.")
