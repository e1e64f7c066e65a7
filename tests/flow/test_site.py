"""The documentation site: it builds without a warning, its pages are there, and it asks nobody for anything."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import hawx

pytest.importorskip("sphinx", reason="sphinx is not installed")
pytest.importorskip("myst_parser", reason="myst-parser is not installed")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", str(folder / "doctrees"), str(ROOT / "docs"), str(folder / "html")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_every_page_of_the_repository_is_in_the_site(site: Path) -> None:
    pages = {page.relative_to(ROOT / "docs").with_suffix(".html") for page in (ROOT / "docs").rglob("*.md")}
    brought = {Path(f"{name}.html") for name in ("index", "architecture", "contributing", "security", "changelog", "reference/python")}
    assert pages | brought == {page for page in pages | brought if (site / page).exists()}


def test_the_reference_has_every_public_name(site: Path) -> None:
    text = (site / "reference" / "python.html").read_text(encoding="utf-8")
    missing = [name for name in hawx.__all__ if callable(getattr(hawx, name)) and not re.search(rf'id="hawx\.[\w.]+\.{name}"', text)]
    assert missing == []


def test_links_lead_to_pages_of_the_site(site: Path) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    assert 'href="tutorial.html"' in text
    assert 'href="architecture.html"' in text
    assert [target for target in re.findall(r'href="([^"]+)"', text) if target.partition("#")[0].endswith(".md")] == []


def test_no_page_asks_another_machine(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|img|iframe)[^>]* src="https?:[^"]+"|<link rel="stylesheet"[^>]* href="https?:[^"]+"', text)
        assert loaded == [], page.name
