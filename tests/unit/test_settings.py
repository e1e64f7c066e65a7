"""Settings: what is written reads back the same; what is wrong is named in one line."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hawx.errors import InputError
from hawx.settings import ExploreSettings, from_values, read_toml, schema, to_toml

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(
    st.builds(
        ExploreSettings,
        network=TEXT,
        weights=st.none() | TEXT,
        library=st.lists(TEXT).map(tuple),
        blocks=st.lists(TEXT).map(tuple),
        max_drop=st.none() | st.floats(-5, 100),
        budget=st.integers(1, 10**9),
        images=st.none() | st.integers(2, 10**6),
        seed=st.integers(0, 2**62),
    )
)
def test_what_is_written_reads_back(settings: ExploreSettings) -> None:
    text = to_toml(settings, head="made by a test")
    assert from_values(ExploreSettings, tomllib.loads(text)) == settings


def test_the_file_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    settings = replace(ExploreSettings(), granularity="filter", max_drop=0.5, library=("builtin", "a b.v"))
    path.write_text(to_toml(settings))
    assert read_toml(path, ExploreSettings) == settings
    text = path.read_text()
    for each in fields(ExploreSettings):
        assert f"\n{each.name} = " in f"\n{text}" or f"\n# {each.name} = (unset)" in text
    assert "# One of: network, layer, filter." in text
    assert 'library = ["builtin", "a b.v"]' in text


def test_every_field_has_a_meaning_and_a_sound_default() -> None:
    for setting in schema(ExploreSettings):
        assert setting.doc.endswith(".")
        if not setting.optional:
            assert setting.check(setting.default, "default") == setting.default
    assert set(asdict(ExploreSettings())) == {s.name for s in schema(ExploreSettings)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("max_dorp = 1", r"^unknown setting 'max_dorp'; did you mean 'max_drop'( or 'memory')?\? \(.*s\.toml\)$"),
        ("budget = 1.5", r"^.*s\.toml: budget = 1\.5 cannot be used; expected a whole number of at least 1\.$"),
        ("budget = true", r"^.*s\.toml: budget = True cannot be used; expected a whole number of at least 1\.$"),
        ("budget = 0", r"^.*s\.toml: budget = 0 cannot be used; expected a whole number of at least 1\.$"),
        ('max_drop = "much"', r"^.*s\.toml: max_drop = 'much' cannot be used; expected a number\.$"),
        ("max_drop = nan", r"^.*s\.toml: max_drop = nan cannot be used; expected a number\.$"),
        ('blocks = "a"', r"^.*s\.toml: blocks = 'a' cannot be used; expected a list of texts\.$"),
        ('blocks = ["a", 1]', r"^.*s\.toml: blocks = \['a', 1\] cannot be used; expected a list of texts\.$"),
        ('granularity = "layr"', r"^unknown granularity 'layr'; did you mean 'layer'( or '[a-z]+')*\? \(.*s\.toml: granularity\)$"),
        ('objectives = ["area"]', r"^unknown objectives 'area'; did you mean 'area_um2'\? \(.*s\.toml: objectives\)$"),
        ("seed = 1\nnetwork = x", r"^settings file '.*s\.toml' is not TOML: .*line 2.*\.$"),
        ("[network]\nname = 1", r"^.*s\.toml: network = \{'name': 1\} cannot be used; expected a text\.$"),
    ],
)
def test_bad_settings_are_named(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_toml(path, ExploreSettings)


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^settings file '.*none\.toml' does not exist; expected a file or folder\.$"):
        read_toml(tmp_path / "none.toml", ExploreSettings)
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"^settings file '.*b\.toml' line 1 is not UTF-8 text; expected a text file\.$"):
        read_toml(tmp_path / "b.toml", ExploreSettings)
    with pytest.raises(InputError, match=r"^settings file '.*' is not a regular file; expected one\.$"):
        read_toml(tmp_path, ExploreSettings)
