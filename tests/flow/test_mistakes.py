"""Plausible mistakes of somebody's first ten minutes in Python: each is told in one line that says what to do, or understood as it was meant."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import hawx
from hawx.doubts import meant_otherwise, strange_values
from hawx.errors import DoubtWarning, InputError
from hawx.networks import Preprocessing, zoo
from hawx.networks.given import given_images, given_pairs

CODES = np.arange(-128, 128)
PATTERNS = np.r_[0:128, -128:0]
RGB = np.random.default_rng(0).normal(size=(40, 3, 8, 8)).astype(np.float32)
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 3, 8, 8)).astype(np.uint8)


def small() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = small()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.inner(x), x


class Fixed(nn.Module):
    """Reshapes to the batch that its author had."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(144, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x).view(40, -1))


@cache
def mnist() -> tuple[Any, np.ndarray, np.ndarray]:
    data = zoo.dataset("lenet5").first(120)
    return zoo.load("lenet5"), data.images, data.labels


def explore(images: Any, labels: Any = None, **more: Any) -> hawx.Result:
    library = hawx.Library.load("builtin").select(["mul8s_tc2"])
    return hawx.explore(mnist()[0], library, more.pop("accelerator", "spatial"), images, labels, **{"budget": 1, "search_images": 40, **more})


def block(table: np.ndarray, formats: tuple[str, str] = ("s8", "s8")) -> hawx.Block:
    return hawx.Block.from_table(table, name="mine", formats=formats)


def x() -> np.ndarray:
    return mnist()[1]


def y() -> np.ndarray:
    return mnist()[2]


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "channels last, to quantize": (
        lambda: hawx.quantize(small(), RGB.transpose(0, 2, 3, 1)),
        r"calibration images of shape \(40, 8, 8, 3\) have their channels last; expected \(N, C, H, W\): .*\.transpose\(0, 3, 1, 2\)",
    ),
    "channels last, to explore": (lambda: explore(x().transpose(0, 2, 3, 1), y()), r"images of shape \(120, 28, 28, 1\) have their channels last"),
    "no channel axis": (lambda: explore(x()[:, 0], y()), r"shape \(120, 28, 28\), dtype uint8; expected \(N, C, H, W\)"),
    "labels as real numbers": (lambda: explore(x(), y() + 0.5), r"labels have shape \(120,\), dtype float64; expected \(N,\) whole numbers"),
    "one-hot labels": (lambda: explore(x(), np.eye(10)[y()]), r"labels have shape \(120, 10\), .+ one class index per image"),
    "labels from 1": (lambda: explore(x(), y() + 1), r"span 1\.\.10; expected 0\.\.9"),
    "labels as text": (lambda: explore(x(), y().astype(str)), r"labels have shape \(120,\), dtype <U\d+; expected \(N,\) whole numbers"),
    "labels of other images": (lambda: explore(x(), y()[:-1]), r"120 images and labels of shape \(119,\); expected one label per image"),
    "no labels": (lambda: explore(x()), r"images come without labels; expected labels= beside them, or pairs of image and label"),
    "color for gray": (lambda: explore(np.repeat(x(), 3, 1), y()), r"images have shape \(\d+, 3, 28, 28\); expected \(N, 1, 28, 28\)"),
    "another size": (lambda: explore(x()[..., :20, :20], y()), r"images have shape \(\d+, 1, 20, 20\); expected \(N, 1, 28, 28\)"),
    "values that are none": (lambda: explore(np.full((120, 1, 28, 28), np.nan, np.float32), y()), r"NaN or infinite values; expected finite numbers"),
    "pixels without preprocessing": (lambda: hawx.quantize(small(), PIXELS), r"uint8 and the network declares no preprocessing; pass float32"),
    "a module where integers are due": (
        lambda: hawx.explore(small(), "builtin", "spatial", RGB, np.zeros(40, int)),
        r"network is a Sequential; expected integers: hawx\.quantize\(module, calibration\)",
    ),
    "weights for a module": (lambda: hawx.quantize(small().state_dict(), RGB), r"network is a OrderedDict; .+ load them into their module"),
    "several outputs": (lambda: hawx.quantize(Pair(), RGB), r"returns a tuple for 4 images; expected logits of shape \(4, classes\)"),
    "a batch size in the forward": (lambda: hawx.quantize(Fixed(), RGB), r"does not hold for every number of images; .+ Use x\.flatten\(1\)"),
    "a pickled module": (lambda: hawx.quantize("mine.pt", RGB), r"A pickled module is never loaded: import it in Python and pass the module"),
    "a plural": (lambda: explore(x(), y(), granularity="filters"), r"unknown granularity 'filters'; did you mean 'filter'"),
    "a goal as text": (lambda: explore(x(), y(), max_drop="0.5"), r"max_drop '0\.5' is not usable"),
    "no budget": (lambda: explore(x(), y(), budget=0), r"budget 0 is not usable; .+ at least 1"),
    "an accelerator misspelt": (lambda: explore(x(), y(), accelerator="spacial"), r"unknown accelerator 'spacial'; did you mean 'spatial'"),
    "a library misspelt": (
        lambda: hawx.explore(mnist()[0], "buildin", "spatial", x(), y()),
        r"unknown library or block 'buildin'; expected 'builtin', .+ or the path",
    ),
    "a file that is not there": (lambda: hawx.Library.load("evo/nothing.v"), r"'evo/nothing\.v' does not exist, nor does its folder"),
    "a table of four bits": (lambda: block(np.zeros((16, 16), int)), r"shape \(16, 16\); expected \(256, 256\)"),
    "formats by their types": (lambda: block(np.outer(CODES, CODES), ("int8", "int8")), r"operand format 'int8' is not known; expected 's8' or 'u8'"),
    "a function of arrays": (
        lambda: hawx.Block.from_function(lambda a, w: a.sum() * w, name="mine"),
        r"the function of block 'mine' fails for a = -128, w = -128 \(AttributeError: .+\); expected a whole number for every pair",
    ),
    "images of several sizes": (lambda: given_images([np.zeros((3, 8, 8)), np.zeros((3, 9, 8))]), r"of several sizes, among them \(3, 8, 8\) and"),
    "columns of other names": (lambda: given_pairs([{"pic": RGB[0], "label": 1}], None), r"columns 'pic', 'label'; expected an image under one of"),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_a_mistake_is_told_in_one_line(mistake: str) -> None:
    make, expected = REFUSED[mistake]
    with pytest.raises(InputError) as caught:
        make()
    text = str(caught.value)
    assert re.search(expected, text), text
    assert "\n" not in text


def test_what_is_hardly_meant_is_said_and_done() -> None:
    with pytest.warns(
        DoubtWarning, match=r"^the exact network answers \d+\.\d % of 40 search images right, about what guessing among 10 classes does"
    ):
        explore(x(), (y() + 3) % 10)
    with pytest.warns(DoubtWarning, match=r"^float images from 0\.00 to 255\.00 are taken as preprocessed and lie outside of 0\.00 to 1\.00"):
        explore(x().astype(np.float32), y())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explore((x() / 255).astype(np.float32), y())
        explore(x(), y())


def test_values_between_0_and_1_are_doubted_where_preprocessing_centers_them() -> None:
    net = hawx.quantize(small(), PIXELS, preprocessing=Preprocessing(mean=(0.5,) * 3, std=(0.25,) * 3))
    assert "lie within 0 and 1, and the network's preprocessing makes -2.00 to 2.00 of pixels" in str(strange_values(net, np.abs(RGB) / 10))
    assert strange_values(net, PIXELS) is None
    assert strange_values(net, np.clip(RGB, -2, 2)) is None


@pytest.mark.parametrize(
    ("table", "formats", "expected"),
    [
        (np.outer(PATTERNS, PATTERNS), ("s8", "s8"), r"'mine' seems to have its rows and columns in the order of two's complement"),
        (np.outer(np.arange(256), PATTERNS), ("u8", "s8"), r"'mine' seems to have its columns in the order of two's complement"),
        (np.outer(np.arange(256), np.arange(256)) & ~15, ("s8", "s8"), r"'mine' seems to multiply unsigned operands, and is taken as s8×s8"),
    ],
)
def test_a_table_that_is_meant_otherwise_is_doubted(table: np.ndarray, formats: tuple[str, str], expected: str) -> None:
    assert re.search(expected, str(meant_otherwise(block(table, formats))))


def test_no_block_of_the_library_is_doubted() -> None:
    assert [own.name for own in hawx.Library.load("builtin") if meant_otherwise(own) is not None] == []
    wild = np.random.default_rng(0).integers(-16384, 16385, (256, 256))
    assert meant_otherwise(block(wild)) is None


def gathered() -> Iterator[tuple[str, Any, bool]]:
    images, labels = torch.from_numpy(RGB), torch.arange(40) % 5
    yield "arrays in a list", list(RGB), False
    yield "tensors in a tuple", tuple(images), False
    yield "a data set of PyTorch", TensorDataset(images, labels), True
    yield "a loader of pairs", DataLoader(TensorDataset(images, labels), batch_size=7), True
    yield "a loader of images", DataLoader(list(RGB), batch_size=7), False
    yield "rows of a table", [{"image": image, "label": int(label)} for image, label in zip(RGB, labels, strict=True)], True
    yield "pictures with their channels last", [{"img": image.transpose(1, 2, 0), "label": 0} for image in RGB], False


@pytest.mark.parametrize(("held", "labelled"), [pytest.param(held, labelled, id=name) for name, held, labelled in gathered()])
def test_images_come_as_users_hold_them(held: Any, labelled: bool) -> None:
    assert np.array_equal(given_images(held), RGB)
    if labelled:
        images, labels = given_pairs(held, None)
        assert np.array_equal(images, RGB)
        assert labels.dtype == np.int64
        assert labels.tolist() == [i % 5 for i in range(40)]


def test_a_picture_of_pillow_is_an_image() -> None:
    pillow = pytest.importorskip("PIL.Image")
    picture = pillow.fromarray(PIXELS[0].transpose(1, 2, 0))
    assert np.array_equal(given_images([picture]), PIXELS[:1])
    assert given_images([picture.convert("L")]).shape == (1, 1, 8, 8)


def test_a_loader_calibrates_and_explores_as_its_arrays_do() -> None:
    module = small()
    by_loader = hawx.quantize(module, DataLoader(TensorDataset(torch.from_numpy(RGB), torch.zeros(40)), batch_size=40))
    assert torch.equal(by_loader(RGB), hawx.quantize(module, RGB)(RGB))
    found = explore(TensorDataset(torch.from_numpy(x()), torch.from_numpy(y())))
    assert found.to_dict()["front"] == explore(x(), y()).to_dict()["front"]


def test_a_spoken_path_and_line_ends_of_another_system(tmp_path: Path) -> None:
    folder = tmp_path / "Größe mit Leerzeichen"
    folder.mkdir()
    np.savetxt(folder / "mül.csv", np.outer(CODES, CODES), delimiter=";", fmt="%d", newline="\r\n")
    (only,) = hawx.Library.load(folder / "mül.csv")
    assert only.is_exact
