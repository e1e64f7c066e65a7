"""The command line in this process: what commands print, write and refuse."""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from hawx.cli import main
from hawx.emulate import active_target
from hawx.settings import ExploreSettings, read_toml, schema

QUICK = ("--blocks", "mul8s_ot3,mul8s_tc8", "--images", "300", "--budget", "6", "--seed", "3")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert main(["explore", "--out", str(folder), *QUICK]) == 0
    return folder


def result_of(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


def accuracies(folder: Path) -> list[tuple]:
    return [(d["id"], d["measurement"], d["area_um2"], d["energy_uj"]) for d in result_of(folder)["front"]]


def test_the_run_folder_holds_the_contract(run_folder: Path) -> None:
    assert {"result.json", "front.csv", "scores.csv", "report.html", "settings.toml", "run.sqlite"} <= {p.name for p in run_folder.iterdir()}
    result = result_of(run_folder)
    assert result["schema"] == "hawx.result/1"
    assert {"network", "granularity", "accelerator", "library", "space_log10", "baseline", "front", "evaluated", "cost", "seed", "versions"} <= set(
        result
    )
    assert set(result["baseline"]) >= {"float_top1", "int8_top1"}
    assert set(result["cost"]) == {"evaluations", "evaluation_equivalents", "wall_s", "stages"}
    for design in result["front"]:
        assert set(design["estimate"] or {"top1": 0, "sigma": 0}) == {"top1", "sigma"}
        assert set(design["claim"]) == {"top1", "sigma"}
        assert {"top1", "low", "high", "images", "gained", "lost", "drop", "drop_low", "drop_high"} == set(design["measurement"])
        assert design["measurement"]["images"] == 150
        assert 0 <= design["measurement"]["low"] <= design["measurement"]["top1"] <= design["measurement"]["high"] <= 100
        assert {"id", "assignment", "area_um2", "power_uw", "energy_uj", "latency_us", "mult_power_ratio"} <= set(design)
    assert result["cost"]["evaluations"] == len(result["evaluated"]) <= 6
    with (run_folder / "scores.csv").open(newline="") as file:
        assert {row["block"] for row in csv.DictReader(file)} == {"mul8s_exact", "mul8s_ot3", "mul8s_tc8"}


def test_the_kernels_are_timed_once_and_remembered(run_folder: Path) -> None:
    kept = list(Path(os.environ["HAWX_CACHE"]).glob(f"kernels-*-{active_target()}.json"))
    assert len(kept) == 1
    assert json.loads(kept[0].read_text())["coefficients"]


def test_settings_are_complete_and_run_again(run_folder: Path, tmp_path: Path) -> None:
    kept = read_toml(run_folder / "settings.toml", ExploreSettings)
    assert (kept.blocks, kept.images, kept.budget, kept.seed) == (("mul8s_ot3", "mul8s_tc8"), 300, 6, 3)
    assert main(["explore", str(run_folder / "settings.toml"), "--out", str(tmp_path / "again")]) == 0
    assert accuracies(tmp_path / "again") == accuracies(run_folder)
    assert (tmp_path / "again" / "settings.toml").read_text() == (run_folder / "settings.toml").read_text()


def test_processes_do_not_change_the_result(run_folder: Path, tmp_path: Path) -> None:
    assert main(["explore", str(run_folder / "settings.toml"), "--out", str(tmp_path / "two"), "--jobs", "2"]) == 0
    assert accuracies(tmp_path / "two") == accuracies(run_folder)


def test_a_finished_folder_is_refused_and_untouched(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {p.name: p.stat().st_mtime_ns for p in run_folder.iterdir()}
    assert main(["explore", "--out", str(run_folder), *QUICK]) == 2
    said = capsys.readouterr()
    assert re.fullmatch(
        r"hawx: run folder '.*run' is not empty; expected a new or empty folder\. Continue it with --resume, or choose another --out\.\n", said.err
    )
    assert said.out == ""
    assert {p.name: p.stat().st_mtime_ns for p in run_folder.iterdir()} == before


def test_resume_keeps_its_settings(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--resume", "--out", str(run_folder), "--seed", "4"]) == 2
    assert "was started with seed = 3, not 4; a resumed run keeps its settings." in capsys.readouterr().err
    assert main(["explore", "--resume"]) == 2
    assert capsys.readouterr().err == "hawx: --resume needs --out DIR: which run should go on?\n"
    assert main(["explore", "--resume", "--out", str(run_folder / "none")]) == 2
    assert "has no settings.toml, so there is nothing to resume; start without --resume." in capsys.readouterr().err


def test_json_is_the_result_and_nothing_else(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", str(run_folder / "settings.toml"), "--out", str(tmp_path / "j"), "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["front"] == result_of(tmp_path / "j")["front"]
    assert said.err == ""


def test_a_goal_out_of_reach_writes_the_results_and_says_how_close(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["explore", str(run_folder / "settings.toml"), "--out", str(tmp_path / "g"), "--max-drop", "-50"])
    said = capsys.readouterr()
    assert status == 1
    assert re.search(
        r"^hawx: no design is expected to lose at most -50 points of top-1; the closest, [0-9a-f]{12}, loses -?\d+\.\d\d points at .*%",
        said.err,
        re.M,
    )
    assert "Traceback" not in said.err
    assert (tmp_path / "g" / "report.html").exists()
    assert "The goal is not met" in (tmp_path / "g" / "report.html").read_text()


def test_the_front_is_printed_with_measured_accuracies(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for columns in (80, 120):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("COLUMNS", str(columns))
            assert main(["explore", str(run_folder / "settings.toml"), "--out", str(tmp_path / str(columns)), "--max-drop", "30"]) == 0
        said = capsys.readouterr()
        lines = said.out.splitlines()
        table = [line for line in lines if re.match(r"^.? *[0-9a-f]{12} ", line)]
        assert max(map(len, table)) <= columns
        assert len(table) == len(result_of(tmp_path / str(columns))["front"])
        assert sum(line.startswith("*  ") for line in table) == 1
        assert any("[95 % paired]" in line for line in lines)
        assert "\x1b" not in said.out + said.err
        assert str(tmp_path / str(columns) / "report.html") in said.out
        stages = [line.split(" s  ")[1].split(" ")[0] for line in said.err.splitlines()]
        assert stages == ["load", "recover", "baseline", "profile", "score", "search", "verify"]


def test_report_compare_and_evaluate_read_the_folder(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(run_folder), "--out", str(tmp_path / "r.html"), "--figures", str(tmp_path / "f")]) == 0
    assert (tmp_path / "r.html").read_text() == (run_folder / "report.html").read_text()
    assert len(list((tmp_path / "f").glob("*.svg"))) >= 6
    capsys.readouterr()

    assert main(["compare", str(run_folder), str(run_folder), "--json", "--out", str(tmp_path / "c.html")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [run["evaluations"] for run in found["runs"]] == [len(result_of(run_folder)["evaluated"])] * 2
    assert "Hypervolume over wall clock" in (tmp_path / "c.html").read_text()
    assert main(["compare", str(run_folder)]) == 2
    assert "expected two or more run folders" in capsys.readouterr().err

    chosen = json.loads((run_folder / "design.json").read_text())
    assert main(["evaluate", str(run_folder), "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert (measured["id"], measured["measurement"]) == (chosen["id"], chosen["measurement"])
    other = result_of(run_folder)["front"][-1]
    assert main(["evaluate", f"{run_folder}#{other['id'][:8]}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["measurement"] == other["measurement"]


def test_evaluate_refuses_other_circuits_and_networks(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    design = json.loads((run_folder / "design.json").read_text())
    path = tmp_path / "d.json"
    path.write_text(json.dumps({**design, "library": {**design["library"], "mul8s_tc8": "0" * 64}}))
    assert main(["evaluate", str(path)]) == 2
    assert re.search(r"^hawx: block 'mul8s_tc8' is another circuit \(sha256 [0-9a-f]{10}\) than .* with \(0{10}\)", capsys.readouterr().err, re.M)
    path.write_text(json.dumps({"conv9": "mul8s_exact"}))
    assert main(["evaluate", str(path)]) == 2
    assert re.search(r"unknown layer 'conv9'; did you mean 'conv[12]' or 'conv[12]'\? is the design of another network\?", capsys.readouterr().err)
    path.write_text(json.dumps({**design["assignment"], "conv1": ["mul8s_exact"] * 5}))
    assert main(["evaluate", str(path), "--blocks", "mul8s_ot3,mul8s_tc8"]) == 2
    assert "the design names 5 blocks for layer 'conv1'; the layer has 6 filters." in capsys.readouterr().err


def test_score_prints_and_saves(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", str(run_folder / "settings.toml"), "--out", str(tmp_path / "s.csv")]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^block +conv1 +conv2 +fc1 +fc2 +fc3$", said, re.M)
    with (tmp_path / "s.csv").open(newline="") as mine, (run_folder / "scores.csv").open(newline="") as whole:
        ours, theirs = list(csv.DictReader(mine)), list(csv.DictReader(whole))
    assert [(r["layer"], r["block"]) for r in ours] == [(r["layer"], r["block"]) for r in theirs]
    assert [r["error_std"] for r in ours] == [r["error_std"] for r in theirs]


def test_blocks_list_show_pareto(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["blocks", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    names = [block["name"] for block in listed["blocks"]]
    assert names[0] == "mul8s_exact"
    assert listed["blocks"][0]["errors"]["mae"] == 0
    assert main(["blocks", "pareto", "--metric", "mse", "--cost", "area_um2", "--json"]) == 0
    kept = json.loads(capsys.readouterr().out)["blocks"]
    points = [(b["errors"]["mse"], b["costs"]["area_um2"]) for b in listed["blocks"]]
    best = {(e, a) for e, a in points if not any(e2 <= e and a2 <= a and (e2, a2) != (e, a) for e2, a2 in points)}
    assert {(b["errors"]["mse"], b["costs"]["area_um2"]) for b in kept} == best
    assert main(["blocks", "show", "mul8s_drum4"]) == 0
    shown = capsys.readouterr().out
    assert "mul8s_drum4  s8×s8" in shown
    assert "integer matrix products, exactly" in shown


def test_blocks_import_saves_what_explore_can_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    codes = np.arange(-128, 128)
    mine = np.multiply.outer(codes, codes) + np.where(codes > 60, 3, 0)[None, :]
    np.save(tmp_path / "mine.npy", mine)
    assert main(["blocks", "import", str(tmp_path / "mine.npy"), "--out", str(tmp_path / "lib.npz")]) == 0
    capsys.readouterr()
    assert main(["blocks", "list", "--library", str(tmp_path / "lib.npz"), "--json"]) == 0
    blocks = {b["name"]: b for b in json.loads(capsys.readouterr().out)["blocks"]}
    assert blocks["mine"]["errors"]["wce"] == 3
    assert blocks["mine"]["errors"]["ep"] == pytest.approx(67 / 256)
    assert main(["blocks", "import", str(tmp_path / "mine.npy"), "--out", str(tmp_path / "lib.txt")]) == 2
    assert "has another ending; expected FILE.npz." in capsys.readouterr().err


def test_networks_and_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["networks", "list", "--json"]) == 0
    assert {"lenet5", "vgg11", "resnet18"} <= {n["name"] for n in json.loads(capsys.readouterr().out)}
    assert main(["doctor", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["healthy"] is True
    assert facts["self_check"].startswith("passed")


def test_every_setting_is_a_flag_of_explore(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--help"]) == 0
    said = capsys.readouterr().out
    for setting in schema(ExploreSettings):
        assert f"{setting.flag} " in said
    for flag in ("--out", "--resume", "--json", "SETTINGS.toml|NETWORK"):
        assert flag in said
