"""Markup: HTML and SVG text that is safe by type. Only `text` turns a plain string into markup, and it escapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import NewType
from unicodedata import category

Markup = NewType("Markup", str)
"""Text that may be put into a page as it is. A plain `str` is not one: mypy refuses it where markup is expected."""

Attributes = Mapping[str, str | float]

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Cn"})
"""Unicode categories: controls, formats, halves of characters, no characters."""
_EMPTY = frozenset({"br", "circle", "hr", "img", "line", "link", "meta", "path", "polyline", "rect", "use"})


def text(value: object) -> Markup:
    """Return `value` as markup, every special character escaped; what is no character to be seen, or turns the direction of others, replaced."""
    plain = str(value)
    if not plain.isprintable():
        plain = "".join(c if c in "\n\t" or category(c) not in _UNSEEN else "\ufffd" for c in plain)
    return Markup(escape(plain, quote=True))


def number(value: float) -> str:
    """Return a coordinate with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def element(name: str, attributes: Attributes, *children: Markup) -> Markup:
    """Return `<name …>children</name>`; attribute values are escaped, numbers shortened."""
    head = name + "".join(f' {key}="{text(value if isinstance(value, str) else number(value))}"' for key, value in attributes.items())
    if name in _EMPTY and not children:
        return Markup(f"<{head}/>")
    return Markup(f"<{head}>{''.join(children)}</{name}>")


def join(parts: Iterable[Markup], separator: str = "") -> Markup:
    """Return the parts in a row. `separator` is plain text."""
    return Markup(text(separator).join(parts))


def titled(markup: Markup, title: str) -> Markup:
    """Return a group that shows `title` as a tooltip."""
    return element("g", {}, element("title", {}, text(title)), markup)
