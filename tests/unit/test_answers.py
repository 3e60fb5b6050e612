"""A file of texts is answered row by row, or refused in words."""

from __future__ import annotations

import csv
import gzip
import os
from datetime import datetime
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from sweep.errors import FolderError
from sweep.refitting.answers import answer
from trainable.classifier import Classifier
from trainable.config import TrialConfig
from trainable.errors import DataError
from trainable.refitting import refit


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, toy_csv: Path, tiny_bert: Path) -> Path:
    data = {"name": "toy", "path": str(toy_csv)}
    fields = {"dataset": data, "shots": 4, "encoder": str(tiny_bert), "recipe": {"name": "frozen"}}
    place = tmp_path_factory.mktemp("kept") / "model"
    refit(TrialConfig.model_validate(fields)).classifier.save(place)
    return place


def answered(out: Path) -> list[dict[str, str]]:
    with out.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ONE_COLUMN = 'text\nI lost my card, please help\n\n"quoted, ""twice"""\na;b|c\n'
READ = ["I lost my card, please help", "", 'quoted, "twice"', "a;b|c"]


@pytest.mark.lengthy
@pytest.mark.parametrize("name", ["one.csv", "one.tsv", "one.csv.gz"])
def test_a_table_of_one_column_is_read_as_it_stands(name: str, folder: Path, tmp_path: Path) -> None:
    file, out = tmp_path / name, tmp_path / "out.csv"
    file.write_bytes(gzip.compress(ONE_COLUMN.encode()) if name.endswith(".gz") else ONE_COLUMN.encode())
    answer(folder, file, out)
    assert [row["text"] for row in answered(out)] == READ
    assert [row["label"] for row in answered(out)] == Classifier.load(folder).predict(READ)


@pytest.mark.slow
@pytest.mark.parametrize("columns", ["text\n{}\n", "text,id\n{},7\n"], ids=["one column", "two"])
def test_a_text_of_a_megabyte_is_answered(columns: str, folder: Path, tmp_path: Path) -> None:
    file, out, long = tmp_path / "in.csv", tmp_path / "out.csv", "a red film " * 100_000
    file.write_text(columns.format(long))
    assert answer(folder, file, out).startswith("1 rows classified into ")
    before = csv.field_size_limit(2 * len(long))
    assert [row["text"].strip() for row in answered(out)] == [long.strip()]
    csv.field_size_limit(before)


def test_a_column_is_copied_beside_the_answers(folder: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "in.csv", tmp_path / "out.csv"
    file.write_text("ticket,body,other\n0071,a red film,x\n,blue text,y\n")
    answer(folder, file, out, text="body", id_column="ticket")
    assert [(row["ticket"], row["body"]) for row in answered(out)] == [("0071", "a red film"), ("", "blue text")]
    assert "other" not in answered(out)[0]
    answer(folder, file, out, text="body", id_column="body")
    assert list(answered(out)[0])[:2] == ["body", "label"]
    with pytest.raises(DataError, match="'number', which it has not; its columns are ticket, body, other"):
        answer(folder, file, out, text="body", id_column="number")


def test_ids_of_any_kind_are_copied_and_may_be_missing(folder: Path, tmp_path: Path) -> None:
    ids = [datetime(2026, 11, 30), None, datetime(2026, 12, 1, 8, 30)]
    pq.write_table(pa.table({"text": ["a", "b", "c"], "day": ids, "x": [1.0, None, 0.5]}), tmp_path / "in.parquet")
    answer(folder, tmp_path / "in.parquet", tmp_path / "out.csv", id_column="day")
    assert [row["day"] for row in answered(tmp_path / "out.csv")] == ["2026-11-30 00:00:00", "", "2026-12-01 08:30:00"]
    answer(folder, tmp_path / "in.parquet", tmp_path / "out.csv", id_column="x")
    assert [row["x"] for row in answered(tmp_path / "out.csv")] == ["1", "", "0.5"]


@pytest.mark.parametrize("header", ["text", "text,id", "id\ttext"])
def test_a_header_alone_has_no_answer(header: str, folder: Path, tmp_path: Path) -> None:
    """As of a night without texts."""
    file = tmp_path / ("in.tsv" if "\t" in header else "in.csv")
    file.write_text(f"{header}\n")
    assert answer(folder, file, tmp_path / "out.csv").startswith("0 rows classified")
    assert (tmp_path / "out.csv").read_text().split() == ["text,label,probability,margin"]


def test_what_is_left_to_a_person_and_what_had_no_text_is_said(folder: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "in.csv", tmp_path / "out.csv"
    file.write_text("text,id\na red film,1\n,2\n   ,3\n")
    assert "3 rows classified" in (said := answer(folder, file, out, abstain_below=1.1))
    assert "; all are left to a person: the surest has a probability of " in said
    assert {row["label"] for row in answered(out)} == {""}
    assert said.endswith("; 2 had no text, so that their labels say nothing")
    assert answer(folder, file, out).endswith("; 2 had no text, so that their labels say nothing")


def test_columns_called_as_the_answers_are_told_apart(folder: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "in.csv", tmp_path / "out.csv"
    file.write_text("label,id\na red film,1\nblue text,2\n")
    answer(folder, file, out, text="label")
    assert [row["label (read)"] for row in answered(out)] == ["a red film", "blue text"]
    assert list(answered(out)[0]) == ["label (read)", "label", "probability", "margin"]


def test_the_file_that_is_read_is_never_written(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "in.csv"
    file.write_text("text,id\na red film,1\n")
    (tmp_path / "link.csv").symlink_to(file)
    for out in (file, tmp_path / "link.csv"):
        with pytest.raises(FolderError, match="is the file that is read: give another --out"):
            answer(folder, file, out)
    assert file.read_text() == "text,id\na red film,1\n"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("in.jsonl", '{"text": "a"}\n{"txt": "b"}\n', "must hold a text in every row; received 'None' in row 2"),
        ("in.json", '[{"text": ["a"]}, {"text": {"b": 1}}]', "in row 1, 2: correct or remove these rows"),
        ("in.csv", 'text\n"never closed\nb\n', "a quote that begins a text must end it"),
        ("in.jsonl", '{"text": "half \\ud800"}\n', "texts must be valid Unicode"),
        ("in.txt", "a\n", "the ending of a file names its format"),
        ("in.csv", "body\na\n", "its columns are body: rename one of them, or name it by --text"),
        ("in.csv", "body,id\na,1\n", "its columns are body, id: rename one of them, or name it by --text"),
        ("in.csv", "", "is empty"),
        ("in.csv", "text\na\x00b\n", "binary data (NUL bytes)"),
        ("in.jsonl", '{"text": null}\n', "must hold a text in every row; received 'None' in row 1"),
        ("in.jsonl", '{"text": NaN}\n', "must hold a text in every row; received 'nan' in row 1"),
    ],
    ids=[
        "a row without it",
        "no texts",
        "an open quote",
        "half a character",
        "another format",
        "another column",
        "other columns",
        "nothing",
        "NUL",
        "null",
        "NaN",
    ],
)
def test_what_cannot_be_read_is_refused(name: str, content: str, said: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError) as caught:
        answer(folder, tmp_path / name, tmp_path / "out.csv")
    assert said in str(caught.value)
    assert not (tmp_path / "out.csv").exists()


def test_wrong_places_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="there is none at"):
        answer(folder, tmp_path / "folder.csv", tmp_path / "out.csv")
    (tmp_path / "in.csv").write_text("text,b\na,c\n")
    with pytest.raises(DataError, match="stand in a column of their own; received 'text' for both"):
        answer(folder, tmp_path / "in.csv", tmp_path / "out.csv", pair="text")
    with pytest.raises(DataError, match="takes single texts; received pairs: leave --pair out"):
        answer(folder, tmp_path / "in.csv", tmp_path / "out.csv", pair="b")
    with pytest.raises(FolderError, match="give another --out"):
        answer(folder, tmp_path / "in.csv", tmp_path / "no" / "out.csv")
    with pytest.raises(FolderError, match="give that folder"):
        answer(tmp_path, tmp_path / "in.csv", tmp_path / "out.csv")


def test_what_is_no_file_is_never_replaced_by_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of /dev/stdout, /dev/null or a pipe a container's root would else make a plain file, for all programs."""
    (tmp_path / "in.csv").write_text("text,b\na,c\n")
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    for out in (Path(), Path(".."), tmp_path / "pipe", tmp_path):
        with pytest.raises(FolderError, match=r"are written into a file; .* is none: give another --out"):
            answer(folder, tmp_path / "in.csv", out)
    assert (tmp_path / "pipe").is_fifo()
    (tmp_path / "link.csv").symlink_to(tmp_path / "out.csv")
    answer(folder, tmp_path / "in.csv", tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert len(answered(tmp_path / "out.csv")) == 1


@pytest.mark.parametrize("name", ["in.csv", "new texts (1).csv", "in[2].tsv"])
def test_a_blank_row_has_an_answer_in_its_place(name: str, folder: Path, tmp_path: Path) -> None:
    sign = "\t" if name.endswith(".tsv") else ","
    lines = ["text,note", "hello,", ",", "  ,  ", "a card,seen"]
    (tmp_path / name).write_text("\n".join(lines).replace(",", sign) + "\n")
    answer(folder, tmp_path / name, tmp_path / "out.csv")
    assert [row["text"] for row in answered(tmp_path / "out.csv")] == ["hello", "", "  ", "a card"]


def test_a_number_is_read_as_where_it_was_trained_on(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": 3.0}\n{"text": 2.5}\n')
    answer(folder, tmp_path / "in.jsonl", tmp_path / "out.csv")
    assert [row["text"] for row in answered(tmp_path / "out.csv")] == ["3", "2.5"]
