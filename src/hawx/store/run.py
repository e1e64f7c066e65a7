"""Run folders: a result on disk, and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

from hawx.accelerators.devices import RESOURCES
from hawx.designs.assignment import Assignment
from hawx.designs.design import Design, Hardware
from hawx.errors import InputError, UnknownNameError
from hawx.estimates import Estimate, Measurement
from hawx.files import make_folder, read_text, write_bytes, write_text
from hawx.networks import QuantizedNetwork
from hawx.networks.serialize import to_bytes, variants_to_bytes
from hawx.notebook import data_frame, rows_html
from hawx.plain import json_values
from hawx.report.figures import draw_front
from hawx.report.gallery import assignment_figure, layer_figure
from hawx.report.page import report_html
from hawx.results.front import ordered, rivals
from hawx.results.quantities import HARDWARE, hardware_fields
from hawx.results.recommendation import recommend
from hawx.results.result import SCHEMA, Baseline, Effort, Validation
from hawx.results.result import Result as Values
from hawx.store.figures import Figure
from hawx.store.scores import load_scores, save_scores
from hawx.store.text import csv_text, is_whole, json_text, sealed
from hawx.verify import network_identity

DESIGN, DESIGN_SCHEMA = "design.json", "hawx.design/1"
BESIDE = ("scores.csv", "front.csv")
"""Files whose hashes `result.json` keeps, beside one of itself: a digit that changed on the disk would still be a number."""
NETWORK, OWN = "network.safetensors", "designs"
"""What all designs of a run share, and the folder with the constants of those that were recovered as a whole."""
MOST_SCORES = 1 << 24
"""Pairs of a filter and a block in the largest result that is read."""
_AGAIN = "`hawx explore --resume --out DIR` writes it again from the measurements."
_HARDWARE = (*HARDWARE, "mult_power_ratio", "mult_energy_ratio")
_SHARES = tuple(f"{name}_share" for name in RESOURCES)
_FRONT = (
    *("id", "top1", "low", "high", "images", "drop", "drop_low", "drop_high", "gained", "lost", "claimed_drop", "claimed_sigma"),
    *("unrecovered_drop", "dominated_by"),
    *("estimated_top1", "estimated_sigma", *_HARDWARE, *RESOURCES, *_SHARES, "assignment"),
)


class Result(Values):
    """The outcome of `hawx.explore`, which can save itself: `hawx.Result`. In everything else it is a `hawx.results.result.Result`."""

    def save(self, folder: str | PathLike[str]) -> None:
        """Write the run folder: see `save_run`.

        Raises:
            InputError: the folder cannot be made or written.
        """
        save_run(self, folder)

    def plot_front(self, objective: str | None = None) -> Figure:
        """Return the front: points of top-1 lost over a hardware figure, the first objective by default, as the report draws it.

        Raises:
            UnknownNameError: no such figure.
        """
        field = self.objectives[0] if objective is None else objective
        known = (*hardware_fields(self.front), *_HARDWARE[len(HARDWARE) :])
        if field not in known:
            raise UnknownNameError("hardware figure", field, known)
        recommended = recommend(self)
        return Figure(draw_front(self, field, chosen=recommended.design if recommended else None))

    def plot_scores(self) -> Figure:
        """Return the heat map of points lost by layer and block, as the report draws it."""
        return Figure(layer_figure(self))

    def plot_design(self) -> Figure:
        """Return the blocks of the design put forward, layer by layer, as the report draws them.

        Raises:
            InputError: nothing was measured, so no design is put forward.
        """
        bars = assignment_figure(self, title="Blocks of the chosen design")
        if bars is None:
            raise InputError("no design of this result was measured; expected one to draw. Explore with a larger budget.")
        return Figure(bars)

    def to_pandas(self) -> Any:
        """Return the front as a `pandas.DataFrame`, one row per design, as `front.csv` has it.

        Raises:
            ToolMissingError: pandas is not installed.
        """
        return data_frame(_front_rows(self))

    def _repr_html_(self) -> str:
        rows, fields = [], hardware_fields(self.front)
        for design in ordered(self):
            figures = [getattr(design.hardware, name) for name in fields]
            lost = [f"{self.claimed_drop(design):z.2f}", f"{self.drop(design):z.2f}"]
            rows.append([design.id, *lost, f"{100 * design.mult_power_ratio:.1f} %", *figures])
        title = f"{self.network['name']}, {self.granularity} level: {len(self.front)} designs on the front, int8 {self.baseline.int8_top1:.2f} %"
        return rows_html(title, ["design", "points lost, as claimed", "measured", "multiplier power", *fields], rows)


def save_run(result: Values, folder: str | PathLike[str]) -> None:
    """Write `result.json`, `front.csv`, `scores.csv`, `design.json` (the one put forward) and `report.html`, each whole or not at all.

    Beside them the networks that the designs run on, where they are known: `network.safetensors` with the constants for every block, those of designs
    recovered as a whole in `designs/`, and `design.safetensors`, which holds the weights, scales and biases of the design put forward and no others.
    `result.json` is written last: where it is present, the others belong to it.

    Raises:
        InputError: the folder cannot be made or written.
    """
    target = make_folder(folder, "run folder")
    rows = _front_rows(result)
    write_text(target / "front.csv", csv_text([name for name in _FRONT if all(name in row for row in rows)], rows))
    save_scores(result.scores, target / "scores.csv")
    write_text(target / "report.html", report_html(result))
    if result.networks is not None:
        write_bytes(target / NETWORK, to_bytes(result.networks.shared))
        for name, network in result.networks.own.items():
            write_bytes(make_folder(target / OWN, "folder of designs") / f"{name}.safetensors", variants_to_bytes(network))
    recommended = recommend(result)
    if recommended is not None:
        save_design(result, recommended.design, target / DESIGN)
    beside = {name: _file_hash(target / name) for name in BESIDE if (target / name).is_file()}
    write_text(target / "result.json", json_text(sealed({**result.to_dict(), "files": beside})) + "\n")


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save_design(result: Values, design: Design, path: str | PathLike[str]) -> None:
    """Write one design of a result to `path`, and beside it the network that it runs on and how its blocks are wired, where that is known."""
    library = {block["name"]: block["sha256"] for block in result.library.get("blocks", []) if "sha256" in block}
    values = {"schema": DESIGN_SCHEMA, **design.to_dict(), "settings": dict(result.settings), "library": library}
    if result.networks is not None:
        network = result.networks.of(design).on(design.assignment.labels(library))
        file = Path(path).with_suffix(".safetensors")
        write_bytes(file, to_bytes(network))
        values |= {"network_file": file.name, "network_identity": network_identity(network), "wirings": _wirings(network, design)}
    write_text(path, json_text(values) + "\n")


def _wirings(network: QuantizedNetwork, design: Design) -> dict[str, dict[str, dict[str, Any]]]:
    """Return layer -> block -> how operands reach it, where that is not plain (see `hawx.wiring`)."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, layer in network.quantized.items():
        wired = {block: asdict(wiring) for block, wiring in zip(design.assignment.names(name), layer.wirings, strict=False) if not wiring.is_plain}
        if wired:
            found[name] = wired
    return found


def load_run(folder: str | PathLike[str]) -> Result:
    """Return the result saved in `folder`.

    Raises:
        InputError: there is no finished run, or its files do not fit together; the message says which.
    """
    path = Path(folder) / "result.json"
    if not path.is_file():
        unfinished = (Path(folder) / "run.sqlite").exists()
        way = "It was not finished: continue it with `hawx explore --resume`." if unfinished else "`hawx explore --out DIR` writes one."
        raise InputError(f"folder {str(folder)!r} holds no result.json; expected a finished run. {way}")
    values = json_values(read_text(path, "result"), f"result {str(path)!r}", f"what hawx wrote. {_AGAIN.removesuffix('.')}")
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        found = values.get("schema") if isinstance(values, dict) else None
        raise InputError(f"result {str(path)!r} has schema {found!r}; expected {SCHEMA!r}. Run the exploration again with this version.")
    _check_whole(values, Path(folder))
    try:
        return _result(values, Path(folder))
    except InputError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise InputError(f"result {str(path)!r} is incomplete ({error}); expected what hawx wrote. {_AGAIN}") from error


def _check_whole(values: Mapping[str, Any], folder: Path) -> None:
    beside = values.get("files", {})
    if not isinstance(beside, Mapping):
        raise InputError(f"result.json of run {str(folder)!r} has files = {beside!r}; expected a table of their hashes. {_AGAIN}")
    damaged = [] if is_whole(values) else ["result.json"]
    damaged += [name for name in BESIDE if name in beside and (folder / name).is_file() and _file_hash(folder / name) != beside[name]]
    if damaged:
        raise InputError(
            f"{' and '.join(damaged)} of run {str(folder)!r} {'are' if len(damaged) > 1 else 'is'} not what hawx wrote (SHA-256 differs); "
            f"expected files that nobody changed. {_AGAIN}"
        )


def _front_rows(result: Values) -> list[dict[str, Any]]:
    """Return a row per design; what an FPGA has has columns where some design has it."""
    beaten = {name: rival.id for name, rival in rivals(result).items() if rival.beyond}
    rows = [{**_front_row(result, design), "dominated_by": beaten.get(design.id, "")} for design in result.front]
    unused = {name for name in (*RESOURCES, *_SHARES) if all(row[name] == "" for row in rows)}
    return [{name: value for name, value in row.items() if name not in unused} for row in rows]


def _front_row(result: Values, design: Design) -> dict[str, Any]:
    seen, estimate = design.measurement, design.estimate
    return {
        "id": design.id,
        **{name: "" for name in _FRONT if name not in ("id", "assignment")},
        **(seen.to_dict() if seen else {}),
        "claimed_drop": result.claimed_drop(design) if design.claim else "",
        "claimed_sigma": design.claim.sigma if design.claim else "",
        "unrecovered_drop": design.unrecovered.drop if design.unrecovered else "",
        "drop": result.drop(design),
        "estimated_top1": estimate.top1 if estimate else "",
        "estimated_sigma": estimate.sigma if estimate else "",
        **{name: "" if getattr(design.hardware, name) is None else getattr(design.hardware, name) for name in (*_HARDWARE, *RESOURCES)},
        **{f"{name}_share": share for name, share in (design.hardware.device_shares or {}).items()},
        "assignment": json.dumps(design.assignment.to_dict()),
    }


def _result(values: dict[str, Any], folder: Path) -> Result:
    filters = {layer["name"]: int(layer["filters"]) for layer in values["network"]["layers"]}
    blocks = tuple(block["name"] for block in values["library"]["blocks"])
    if min(filters.values(), default=1) < 1 or sum(filters.values()) * len(blocks) > MOST_SCORES:
        raise InputError(
            f"result in {str(folder)!r} has {sum(filters.values())} filters and {len(blocks)} blocks; expected at most {MOST_SCORES:,} pairs of them."
        )

    def designs(key: str) -> tuple[Design, ...]:
        return tuple(_design(entry, filters, blocks) for entry in values[key])

    base, cost = values["baseline"], values["cost"]
    return Result(
        network=values["network"],
        granularity=values["granularity"],
        accelerator=values["accelerator"],
        library=values["library"],
        objectives=tuple(values["objectives"]),
        space_log10=values["space_log10"],
        baseline=Baseline(float_top1=base["float_top1"], int8_top1=base["int8_top1"], search_int8_top1=base["search_int8_top1"]),
        front=designs("front"),
        evaluated=designs("evaluated"),
        scores=load_scores(folder / "scores.csv", filters=filters, blocks=blocks, images=int(values["scores"]["images"])),
        validation=Validation(**values["validation"]),
        effort=Effort(**cost),
        seed=values["seed"],
        searcher=values["searcher"],
        max_drop=values["max_drop"],
        settings=values["settings"],
        versions=values["versions"],
        hypervolume=tuple((int(n), float(wall), float(volume)) for n, wall, volume in values["hypervolume"]),
    )


def _design(entry: dict[str, Any], filters: dict[str, int], blocks: tuple[str, ...]) -> Design:
    estimate, claim = entry["estimate"], entry.get("claim")  # runs before claims existed have none
    return Design(
        assignment=Assignment.from_dict(entry["assignment"], filters, blocks),
        hardware=Hardware(**{name: entry[name] for name in _HARDWARE} | {name: entry.get(name) for name in (*RESOURCES, "device_shares")}),
        estimate=Estimate(estimate["top1"], estimate["sigma"]) if estimate else None,
        search=_measurement(entry["search"]),
        claim=Estimate(claim["top1"], claim["sigma"]) if claim else None,
        measurement=_measurement(entry["measurement"]),
        unrecovered=_measurement(entry.get("unrecovered")),
        parameters=entry["parameters"] or None,
    )


def _measurement(entry: dict[str, Any] | None) -> Measurement | None:
    if not entry:
        return None
    correct = round(entry["top1"] * entry["images"] / 100)
    return Measurement(correct, int(entry["images"]), gained=entry.get("gained"), lost=entry.get("lost"))
