"""A Result for the tests of reports and stores: a toy network of Gaussian margins, so that drops follow from real table errors.

Nothing here stands in for the product: it only has to have every part that a result can have.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from hawx.blocks import Block, Costs
from hawx.blocks.metrics import error_metrics
from hawx.designs import Assignment, Design, Hardware
from hawx.estimates import Estimate, Measurement
from hawx.results.result import Baseline, Effort, Validation
from hawx.score.scores import Scores
from hawx.store import Result

LAYERS = {"conv1": 6, "conv2": 16, "fc1": 120, "fc2": 84, "fc3": 10}
MACS = {"conv1": 86_400, "conv2": 153_600, "fc1": 30_720, "fc2": 10_080, "fc3": 840}


def truncated(bits: int) -> Block:
    """Both operands lose their low `bits` bits."""
    codes = np.arange(-128, 128)
    kept = codes >> bits << bits
    share = (8 - bits) ** 2 / 64
    costs = Costs(technology="toy45", area_um2=700 * share, delay_ns=1.5, energy_fj=400 * share, origin="toy: (8 - k)^2 / 64")
    name = "mul8s_exact" if bits == 0 else f"mul8s_trunc{bits}"
    return Block.from_table(np.multiply.outer(kept, kept), name=name, costs={"toy45": costs}, provenance={"family": "operand-truncated"})


def toy_result(*, granularity: str = "layer", seed: int = 0, max_drop: float | None = 1.0, searcher: str = "hawx", name: str = "toy5") -> Result:
    rng = np.random.default_rng(seed)
    blocks = [truncated(bits) for bits in range(6)]
    names = tuple(block.name for block in blocks)
    mean = np.array([block.error.mean() for block in blocks])
    std = np.array([block.error.std() for block in blocks])
    weight = rng.uniform(0.3, 2.0, len(LAYERS)) / 500
    margins = rng.normal(3.0, 1.6, 4000)
    noise = rng.normal(size=(len(LAYERS), 4000))
    search, report = slice(0, 2000), slice(2000, 4000)
    share = np.array([sum(LAYERS.values())]) and np.array(list(MACS.values())) / sum(MACS.values())
    energy = np.array([block.costs["toy45"].energy_fj for block in blocks])

    def right(counts: np.ndarray, images: slice) -> int:
        fraction = counts / counts.sum(axis=1, keepdims=True)
        shift = (weight * (fraction @ std))[:, None] * noise[:, images]
        return int((margins[images] + shift.sum(axis=0) - 0.02 * (fraction @ std).sum() / 50 > 0).sum())

    def design(assignment: Assignment) -> Design:
        fraction = assignment.counts / assignment.counts.sum(axis=1, keepdims=True)
        ratio = float(share @ (fraction @ energy) / energy[0])
        area = float((fraction @ [b.costs["toy45"].area_um2 for b in blocks]).sum() * 250)
        hardware = Hardware(
            area_um2=area, power_uw=2200 * ratio, energy_uj=0.113 * ratio, latency_us=51.2, mult_power_ratio=ratio, mult_energy_ratio=0.9 * ratio
        )
        seen = Measurement(right(assignment.counts, search), 2000)
        estimate = Estimate(seen.top1 + rng.normal(0, 0.7), 0.3 + abs(rng.normal(0, 0.6)))
        return Design(assignment=assignment, hardware=hardware, estimate=estimate, search=seen)

    def random_assignment() -> Assignment:
        top = int(rng.integers(1, len(blocks)))
        per_layer = [rng.integers(0, top + 1, n) if granularity == "filter" else np.full(n, rng.integers(0, top + 1)) for n in LAYERS.values()]
        return Assignment(tuple(LAYERS), names, tuple(a.astype(np.uint8) for a in per_layer))

    exact = design(Assignment.uniform(LAYERS, names, names[0]))
    evaluated = [exact, *(design(random_assignment()) for _ in range(60))]
    front, least = [], np.inf
    for each in sorted(evaluated, key=lambda d: (-d.search.top1, d.energy_uj)):  # type: ignore[union-attr]
        if each.energy_uj < least:
            least = each.energy_uj
            front.append(each.with_measurement(Measurement(right(each.assignment.counts, report), 2000)))
    base = Measurement(right(exact.assignment.counts, report), 2000).top1
    matrix = np.multiply.outer(weight, std)
    drops = np.round(100 * matrix**2 / (1 + matrix**2) / 3, 3)
    filters = tuple(rng.normal(0, 0.1, (n, 1)) * std[None, :] / std.max() for n in LAYERS.values()) if granularity == "filter" else ()
    scores = Scores(
        layers=tuple(LAYERS),
        blocks=names,
        operator_mean=np.tile(mean, (len(LAYERS), 1)),
        operator_std=np.tile(std, (len(LAYERS), 1)),
        layer_drop=drops,
        layer_margin=-matrix,
        images=2000,
        filter_bias=filters,
        filter_std=tuple(abs(f) for f in filters),
        filter_margin=tuple(-f for f in filters),
    )
    volume = np.maximum.accumulate(np.cumsum(rng.exponential(0.2, len(evaluated)))[::-1][::-1])
    volume = 1 - np.exp(-volume)
    return Result(
        network={
            "name": name,
            "classes": 10,
            "macs": sum(MACS.values()),
            "layers": [{"name": n, "kind": "conv" if n[0] == "c" else "linear", "filters": f, "macs": MACS[n]} for n, f in LAYERS.items()],
        },
        granularity=granularity,
        accelerator={"name": "spatial", "kind": "spatial", "clock_mhz": 100.0},
        library={
            "name": "toy",
            "technology": "toy45",
            "blocks": [
                {
                    "name": b.name,
                    "sha256": b.sha256,
                    "is_exact": b.is_exact,
                    "errors": asdict(error_metrics(b)),
                    "costs": {
                        "area_um2": b.costs["toy45"].area_um2,
                        "delay_ns": 1.5,
                        "energy_fj": b.costs["toy45"].energy_fj,
                        "origin": b.costs["toy45"].origin,
                    },
                }
                for b in blocks
            ],
        },
        objectives=("area_um2", "energy_uj"),
        space_log10=3.89 if granularity == "layer" else 183.6,
        baseline=Baseline(float_top1=base + 0.05, int8_top1=base, search_int8_top1=exact.search.top1),  # type: ignore[union-attr]
        front=tuple(front),
        evaluated=tuple(evaluated),
        scores=scores,
        validation=Validation(designs=60, spearman=0.981, mean_absolute_error=0.42, within_two_sigma=0.93),
        effort=Effort(evaluations=61, evaluation_equivalents=7.4, wall_s=21.7, stages={"profile": 1.2, "score": 3.1, "search": 15.2, "verify": 2.2}),
        seed=seed,
        searcher=searcher,
        max_drop=max_drop,
        settings={"network": name, "seed": seed},
        versions={"hawx": "0.1.0", "python": "3.11"},
        hypervolume=tuple((i + 1, 0.35 * (i + 1), float(v)) for i, v in enumerate(volume)),
    )
