"""Where every number of a report comes from, what it cost, how to run it again and how to cite it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from hawx.report.markup import Markup, element, join, text
from hawx.results.quantities import seconds
from hawx.results.result import Result

CITATION = """@misc{nazari2026hawx,
  title  = {HAWX: A Hardware-Aware FrameWork for Fast and Scalable ApproXimation of DNNs},
  author = {Nazari, Samira and Almasi, Mohammad Saeed and Taheri, Mahdi and Azarpeyvand, Ali
            and Mokhtari, Ali and Mahani, Ali and Herglotz, Christian},
  year   = {2026}, eprint = {2602.16336}, archivePrefix = {arXiv}
}"""

_ORIGINS = (
    (
        "Measured top-1",
        "bit-exact integer inference with every product taken from the blocks' exhaustive tables; "
        "intervals of an accuracy are Wilson's, those of points lost are paired (Tango 1998), at 95 %",
    ),
    ("Search and report images", "disjoint by construction: the search never sees a report image, and quoted accuracies are of report images only"),
    (
        "Estimated top-1",
        "composition of the scores, corrected by the designs measured so far; the estimate shown of a design was made before it was measured",
    ),
    ("Area, power, energy, latency", "predictions: the blocks' synthesized or published figures composed by the accelerator's cost law"),
    ("Multiplier power", "MAC-weighted sum of the blocks' energies under uniform operands, over that of the all-exact design"),
    ("Evaluations", "bit-exact runs of one design over the search images; all other work is counted in equivalents of one such run"),
)


def facts(pairs: Mapping[str, object]) -> Markup:
    """Return a definition list."""
    return element("dl", {}, *(join([element("dt", {}, text(k)), element("dd", {}, text(v))]) for k, v in pairs.items()))


def provenance(result: Result) -> Markup:
    """Return the body of the provenance section."""
    accelerator = {k: v for k, v in result.accelerator.items() if k != "name"}
    macs = f"{int(result.network.get('macs', 0)):,}".replace(",", "\u202f")
    run = {
        "Network": f"{result.network.get('name')}: {len(result.network.get('layers', []))} layers, {macs} MACs per image",
        "Accelerator": f"{result.accelerator.get('name')} " + json.dumps(accelerator, ensure_ascii=False, default=str),
        "Objectives": "loss of top-1, " + ", ".join(result.objectives),
        "Searcher and seed": f"{result.searcher}, {result.seed}",
        "Versions": ", ".join(f"{k} {v}" for k, v in result.versions.items()),
        "Time by stage": ", ".join(f"{name} {seconds(value)}" for name, value in result.effort.stages.items()),
    }
    settings = json.dumps(result.settings, indent=2, ensure_ascii=False, default=str)
    return join(
        [
            facts(run),
            element("h3", {}, text("How each number was obtained")),
            facts(dict(_ORIGINS)),
            element("h3", {}, text("Settings")),
            element(
                "p",
                {},
                text("settings.toml beside this page runs the same exploration again: "),
                element("code", {}, text("hawx explore settings.toml --out AGAIN")),
            ),
            element("details", {}, element("summary", {}, text("All settings")), element("pre", {}, text(settings))),
            element("h3", {}, text("How to cite")),
            element("p", {}, text("Cite the paper that HAWX follows, the version of HAWX above, and the source of the blocks you used.")),
            element("pre", {}, text(CITATION)),
        ]
    )
