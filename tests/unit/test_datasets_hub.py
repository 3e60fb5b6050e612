"""Hub datasets without the hub: the real `datasets` code with HF_HUB_OFFLINE, which is read when a process starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.waiting import TIME_LIMIT
from trainable import DatasetConfig
from trainable.datasets import DATASETS, pin

ROOT = Path(__file__).parents[2]
COMMIT = "a" * 40

# Prepares a dataset by the library's own code, and moves it to where the library caches one from the hub.
_CACHED = f"""
import datasets, json, os, pathlib
datasets.disable_progress_bars()
rows = [{{"text": f"row {{i}}", "label": i % 2}} for i in range(12)]
pathlib.Path("rows.jsonl").write_text("\\n".join(json.dumps(row) for row in rows))
built = datasets.load_dataset("json", data_files={{"train": "rows.jsonl"}})
source = pathlib.Path(built["train"].cache_files[0]["filename"]).parent
target = pathlib.Path(os.environ["HF_DATASETS_CACHE"], "some___data-set", "default", "0.0.0", "{COMMIT}")
target.mkdir(parents=True)
for file in source.iterdir():
    file.rename(target / file.name.replace("json-", "data-set-"))
"""


def _offline(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / "home"),
        "HF_DATASETS_CACHE": str(folder / "cache"),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-W", "error", "-c", script]
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=TIME_LIMIT, check=True
    )


@pytest.mark.slow
def test_without_a_network_the_cache_serves_and_the_rest_is_refused(tmp_path: Path) -> None:
    """One process for all of it, since `datasets` takes most of a second to import."""
    script = f"""{_CACHED}
from trainable.datasets import find, load, pin
from trainable.errors import DataError

print(pin(find("some/data-set")).revision)
print(load(find("some/data-set")).notes[0])
print(len(load(find("some/data-set@{COMMIT}")).pool))
for place in ("some/data-set@{"b" * 40}", "some/data-set@main", "SetFit/TREC-QC", "nyu-mll/glue:mrpc@{"c" * 40}"):
    try:
        load(find(place))
    except DataError as error:
        print(error)
"""
    lines = _offline(tmp_path, script).stdout.splitlines()
    assert lines[:3] == [COMMIT, f"hub dataset some/data-set at commit {COMMIT}", "8"], lines
    assert f"the newest commit in the cache is {COMMIT}" in lines[3]
    assert lines[4].startswith("hub dataset some/data-set@main: cannot be read from the Hugging Face hub (Offline")
    assert lines[5].startswith("hub dataset SetFit/TREC-QC: cannot be read")
    assert lines[6].startswith(f"hub dataset nyu-mll/glue:mrpc@{'c' * 40}: cannot be read")
    for line in lines[4:]:
        assert "HF_HUB_OFFLINE" in line
        assert "give their folder as `path`" in line
    assert len(lines) == 7


@pytest.mark.parametrize(
    "config",
    [DATASETS["support"], DatasetConfig(name="x", path="x.csv"), DatasetConfig(name="x", hub="a/b", revision=COMMIT)],
)
def test_what_is_fixed_already_needs_no_hub(config: DatasetConfig) -> None:
    assert pin(config) is config
