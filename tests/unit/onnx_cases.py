"""ONNX's own operator tests through the importer: one outcome each, and the golden list of what is refused.

Every test runs in two forms: with all of its inputs as inputs of the network, and with the first as the image and the others as constants.
`python tests/unit/onnx_cases.py` writes the golden file anew, with the installed version of `onnx`.
"""

from __future__ import annotations

import json
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from hawx.errors import InputError
from hawx.importers.onnx.module import OnnxModule
from hawx.importers.onnx.reader import graph_of
from hawx.importers.onnx.table import OPERATORS

GOLDEN = Path(__file__).parents[1] / "golden" / "onnx_refusals.json"
FORMS = ("inputs", "constants")
NEITHER = "others"
"""Group of the tests of operators outside the table, and of networks of several nodes."""


@dataclass(frozen=True, slots=True)
class Outcome:
    test: str
    form: str
    kind: str
    """right, wrong, refused, crash, or refused at run."""
    reason: str = ""


@cache
def cases() -> dict[str, list[Any]]:
    """Return operator -> its tests; `NEITHER` for the rest."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, from the cases' own arithmetic
        found = collect_testcases(None)
    groups: dict[str, list[Any]] = defaultdict(list)
    for case in found:
        nodes = case.model.graph.node
        single = len(nodes) == 1 and nodes[0].domain == "" and nodes[0].op_type in OPERATORS
        groups[nodes[0].op_type if single else NEITHER].append(case)
    return groups


def model_of(case: Any, form: str) -> onnx.ModelProto | None:
    """Return the model of a test in one form; None where it has no such form."""
    given, _ = case.data_sets[0]
    if form == "inputs":
        return case.model
    if len(given) < 2 or not all(isinstance(value, (np.ndarray, np.generic, onnx.TensorProto)) for value in given):
        return None
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    for declared, value in list(zip(model.graph.input, given, strict=False))[1:]:
        tensor = value if isinstance(value, onnx.TensorProto) else numpy_helper.from_array(np.asarray(value))
        model.graph.initializer.add().CopyFrom(tensor)
        model.graph.initializer[-1].name = declared.name
    return model


def tensors(case: Any, module: OnnxModule) -> list[torch.Tensor]:
    """Return the inputs of a test that its network takes."""
    given = dict(zip((declared.name for declared in case.model.graph.input), case.data_sets[0][0], strict=False))
    return [_tensor(_array(given[declared.name])) for declared in module.graph.inputs]


def _array(value: Any) -> np.ndarray:
    return np.array(numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value)


def _tensor(array: np.ndarray) -> torch.Tensor:
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def outcomes(group: str) -> Iterator[Outcome]:
    """Run every test of an operator, in every form that it has."""
    for case in cases()[group]:
        for form in FORMS:
            model = model_of(case, form)
            if model is not None:
                yield Outcome(case.name, form, *outcome(case, model))


def outcome(case: Any, model: onnx.ModelProto) -> tuple[str, str]:
    """Return what becomes of a test: the kind, and the reason where it is not right."""
    try:
        module = OnnxModule(graph_of(model, "it"))
    except InputError as error:
        return "refused", reason(str(error))
    try:
        with torch.no_grad():
            found = module.outputs(*tensors(case, module))
        agree(found, case.data_sets[0][1], case.rtol, case.atol)
    except InputError as error:
        return "refused at run", str(error)
    except AssertionError as error:
        return "wrong", str(error)
    except Exception as error:  # noqa: BLE001 (the outcome that is looked for)
        return "crash", f"{type(error).__name__}: {error}"
    return "right", ""


def agree(found: tuple[torch.Tensor, ...], expected: list[Any], rtol: float, atol: float) -> None:
    """Raise `AssertionError` where outputs differ in number, type, shape, or value by more than ONNX's own runner allows.

    Its absolute tolerance of 1e-7 is for results in double precision; float32 has a unit of 1e-6 at the magnitudes of the tests.
    """
    assert len(found) == len(expected)
    for ours, theirs in zip(found, (_array(value) for value in expected), strict=True):
        assert str(ours.dtype).removeprefix("torch.") == theirs.dtype.name
        wide = ours.float() if ours.dtype == torch.bfloat16 else ours
        assert tuple(wide.shape) == theirs.shape
        same = theirs.astype(np.float32) if ours.dtype == torch.bfloat16 else theirs
        np.testing.assert_allclose(wide.numpy(), same, rtol=rtol, atol=max(atol, 1e-6))


def reason(message: str) -> str:
    """Return a refusal without what differs between two nodes of one kind: names, and what PyTorch says."""
    message = re.sub(r"^network 'it' (has ONNX )?", "", message)
    message = re.sub(r" Export the network without that, or replace the node\.$| Export it with .*$", "", message)
    message = re.sub(r"node '\S*' \((\w+)\) with", r"\1:", re.sub(r"node '\S*' \((\w+)\)(?! with)", r"\1", message))
    message = re.sub(r"the \d+ operators", "the operators", message)
    return re.sub(r"'[\w.]+'|#\d+", "…", re.sub(r"\((\w+Error)[^)]*\)?.*;", r"(\1);", message))


def refusals(found: list[Outcome]) -> dict[str, list[str]]:
    """Return reason -> tests that are refused for it, with their form."""
    groups: dict[str, list[str]] = defaultdict(list)
    for one in found:
        if one.kind == "refused":
            groups[one.reason].append(f"{one.test} ({one.form})")
    return {key: sorted(groups[key]) for key in sorted(groups)}


def main() -> None:
    found = {group: list(outcomes(group)) for group in sorted(cases())}
    every = [one for group in found.values() for one in group]
    best: dict[str, set[str]] = defaultdict(set)
    for one in every:
        best[one.test].add(one.kind)
    order = ("crash", "wrong", "refused at run", "right", "refused")
    counts = Counter(next(kind for kind in order if kind in kinds) for kinds in best.values())
    golden = {"onnx": onnx.__version__, "tests": dict(sorted(counts.items())), "refused": {g: r for g, one in found.items() if (r := refusals(one))}}
    GOLDEN.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(counts)
    for one in every:
        if one.kind not in ("right", "refused"):
            print(one)


if __name__ == "__main__":
    main()
