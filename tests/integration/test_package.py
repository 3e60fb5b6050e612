"""What is built for others: an sdist, a wheel from it, and a sweep outside the checkout by the console command."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
OFFLINE = ["--no-deps", "--no-build-isolation", "--no-index"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The sdist of what git would commit, and the wheel that is built from that sdist alone."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    code = f"from setuptools import build_meta; build_meta.build_sdist({str(out)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, check=True)
    (sdist,) = out.glob("*.tar.gz")
    subprocess.run([*PIP, "wheel", *OFFLINE, "--wheel-dir", str(out), str(sdist)], check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    return {"sdist": sdist, "wheel": wheel}


def test_they_hold_what_is_read_at_run_time_and_no_tests(built: Mapping[str, Path]) -> None:
    with zipfile.ZipFile(built["wheel"]) as wheel:
        names = set(wheel.namelist())
    with tarfile.open(built["sdist"]) as sdist:
        packed = {name.partition("/")[2] for name in sdist.getnames()}
    wanted = {"sweep/presets/quickstart.yaml", "sweep/report/page.html.j2", "trainable/data/support/test.jsonl"}
    wanted |= {"sweep/py.typed", "trainable/py.typed", "trainable/testing/losses.py", "sweep/tracking/served_model.py"}
    assert wanted <= names
    assert wanted <= packed
    modules = {
        str(path.relative_to(ROOT)) for folder in ("sweep", "trainable") for path in (ROOT / folder).rglob("*.py")
    }
    assert modules <= names
    assert not [name for name in names if name.startswith(("tests/", "cluster/", "build/"))]


def test_the_quickstart_runs_outside_the_checkout(built: Mapping[str, Path], tmp_path: Path) -> None:
    """With fewer methods, trials and draws than the real one, and shorter trainings."""
    place, work = tmp_path / "installed", tmp_path / "work"
    work.mkdir()
    subprocess.run([*PIP, "install", *OFFLINE, "--target", str(place), str(built["wheel"])], check=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "PYTHONPATH": str(place)
    }

    def ran(*words: str) -> str:
        done = subprocess.run(words, cwd=work, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    where = ran(sys.executable, "-c", "import sweep, trainable; print(sweep.__file__, trainable.__file__)")
    assert [Path(each).parents[1] for each in where.split()] == [place, place]
    program = str(place / "bin" / "few-shot-sweep")
    small = [
        "compare.loss=[cross_entropy]",
        "budget.trials_per_cell=1",
        "budget.concurrency=1",
        "confirm.draws=2",
        "protocol.replicates=1",
        "protocol.steps=2",
    ]
    options = [word for override in [*small, "protocol.validation=16"] for word in ("--set", override)]
    said = ran(program, "run", *options)
    assert "quickstart: finished" in said
    assert "few-shot-sweep run" in said
    assert (work / "sweeps" / "quickstart" / "report" / "report.html").stat().st_size > 10_000
    ran(program, "refit", "quickstart", "--arm", "support/4/frozen", "--out", "model")
    (work / "new.csv").write_text("text\nmy card was stolen\n", encoding="utf-8")
    assert "1 rows classified into" in ran(program, "predict", "model", "new.csv")
