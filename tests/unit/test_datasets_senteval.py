"""SentEval's folders: the real files where they are, and every layout in small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainable import DatasetConfig
from trainable.datasets import TextData, find, load
from trainable.errors import DataError

SENTEVAL = Path(__file__).parents[3] / "shared" / "data" / "senteval"

with_real_files = pytest.mark.skipif(not SENTEVAL.is_dir(), reason=f"needs the SentEval files at {SENTEVAL}")

POLARITY = ("negative", "positive")
TREC = ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")


def _shares(data: TextData) -> dict[str, int]:
    labels = np.concatenate([data.pool.labels_N, data.test.labels_N])
    return dict(zip(data.class_names, np.bincount(labels).tolist(), strict=True))


@with_real_files
@pytest.mark.parametrize(
    ("task", "rows"),
    [
        ("MR", {"negative": 5331, "positive": 5331}),
        ("CR", {"negative": 1365, "positive": 2400}),
        ("TREC", {"ABBR": 86, "DESC": 1152, "ENTY": 1245, "HUM": 1215, "LOC": 824, "NUM": 858}),
        ("MRPC", {"equivalent": 2474, "not_equivalent": 1194}),
    ],
)
@pytest.mark.parametrize("parent", [True, False])
def test_real_tasks(task: str, rows: dict[str, int], parent: bool) -> None:
    path = SENTEVAL if parent else SENTEVAL / task
    data = load(DatasetConfig(name=task, path=str(path), senteval=task))
    assert _shares(data) == rows
    assert (data.pool.pairs is not None) == (task == "MRPC")
    assert abs(len(data.test) / (len(data.pool) + len(data.test)) - 0.25) < 0.01


@with_real_files
def test_real_notes() -> None:
    notes = " ".join(load(DatasetConfig(name="CR", path=str(SENTEVAL), senteval="CR")).notes)
    assert "4 rows without a text or a label dropped" in notes
    assert "6 rows dropped as duplicates" in notes


@with_real_files
def test_real_folders_are_recognised() -> None:
    for task in ("MR", "CR", "TREC", "MRPC"):
        assert find(str(SENTEVAL / task)).senteval == task


@with_real_files
def test_real_files_read_as_tsv_with_named_columns() -> None:
    trec = load(find(str(SENTEVAL / "TREC" / "trec.tsv")))
    assert trec.class_names == ("0", "1", "2", "3", "4", "5")
    columns = {"text": "#1 String", "text_pair": "#2 String", "label": "Quality"}
    mrpc = load(find(str(SENTEVAL / "MRPC" / "train.tsv")).model_copy(update=columns))
    assert _shares(mrpc) == {"0": 1194, "1": 2474}
    named = load(DatasetConfig(name="MRPC", path=str(SENTEVAL), senteval="MRPC"))
    assert mrpc.test.texts == named.test.texts


LAYOUTS = [
    ("MR", {"MR/rt-polarity.pos": "good 1\n\ngood 2\n", "MR/rt-polarity.neg": "bad 1\nbad 2"}, POLARITY),
    ("CR", {"custrev.pos": "good 1\ngood 2\n", "custrev.neg": "bad 1\nbad 2\n"}, POLARITY),
    (
        "SUBJ",
        {"SUBJ/subj.subjective": "mine 1\nmine 2", "SUBJ/subj.objective": "so 1\nso 2"},
        ("objective", "subjective"),
    ),
    ("MPQA", {"MPQA/mpqa.pos": "good 1\ngood 2\n", "MPQA/mpqa.neg": "bad 1\nbad 2\n"}, POLARITY),
    (
        "SST2",
        {
            "SST/binary/sentiment-train": "a\t0\nb\t0\nc\t1\nd\t1\n",
            "SST/binary/sentiment-test": "e\t0\nf\t1\n",
            "SST/fine/sentiment-train": "0 a\n",
        },
        POLARITY,
    ),
    ("SST-2", {"SST-2/train.tsv": "sentence\tlabel\na \t0\nb \t0\nc \t1\nd \t1\n"}, POLARITY),
    (
        "SST5",
        {
            "SST/fine/sentiment-train": "".join(f"{i} word {i} {j}\n" for i in range(5) for j in range(2)),
            "SST/fine/sentiment-test": "0 word\n",
        },
        ("negative", "neutral", "positive", "very negative", "very positive"),
    ),
    (
        "TREC",
        {
            "TREC/train_5500.label": "".join(f"{name}:fine What is {name} {i} ?\n" for name in TREC for i in range(2)),
            "TREC/TREC_10.label": "NUM:dist How far ?\n",
        },
        TREC,
    ),
    (
        "trec",
        {"trec.tsv": "".join(f"What {i} is {j} ?\t{i}\n" for i in range(6) for j in range(2))},
        TREC,
    ),
    (
        "MRPC",
        {
            "MRPC/msr_paraphrase_train.txt": "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n"
            + "".join(f'{i % 2}\t1\t2\t" It {i}\t" That {i}\r\n' for i in range(4)),
            "MRPC/msr_paraphrase_test.txt": "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t1\t2\tx\ty\n",
        },
        ("equivalent", "not_equivalent"),
    ),
]


@pytest.mark.parametrize(("task", "files", "classes"), LAYOUTS, ids=[task for task, _, _ in LAYOUTS])
def test_every_layout(tmp_path: Path, task: str, files: dict[str, str], classes: tuple[str, ...]) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, newline="")
    data = load(DatasetConfig(name="data", path=str(tmp_path), senteval=task))
    assert data.class_names == classes
    has_test_file = any("test" in name or "TREC_10" in name for name in files)
    assert has_test_file != any("no test part" in note for note in data.notes)


def test_author_numbers_of_trec_mean_names(tmp_path: Path) -> None:
    order = ("DESC", "ENTY", "ABBR", "HUM", "NUM", "LOC")
    rows = [f"{name} {j} ?\t{number}\n" for number, name in enumerate(order) for j in range(4)]
    (tmp_path / "trec.tsv").write_text("".join(rows))
    data = load(DatasetConfig(name="trec", path=str(tmp_path), senteval="TREC"))
    for text, label in zip(data.pool.texts, data.pool.labels_N, strict=True):
        assert text.startswith(data.class_names[label])


def test_raw_latin_1_is_read_and_reported(tmp_path: Path) -> None:
    rows = ["ENTY:cremat What caf\xe9\x85 ?", "ENTY:other What ?", "HUM:ind Who ?", "HUM:ind Who \xf0 ?"]
    (tmp_path / "train_5500.label").write_bytes("\n".join(rows).encode("latin-1"))
    data = load(DatasetConfig(name="trec", path=str(tmp_path), senteval="TREC"))
    assert "What caf\xe9\x85 ?" in data.pool.texts + data.test.texts
    assert any("read as latin-1, which gives control characters" in note for note in data.notes)


def test_phrases_are_noted(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("sentence\tlabel\na\t0\nb\t0\nc\t1\nd\t1\n")
    notes = load(DatasetConfig(name="sst", path=str(tmp_path), senteval="SST2")).notes
    assert any("phrases of one another's sentences" in note for note in notes)


@pytest.mark.parametrize(
    ("task", "files", "message"),
    [
        ("TERC", {}, "must be one of MR, CR, .* received 'TERC'; did you mean `TREC`"),
        ("MR", {"rt-polarity.pos": "a"}, "needs rt-polarity.pos and rt-polarity.neg.*found `rt-polarity.pos`"),
        ("TREC", {"trec.tsv": "What ?\t9\nWho\nWhere ?\t5\n"}, "line 1: label '9'; line 2: label 'Who'"),
        ("MRPC", {"train.tsv": "Quality\n1\t2\t3\ta\n"}, "line 2: label 'none, 4 cells instead of 5'"),
        ("CR", {"custrev.pos": "", "custrev.neg": "a"}, "custrev.pos: the file is empty"),
    ],
)
def test_what_is_wrong_with_a_task_is_said(tmp_path: Path, task: str, files: dict[str, str], message: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        load(DatasetConfig(name="data", path=str(tmp_path), senteval=task))
