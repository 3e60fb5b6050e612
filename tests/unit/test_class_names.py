"""What the names and descriptions of classes are worth: the recipe `label_names`, and `name_weight` of `frozen`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.spec.cells import cells
from sweep.spec.inputs import data_notes
from sweep.spec.model import SweepSpec
from trainable.class_texts import class_rows, name_in_words
from trainable.config import DatasetConfig, TrialConfig
from trainable.datasets import load
from trainable.embeddings import FrozenEncoder
from trainable.errors import DataError
from trainable.evaluation.heads import centroid_head
from trainable.training import replicates

SENTENCES = {"bad": "an awful, poor film", "good": "a fine, great film"}


@pytest.fixture(autouse=True)
def own_embeddings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept embeddings of this test alone."""
    monkeypatch.setattr("trainable.embeddings.kept_embeddings", lambda: tmp_path / "embeddings")


def _config(encoder: Path, data: Path, recipe: dict[str, Any], **dataset: Any) -> TrialConfig:
    fields = {"dataset": {"name": "toy", "path": str(data), **dataset}, "shots": 2, "encoder": str(encoder)}
    return TrialConfig.model_validate({**fields, "embedding": "mean", "recipe": recipe, "replicates": 3})


def _metrics(config: TrialConfig) -> list[dict[str, float]]:
    evaluations = list(replicates(config, part="test"))
    assert all(evaluation.outcome is None for evaluation in evaluations)
    return [dict(evaluation.metrics) for evaluation in evaluations]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("card_lost", "card lost"),
        ("CardLost", "Card Lost"),
        ("HTTPError", "HTTP Error"),
        ("B2B", "B2B"),
        ("e-mail", "e-mail"),
        ("__init__", "init"),
        ("___", "___"),
        ("3", "3"),
    ],
)
def test_a_name_is_read_as_words(name: str, words: str) -> None:
    assert name_in_words(name) == words


def test_label_names_scores_by_the_nearest_name_and_reads_no_draw(tiny_bert: Path, toy_csv: Path) -> None:
    config = _config(tiny_bert, toy_csv, {"name": "label_names", "template": "the film is {}"})
    data = load(config.dataset)
    frozen = FrozenEncoder.of(config, 2)
    names_CD = frozen.embed_all(class_rows(config.dataset, data, "the film is {}"))
    texts_ND = frozen.embed_all(data.test)
    cosines_NC = (texts_ND @ names_CD.T) / np.linalg.norm(texts_ND, axis=1)[:, None] / np.linalg.norm(names_CD, axis=1)
    expected = float((cosines_NC.argmax(axis=1) == data.test.labels_N).mean())
    assert [metrics["test_accuracy"] for metrics in _metrics(config)] == pytest.approx([expected] * 3)


def test_the_template_and_the_descriptions_change_what_is_compared(tiny_bert: Path, toy_csv: Path) -> None:
    def loss(template: str, **dataset: Any) -> float:
        return _metrics(_config(tiny_bert, toy_csv, {"name": "label_names", "template": template}, **dataset))[0][
            "test_loss"
        ]

    assert loss("{}") != loss("the film is {}")
    assert loss("{}", descriptions=SENTENCES) != loss("{}")
    assert loss("the film is {}", descriptions=SENTENCES) == loss("{}", descriptions=SENTENCES)


def test_a_class_without_a_description_keeps_its_name(toy_csv: Path) -> None:
    config = DatasetConfig.model_validate({"name": "toy", "path": str(toy_csv), "descriptions": {"bad": "poor"}})
    assert class_rows(config, load(config), "it is {}").texts == ("poor", "it is good")


def test_names_have_no_say_by_default_and_decide_with_a_large_weight(tiny_bert: Path, toy_csv: Path) -> None:
    def losses(**recipe: Any) -> list[float]:
        return [metrics["test_loss"] for metrics in _metrics(_config(tiny_bert, toy_csv, recipe))]

    plain, none, large = (losses(name="frozen", head="centroid", **more) for more in ({}, {"name_weight": 0}, _LARGE))
    assert plain == none != large
    assert large == pytest.approx(losses(name="label_names"), rel=1e-2)


_LARGE = {"name_weight": 1000}


def test_a_name_counts_as_rows_of_its_class_and_stands_for_one_without_any() -> None:
    rows_MD, labels_M = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 0])
    names_CD = np.array([[0.0, 3.0], [-2.0, 0.0]])
    scores_NC = centroid_head(rows_MD, labels_M, 2, names_CD, weight=2.0)(np.array([[1.0, 1.0], [-1.0, 0.0]]))
    np.testing.assert_allclose(scores_NC, [[1.0, -np.sqrt(0.5)], [-np.sqrt(0.5), 1.0]], atol=1e-12)
    assert (centroid_head(rows_MD, labels_M, 2)(np.array([[-1.0, 0.0]])) == [[-1.0, -1.0]]).all()


@pytest.mark.parametrize(("labels", "silent"), [(("0", "1"), "`0`, `1` say"), (("label_3", "refund"), "`label 3`")])
def test_names_that_say_nothing_are_named(labels: tuple[str, str], silent: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "".join(f"row {n},{labels[n % 2]}\n" for n in range(16)), encoding="utf-8")
    silent = silent.replace("label 3", "label_3")
    described = {name: f"sentence on {name}" for name in labels}
    for recipe, said in (({"recipe": "label_names"}, True), ({"recipe": "frozen"}, False)):
        assert any(silent in note for note in _notes(path, recipe)) is said
    found = _notes(path, {"recipe": "label_names"}, descriptions=described)
    assert not any("say" in note for note in found)
    assert any("`template` is not read: trials that differ in it are alike" in note for note in found)


def _notes(path: Path, trial: dict[str, Any], **dataset: Any) -> tuple[str, ...]:
    spec = SweepSpec.model_validate(
        {
            "name": "notes",
            "datasets": {"mine": {"path": str(path), **dataset}},
            "compare": {"dataset": ["mine"], "shots": [2]},
            "trial": {"encoder": "all-MiniLM-L6-v2", **trial},
        }
    )
    return data_notes(cells(spec))["mine"]


def test_descriptions_keep_their_form_and_refuse_what_is_no_class(toy_csv: Path) -> None:
    fields = {"name": "toy", "path": str(toy_csv), "descriptions": SENTENCES}
    config = DatasetConfig.model_validate(fields)
    assert DatasetConfig.model_validate(config.model_dump(mode="json")) == config
    trial = _config(Path("any"), toy_csv, {"name": "label_names"}, descriptions=SENTENCES)
    assert TrialConfig.from_flat(trial.flat()) == trial
    assert hash(config) == hash(DatasetConfig.model_validate(fields))
    unknown = DatasetConfig.model_validate({**fields, "descriptions": {"goood": "fine"}})
    with pytest.raises(DataError, match=r"`descriptions` must name classes; received `goood`; did you mean `good`\?"):
        load(unknown)
    for wrong in ({"good": ""}, {"good": None}, {"good": 3}, ["good"], "good"):
        with pytest.raises(ValueError, match="descriptions"):
            DatasetConfig.model_validate({**fields, "descriptions": wrong})


@pytest.mark.parametrize("template", ["", "no place", "{} and {}", "{name}", "{} {"])
def test_a_template_has_one_place_for_the_name(template: str, tiny_bert: Path, toy_csv: Path) -> None:
    with pytest.raises(ValueError, match=r"`template` has `\{\}` once, where the name of the class stands"):
        _config(tiny_bert, toy_csv, {"name": "label_names", "template": template})
