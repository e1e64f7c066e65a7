"""Values in a notebook: a multiplier as a function, tables of pandas, what is shown, and that names cannot escape from it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from toy_result import toy_result

import hawx
from hawx.blocks import Block
from hawx.blocks.families import builtin_library
from hawx.designs import SearchSpace
from hawx.errors import InputError, UnknownNameError
from hawx.networks import zoo
from hawx.notebook import MOST_ROWS, rows_html
from hawx.units import Granularity


def tags(html: str) -> list[str]:
    """Return the tags of a document, which must close what they open."""
    found: list[str] = []
    opened: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append(tag)
            opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

    Reader().feed(html)
    assert not opened
    return found


def test_a_function_of_arrays_is_a_block() -> None:
    block = Block.from_function(lambda a, w: (a * w) & ~3, name="cut")
    assert block.table[128 - 7, 128 + 5] == -36  # -35 = ...11011101b, without its two low bits ...11011100b
    assert block.table[128 + 7, 128 + 5] == 32
    assert not block.is_exact
    unsigned = Block.from_function(lambda a, w: a * w, name="plain", formats=("u8", "s8"))
    assert (unsigned.is_exact, unsigned.table[255, 0]) == (True, 255 * -128)


def test_a_function_of_two_numbers_is_a_block_too() -> None:
    def branching(a: int, w: int) -> int:
        return 0 if abs(a) < 4 else a * w

    block = Block.from_function(branching, name="dead")
    assert (block.table[128 + 3, 128 + 100], block.table[128 + 4, 128 + 100]) == (0, 400)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda a, w: a * w / 2, r"^table of block 'odd' has dtype float64; expected integers\.$"),
        (lambda a, w: int(a) // int(w), r"fails for a = -128, w = 0 \(ZeroDivisionError: .*\); expected a whole number for every pair"),
        (lambda a, w: [int(a)] * (2 if int(w) == 0 else 1), r"gives values of different shapes; expected a whole number for every pair\.$"),
        (lambda a, w: a * w << 20, r"^table of block 'odd' spans .*; expected products of 8-bit operands"),
    ],
)
def test_a_function_that_is_no_multiplier_is_refused(function, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Block.from_function(function, name="odd")


def test_a_function_with_stated_costs_can_be_explored() -> None:
    library = hawx.Library.from_function(lambda a, w: (a * w) & ~15, name="mine", area=0.5, energy=0.4)
    exact, mine = library.costs()
    assert (mine.area_um2, mine.energy_fj, mine.delay_ns) == (0.5 * exact.area_um2, 0.4 * exact.energy_fj, exact.delay_ns)
    assert mine.origin == "stated: 0.5 of the area, 0.4 of the energy, 1 of the delay of mul8s_exact"
    data = zoo.dataset("lenet5").first(200)
    seen: list[str] = []
    result = hawx.explore(
        zoo.load("lenet5"), library, "spatial", data.images, data.labels, search_images=60, report_images=60, on_measured=lambda d: seen.append(d.id)
    )
    assert seen == [design.id for design in result.evaluated]
    with pytest.raises(InputError, match=r"^energy = -1 of block 'mine' cannot be used; expected a share"):
        hawx.Library.from_function(lambda a, w: a * w, name="mine", area=1, energy=-1)
    with pytest.raises(InputError, match=r"share no technology with costs"):
        hawx.Library.from_function(lambda a, w: a * w - 1, name="bare").costs()


def test_a_caller_can_end_the_search() -> None:
    data, library = zoo.dataset("lenet5").first(200), builtin_library().select(["mul8s_ot3", "mul8s_tc8"])
    asked = {"search_images": 60, "report_images": 60, "seed": 1, "recover": "none"}
    for searcher in ("hawx", "random", "nsga2", "greedy"):
        found = {"searcher": searcher, "on_measured": lambda design: design.mult_power_ratio < 0.99}
        result = hawx.explore(zoo.load("lenet5"), library, "spatial", data.images, data.labels, **found, **asked)
        assert 2 <= len(result.evaluated) < 40, searcher  # the exact one, and the batch of the first cheaper one
        assert all(design.measurement is not None for design in result.front)


def test_what_a_notebook_shows_is_well_formed_and_says_what_there_is() -> None:
    result, library, network = toy_result(), builtin_library(), zoo.load("lenet5")
    for value in (library, library["mul8s_ot3"], network, result, result.scores, result.front[0]):
        assert "table" in tags(value._repr_html_()), value
    assert f"{len(library)} blocks" in library._repr_html_()
    assert "conv2" in network._repr_html_()
    assert "240,000" in network._repr_html_()
    assert all(design.id in result._repr_html_() for design in result.front)


def test_names_do_not_become_markup() -> None:
    evil = Block.from_function(lambda a, w: a * w, name='<script>alert("x")')._repr_html_()
    assert "script" not in tags(evil)
    assert "&lt;script&gt;alert" in evil
    assert "script" not in tags(rows_html("<script>", ["<b>"], [["<i>"]]))


def test_long_tables_say_how_much_they_leave_out() -> None:
    html = rows_html("many", ["n"], [[i] for i in range(MOST_ROWS + 1)])
    assert f"… {MOST_ROWS + 1} in all" in html
    assert html.count("<td>") == MOST_ROWS


def test_tables_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    result = toy_result()
    front = result.to_pandas()
    assert isinstance(front, pandas.DataFrame)
    assert list(front["id"]) == [design.id for design in result.front]
    assert len(result.scores.to_pandas()) == result.scores.layer_drop.size
    table = builtin_library().to_pandas().set_index("name")
    assert table.loc["mul8s_exact", "wce"] == 0
    assert table.loc["mul8s_ot3", "mae"] == pytest.approx(np.abs(builtin_library()["mul8s_ot3"].error).mean())


def test_figures_of_a_result(tmp_path) -> None:
    result = toy_result()
    for figure in (result.plot_front(), result.plot_front("area_um2"), result.plot_scores(), result.plot_design()):
        assert re.match(r'<\?xml version="1\.0" encoding="UTF-8"\?>\n<svg ', str(figure))
        assert tags(figure._repr_html_()) == ["iframe"]
    result.plot_front().save(tmp_path / "front.svg")
    assert (tmp_path / "front.svg").read_text() == str(result.plot_front())
    with pytest.raises(UnknownNameError, match=r"^unknown hardware figure 'area'; did you mean 'area_um2'"):
        result.plot_front("area")


def test_a_network_that_guesses_is_named() -> None:
    from hawx.doubts import near_chance

    assert near_chance(100, 1000, 10) is not None
    assert near_chance(250, 1000, 10) is None
    assert near_chance(4, 1000, 1000) is not None
    assert near_chance(60, 100, 2) is not None
    assert near_chance(75, 100, 2) is None
    network, library = zoo.load("lenet5"), builtin_library().select(["mul8s_ot3"])
    data = zoo.dataset("lenet5").first(150)
    space = SearchSpace.build(Granularity.LAYER, list(network.filters), list(network.filters.values()), library.names)
    from hawx.networks import Dataset
    from hawx.progress import SilentProgress, StageClock
    from hawx.stages import prepare

    class Listening(SilentProgress):
        notes: list[str] = []  # noqa: RUF012

        def note(self, text: str) -> None:
            self.notes.append(text)

    listening = Listening()
    prepare(network, library, Dataset("wrong", data.images, (data.labels + 1) % 10, 10), space, clock=StageClock(listening))
    assert len(listening.notes) == 1
    assert "about what guessing among 10 classes does" in listening.notes[0]
    prepare(network, library, data, space, clock=StageClock(listening))
    assert len(listening.notes) == 1
