"""Verify: bit-exact measurement of designs, and what remembers it."""
