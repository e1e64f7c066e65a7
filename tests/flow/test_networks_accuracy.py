"""Trained networks keep their accuracy in integers; the shared data folder is needed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from hawx.importers.datasets import load_dataset
from hawx.networks import zoo

DATA = Path(os.environ.get("HAWX_DATA", Path(__file__).parents[2].parent / "shared"))


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet20", "vgg11"])
def test_int8_answers_as_float_does(name) -> None:
    weights = DATA / "models" / f"{name}_cifar10.safetensors"
    if not weights.is_file():
        pytest.skip(f"{weights} is absent; set HAWX_DATA to the shared data folder")
    images = load_dataset(DATA / "data/cifar10_test.npz", limit=400)
    network = zoo.load(name, weights=weights, calibration=load_dataset(DATA / "data/cifar10_train8k.npz", limit=128))
    module, preprocessing = zoo.float_module(name, weights), zoo.describe(name).preprocessing
    with torch.inference_mode():
        expected = module(preprocessing(torch.from_numpy(images.images))).argmax(1).numpy()
    found = network(images.images).argmax(1).numpy()
    change = int((found == images.labels).sum()) - int((expected == images.labels).sum())
    assert abs(change) <= 4, "one point of 400 images; the whole set is the benchmark's"
    assert (found == expected).mean() >= 0.975
    assert (found == images.labels).mean() > 0.8
