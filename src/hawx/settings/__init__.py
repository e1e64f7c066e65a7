"""Settings: dataclasses that are the one source of TOML keys, command-line flags and the reference page."""

from hawx.settings.explore import ExploreSettings
from hawx.settings.schema import AtLeast, Kind, Setting, field_docs, schema
from hawx.settings.toml import from_values, read_toml, read_values, to_toml

__all__ = ["AtLeast", "ExploreSettings", "Kind", "Setting", "field_docs", "from_values", "read_toml", "read_values", "schema", "to_toml"]
