"""Score: how much each unit suffers from each block, before any search (ARCHITECTURE, Scores)."""

from hawx.score.competitors import Competitors
from hawx.score.exchange import exchanged_logits, two_ended_effects
from hawx.score.filter import FilterEffects, filter_effects
from hawx.score.layer import measured_effects
from hawx.score.operator import error_moments
from hawx.score.prober import ScoringProber
from hawx.score.sample import Sample, stratified_sample
from hawx.score.scores import Scores
from hawx.score.stage import EffectKind, Scored, ScoringSet, score_network, scoring_set, unit_effects, work

__all__ = [
    "Competitors",
    "EffectKind",
    "FilterEffects",
    "Sample",
    "Scored",
    "Scores",
    "ScoringProber",
    "ScoringSet",
    "error_moments",
    "exchanged_logits",
    "filter_effects",
    "measured_effects",
    "score_network",
    "scoring_set",
    "stratified_sample",
    "two_ended_effects",
    "unit_effects",
    "work",
]
