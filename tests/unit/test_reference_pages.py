"""The reference pages are what the program says of itself today."""

from __future__ import annotations

from pathlib import Path

import pytest

from hawx.cli.reference import pages

DOCS = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(pages()))
def test_page_is_current(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name], "run: python -m hawx.cli.reference docs/reference"


def test_every_command_has_a_section() -> None:
    page = pages()["cli.md"]
    for command in ("explore", "score", "evaluate", "compare", "report", "blocks list", "blocks show", "blocks import", "networks list", "doctor"):
        assert f"\n## hawx {command}\n" in page
