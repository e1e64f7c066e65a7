"""Benchmarks: every figure of the project, printed by a command and kept in `benchmarks/results` with the machine named."""
