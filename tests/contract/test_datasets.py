"""What holds for every way to read a dataset, whatever the place and format."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from datasets import Dataset, DatasetDict
from pyarrow import parquet

from trainable import DatasetConfig
from trainable.datasets import DATASETS, Rows, TextData, find, load
from trainable.draws import few_shot_draw

# Two classes, unequal, with a blank row, duplicates and a contradiction: 24 + 12 rows remain.
ROWS = [
    *((f"good thing {i}", "positive") for i in range(24)),
    *((f"poor thing {i}", "negative") for i in range(12)),
    ("", "positive"),
    ("Good  thing 0", "positive"),
    ("mixed thing", "positive"),
    ("mixed thing", "negative"),
]
COLUMNS = {"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS]}


def _delimited(delimiter: str) -> Callable[[Path], DatasetConfig]:
    def write(folder: Path) -> DatasetConfig:
        path = folder / ("rows.csv" if delimiter == "," else "rows.tsv")
        with path.open("w", newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows([("text", "label"), *ROWS])
        return find(str(path))

    return write


def _jsonl(folder: Path) -> DatasetConfig:
    lines = [json.dumps({"text": text, "label": label}) for text, label in ROWS]
    (folder / "rows.jsonl").write_text("\n".join(lines))
    return find(str(folder / "rows.jsonl"))


def _parquet(folder: Path) -> DatasetConfig:
    parquet.write_table(pa.table(COLUMNS), folder / "rows.parquet")
    return find(str(folder / "rows.parquet"))


def _split_files(folder: Path) -> DatasetConfig:
    _jsonl(folder)
    (folder / "rows.jsonl").rename(folder / "train.jsonl")
    return find(str(folder))


def _saved(folder: Path) -> DatasetConfig:
    Dataset.from_dict(COLUMNS).save_to_disk(folder / "saved")
    return find(str(folder / "saved"))


def _saved_splits(folder: Path) -> DatasetConfig:
    DatasetDict(train=Dataset.from_dict(COLUMNS)).save_to_disk(folder / "saved")
    return find(str(folder / "saved"))


def _senteval(folder: Path) -> DatasetConfig:
    for ending, name in (("pos", "positive"), ("neg", "negative")):
        lines = [text for text, label in ROWS if label == name]
        (folder / f"rt-polarity.{ending}").write_text("\n".join(lines) + "\n")
    return find(str(folder))


READERS = {
    "csv": _delimited(","),
    "tsv": _delimited("\t"),
    "jsonl": _jsonl,
    "parquet": _parquet,
    "split files": _split_files,
    "saved": _saved,
    "saved splits": _saved_splits,
    "senteval": _senteval,
}


@pytest.fixture(params=list(READERS))
def data(request: pytest.FixtureRequest, tmp_path: Path) -> TextData:
    """The same rows through one reader after the other."""
    return load(READERS[request.param](tmp_path))


@pytest.fixture
def embedded() -> TextData:
    return load(DATASETS["support"])


def _named(rows: Rows, data: TextData) -> set[tuple[str, str]]:
    return {(text, data.class_names[label]) for text, label in zip(rows.texts, rows.labels_N, strict=True)}


def test_every_reader_gives_the_same_rows(data: TextData) -> None:
    assert data.class_names == ("negative", "positive")
    assert _named(data.pool, data) | _named(data.test, data) == set(ROWS[:36])
    assert (len(data.pool), len(data.test)) == (27, 9)
    assert data.majority_share == pytest.approx(6 / 9)


def test_every_reader_holds_out_the_same_rows(data: TextData, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    reference = load(_jsonl(tmp_path / "again"))
    assert _named(data.test, data) == _named(reference.test, reference)


def test_every_reader_reports_what_it_dropped(data: TextData) -> None:
    notes = "\n".join(data.notes)
    assert "1 row without a text or a label dropped" in notes
    assert "1 row dropped as duplicates of a row that is kept" in notes
    assert "2 rows dropped: equal texts with different labels" in notes
    assert "9 of 36 rows held out" in notes


def test_rows_are_well_formed(data: TextData) -> None:
    for rows in (data.pool, data.test):
        assert rows.pairs is None
        assert rows.labels_N.dtype == np.int64
        assert set(rows.labels_N.tolist()) == {0, 1}
        assert all(text == text.strip() != "" for text in rows.texts)


def test_draws_can_be_taken(data: TextData) -> None:
    draw = few_shot_draw(data, sampling="per_class", shots=4, validation="shots", index=0, seed=0)
    assert data.pool.labels_N[draw.train].sum() == data.pool.labels_N[draw.validation].sum() == 4


def test_loading_twice_reads_once(tmp_path: Path) -> None:
    config = _jsonl(tmp_path)
    first = load(config)
    (tmp_path / "rows.jsonl").unlink()
    assert load(config.model_copy()) is first


def test_the_embedded_data_is_fit_for_draws(embedded: TextData) -> None:
    assert len(embedded.class_names) == 8
    assert not {text.casefold() for text in embedded.pool.texts} & {text.casefold() for text in embedded.test.texts}
    draw = few_shot_draw(embedded, sampling="per_class", shots=16, validation="all", index=0, seed=0)
    assert len(draw.train) == 128
