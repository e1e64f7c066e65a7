"""Conformance suites: subclass one in a test module, and pytest checks that an extension keeps its contract."""

from hawx.testing.block_sources import BlockSourceSuite
from hawx.testing.measurement_stores import MeasurementStoreSuite
from hawx.testing.searchers import SearcherSuite

__all__ = ["BlockSourceSuite", "MeasurementStoreSuite", "SearcherSuite"]
