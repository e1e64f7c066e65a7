"""A result as LaTeX: what stands in the tables, that names are escaped, and that the brackets of every file close."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from toy_result import toy_result

from hawx.report.latex import escaped, latex_files


def test_the_front_is_a_table_of_what_was_measured() -> None:
    result = toy_result()
    files = latex_files(result)
    assert set(files) == {"front.tex", "front.dat", "front-plot.tex", "design.tex"}
    rows = [line for line in files["front.tex"].splitlines() if line.startswith(r"\texttt{")]
    assert len(rows) == len(result.front)
    for design in result.front:
        (row,) = [line for line in rows if design.id in line]
        assert f"{design.measurement.top1:.2f} & {result.drop(design):z.2f}" in row
    data = files["front.dat"].splitlines()
    assert data[0].split()[:4] == ["id", "drop", "below", "above"]
    assert {len(line.split()) for line in data} == {len(data[0].split())}


@pytest.mark.parametrize("granularity", ["layer", "filter"])
def test_every_file_is_balanced_ascii(granularity: str) -> None:
    result = toy_result(granularity=granularity, name="net_50%$#{}\\ü\nx")
    for name, content in latex_files(result).items():
        assert content.isascii(), name
        plain = content.replace("\\{", "").replace("\\}", "").replace("\\\\", "")
        assert plain.count("{") == plain.count("}"), name
        assert content.count("\\begin{") == content.count("\\end{"), name


def test_names_are_escaped() -> None:
    assert escaped("a_b & 50% #1 {x} $y ~ ^ \\z") == r"a\_b \& 50\% \#1 \{x\} \$y \textasciitilde{} \textasciicircum{} \textbackslash{}z"
    assert escaped("\x1b[31m\n") == "?[31m?"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs LaTeX (pdflatex)")
def test_latex_sets_the_tables(tmp_path: Path) -> None:
    for name, content in latex_files(replace(toy_result(), objectives=("energy_uj", "area_um2"))).items():
        (tmp_path / name).write_text(content)
    body = r"\documentclass{article}\usepackage{booktabs,textcomp}\begin{document}\input{front}\input{design}\end{document}"
    (tmp_path / "all.tex").write_text(body)
    subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"], cwd=tmp_path, check=True, capture_output=True)
