"""Hostile files: every reader tried on changed copies of small ones, see `python -m benchmarks.fuzz --help`."""
