"""Losses and recipes of a package of one's own: installed, tested, swept, and missing on a worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sweep.execution.trial_inputs import TrialInputs
from sweep.execution.worker import Worker
from sweep.scheduling.assignment import Assignment
from trainable.config import TrialConfig
from trainable.plugins import Plugin

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "tests" / "example_package"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """In which the example package is installed by pip, as it is."""
    place = tmp_path_factory.mktemp("installed")
    source = tmp_path_factory.mktemp("source") / "package"
    subprocess.run(["cp", "-r", str(EXAMPLE), str(source)], check=True)  # pip leaves a build folder where it builds
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*words, "--disable-pip-version-check", "--target", str(place), str(source)], check=True)
    return {**os.environ, "PYTHONPATH": f"{place}:{ROOT}"}


def ran(environment: dict[str, str], *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_conformance_suite_runs_on_ones_own(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "conformance.py").write_bytes((EXAMPLE / "conformance.py").read_bytes())
    done = ran(environment, "pytest", "-q", "-p", "no:cacheprovider", "conformance.py", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    without = ran(
        {**environment, "PYTHONPATH": f"{EXAMPLE}:{ROOT}"},
        "pytest",
        "-q",
        "conformance.py",
        "-k",
        "called",
        cwd=tmp_path,
    )
    assert "install its package, so that its entry point is found" in without.stdout


def test_ones_own_loss_and_recipe_are_swept(
    environment: dict[str, str], tmp_path: Path, toy_csv: Path, tiny_bert: Path
) -> None:
    spec = {
        "datasets": {"toy": {"path": str(toy_csv)}},
        "compare": {"dataset": "toy", "shots": 4, "recipe": ["word_counts", "fine_tune"], "loss": ["nt_xent"]},
        "trial": {"encoder": str(tiny_bert), "embedding": "mean"},
        "protocol": {"replicates": 2, "validation": 8, "steps": 4, "evaluations": 1},
        "budget": {"trials_per_cell": 2, "concurrency": 1},
        "confirm": {"draws": 2, "reseeded": 0},
        "resources": {"gpu": 0},
        "tracking": {"uri": f"sqlite:///{tmp_path}/mlflow.db"},
    }
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    done = ran(environment, "sweep", "run", "own.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "sweeps/own/report/results.json").read_text(encoding="utf-8"))
    trials = {trial["cell"]: trial for trial in results["trials"]}
    assert set(trials) == {"toy/4/word_counts", "toy/4/nt_xent"}
    for trial in trials.values():
        assert trial["outcome"] == "completed"
        assert ", few-shot-examples 0.1.0 " in trial["reports"][0]["report"]["trained_with"]
    assert "loss.temperature" in trials["toy/4/nt_xent"]["config"]
    kept = ran(environment, "sweep", "refit", "own", "--arm", "toy/4/nt_xent", "--out", "model", cwd=tmp_path)
    assert kept.returncode == 0, kept.stderr
    refused = ran(environment, "sweep", "refit", "own", "--arm", "toy/4/word_counts", "--out", "m", cwd=tmp_path)
    assert refused.returncode == 2
    assert "received word_counts: choose another arm" in refused.stderr
    without = ran({**environment, "PYTHONPATH": str(ROOT)}, "sweep", "run", "own.yaml", cwd=tmp_path)
    assert without.returncode == 2
    assert "Traceback" not in without.stderr
    assert "word_counts" in without.stderr
    read = ran({**environment, "PYTHONPATH": str(ROOT)}, "sweep", "status", "own", cwd=tmp_path)
    assert read.returncode == 2
    assert "Traceback" not in read.stderr
    assert "has word_counts, nt_xent, which no package here brings: install the one that does" in read.stderr


def test_a_worker_that_lacks_the_package_is_told_so() -> None:
    config = {"dataset": {"name": "support"}, "shots": 4, "encoder": "any", "loss": {"name": "supcon"}}
    sent = json.loads(Assignment(record="cell#0", config=TrialConfig.model_validate(config)).to_json())
    sent["config"]["loss"] = "nt_xent"  # which this process does not know
    inputs = TrialInputs("", {}, {}, plugins=(Plugin("loss", "nt_xent", "few-shot-examples", "0.1.0", "1f2e3d4c"),))
    worker = Worker.__new__(Worker)
    worker.setup({"assignment": json.dumps(sent), "time_limit": 60.0}, inputs)
    (evaluation,) = worker._evaluations
    assert evaluation.outcome == "failed"
    assert evaluation.reason.startswith("the loss 'nt_xent' is of the package few-shot-examples 0.1.0, which is not ")
    assert evaluation.reason.endswith("as by `pip install few-shot-examples==0.1.0`")
