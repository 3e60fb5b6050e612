"""The winner trained on a node of a real Ray cluster: its head takes no trials, and its nodes have no file of the spec.

The nodes get data and encoder as trials do. What comes back is, to the last bit of the weights, what is trained here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from tests.services.mlflow_server import free_port
from tests.services.process import clean_environment
from tests.services.ray_cluster import RayCluster
from trainable.classifier import Classifier

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Of the cluster and of commands on it."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    clean = clean_environment(tmp_path_factory.mktemp("caches"), ROOT)
    return {**clean, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore", "RAY_AUTH_MODE": "disabled"}


@pytest.fixture(scope="module")
def cluster(environment: Mapping[str, str]) -> Iterator[RayCluster]:
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:  # on a short path, for Ray's sockets lie in it
        found = RayCluster(Path(folder) / "ray", environment, free_port())
        try:
            found.start()
            yield found
        finally:
            found.end()


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory,
    toy_csv: Path,
    tiny_bert: Path,
    environment: Mapping[str, str],
    cluster: RayCluster,
) -> Path:
    """A finished sweep, which ran on the cluster and was asked to keep its winner."""
    place = tmp_path_factory.mktemp("swept")
    (place / "toy.csv").write_bytes(toy_csv.read_bytes())
    spec = {
        "datasets": {"toy": {"path": str(place / "toy.csv")}},
        "compare": {"dataset": ["toy"], "shots": [4], "recipe": ["frozen", "fine_tune"], "loss": ["soft_triple"]},
        "trial": {"encoder": str(tiny_bert), "embedding": "mean"},
        "protocol": {"replicates": 1, "validation": 8, "steps": 2, "evaluations": 1},
        "budget": {"trials_per_cell": 1, "concurrency": 1},
        "confirm": {"draws": 2, "reseeded": 0},
        "resources": {"gpu": 0},
        "refit": True,
        "tracking": {"uri": f"sqlite:///{place}/mlflow.db"},
    }
    (place / "mine.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    done = sweep(place, environment, "run", "mine.yaml", "--address", cluster.address)
    assert done.returncode == 0, done.stdout + done.stderr
    (place / "said.txt").write_text(done.stdout, encoding="utf-8")
    return place


def sweep(folder: Path, environment: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sweep", *words, "--dir", str(folder / "sweeps")]
    return subprocess.run(command, env=dict(environment), cwd=folder, capture_output=True, text=True, check=False)


def refit(folder: Path, environment: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return sweep(folder, environment, "refit", "mine", *words)


def test_a_sweep_on_a_cluster_trains_its_winner_there(folder: Path) -> None:
    said = (folder / "said.txt").read_text(encoding="utf-8")
    assert "refit      waiting for a node with 1 CPU and 0 GPU" in said
    (kept,) = (folder / "sweeps" / "mine" / "classifiers").iterdir()
    assert f"kept in {kept}, and in MLflow as models:/mine/1" in said
    assert set(Classifier.load(kept).predict(["the film is bad", "a film was great"])) <= {"bad", "good"}


@pytest.mark.parametrize("arm", ["toy/4/frozen", "toy/4/soft_triple"])
def test_a_winner_is_trained_on_a_node_and_comes_back(
    arm: str, folder: Path, environment: Mapping[str, str], cluster: RayCluster, tmp_path: Path
) -> None:
    done = refit(folder, environment, "--arm", arm, "--out", str(tmp_path / "far"), "--address", cluster.address)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "refit      waiting for a node with 1 CPU and 0 GPU" in done.stdout
    assert "refit      training on all 96 rows" in done.stdout
    assert f"{arm}: Expected accuracy: " in done.stdout
    here = refit(folder, environment, "--arm", arm, "--out", str(tmp_path / "near"))
    assert here.returncode == 0, here.stderr
    far, near = ({path.name: path for path in (tmp_path / name).iterdir()} for name in ("far", "near"))
    assert set(far) == set(near)
    for name in ("classifier.json", "classifier.safetensors", "model.safetensors"):
        assert far[name].read_bytes() == near[name].read_bytes(), name
    cards = [files["README.md"].read_text(encoding="utf-8") for files in (far, near)]
    assert cards[0] == cards[1].replace("/near", "/far")


def test_a_program_has_it_trained_on_a_node(
    folder: Path, environment: Mapping[str, str], cluster: RayCluster, tmp_path: Path
) -> None:
    arm, root = "toy/4/soft_triple", str(folder / "sweeps")
    program = f"""
import sweep
for name, address in (("near", None), ("far", {cluster.address!r})):
    sweep.refit("mine", arm={arm!r}, root={root!r}, address=address).save({str(tmp_path)!r} + "/" + name)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=dict(environment), cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("classifier.json", "classifier.safetensors", "model.safetensors"):
        assert (tmp_path / "far" / name).read_bytes() == (tmp_path / "near" / name).read_bytes(), name


def test_what_is_wrong_is_told_in_words(
    folder: Path, environment: Mapping[str, str], cluster: RayCluster, tmp_path: Path
) -> None:
    wrong = {
        "needs 1000 rows and has": ["--shots", "1000", "--address", cluster.address],  # is noticed on the node
        "the Ray cluster at '127.0.0.1:1' must answer": ["--address", "127.0.0.1:1"],
    }
    for said, words in wrong.items():
        done = refit(folder, environment, "--arm", "toy/4/frozen", "--out", str(tmp_path / "none"), *words)
        assert done.returncode == 2, done.stdout + done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "none").exists()
