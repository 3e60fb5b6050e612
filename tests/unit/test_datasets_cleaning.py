"""Rules on rows, classes and splits, as `load` applies them to small files."""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from trainable import DatasetConfig
from trainable.config import TrialConfig
from trainable.dataset_config import FEW_ROWS
from trainable.datasets import Rows, TextData, load
from trainable.datasets.classes import hidden_note, without_dropped
from trainable.datasets.cleaning import row_key
from trainable.datasets.splits import held_out
from trainable.datasets.table import Part
from trainable.errors import DataError
from trainable.lengths import length_notes

Pairs = Sequence[tuple[str, str]]


def _write(path: Path, rows: Pairs) -> str:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return str(path)


def _numbered(count: int, label: str, word: str = "") -> list[tuple[str, str]]:
    return [(f"{label} {word or 'row'} {i}", label) for i in range(count)]


def _load(folder: Path, train: Pairs, test: Pairs = (), **fields: object) -> TextData:
    config = {"name": "data", "path": _write(folder / "pool.csv", train)}
    if test:
        config["test_path"] = _write(folder / "heldout.csv", test)
    return load(DatasetConfig.model_validate(config | fields))


def _texts(rows: Rows, data: TextData) -> set[tuple[str, str]]:
    return {(text, data.class_names[label]) for text, label in zip(rows.texts, rows.labels_N, strict=True)}


def test_classes_are_the_sorted_names_whatever_the_order_of_rows(tmp_path: Path) -> None:
    data = _load(tmp_path, _numbered(8, "zebra") + _numbered(8, "ant") + _numbered(8, "10"))
    assert data.class_names == ("10", "ant", "zebra")
    assert _texts(data.pool, data) | _texts(data.test, data) == {
        row for name in data.class_names for row in _numbered(8, name)
    }


def test_incomplete_rows_are_dropped_and_counted(tmp_path: Path) -> None:
    rows = [*_numbered(4, "x"), *_numbered(4, "y"), ("", "x"), ("no label", ""), (" ", "y")]
    data = _load(tmp_path, rows)
    assert len(data.pool) + len(data.test) == 8
    assert "3 rows without a text or a label dropped" in " ".join(data.notes)


def test_equal_rows_are_kept_once_or_not_at_all(tmp_path: Path) -> None:
    rows = [*_numbered(4, "x"), *_numbered(4, "y")]
    rows += [("X  ROW 0 ", "x"), ("x row\t1", "x"), ("Both", "x"), ("both", "y"), ("BOTH", "y")]
    data = _load(tmp_path, rows)
    assert _texts(data.pool, data) | _texts(data.test, data) == set(rows[:8])
    assert "2 rows dropped as duplicates" in " ".join(data.notes)
    assert "3 rows dropped: equal texts with different labels" in " ".join(data.notes)


def test_pairs_are_equal_only_as_pairs(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("text,other,label\na,1,x\na,2,x\na,3,y\nb,3,y\nB,3,y\n")
    data = load(DatasetConfig(name="data", path=str(tmp_path / "pairs.csv"), text_pair="other"))
    assert data.pool.pairs is not None
    assert data.test.pairs is not None
    together = zip(data.pool.texts + data.test.texts, data.pool.pairs + data.test.pairs, strict=True)
    assert sorted(together) == [("a", "1"), ("a", "2"), ("a", "3"), ("b", "3")]


def test_an_official_test_part_keeps_its_rows_and_the_pool_loses_them(tmp_path: Path) -> None:
    train = _numbered(6, "x") + _numbered(6, "y")
    test = [("X row 0", "x"), ("x row  1", "y"), ("new", "x"), ("new", "x")]
    data = _load(tmp_path, train, test)
    assert data.test.texts == tuple(text for text, _ in test)
    assert _texts(data.pool, data) == set(train) - {("x row 0", "x"), ("x row 1", "x")}
    assert "2 rows dropped: they stand in the test part" in " ".join(data.notes)
    assert data.majority_share == 0.75


def test_a_class_that_the_test_part_lacks_is_noted(tmp_path: Path) -> None:
    data = _load(tmp_path, _numbered(4, "x") + _numbered(4, "y"), [("new", "x")])
    assert "the test part has no row of `y`" in data.notes


def test_small_classes_are_left_out_of_both_parts(tmp_path: Path) -> None:
    train = _numbered(6, "x") + _numbered(5, "y") + _numbered(2, "rare")
    test = [("new", "x"), ("newer", "rare"), ("newest", "unseen")]
    data = _load(tmp_path, train, test, min_rows=3)
    assert data.class_names == ("x", "y")
    assert (len(data.pool), data.test.texts) == (11, ("new",))
    assert {note for note in data.notes if "min_rows" in note} == {
        "class `rare` left out by `min_rows: 3`: 2 rows",
        "class `unseen` left out by `min_rows: 3`: 0 rows",
    }


def test_rows_that_are_dropped_do_not_count_for_min_rows(tmp_path: Path) -> None:
    train = _numbered(6, "x") + _numbered(6, "y") + [("twice", "z"), ("Twice", "z"), ("tested", "z")]
    assert _load(tmp_path, train, [("tested", "x"), ("new", "y")], min_rows=2).class_names == ("x", "y")


def test_a_dropped_class_contradicts_no_other(tmp_path: Path) -> None:
    rows = [*_numbered(4, "x"), *_numbered(4, "y"), ("both", "x"), ("both", "misc"), ("no text", "")]
    data = _load(tmp_path, rows, drop=["misc"])
    assert ("both", "x") in _texts(data.pool, data) | _texts(data.test, data)
    assert "class `misc` left out by `drop`: 1 row" in data.notes


def test_fields_at_their_defaults_leave_rows_and_notes_alone(tmp_path: Path) -> None:
    rows = _numbered(8, "x") + _numbered(8, "y") + _numbered(2, "misc")
    plain, named = _load(tmp_path, rows), _load(tmp_path, rows, drop=[], min_rows=2, encoding="utf-8", delimiter=",")
    assert (plain.pool.texts, plain.test.texts, plain.notes) == (named.pool.texts, named.test.texts, named.notes)


@pytest.mark.parametrize(
    ("train", "test", "names"),
    [
        (["1.0", "2.0"], ["1", "2"], ("1", "2")),
        (["1", "2"], ["1.0", "2.00"], ("1", "2")),
        (["1", "1.0", "2"], ["2"], ("1", "2")),
        (["-1.0", "1.0"], ["1"], ("-1", "1")),
        (["1.0", "1.5"], ["1.0"], ("1.0", "1.5")),
        (["1.0", "many"], ["1.0"], ("1.0", "many")),
        (["01", "2.0"], ["01"], ("01", "2.0")),
        (["TRUE", "false"], ["True", "False"], ("False", "True")),
        (["true", "false"], ["true"], ("false", "true")),
        (["yes", "YES"], ["yes"], ("YES", "yes")),
    ],
)
def test_labels_are_spelled_alike_where_all_are_numbers_or_truth_values(
    tmp_path: Path, train: list[str], test: list[str], names: tuple[str, ...]
) -> None:
    rows = [(f"row {place} {i}", label) for place, label in enumerate(train) for i in range(4)]
    data = _load(tmp_path, rows, [(f"new {label}", label) for label in test])
    assert data.class_names == names


@pytest.mark.parametrize("hidden", ["-1", "-1.0", "-100", ""])
def test_hidden_test_labels_make_validation_the_test_part(tmp_path: Path, hidden: str) -> None:
    _write(tmp_path / "train.csv", _numbered(4, "0") + _numbered(4, "1"))
    _write(tmp_path / "test.csv", [("secret", hidden), ("secret too", hidden)])
    _write(tmp_path / "validation.csv", [("seen", "0"), ("seen too", "1")])
    data = load(DatasetConfig(name="data", path=str(tmp_path)))
    assert data.test.texts == ("seen", "seen too")
    assert data.notes[:2] == ("the labels of split `test` are hidden", "split `validation` is the test part")


def test_a_held_out_share_does_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    rows = _numbered(40, "x") + _numbered(20, "y")
    shuffled = random.Random(0).sample(rows, len(rows))
    data, again = _load(tmp_path, rows, test_share=0.3), _load(tmp_path, shuffled, name="again", test_share=0.3)
    assert _texts(data.test, data) == _texts(again.test, again)
    assert Counter(data.test.labels_N.tolist()) == {0: 12, 1: 6}
    assert "no test part: 18 of 60 rows held out, stratified by class" in data.notes


@given(counts=st.lists(st.integers(2, 30), min_size=2, max_size=4), share=st.floats(0.01, 0.99))
def test_held_out_leaves_every_class_on_both_sides(counts: list[int], share: float) -> None:
    labels = tuple(f"class {c}" for c, count in enumerate(counts) for _ in range(count))
    part = Part("place", tuple(f"row {i}" for i in range(len(labels))), None, labels)
    pool, test = held_out(part, share)
    assert sorted(pool + test) == list(range(len(labels)))
    for rows in (pool, test):
        assert {labels[row] for row in rows} == set(labels)
    for name, size in Counter(labels).items():
        assert abs(sum(labels[row] == name for row in test) - share * size) <= 1


@pytest.mark.lengthy
@given(st.text(), st.text())
def test_rows_are_equal_by_words_and_not_by_case(first: str, second: str) -> None:
    part = Part("place", (first, f"  {first.upper()}\n", second), None, ("x", "x", "x"))
    same = first.casefold().split() == second.casefold().split()
    assert (row_key(part, 0) == row_key(part, 2)) == same
    if first.isascii():
        assert row_key(part, 0) == row_key(part, 1)


@pytest.mark.parametrize(
    ("train", "test", "fields", "message"),
    [
        (_numbered(5, "x"), (), {}, "at least two classes; every row has label `x`"),
        ([*_numbered(5, "x"), ("only", "y")], (), {}, "at least two different rows; `y` has one"),
        ([*_numbered(5, "x"), ("only", "y"), ("ONLY", "y")], (), {}, "at least two different rows; `y` has one"),
        ([("x", f"row {i}") for i in range(9)], (), {"label": "text", "text": "label"}, "at least two classes"),
        ([("one", "x"), ("two", "y"), ("three", "y")], (), {}, "at least two different rows; `x` has one"),
        ([(f"{i}", f"row {i}") for i in range(9)], (), {}, "9 different labels in 9 rows.*look swapped"),
        ([(f"a text {i}", f"c{i}") for i in range(9)], (), {}, r"9 different labels in 9 rows \([^)]*\); leave rare"),
        (
            [(f"{i}", f"{i / 7:.3g}") for i in range(9)],
            (),
            {},
            "9 rows.*; they are numbers, as scores are, and no classes",
        ),
        (_numbered(2, "x") * 2, _numbered(2, "x"), {}, "every row of it stands in .*heldout.csv"),
        (_numbered(4, "x") + _numbered(4, "y"), [("new", "z")], {}, "`x`, `y`; received also `z`"),
        ([("", "x"), ("a", "")], (), {}, "rows need a text and a label; none of the 2 rows has them all"),
        (_numbered(4, "x"), (), {"label": "lable"}, "no column `lable`; did you mean `label`"),
        (_numbered(4, "x"), (), {"test_split": "train"}, "must differ; both are `train`"),
        (_numbered(4, "x"), (), {"test_split": "tset"}, "no split `tset` for `test_split`"),
        (_numbered(4, "x"), [("a", "-1")], {"test_split": "test"}, "those of `test` are hidden"),
        (_numbered(4, "x"), [("a", "-1")], {}, "every row of .*heldout.csv has -1 or none"),
        (
            _numbered(4, "x") + _numbered(4, "y"),
            _numbered(3, "x") + _numbered(4, "y"),
            {},
            "; .*they stand in the test",
        ),
        (_numbered(20, "x") + _numbered(20, "y"), (), {"test_share": 0.7, "holdout": "auto"}, "1 of 1; .* 0.05 to 0.5"),
        (_numbered(20, "x") + _numbered(20, "y"), (), {"test_share": 0.01, "holdout": "auto"}, "which is 1 of 100"),
    ],
)
def test_what_is_wrong_with_the_rows_is_said(
    tmp_path: Path, train: Pairs, test: Pairs, fields: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=f"(?s){message}"):
        _load(tmp_path, train, test, **fields)


def test_mistakes_of_both_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "pool.csv").write_text("sentence,label\na,x\n")
    fields = {"name": "data", "path": str(tmp_path / "pool.csv"), "test_path": str(tmp_path / "gone.csv")}
    with pytest.raises(DataError, match=r"(?s)pool.csv: no column `text`.*no file or folder .*gone.csv"):
        load(DatasetConfig.model_validate(fields))


def test_too_many_classes(tmp_path: Path) -> None:
    rows = [(f"text {i} {j}", f"label {i}") for i in range(1001) for j in range(2)]
    with pytest.raises(DataError, match=r"at most 1000 classes.*received 1001"):
        _load(tmp_path, rows)


# ---- few rows without a test part ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("holdout", "rows", "share", "folds"),
    [
        ("auto", FEW_ROWS - 2, 0.25, 4),
        ("auto", FEW_ROWS, 0.25, 0),
        ("fixed", 50, 0.25, 0),
        ("repeated", FEW_ROWS + 100, 0.25, 4),
        ("auto", 50, 0.1, 10),
        ("auto", 50, 0.5, 2),
    ],
)
def test_every_row_of_few_may_test(tmp_path: Path, holdout: str, rows: int, share: float, folds: int) -> None:
    train = _numbered(rows // 2, "x") + _numbered(rows // 2, "y")
    data = _load(tmp_path, train, holdout=holdout, test_share=share)
    assert data.folds == folds
    note = f"no test part: each draw holds out its own 1 of {folds} of the {rows} rows to test on"
    assert (note in data.notes) == bool(folds)
    assert len(data.pool) + len(data.test) == (2 * rows if folds else rows)
    if folds:
        assert data.pool is data.test


def test_a_given_test_part_is_the_test_part(tmp_path: Path) -> None:
    parts = (_numbered(8, "x") + _numbered(8, "y"), _numbered(3, "x", "test") + _numbered(3, "y", "test"))
    assert _load(tmp_path, *parts, holdout="auto").folds == 0
    with pytest.raises(DataError, match=r"`holdout: repeated` .* received a test part of 6 rows too; leave one"):
        _load(tmp_path, *parts, holdout="repeated")


def test_a_dropped_truth_value_is_spelled_as_in_data() -> None:
    config = DatasetConfig.model_validate({"name": "claims", "path": "claims.csv", "drop": [True]})
    part = Part("claims", ("a", "b", "c"), None, ("true", "false", "mixed"))
    kept, _, notes = without_dropped(part, None, config)
    assert kept.labels == ("false", "mixed")
    assert notes == ("class `true` left out by `drop`: 1 row",)


def test_a_dropped_number_is_spelled_as_in_data() -> None:
    assert DatasetConfig(name="data", path="rows.csv", drop=[1.0, 2.5, 3]).drop == ("1", "2.5", "3")


@pytest.mark.parametrize("other", ["text", "label"])
def test_the_second_text_of_a_pair_has_a_column_of_its_own(other: str) -> None:
    with pytest.raises(ValidationError, match=f"names a column of its own; received 'same', which is `{other}`"):
        DatasetConfig.model_validate({"name": "data", "path": "pairs.csv", "text_pair": "same", other: "same"})


def _load_pairs(path: Path, rows: Sequence[tuple[str, str, str]], **fields: object) -> TextData:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "second", "label"), *rows])
    return load(DatasetConfig.model_validate({"name": "data", "path": str(path), "text_pair": "second", **fields}))


def test_pairs_whose_texts_the_pool_has_in_other_pairs_are_counted(tmp_path: Path) -> None:
    rows = [(f"first {i}", f"second {i}", "xy"[i % 2]) for i in range(40)]
    (alone,) = _load_pairs(tmp_path / "alone.csv", rows).notes
    assert alone.startswith("no test part: 10 of 40 rows held out")
    both_ways = [*rows, *((second, first, label) for first, second, label in rows)]
    found = _load_pairs(tmp_path / "both.csv", both_ways)
    of_pool = set(zip(found.pool.texts, found.pool.pairs or (), strict=True))
    exchanged = sum(
        (second, first) in of_pool for first, second in zip(found.test.texts, found.test.pairs or (), strict=True)
    )
    assert exchanged > 5
    assert f"{exchanged} rows of the test part stand in the pool too with their texts exchanged" in found.notes[1]
    assert f"{exchanged} of 20 test pairs have a text that the pool has too" in found.notes[2]
    premises = [(f"premise {i // 4}", f"hypothesis {i}", "xy"[i % 2]) for i in range(40)]
    assert "test pairs have a text that the pool has too" in _load_pairs(tmp_path / "nli.csv", premises).notes[1]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("a", "", "x"), ("b", "", "y")], "rows need two texts and a label; none of the 2 rows has them all"),
        (
            [*((f"a {i}", f"b {i}", "x") for i in range(4)), *((f"c {i}", "", "y") for i in range(3))],
            "every row has label `x`.*; .*3 rows without both texts or a label dropped",
        ),
        ([("same", "a", "x"), ("same", "a", "y")], "and `text_pair` for pairs; .*equal texts with different labels"),
    ],
)
def test_what_pairs_lack_is_said(tmp_path: Path, rows: Sequence[tuple[str, str, str]], said: str) -> None:
    with pytest.raises(DataError, match=said):
        _load_pairs(tmp_path / "pairs.csv", rows)


# ---- texts that are longer than what is read of them


@pytest.mark.parametrize(("long", "said"), [(0, False), (1, True), (50, True)])
def test_rows_that_are_certainly_cut_are_counted(tmp_path: Path, long: int, said: bool) -> None:
    words = [" ".join(["word"] * 70 + [str(number)]) if number < long else f"text {number}" for number in range(50)]
    data = _load(tmp_path, [(text, "xy"[number % 2]) for number, text in enumerate(words)], holdout="auto")
    config = TrialConfig.model_validate({"dataset": {"name": "data"}, "shots": 4, "encoder": "tiny", "max_length": 64})
    notes = length_notes(config, data)
    assert notes == (
        (
            f"{long} of 50 rows have more than 64 words, and at least these are cut: a trial reads their "
            "first 64 tokens (`max_length`); `max_length: 128` reads more, and takes longer",
        )
        if said
        else ()
    )
    assert not length_notes(config.model_copy(update={"max_length": 71}), data)
    if long:  # 71 words
        (note,) = length_notes(config.model_copy(update={"max_length": 16}), data)
        assert "; `max_length: 128` reads more" in note, "64 would cut them too"
    pairs = replace(data, pool=replace(data.pool, pairs=("more",) * len(data.pool)))
    noted = length_notes(config, pairs)
    assert all("reads 64 tokens of both texts together, less of the longer one" in note for note in noted)


def test_what_losses_of_torch_leave_out_is_told_as_a_class() -> None:
    assert "label -100 is read as a class" in hidden_note(("-100", "0", "1"))[0]
    assert hidden_note(("-100", "0", "word")) == ()
