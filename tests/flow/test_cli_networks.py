"""One's own networks and images on the command line: trained weights, an exported file, and what can be wrong with them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hawx.cli import main
from hawx.networks import zoo

QUICK = ("--blocks", "mul8s_tc8", "--images", "60", "--budget", "2", "--searcher", "uniform")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    data = zoo.dataset("lenet5").first(200)
    np.savez(folder / "images.npz", x=data.images, y=data.labels)
    np.savez(folder / "wrong_size.npz", x=data.images[:, :, :20, :20], y=data.labels)
    np.savez(folder / "unlabelled.npz", x=data.images)
    broken = data.images.astype(np.float32)
    broken[3, 0, 5, 5] = np.nan
    np.savez(folder / "nan.npz", x=broken, y=data.labels)
    (folder / "damaged.npz").write_bytes((folder / "images.npz").read_bytes()[:2000])
    (folder / "damaged.onnx").write_bytes(b"\x08\x07 not a graph")
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 4, 5, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 12 * 12, 10)).eval()
    program = torch.export.export(module, (torch.zeros(2, 1, 28, 28),), dynamic_shapes=({0: torch.export.Dim("n", min=1)},))
    torch.export.save(program, folder / "small.pt2")
    return folder


def test_a_trained_network_is_explored(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = tmp_path / "w.safetensors"
    assert main(["networks", "train", "lenet5", "--data", str(place / "images.npz"), "--out", str(weights), "--epochs", "1"]) == 0
    said = capsys.readouterr()
    assert re.search(r"hawx +1\.00 of 1 epochs  loss \d\.\d+\n$", said.err)
    again = tmp_path / "again.safetensors"
    assert main(["networks", "train", "lenet5", "--data", str(place / "images.npz"), "--out", str(again), "--epochs", "1"]) == 0
    assert weights.read_bytes() == again.read_bytes()
    out = tmp_path / "run"
    assert main(["explore", "lenet5", "--weights", str(weights), "--data", str(place / "images.npz"), "--out", str(out), *QUICK]) == 0
    assert json.loads((out / "result.json").read_text())["settings"]["weights"] == str(weights)


def test_a_stopped_training_goes_on(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from hawx.importers.training import Checkpoint

    command = ["networks", "train", "lenet5", "--data", str(place / "images.npz"), "--epochs", "3", "--out"]
    whole, stopped = tmp_path / "whole.safetensors", tmp_path / "stopped.safetensors"
    assert main([*command, str(whole)]) == 0
    assert re.search(r"epochs  loss \d\.\d+  \d.* left\n", capsys.readouterr().err)

    def save_and_stop(self: Checkpoint, snapshot: dict[str, torch.Tensor], save=Checkpoint.save) -> None:
        save(self, snapshot)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", save_and_stop)
        assert main([*command, str(stopped)]) == 130
    assert "the same command goes on from" in capsys.readouterr().err
    assert not stopped.exists()
    assert main([*command, str(stopped)]) == 0
    assert "goes on from" in capsys.readouterr().err
    assert stopped.read_bytes() == whole.read_bytes()
    assert [entry.name for entry in tmp_path.iterdir() if "checkpoint" in entry.name] == []


def test_an_exported_file_is_explored(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    out = tmp_path / "run"
    assert main(["explore", "small.pt2", "--data", "images.npz", "--preprocessing", "0.1307/0.3081", "--out", str(out), *QUICK]) == 0
    result = json.loads((out / "result.json").read_text())
    assert result["network"]["name"] == "small"
    assert len(result["network"]["layers"]) == 2
    monkeypatch.chdir(tmp_path)
    assert main(["explore", str(out / "settings.toml"), "--out", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "front.csv").read_text() == (out / "front.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vgg11"], r"network 'vgg11' brings no images; expected .*"),
        (["small.pt2"], r"network '.*small\.pt2' brings no images; expected .*"),
        (["small.pt2", "--data", "images.npz"], r"images are uint8 and the network declares no preprocessing; .*"),
        (["lenet5", "--data", "none.npz"], r"data set 'none\.npz' does not exist.*"),
        (["lenet5", "--data", "nan.npz"], r".*nan\.npz.*expected.*"),
        (["lenet5", "--data", "unlabelled.npz"], r".*unlabelled\.npz.*expected.*"),
        (["lenet5", "--data", "damaged.npz"], r".*damaged\.npz.*expected.*"),
        (["lenet5", "--data", "wrong_size.npz"], r"images of data set .* have shape \(1, 20, 20\); network 'lenet5' expects \(1, 28, 28\)\. .*"),
        (["damaged.onnx", "--data", "images.npz"], r".*damaged\.onnx.*"),
        (["lenet5", "--weights", "images.npz", "--data", "images.npz"], r".*images\.npz.*expected .*safetensors.*"),
        (["small.pt2", "--data", "images.npz", "--preprocessing", "0.5/0"], r"--preprocessing '0\.5/0' cannot be used; expected .*"),
        (["small.pt2", "--data", "images.npz", "--preprocessing", "mnits"], r"unknown network 'mnits'.*"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_what_does_not_fit_is_named(
    arguments: list[str], message: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    assert main(["explore", *arguments, "--out", str(tmp_path / "run"), *QUICK]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not re.match(r"^hawx +\d+\.\d s  ", line)]
    assert len(lines) == 1, lines
    assert re.fullmatch("hawx: " + message, lines[0]), lines[0]
    assert not (tmp_path / "run").exists()


def test_training_refuses_what_it_cannot_do(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", str(place / "images.npz"), "--out", str(tmp_path / "w.safetensors")]
    for arguments, message in (
        (["vit_tiny", *data], "has no training recipe for a CPU"),
        (["lenet6", *data], "unknown network 'lenet6'"),
        (["lenet5", *data, "--epochs", "0"], "--epochs 0 cannot be used"),
        (["lenet5", "--data", str(place / "images.npz"), "--out", str(tmp_path / "w.pt")], "expected FILE.safetensors"),
        (["vgg11", *data], "expects (3, 32, 32)"),
    ):
        assert main(["networks", "train", *arguments]) == 2
        assert message in capsys.readouterr().err
