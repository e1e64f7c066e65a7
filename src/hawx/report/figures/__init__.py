"""Figures: results as SVG. Each module draws one kind of figure; none reads or writes a file."""

from hawx.report.figures.assignment import draw_assignment
from hawx.report.figures.front import draw_front, draw_fronts
from hawx.report.figures.heatmap import draw_filter_scores, draw_scores
from hawx.report.figures.hypervolume import Growth, draw_hypervolume
from hawx.report.figures.validation import draw_validation

__all__ = ["Growth", "draw_assignment", "draw_filter_scores", "draw_front", "draw_fronts", "draw_hypervolume", "draw_scores", "draw_validation"]
