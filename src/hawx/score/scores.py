"""Scores: how much each unit suffers from each block, at the four levels. A result in itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hawx.notebook import data_frame, rows_html

Matrix = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """The scores of one network under one library. Smaller magnitude is better everywhere; 0 is "like exact".

    Arrays are (layers, blocks) unless said otherwise, in network and library order.
    """

    layers: tuple[str, ...]
    blocks: tuple[str, ...]
    operator_mean: Matrix
    """E[T − a·w] per product under the layer's own operands (Trommer et al. 2022, arXiv 2208.07265)."""
    operator_std: Matrix
    """Standard deviation of T − a·w per product under the layer's own operands."""
    layer_drop: Matrix
    """Points of top-1 lost on the scoring images when this layer alone uses this block everywhere (measured, exact)."""
    layer_margin: Matrix
    """Mean change of the classification margin (logit of the label minus the best other) with this layer replaced (measured)."""
    images: int
    """How many scoring images the layer and filter scores were taken on."""
    filter_bias: tuple[Matrix, ...] = field(default=())
    """Per layer (filters, blocks): mean error of the filter's accumulator, in real units of its output. Empty at layer granularity."""
    filter_std: tuple[Matrix, ...] = field(default=())
    """Per layer (filters, blocks): standard deviation of that error."""
    filter_margin: tuple[Matrix, ...] = field(default=())
    """Per layer (filters, blocks): mean predicted change of the margin when this filter alone uses this block."""

    def to_pandas(self) -> Any:
        """Return `rows` as a `pandas.DataFrame`.

        Raises:
            ToolMissingError: pandas is not installed.
        """
        return data_frame(self.rows())

    def _repr_html_(self) -> str:
        rows = [[layer, *(f"{drop:z.2f}" for drop in drops)] for layer, drops in zip(self.layers, self.layer_drop.tolist(), strict=True)]
        return rows_html(f"points of top-1 lost on {self.images} images, one layer on one block", ["layer", *self.blocks], rows)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one plain row per (layer, block), then one per (layer, filter, block), as `scores.csv` holds them."""
        for i, layer in enumerate(self.layers):
            for b, block in enumerate(self.blocks):
                yield {
                    "level": "layer",
                    "layer": layer,
                    "filter": "",
                    "block": block,
                    "error_mean": self.operator_mean[i, b],
                    "error_std": self.operator_std[i, b],
                    "margin_change": self.layer_margin[i, b],
                    "top1_drop": self.layer_drop[i, b],
                }
        for layer, bias, std, margin in zip(self.layers, self.filter_bias, self.filter_std, self.filter_margin, strict=False):
            for f in range(bias.shape[0]):
                for b, block in enumerate(self.blocks):
                    yield {
                        "level": "filter",
                        "layer": layer,
                        "filter": f,
                        "block": block,
                        "error_mean": bias[f, b],
                        "error_std": std[f, b],
                        "margin_change": margin[f, b],
                        "top1_drop": "",
                    }
