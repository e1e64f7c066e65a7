"""Names that are more than names to somebody: markup, escapes, formulas, quotes, line breaks. Every output shows them and does nothing else."""

from __future__ import annotations

import csv
import json
import shutil
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from tests.unit import toy_result as toy

from hawx.blocks import Block, Library
from hawx.cli.commands.score import score_lines
from hawx.cli.console import out, print_json, say, table
from hawx.cli.front import front_lines, recommended_lines
from hawx.errors import LONGEST, HawxError, InputError, UnknownNameError, printable
from hawx.importers.multiplier import find_multiplier
from hawx.importers.tables import block_name
from hawx.report.compare import compare, comparison_html
from hawx.report.page import report_html
from hawx.results.recommendation import recommend
from hawx.results.result import Result
from hawx.rtl import LayerSpec, layer_project
from hawx.simulators import available, simulate
from hawx.store import load_run, save_run
from hawx.store.figures import save_figures
from hawx.store.text import cell, text_of

ESCAPE = "\x1b[2J\x1b]0;owned\x07"
NAMES = (
    "</style><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    f"red{ESCAPE}\x9b31m",
    "=cmd|'/c calc'!A1",
    "+1+1",
    "@SUM(A1)",
    "-2",
    "'quoted",
    'a,b;"c"',
    "two\nlines\r\nand\x0bmore\u2028here",
    "../../etc/passwd",
    "$(touch pwned)`touch pwned`;#",
    "evil\u202egnp.exe",
    "[bold]markup[/bold]",
    "x" * 500,
)
"""Of layers, networks and accelerators, which files give any name."""
BLOCKS = ("=1+1", "@SUM(A1)", "-2", "<b>&\"'", "$(touch`pwned`);", "é'quoted")
"""Of blocks, which have no blanks, slashes and control characters."""


@pytest.fixture
def result(monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setattr(toy, "LAYERS", dict.fromkeys(NAMES, 4))
    monkeypatch.setattr(toy, "MACS", dict.fromkeys(NAMES, 1000))
    plain = toy.truncated
    monkeypatch.setattr(toy, "truncated", lambda bits: plain(bits).renamed(BLOCKS[bits]))
    made = toy.toy_result(granularity="filter", name=NAMES[0])
    settings, versions = {NAMES[2]: NAMES[9]}, {NAMES[0]: NAMES[8]}
    return replace(made, accelerator={"name": NAMES[1], "kind": ESCAPE}, searcher=ESCAPE, settings=settings, versions=versions)


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.events: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.events += [name for name, _ in attributes if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.words += data


def unseen(text: str) -> set[str]:
    return {c for c in text if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Cn"}}


def test_pages_hold_names_as_words(result: Result) -> None:
    for text in (report_html(result), comparison_html(compare([(NAMES[0], result), (NAMES[2], result)]))):
        page = Page(text)
        assert not page.tags & {"script", "img", "b", "bold"}
        assert not page.events
        assert NAMES[0] in page.words
        assert text.count("</style>") == 1
        assert not unseen(text)


def test_figures_are_files_in_their_folder(result: Result, tmp_path: Path) -> None:
    files = save_figures(result, tmp_path / "figures")
    assert {path.parent for path in files} == {tmp_path / "figures"}
    assert [path.name for path in tmp_path.iterdir()] == ["figures"]
    for path in files:
        drawn = ET.fromstring(path.read_bytes())
        assert not {each.tag.rpartition("}")[2] for each in drawn.iter()} & {"script", "img", "b"}


def test_no_cell_is_a_formula_and_names_come_back(result: Result, tmp_path: Path) -> None:
    save_run(result, tmp_path)
    for file in ("front.csv", "scores.csv"):
        with (tmp_path / file).open(newline="", encoding="utf-8") as text:
            cells = [value for row in csv.reader(text) for value in row]
        for value in cells:
            if value.startswith(("=", "+", "@", "-", "\t", "\r")):
                float(value)
    loaded = load_run(tmp_path)
    assert (loaded.scores.layers, loaded.scores.blocks) == (NAMES, BLOCKS)
    np.testing.assert_array_equal(loaded.scores.layer_drop, result.scores.layer_drop)
    assert [design.id for design in loaded.front] == [design.id for design in result.front]


@pytest.mark.parametrize("name", [*NAMES, *BLOCKS, "", "'", "''=", "plain"])
def test_a_cell_gives_back_its_text(name: str) -> None:
    assert text_of(cell(name)) == name
    assert not cell(name).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_terminals_are_not_driven(result: Result, capsys: pytest.CaptureFixture[str]) -> None:
    recommended = recommend(result)
    out(*front_lines(result, recommended), *recommended_lines(result, recommended), *score_lines(result.scores))
    out(f"{result.network['name']} on {result.accelerator['name']}, {ESCAPE}", *NAMES)
    shown = table(["block", "what"], [[name, name] for name in NAMES], left=1)
    assert len({len(line) for line in shown[1:]}) == 1, "aligned: as wide as what is shown"
    out(*shown)
    say(NAMES[2])
    print_json({"names": NAMES, "half": "\ud800"})
    printed = "".join(capsys.readouterr())
    assert not unseen(printed)
    assert "\\x1b[2J" in printed
    assert "\\u001b[2J" in printed
    printed.encode()


def test_json_on_a_terminal_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"names": NAMES, "far": "\U000e0001"})
    text = capsys.readouterr().out
    assert json.loads(text) == {"names": list(NAMES), "far": "\U000e0001"}
    assert not unseen(text)


def test_a_line_in_bold_holds_no_other_escape(capsys: pytest.CaptureFixture[str]) -> None:
    out(f"\033[1m{ESCAPE}\033[0m")
    assert capsys.readouterr().out == "\033[1m\\x1b[2J\\x1b]0;owned\\x07\033[0m\n"


@pytest.mark.parametrize("name", NAMES)
def test_errors_are_one_printable_line(name: str) -> None:
    for error in (InputError(f"network {name} is not known; expected another."), UnknownNameError("block", name, [name, "b"]), HawxError(name * 90)):
        assert not unseen(str(error))
        assert "\n" not in str(error)
        assert len(str(error)) < 5 * LONGEST
    assert printable("a\u202fb – ×") == "a\u202fb – ×"


@pytest.mark.parametrize("name", ["a b", "a/b", "a\\b", f"a{ESCAPE}", "a\u202eb", "a\x00", ""])
def test_names_of_blocks_are_plain(name: str) -> None:
    table = np.zeros((256, 256), int)
    with pytest.raises(InputError, match=r"^block name .* is not usable; expected a non-empty name without spaces, slashes or control characters\.$"):
        Block.from_table(table, name=name)
    made = block_name(Path("folder") / (name.replace("/", "_").replace("\x00", "_") + ".npy"))
    assert Block.from_table(table, name=made).name == made


@pytest.mark.eda
@pytest.mark.skipif(not available() or shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
def test_circuits_of_hostile_blocks_compile_and_compute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    codes = np.arange(-128, 128)
    library = Library([Block.from_table(np.multiply.outer(codes, codes) & ~bits, name=name) for bits, name in enumerate(BLOCKS)], name="hostile")
    multipliers = tuple(find_multiplier(block) for block in library)
    random = np.random.default_rng(0)
    codes, weights = (random.integers(-128, 128, shape).astype(np.int8) for shape in ((3, 4), (6, 4)))
    spec = LayerSpec(pe=2, simd=2, reduction=4, blocks=(0, 1, 2, 3, 4, 5), multipliers=multipliers)
    found = simulate(layer_project(spec, codes, weights))
    assert found.passed, found.log
    assert not list(tmp_path.iterdir())
