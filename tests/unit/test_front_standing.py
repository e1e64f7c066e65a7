"""How designs of a front stand on the report images: five designs of 2,000 images, intervals of about ±0.9 points."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from toy_result import toy_result

from hawx.cli.front import front_lines
from hawx.estimates import Measurement
from hawx.report.page import report_html
from hawx.results.front import Rival, ordered, rivals
from hawx.results.recommendation import recommend
from hawx.results.result import Result
from hawx.store import load_run, save_run

FIGURES = (  # correct of 2,000, area, energy
    (1960, 100.0, 10.0),  # exact
    (1890, 60.0, 8.0),  # 94.5 %, at most 95.4 %: the next has 96.5 % and is smaller and thriftier
    (1930, 50.0, 7.0),
    (1925, 50.0, 7.0),  # 96.25 %, at most 97.0 %: no dearer than the one before, by chance perhaps
    (1900, 40.0, 9.0),  # small, not thrifty: nobody is better in both
)


@pytest.fixture
def result() -> Result:
    toy = toy_result(max_drop=2.0)
    designs = [
        replace(design, hardware=replace(design.hardware, area_um2=area, energy_uj=energy), measurement=Measurement(correct, 2000))
        for design, (correct, area, energy) in zip({d.id: d for d in toy.evaluated}.values(), FIGURES, strict=False)
    ]
    return replace(toy, front=tuple(designs), baseline=replace(toy.baseline, int8_top1=98.0))


def test_a_rival_is_no_dearer_and_more_accurate(result: Result) -> None:
    _, dear, good, twin, _ = (design.id for design in result.front)
    assert len({dear, good, twin}) == 3
    assert rivals(result) == {dear: Rival(good, beyond=True), twin: Rival(good, beyond=False)}


def test_equals_do_not_beat_one_another(result: Result) -> None:
    first, second = (replace(design, hardware=result.front[2].hardware, measurement=Measurement(1930, 2000)) for design in result.front[2:4])
    assert rivals(replace(result, front=(first, second))) == {}


def test_the_least_points_lost_come_first(result: Result) -> None:
    assert [design.measurement.correct for design in ordered(result) if design.measurement] == [1960, 1930, 1925, 1900, 1890]


def test_the_design_put_forward_has_no_rival(result: Result) -> None:
    recommended = recommend(replace(result, objectives=("energy_uj", "area_um2")))
    assert recommended is not None
    assert recommended.design.id == result.front[2].id  # of the two with 7 µJ the more accurate, wherever it stands
    turned = replace(result, objectives=("energy_uj", "area_um2"), front=result.front[::-1])
    assert turned.best(2.0).id == recommended.design.id


def test_the_table_shows_the_useful_ones(result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    exact, dear, good, twin, small = (design.id for design in result.front)
    lines = front_lines(result, None)
    assert max(map(len, lines)) <= 80
    assert [line.split()[:2] for line in lines[3:7]] == [[exact, "98.00"], [good, "96.50"], ["~", twin], [small, "95.00"]]
    assert "~  another is no dearer" in lines[7]
    assert lines[8].strip() == "1 left out, dominated beyond the interval: see dominated_by in front.csv"
    assert not any(dear in line for line in lines)


def test_the_report_and_the_csv_name_them(result: Result, tmp_path: Path) -> None:
    _, dear, good, twin, _ = (design.id for design in result.front)
    page = report_html(result)
    assert f"<code>{dear}</code> †" in page
    assert f"<code>{twin}</code> ~" in page
    assert "† Dominated: " in page
    save_run(result, tmp_path)
    with (tmp_path / "front.csv").open(newline="") as file:
        assert [row["dominated_by"] for row in csv.DictReader(file)] == ["", good, "", "", ""]
    assert rivals(load_run(tmp_path)) == rivals(result)


def test_a_front_without_rivals_says_nothing_of_them(result: Result) -> None:
    alone = replace(result, front=result.front[2:3])
    assert not any("~" in line or "left out" in line for line in front_lines(alone, None))
    assert "Dominated: " not in report_html(alone)
