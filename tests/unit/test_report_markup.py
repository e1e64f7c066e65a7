"""Markup, scales and quantities: what figures and pages are made of."""

from __future__ import annotations

import unicodedata
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hawx.report.markup import element, join, text
from hawx.report.scale import Scale, span, tick_labels, ticks
from hawx.results.quantities import quantity, seconds, significant

FINITE = st.floats(-1e9, 1e9, allow_nan=False)


@given(st.text())
def test_any_text_survives_as_text_and_attribute(value: str) -> None:
    parsed = ET.fromstring(element("g", {"id": value}, text(value)))
    plain = "".join(c if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Cn"} else "\ufffd" for c in value)
    assert (parsed.text or "") == plain
    assert len(parsed) == 0
    assert parsed.attrib["id"] == plain.replace("\n", " ").replace("\t", " ")


def test_hostile_text_is_inert() -> None:
    assert text("<script>alert('x')</script> & \"") == "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; &quot;"
    assert join([text("a"), text("b")], "<") == "a&lt;b"


@given(FINITE, st.floats(1e-6, 1e6))
def test_ticks_are_round_inside_and_few(low: float, width: float) -> None:
    high = low + width
    if high - low < 1e-9 * max(abs(low), 1.0):
        return
    found = ticks(low, high, 5)
    slack = 1e-6 * (high - low) + 1e-9 * abs(low)
    assert all(low - slack <= t <= high + slack for t in found)
    assert 1 <= len(found) <= 7
    assert len(set(tick_labels(found))) == len(found)


@given(st.floats(-50, -0.1), st.floats(0.1, 100), st.booleans())
@example(-1.0, 1.9999999999999858, False)
def test_scales_map_ends_to_ends_and_keep_order(low: float, high: float, rooted: bool) -> None:
    scale = Scale(low, high, 10.0, 210.0, rooted)
    assert scale(low) == pytest.approx(10.0)
    assert scale(high) == pytest.approx(210.0)
    inside = sorted([low + (high - low) * k / 7 for k in range(8)])
    assert [scale(v) for v in inside] == sorted(scale(v) for v in inside)
    shown = scale.ticks(5)
    assert all(scale.holds(v) for v, _ in shown)
    assert [v for v, _ in shown] == sorted({v for v, _ in shown})


def test_spans_hold_their_values() -> None:
    assert span([3.0, 3.0])[0] < 3.0 < span([3.0, 3.0])[1]
    assert span([0.0, 0.0], zero=True) == (0.0, 0.06)
    assert span([]) == (-0.06, 1.06)
    assert span([2.0, float("nan"), 4.0], margin=0.5, zero=True) == (0.0, 6.0)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.00012345, "0.000123"), (1.2345, "1.23"), (-12.345, "-12.3"), (123456, "123\u202f456"), (1e9, "1.00e+09"), (float("nan"), "–")],
)
def test_significant_digits(value: float, shown: str) -> None:
    assert significant(value) == shown


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("area_um2", 99_999, "99\u202f999\u202fµm²"),
        ("area_um2", 757_000, "0.757\u202fmm²"),
        ("energy_uj", 0.096, "96.0\u202fnJ"),
        ("energy_uj", 12.5, "12.5\u202fµJ"),
        ("energy_uj", 2500, "2.50\u202fmJ"),
        ("latency_us", 23.58, "23.6\u202fµs"),
        ("power_uw", 1_100_000, "1.10\u202fW"),
        ("mult_power_ratio", 0.464, "46.4\u202f%"),
        ("unheard_of", 2.0, "2.00"),
    ],
)
def test_quantities_pick_their_unit(field: str, value: float, shown: str) -> None:
    assert quantity(field).show(value) == shown


def test_seconds_as_people_say_them() -> None:
    assert [seconds(s) for s in (2e-6, 0.25, 21.7, 600, 9000)] == ["2\u202fµs", "250\u202fms", "21.7\u202fs", "10.0\u202fmin", "2.5\u202fh"]
