"""One self-contained HTML page per result: no script, no request, both themes, printable."""

from __future__ import annotations

from collections.abc import Sequence

from hawx.report.markup import Markup, element, join, text
from hawx.report.sections import Section, sections
from hawx.report.style import page_css
from hawx.results.recommendation import recommend
from hawx.results.result import Result

_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def report_html(result: Result) -> Markup:
    """Return the report of one exploration as a complete HTML document."""
    name = str(result.network.get("name", "network"))
    title = f"{name}: {result.granularity}-level approximation on a {result.accelerator.get('name', '')} accelerator"
    lead = (
        f"{len(result.front)} designs on the front, out of a space of {space_size(result.space_log10)} designs; "
        f"{result.effort.evaluations} measured bit-exactly by the searcher “{result.searcher}”, seed {result.seed}."
    )
    return document(f"HAWX: {name}", title, lead, sections(result, recommend(result)))


def document(tab: str, title: str, lead: str, parts: Sequence[Section]) -> Markup:
    """Return a complete HTML document of titled sections."""
    links = [element("a", {"href": f"#{part.anchor}"}, text(part.title)) for part in parts if part.title]
    head = element(
        "head",
        {},
        Markup(
            '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
            '<meta name="color-scheme" content="light dark">'
        ),
        Markup('<link rel="icon" href="data:,">'),
        element("title", {}, text(tab)),
        Markup(f"<style>{page_css()}</style>"),
    )
    header = element(
        "header",
        {},
        element(
            "div",
            {},
            element("div", {"class": "brand"}, text("HAWX")),
            element("h1", {}, text(title)),
            element("p", {"class": "lead"}, text(lead)),
            element("nav", {}, *links),
        ),
    )
    body = [element("section", {"id": part.anchor}, *([element("h2", {}, text(part.title))] if part.title else []), part.body) for part in parts]
    footer = element(
        "footer",
        {},
        element(
            "div", {}, text("Every accuracy on this page is marked as measured or estimated. Hardware figures follow the accelerator's cost laws.")
        ),
    )
    page = element("html", {"lang": "en"}, head, element("body", {}, header, element("main", {}, *body), footer))
    return join([Markup("<!DOCTYPE html>\n"), page, Markup("\n")])


def space_size(log10: float) -> str:
    """Return the size of a space in words: all digits when small, a power of ten when not."""
    return f"{round(10**log10):,}".replace(",", "\u202f") if log10 < 6 else "10" + str(round(log10)).translate(_SUPERSCRIPT)
