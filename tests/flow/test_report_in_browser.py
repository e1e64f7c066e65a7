"""A report in a real browser: no request, no console message, everything there, nothing wider than a phone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from toy_result import toy_result

from hawx.report.compare import compare, comparison_html
from hawx.report.page import report_html

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]

QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-default-apps", "--disable-extensions", "--enable-logging=stderr",
)  # fmt: skip
OWN = re.compile(r"https?://[a-z0-9.]*\.(google|googleapis)\.com/")
"""What the browser itself asks for, page or no page."""


class Visit:
    """One page, opened once: its DOM afterwards, the URLs that were asked for, the console's lines."""

    def __init__(self, page: str, folder: Path) -> None:
        assert CHROMIUM is not None
        (folder / "page.html").write_text(page, encoding="utf-8")
        log = folder / "net.json"
        command = [CHROMIUM, *QUIET, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}", "--dump-dom", (folder / "page.html").as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        self.dom = done.stdout
        self.console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        text = log.read_text(errors="replace").rstrip()
        try:
            events = json.loads(text)["events"]
        except json.JSONDecodeError:  # the browser was ended while it wrote
            events = json.loads(text.rstrip(",") + "]}")["events"]
        urls = {e["params"]["url"] for e in events if isinstance(e.get("params"), dict) and "url" in e["params"]}
        self.requests = sorted(url for url in urls if url.startswith(("http", "ws", "ftp")) and not OWN.match(url))


def test_the_method_sees_requests_and_errors(tmp_path: Path) -> None:
    found = Visit("<!DOCTYPE html><img src='http://127.0.0.1:9/pixel.png'><script>missing()</script>", tmp_path)
    assert found.requests == ["http://127.0.0.1:9/pixel.png"]
    assert any("missing is not defined" in line for line in found.console)


@pytest.mark.parametrize("kind", ["layer", "filter", "comparison"])
def test_reports_open_without_network_or_errors(kind: str, tmp_path: Path) -> None:
    if kind == "comparison":
        page = comparison_html(compare([("a", toy_result()), ("b", toy_result(seed=3))]))
        wanted, figures = {"table", "fronts", "progress"}, 4
    else:
        page = report_html(toy_result(granularity=kind))
        wanted, figures = {"headline", "front", "design", "scores", "trust", "library", "provenance"}, 9 if kind == "layer" else 14
    found = Visit(page, tmp_path)
    assert found.requests == []
    assert found.console == []
    assert wanted <= set(re.findall(r'<section id="([a-z]+)"', found.dom))
    assert found.dom.count('<svg xmlns="http://www.w3.org/2000/svg"') >= figures


@pytest.mark.parametrize("columns", [400, 1200])
def test_nothing_sticks_out_sideways(columns: int, tmp_path: Path) -> None:
    """A script put into a copy of the page, inside a frame of the given width, writes down what is wider than the frame."""
    probe = (
        "<script>addEventListener('load',()=>{const d=document.documentElement;"
        "document.title='width '+d.scrollWidth+' of '+d.clientWidth})</script></body>"
    )
    inner = report_html(toy_result(granularity="filter")).replace("</body>", probe)
    (tmp_path / "inner.html").write_text(inner, encoding="utf-8")
    frame = (
        f"<!DOCTYPE html><iframe id=f src=inner.html style='width:{columns}px;height:900px;border:0'></iframe><p id=said></p>"
        "<script>onload=()=>setTimeout(()=>{said.textContent=f.contentDocument.title},300)</script>"
    )
    (tmp_path / "page.html").write_text(frame, encoding="utf-8")
    assert CHROMIUM is not None
    command = [
        CHROMIUM, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", "--allow-file-access-from-files", "--virtual-time-budget=4000",
        "--window-size=1400,1000", "--dump-dom", (tmp_path / "page.html").as_uri(),
    ]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    match = re.search(r'<p id="said">width (\d+) of (\d+)</p>', dom)
    assert match is not None, dom[-500:]
    assert int(match[1]) <= int(match[2])
    assert columns - 20 <= int(match[2]) <= columns
