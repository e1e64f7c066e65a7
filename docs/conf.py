"""The documentation site: `sphinx-build -W docs build/site`. Pages that lie beside the source are brought in, and links to them turned."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring

import hawx

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
"""File beside the source -> page of the site."""

project = "HAWX"
release = version = hawx.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "furo"
html_title = "HAWX"
root_doc = "index"
myst_heading_anchors = 3
autodoc_typehints = "none"  # signatures carry them
autodoc_member_order = "bysource"
default_role = "literal"  # docstrings write code as Markdown does

CONTENTS = """
```{toctree}
:hidden:
:caption: Guides

tutorial
blocks
networks
operators
recovery
search
emulation
hardware
distributed
```

```{toctree}
:hidden:
:caption: Reference

reference/cli
reference/settings
reference/python
```

```{toctree}
:hidden:
:caption: Project

architecture
contributing
mutation
security
changelog
```
"""


def moved(text: str) -> str:
    """Return a page with its links as they are in the site; what the site has not is named and not linked."""

    def link(match: re.Match[str]) -> str:
        words, target = match.groups()
        path, _, anchor = target.partition("#")
        page = PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        if page is not None:
            return f"[{words}]({page}{'#' + anchor if anchor else ''})"
        return words if (ROOT / path).exists() and path else match[0]

    return re.sub(r"\[([^\]]*)\]\(([^)\s]+)\)", link, text)


def python_names() -> str:
    """Return the page of `hawx.__all__`: every public name where it is defined."""
    page = ["# Python", "", "`import hawx` gives these names; what else a module has stands in its docstring.", ""]
    for name in hawx.__all__:
        value = getattr(hawx, name)
        if callable(value):
            kind = "autoclass" if isinstance(value, type) else "autofunction"
            page += ["```{eval-rst}", f".. {kind}:: {value.__module__}.{value.__qualname__}"]
            page += ["   :members:", "   :undoc-members:"] if kind == "autoclass" else []
            page += ["```", ""]
    return "\n".join(page)


def sections(app: Sphinx, what: str, name: str, item: Any, options: Any, lines: list[str]) -> None:
    """Turn the sections of a docstring (Args, Returns, Raises); those of attributes are sentences, whose colons are no types."""
    if what not in ("attribute", "property", "data"):
        lines[:] = str(GoogleDocstring(lines, Config(napoleon_use_rtype=False), app, what, name, item, options)).splitlines()


def setup(app: Sphinx) -> None:
    """Write the pages that the site adds; git ignores them."""
    app.connect("autodoc-process-docstring", sections)
    docs = Path(app.srcdir)
    for source, page in PAGES.items():
        (docs / page).write_text(moved((ROOT / source).read_text(encoding="utf-8")) + (CONTENTS if page == "index.md" else ""), encoding="utf-8")
    (docs / "reference" / "python.md").write_text(python_names(), encoding="utf-8")
