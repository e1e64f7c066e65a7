"""A result as LaTeX: tables by booktabs, the front by pgfplots, as papers print them. Text in ASCII, every name escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hawx.designs.design import Design
from hawx.results.front import ordered
from hawx.results.quantities import quantity, significant
from hawx.results.recommendation import recommend
from hawx.results.result import Result

_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", **{c: "\\" + c for c in "&%$#_{}"}}
_UNITS = {"µ": r"\textmu{}", "²": r"\textsuperscript{2}"}


def latex_files(result: Result) -> dict[str, str]:
    """Return file names and what goes into them: `front.tex`, `design.tex`, `front.dat`, `front-plot.tex`.

    Tables need `\\usepackage{booktabs}`, the plot `\\usepackage{pgfplots}`; `\\input` each where it belongs.
    """
    recommended = recommend(result)
    files = {"front.tex": front_tabular(result), "front.dat": front_data(result), "front-plot.tex": front_plot(result)}
    return files | ({"design.tex": design_tabular(result, recommended.design)} if recommended else {})


def front_tabular(result: Result) -> str:
    """Return the front, least points lost first: accuracy with its interval, as claimed, and hardware figures."""
    fields = list(dict.fromkeys(result.objectives))
    units = {f: quantity(f).unit([float(getattr(d.hardware, f)) for d in result.front] or [1.0]) for f in fields}
    head = ["design", "top-1 (\\%)", "lost (points)", "95\\,\\% interval", "claimed", "mult.\\ power (\\%)"]
    head += [f"{escaped(quantity(f).label)} ({escaped(units[f][1])})" if units[f][1] else escaped(quantity(f).label) for f in fields]
    rows = []
    for design in ordered(result):
        low, high = result.drop_interval(design)
        rows.append(
            [
                rf"\texttt{{{design.id}}}",
                f"{design.measurement.top1:.2f}" if design.measurement else "--",
                f"{result.drop(design):z.2f}",
                f"[{low:z.2f}, {high:z.2f}]",
                f"{result.claimed_drop(design):z.2f}",
                f"{100 * design.mult_power_ratio:.1f}",
                *(significant(float(getattr(design.hardware, f)) / units[f][0], 4) for f in fields),
            ]
        )
    images = next((d.measurement.images for d in result.front if d.measurement), 0)
    note = (
        f"% {_ascii(str(result.network.get('name', 'network')))}, {result.granularity} level; top-1 measured bit-exactly on {images} images "
        f"that chose nothing; int8 {result.baseline.int8_top1:.2f} %; figures in {_ascii(str(result.library.get('technology')))}."
    )
    return _tabular(note, "l" + "r" * (len(head) - 1), head, rows)


def design_tabular(result: Result, design: Design) -> str:
    """Return what each layer of a design uses: its blocks, with how many filters each, and its multiplications."""
    rows = []
    macs = {layer["name"]: int(layer.get("macs", 0)) for layer in result.network.get("layers", [])}
    for layer in design.assignment.layers:
        names = design.assignment.names(layer)
        counts = {name: names.count(name) for name in dict.fromkeys(names)}
        shown = [rf"\texttt{{{escaped(name)}}}" + (f" ({count})" if len(counts) > 1 else "") for name, count in counts.items()]
        rows.append([escaped(layer), str(len(names)), f"{macs.get(layer, 0):,}".replace(",", r"\,"), ", ".join(shown)])
    note = f"% Blocks of design {design.id}; in brackets, filters on a block where a layer has several."
    return _tabular(note, "lrrl", ["layer", "filters", "multiplications", "blocks"], rows)


def front_data(result: Result) -> str:
    """Return the front as columns for pgfplots: drop, how far its interval reaches below and above, and every objective."""
    fields = list(dict.fromkeys((*result.objectives, "mult_power_ratio")))
    lines = [" ".join(["id", "drop", "below", "above", *fields])]
    for design in ordered(result):
        drop, (low, high) = result.drop(design), result.drop_interval(design)
        figures = [f"{float(getattr(design.hardware, f)):.6g}" for f in fields]
        lines.append(" ".join([design.id, f"{drop:.4f}", f"{max(drop - low, 0.0):.4f}", f"{max(high - drop, 0.0):.4f}", *figures]))
    return "\n".join(lines) + "\n"


def front_plot(result: Result) -> str:
    """Return the plot of the front over its first objective."""
    field = result.objectives[0]
    shown = quantity(field)
    label = escaped(shown.label)
    return (
        "\\begin{tikzpicture}\n"
        f"\\begin{{axis}}[xlabel={{{label}}}, ylabel={{Top-1 lost (points)}}, grid=major]\n"
        "\\addplot+[only marks, error bars/.cd, y dir=both, y explicit]\n"
        f"  table[x={field}, y=drop, y error minus=below, y error plus=above] {{front.dat}};\n"
        "\\end{axis}\n"
        "\\end{tikzpicture}\n"
    )


def escaped(text: str) -> str:
    """Return text that LaTeX prints as it is."""
    return "".join(_SPECIAL.get(c) or _UNITS.get(c) or (c if c.isascii() and c.isprintable() else "?") for c in text)


def _ascii(text: str) -> str:
    """Return text for a comment: one line of ASCII."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)


def _tabular(note: str, columns: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [note, rf"\begin{{tabular}}{{{columns}}}", r"\toprule", " & ".join(head) + r" \\", r"\midrule"]
    lines += [" & ".join(row) + r" \\" for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"
