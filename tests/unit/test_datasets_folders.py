"""Folders with a file for each split, and folders written by the `datasets` library."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from trainable import DatasetConfig
from trainable.datasets import load
from trainable.errors import DataError

TRAIN = "text,label\none,x\ntwo,x\nthree,y\nfour,y\n"
TEST = "text,label\nfive,x\nsix,y\n"


def _folder(path: Path, files: dict[str, str]) -> DatasetConfig:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(content)
    return DatasetConfig(name="data", path=str(path))


@pytest.mark.parametrize("name", ["test.csv", "validation.csv", "valid.csv", "dev.csv", "test-00000-of-00001.csv"])
@pytest.mark.parametrize("below", ["", "data/"])
def test_split_files(tmp_path: Path, name: str, below: str) -> None:
    data = load(_folder(tmp_path, {f"{below}train.csv": TRAIN, below + name: TEST, "README.md": "about"}))
    assert (data.pool.texts, data.test.texts) == (("one", "two", "three", "four"), ("five", "six"))


def test_shards_are_joined_in_order(tmp_path: Path) -> None:
    shards = {f"train-0000{i}-of-00002.csv": f"text,label\na{i},x\nb{i},y\n" for i in range(2)}
    assert load(_folder(tmp_path, shards | {"test.csv": TEST})).pool.texts == ("a0", "b0", "a1", "b1")


@pytest.mark.parametrize(
    "names",
    [
        ("train-00000-of-00003.csv", "train-00002-of-00003.csv"),
        ("train-00000-of-00002.csv",),
        ("train-00000-of-00001.csv", "train-00000-of-00001.json"),
        ("train-00000-of-00001.csv", "train-00000-of-00002.csv", "train-00001-of-00002.csv"),
    ],
)
def test_shards_that_are_not_all_there_once_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    config = _folder(tmp_path, dict.fromkeys(names, TRAIN))
    with pytest.raises(DataError, match=f"must all be there, each once; those of `train` are `{names[0]}"):
        load(config)


def test_class_ids_beyond_the_declared_classes_are_refused(tmp_path: Path) -> None:
    rows = Dataset.from_dict({"text": list("abcdef"), "label": [0, 1, 0, 2, -1, 1]})
    rows.info.features["label"] = ClassLabel(names=["no", "yes"])  # as `cast` would refuse
    rows.save_to_disk(tmp_path)
    with pytest.raises(
        DataError, match=r"row 4: class ids go from 0 to 1, .* \(`no`, `yes`\); received 2; declare all"
    ):
        load(DatasetConfig(name="data", path=str(tmp_path)))


def test_files_of_one_folder_may_be_compressed_and_differ_in_format(tmp_path: Path) -> None:
    for number in range(2):
        content = gzip.compress(f"text;label\na{number};1.0\nb{number};2.0\n".encode())
        (tmp_path / f"train-0000{number}-of-00002.csv.gz").write_bytes(content)
    (tmp_path / "test.json").write_text('[{"text": "five", "label": 1}, {"text": "six", "label": 2}]')
    data = load(DatasetConfig(name="data", path=str(tmp_path)))
    assert data.pool.texts == ("a0", "b0", "a1", "b1")
    assert (data.test.texts, data.class_names) == (("five", "six"), ("1", "2"))


def test_delimiter_and_encoding_are_those_of_the_files_that_need_them(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(TRAIN.replace(",", ";").replace("one", "señor").encode("cp1252"))
    (tmp_path / "test.csv").write_text(TEST.replace("five", "señorita"), encoding="utf-8")
    data = load(DatasetConfig(name="data", path=str(tmp_path), delimiter=";", encoding="cp1252"))
    assert data.pool.texts == ("señor", "two", "three", "four")
    assert data.test.texts == ("señorita", "six")


def test_splits_that_the_configuration_names(tmp_path: Path) -> None:
    config = _folder(tmp_path, {"train.csv": TEST, "large.csv": TRAIN, "gold.csv": TEST})
    data = load(config.model_copy(update={"train_split": "large", "test_split": "gold"}))
    assert (len(data.pool), len(data.test)) == (4, 2)
    assert "not used: split `train`" in data.notes


def test_an_unused_validation_split_is_noted(tmp_path: Path) -> None:
    data = load(_folder(tmp_path, {"train.csv": TRAIN, "test.csv": TEST, "dev.csv": TEST}))
    assert "not used: split `validation`" in data.notes


def test_a_folder_with_a_test_file_elsewhere(tmp_path: Path) -> None:
    config = _folder(tmp_path / "folder", {"train.csv": TRAIN})
    (tmp_path / "gold.jsonl").write_text('{"text": "five", "label": "x"}\n{"text": "six", "label": "y"}')
    data = load(config.model_copy(update={"test_path": str(tmp_path / "gold.jsonl")}))
    assert data.test.texts == ("five", "six")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "found none"),
        ({"notes.txt": "x", "rows.csv": TRAIN}, "found `notes.txt`, `rows.csv`; name one file as `path`"),
        ({"train.csv": TRAIN, "train.jsonl": "{}"}, "`train.csv`, `train.jsonl` are all `train`"),
        ({"test.csv": TEST}, "no split `train` for `train_split`.*are `test`"),
        (
            {"train.csv": "text,label\n", "test.csv": ""},
            "test.csv: the file is empty.*train.csv: the file has a header and no row",
        ),
        ({"dataset_info.json": "{", "state.json": "{}"}, "no readable saved dataset"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=f"(?s){message}"):
        load(_folder(tmp_path, files))


def _dataset(labels: list[int], word: str) -> Dataset:
    features = Features(
        {"text": Value("string"), "label": ClassLabel(names=["never", "no", "ay"]), "id": Value("int8")}
    )
    rows = {"text": [f"{word} {i}" for i in range(len(labels))], "label": labels, "id": labels}
    return Dataset.from_dict(rows, features=features)


@pytest.mark.parametrize("change", [lambda d: d, lambda d: d.with_format("numpy"), lambda d: d.shuffle(seed=1)])
def test_saved_dataset_with_splits(tmp_path: Path, change: Callable[[Dataset], Dataset]) -> None:
    saved = DatasetDict(train=change(_dataset([1, 1, 2, 2], "a")), test=change(_dataset([1, 2], "b")))
    saved.save_to_disk(tmp_path / "saved")
    data = load(DatasetConfig(name="data", path=str(tmp_path / "saved")))
    assert data.class_names == ("ay", "no")
    named = {text: data.class_names[label] for text, label in zip(data.pool.texts, data.pool.labels_N, strict=True)}
    assert named == {"a 0": "no", "a 1": "no", "a 2": "ay", "a 3": "ay"}
    assert set(data.test.texts) == {"b 0", "b 1"}


def test_saved_dataset_with_hidden_test_labels(tmp_path: Path) -> None:
    train, dev, test = _dataset([1, 1, 2, 2], "a"), _dataset([1, 2], "b"), _dataset([-1, -1], "c")
    DatasetDict(train=train, validation=dev, test=test).save_to_disk(tmp_path / "saved")
    data = load(DatasetConfig(name="data", path=str(tmp_path / "saved")))
    assert data.test.texts == ("b 0", "b 1")
    assert "the labels of split `test` are hidden" in data.notes


def test_saved_dataset_without_splits(tmp_path: Path) -> None:
    _dataset([0] * 8 + [1] * 8, "a").save_to_disk(tmp_path / "saved")
    data = load(DatasetConfig(name="data", path=str(tmp_path / "saved")))
    assert (len(data.pool), len(data.test), data.class_names) == (12, 4, ("never", "no"))


def test_columns_that_a_saved_dataset_lacks(tmp_path: Path) -> None:
    DatasetDict(train=_dataset([0, 1], "a"), test=_dataset([0, 1], "b")).save_to_disk(tmp_path / "saved")
    config = DatasetConfig(name="data", path=str(tmp_path / "saved"), text="txt")
    with pytest.raises(
        DataError, match=r"(?s)split train: no column `txt`; did you mean `text`.*split test: no column"
    ):
        load(config)
