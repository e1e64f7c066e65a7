"""Accelerator declarations in TOML: what they mean, that they survive a round trip, and what is refused."""

from __future__ import annotations

import re

import pytest

from hawx.accelerators import Folding, Memory, Sharing, Simt, Spatial, Systolic
from hawx.errors import InputError, UnknownNameError
from hawx.importers.accelerator import accelerator_from_dict, load_accelerator


def write(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def refused(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(InputError, match="^" + re.escape(message.replace("FILE", repr(str(path)))) + "$"):
        load_accelerator(path)


def test_built_in_names():
    assert isinstance(load_accelerator("spatial"), Spatial)
    assert isinstance(load_accelerator("temporal"), Systolic)
    with pytest.raises(UnknownNameError, match=r"^unknown accelerator 'spacial'; did you mean 'spatial' or 'temporal'\? Or give a TOML file\.$"):
        load_accelerator("spacial")


def test_a_file_declares_everything(tmp_path):
    path = write(
        tmp_path,
        'kind = "systolic"\nrows = 8\ncolumns = 12\ndataflow = "weight"\nsharing = "partitioned"\nclock = 250\n'
        "[memory]\narea_um2_per_bit = 1.5\nenergy_fj_per_bit = 4\n",
    )
    accelerator = load_accelerator(path)
    assert isinstance(accelerator, Systolic)
    assert (accelerator.name, accelerator.rows, accelerator.columns, accelerator.clock) == ("mine", 8, 12, 250)
    assert accelerator.sharing is Sharing.PARTITIONED
    assert accelerator.memory == Memory(area_um2_per_bit=1.5, energy_fj_per_bit=4)


@pytest.mark.parametrize(
    "accelerator",
    [
        Spatial(),
        Spatial(folding={"c": Folding(2, 3)}, clock=100.0),
        Spatial(area_um2=1e6, memory=Memory(area_um2_per_bit=1, energy_fj_per_bit=2)),
        Systolic(rows=3, sharing="partitioned"),
        Simt(instructions_per_mac=1.5),
    ],
    ids=["default", "folding", "memory", "systolic", "simt"],
)
def test_params_build_the_same_accelerator(accelerator):
    again = accelerator_from_dict({"name": accelerator.name, **accelerator.params})
    assert type(again) is type(accelerator)
    assert again.params == accelerator.params


def test_bad_declarations(tmp_path):
    refused(tmp_path, "rows = 3\n", "accelerator file FILE has no 'kind'; expected one of: spatial, systolic, simt.")
    refused(
        tmp_path,
        'kind = "sistolic"\n',
        "unknown accelerator kind 'sistolic'; did you mean 'systolic' or 'simt' or 'spatial'? (accelerator file FILE)",
    )
    refused(tmp_path, 'kind = "systolic"\nrow = 3\n', "unknown key of a systolic accelerator 'row'; did you mean 'rows'? (accelerator file FILE)")
    refused(tmp_path, 'kind = "systolic"\nrows = "8"\n', "accelerator file FILE has rows = '8'; expected a number.")
    refused(tmp_path, 'kind = "systolic"\nrows = 0\n', "accelerator file FILE: accelerator 'mine' has rows = 0; expected an integer from 1 to 4096.")
    refused(tmp_path, 'kind = "systolic"\ndataflow = "wieght"\n', "unknown dataflow 'wieght'; did you mean 'weight'? (accelerator file FILE)")
    refused(tmp_path, 'kind = "spatial"\n[folding.c]\npe = 2\n', "accelerator file FILE has an incomplete folding.c = {'pe': 2}; expected pe, simd.")
    refused(
        tmp_path,
        'kind = "spatial"\n[folding.c]\npe = 2\nsmid = 3\n',
        "unknown key of folding.c 'smid'; did you mean 'simd'? (accelerator file FILE)",
    )
    path = write(tmp_path, "kind = \n")
    with pytest.raises(InputError, match=r"^accelerator file '.*mine\.toml' is not TOML: .*line 1.*\.$"):
        load_accelerator(path)
    with pytest.raises(InputError, match=r"^accelerator file '.*nowhere\.toml' does not exist; did you mean '.*mine\.toml'\?$"):
        load_accelerator(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, r"^accelerator has no 'kind'; "),
        ({"kind": "spatial", "folding": 3}, r"^accelerator has folding = 3; expected a table of layers, each with pe and simd\.$"),
        ({"kind": "spatial", "memory": 3}, r"^accelerator has memory = 3; expected a table with area_um2_per_bit, energy_fj_per_bit, .*\.$"),
        ({"kind": "systolic", "rows": 1.5}, r"^accelerator has rows = 1\.5; expected a number\.$"),
        ({"kind": "spatial", "name": 3}, r"^accelerator has name = 3; expected a text\.$"),
    ],
)
def test_plain_values_that_cannot_be_used_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        accelerator_from_dict(values)
