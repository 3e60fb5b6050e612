"""A whole report, written to a folder and opened in a browser at the width of a phone and of a desk, light and dark."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from sweep.records.results import SweepResults
from sweep.report import ReportFiles, write_report
from sweep.report.files import prepare_folder, write_file
from tests.services.waiting import TIME_LIMIT
from tests.sweeps.hostile_names import CLASSES, DATASETS, many_arms
from tests.sweeps.synthetic_results import synthetic_results
from trainable.outcomes import Outcome

SEARCHED = MappingProxyType({"dataset": ["cr"], "shots": [8]})  # no dict, which would only add to the axes
ATTACK = "<script>alert(1)</script>"
CHROMIUM = shutil.which("chromium")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs the Debian package chromium")


@pytest.fixture(scope="module")
def results() -> SweepResults:
    """Two datasets at two numbers of shots, long names, and a class that is called like an attack."""
    made = synthetic_results(shots=(8, 64), losses=("cross_entropy", "soft_triple", "sub_center_arcface"), trials=4)
    data = {**made.sweep.data, "cr": replace(made.sweep.data["cr"], class_names=(ATTACK, "positive"))}
    facts = {**made.sweep.provenance, "gpu": ATTACK, "a_fact_with_a_name_that_no_line_can_break": "x" * 300}
    return replace(made, sweep=replace(made.sweep, data=data, provenance=facts))


@pytest.fixture(scope="module")
def report(results: SweepResults, tmp_path_factory: pytest.TempPathFactory) -> ReportFiles:
    return write_report(results, tmp_path_factory.mktemp("report") / "not" / "there" / "yet")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_figure_has_three_forms_and_stands_in_the_page(report: ReportFiles) -> None:
    text = report.page.read_text(encoding="utf-8")
    assert {"differences", "scores-by-shots", "gains", "inference", "history", "confusion"} <= set(report.figures)
    for name, paths in report.figures.items():
        assert [path.name for path in paths] == [f"{name}.png", f"{name}.csv", f"{name}.json"]
        assert all(path.stat().st_size for path in paths)
        assert f'id="{name}-title"' in text


def test_the_results_in_the_report_make_the_same_report_again(report: ReportFiles, tmp_path: Path) -> None:
    again = SweepResults.from_json(report.data[1].read_text(encoding="utf-8"))
    stale = tmp_path / "figures" / "stale.png"
    stale.parent.mkdir()
    stale.touch()
    write_report(again, tmp_path)
    assert contents(tmp_path) == contents(report.folder)


def test_several_may_write_a_report_at_once(tmp_path: Path) -> None:
    names = [f"figure-{number}" for number in range(50)]

    def write(number: int) -> None:
        prepare_folder(tmp_path, names[number:])
        for name in names:
            write_file(tmp_path / "figures" / f"{name}.csv", name * 1000)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(20)))
    assert contents(tmp_path) == {f"figures/{name}.csv": name.encode() * 1000 for name in names}


def test_no_name_becomes_markup_and_no_id_stands_twice(report: ReportFiles) -> None:
    text = report.page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert html.escape(ATTACK) in text
    ids = re.findall(r'\sid="([^"]*)"', text)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "made",
    [
        {"draws": 0},
        {"losses": ("soft_triple",)},
        {"losses": ("soft_triple", "supcon"), "confirm": {"baseline": "supcon"}},
        {"pruning": {"rule": "none"}},
        {"ends": (Outcome.FAILED, Outcome.DIVERGED)},
        {"missing": {"soft_triple": 10}, "failed": {"supcon": 10}, "state": "running"},
        {"compare": SEARCHED, "search": {"loss": ["soft_triple", "supcon"]}},
    ],
    ids=["unconfirmed", "one loss", "another baseline", "no pruning", "only failures", "half way", "searched loss"],
)
def test_what_is_missing_is_left_out(made: Mapping[str, object], tmp_path: Path) -> None:
    arguments: dict[str, object] = {"datasets": ("cr",), "trials": 3, "draws": 10, **made}
    report = write_report(synthetic_results(**arguments), tmp_path)  # type: ignore[arg-type]
    assert "How it was made" in report.page.read_text(encoding="utf-8")


# ---- in a browser ----------------------------------------------------------------------------------------------------

# The frame is as wide as the screen that is tried: a browser's own window has a smallest width.
MEASURE = """<!DOCTYPE html>
<body style="margin:0"><iframe id="page" width="{width}" height="2000" srcdoc="{page}"></iframe>
<script>
addEventListener("load", () => {{
  const frame = document.getElementById("page"), inside = frame.contentDocument, root = inside.documentElement;
  inside.querySelectorAll("details").forEach((each) => (each.open = true));
  document.body.dataset.scroll = root.scrollWidth;
  document.body.dataset.client = root.clientWidth;
  document.body.dataset.background = frame.contentWindow.getComputedStyle(inside.body).backgroundColor;
  document.body.dataset.requests = frame.contentWindow.performance.getEntriesByType("resource").length;
  const results = [...inside.querySelectorAll(".results")].map((each) => each.parentElement);
  document.body.dataset.cut = results.filter((each) => each.scrollWidth > each.clientWidth).length;
  const figures = [...inside.querySelectorAll(".plot svg")];
  document.body.dataset.figures = figures.filter((each) => each.clientWidth > 300).length;
}});
</script>"""

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--virtual-time-budget=5000",
)


def measured(page: str, folder: Path, *, width: int, dark: bool) -> dict[str, str]:
    """What a browser says of the page in a window of this width."""
    assert CHROMIUM is not None
    wrapper = folder / "wrapper.html"
    wrapper.write_text(MEASURE.format(width=width, page=html.escape(page)), encoding="utf-8")
    theme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    command = [CHROMIUM, *FLAGS, *theme, f"--user-data-dir={folder / 'profile'}", "--dump-dom", wrapper.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT, check=True)
    body = re.search(r"<body[^>]*>", done.stdout)
    assert body is not None, done.stderr
    return dict(re.findall(r'data-(\w+)="([^"]*)"', body[0]))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> ReportFiles:
    """126 arms, with long names and names in other scripts."""
    return write_report(many_arms(), tmp_path_factory.mktemp("hostile"))


def test_every_long_name_stands_in_the_page_in_full(hostile: ReportFiles) -> None:
    text = html.unescape(hostile.page.read_text(encoding="utf-8"))
    assert [name for name in (*CLASSES, *DATASETS) if name not in text] == []


@needs_chromium
def test_no_column_of_the_results_is_cut_off_at_the_width_of_a_desk(hostile: ReportFiles, tmp_path: Path) -> None:
    found = measured(hostile.page.read_text(encoding="utf-8"), tmp_path, width=1280, dark=False)
    assert found["scroll"] == found["client"] == "1280"
    assert found["cut"] == "0"
    assert int(found["figures"]) == len(hostile.figures)


@needs_chromium
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_without_overflow_and_without_a_request(
    report: ReportFiles, tmp_path: Path, width: int, *, dark: bool
) -> None:
    found = measured(report.page.read_text(encoding="utf-8"), tmp_path, width=width, dark=dark)
    assert int(found["client"]) <= width
    assert found["scroll"] == found["client"]
    assert found["requests"] == "0"
    assert int(found["figures"]) == len(report.figures)
    assert found["background"] == ("rgb(20, 23, 27)" if dark else "rgb(253, 253, 254)")
