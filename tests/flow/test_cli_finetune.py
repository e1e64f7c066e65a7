"""`hawx finetune`: from a design to a design with a network of its own, interrupted or not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from hawx.cli import main
from hawx.importers.training import training_images
from hawx.networks import zoo
from hawx.store.design import load_design

LAYERS = zoo.load("lenet5").layer_names
IMAGES = ("--search-images", "500", "--report-images", "1000", "--train-images", "400")
TRAINED = ("--blocks", "mul8s_tc8", *IMAGES, "--epochs", "2", "--batch", "50", "--rate", "0.2")
QUICK = (*TRAINED, "--recover", "none")


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("design") / "design.json"
    path.write_text(json.dumps(dict.fromkeys(LAYERS, "mul8s_tc8")))
    return path


@pytest.fixture(scope="module")
def tuned(design: Path) -> Path:
    folder = design.parent / "tuned"
    assert main(["finetune", str(design), "--out", str(folder), *QUICK]) == 0
    return folder


def test_the_design_carries_its_network_and_is_measured_again_to_the_same_count(tuned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sorted(p.name for p in tuned.iterdir()) == ["design.json", "network.safetensors"]
    held = json.loads((tuned / "design.json").read_text())
    facts = held["finetuning"]
    assert (held["schema"], held["network_file"], facts["train_images"], facts["recipe"]["shift"]) == ("hawx.design/1", "network.safetensors", 400, 2)
    assert facts["after"]["images"] == 1000
    assert facts["after"]["drop"] < facts["before"]["drop"] - 10
    assert facts["after"] == held["measurement"]
    capsys.readouterr()
    assert main(["evaluate", str(tuned), "--json"]) == 0
    seen = json.loads(capsys.readouterr().out)
    assert seen["measurement"] == facts["after"]
    assert seen["int8_top1"] == facts["int8_top1"]


def test_it_says_what_was_won(design: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["finetune", str(design), "--out", str(design.parent / "said"), *TRAINED, "--epochs", "0"]) == 0
    said = capsys.readouterr().out
    line = r"\d+\.\d\d %  \[\d+\.\d\d, \d+\.\d\d\], lost -?\d+\.\d\d points \[-?\d+\.\d\d, \d+\.\d\d\] measured, .*"
    assert re.search(rf"^before  {line}\nafter   {line}\nint8    \d+\.\d\d %  measured, all blocks exact$", said, re.M)
    assert "no epoch was better than the start on the held-out images" in said


def test_a_run_cut_short_goes_on_to_the_same_network(design: Path, tuned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = design.parent / "cut"
    from hawx.importers import training

    keep, kept = training.Checkpoint.save, []

    def interrupt(self: training.Checkpoint, snapshot: dict) -> None:
        keep(self, snapshot)
        kept.append(int(snapshot["step"]))
        if len(kept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(training.Checkpoint, "save", interrupt)
    assert main(["finetune", str(design), "--out", str(folder), *QUICK]) == 130
    monkeypatch.undo()
    assert kept[-1] > 0
    assert main(["finetune", str(design), "--out", str(folder), *QUICK]) == 2  # not empty
    assert main(["finetune", str(design), "--out", str(folder), *QUICK, "--resume", "--rate", "0.3"]) == 2  # another training
    assert main(["finetune", str(design), "--out", str(folder), *QUICK, "--resume"]) == 0
    assert (folder / "network.safetensors").read_bytes() == (tuned / "network.safetensors").read_bytes()


def test_refusals(design: Path, tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["finetune", str(design), "--out", str(tuned)]) == 2
    assert "is not empty; expected a new or empty folder. Choose another --out." in capsys.readouterr().err
    assert main(["finetune", str(design), "--out", str(tmp_path / "none"), "--resume"]) == 2
    assert "has no network.checkpoint, so there is nothing to resume; start without --resume." in capsys.readouterr().err
    assert main(["finetune", str(design), "--out", str(tmp_path / "rate"), "--rate", "0"]) == 2
    assert capsys.readouterr().err == "hawx: rate 0.0 cannot be used; expected more than 0, at most 1000000000.\n"
    assert main(["finetune", str(design), "--out", str(tmp_path / "few"), "--train-images", "3"]) == 2
    assert capsys.readouterr().err == "hawx: --train-images 3 cannot be used; expected a whole number of at least 20.\n"
    (tmp_path / "other.json").write_text(json.dumps({"conv9": "mul8s_tc8"}))
    assert main(["finetune", str(tmp_path / "other.json"), "--out", str(tmp_path / "o")]) == 2
    assert "is the design of another network?" in capsys.readouterr().err
    other = tmp_path / "swapped"
    other.mkdir()
    (other / "design.json").write_text((tuned / "design.json").read_text())
    from hawx.importers.networks import save_network

    save_network(zoo.load("lenet5"), other / "network.safetensors")
    assert main(["finetune", str(other), "--out", str(tmp_path / "s")]) == 2
    assert "is another one than design" in capsys.readouterr().err
    assert load_design(other).network_identity is not None


def test_images_that_judge_are_never_trained_on(tmp_path: Path) -> None:
    judged = zoo.dataset("lenet5").images[:30]
    others = zoo.calibration("lenet5").first(30)
    np.savez(tmp_path / "mixed.npz", x=np.concatenate([judged[:10], others.images]), y=np.zeros(40, np.int64))
    given = {"data": None, "preprocessing": None, "classes": 10, "apart": judged, "limit": None}
    found = training_images("lenet5", train=str(tmp_path / "mixed.npz"), **given)
    assert np.array_equal(found.images, others.images)
    np.savez(tmp_path / "same.npz", x=judged, y=np.zeros(30, np.int64))
    with pytest.raises(ValueError, match=r"^all 30 training images are among those that designs are judged on; expected others\. Give them .*"):
        training_images("lenet5", train=str(tmp_path / "same.npz"), **given)
    with pytest.raises(ValueError, match=r"^data set '.*same\.npz' has no training part, and .* Give them with --train\.$"):
        training_images("mine.onnx", train=None, **{**given, "data": str(tmp_path / "same.npz")})
    assert len(training_images("lenet5", train=None, **{**given, "limit": 25})) == 25
