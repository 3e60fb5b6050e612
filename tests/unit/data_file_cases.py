"""Files as people have them, each with what is read of it: the rows of the tables in trainable/datasets/README.md."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CASES", "ROWS", "Case"]

Rows = Sequence[tuple[str, str]]

ROWS: Rows = (("one", "a"), ("two", "a"), ("three", "b"), ("four", "b"))


@dataclass(frozen=True, slots=True)
class Case:
    """A dataset, and what is read of it.

    section: of the document.
    what: the files in words.
    files: their contents by name; the first one is the dataset's `path`, `test.*` its `test_path`.
    fields: further fields of the dataset.
    rows: the texts and class names that are read, of both parts; None where the files are refused.
    """

    section: str
    what: str
    files: Mapping[str, bytes]
    rows: Rows | None = ROWS
    fields: Mapping[str, Any] = field(default_factory=dict)


def table(rows: Rows = ROWS, delimiter: str = ",", header: Sequence[str] = ("text", "label"), **options: Any) -> str:
    """The rows as the csv module writes them."""
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator="\n", **options).writerows([header, *rows])
    return buffer.getvalue()


def labelled(*labels: str) -> Rows:
    return tuple(zip(("one", "two", "three", "four", "five", "six"), labels, strict=False))


def saying(text: str) -> Rows:
    return ((text, "a"), *ROWS[1:])


def _one(section: str, what: str, name: str, content: str | bytes, rows: Rows | None = ROWS, **fields: Any) -> Case:
    return Case(section, what, {name: content if isinstance(content, bytes) else content.encode()}, rows, fields)


def _two(what: str, train: str, test: str, rows: Rows | None, **fields: Any) -> Case:
    return Case("Labels and classes", what, {"rows.csv": train.encode(), "test.csv": test.encode()}, rows, fields)


_OBJECTS = [{"text": text, "label": label} for text, label in ROWS]
_COLUMNS = {"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS]}
_FRENCH, _QUOTED = "Le café est très bon là où ça va", "“It’s” €5 – nice…"
_POLISH, _RUSSIAN, _JAPANESE = "Zażółć gęślą jaźń", "Очень хороший фильм, мне нравится", "とても良い映画でした。"
_TEST = table((("new", "0"), ("newer", "1")))


def _encoded(what: str, text: str, codec: str, /, *, read: bool = True, **fields: Any) -> Case:
    content = table(saying(text)).encode(codec)
    return _one("Encodings", what, "rows.csv", content, saying(text) if read else None, **fields)


_DELIMITERS = (
    _one("Delimiters", "commas", "rows.csv", table()),
    _one("Delimiters", "semicolons", "rows.csv", table(delimiter=";")),
    _one(
        "Delimiters",
        "semicolons, a byte order mark, commas in the texts",
        "rows.csv",
        b"\xef\xbb\xbf" + table(saying("one, or two"), delimiter=";").encode(),
        saying("one, or two"),
    ),
    _one("Delimiters", "tabs in a .csv", "rows.csv", table(delimiter="\t")),
    _one("Delimiters", "vertical bars", "rows.csv", table(delimiter="|")),
    _one("Delimiters", "commas in a .tsv", "rows.tsv", table()),
    _one("Delimiters", "a line `sep=;`, as Excel writes it", "rows.csv", "sep=;\n" + table(delimiter=";")),
    _one("Delimiters", "another sign", "rows.csv", table(delimiter="^"), None),
    _one("Delimiters", "another sign, with `delimiter: ^`", "rows.csv", table(delimiter="^"), delimiter="^"),
    _one(
        "Delimiters",
        "two delimiters that both make the columns",
        "rows.csv",
        "text,label,id;text;label\none,a,1;two;b\n",
        None,
    ),
    _one("Delimiters", "line breaks, commas and quotes in quotes", "rows.csv",
         table(saying('a, "b"\nc')), saying('a, "b"\nc')),
    _one("Delimiters", "a comma in a text without quotes", "rows.csv", "text,label\none, two,a\nthree,b\n", None),
    _one("Delimiters", "a quote that is not closed", "rows.csv", 'text,label\n"one,a\ntwo,b\n', None),
    _one("Delimiters", "text and label without a header in a .tsv", "rows.tsv", "one\ta\ntwo\ta\nthree\tb\nfour\tb\n"),
    _one("Delimiters", "text and label without a header in a .csv", "rows.csv", "one,a\ntwo,a\nthree,b\n", None),
    _one("Delimiters", "an unnamed column of row numbers", "rows.csv",
         ",text,label\n0,one,a\n1,two,a\n2,three,b\n3,four,b\n"),
    _one("Delimiters", "a column `split`", "rows.csv",
         "text,label,split\none,a,train\ntwo,a,train\nthree,b,train\nfour,b,test\n"),
    _one("Delimiters", "two columns of one name that are not used", "rows.csv",
         "id,text,label,id\n0,one,a,9\n1,two,a,8\n2,three,b,7\n3,four,b,6\n"),
    _one("Delimiters", "two columns `text`", "rows.csv", "text,text,label\none,uno,a\ntwo,due,b\n", None),
    _one("Delimiters", "other column names", "rows.csv", table(header=("Text", "class")), None),
    _one("Delimiters", "a header and nothing else", "rows.csv", "text,label\n", None),
    _one("Delimiters", "nothing", "rows.csv", b"", None),
)  # fmt: skip

_ENCODINGS = (
    _encoded("UTF-8", _FRENCH, "utf-8"),
    _encoded("UTF-8 with a byte order mark", _FRENCH, "utf-8-sig"),
    _encoded("UTF-16 with a byte order mark", _FRENCH, "utf-16"),
    _encoded("UTF-16 without one", "good film", "utf-16-le"),
    _encoded("Windows-1252: letters of one language", _FRENCH, "cp1252"),
    _encoded("Windows-1252: curly quotes, a euro sign, a dash", _QUOTED, "cp1252"),
    _encoded("Windows-1250: Polish", _POLISH, "cp1250"),
    _encoded("Windows-1251: Russian", _RUSSIAN, "cp1251"),
    _encoded("Shift-JIS: Japanese", _JAPANESE, "shift_jis"),
    _encoded("Windows-1252: letters that another encoding has too", "El señor", "cp1252", read=False),
    _encoded("the same, with `encoding: cp1252`", "El señor", "cp1252", encoding="cp1252"),
    _encoded("ISO-8859-15 with a euro sign", "costs €50", "iso8859_15", read=False),
    _encoded("EUC-KR: Korean", "정말 좋은 영화였습니다", "euc_kr", read=False),
    _encoded("the wrong `encoding`", "El señor", "cp1252", read=False, encoding="shift_jis"),
    _one("Encodings", "`encoding: latin-1` for Windows-1252", "rows.csv", table(saying("it’s")).encode("cp1252"),
         saying("it\x92s"), encoding="latin-1"),
    _encoded("`encoding: cp1252` for UTF-8", _FRENCH, "utf-8", encoding="cp1252"),
    _one("Encodings", "UTF-8 that was read as Windows-1252 and saved again", "rows.csv",
         table(saying(_FRENCH.encode().decode("cp1252", "ignore"))),
         saying(_FRENCH.encode().decode("cp1252", "ignore"))),
    _one("Encodings", "lines in different encodings", "rows.csv", b"text,label\ncaf\xc3\xa9,a\ncaf\xe9 too,b\n", None),
)  # fmt: skip

_FORMATS = (
    _one("Formats", "JSON, an object a line", "rows.jsonl", "\n".join(map(json.dumps, _OBJECTS))),
    _one("Formats", "JSON, one array of objects", "rows.json", json.dumps(_OBJECTS, indent=2)),
    _one("Formats", "JSON, one object with columns", "rows.json", json.dumps(_COLUMNS)),
    _one("Formats", "JSON, as `to_json` of pandas writes it", "rows.json",
         json.dumps({name: dict(enumerate(values)) for name, values in _COLUMNS.items()})),
    _one("Formats", "JSON, an array inside an object", "rows.json", json.dumps({"version": 1, "data": _OBJECTS})),
    _one("Formats", "JSON, two arrays inside an object", "rows.json",
         json.dumps({"train": _OBJECTS, "test": _OBJECTS}), None),
    _one("Formats", "JSON, an array that is cut off", "rows.json", json.dumps(_OBJECTS)[:-9], None),
    _one("Formats", "JSON, objects over several lines", "rows.json",
         "\n".join(json.dumps(each, indent=1) for each in _OBJECTS), None),
    _one("Formats", "csv and JSON, compressed by gzip", "rows.csv.gz", gzip.compress(table().encode())),
    _one("Formats", "a gzip file that is cut off", "rows.csv.gz", gzip.compress(table().encode())[:-9], None),
    _one("Formats", "gzip under another name", "rows.csv", gzip.compress(table().encode()), None),
    _one("Formats", "Excel", "rows.xlsx", b"PK\x03\x04", None),
    _one("Formats", "Excel under another name", "rows.csv", b"PK\x03\x04\x14\x00", None),
    _one("Formats", "zip", "rows.zip", b"PK\x03\x04", None),
    _one("Formats", "a pickle", "rows.pkl", b"\x80\x04", None),
    _one("Formats", "a text file", "rows.txt", table(), None),
    _one("Formats", "parquet that is none", "rows.parquet", table(), None),
    _one("Formats", "a pointer of Git LFS", "rows.csv", "version https://git-lfs.github.com/spec/v1\noid 1\n", None),
    _one("Formats", "a web page", "rows.csv", "<!DOCTYPE html><html></html>", None),
    _one("Formats", "other binary data", "rows.csv", b"text,label\n\x00\x01\x00\x00,a\n", None),
)  # fmt: skip

_NUMBERS = (*labelled("0", "0", "1", "1"), ("new", "0"), ("newer", "1"))
_RARE = labelled("a", "a", "a", "b", "b", "c")

_LABELS = (
    _one("Labels and classes", "ids that start at 1", "rows.csv", table(labelled("1", "1", "2", "2")),
         labelled("1", "1", "2", "2")),
    _one("Labels and classes", "-1 among numbers", "rows.csv", table(labelled("0", "0", "1", "1", "-1", "-1")),
         labelled("0", "0", "1", "1", "-1", "-1")),
    _one("Labels and classes", "-1 among numbers, with `drop: ['-1']`", "rows.csv",
         table(labelled("0", "0", "1", "1", "-1", "-1")), labelled("0", "0", "1", "1"), drop=("-1",)),
    _one("Labels and classes", "an empty cell as pandas or R write it", "rows.csv",
         table(labelled("a", "a", "b", "b", "nan", "nan")), labelled("a", "a", "b", "b", "nan", "nan")),
    _one("Labels and classes", "two ways of it", "rows.csv",
         table(labelled("a", "a", "None", "None", "nan", "nan")), labelled("a", "a", "None", "None", "nan", "nan")),
    _two("`0.0` and `1.0` in one file, `0` and `1` in the other", table(labelled("0.0", "0.0", "1.0", "1.0")),
         _TEST, _NUMBERS),
    _two("`true` and `false` in one file, `True` and `False` in the other",
         table(labelled("true", "true", "false", "false")), table((("new", "True"), ("newer", "False"))),
         (*labelled("True", "True", "False", "False"), ("new", "True"), ("newer", "False"))),
    _one("Labels and classes", "spaces around labels", "rows.csv", table(labelled("a", "a ", " b", "b"))),
    _one("Labels and classes", "labels in different case", "rows.csv",
         table(labelled("Billing", "Billing", "billing", "billing")),
         labelled("Billing", "Billing", "billing", "billing")),
    _one("Labels and classes", "codes with and without their leading zeros", "rows.csv",
         table(labelled("007", "007", "7", "7", "B12", "B12")), labelled("007", "007", "7", "7", "B12", "B12")),
    _two("different case in the test file", table(), table((("new", "A"),)), None),
    _two("a class in the test file only", table(), table((("new", "c"),)), None),
    _two("another column name in the test file", table(), table((("new", "a"),), header=("text", "Label")), None),
    _one("Labels and classes", "a class with one row", "rows.csv", table(_RARE), None),
    _one("Labels and classes", "the same, with `min_rows: 2`", "rows.csv", table(_RARE), _RARE[:5], min_rows=2),
    _one("Labels and classes", "the same, with `drop: [c]`", "rows.csv", table(_RARE), _RARE[:5], drop=["c"]),
    _one("Labels and classes", "the same, with `drop: [C]`", "rows.csv", table(_RARE), None, drop=["C"]),
    _one("Labels and classes", "classes with one row by slips of case", "rows.csv",
         table(labelled("yes", "yes", "no", "no", "Yes", "No")), None),
    _two("`min_rows: 2` and a test part", table(_RARE), table((("new", "a"), ("newer", "c"))),
         (*_RARE[:5], ("new", "a")), min_rows=2),
    _one("Labels and classes", "`min_rows` that leaves one class", "rows.csv", table(_RARE), None, min_rows=3),
)  # fmt: skip

CASES = (*_FORMATS, *_DELIMITERS, *_ENCODINGS, *_LABELS)
