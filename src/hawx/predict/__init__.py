"""Predict: accuracy of a design nobody has measured yet, with its uncertainty."""

from hawx.predict.calibration import Calibration
from hawx.predict.predictor import Predictor, validate
from hawx.predict.probe import Probes, Run, deciding_images
from hawx.predict.ranking import Ranking, ranking_of
from hawx.predict.spread import Spread
from hawx.predict.superposition import Effects

__all__ = ["Calibration", "Effects", "Predictor", "Probes", "Ranking", "Run", "Spread", "deciding_images", "ranking_of", "validate"]
