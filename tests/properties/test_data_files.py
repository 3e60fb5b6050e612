"""Whatever a data file holds: it is a dataset whose parts keep the promises of `TextData`, or it is refused in words
that name the file."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.properties.data_files import (
    damaged,
    delimited_files,
    json_files,
    parquet_files,
    senteval_folders,
    written_tables,
)
from tests.sweeps.invariants import check_dataset
from trainable import DatasetConfig
from trainable.datasets import find
from trainable.errors import DataError

STABLE = settings(
    max_examples=200,
    derandomize=True,  # the same examples on every machine; tests/fuzz looks for new ones
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


def _is_taken(fields: dict[str, Any]) -> bool:
    """Whether it is not refused before a file is read."""
    return fields.get("text_pair") not in (fields.get("text", "text"), fields.get("label", "label"))


FIELDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "text": st.sampled_from(["text", "label", "other", "", "txt"]),
        "text_pair": st.sampled_from(["other", "text", ""]),
        "label": st.sampled_from(["label", "text", "id"]),
        "train_split": st.sampled_from(["train", "test", "validation"]),
        "test_split": st.sampled_from(["test", "train", "dev"]),
        "test_share": st.sampled_from([0.001, 0.5, 0.999]),
    },
).filter(_is_taken)


SOME_FIELDS: st.SearchStrategy[dict[str, Any]] = st.sampled_from([{}, {}, {}, None]).flatmap(
    lambda none: FIELDS if none is None else st.just(none)
)


def told(counts: Counter[bool], least: int = 5) -> None:
    assert min(counts[True], counts[False]) >= least, f"too few were read or refused to tell: {counts}"


@pytest.mark.parametrize("files", [delimited_files, json_files, parquet_files], ids=["delimited", "json", "parquet"])
def test_a_file(tmp_path: Path, files: Callable[[], Any]) -> None:
    counts: Counter[bool] = Counter()

    @STABLE
    @given(file=files(), fields=SOME_FIELDS)
    def run(file: tuple[str, bytes], fields: dict[str, Any]) -> None:
        ending, content = file
        path = tmp_path / f"rows{ending}"
        path.write_bytes(content)
        counts[check_dataset(DatasetConfig(name="mine", path=str(path), **fields), tmp_path) is not None] += 1

    run()
    told(counts)


def test_a_table_is_read_as_it_was_written_or_refused(tmp_path: Path) -> None:
    counts: Counter[bool] = Counter()

    @STABLE
    @given(table=written_tables(), is_told=st.booleans())
    def run(table: tuple[list[list[str]], str, str, str], is_told: bool) -> None:
        rows, delimiter, codec, ending = table
        path = tmp_path / f"rows{ending}"
        with path.open("w", newline="", encoding=codec) as file:
            csv.writer(file, delimiter=delimiter).writerows([("text", "label"), *rows])
        told_fields = {"delimiter": delimiter, "encoding": codec} if is_told else {}
        data = check_dataset(DatasetConfig.model_validate({"name": "mine", "path": str(path), **told_fields}), tmp_path)
        counts[data is not None] += 1
        assert data is not None or not is_told
        if data is not None:
            read = {
                (text, data.class_names[label])
                for part in (data.pool, data.test)
                for text, label in zip(part.texts, part.labels_N, strict=True)
            }
            assert read == {(text.strip(), label) for text, label in rows}

    run()
    told(counts)


def test_a_file_with_a_test_file(tmp_path: Path) -> None:
    counts: Counter[bool] = Counter()

    @STABLE
    @given(train=delimited_files(), test=delimited_files() | json_files(), fields=SOME_FIELDS)
    def run(train: tuple[str, bytes], test: tuple[str, bytes], fields: dict[str, Any]) -> None:
        paths = [tmp_path / f"{name}{ending}" for name, (ending, _) in (("train", train), ("other", test))]
        for path, (_, content) in zip(paths, (train, test), strict=True):
            path.write_bytes(content.replace(b"word", b"world") if path.stem == "other" else content)
        config = DatasetConfig(name="mine", path=str(paths[0]), test_path=str(paths[1]), **fields)
        counts[check_dataset(config, tmp_path) is not None] += 1

    run()
    told(counts)


def test_a_folder_of_splits(tmp_path: Path) -> None:
    counts: Counter[bool] = Counter()
    known = ["train", "test", "validation", "dev", "data/train", "train-00000-of-00001", "notes"]
    usual = st.sampled_from([["train"], ["train", "test"], ["data/train", "data/dev"], ["train", "validation"]])

    @STABLE
    @given(data=st.data(), names=usual | st.lists(st.sampled_from(known), max_size=3, unique=True), fields=SOME_FIELDS)
    def run(data: st.DataObject, names: list[str], fields: dict[str, Any]) -> None:
        folder = fresh(tmp_path / "folder")
        for name in names:
            ending, content = data.draw(delimited_files() | json_files())
            path = folder / f"{name}{ending}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content if "train" in name else content.replace(b"word", b"world"))
        counts[check_dataset(DatasetConfig(name="mine", path=str(folder), **fields), folder) is not None] += 1

    run()
    told(counts)


def test_a_senteval_folder(tmp_path: Path) -> None:
    counts: Counter[bool] = Counter()

    @STABLE
    @given(task_and_files=senteval_folders())
    def run(task_and_files: tuple[str, dict[str, bytes]]) -> None:
        task, files = task_and_files
        folder = fresh(tmp_path / "folder")
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        counts[check_dataset(DatasetConfig(name="mine", path=str(folder), senteval=task), folder) is not None] += 1

    run()
    told(counts)


def test_a_damaged_saved_dataset(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    counts: Counter[bool] = Counter()
    rows = {"text": [f"row {each}" for each in range(8)], "label": ["a", "b"] * 4}
    DatasetDict(train=Dataset.from_dict(rows)).save_to_disk(tmp_path / "whole")
    files = sorted(path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*") if path.is_file())

    @settings(STABLE, max_examples=60)
    @given(data=st.data())
    def run(data: st.DataObject) -> None:
        folder = fresh(tmp_path / "folder")
        shutil.copytree(tmp_path / "whole", folder, dirs_exist_ok=True)
        path = folder / data.draw(st.sampled_from(files))
        path.write_bytes(damaged(data.draw, path.read_bytes()))
        counts[check_dataset(DatasetConfig(name="mine", path=str(folder)), folder) is not None] += 1

    run()
    told(counts)


@STABLE
@given(place=st.text(max_size=30) | st.sampled_from(["..", ".", "/", "~", "~x", "a/b:c@d", "x²", "o/x²", "\0"]))
def test_any_name_of_a_dataset(place: str) -> None:
    with suppress(DataError):
        assert find(place).name


@pytest.mark.parametrize("name", ["x².csv", "Ⅷ.csv", "一.csv", "e\u0301.csv", "-.csv", "...csv", "a b\n.csv", "½½.csv"])
def test_any_name_of_a_file_gives_a_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("text,label\n" + "".join(f"row {row},{'ab'[row % 2]}\n" for row in range(8)))
    assert check_dataset(find(str(tmp_path / name)), tmp_path) is not None


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder
