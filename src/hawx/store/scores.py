"""Scores as rows of `scores.csv`, and back."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from hawx.errors import InputError
from hawx.files import write_text
from hawx.score.scores import Matrix, Scores
from hawx.store.text import csv_text, text_of

COLUMNS = ("level", "layer", "filter", "block", "error_mean", "error_std", "margin_change", "top1_drop")


def save_scores(scores: Scores, path: str | PathLike[str]) -> None:
    """Write `scores` as CSV: a row per (layer, block), then a row per (layer, filter, block)."""
    write_text(path, csv_text(COLUMNS, scores.rows()))


def load_scores(path: str | PathLike[str], *, filters: Mapping[str, int], blocks: tuple[str, ...], images: int) -> Scores:
    """Return the scores that `save_scores` wrote, for a network with `filters` (layer -> count) and a library with `blocks`.

    Raises:
        InputError: the file is missing or does not have a row for each layer and block.
    """
    layers = tuple(filters)
    fields = {name: np.full((len(layers), len(blocks)), np.nan) for name in ("error_mean", "error_std", "margin_change", "top1_drop")}
    per_filter = {
        name: [np.full((count, len(blocks)), np.nan) for count in filters.values()] for name in ("error_mean", "error_std", "margin_change")
    }
    found = 0
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                _place(row, layers, blocks, fields, per_filter)
                found += row["level"] == "filter"
    except FileNotFoundError:
        raise InputError(f"scores {str(path)!r} do not exist; expected the scores.csv of a run folder.") from None
    except (KeyError, ValueError, IndexError, OSError, csv.Error) as error:
        raise InputError(
            f"scores {str(path)!r} do not fit their run ({error}); expected the scores.csv that hawx wrote beside result.json."
        ) from error

    def of_filters(name: str) -> tuple[Matrix, ...]:
        # A layer that may not be approximated has no filter scores.
        return tuple(array[:0] if np.isnan(array).all() else array for array in per_filter[name]) if found else ()

    return Scores(
        layers=layers,
        blocks=blocks,
        operator_mean=fields["error_mean"],
        operator_std=fields["error_std"],
        layer_drop=fields["top1_drop"],
        layer_margin=fields["margin_change"],
        images=images,
        filter_bias=of_filters("error_mean"),
        filter_std=of_filters("error_std"),
        filter_margin=of_filters("margin_change"),
    )


def _place(
    row: Mapping[str, Any], layers: tuple[str, ...], blocks: tuple[str, ...], fields: dict[str, Matrix], per_filter: dict[str, list[Matrix]]
) -> None:
    i, b = layers.index(text_of(row["layer"])), blocks.index(text_of(row["block"]))
    if row["level"] == "layer":
        for name, array in fields.items():
            array[i, b] = float(row[name])
    else:
        for name, arrays in per_filter.items():
            arrays[i][int(row["filter"]), b] = float(row[name])
