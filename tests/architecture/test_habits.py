"""Habits that cost nothing to hold: one meaning for every word, documents that name what is there, one version of every tool."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "hawx"
FILES = sorted(SOURCE.rglob("*.py"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

TWO_OF_A_NAME = {
    "Library": "hawx.Library is the adapters' kind of hawx.blocks.Library: one that loads",
    "Result": "hawx.Result is the adapters' kind of hawx.results.result.Result: one that saves",
    "Block": "the transformer's has the name that its checkpoints have",
    "Method": "how formats are calibrated, how units are recovered: always with its package",
    "Entry": "of the catalog of networks, of a plot's legend: neither leaves its file",
    "Group": "of rows in a compressed array, of statements in Liberty: neither leaves its package",
    "Searched": "what a stage found, and what the suite of searchers saw of it",
}

texts = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
documents = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def test_a_class_has_its_name_alone() -> None:
    homes: defaultdict[str, set[str]] = defaultdict(set)
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].add(str(path.relative_to(SOURCE)))
    shared = {name: sorted(places) for name, places in homes.items() if len(places) > 1 and name not in TWO_OF_A_NAME}
    assert not shared, "give one of each another name, or say in TWO_OF_A_NAME why both keep it"
    assert all(len(homes[name]) > 1 for name in TWO_OF_A_NAME)


@texts
def test_sources_cite_what_a_reader_can_open(path: Path) -> None:
    cited = re.findall(r"\bDESIGN (?:\d|section)|\b[A-Z]+\.md\b", path.read_text(encoding="utf-8"))
    assert all((ROOT / name).is_file() for name in cited), cited


@texts
def test_calibration_is_of_formats_and_constants_on_images(path: Path) -> None:
    """What kernels cost is timed, what is predicted is corrected."""
    if path.relative_to(SOURCE).parts[0] in {"emulate", "predict", "score", "search", "store", "report"}:
        assert "calibrat" not in path.read_text(encoding="utf-8").lower()


def test_every_word_of_the_glossary_is_used() -> None:
    table = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").partition("## Words")[2].partition("\n## ")[0]
    words = {word for row in re.findall(r"^\| \*\*(.+?)\*\* \|", table, re.MULTILINE) for word in row.split(" / ")}
    assert {"effect", "margin", "competitor", "calibration", "counts", "choices", "operands", "run"} <= words
    source = " ".join(path.read_text(encoding="utf-8").lower() for path in FILES)
    assert not {word for word in words if not re.search(rf"\b{word}(s|es)?\b", source)}


@documents
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (path.parent / target).exists(), target


@documents
def test_documents_name_files_that_exist(path: Path) -> None:
    for name in re.findall(r"`((?:src|native|tests|benchmarks|docs)/[\w/.]+\.(?:py|pyi|cpp|hpp|inc|md|json|csv))`", path.read_text(encoding="utf-8")):
        assert Path(name).stem in {"mine", "tier_NAME"} or (ROOT / name).is_file(), name


def test_tools_have_one_version() -> None:
    hooks, pinned = ((ROOT / name).read_text(encoding="utf-8") for name in (".pre-commit-config.yaml", "constraints.txt"))
    found = re.search(r"ruff-pre-commit\n\s+rev: v([\d.]+)", hooks)
    assert found is not None
    assert f"\nruff=={found[1]}\n" in pinned
    assert re.search(r"^mypy==[\d.]+$", pinned, re.MULTILINE)
