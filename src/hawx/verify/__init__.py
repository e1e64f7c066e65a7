"""Verify: bit-exact measurements, on the search images while searching and on the report images at the end."""

from hawx.verify.front import verify_front
from hawx.verify.identity import images_identity, library_identity, network_identity
from hawx.verify.measure import Measurer, Shard, Task
from hawx.verify.split import split_images
from hawx.verify.store import MeasurementKey, MeasurementStore, MemoryStore

__all__ = [
    "MeasurementKey",
    "MeasurementStore",
    "Measurer",
    "MemoryStore",
    "Shard",
    "Task",
    "images_identity",
    "library_identity",
    "network_identity",
    "split_images",
    "verify_front",
]
