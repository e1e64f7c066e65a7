"""Competitor margins: the part of the logits that decides top-1.

For image n with label y, the competitors are the other classes of largest exact logit. The image counts as correct as long as
its label's logit exceeds every other; only competitors near the top can overtake it, so a few of them carry the decision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]
"""Shape (images, classes)."""
Margins = NDArray[np.float32]
"""Shape (competitors, images): logit of the label minus logit of each competitor; correct when all are positive."""


@dataclass(frozen=True, slots=True, eq=False)
class Competitors:
    """Labels (images,) and, per image, the competitor classes (images, competitors), strongest first."""

    labels: NDArray[np.int64]
    classes: NDArray[np.int64]

    @classmethod
    def of(cls, logits: Logits, labels: NDArray[np.int64], count: int) -> Competitors:
        """Return the `count` strongest other classes of each image (all others where there are fewer)."""
        rivals = np.array(logits, np.float32)
        rivals[np.arange(len(labels)), labels] = -np.inf
        count = min(count, logits.shape[1] - 1)
        return cls(labels, np.argsort(-rivals, axis=1, kind="stable")[:, :count])

    def margins(self, logits: Logits) -> Margins:
        rows = np.arange(len(self.labels))
        return np.ascontiguousarray((logits[rows, self.labels][:, None] - np.take_along_axis(logits, self.classes, axis=1)).T)
