"""What an estimator makes of rows and parameters: few rows are shared out so that a sweep can run, and what cannot be
used is refused before one begins, in words of which its user knows all."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from sweep import FewShotClassifier, SweepError, TrainableError
from sweep.api.estimator_fields import check_one_comparison, further_fields, without_moved
from sweep.api.estimator_input import check_known, check_targets, labels_of, texts_and_pairs, warn_of_order
from sweep.api.estimator_rows import learnable_rows
from sweep.api.frames import spec_with
from sweep.api.running import checked_spec
from sweep.spec.cells import cells
from sweep.spec.groups import groups
from sweep.spec.inputs import check_inputs
from sweep.spec.reader import read_layers
from trainable.config import DatasetConfig
from trainable.datasets import load
from trainable.errors import DataError

TEXTS = [f"text {number}" for number in range(12)]
LABELS = ["a", "b"] * 6


def labels_with(*rows: int) -> list[str]:
    return [f"c{place}" for place, count in enumerate(rows) for _ in range(count)]


def fields_of(labels: list[str], root: Path, **parameters: Any) -> dict[str, Any]:
    frame = pd.DataFrame({"text": [f"text {number}" for number in range(len(labels))], "label": labels})
    return FewShotClassifier(**parameters)._fields(frame, root)


# ---- few rows


@pytest.mark.parametrize("rows", [[3, 3], [2, 4], [2, 2, 2], [2, 5], [2, 2, 3], [4, 4], [2, 6], [5, 5], [2] * 20])
def test_a_sweep_of_few_rows_can_run(rows: list[int], tmp_path: Path) -> None:
    labels = labels_with(*rows)
    frame = pd.DataFrame({"text": [f"text {number}" for number in range(len(labels))], "label": labels})
    spec = spec_with(read_layers({"name": "few", **fields_of(labels, tmp_path)}), frame, None, tmp_path)
    check_inputs(cells(spec))  # raises what a sweep would be refused for


@pytest.mark.parametrize(("rows", "folds"), [(6, 3), (7, 3), (8, 4), (400, 4)])
def test_a_draw_tests_two_rows_or_more(rows: int, folds: int, tmp_path: Path) -> None:
    fields = fields_of(labels_with(rows // 2, rows - rows // 2), tmp_path)
    assert fields["datasets"]["data"]["test_share"] == 1 / folds


ODD = ["x", "y"]


@pytest.mark.parametrize(
    ("texts", "labels", "said"),
    [
        (TEXTS[:5], LABELS[:5], "6 rows or more with different texts.*received 5: label more texts"),
        ([*TEXTS, "x"], [*LABELS, "c"], "received one of `c`: add texts of such classes, or leave their rows out of X"),
        ([*TEXTS, "x", "X "], [*LABELS, "c", "c"], "one of `c` .X: 1 row dropped as duplicates of a row that is kept"),
        ([*TEXTS, *ODD, *ODD], [*LABELS, *"ccdd"], "none of `c`, `d` .X: 4 rows dropped: equal texts with different"),
        ([*TEXTS, " ", "\t", "x"], [*LABELS, *"ccd"], "none of `c` and one of `d` .X: 2 rows without a text"),
        ([(text, " ") for text in TEXTS], LABELS, "none of `a`, `b` .X: 12 rows without a text"),
        (TEXTS, TEXTS, "received one of `text 0`, `text 1`"),
    ],
)
def test_rows_that_cannot_be_learned_are_refused_before_a_sweep(
    texts: Any, labels: list[str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=said) as raised:
        FewShotClassifier(root=tmp_path).fit(texts, labels)
    assert not any(word in str(raised.value) for word in ("min_rows", "`drop`", "test_share", str(tmp_path)))
    assert not list(tmp_path.iterdir())


def test_rows_that_are_left_out_by_mistake_are_warned_of() -> None:
    """They were dropped in silence, but for a note of the sweep."""
    said = "X: 1 row without a text; X: 2 rows dropped: equal texts with different labels: they are left out"
    with pytest.warns(UserWarning, match=said):
        learnable_rows([*TEXTS, " ", *"xx"], None, [*LABELS, *"aab"])
    assert learnable_rows([*TEXTS, TEXTS[0]], None, [*LABELS, LABELS[0]]) == {"a": 6, "b": 6}  # without a warning


@pytest.mark.parametrize(("rows", "said"), [(4, "choose 0.5, or set"), (6, "choose a share from 0.33 to 0.5, or")])
def test_the_shares_that_few_rows_allow_are_named(rows: int, said: str, tmp_path: Path) -> None:
    """It advised "a share from 0.5 to 0.5"."""
    (tmp_path / "few.csv").write_text("text,label\n" + "".join(f"text {each},{each % 2}\n" for each in range(rows)))
    with pytest.raises(DataError, match=said):
        load(DatasetConfig(name="few", path=str(tmp_path / "few.csv"), holdout="auto"))


# ---- parameters


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"recipes": "frozen,fine_tune"}, "^recipes: must be `fine_tune`.*received 'frozen,fine_tune'"),
        ({"losses": "cross-entropy"}, "^losses: must be .*did you mean `cross_entropy`"),
        ({"recipes": "frozen", "losses": "cross-entropy"}, "^losses: must be .*did you mean `cross_entropy`"),
        ({"recipes": None}, "recipes must be a name or a list of names; received None"),
        ({"losses": []}, r"losses must be a name or a list of names; received \[\]"),
        ({"shots": -1}, "^shots: must be a whole number from 1 on"),
        ({"trials": 0}, "^trials: must be a whole number from 1"),
        ({"draws": 0}, "draws must be a whole number from 1 on.*received 0"),
        ({"draws": -2}, "^draws: must be"),
        ({"encoder": None}, "encoder must be a text or a path; received None"),
        ({"encoder": "/no/such/folder"}, "^encoder: an encoder given as a path must be a folder"),
        ({"embedding": "max"}, "^embedding: must be `auto`"),
        ({"spec": "protocol.steps=6"}, 'spec must be a mapping from fields to values, as {"protocol.steps": 80}'),
        ({"spec": {"protocol.stepz": 6}}, "^spec={'protocol.stepz': ...}: unknown key; did you mean `steps`"),
        ({"spec": {"protocol": {"stepz": 6}}}, "^spec={'protocol.stepz': ...}: unknown key"),
        ({"spec": {"confirm": {"draws": 0}}}, "draws must be a whole number from 1 on"),
        ({"spec": {"datasets.data.min_rows": 2}}, "classes are left out by leaving their rows out of X and y"),
        ({"spec": {"datasets": {"data": {"drop": ["a"]}}}}, "classes are left out by leaving their rows out of X"),
        ({"spec": {"name": "mine"}}, "spec may not hold 'name'"),
        ({"spec": {"datasets.other.path": "x"}}, "spec may not hold 'datasets.other.path', since X and y are the data"),
        ({"spec": {"compare.shots": [1, 2]}}, "one number of shots is compared by a fit"),
        ({"shots": 100}, r"at most 100.*set by spec, as spec=.*leaving their rows out of X and y"),
    ],
)
def test_wrong_parameters_are_refused_by_their_names(parameters: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises((SweepError, TrainableError, ValueError), match=said):
        FewShotClassifier(**{"root": tmp_path, **parameters}).fit(TEXTS, LABELS)


def test_a_root_that_is_no_path_is_refused() -> None:
    wrong: Any = 3
    with pytest.raises(ValueError, match="root must be a text or a path; received 3"):
        FewShotClassifier(root=wrong).fit(TEXTS, LABELS)


def test_without_room_for_a_temporary_folder_a_root_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")
    with pytest.raises(SweepError, match=r"in a temporary folder.*cannot be made.*name a folder of your own as root"):
        FewShotClassifier().fit(TEXTS, LABELS)


def test_a_block_of_a_spec_leaves_its_other_fields_alone() -> None:
    """It took the place of the whole block, with the seed of `random_state` in it."""
    given = {"protocol": {"steps": 6}, "datasets": {"data": {"test_share": 0.5}}, "search.frozen": {"head": "centroid"}}
    wanted = {"protocol.steps": 6, "datasets.data.test_share": 0.5, "search.frozen": {"head": "centroid"}}
    assert further_fields(given) == wanted
    assert further_fields(None) == {}


# ---- X and y


def test_tables_of_arrow_are_taken() -> None:
    for single in (pa.array(TEXTS), pa.chunked_array([TEXTS]), pa.table({"text": TEXTS})):
        assert texts_and_pairs(single) == (TEXTS, None)
    assert texts_and_pairs(pa.table({"one": TEXTS, "two": TEXTS[::-1]})) == (TEXTS, TEXTS[::-1])


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_missing_texts_are_refused_with_a_remedy(missing: Any) -> None:
    with pytest.raises(ValueError, match=r"in row 1, the first of 2: .*; leave such rows out, or give their texts"):
        texts_and_pairs(pd.Series(["one", missing, missing]))


@pytest.mark.parametrize("given", ["abc", {"a": "b"}, {"a", "b"}, 3])
def test_labels_come_as_a_list(given: Any) -> None:
    with pytest.raises(ValueError, match="y must be a list of labels, one for each text; received"):
        labels_of(given)
    assert labels_of(label for label in LABELS).tolist() == LABELS


@pytest.mark.parametrize(
    ("labels", "kinds"),
    [
        (np.array([1, "a"] * 6, dtype=object), "int, str in an array of object"),
        (np.array([True, False] * 6, dtype=object), "bool in an array of object"),
        (np.array([0.5, 1.5] * 6), "float in an array of float64"),
        (np.array([b"a", b"b"] * 6), "bytes in an array"),
    ],
)
def test_labels_that_are_no_classes_are_refused_with_a_remedy(labels: Any, kinds: str) -> None:
    with pytest.raises(ValueError, match=f"received {kinds}.*: give y as texts"):
        check_targets(labels)


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (pd.Series([1, 2] * 6, dtype="Int64"), "i"),
        (pd.Series([1, 2] * 6, dtype="int64[pyarrow]"), "i"),
        (pd.Series([True, False] * 6, dtype="boolean"), "b"),
        (pd.Series([1, 2] * 6, dtype="category"), "i"),
        (pa.array([1, 2] * 6), "i"),
        ([1, 2] * 6, "i"),
    ],
)
def test_whole_numbers_stay_whole(labels: Any, kind: str) -> None:
    """Those that pandas calls nullable came back as 1.0 and 2.0."""
    found = labels_of(labels)
    assert found.dtype.kind == kind
    assert found.tolist() == list(labels.to_pylist() if hasattr(labels, "to_pylist") else labels)
    check_targets(found)


def test_a_missing_label_of_a_nullable_column_is_refused() -> None:
    with pytest.raises(ValueError, match="y must hold the label of each text"):
        check_known(labels_of(pd.Series([1, pd.NA], dtype="Int64")))


def test_the_same_index_in_another_order_is_warned_of() -> None:
    """Texts got the labels of others, in silence."""
    texts, labels = pd.Series(TEXTS), pd.Series(LABELS)
    with pytest.warns(UserWarning, match=r"matched by position: .* give y.loc\[X.index\]"):
        warn_of_order(texts[::-1], labels)
    warn_of_order(texts[::-1], labels[::-1])
    warn_of_order(texts.set_axis(range(100, 112)), labels)
    warn_of_order(texts[::-1].to_frame(), LABELS)


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"search.head_lr": [1e-4, 1e-3]}, ("trial", "head_lr")),
        ({"search": {"steps": {"low": 20, "high": 60}}}, ("protocol", "steps")),
        ({"trial.steps": 50}, ("protocol", "steps")),
        ({"search.embedding": ["mean", "cls"]}, ("trial", "embedding")),
        ({"trial.recipe": "frozen", "compare.loss": None}, ("compare", "recipe")),
        ({"trial.shots": 2}, ("compare", "shots")),
    ],
)
def test_a_further_field_takes_the_place_of_the_estimators_own(
    given: dict[str, Any], place: tuple[str, str], tmp_path: Path
) -> None:
    own, further = fields_of(LABELS, tmp_path), further_fields(given)
    fields = without_moved(own, further)
    assert {(block, name) for block in own for name in own[block] if name not in fields[block]} == {place}
    frame = pd.DataFrame({"text": TEXTS, "label": LABELS})
    spec = checked_spec({"name": "few", **fields}, data=frame, overrides=further, root=tmp_path)  # raises nothing
    check_one_comparison(spec)


def test_a_field_that_is_taken_away_moves_nothing(tmp_path: Path) -> None:
    own = fields_of(LABELS, tmp_path)
    assert without_moved(own, {"search.head_lr": None, "trial.batch_size": 8}) == own


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"compare.metric": ["accuracy", "macro_f1"]}, r"one comparison.*received 2, by the values of compare.metric:"),
        ({"compare.max_length": [16, 32], "compare.seed": [0, 1]}, "received 4, by the values of compare.max_length, "),
    ],
)
def test_several_comparisons_are_refused_before_a_sweep(given: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        FewShotClassifier(root=tmp_path, spec=given).fit(TEXTS, LABELS)
    assert not list(tmp_path.glob("*/ledger*"))


def test_values_of_another_axis_are_compared_of_one_method(tmp_path: Path) -> None:
    further = {"compare.max_length": [16, 32]}
    fields, frame = fields_of(LABELS, tmp_path, recipes="frozen"), pd.DataFrame({"text": TEXTS, "label": LABELS})
    spec = checked_spec({"name": "few", **fields}, data=frame, overrides=further, root=tmp_path)
    check_one_comparison(spec)
    assert [group.names for group in groups(spec)] == [("max_length=16", "max_length=32")]


@pytest.mark.parametrize("form", [list, tuple, iter])
def test_a_missing_label_in_a_list_of_texts_is_no_class(form: Any) -> None:
    labels = labels_of(form(["a", float("nan"), "b", np.float64("nan")]))
    with pytest.raises(ValueError, match=r"received nan in row 1, the first of 2: leave such rows out, or label them"):
        check_known(labels)
    assert labels_of(form(["a", "nan"])).tolist() == ["a", "nan"]
