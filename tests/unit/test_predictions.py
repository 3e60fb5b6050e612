"""Predictions from elsewhere: matched by their texts, refused where they are not complete, scored as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.errors import SpecError
from sweep.ledger.ledger import Ledger
from sweep.ledger.storage import open_storage
from sweep.records.confirmation import Role
from sweep.search.selection import wanted
from sweep.spec.cells import cells
from sweep.spec.inputs import check_inputs, data_notes, digest_inputs, input_changes
from sweep.spec.model import SweepSpec
from sweep.spec.reader import load_spec
from trainable.config import DatasetConfig, TrialConfig
from trainable.datasets import TextData, load
from trainable.datasets.answers import Answers, Predicted, read_answers
from trainable.errors import ConfigError, DataError, TrainableError
from trainable.outcomes import Evaluation, Outcome
from trainable.recipes import RECIPES
from trainable.training import replicates

Row = Mapping[str, object]


@pytest.fixture
def toy(toy_csv: Path) -> DatasetConfig:
    return DatasetConfig(name="toy", path=str(toy_csv))


def _rows(data: TextData, *, pool: bool = False) -> list[dict[str, object]]:
    """The true answers."""
    parts = [data.test, data.pool] if pool else [data.test]
    return [
        {"text": text, "label": data.class_names[label]}
        for part in parts
        for text, label in zip(part.texts, part.labels_N.tolist(), strict=True)
    ]


def _written(path: Path, rows: Sequence[Row]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def _trial(dataset: DatasetConfig, path: str | None) -> TrialConfig:
    recipe = {"name": "predictions", "path": path}
    return TrialConfig.model_validate({"dataset": dataset.model_dump(), "shots": 2, "recipe": recipe, "replicates": 2})


def _scored(dataset: DatasetConfig, path: str) -> list[Evaluation]:
    found = list(replicates(_trial(dataset, path), part="test"))
    assert all(evaluation.outcome is None for evaluation in found), found[-1].detail
    return found


def test_the_answers_are_scored_whatever_their_order_case_and_spaces(toy: DatasetConfig, tmp_path: Path) -> None:
    rows = _rows(load(toy))
    for row in rows[:3]:
        row["label"] = "good" if row["label"] == "bad" else "bad"
    shuffled = [{**row, "text": f"  {str(row['text']).upper().replace(' ', '   ')}"} for row in reversed(rows)]
    for found in (
        _scored(toy, _written(tmp_path / name, each)) for name, each in (("a.jsonl", rows), ("b.jsonl", shuffled))
    ):
        assert [evaluation.metrics["test_accuracy"] for evaluation in found] == [1 - 3 / len(rows)] * 2
        assert np.array(found[0].confusion).sum() == len(rows)
        assert not {name for name in found[0].metrics if name.startswith("val_") or name.endswith("loss")}


def test_probabilities_give_a_loss_and_the_label_is_the_answer(toy: DatasetConfig, tmp_path: Path) -> None:
    rows = [{**row, "probability_bad": 0.25, "probability_good": 0.75} for row in _rows(load(toy))]
    metrics = _scored(toy, _written(tmp_path / "a.jsonl", rows))[0].metrics
    good = load(toy).test.labels_N.mean()
    assert metrics["test_accuracy"] == 1.0
    assert metrics["test_loss"] == pytest.approx(-(good * np.log(0.75) + (1 - good) * np.log(0.25)))


def test_a_file_that_answers_the_whole_pool_has_a_validation_score(toy: DatasetConfig, tmp_path: Path) -> None:
    rows = _rows(load(toy), pool=True)
    whole, almost = _written(tmp_path / "whole.jsonl", rows), _written(tmp_path / "almost.jsonl", rows[:-1])
    assert [found.metrics["val_accuracy"] for found in _scored(toy, whole)] == [1.0, 1.0]
    assert "val_accuracy" not in _scored(toy, almost)[0].metrics


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_other_formats_are_read_as_those_of_datasets_are(suffix: str, toy: DatasetConfig, tmp_path: Path) -> None:
    import pyarrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    rows, path = _rows(load(toy)), tmp_path / f"answers.{suffix}"
    if suffix == "parquet":
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        sign = "," if suffix == "csv" else "\t"
        path.write_text("\n".join(sign.join(map(str, row)) for row in [("text", "label"), *(r.values() for r in rows)]))
    assert _scored(toy, str(path))[0].metrics["test_accuracy"] == 1.0


def test_rows_of_a_pair_are_matched_by_both_texts(tmp_path: Path) -> None:
    lines = [f"film {n % 4},it is {word} {n},{word}" for n in range(16) for word in ("good", "bad")]
    (tmp_path / "pairs.csv").write_text("first,second,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    dataset = DatasetConfig(name="pairs", path=str(tmp_path / "pairs.csv"), text="first", text_pair="second")
    test = load(dataset).test
    assert test.pairs is not None
    labels = [load(dataset).class_names[label] for label in test.labels_N]
    named = zip(test.texts, test.pairs, labels, strict=True)
    rows = [{"first": first, "second": second, "label": label} for first, second, label in named]
    assert _scored(dataset, _written(tmp_path / "a.jsonl", rows))[0].metrics["test_accuracy"] == 1.0
    with pytest.raises(DataError, match="no column `second`"):
        _scored(dataset, _written(tmp_path / "b.jsonl", [{"first": "film 1", "label": "good"}]))


def test_equal_test_rows_have_one_answer_together_or_one_each_in_order(tmp_path: Path) -> None:
    (tmp_path / "pool.csv").write_text("text,label\n" + "".join(f"row {n},{'ab'[n % 2]}\n" for n in range(12)))
    (tmp_path / "test.csv").write_text("text,label\nsame,a\nSame,b\nother,b\n")
    dataset = DatasetConfig(name="mine", path=str(tmp_path / "pool.csv"), test_path=str(tmp_path / "test.csv"))

    def labels(*answers: tuple[str, str]) -> list[int]:
        rows = [{"text": text, "label": label} for text, label in answers]
        found = read_answers(_written(tmp_path / f"{len(answers)}.jsonl", rows), dataset).test
        return list(map(int, found.labels_N))

    assert labels(("same", "a"), ("other", "b")) == [0, 0, 1]
    assert labels(("same", "b"), ("other", "b"), ("SAME", "a")) == [1, 0, 1]
    with pytest.raises(DataError, match="a row has one answer; there are several for 'same'; keep one of each"):
        labels(("same", "b"), ("other", "b"), ("SAME", "a"), ("same", "a"))


def test_everything_that_is_wrong_is_said_at_once_before_a_sweep_begins(toy: DatasetConfig, tmp_path: Path) -> None:
    rows = _rows(load(toy))
    wrong = [{**rows[0], "label": "goood"}, {**rows[1], "label": ""}, rows[2], rows[2], *rows[3:-2]]
    path = _written(tmp_path / "a.jsonl", wrong)
    texts = " ".join(str(rows[-2]["text"]).split()), " ".join(str(rows[-1]["text"]).split())
    with pytest.raises(TrainableError) as refused:
        check_inputs(cells(_spec(toy, path)))
    said = str(refused.value)
    assert "every row has an answer; row 2 is without one" in said
    assert "answers are classes; received `goood`; did you mean `good`?; the classes are `bad`, `good`" in said
    assert f"every test row needs an answer; 2 of {len(rows)} have none: {texts[0]!r}, {texts[1]!r}; add them" in said
    assert f"a row has one answer; there are several for {rows[2]['text']!r}" in said


@pytest.mark.parametrize(
    ("probabilities", "said"),
    [
        ((0.5, 0.6), "numbers from 0 to 1 that sum to 1; row 1 is with others"),
        ((-0.5, 1.5), "numbers from 0 to 1 that sum to 1"),
        (("many", 0.5), "numbers from 0 to 1 that sum to 1"),
        ((None, 1.0), "numbers from 0 to 1 that sum to 1"),
        ((float("nan"), 1.0), "numbers from 0 to 1 that sum to 1"),
        ((1.0,), "each class has a column of probabilities, or none has; there is none named `probability_good`"),
    ],
)
def test_probabilities_that_are_none_are_refused(
    probabilities: tuple[object, ...], said: str, toy: DatasetConfig, tmp_path: Path
) -> None:
    columns = dict(zip(("probability_bad", "probability_good"), probabilities, strict=False))
    right = dict(zip(columns, (0.0, 1.0), strict=False))
    first, *others = _rows(load(toy))
    path = _written(tmp_path / "a.jsonl", [{**first, **columns}, *({**row, **right} for row in others)])
    with pytest.raises(DataError, match=said):
        read_answers(path, toy)


def test_a_file_that_is_not_there_and_one_that_is_not_named_are_refused(toy: DatasetConfig, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file .*none.csv with predictions"):
        replicates(_trial(toy, str(tmp_path / "none.csv")))
    with pytest.raises(ConfigError, match=r"needs a file; received none: name it as `search.predictions.path`"):
        check_inputs(cells(_spec(toy, None)))


def test_rows_of_other_datasets_may_stand_in_the_file_and_are_counted(toy: DatasetConfig, tmp_path: Path) -> None:
    path = _written(tmp_path / "a.jsonl", [*_rows(load(toy)), {"text": "of another dataset", "label": "refund"}])
    notes = data_notes(cells(_spec(toy, path)))["toy"]
    assert "a.jsonl: 1 rows answer no row of the dataset" in notes
    assert any("predictions have no validation score" in note for note in notes)


def _spec(dataset: DatasetConfig, path: str | None, **blocks: Any) -> SweepSpec:
    own = {} if path is None else {"search": {"predictions": {"path": path, "cost": 0.84}}}
    spec = {
        "name": "mine",
        "datasets": {"toy": {"path": dataset.path, "holdout": "fixed"}},
        "trial": {"recipe": "predictions"},
    }
    return SweepSpec.model_validate({**spec, "compare": {"dataset": ["toy"], "shots": [2, 4]}, **own, **blocks})


def test_a_cell_needs_no_encoder_has_one_trial_and_knows_its_file_by_its_content(
    toy: DatasetConfig, tmp_path: Path
) -> None:
    rows = _rows(load(toy))
    spec = _spec(toy, _written(tmp_path / "a.jsonl", rows))
    assert SweepSpec.model_validate(spec.resolved()) == spec
    grid = cells(spec)
    assert [cell.key for cell in grid] == ["toy/2/predictions", "toy/4/predictions"]
    assert [cell.trials(16) for cell in grid] == [1, 1]
    assert "encoder" not in grid[0].default_config().flat()
    before = digest_inputs(grid)
    _written(tmp_path / "a.jsonl", [*rows[:-1], {**rows[-1], "label": "bad"}, {"text": "more", "label": "bad"}])
    changed = input_changes(before[grid[0].key], digest_inputs(grid)[grid[0].key])
    assert changed == ["predictions 1: file: have changed"]


def test_its_fields_are_compared_with_nothing_and_searched_over_nothing(toy: DatasetConfig, tmp_path: Path) -> None:
    path = _written(tmp_path / "a.jsonl", _rows(load(toy)))
    with pytest.raises(ValueError, match="must be one value"):
        _spec(toy, path, search={"predictions": {"path": [path, path + "2"]}})
    with pytest.raises(ValueError, match="encoder"):
        _spec(toy, path, trial={}, compare={"dataset": ["toy"], "shots": [2], "recipe": ["predictions", "frozen"]})


def test_the_path_is_relative_to_the_spec_and_does_not_leave_its_folder_by_a_link(
    toy: DatasetConfig, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    _written(tmp_path / "private.jsonl", _rows(load(toy)))
    _written(folder / "a.jsonl", _rows(load(toy)))
    text = (
        f"datasets: {{toy: {{path: {toy.path}}}}}\ncompare: {{dataset: [toy], shots: [2]}}\n"
        "trial: {recipe: predictions}\nsearch: {predictions: {path: a.jsonl}}\n"
    )
    (folder / "spec.yaml").write_text(text, encoding="utf-8")
    recipe = cells(load_spec(folder / "spec.yaml"))[0].default_config().recipe
    assert recipe.model_dump()["path"] == str(folder / "a.jsonl")
    (folder / "link.jsonl").symlink_to(tmp_path / "private.jsonl")
    (folder / "spec.yaml").write_text(text.replace("a.jsonl", "link.jsonl"), encoding="utf-8")
    with pytest.raises(SpecError, match="must not leave the spec's folder through a link"):
        load_spec(folder / "spec.yaml")


def test_a_worker_uses_what_the_driver_has_read(toy: DatasetConfig, tmp_path: Path) -> None:
    gone = str(tmp_path / "on-the-driver-only.csv")
    data, entry = load(toy), RECIPES["predictions"]
    answers = Answers(Predicted(1 - data.test.labels_N, None), None, 0)
    entry.receive(_trial(toy, gone), answers)
    assert _scored(toy, gone)[0].metrics["test_accuracy"] == 0.0
    assert entry.carry(_trial(toy, gone), data) is answers


def test_a_trial_without_a_score_completes_and_is_confirmed(toy: DatasetConfig, tmp_path: Path) -> None:
    spec = _spec(toy, _written(tmp_path / "a.jsonl", _rows(load(toy))), protocol={"replicates": 2})
    grid = cells(spec)
    for opened in range(2):  # the second time as after a restart
        ledger = Ledger(open_storage(tmp_path / "ledger.journal", write=True), "mine")
        ledger.begin(spec.resolved(), grid, {})
        if opened == 0:
            trial = ledger.ask(grid[0], seed=0, budget=1)
            for evaluation in replicates(trial.config):
                ledger.record(trial.key, evaluation)
            ledger.finish(trial.key, Outcome.COMPLETED)
        (record,) = ledger.trials()
        assert (record.outcome, record.score, len(record.evaluations)) == (Outcome.COMPLETED, None, 2)
        (want,) = wanted([record], [], spec.confirm)
        assert want.role is Role.CONFIRMATION
        assert want.trial == record
