"""Names and locations of datasets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trainable import DatasetConfig
from trainable.datasets import DATASETS, find, load
from trainable.errors import DataError


def test_names_of_the_table() -> None:
    assert list(DATASETS) == ["support", "mr", "cr", "subj", "mpqa", "sst2", "sst5", "trec", "mrpc"]
    for name, config in DATASETS.items():
        assert config.name == name
        assert find(name) is config
        assert (config.hub is None) == (name == "support")


def test_trec_is_read_by_the_names_of_its_coarse_classes() -> None:
    assert (DATASETS["trec"].hub, DATASETS["trec"].label) == ("SetFit/TREC-QC", "label_coarse_original")


@pytest.mark.parametrize(
    ("file", "name"),
    [("rows.csv", "rows"), ("my rows!.v2.csv", "my-rows-.v2"), ("folder/train.tsv", "folder"), ("folder", "folder")],
)
def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, name: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.touch() if path.suffix else path.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    expected = DatasetConfig(name=name, path=str(path))
    assert find(str(path)) == find(f"~/{file}") == find(file) == find(f"./{file}") == expected


def test_hub_ids() -> None:
    assert find("org/data.set") == DatasetConfig(name="data.set", hub="org/data.set")
    assert find("org/name:part@v1.0") == DatasetConfig(
        name="name-part", hub="org/name", hub_config="part", revision="v1.0"
    )
    known = find("nyu-mll/glue:mrpc@refs/pr/1")
    assert known == DATASETS["mrpc"].model_copy(update={"revision": "refs/pr/1"})


@pytest.mark.parametrize(
    ("place", "start"),
    [
        ("terc", "dataset 'terc': .*did you mean `trec`"),
        ("SST-2", "dataset 'SST-2': .*did you mean `sst2`"),
        ("", "dataset '': neither a known name"),
        ("data/rows.csv", "dataset 'data/rows.csv': neither a known name, nor an existing file"),
        ("/no/such/folder", "nor an existing file or folder"),
        ("a/b/c", "nor a hub id"),
        ("~nobody-of-that-name/rows.csv", "nor an existing file"),
        ("x" * 5000, "neither a known name"),
        ("a\0b", "neither a known name"),
    ],
)
def test_what_is_no_dataset(place: str, start: str) -> None:
    with pytest.raises(DataError, match=f"{start}.*known names: support, mr, cr, subj, mpqa, sst2, sst5, trec, mrpc"):
        find(place)


def test_a_name_alone_must_be_an_embedded_dataset() -> None:
    with pytest.raises(DataError, match=r"`suport`.*embedded datasets \(support\); did you mean `support`"):
        load(DatasetConfig(name="suport"))


@pytest.mark.parametrize("field", ["path", "test_path"])
def test_a_path_that_is_not_there(tmp_path: Path, field: str) -> None:
    (tmp_path / "rows.csv").write_text("text,label\na,x\nb,y\n")
    fields = {"name": "data", "path": str(tmp_path / "rows.csv")} | {field: str(tmp_path / "row.csv")}
    with pytest.raises(DataError, match=r"no file or folder .*row.csv .*did you mean `rows.csv`"):
        load(DatasetConfig.model_validate(fields))


@pytest.mark.slow
def test_importing_the_datasets_stays_light() -> None:
    heavy = {"torch", "transformers", "datasets", "huggingface_hub", "pandas", "pyarrow"}
    script = f"import sys, trainable.datasets, trainable.draws; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
