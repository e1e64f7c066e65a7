"""Run folders: a result comes back as it went in; a broken folder is named."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_result import toy_result

from hawx.errors import InputError, UnknownNameError
from hawx.estimates import Measurement
from hawx.results.recommendation import recommend
from hawx.store import load_run, save_run
from hawx.store.design import load_design
from hawx.store.figures import save_figures
from hawx.store.run import save_design
from hawx.store.text import csv_text, json_text


@pytest.mark.parametrize("granularity", ["layer", "filter"])
def test_a_run_comes_back(granularity: str, tmp_path: Path) -> None:
    result = toy_result(granularity=granularity)
    result.save(tmp_path / "new" / "run")
    back = load_run(tmp_path / "new" / "run")
    assert back.to_dict() == result.to_dict()
    assert [d.measurement for d in back.front] == [d.measurement for d in result.front]
    for name in ("operator_mean", "operator_std", "layer_drop", "layer_margin"):
        assert np.array_equal(getattr(back.scores, name), getattr(result.scores, name))
    for name in ("filter_bias", "filter_std", "filter_margin"):
        pairs = zip(getattr(back.scores, name), getattr(result.scores, name), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)
    assert {p.name for p in (tmp_path / "new" / "run").iterdir()} == {"result.json", "front.csv", "scores.csv", "report.html", "design.json"}


def test_a_layer_without_filter_scores_comes_back(tmp_path: Path) -> None:
    result = toy_result(granularity="filter")
    kept = {name: (*getattr(result.scores, name)[:-1], np.zeros((0, 6))) for name in ("filter_bias", "filter_std", "filter_margin")}
    result = replace(result, scores=replace(result.scores, **kept))
    save_run(result, tmp_path)
    back = load_run(tmp_path).scores
    assert [m.shape for m in back.filter_margin] == [m.shape for m in result.scores.filter_margin]
    assert all(np.array_equal(a, b) for a, b in zip(back.filter_std, result.scores.filter_std, strict=True))


@pytest.mark.parametrize("images", [1, 7, 999, 10_000, 50_000])
def test_counts_survive_percentages(images: int, tmp_path: Path) -> None:
    from hawx.store.run import _measurement

    for correct in {0, 1, images // 3, images - 1, images}:
        seen = Measurement(correct, images)
        assert _measurement(json.loads(json_text(seen.to_dict()))) == seen


def test_front_csv_is_the_front(tmp_path: Path) -> None:
    result = toy_result()
    save_run(result, tmp_path)
    with (tmp_path / "front.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [d.id for d in result.front]
    assert [float(row["area_um2"]) for row in rows] == [d.area_um2 for d in result.front]
    assert [json.loads(row["assignment"]) for row in rows] == [d.assignment.to_dict() for d in result.front]


def test_broken_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"^folder '.*nowhere' holds no result\.json; expected a finished run\. `hawx explore --out DIR` writes one\.$"
    ):
        load_run(tmp_path / "nowhere")
    (tmp_path / "run.sqlite").write_bytes(b"")
    with pytest.raises(InputError, match=r"It was not finished: continue it with `hawx explore --resume`\.$"):
        load_run(tmp_path)
    save_run(toy_result(), tmp_path)
    path = tmp_path / "result.json"
    whole = json.loads(path.read_text())
    del whole["sha256"], whole["files"]
    path.write_text(path.read_text()[:500])
    with pytest.raises(InputError, match=r"^result '.*result\.json' is not JSON \(line \d+: .*\); expected what hawx wrote\. `hawx explore "):
        load_run(tmp_path)
    path.write_text(json.dumps({**whole, "schema": "hawx.result/99"}))
    with pytest.raises(InputError, match=r"^result '.*' has schema 'hawx\.result/99'; expected 'hawx\.result/1'\. "):
        load_run(tmp_path)
    path.write_text(json.dumps({k: v for k, v in whole.items() if k != "front"}))
    with pytest.raises(InputError, match=r"^result '.*' is incomplete \('front'\); expected what hawx wrote\. `hawx explore --resume .*$"):
        load_run(tmp_path)
    path.write_text(json.dumps(whole))
    scores = tmp_path / "scores.csv"
    scores.write_text(scores.read_text().replace("conv1", "conv9"))
    with pytest.raises(InputError, match=r"^scores '.*scores\.csv' do not fit their run \(.*\); expected the scores\.csv that hawx wrote"):
        load_run(tmp_path)
    scores.unlink()
    with pytest.raises(InputError, match=r"^scores '.*scores\.csv' do not exist; expected the scores\.csv of a run folder\.$"):
        load_run(tmp_path)


def test_json_has_no_numbers_that_json_does_not_know() -> None:
    assert json.loads(json_text({"a": float("nan"), "b": [float("inf"), 1.5], "c": "x"})) == {"a": None, "b": [None, 1.5], "c": "x"}


def test_csv_keeps_every_bit() -> None:
    value = np.float64(0.1) + np.float64(0.2)
    row = next(csv.DictReader(csv_text(("v", "t"), [{"v": value, "t": 'a,"b"\n'}]).splitlines(keepends=True)))
    assert float(row["v"]) == value
    assert row["t"] == 'a,"b"\n'


def test_designs_as_files(tmp_path: Path) -> None:
    result = toy_result(granularity="filter")
    save_run(result, tmp_path)
    recommended = recommend(result)
    assert recommended is not None
    other = result.front[-1]
    save_design(result, other, tmp_path / "other.json")
    assert load_design(tmp_path).found["id"] == recommended.design.id
    saved = load_design(tmp_path / "other.json")
    assert saved.assignment == other.assignment.to_dict()
    assert saved.settings == result.settings
    assert load_design(f"{tmp_path}#{other.id[:6]}").assignment == saved.assignment
    with pytest.raises(UnknownNameError, match=r"^unknown design '0000nope'; .*\(run '.*'\)$"):
        load_design(f"{tmp_path}#0000nope")
    (tmp_path / "bare.json").write_text('{"conv1": "a", "conv2": ["a", "b"]}')
    assert load_design(tmp_path / "bare.json").assignment == {"conv1": "a", "conv2": ["a", "b"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"^design '.*d\.json' is not JSON \(line 1: .*\); expected a design file\.$"),
        ("[]", r"^design '.*d\.json' holds no design; expected layers with their blocks\.$"),
        (
            '{"conv1": 3}',
            r"^design '.*d\.json' has an assignment that cannot be read; expected layer -> block name, or a list with one per filter\.$",
        ),
        ('{"assignment": ["a"]}', r"^design '.*d\.json' has an assignment that cannot be read; "),
    ],
)
def test_bad_designs_are_named(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        load_design(path)


def test_figures_are_saved(tmp_path: Path) -> None:
    paths = save_figures(replace(toy_result(), hypervolume=()), tmp_path / "figures")
    assert {"front-area-um2.svg", "design.svg", "scores-layer.svg"} <= {p.name for p in paths}
    assert all(p.read_text().startswith("<?xml") for p in paths)
