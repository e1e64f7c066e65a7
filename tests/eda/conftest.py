"""What EDA tests need: tools found, or a reason to skip; caches of their own."""

from __future__ import annotations

import pytest

from hawx.blocks.families import from_name
from hawx.rtl import Multiplier
from hawx.rtl.multipliers import verilog
from hawx.synthesis import yosys
from hawx.synthesis.cells import OSU018_PATH, cell_library


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HAWX_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def osu018():
    if not OSU018_PATH.exists():
        pytest.skip("OSU018 is not installed (apt install qflow-tech-osu018)")
    return cell_library("osu018")


@pytest.fixture
def needs_yosys():
    if not yosys.available():
        pytest.skip("Yosys is not installed (pip install pyosys)")


@pytest.fixture
def multiplier():
    return lambda name: Multiplier(block=from_name(name).block(), module=name, verilog=verilog(from_name(name)))
