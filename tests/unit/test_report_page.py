"""The report as a page: complete, self-contained, escaped, estimates and measurements labelled."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from toy_result import toy_result

from hawx.report.compare import compare, comparison_html
from hawx.report.figures.front import beyond
from hawx.report.gallery import gallery
from hawx.report.page import report_html, space_size
from hawx.report.style import standalone
from hawx.results.recommendation import exact_design, optimism, recommend
from hawx.results.result import Result

VOID = {"meta", "link", "br", "hr", "img", "circle", "line", "path", "polyline", "rect"}


class Outline(HTMLParser):
    """Checks nesting and collects ids, links and words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.tags: dict[str, int] = {}
        self.words = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        if tag not in VOID:
            self.open.append(tag)
        for key, value in attrs:
            if key == "id" and value:
                self.ids.append(value)
            if key in ("href", "src", "xlink:href", "action", "data") and value:
                self.references.append(value)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.mark.parametrize("granularity", ["layer", "filter"])
def test_the_page_is_whole_and_needs_nothing_else(granularity: str) -> None:
    result = toy_result(granularity=granularity)
    page = report_html(result)
    outline = Outline(page)
    assert outline.open == []
    wanted = {"headline", "front", "design", "scores", "trust", "library", "provenance"} | ({"filters"} if granularity == "filter" else set())
    assert wanted <= set(outline.ids)
    assert outline.tags.get("script", 0) == 0
    assert all(r.startswith("#") or r == "data:," for r in outline.references), outline.references
    assert not re.search(r"@import|url\(|https?://(?!www\.w3\.org/2000/svg)", page)
    assert page == report_html(result)
    for design in result.front:
        assert design.id in outline.words
    for block in result.library["blocks"]:
        assert block["name"] in outline.words
    assert "measured" in outline.words
    assert "estimate" in outline.words


def test_headline_says_what_was_measured() -> None:
    result = toy_result()
    recommended = recommend(result)
    assert recommended is not None
    assert recommended.design.measurement is not None
    low, high = recommended.design.measurement.interval
    words = Outline(report_html(result)).words
    assert f"measured on 2\u202f000 images, 95 %: {low:.2f} to {high:.2f}" in words
    assert f"{100 * recommended.design.mult_power_ratio:.1f}" in words
    assert "out of a space of 7\u202f762 designs" in words


def test_a_front_that_only_its_search_images_like_says_so() -> None:
    result = toy_result()
    exact = exact_design(result)
    assert exact is not None
    others = [d for d in result.front if d.id != exact.id]
    gaps = [result.drop(d) - (result.baseline.search_int8_top1 - d.search.top1) for d in others if d.search is not None]
    assert optimism(result) == pytest.approx(np.mean(gaps))
    compared = f"{abs(np.mean(gaps)):.2f} points {'more' if np.mean(gaps) > 0 else 'less'}"
    assert f"the front loses {compared} on the report images than on the 2000 search images" in Outline(report_html(result)).words
    flattered = replace(result, baseline=replace(result.baseline, int8_top1=result.baseline.int8_top1 + 3))
    words = Outline(report_html(flattered)).words
    assert f"loses {np.mean(gaps) + 3:.2f} points more on the report images than on the 2000 search images that chose it: too few" in words
    assert optimism(replace(result, front=(exact,))) is None


HOSTILE = "</style><script>alert(1)</script>\"'&<b>"


def test_hostile_names_stay_text() -> None:
    result = toy_result(name=HOSTILE)
    library = {**result.library, "name": HOSTILE, "technology": HOSTILE}
    result = replace(
        result, library=library, searcher=HOSTILE, settings={HOSTILE: HOSTILE}, versions={HOSTILE: HOSTILE}, accelerator={"name": HOSTILE}
    )
    page = report_html(result)
    outline = Outline(page)
    assert outline.open == []
    assert "script" not in outline.tags
    assert "b" not in outline.tags
    assert HOSTILE in outline.words
    assert page.count("</style>") == 1


def test_every_figure_is_a_file_of_its_own() -> None:
    figures = gallery(toy_result(granularity="filter"))
    assert {"front-area-um2", "front-energy-uj", "front-mult-power-ratio", "design", "scores-layer", "validation", "hypervolume-evaluations"} <= set(
        figures
    )
    assert sum(name.startswith("scores-filters-") for name in figures) == 5
    for name, svg in figures.items():
        root = ET.fromstring(standalone(svg))
        assert root.tag == "{http://www.w3.org/2000/svg}svg", name
        box = [float(v) for v in root.attrib["viewBox"].split()]
        for mark in root.iter("{http://www.w3.org/2000/svg}circle"):
            if "cx" in mark.attrib and mark.attrib.get("cx") != "0":
                assert 0 <= float(mark.attrib["cx"]) <= box[2], name
                assert 0 <= float(mark.attrib["cy"]) <= box[3], name
        assert not re.search(r"\bnan\b|\binf\b", svg), name


def test_front_figure_shows_every_front_design_once_or_counts_it() -> None:
    result = toy_result()
    svg = gallery(result)["front-energy-uj"]
    shown = [d for d in result.front if f"{d.id}: loses" in svg]
    hidden = [d for d in result.front if d not in shown]
    assert all(result.drop(d) > 20 for d in hidden)
    assert len(shown) >= 5
    assert svg.count('class="ring"') == 2  # the mark and its legend entry
    grey = svg.count("measured in the search, ")
    assert grey + beyond(result) == len(result.evaluated)


def test_goal_missed_is_said_first() -> None:
    result = replace(toy_result(), max_drop=0.0, front=toy_result().front[3:])
    recommended = recommend(result)
    assert recommended is not None
    assert not recommended.met
    assert "The goal is not met: no design loses at most 0 points" in Outline(report_html(result)).words


def test_degenerate_results_still_make_a_page() -> None:
    result = toy_result()
    one = replace(result, front=result.front[:1], evaluated=result.evaluated[:1], hypervolume=(), max_drop=None)
    nothing: Result = replace(one, front=(), evaluated=())
    worst = replace(result, front=(max(result.front, key=result.drop),))
    for case in (one, nothing, worst):
        outline = Outline(report_html(case))
        assert outline.open == []
        assert not re.search(r"\bnan\b", outline.words)


def test_exact_design_is_found() -> None:
    result = toy_result()
    exact = exact_design(result)
    assert exact is not None
    assert exact.mult_power_ratio == pytest.approx(1.0)
    others = tuple(d for d in result.evaluated if d.id != exact.id)
    assert exact_design(replace(result, evaluated=others, front=())) is None


@pytest.mark.parametrize(("log10", "said"), [(0.0, "1"), (3.010299956639812, "1\u202f024"), (6.6, "10⁷"), (3627.4, "10³⁶²⁷")])
def test_space_sizes(log10: float, said: str) -> None:
    assert space_size(log10) == said


def test_runs_are_compared_on_one_yardstick() -> None:
    runs = [("a", toy_result()), ("b", toy_result(granularity="filter", searcher="nsga2")), ("c", toy_result(seed=3, max_drop=2.0))]
    found = compare(runs)
    assert found.reference_drop == 4.0
    assert all(0 <= run.volume <= 1 for run in found.runs)
    for run in found.runs:
        volumes = [v for _, _, v in run.growth]
        assert volumes == sorted(volumes)
        assert len(volumes) == len(run.result.evaluated)
    outline = Outline(comparison_html(found))
    assert outline.open == []
    assert {"table", "fronts", "progress"} <= set(outline.ids)
    again = compare([("x", runs[0][1]), ("y", runs[0][1])])
    assert again.runs[0].growth == again.runs[1].growth
    assert [row[8] for row in again.rows] == ["100.0 %", "100.0 %"]


def test_toy_helper_is_not_shipped() -> None:
    assert not list((Path(__file__).parents[2] / "src").rglob("toy_result*"))
