"""Data sets from files, their splits, and the zoo's weights: what is read, and what is refused."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hawx.errors import InputError, UnknownNameError
from hawx.importers.datasets import load_dataset
from hawx.importers.networks import load_with_data
from hawx.networks import Dataset, Preprocessing, Splits, zoo

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (30, 3, 32, 32), dtype=np.uint8)
LABELS = np.arange(30, dtype=np.int64) % 10


def numbered(count: int) -> Dataset:
    """Images that carry their index."""
    images = np.arange(count, dtype=np.int64).view(np.uint8).reshape(count, 1, 2, 4)
    return Dataset("numbered", images, np.zeros(count, np.int64), 1)


def indices(data: Dataset) -> set[int]:
    return set(np.ascontiguousarray(data.images).reshape(-1).view(np.int64).tolist())


@settings(max_examples=50, deadline=None)
@given(st.integers(6, 400), st.integers(1, 3), st.integers(0, 2**31))
def test_splits_are_disjoint_seeded_and_complete(count, calibration, seed) -> None:
    data = numbered(count)
    splits = Splits.make(data, seed=seed, calibration=calibration)
    sets = [indices(part) for part in (splits.calibration, splits.search, splits.report)]
    assert sum(map(len, sets)) == len(set().union(*sets)) == count
    again = Splits.make(data, seed=seed, calibration=calibration)
    assert np.array_equal(again.search.images, splits.search.images)


def test_splits_that_do_not_fit() -> None:
    with pytest.raises(
        InputError,
        match=r"^data set 'numbered' has 10 images; 2 to calibrate, 6 to search and 4 to report do not fit; "
        r"expected positive numbers whose sum is at most that\.$",
    ):
        Splits.make(numbered(10), seed=0, calibration=2, search=6, report=4)


def test_datasets_that_do_not_fit() -> None:
    with pytest.raises(InputError, match=r"^labels of data set 'd' span 0\.\.9; expected 0\.\.4\.$"):
        Dataset("d", PIXELS, LABELS, 5)
    with pytest.raises(InputError, match=r"^data set 'd' has 30 images and labels of shape \(29,\); expected one label per image\.$"):
        Dataset("d", PIXELS, LABELS[1:], 10)
    with pytest.raises(InputError, match=r"^images of data set 'd' have shape \(30, 3, 32, 32\), dtype float64; expected \(N, C, H, W\), uint8 "):
        Dataset("d", PIXELS.astype(np.float64), LABELS, 10)  # type: ignore[arg-type]


def test_npz_in_both_layouts_and_parts(tmp_path) -> None:
    np.savez(tmp_path / "a.npz", x_train=PIXELS[:10], y_train=LABELS[:10], x_test=PIXELS[10:].transpose(0, 2, 3, 1), y_test=LABELS[10:])
    test, train = load_dataset(tmp_path / "a.npz"), load_dataset(tmp_path / "a.npz", part="train")
    assert np.array_equal(test.images, PIXELS[10:])
    assert np.array_equal(train.images, PIXELS[:10])
    assert np.array_equal(test.labels, LABELS[10:])
    assert load_dataset(tmp_path / "a.npz", limit=5).labels.tolist() == [0, 5, 0, 4, 9]


def test_npz_that_cannot_be_read(tmp_path) -> None:
    np.savez(tmp_path / "pickled.npz", x=np.array([{"a": 1}], dtype=object), y=LABELS)
    with pytest.raises(
        InputError,
        match=r"^data set '.*pickled\.npz' member '.+' is not a readable npy file \(it holds Python objects, which are never unpickled\); .+\.$",
    ):
        load_dataset(tmp_path / "pickled.npz")
    np.savez(tmp_path / "names.npz", pictures=PIXELS)
    with pytest.raises(InputError, match=r"^data set '.*names\.npz' holds pictures \(30, 3, 32, 32\); expected images as one of .+$"):
        load_dataset(tmp_path / "names.npz")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 no")
    with pytest.raises(
        InputError, match=r"^data set '.*cut\.npz' is not a readable archive \(BadZipFile: .+\); expected an \.npz of .+\. Is the file truncated\?$"
    ):
        load_dataset(tmp_path / "cut.npz")
    with pytest.raises(InputError, match=r"^data set '.*gone\.npz' does not exist; .+$"):
        load_dataset(tmp_path / "gone.npz")


def test_mnist_files(tmp_path) -> None:
    images, labels = PIXELS[:, 0, :28, :28], LABELS.astype(np.uint8)
    head = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in images.shape)
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + images.tobytes()))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1]) + (30).to_bytes(4, "big") + labels.tobytes())
    data = load_dataset(tmp_path)
    assert np.array_equal(data.images[:, 0], images)
    assert np.array_equal(data.labels, LABELS)
    with pytest.raises(InputError, match=r"^data set '.+' lacks train-images-idx3-ubyte\(\.gz\); expected the four MNIST files\.$"):
        load_dataset(tmp_path, part="train")


def test_binary_cifar_archive(tmp_path) -> None:
    records = np.concatenate([LABELS.astype(np.uint8)[:, None], PIXELS.reshape(30, -1)], 1)
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as archive:
        for name, part in (("test_batch.bin", records[:10]), ("data_batch_1.bin", records[10:20]), ("data_batch_2.bin", records[20:])):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = part.nbytes
            archive.addfile(member, io.BytesIO(part.tobytes()))
    assert np.array_equal(load_dataset(tmp_path / "cifar-10-binary.tar.gz").images, PIXELS[:10])
    assert np.array_equal(load_dataset(tmp_path / "cifar-10-binary.tar.gz", part="train").labels, LABELS[10:])


def test_image_folders(tmp_path) -> None:
    image = pytest.importorskip("PIL.Image")
    for index in range(6):
        folder = tmp_path / ("cat", "dog", "eel")[index % 3]
        folder.mkdir(exist_ok=True)
        image.fromarray(np.full((40, 60, 3), index * 40, np.uint8)).save(folder / f"{index}.png")
    preprocessing = Preprocessing(mean=(0.0,) * 3, std=(1.0,) * 3, resize=32, crop=24)
    data = load_dataset(tmp_path, preprocessing=preprocessing)
    assert data.images.shape == (6, 3, 24, 24)
    assert data.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert data.images[:, 0, 0, 0].tolist() == [0, 120, 40, 160, 80, 200]
    (tmp_path / "eel" / "9.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"^image 'eel/9\.png' cannot be decoded; expected a JPEG, PNG, BMP or WebP file\.$"):
        load_dataset(tmp_path)


def test_calibration_images_are_not_evaluated(tmp_path) -> None:
    np.savez(tmp_path / "c.npz", x=PIXELS, y=LABELS)
    loaded = load_with_data("resnet20", weights="random", data=tmp_path / "c.npz", calibration_images=8)
    network, data = loaded.network, loaded.data
    assert network.name == "resnet20"
    assert len(data) == 30 - min(8, 30 // 4)
    np.savez(tmp_path / "many.npz", x=PIXELS, y=LABELS + 10)
    with pytest.raises(InputError, match=r"^data set '.*many\.npz' has labels up to 19 and network 'resnet20' has 10 classes; .+$"):
        load_with_data("resnet20", weights="random", data=tmp_path / "many.npz")
    with pytest.raises(InputError, match=r"^network 'resnet20' brings no images; expected a data set: an \.npz, .+\.$"):
        load_with_data("resnet20")


def test_weights_that_are_not_those_of_the_network(tmp_path) -> None:
    from safetensors.torch import save_file

    state = zoo.float_module("resnet20", zoo.RANDOM).state_dict()
    save_file({k: v for k, v in state.items() if k != "conv1.weight"}, tmp_path / "few.safetensors")
    with pytest.raises(InputError, match=r"^weights are not those of 'resnet20': 1 names missing, 0 unknown, first: 'conv1\.weight' is missing\.$"):
        zoo.float_module("resnet20", tmp_path / "few.safetensors")
    save_file({**state, "conv1.weight": torch.zeros(16, 3, 5, 5)}, tmp_path / "shape.safetensors")
    with pytest.raises(InputError, match=r"^weights are not those of 'resnet20': 'conv1\.weight' has shape \(16, 3, 5, 5\); expected \(16, 3.+$"):
        zoo.float_module("resnet20", tmp_path / "shape.safetensors")
    with pytest.raises(InputError, match=r"^weights '.*gone' do not exist; expected a \.safetensors file, or a \.pt/\.pth state dict\.$"):
        zoo.float_module("resnet20", tmp_path / "gone")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00")
    with pytest.raises(InputError, match=r"^weights '.*cut\.safetensors' cannot be read; .+ \(code in checkpoints never runs\)\. .+$"):
        zoo.float_module("resnet20", tmp_path / "cut.safetensors")


class Bomb:
    """Unpickling it would run code."""

    def __reduce__(self) -> tuple:
        return (pytest.fail, ("code of a checkpoint ran",))


def test_no_code_of_a_checkpoint_runs(tmp_path) -> None:
    torch.save({"conv1.weight": Bomb()}, tmp_path / "bomb.pth")
    with pytest.raises(InputError, match=r"^weights '.*bomb\.pth' cannot be read; .+$"):
        zoo.float_module("resnet20", tmp_path / "bomb.pth")


def test_unknown_names_and_missing_weights() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown network 'resnet21'; did you mean .*'resnet20'.*\? `hawx networks list` shows them\.$"):
        zoo.load("resnet21")
    with pytest.raises(InputError, match=r"^network 'vgg11' needs weights; expected a safetensors file .+\. Pass weights=, or 'random' to try .+\.$"):
        zoo.load("vgg11")
    with pytest.raises(InputError, match=r"^network 'vgg11' needs calibration images and has none; expected uint8 \(N, 3, 32, 32\), .+\.$"):
        zoo.load("vgg11", weights="random")
    with pytest.raises(InputError, match=r"^network 'vgg11' has no images in the package; expected one of: lenet5\. Give a data set\.$"):
        zoo.dataset("vgg11")
    with pytest.raises(InputError, match=r"^network 'vit_tiny' has no training recipe for a CPU; expected one of: lenet5, .+$"):
        zoo.train("vit_tiny", zoo.dataset("lenet5"))


def test_training_is_reproducible_and_learns() -> None:
    from hawx.networks.training import Recipe, top1

    data = zoo.calibration("lenet5")
    recipe = Recipe(epochs=8, batch=25, peak_rate=0.1, shift=1, average=0.9)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        first, second = (zoo.train("lenet5", data, seed=3, recipe=recipe) for _ in range(2))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(first[key], second[key]) for key in first)
    module = zoo.float_module("lenet5", first)
    assert top1(module, zoo.dataset("lenet5").first(1000), zoo.describe("lenet5").preprocessing) > 80


def test_an_interrupted_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    from hawx.importers.training import Checkpoint
    from hawx.networks.training import Recipe, TrainingProgress

    data = zoo.calibration("lenet5").first(330)
    recipe = Recipe(epochs=3, batch=20, peak_rate=0.1, shift=1, mirror=True, average=0.9)
    checkpoint = Checkpoint.of(tmp_path / "w.safetensors", name="lenet5", recipe=recipe, seed=5, data=data)

    def stop(progress: TrainingProgress) -> None:
        if progress.epoch > 1.4:
            raise KeyboardInterrupt

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        reports: list[TrainingProgress] = []
        whole = zoo.train("lenet5", data, seed=5, recipe=recipe, report=reports.append)
        with pytest.raises(KeyboardInterrupt):
            zoo.train("lenet5", data, seed=5, recipe=recipe, report=stop, keep=checkpoint.save)
        resume = checkpoint.load()
        assert resume is not None
        assert 16 < int(resume["step"]) < 48
        resumed = zoo.train("lenet5", data, seed=5, recipe=recipe, resume=resume)
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    assert reports[-1].seconds_left == 0
    assert all(report.seconds_left > 0 for report in reports[:-1])

    other = Checkpoint.of(tmp_path / "w.safetensors", name="lenet5", recipe=recipe, seed=6, data=data)
    with pytest.raises(
        InputError, match=r"^checkpoint '.+w\.checkpoint' belongs to another training; expected one of the same .+\. Delete it, .+\.$"
    ):
        other.load()
    checkpoint.path.write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"^checkpoint '.+w\.checkpoint' cannot be read; expected .+\. Delete it to begin again\.$"):
        checkpoint.load()
    checkpoint.remove()
    assert checkpoint.load() is None


def test_fewer_epochs_keep_the_share_of_small_images() -> None:
    recipe = zoo.describe("resnet18").recipe
    assert recipe is not None
    assert recipe.small_epochs > 0
    short = recipe.lasting(recipe.epochs / 4)
    assert (short.epochs, short.small_epochs) == (recipe.epochs / 4, recipe.small_epochs / 4)
    assert short.peak_rate == recipe.peak_rate
