"""Predict: accuracy of a design nobody has measured yet, with its uncertainty."""

from hawx.predict.correction import Correction
from hawx.predict.predictor import Predictor, validate
from hawx.predict.probe import Prober, Probes, deciding_images
from hawx.predict.ranking import Ranking, ranking_of
from hawx.predict.spread import Spread
from hawx.predict.superposition import Effects

__all__ = ["Correction", "Effects", "Predictor", "Prober", "Probes", "Ranking", "Spread", "deciding_images", "ranking_of", "validate"]
