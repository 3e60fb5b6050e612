"""Data files as exports, editors and enemies write them: csv, tsv, jsonl and parquet, and the files of SentEval."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Any, Literal

import pyarrow as pa  # type: ignore[import-untyped]
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from pyarrow import parquet

from trainable.datasets.senteval import SENTEVAL_TASKS

__all__ = ["damaged", "delimited_files", "json_files", "parquet_files", "senteval_folders", "written_tables"]

Rows = list[list[str]]
Draw = Callable[[SearchStrategy[Any]], Any]

_ODD = (
    *(
        "",
        " ",
        "\u200b",
        "\xa0",
        "\x85",
        "\u2028",
        "NA",
        "null",
        "nan",
        "-1",
        "1.0",
        "0",
        "True",
        "é",
        "e\u0301",
        "ﬁ",
        "İ",
    ),
    *('"', '""', '"a"', "a,b", "a\tb", "a\nb", "a\r\nb", "'", "=1+1", "<script>", "\x1b[31m", "\ufeff", "x" * 3000),
)
_TEXTS = st.sampled_from(_ODD) | st.text(max_size=15)
_LABELS = st.lists(st.sampled_from(["a", "b", "A", "ß", "0", "1", "-1", "1.0", " a "]) | _TEXTS, min_size=1, max_size=4)
_COLUMNS = ("text", "label", "other", "", "Text", "text ", "id")
_CODECS = (
    "utf-8-sig",
    "latin-1",
    "cp1252",
    "cp1250",
    "cp1251",
    "shift_jis",
    "gb18030",
    "utf-16",
    "utf-16-le",
    "utf-32",
)


@st.composite
def _rows(draw: DrawFn) -> Rows:
    """A header and rows: three times of four as they should be, but for a few odd cells; else of any shape."""
    if draw(st.integers(0, 3)):
        header, labels, count = draw(st.permutations(["text", "label"])), draw(_GOOD_LABELS), 12
    else:
        header = draw(st.lists(st.sampled_from(_COLUMNS), min_size=1, max_size=4))
        labels, count = draw(_LABELS), draw(st.integers(0, 12))
    rows = [
        [labels[row % len(labels)] if name == "label" else f"word{row} of {name}" for name in header]
        for row in range(count)
    ]
    for _ in range(draw(st.integers(0, 2)) if rows else 0):
        row = rows[draw(st.integers(0, len(rows) - 1))]
        row[draw(st.integers(0, len(row) - 1))] = draw(_TEXTS)
    return [list(header), *rows]


# Shared, so that the test part of an example may have the classes of its pool.
_GOOD_LABELS = st.shared(
    st.sampled_from([["a", "b"], ["0", "1", "2"], ["-1", "1"], [" a", "b "], ["ß", "ss"]]), key="labels"
)


@st.composite
def delimited_files(draw: DrawFn) -> tuple[str, bytes]:
    """The ending and the content of a csv or tsv file."""
    rows = draw(_rows())
    if draw(st.integers(0, 9)) == 9:  # ragged
        row = rows[draw(st.integers(0, len(rows) - 1))]
        row += draw(st.lists(_TEXTS, min_size=1, max_size=2)) if draw(st.booleans()) else []
        del row[: draw(st.integers(0, 1))]
    delimiter = draw(st.sampled_from([",", ",", ",", "\t", "\t", "\t", ";", "|", "^"]))
    ending = draw(st.sampled_from([".tsv" if delimiter == "\t" else ".csv"] * 8 + [".tsv", ".jsonl", ".CSV"]))
    return ending, _encoded(draw, _delimited(draw, rows, delimiter))


def _delimited(draw: DrawFn, rows: Rows, delimiter: str) -> str:
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    if draw(st.integers(0, 3)) == 3:  # written by somebody who has never heard of quotes
        return end.join(delimiter.join(row) for row in rows)
    buffer = io.StringIO()
    quoting: Literal[0, 1] = csv.QUOTE_ALL if draw(st.booleans()) else csv.QUOTE_MINIMAL
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerows(rows)
    return buffer.getvalue()


# Words of a language, each with the encodings in which its files are found.
_LANGUAGES = (
    (("film", "don’t", "“good”", "€50", "naïve", "café", "–"), ("cp1252", "utf-16-le")),
    (("très", "l’été", "où", "garçon", "Noël", "être", "là"), ("cp1252", "latin-1")),
    (("niño", "señor", "mañana", "¿qué", "según", "él"), ("cp1252", "latin-1")),
    (("schön", "Straße", "größer", "„Mädchen“"), ("cp1252", "cp1250")),
    (("zażółć", "gęślą", "jaźń", "był", "świetny"), ("cp1250",)),
    (("příliš", "žluťoučký", "kůň", "ódy"), ("cp1250",)),
    (("очень", "Хороший", "фильм", "я", "сюжет"), ("cp1251", "koi8_r")),
    (("πολύ", "καλή", "Ταινία", "άρεσε"), ("cp1253",)),
    (("とても", "良い", "映画でした。"), ("shift_jis", "euc_jp")),
    (("这部", "电影，", "很好看。", "我很喜欢"), ("gbk", "gb18030")),
    (("정말", "좋은", "영화"), ("euc_kr",)),
)
_BETWEEN = st.sampled_from([" ", " ", " ", ", ", "; ", "\t", "|", "\n", ' "', '""'])


@st.composite
def written_tables(draw: DrawFn) -> tuple[Rows, str, str, str]:
    """Texts of one language with labels, and the delimiter, encoding and ending with which they are written."""
    words, codecs = draw(st.sampled_from(_LANGUAGES))
    delimiter, codec = draw(st.sampled_from([",", ";", "\t", "|", "^"])), draw(st.sampled_from(["utf-8", *codecs]))
    rows = []
    for row in range(8):
        chosen = draw(st.lists(st.sampled_from(words), min_size=1, max_size=5))
        text = f"{row}" + "".join(draw(_BETWEEN) + word for word in chosen)
        rows.append([text, "ab"[row % 2]])
    return rows, delimiter, codec, draw(st.sampled_from([".csv", ".tsv"]))


@st.composite
def json_files(draw: DrawFn) -> tuple[str, bytes]:
    """The ending and the content of a file with a JSON object a line."""
    header, *rows = draw(_rows())
    objects: list[Any] = [dict(zip(header, row, strict=True)) for row in rows]
    for each in objects:
        if draw(st.integers(0, 30)) == 30:
            each[draw(st.sampled_from(["text", "label"]))] = draw(_json_values)
    if draw(st.integers(0, 9)) == 9:
        objects.insert(draw(st.integers(0, len(objects))), draw(_json_values))
    lines = [json.dumps(each, ensure_ascii=draw(st.booleans())) for each in objects]
    return draw(st.sampled_from([".jsonl", ".json", ".ndjson"])), _encoded(draw, "\n".join(lines))


_json_values: SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.just(10**400) | _TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXTS, inner, max_size=2),
    max_leaves=4,
)


def _encoded(draw: Draw, text: str) -> bytes:
    codec = draw(st.sampled_from(_CODECS)) if draw(st.integers(0, 4)) == 4 else "utf-8"
    content: bytes = text.encode(codec, errors="replace")
    return damaged(draw, content) if draw(st.integers(0, 9)) == 9 else content


def damaged(draw: Draw, content: bytes) -> bytes:
    """The content with some bytes of it replaced, put in or cut off."""
    place = draw(st.integers(0, len(content)))
    end = draw(st.sampled_from([place, place + 1, place + 8, len(content)]))
    put: bytes = draw(st.binary(max_size=6) | st.sampled_from([b"\0", b"\xff\xfe", b'"']))
    return content[:place] + put + content[end:]


# ---- parquet ---------------------------------------------------------------------------------------------------------

_TYPED: dict[str, tuple[Any, SearchStrategy[Any]]] = {
    "text": (pa.string(), _TEXTS),
    "large text": (pa.large_string(), _TEXTS),
    "names": (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["a", "b"])),
    "whole": (pa.int64(), st.integers(-2, 3)),
    "real": (pa.float64(), st.sampled_from([0.0, 1.0, -0.0, 1.5, float("nan"), float("inf"), 1e300])),
    "truth": (pa.bool_(), st.booleans()),
    "bytes": (pa.binary(), st.binary(max_size=3)),
    "list": (pa.list_(pa.string()), st.lists(st.text(max_size=2), max_size=2)),
    "record": (pa.struct([("a", pa.string())]), st.fixed_dictionaries({"a": st.text(max_size=2)})),
    "time": (pa.timestamp("s"), st.integers(-(2**50), 2**50)),
    "day": (pa.date32(), st.integers(-(2**30), 2**30)),
    "span": (pa.duration("ns"), st.integers(-(2**62), 2**62)),
    "nothing": (pa.null(), st.none()),
}


@st.composite
def parquet_files(draw: DrawFn) -> tuple[str, bytes]:
    """The ending and the content of a parquet file, with columns of any type and declared class names of any kind."""
    count = draw(st.sampled_from([10, 10, 10, 6, 1, 0]))
    names = draw(st.sampled_from([*[("text", "label")] * 6, ("text", "label", "text"), ("label",)]))
    table = pa.Table.from_arrays([_column(draw, name, count) for name in names], names=list(names))
    declared = draw(st.none() | _json_values | st.lists(st.sampled_from(["no", "yes"]), max_size=3))
    features = {"label": {"_type": draw(st.sampled_from(["ClassLabel", "Value"])), "names": declared}}
    metadata = draw(st.sampled_from([None, json.dumps({"info": {"features": features}}), "[" * 5000, "{}", "\0"]))
    buffer = io.BytesIO()
    parquet.write_table(table if metadata is None else table.replace_schema_metadata({"huggingface": metadata}), buffer)
    content = buffer.getvalue()
    return ".parquet", damaged(draw, content) if draw(st.integers(0, 4)) == 4 else content


def _column(draw: DrawFn, name: str, count: int) -> Any:
    """Mostly different texts, or labels of two classes; else anything."""
    if draw(st.integers(0, 3)) == 3:
        return typed(draw, count, draw(st.sampled_from(sorted(_TYPED))))
    if name == "text":
        return pa.array(
            [f"word {row}" for row in range(count)], draw(st.sampled_from([pa.string(), pa.large_string()]))
        )
    kinds = (pa.int64(), pa.float64(), pa.int8(), pa.bool_(), pa.string(), pa.dictionary(pa.int8(), pa.string()))
    kind = draw(st.sampled_from(kinds))
    numbers = [row % 2 for row in range(count)]
    return pa.array(numbers).cast(kind) if kind in kinds[:4] else pa.array(["ab"[each] for each in numbers], kind)


def typed(draw: DrawFn, count: int, kind: str) -> Any:
    """An arrow array of `count` values, a few of them null."""
    arrow_type, values = _TYPED[kind]
    chosen = draw(st.lists(st.none() | values if draw(st.booleans()) else values, min_size=count, max_size=count))
    return pa.array(chosen, arrow_type)


# ---- SentEval --------------------------------------------------------------------------------------------------------

_SENTEVAL_LABELS: dict[str, Sequence[str]] = {
    "SST2": ("0", "1"),
    "SST5": ("0", "1", "2", "3", "4"),
    "TREC": ("DESC:x", "NUM:y", "0", "1", "5"),
    "MRPC": ("0", "1"),
}


@st.composite
def senteval_folders(draw: DrawFn) -> tuple[str, dict[str, bytes]]:
    """A task, and the content of the files of one of its layouts, by their names."""
    task = draw(st.sampled_from(sorted(SENTEVAL_TASKS)))
    layout = draw(st.sampled_from(SENTEVAL_TASKS[task]))
    folder = draw(st.sampled_from(["", *(f"{each}/" for each in layout.folders)]))
    files = [*layout.train, *(name for name in layout.test if draw(st.booleans()))]
    return task, {folder + name: _encoded(draw, _senteval_text(draw, task, name)) for name in files}


def _senteval_text(draw: DrawFn, task: str, name: str) -> str:
    """Lines as the task has them, some of which have nothing of the kind. name: of the file, by which texts differ."""
    labels = _SENTEVAL_LABELS.get(task, ("",))
    lines = []
    for number in range(draw(st.sampled_from([12, 12, 12, 6, 1, 0]))):
        label, text = labels[number % len(labels)], f"{name} {number}"
        if draw(st.integers(0, 40)) == 40:
            text, label = draw(_TEXTS), draw(st.sampled_from(labels) | _TEXTS)
        pair = draw(st.sampled_from([f"other {number}", "", " "])) if draw(st.integers(0, 20)) == 20 else f"so {number}"
        lines.append(_SENTEVAL_LINES.get(task, "{text}").format(text=text, label=label, pair=pair))
        if task == "TREC" and not name.endswith("label"):
            lines[-1] = f"{text}\t{label}"
    header = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n" if task == "MRPC" or name == "train.tsv" else ""
    return draw(st.sampled_from([header, header, header, "", "header\n"])) + draw(st.sampled_from(["\n", "\r\n"])).join(
        lines
    )


_SENTEVAL_LINES = {
    "SST2": "{text}\t{label}",
    "SST5": "{label} {text}",
    "TREC": "{label} {text}",
    "MRPC": "{label}\t1\t2\t{text}\t{pair}",
}
