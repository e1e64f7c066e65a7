"""Verify: bit-exact measurements, on the search images while searching and on the report images at the end."""

from hawx.verify.front import verify_front
from hawx.verify.identity import images_identity, library_identity, network_identity
from hawx.verify.measure import Counter, Measurer, Task, count_here
from hawx.verify.split import split_images
from hawx.verify.store import MeasurementKey, MeasurementStore, MemoryStore

__all__ = [
    "Counter",
    "MeasurementKey",
    "MeasurementStore",
    "Measurer",
    "MemoryStore",
    "Task",
    "count_here",
    "images_identity",
    "library_identity",
    "network_identity",
    "split_images",
    "verify_front",
]
