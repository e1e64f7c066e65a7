"""Paths in settings: relative to the file that names them, absolute in the settings that a run keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hawx.files import present
from hawx.settings.explore import ExploreSettings

NAMES = frozenset({"builtin", "spatial", "temporal", "simt"})
"""Words that mean something built in, even where a file of that name exists."""


def anchored(settings: ExploreSettings, base: Path) -> ExploreSettings:
    """Return the settings with every value that names an existing file below `base` made absolute."""

    def place(value: str) -> str:
        file, mark, options = value.rpartition("#")  # "circuit.v#swapped": how to read a file follows the mark
        if not mark or present(base / value):
            file, mark, options = value, "", ""
        known = file and file not in NAMES and present(base / file)
        return str((base / file).resolve()) + mark + options if known else value

    def file(value: str | None) -> str | None:
        return None if value is None else place(value)

    return replace(
        settings,
        network=place(settings.network) if Path(settings.network).suffix else settings.network,
        weights=file(settings.weights),
        data=file(settings.data),
        accelerator=place(settings.accelerator),
        library=tuple(map(place, settings.library)),
    )
