"""What travels to a cluster: a spec whose paths mean the same there, and the files that it names."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweep.errors import ClusterError
from sweep.remote.bundle import Bundle, pack
from sweep.spec.reader import load_spec


@pytest.fixture
def home(tmp_path: Path, tiny_bert: Path) -> Path:
    """A folder with a spec that names a data file beside it, a folder of data, and two encoders."""
    folder = tmp_path / "home"
    (folder / "task").mkdir(parents=True)
    rows = "text,label\n" + "".join(f"sentence {number},{number % 2}\n" for number in range(40))
    (folder / "toy.csv").write_text(rows)
    (folder / "task" / "train.csv").write_text(rows)
    spec: dict[str, Any] = {
        "compare": {"dataset": ["toy.csv", "task", "support"], "shots": [4], "loss": ["cross_entropy"]},
        "search": {"encoder": [str(tiny_bert), "all-MiniLM-L6-v2"]},
    }
    (folder / "own.yaml").write_text(yaml.safe_dump(spec))
    return folder


def packed(home: Path, place: Path, *overrides: str) -> Bundle:
    place.mkdir()
    return pack(load_spec(home / "own.yaml", overrides), place)


def test_a_packed_spec_is_the_same_spec_elsewhere(home: Path, tmp_path: Path, tiny_bert: Path) -> None:
    bundle = packed(home, tmp_path / "bundle")
    here, there = load_spec(home / "own.yaml"), load_spec(bundle.folder / bundle.spec)
    assert bundle.spec == "own.yaml"
    assert there.name == here.name == "own"
    assert there.budget == here.budget
    for name, dataset in here.datasets.items():
        moved = there.datasets[name]
        assert moved.model_copy(update={"path": None}) == dataset.model_copy(update={"path": None})
        if dataset.path is not None:
            assert Path(str(moved.path)).is_relative_to(bundle.folder)
            assert Path(str(moved.path)).name == Path(dataset.path).name
    moved_encoder, packaged = there.resolved()["search"]["encoder"]
    assert packaged == "all-MiniLM-L6-v2"
    for name in ("config.json", "model.safetensors"):
        assert (Path(moved_encoder) / name).read_bytes() == (tiny_bert / name).read_bytes()
    assert str(home) not in (bundle.folder / bundle.spec).read_text()


def test_equal_data_are_one_place_and_changed_data_another(home: Path, tmp_path: Path) -> None:
    first, again = packed(home, tmp_path / "1"), packed(home, tmp_path / "2")
    with (home / "toy.csv").open("a") as file:
        file.write("one more,1\n")
    changed = packed(home, tmp_path / "3")
    assert first.digest == again.digest
    assert first.digest != changed.digest


def test_the_digest_is_of_the_whole_spec(home: Path, tmp_path: Path) -> None:
    bundles = [packed(home, tmp_path / name, *sets) for name, sets in (("1", ()), ("2", ("budget.hours=2",)))]
    assert bundles[0].digest != bundles[1].digest


def test_links_out_of_a_folder_do_not_travel(home: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("text,label\nsecret,1\n")
    (home / "task" / "validation.csv").symlink_to(secret)
    with pytest.raises(ClusterError, match=r"validation\.csv is a link that leads out of .*task; copy what"):
        packed(home, tmp_path / "bundle")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("rsync") is None, reason="needs rsync")
@pytest.mark.parametrize("cluster", ["gpu.yaml", "gcp.yaml", "onprem.yaml"])
def test_data_that_git_is_told_to_ignore_arrive(home: Path, tmp_path: Path, cluster: str) -> None:
    """By the rules that the cluster's file has for copies, in Ray's own words for `rsync`."""
    from ray.autoscaler._private.command_runner import SSHCommandRunner

    alone = packed(home, tmp_path / "alone")
    (home / "task" / ".git").mkdir()
    (home / "task" / ".git" / "HEAD").write_text("ref: refs/heads/main")
    (home / "task" / ".gitignore").write_text("/train.csv\n")  # DVC writes such a file beside the data
    bundle = packed(home, tmp_path / "bundle")
    config = yaml.safe_load((Path(__file__).parents[2] / "cluster" / cluster).read_text(encoding="utf-8"))
    runner = SSHCommandRunner.__new__(SSHCommandRunner)  # none that knows a machine
    rules = runner._create_rsync_filter_args(config)  # type: ignore[no-untyped-call]
    subprocess.run(["rsync", "-az", *rules, f"{bundle.folder}/", str(tmp_path / "arrived")], check=True)

    def files(folder: Path) -> set[str]:
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}

    assert files(tmp_path / "arrived") == files(bundle.folder) == files(alone.folder)
    assert any(file.endswith("task/train.csv") for file in files(alone.folder))
    assert bundle.digest == alone.digest


def test_a_file_that_has_gone_is_named(home: Path, tmp_path: Path) -> None:
    spec = load_spec(home / "own.yaml")
    (home / "toy.csv").unlink()
    with pytest.raises(ClusterError, match=r"toy\.csv cannot be read .*check the path"):
        pack(spec, tmp_path)
