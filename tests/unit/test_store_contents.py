"""What stores write, read by other tools (sqlite3, csv, json) and counted by hand; what others wrote, read back."""

from __future__ import annotations

import csv
import json
import sqlite3
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from hawx.designs import Assignment, Design, Hardware
from hawx.errors import InputError, UnknownNameError
from hawx.estimates import Estimate, Measurement
from hawx.networks import QuantizedNetwork, zoo
from hawx.networks.quantized import Variant
from hawx.networks.serialize import from_bytes
from hawx.results.result import Baseline, Effort, Networks, Validation
from hawx.score.scores import Scores
from hawx.store import Result, SqliteStore, load_run, save_run
from hawx.store.design import load_design, network_of, save_tuned
from hawx.store.scores import COLUMNS, load_scores
from hawx.store.text import csv_text, json_text
from hawx.verify import network_identity
from hawx.verify.store import MeasurementKey
from hawx.wiring import Wiring

KEY = MeasurementKey(network="n", blocks="b", assignment="a", images="i")
RIGHT = np.array([1, 0, 0, 1, 1, 0, 0, 0, 1, 0], np.bool_)
"""As bits 10011000 10......, which is 0x98 0x80."""


def test_a_measurement_is_one_row_of_counts_and_bits(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "run.sqlite") as store:
        store.put(KEY, RIGHT)
        store.put(KEY, RIGHT)
        assert len(store) == 1
    connection = sqlite3.connect(tmp_path / "run.sqlite")
    rows = connection.execute("SELECT network, blocks, assignment, images, correct, total, answers FROM measurements").fetchall()
    assert rows == [("n", "b", "a", "i", 4, 10, b"\x98\x80")]
    assert connection.execute("PRAGMA user_version").fetchone() == (3,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_a_row_that_another_program_wrote_is_a_measurement(tmp_path: Path) -> None:
    path = str(tmp_path / "run.sqlite")
    SqliteStore(path).close()
    sealed = zlib.crc32(b"n\0b\0a\0i\x003\x0011\0\x28\x40")
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO measurements VALUES ('n', 'b', 'a', 'i', 3, 11, x'2840', ?)", [sealed])  # 00101000 010.....
        connection.execute("INSERT INTO measurements VALUES ('n', 'b', 'one', 'i', 1, 1, x'80', 0)")  # no checksum: it knows of none
        connection.execute("INSERT INTO measurements (network, blocks, assignment, images, correct) VALUES ('n', 'b', 'old', 'i', 3)")
    connection.close()
    with SqliteStore(path) as store:
        found = store.get(KEY)
        assert found is not None
        assert found.dtype == np.bool_
        assert np.flatnonzero(found).tolist() == [2, 4, 9]
        assert len(found) == 11
        assert store.get(replace(KEY, assignment="one")) is not None
        assert store.get(replace(KEY, assignment="old")) is None
        store.put(replace(KEY, assignment="old"), np.arange(6) < 3)
        assert len(store) == 3
        with pytest.raises(InputError, match=r"^design 'a' was measured with 3 correct answers before and 3 now; expected the same answers\. "):
            store.put(KEY, np.arange(11) < 3)
        assert np.flatnonzero(store.get(KEY)).tolist() == [2, 4, 9]  # type: ignore[arg-type]


def test_every_commit_reaches_the_disk_and_others_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: dict[str, object] = {}
    connect = sqlite3.connect

    def watched(path: Path, **options: object) -> sqlite3.Connection:
        opened.update(options)
        opened["connection"] = connection = connect(path, **options)  # type: ignore[call-overload]
        return connection  # type: ignore[no-any-return]

    monkeypatch.setattr("hawx.store.measurements.sqlite3.connect", watched)
    with SqliteStore(tmp_path / "run.sqlite"):
        connection = opened["connection"]
        assert isinstance(connection, sqlite3.Connection)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert opened["timeout"] == 30.0
        assert connection.isolation_level is None
        assert not connection.in_transaction
    with pytest.raises(sqlite3.ProgrammingError):
        connection.execute("SELECT 1")


def test_a_store_of_another_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 4")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"^measurement store '.*run\.sqlite' has version 4; expected 3\. Start in an empty folder\.$"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_what_is_no_store_is_closed_and_named(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(
        InputError,
        match=r"^measurement store '.*run\.sqlite' cannot be read \(file is not a database\); expected a SQLite file\. "
        r"Remove it or start in an empty folder\.$",
    ):
        SqliteStore(path)


LAYERS, BLOCKS = {"one": 2, "two": 1}, ("exact", "rough")


def design(codes: list[list[int]], *, energy: float, **found: object) -> Design:
    assignment = Assignment(tuple(LAYERS), BLOCKS, tuple(np.array(each, np.uint8) for each in codes))
    hardware = Hardware(
        area_um2=energy * 10, power_uw=energy * 2, energy_uj=energy, latency_us=3.5, mult_power_ratio=energy / 4, mult_energy_ratio=found.pop("ratio")
    )
    return Design(assignment=assignment, hardware=hardware, **found)  # type: ignore[arg-type]


def small_result() -> Result:
    """Three designs: an exact one, a cheaper one that gains, and one that costs as much as that and loses: dominated beyond its interval."""
    exact = design([[0, 0], [0]], energy=4.0, ratio=None, search=Measurement(180, 200, gained=0, lost=0), measurement=Measurement(360, 400))
    cheap = design(
        [[1, 0], [0]],
        energy=2.0,
        ratio=0.375,
        estimate=Estimate(89.5, 0.25),
        search=Measurement(182, 200, gained=3, lost=1),
        claim=Estimate(90.5, 0.75),
        measurement=Measurement(364, 400, gained=6, lost=2),
        unrecovered=Measurement(340, 400, gained=0, lost=20),
        parameters={"columns": [3, 1]},
    )
    poor = design(
        [[1, 1], [1]],
        energy=2.0,
        ratio=0.25,
        search=Measurement(170, 200, gained=0, lost=10),
        measurement=Measurement(300, 400, gained=0, lost=60),
    )
    operator = np.array([[0.0, 0.5], [0.0, 0.25]])
    filters = (np.array([[0.0, 0.125], [0.0, -0.5]]), np.zeros((0, 2)))
    return Result(
        network={"name": "tiny", "classes": 2, "macs": 3, "layers": [{"name": name, "filters": count} for name, count in LAYERS.items()]},
        granularity="filter",
        accelerator={"name": "spatial"},
        library={"name": "two", "technology": "t", "blocks": [{"name": "exact", "sha256": "e" * 64, "is_exact": True}, {"name": "rough"}]},
        objectives=("energy_uj",),
        space_log10=0.9,
        baseline=Baseline(float_top1=90.25, int8_top1=90.0, search_int8_top1=90.5),
        front=(cheap, exact, poor),
        evaluated=(exact, cheap, poor),
        scores=Scores(
            layers=tuple(LAYERS),
            blocks=BLOCKS,
            operator_mean=operator,
            operator_std=operator * 2,
            layer_drop=operator * 3,
            layer_margin=operator * 4,
            images=50,
            filter_bias=filters,
            filter_std=tuple(2 * each for each in filters),
            filter_margin=tuple(3 * each for each in filters),
        ),
        validation=Validation(designs=2, spearman=None, mean_absolute_error=1.5, within_two_sigma=0.5),
        effort=Effort(evaluations=3, evaluation_equivalents=0.5, wall_s=2.5, stages={"search": 2.0, "verify": 0.5}),
        seed=7,
        searcher="hawx",
        max_drop=None,
        settings={"network": "tiny", "seed": 7},
        versions={"hawx": "0"},
        hypervolume=((1, 0.5, 0.25), (2, 1.0, 0.75)),
    )


def test_the_front_as_a_spreadsheet_sees_it(tmp_path: Path) -> None:
    result = small_result()
    save_run(result, tmp_path)
    with (tmp_path / "front.csv").open(newline="") as file:
        cheap, exact, poor = csv.DictReader(file)
    assert ",".join(cheap) == (
        "id,top1,low,high,images,drop,drop_low,drop_high,gained,lost,claimed_drop,claimed_sigma,unrecovered_drop,dominated_by,"
        "estimated_top1,estimated_sigma,area_um2,power_uw,energy_uj,latency_us,mult_power_ratio,mult_energy_ratio,assignment"
    )
    told = {key: value for key, value in cheap.items() if key not in ("low", "high", "drop_low", "drop_high")}
    assert told == {
        "id": result.front[0].id,
        "top1": "91.0",
        "images": "400",
        "drop": "-1.0",
        "gained": "6",
        "lost": "2",
        "claimed_drop": "0.0",  # 90.5 on the search images, and as much claimed
        "claimed_sigma": "0.75",
        "unrecovered_drop": "5.0",
        "dominated_by": "",
        "estimated_top1": "89.5",
        "estimated_sigma": "0.25",
        "area_um2": "20.0",
        "power_uw": "4.0",
        "energy_uj": "2.0",
        "latency_us": "3.5",
        "mult_power_ratio": "0.5",
        "mult_energy_ratio": "0.375",
        "assignment": '{"one": ["rough", "exact"], "two": "exact"}',
    }
    wilson = binomtest(364, 400).proportion_ci(method="wilson")
    assert [float(cheap["low"]), float(cheap["high"])] == pytest.approx([100 * wilson.low, 100 * wilson.high], rel=1e-9)
    assert float(cheap["drop_low"]) < -1.0 < float(cheap["drop_high"])
    for key in ("claimed_drop", "claimed_sigma", "unrecovered_drop", "estimated_top1", "estimated_sigma", "mult_energy_ratio", "gained", "lost"):
        assert exact[key] == "", key
    assert (poor["drop"], poor["dominated_by"], exact["dominated_by"]) == ("15.0", result.front[0].id, "")


def test_a_run_of_every_kind_of_design_comes_back(tmp_path: Path) -> None:
    result = small_result()
    save_run(result, tmp_path)
    back = load_run(tmp_path)
    assert back.to_dict() == result.to_dict()
    for key in ("front", "evaluated"):
        for found, was in zip(getattr(back, key), getattr(result, key), strict=True):
            for field in ("id", "hardware", "estimate", "search", "claim", "measurement", "unrecovered", "parameters"):
                assert getattr(found, field) == getattr(was, field), field
    assert back.hypervolume == result.hypervolume
    assert (back.effort, back.validation, back.baseline) == (result.effort, result.validation, result.baseline)
    assert [each.shape for each in back.scores.filter_bias] == [(2, 2), (0, 2)]
    assert (tmp_path / "result.json").read_text(encoding="utf-8").endswith("}\n")


def test_runs_of_before_claims_existed_still_load(tmp_path: Path) -> None:
    save_run(small_result(), tmp_path)
    path = tmp_path / "result.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    del values["sha256"], values["files"]
    for entry in (*values["front"], *values["evaluated"]):
        del entry["claim"], entry["unrecovered"]
        for seen in (entry["search"], entry["measurement"]):
            if seen:
                seen.pop("gained", None)
                seen.pop("lost", None)
    path.write_text(json.dumps(values), encoding="utf-8")
    back = load_run(str(tmp_path))
    assert [d.claim for d in back.front] == [None] * 3
    assert back.front[0].measurement == Measurement(364, 400)
    for broken in ("[]", '"text"', "{}"):
        path.write_text(broken, encoding="utf-8")
        with pytest.raises(
            InputError, match=r"^result '.*' has schema None; expected 'hawx\.result/1'\. Run the exploration again with this version\.$"
        ):
            load_run(tmp_path)


def test_scores_as_a_spreadsheet_sees_them(tmp_path: Path) -> None:
    save_run(small_result(), tmp_path)
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS == ("level", "layer", "filter", "block", "error_mean", "error_std", "margin_change", "top1_drop")
    layers, filters = ([row for row in rows if row["level"] == level] for level in ("layer", "filter"))
    assert [tuple(row[key] for key in COLUMNS[1:]) for row in layers[1:3]] == [
        ("one", "", "rough", "0.5", "1.0", "2.0", "1.5"),
        ("two", "", "exact", "0.0", "0.0", "0.0", "0.0"),
    ]
    assert [tuple(row[key] for key in COLUMNS[1:]) for row in filters if row["block"] == "rough"] == [
        ("one", "0", "rough", "0.125", "0.25", "0.375", ""),
        ("one", "1", "rough", "-0.5", "-1.0", "-1.5", ""),
    ]


@pytest.mark.parametrize("change", [("rough", "smooth"), ("0.125", "x"), ("one,1", "one,2"), ("level", "levle")])
def test_scores_of_another_run_are_refused(change: tuple[str, str], tmp_path: Path) -> None:
    save_run(small_result(), tmp_path)
    path = tmp_path / "scores.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(*change), encoding="utf-8")
    with pytest.raises(
        InputError, match=r"^scores '.*scores\.csv' do not fit their run \(.+\); expected the scores\.csv that hawx wrote beside result\.json\.$"
    ):
        load_scores(path, filters=LAYERS, blocks=BLOCKS, images=50)


def test_text_is_utf_8_indented_and_without_numbers_that_json_does_not_know() -> None:
    assert json_text({"µ": (1, [float("nan"), -float("inf")]), 3: Path("x")}) == ('{\n "µ": [\n  1,\n  [\n   null,\n   null\n  ]\n ],\n "3": "x"\n}')
    assert csv_text(("a", "b"), [{"b": np.float32(0.5), "a": "x,y"}, {"a": 1, "b": None}]) == 'a,b\n"x,y",0.5\n1,\n'


SHA = "f" * 64


def varied() -> QuantizedNetwork:
    """LeNet-5 whose first layer takes weights one code lower, twice the scale and other biases on the block `SHA`."""
    network = zoo.load("lenet5")
    first = network.quantized[network.layers[0].name]
    codes = torch.arange(-129, 127).clamp_(min=-128).to(torch.int8)
    variant = Variant(codes=codes, weight_scale=2 * first.weight_scale, bias=first.bias + 5, wiring=Wiring(swapped=True, shift=1))
    return replace(network, quantized={**network.quantized, network.layers[0].name: replace(first, variants={SHA: variant})})


def run_with_networks() -> Result:
    network = varied()
    filters, blocks = dict(network.filters), ("exact", "rough")
    own = replace(network, quantized={name: replace(layer, variants={}) for name, layer in network.quantized.items()})
    designs = []
    for index, energy in ((0, 4.0), (1, 2.0)):
        codes = tuple(np.full(count, index, np.uint8) for count in filters.values())
        hardware = Hardware(area_um2=1, power_uw=1, energy_uj=energy, latency_us=1, mult_power_ratio=energy / 4, mult_energy_ratio=None)
        designs.append(
            Design(
                assignment=Assignment(tuple(filters), blocks, codes),
                hardware=hardware,
                search=Measurement(100, 100, gained=0, lost=0),
                measurement=Measurement(100, 100, gained=0, lost=0),
            )
        )
    empty = np.zeros((len(filters), 2))
    return replace(
        small_result(),
        network={"name": "lenet5", "classes": 10, "macs": 1, "layers": [{"name": name, "filters": count} for name, count in filters.items()]},
        library={
            "name": "two",
            "technology": "t",
            "blocks": [{"name": "exact", "sha256": "0" * 64, "is_exact": True}, {"name": "rough", "sha256": SHA}],
        },
        front=tuple(designs),
        evaluated=tuple(designs),
        scores=Scores(layers=tuple(filters), blocks=blocks, operator_mean=empty, operator_std=empty, layer_drop=empty, layer_margin=empty, images=5),
        networks=Networks(shared=network, own={designs[0].id: own}),
    )


def test_a_run_keeps_the_networks_of_its_designs(tmp_path: Path) -> None:
    result = run_with_networks()
    assert result.networks is not None
    save_run(result, tmp_path)
    exact, rough = result.front
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.safetensors")) == [
        "design.safetensors",
        f"designs/{exact.id}.safetensors",
        "network.safetensors",
    ]
    shared = from_bytes((tmp_path / "network.safetensors").read_bytes())
    assert network_identity(shared) == network_identity(result.networks.shared)
    recommended = json.loads((tmp_path / "design.json").read_text(encoding="utf-8"))
    assert recommended["id"] == rough.id
    assert recommended["schema"] == "hawx.design/1"
    assert recommended["library"] == {"exact": "0" * 64, "rough": SHA}
    assert recommended["settings"] == {"network": "tiny", "seed": 7}
    assert recommended["network_file"] == "design.safetensors"
    assert recommended["wirings"] == {"conv1": {"rough": {"swapped": True, "shift": 1}}}
    kept = from_bytes((tmp_path / "design.safetensors").read_bytes())
    assert recommended["network_identity"] == network_identity(kept)
    first = result.networks.shared.quantized["conv1"]
    assert not kept.varies
    assert torch.equal(kept.quantized["conv1"].bias, first.bias + 5)
    assert torch.equal(kept.quantized["conv1"].weight_scale, 2 * first.weight_scale)


def test_a_design_runs_on_the_network_that_was_saved_with_it(tmp_path: Path) -> None:
    result, named = run_with_networks(), zoo.load("lenet5")
    assert result.networks is not None
    save_run(result, tmp_path)
    exact, rough = result.front
    front = load_design(tmp_path)
    assert (front.source, front.assignment, dict(front.library)) == (str(tmp_path), rough.assignment.to_dict(), {"exact": "0" * 64, "rough": SHA})
    assert network_identity(network_of(front, named)) == front.network_identity
    by_id = {each.id: load_design(f"{tmp_path}#{each.id}") for each in (exact, rough)}
    assert by_id[exact.id].source == f"{tmp_path}#{exact.id}"
    assert by_id[exact.id].settings == result.settings
    assert dict(by_id[rough.id].library) == {"exact": "0" * 64, "rough": SHA}
    assert by_id[rough.id].found["measurement"]["images"] == 100
    assert by_id[rough.id].constants is None
    assert network_of(by_id[rough.id], named).quantized["conv1"].variants.keys() == {SHA}
    assert not network_of(by_id[exact.id], named).varies
    (tmp_path / "bare.json").write_text('{"conv1": "exact"}', encoding="utf-8")
    bare = load_design(tmp_path / "bare.json")
    assert network_of(bare, named) is named
    assert (bare.source, dict(bare.settings), dict(bare.found), dict(bare.library)) == (str(tmp_path / "bare.json"), {}, {}, {})
    for wanted in ("", "zzzz"):
        with pytest.raises(UnknownNameError, match=rf"^unknown design '{wanted}'; .*\(run '.*'\)$"):
            load_design(f"{tmp_path}#{wanted}")


def test_a_network_of_another_design_is_refused(tmp_path: Path) -> None:
    save_run(run_with_networks(), tmp_path)
    saved, named = load_design(tmp_path), zoo.load("lenet5")
    with pytest.raises(
        InputError, match=r"^network '.*design\.safetensors' is another one than design '.*' was found on; expected the file saved with it\.$"
    ):
        network_of(replace(saved, network_identity="0" * 64), named)
    with pytest.raises(
        InputError,
        match=r"^network '.*design\.safetensors' of design '.*' has other layers than 'other'; "
        r"expected the network of its run\. Give it with --network\.$",
    ):
        network_of(saved, replace(named, name="other", layers=named.layers[:2]))
    (tmp_path / "design.safetensors").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"^network '.*design\.safetensors' cannot be read; expected a network saved by HAWX"):
        network_of(saved, named)
    (tmp_path / "design.safetensors").unlink()
    with pytest.raises(InputError, match=r"^network '.*design\.safetensors' "):
        network_of(saved, named)
    with pytest.raises(InputError, match=r"^constants of the design '.*nothing' "):
        network_of(replace(saved, network=tmp_path / "network.safetensors", network_identity=None, constants=tmp_path / "nothing"), named)


def test_a_tuned_design_is_a_design_on_its_own_network(tmp_path: Path) -> None:
    save_run(run_with_networks(), tmp_path)
    saved, network = load_design(tmp_path), varied()
    save_tuned(saved, network, {"measurement": {"top1": 1.0}, "new": 2}, {"network": "lenet5"}, {"rough": "1" * 64, "more": "2" * 64}, tmp_path / "t")
    values = json.loads((tmp_path / "t" / "design.json").read_text(encoding="utf-8"))
    assert (values["schema"], values["measurement"], values["new"]) == ("hawx.design/1", {"top1": 1.0}, 2)
    assert values["library"] == {"exact": "0" * 64, "rough": "1" * 64, "more": "2" * 64}
    assert values["settings"] == {"network": "lenet5"}
    assert values["assignment"] == saved.assignment
    assert "estimate" not in values
    assert "search" not in values
    assert values["id"] == saved.found["id"]
    assert (values["network_file"], values["network_identity"]) == ("network.safetensors", network_identity(network))
    again = load_design(tmp_path / "t")
    assert network_identity(network_of(again, zoo.load("lenet5"))) == network_identity(network)
    assert (tmp_path / "t" / "design.json").read_text(encoding="utf-8").endswith("}\n")


def test_a_bare_design_that_was_tuned_says_all_of_itself(tmp_path: Path) -> None:
    folder = tmp_path / "a#b"
    folder.mkdir()
    (folder / "bare.json").write_text('{"conv1": "exact"}', encoding="utf-8")
    saved = load_design(folder / "bare.json")
    save_tuned(saved, zoo.load("lenet5"), {}, {}, {"exact": SHA}, folder / "t")
    values = json.loads((folder / "t" / "design.json").read_text(encoding="utf-8"))
    assert list(values) == ["schema", "assignment", "settings", "library", "network_file", "network_identity"]
    assert (values["schema"], values["assignment"], values["library"]) == ("hawx.design/1", {"conv1": "exact"}, {"exact": SHA})
    assert load_design(folder / "t").source == str(folder / "t")
    with pytest.raises(InputError, match=r"^design '.*none\.json' "):
        load_design(tmp_path / "none.json")


def test_designs_of_a_run_whose_folder_has_a_mark_and_of_figures_alone(tmp_path: Path) -> None:
    folder, result = tmp_path / "a#b", small_result()
    save_run(replace(result, library={"blocks": [{"name": name, "sha256": SHA} for name in BLOCKS]}), folder)
    chosen = result.front[0]
    found = load_design(f"{folder}#{chosen.id}")
    assert (found.network, found.constants, dict(found.library)) == (None, None, {"exact": SHA, "rough": SHA})
    with pytest.raises(UnknownNameError, match=r"\(run '.*a#b'\)$"):
        load_design(f"{folder}#nothing")


def test_damaged_constants_are_named(tmp_path: Path) -> None:
    result = run_with_networks()
    save_run(result, tmp_path)
    exact = result.front[0]
    (tmp_path / "designs" / f"{exact.id}.safetensors").write_bytes(b"damaged")
    with pytest.raises(InputError, match=rf"^constants '.*{exact.id}\.safetensors' cannot be read; expected what HAWX saved "):
        network_of(load_design(f"{tmp_path}#{exact.id}"), zoo.load("lenet5"))
