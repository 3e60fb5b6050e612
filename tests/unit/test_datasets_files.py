"""Reading one file: formats, encodings, quoting, headers, and every way in which a file can be wrong."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from trainable import DatasetConfig
from trainable.datasets.files import SUFFIXES, read_table
from trainable.datasets.table import Part, part_of
from trainable.errors import DataError


def _read(path: Path, content: str | bytes, **fields: str) -> Part:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    config = DatasetConfig.model_validate({"name": "data", "path": str(path)} | fields)
    return part_of(read_table(path, config), config)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("a.csv", 'text,label\n"One, two",x\n"say ""no""",y\n'),
        ("a.CSV", 'id,label,text\r\n1,x,"One, two"\r\n2,y,"say ""no"""\r\n'),
        ("a.tsv", 'text\tlabel\nOne, two\tx\nsay "no"\ty\n'),
        ("a.tsv", 'text\tlabel\n"One, two"\tx\n"say ""no"""\ty\n'),
        ("a.jsonl", '{"text": "One, two", "label": "x"}\n\n{"label": "y", "text": "say \\"no\\""}\n'),
        ("a.json", '{"text": "One, two", "label": "x"}\r\n{"label": "y", "text": "say \\"no\\""}'),
    ],
)
def test_equal_rows_are_equal_in_every_text_format(tmp_path: Path, file: str, content: str) -> None:
    part = _read(tmp_path / file, content)
    assert part.texts == ("One, two", 'say "no"')
    assert part.labels == ("x", "y")
    assert part.pairs is None


def test_csv_keeps_texts_that_look_missing_and_line_breaks_inside_quotes(tmp_path: Path) -> None:
    part = _read(tmp_path / "a.csv", 'text,label\nNA,null\n"two\nlines",nan\n,x\nthree,\n')
    assert part.texts == ("NA", "two\nlines", None, "three")
    assert part.labels == ("null", "nan", "x", None)


def test_tsv_quotes_are_plain_where_they_are_not_well_formed(tmp_path: Path) -> None:
    part = _read(tmp_path / "a.tsv", 'text\tlabel\n" no , " he said\tx\n"whole"\ty\n')
    assert part.texts == ('" no , " he said', '"whole"')
    assert part.notes == ("a.tsv: quotes are read as plain characters",)


def test_tsv_quotes_hold_tabs_and_line_breaks(tmp_path: Path) -> None:
    part = _read(tmp_path / "a.tsv", 'text\tlabel\n"a\ttab"\tx\n"a\nline"\ty\n')
    assert part.texts == ("a\ttab", "a\nline")


def test_tsv_without_header_is_text_and_label(tmp_path: Path) -> None:
    part = _read(tmp_path / "a.tsv", "How far ?\t4\nWho ?\t3\nHow long ?\t4\nWho else ?\t3\n")
    assert part.texts[0] == "How far ?"
    assert part.labels == ("4", "3", "4", "3")
    assert part.notes == ("a.tsv: no header; read as text and label",)


def test_a_header_with_other_names_is_no_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column `text`.*`sentence`, `class`"):
        _read(tmp_path / "a.tsv", "sentence\tclass\none\tx\ntwo\ty\n")


@pytest.mark.parametrize(
    ("content", "text", "notes"),
    [
        ("text,label\ncafé,x\n".encode(), "café", ()),
        ("\ufefftext,label\ncafé,x\n".encode(), "café", ()),
        ("text,label\ncafé,x\n".encode("latin-1"), "café", ("a.csv is not UTF-8 (line 2, `café`): read as cp1252",)),
        ("text,label\na…b,x\n".encode("cp1252"), "a…b", ("a.csv is not UTF-8 (line 2, `a…b`): read as cp1252",)),
        ("text,label\ncafé,x\n".encode("utf-16"), "café", ()),
    ],
)
def test_encodings(tmp_path: Path, content: bytes, text: str, notes: tuple[str, ...]) -> None:
    part = _read(tmp_path / "a.csv", content)
    assert part.texts == (text,)
    assert part.notes == notes


def test_jsonl_lines_end_at_line_feeds_only(tmp_path: Path) -> None:
    rows = [{"text": "one\u2028two", "label": 1}, {"text": "th\x85ree", "label": 2.0}, {"label": True, "text": None}]
    content = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    part = _read(tmp_path / "a.jsonl", content)
    assert part.texts == ("one\u2028two", "th\x85ree", None)
    assert part.labels == ("1", "2", "True")


def test_json_surrogates_become_characters(tmp_path: Path) -> None:
    assert _read(tmp_path / "a.jsonl", '{"text": "a\\ud800b", "label": 1}').texts == ("a?b",)


def test_pairs(tmp_path: Path) -> None:
    part = _read(tmp_path / "a.csv", "s1,s2,y\na,b,0\n", text="s1", text_pair="s2", label="y")
    assert (part.texts, part.pairs, part.labels) == (("a",), ("b",), ("0",))


def test_parquet_with_class_names_of_the_datasets_library(tmp_path: Path) -> None:
    features = {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}, "text": {"dtype": "string", "_type": "Value"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pa.table({"text": ["a", None, "c"], "label": [0, 1, -1]}).replace_schema_metadata(metadata)
    parquet.write_table(table, tmp_path / "a.parquet")
    config = DatasetConfig(name="data", path=str(tmp_path / "a.parquet"))
    part = part_of(read_table(tmp_path / "a.parquet", config), config)
    assert (part.texts, part.labels) == (("a", None, "c"), ("no", "yes", None))


def test_parquet_with_integers_that_are_missing(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"text": ["a", "b"], "label": [1.0, float("nan")]}), tmp_path / "a.parquet")
    config = DatasetConfig(name="data", path=str(tmp_path / "a.parquet"))
    assert part_of(read_table(tmp_path / "a.parquet", config), config).labels == ("1", None)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("a.xlsx", "x", r"must be one of .csv, .tsv, .jsonl.*received '.xlsx'"),
        ("a", "x", r"received 'no ending'"),
        ("a.csv", "", "the file is empty"),
        ("a.csv", "\n \n", "the file is empty"),
        ("a.csv", ",\n ,", "the file is empty"),
        ("a.jsonl", b"\xef\xbb\xbf", "the file is empty"),
        ("a.csv", b"text,label\n\x00\x01,x\n", "NUL bytes"),
        ("a.csv", b"\x00\x01\x02" * 400, "binary data"),
        ("a.csv", "text,label\n", "a header and no row"),
        ("a.csv", "text,label,text\na,b,c\n", "`text` stands twice"),
        (
            "a.csv",
            "text,label\na,x\nb\nc,y,z\n",
            "must have 2 cells.*line 3 has 1; line 4 has 3; correct or remove them",
        ),
        ("a.csv", 'text,label\n"never closed,x\nb,y\n', r"line 3: malformed line \(unexpected end of data\)"),
        ("a.csv", "text,label\n" + "a,b,c\n" * 7, "line 6 has 3; and 2 more"),
        ("a.tsv", 'text\tlabel\n"a\tb\tc\nd\te\n', "line 2 has 3"),
        ("a.csv", "sentence,Label\na,x\n", "no column `label`; did you mean `Label`?.*as `label` of the dataset"),
        ("a.csv", "text/label\na/x\n", "the single cell `text/label`, divided at `,`; .*set `delimiter`"),
        ("a.jsonl", '{"text": 1}\n{"text": \n[1]\n', "one JSON object; line 2: .*; line 3 holds a list"),
        ("a.jsonl", "[" * 100_000, "one JSON object; line 1"),
        ("a.jsonl", '{"text": "a"}\n', "no column `label`"),
        ("a.jsonl", '{"text": ["a", "b"], "label": 1}\n', "row 1: column `text` must hold text or numbers.*a list"),
        ("a.parquet", "no parquet", "no readable parquet file"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, file: str, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=f"(?s){file}.*{message}"):
        _read(tmp_path / file, content)


def test_all_missing_columns_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        _read(tmp_path / "a.csv", "sentence,class\na,x\n", text_pair="other")
    assert [line.split("`")[1] for line in str(error.value).splitlines()] == ["text", "other", "label"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ending=st.sampled_from(SUFFIXES),
    start=st.sampled_from([b"", b"text,label\n", b"text\tlabel\n", b'{"text":1,"label":2}\n', b"PAR1"]),
    content=st.binary() | st.text(alphabet='ab,\t\n"{}[]:').map(str.encode),
)
def test_whatever_a_file_holds_is_read_or_refused(tmp_path: Path, ending: str, start: bytes, content: bytes) -> None:
    with suppress(DataError):
        part = _read(tmp_path / f"a{ending}", start + content)
        assert len(part.texts) == len(part.labels) > 0


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    config = DatasetConfig(name="data", path=str(tmp_path / "a.csv"))
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory\)"):
        read_table(tmp_path / "a.csv", config)
