"""A kept classifier answers as the one that was trained, whatever the recipe, and from its folder alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from torch.nn import functional as F  # noqa: N812

from trainable.batching import tokenise
from trainable.calibration import calibration_error, fitted_temperature
from trainable.classifier import Classifier
from trainable.config import DatasetConfig, TrialConfig
from trainable.datasets import load
from trainable.datasets.text_data import Rows
from trainable.draws import draw_of
from trainable.embeddings import FrozenEncoder
from trainable.encoder import load_encoder
from trainable.errors import ConfigError, DataError
from trainable.evaluation.assessment import Mixture
from trainable.evaluation.heads import prior_shift
from trainable.kept import Chosen
from trainable.left_out import fold_of
from trainable.losses import LOSSES
from trainable.recipes import RECIPES
from trainable.recipes.setfit import SetFit
from trainable.refitting import DRAW, refit
from trainable.shots import as_shots
from trainable.training import replicates

LOSS: dict[str, Any] = {"loss": {"name": "soft_triple"}, "beta": 0.5, "proxy_start": "centroids"}
KEPT: dict[str, dict[str, Any]] = {
    "frozen, logistic regression": {"recipe": {"name": "frozen"}},
    "frozen, priors": {"recipe": {"name": "frozen", "normalise": False}, "priors": "pool", "sampling": "random"},
    "frozen, centroid": {"recipe": {"name": "frozen", "head": "centroid"}},
    "frozen, names": {"recipe": {"name": "frozen", "head": "centroid", "name_weight": 2.0}},
    "frozen, neighbours": {"recipe": {"name": "frozen", "head": "neighbours", "neighbours": 3}},
    "frozen, svm": {"recipe": {"name": "frozen", "head": "linear_svm"}},
    "label_names": {"recipe": {"name": "label_names"}},
    "cross_entropy, centroid head": {"head": "centroid"},
    "cross_entropy, own head": {"head": "checkpoint"},
    "soft_triple": {"head": "centroid", **LOSS},
    "low-rank updates": {"head": "centroid", "lora_rank": 2, "encoder_lr": 1e-2},
    "supcon alone": {"loss": {"name": "supcon"}, "beta": 0.0},
    "logistic": {"inference": "logistic", "head": "centroid"},
    "nearest proxy": {"inference": "nearest", **LOSS},
    "nearest proxy of several": {"inference": "nearest", "loss": {"name": "sub_center_arcface"}, "beta": 0.5},
    "nearest proxy by distance": {"inference": "nearest", "loss": {"name": "proxy_nca"}, "beta": 0.5},
    "neighbours": {"inference": "neighbours"},
    "mixture": {"inference": "mixture", "head": "centroid", **LOSS},
    "mixture, own head": {"inference": "mixture", "head": "checkpoint", "loss": {"name": "supcon"}, "beta": 0.5},
    "setfit": {"recipe": {"name": "setfit", "max_steps": 4}},
    "balanced, priors": {
        "sampling": "random",
        "shots": 11,
        "head": "centroid",
        "batches": "balanced",
        "priors": "pool",
    },
    "metric_then_head": {"recipe": {"name": "metric_then_head"}, "loss": {"name": "supcon"}},
}


@pytest.fixture(params=["two classes", "three classes"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> DatasetConfig:
    words = {"warm": "red film", "cold": "blue text", "dull": "the was it"}
    chosen = list(words)[: 2 if request.param == "two classes" else 3]
    rows = [f"a {words[name]} number {number},{name}" for number in range(24) for name in chosen]
    path = tmp_path / "toy.csv"
    path.write_text("text,label\n" + "\n".join(rows) + "\n")
    return DatasetConfig(name="toy", path=str(path))


def config(data: DatasetConfig, encoder: Path, **fields: Any) -> TrialConfig:
    trained = {"steps": 6, "evaluations": 1, "encoder_lr": 1e-3, "batch_size": 8}
    recipe = fields.get("recipe", {}).get("name")
    kept = {} if recipe in ("frozen", "label_names", "setfit") else trained
    embedding = {} if recipe == "setfit" else {"embedding": "mean"}
    base = {"dataset": data, "shots": 4, "encoder": str(encoder), "validation": 12, **embedding}
    return TrialConfig.model_validate({**base, **kept, **fields})


def confirmed(trial: TrialConfig) -> tuple[NDArray[np.int64], Chosen]:
    """What the classifier of a draw answers in a confirmation, and what it has chosen on its validation rows."""
    (found,) = replicates(trial.model_copy(update={"replicates": 1}), [DRAW], part="test")
    assert found.predicted is not None, found.detail
    metrics = found.metrics
    mixture = Mixture(metrics.get("mixture_weight", 0.5), metrics.get("mixture_temperature", 1.0))
    return found.predicted.judged, Chosen(neighbours=int(metrics.get("neighbours_k", 1)), mixture=mixture)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KEPT)
def test_it_answers_as_in_a_confirmation_also_from_its_folder(
    kind: str, data: DatasetConfig, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainable.refitting._EPOCHS", 0)  # as many steps as the confirmation takes
    trial = config(data, tiny_bert, **KEPT[kind])
    wanted, chosen = confirmed(trial)
    monkeypatch.setattr("trainable.refitting.chosen", lambda *_: chosen)  # there are no validation rows here
    kept = refit(trial, shots=4)
    test = load(data).test
    places = {name: place for place, name in enumerate(load(data).class_names)}
    answers = np.array([places[label] for label in kept.classifier.predict(test.texts)])
    np.testing.assert_array_equal(answers, wanted)
    kept.classifier.save(tmp_path / "kept")
    read = Classifier.load(tmp_path / "kept")
    torch.testing.assert_close(read.scores(test.texts), kept.classifier.scores(test.texts), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(read.predict_proba(test.texts).sum(dim=1), torch.ones(len(test.texts)))
    assert read.labels == load(data).class_names
    assert kept.rows == sum(kept.counts)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        "frozen, logistic regression",
        "label_names",
        "cross_entropy, centroid head",
        "soft_triple",
        "supcon alone",
        "mixture",
        "setfit",
        "metric_then_head",
    ],
)
def test_twice_the_same_bytes(kind: str, data: DatasetConfig, tiny_bert: Path, tmp_path: Path) -> None:
    trial = config(data, tiny_bert, **KEPT[kind])
    for name in ("first", "second"):
        refit(trial).classifier.save(tmp_path / name)
    written = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert {"classifier.json", "classifier.safetensors", "model.safetensors", "classifier.py"} <= set(written)
    assert not [name for name in written if name.endswith((".bin", ".pkl", ".pickle", ".joblib"))]
    for name in written:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes(), name


@pytest.mark.lengthy
def test_all_labelled_rows_train_it_unless_a_test_part_was_given(
    data: DatasetConfig, tiny_bert: Path, tmp_path: Path
) -> None:
    whole = load(data)
    everything = len(whole.pool) + len(whole.test)
    assert refit(config(data, tiny_bert, recipe={"name": "frozen"})).rows == everything
    test = tmp_path / "test.csv"
    test.write_text("text,label\na red film in the end,warm\na blue text in the end,cold\n")
    own = DatasetConfig(name="own", path=data.path, test_path=str(test))
    assert refit(config(own, tiny_bert, recipe={"name": "frozen"})).rows == len(load(own).pool)
    assert refit(config(data, tiny_bert, recipe={"name": "frozen"}), shots=3).rows == 3 * len(whole.class_names)


@pytest.mark.slow
def test_rows_that_trained_nothing_tell_what_is_expected(data: DatasetConfig, tiny_bert: Path, tmp_path: Path) -> None:
    trial = config(data, tiny_bert, recipe={"name": "frozen", "C": 100.0})
    answers, test = refit(trial).answers, load(data).test
    assert answers is not None
    assert not answers.kept
    rows = len(load(data).pool) + len(test)
    assert len(answers.labels_N) == rows, "each was left out once"
    assert np.bincount(answers.training_N).tolist() == pytest.approx([rows / 5] * 5, abs=3)
    assert answers.trained == rows - round(rows / 5)
    drawn = refit(trial, shots=3).answers
    assert drawn is not None
    assert drawn.kept
    assert drawn.labels_N.tolist() == test.labels_N.tolist(), "the draw leaves the test part"
    (tmp_path / "test.csv").write_text("text,label\na red film in the end,warm\na blue text in the end,cold\n")
    own = kept_test(data, tmp_path / "test.csv")
    kept = refit(config(own, tiny_bert, recipe={"name": "frozen"}))
    assert kept.answers is not None
    assert kept.answers.kept
    assert kept.answers.labels_N.tolist() == load(own).test.labels_N.tolist()
    predicted = [kept.classifier.labels[place] for place in kept.answers.predicted_N.tolist()]
    assert predicted == kept.classifier.predict(load(own).test.texts)


@pytest.mark.lengthy
def test_a_draw_of_at_most_so_many_takes_what_small_classes_have(data: DatasetConfig, tiny_bert: Path) -> None:
    trial = config(data, tiny_bert, recipe={"name": "frozen"})
    counts = np.bincount(load(data).pool.labels_N)
    asked = int(counts.max()) + 1
    with pytest.raises(DataError, match=f"write `at most {asked}` for what there is"):
        refit(trial, shots=asked)
    for number in (2, asked - 2, asked):
        kept = refit(trial, shots=as_shots(f"at most {number}"))
        assert kept.counts == tuple(np.minimum(counts, number).tolist())


@pytest.mark.lengthy
def test_a_draw_of_few_labels_is_scored_on_the_others_if_those_are_more(data: DatasetConfig, tiny_bert: Path) -> None:
    few = data.model_copy(update={"holdout": "repeated"})
    trial = config(few, tiny_bert, recipe={"name": "frozen"}, validation="cross")
    rows = len(load(few).pool)
    for shots, others in ((3, True), (14, False)):
        found = refit(trial, shots=shots)
        assert found.answers is not None
        assert found.answers.kept == others
        assert len(found.answers.labels_N) == (rows - found.rows if others else found.rows)


def kept_test(data: DatasetConfig, test: Path) -> DatasetConfig:
    return DatasetConfig(name="own", path=data.path, test_path=str(test))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["frozen, logistic regression", "cross_entropy, own head", "mixture"])
def test_test_rows_change_neither_weights_nor_temperature(
    kind: str, data: DatasetConfig, tiny_bert: Path, tmp_path: Path
) -> None:
    """The same rows to train on, and three test parts, one with all labels wrong: to the last bit the same folder."""
    test, found = tmp_path / "test.csv", []
    rows = ["a red film in the end,warm", "some blue text,cold", "blue film and text,cold", "the red one,warm"]
    wrong = [row.replace("warm", "x").replace("cold", "warm").replace("x", "cold") for row in rows]
    for number, lines in enumerate((rows, wrong, rows[:2])):
        test.write_text("\n".join(["text,label", *lines]) + "\n")
        load.cache_clear()
        kept = refit(config(kept_test(data, test), tiny_bert, **KEPT[kind]))
        kept.classifier.save(tmp_path / str(number))
        files = {path.name: path.read_bytes() for path in (tmp_path / str(number)).iterdir()}
        assert kept.answers is not None
        found.append((kept.calibration, files, len(kept.answers.labels_N), (kept.answers.labels_N).tolist()))
    assert found[0][2:] != found[1][2:], "the rows that score it are others"
    assert [each[2] for each in found] == [4, 4, 2]
    assert found[0][:2] == found[1][:2] == found[2][:2]


@pytest.mark.lengthy
@pytest.mark.parametrize("fine_tuned_for", [None, "multi_label_classification", "regression"])
def test_a_pipeline_of_transformers_gives_the_same_labels_and_probabilities(
    fine_tuned_for: str | None, data: DatasetConfig, tiny_bert: Path, tmp_path: Path
) -> None:
    from transformers import pipeline

    encoder = shutil.copytree(tiny_bert, tmp_path / "encoder")
    stated = json.loads((encoder / "config.json").read_text(encoding="utf-8"))
    (encoder / "config.json").write_text(json.dumps({**stated, "problem_type": fine_tuned_for}), encoding="utf-8")
    kept = refit(config(data, encoder, **KEPT["cross_entropy, own head"]))
    kept.classifier.save(tmp_path / "kept")
    texts = [*load(data).test.texts, "a good film " * 40]
    cut: Any = {"truncation": True, "max_length": kept.classifier.max_length}
    found: Any = pipeline("text-classification", str(tmp_path / "kept"), top_k=None, **cut)(texts)
    probabilities = kept.classifier.predict_proba(texts)
    for row, given in zip(found, probabilities, strict=True):
        by_label = {each["label"]: each["score"] for each in row}
        assert [by_label[label] for label in kept.classifier.labels] == pytest.approx(given.tolist(), abs=1e-5)


@pytest.mark.lengthy
def test_a_text_without_a_token_is_refused_by_name(data: DatasetConfig, tiny_bert: Path, tmp_path: Path) -> None:
    """The tokenizer of GPT-2 puts no token of its own around a text, and makes none of an empty one."""
    encoder = shutil.copytree(tiny_bert, tmp_path / "encoder")
    tokenizer = json.loads((encoder / "tokenizer.json").read_text(encoding="utf-8"))
    (encoder / "tokenizer.json").write_text(json.dumps(tokenizer | {"post_processor": None}), encoding="utf-8")
    classifier = refit(config(data, encoder, **KEPT["frozen, logistic regression"])).classifier
    for texts in (["", "a good film"], ["", ""]):
        with pytest.raises(ValueError, match="each text needs a token; the tokenizer makes none of ''"):
            classifier.predict(texts)
    encoded = load_encoder(str(encoder), None, 2)
    rows = Rows(texts=("a", "\u200b", ""), pairs=None, labels_N=np.zeros(3, dtype=np.int64))
    with pytest.raises(
        DataError, match=r"each text needs a token; .* makes none of .* leave out \d rows? of this kind"
    ):
        tokenise(rows, encoded, 16)


ALONE = (
    "frozen, svm",
    "label_names",
    "soft_triple",
    "nearest proxy of several",
    "mixture, own head",
    "setfit",
    "metric_then_head",
)
ANSWERS = """
import importlib.util, json, sys
from pathlib import Path
class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("trainable", "sweep", "setfit"):
            raise ImportError(name)
sys.meta_path.insert(0, Refused())
for folder in sorted(Path(".").iterdir()):
    spec = importlib.util.spec_from_file_location(f"classifier_{folder.name}", folder / "classifier.py")
    own = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(own)
    print(json.dumps(own.Classifier.load(folder).predict_proba(json.loads(sys.argv[1])).tolist()))
"""


@pytest.mark.slow
def test_the_folder_answers_without_this_project(data: DatasetConfig, tiny_bert: Path, tmp_path: Path) -> None:
    """Each by the module that lies in it, all of them in one process, which takes long to start."""
    folders = tmp_path / "kept"
    folders.mkdir()
    kept = [refit(config(data, tiny_bert, **KEPT[kind])).classifier for kind in ALONE]
    for number, classifier in enumerate(kept):
        classifier.save(folders / str(number))
    texts = list(load(data).test.texts[:5])
    command = [sys.executable, "-c", ANSWERS, json.dumps(texts)]
    ran = subprocess.run(command, cwd=folders, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()[-len(kept) :]
    for kind, classifier, line in zip(ALONE, kept, lines, strict=True):
        found, wanted = torch.tensor(json.loads(line)), classifier.predict_proba(texts)
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-5, atol=1e-5, err_msg=kind)


ONNX = [
    "frozen, logistic regression",
    "frozen, svm",
    "label_names",
    "soft_triple",
    "supcon alone",
    "neighbours",
    "nearest proxy",
    "mixture, own head",
    "setfit",
    "metric_then_head",
]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ONNX)
def test_an_onnx_file_gives_the_same_scores(kind: str, tiny_bert: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    from trainable.onnx_export import export

    words = {"warm": "red film", "cold": "blue text", "dull": "the was it"}
    rows = [f"a {words[name]} number {number},{name}" for number in range(16) for name in words]
    (tmp_path / "toy.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    data = DatasetConfig(name="toy", path=str(tmp_path / "toy.csv"))
    classifier = refit(config(data, tiny_bert, **KEPT[kind])).classifier
    classifier.save(tmp_path)
    texts = list(load(data).test.texts)
    made = export(classifier, tmp_path, texts)
    assert made.difference < 1e-4
    assert (made.megabytes, made.torch_megabytes) == pytest.approx((0.5, 0.5), abs=0.4)
    assert made.milliseconds > 0 < made.torch_milliseconds
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    for some in (texts, texts[3:4], ["", "a red film " * 400, "x"]):  # other numbers of texts and tokens
        inputs = {name: each.numpy() for name, each in classifier.tokens(some).items()}
        (scores,) = session.run(["scores"], inputs)
        wanted = classifier.scores(some) / classifier.temperature
        torch.testing.assert_close(torch.from_numpy(scores), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.lengthy
def test_its_probabilities_are_calibrated_on_rows_that_trained_nothing(data: DatasetConfig, tiny_bert: Path) -> None:
    trial = config(data, tiny_bert, recipe={"name": "frozen", "C": 1000.0})
    kept = refit(trial, shots=6)
    calibration = kept.calibration
    assert calibration is not None
    assert calibration.rows == kept.rows, "each was left out once"
    scores, labels = (np.concatenate(part) for part in zip(*_left_out(trial), strict=True))
    by_hand = fitted_temperature(scores, labels)
    assert calibration.temperature == by_hand.temperature
    assert calibration.loss_before == pytest.approx(by_hand.loss_before, abs=1e-5)
    assert calibration.loss_after == pytest.approx(by_hand.loss_after, abs=1e-5)


def _left_out(trial: TrialConfig) -> Iterator[tuple[NDArray[np.float64], NDArray[np.int64]]]:
    """The scores of each fold by a plain logistic regression on the others."""
    data = load(trial.dataset)
    train = draw_of(trial.model_copy(update={"shots": 6}), data, DRAW).train
    places = fold_of(data.pool.labels_N[train], 5, DRAW)
    encoder = FrozenEncoder.of(trial, len(data.class_names))
    for fold in range(5):
        seen, held = train[places != fold], train[places == fold]
        embedded = (torch.from_numpy(encoder.embed(data.pool, each)) for each in (seen, held))
        seen_MD, held_ND = (F.normalize(each, dim=1).double().numpy() for each in embedded)
        model = LogisticRegression(C=1000.0, max_iter=1000).fit(seen_MD, data.pool.labels_N[seen])
        margins = model.decision_function(held_ND)
        scores = np.stack([-margins / 2, margins / 2], axis=1) if margins.ndim == 1 else margins
        yield scores, data.pool.labels_N[held]


def test_every_fold_has_equally_many_rows_of_a_class_and_a_single_row_always_trains() -> None:
    labels = np.array([0] * 10 + [1] * 6 + [2])
    places = fold_of(labels, 5, DRAW)
    assert places[labels == 2].tolist() == [-1]
    for label, least in ((0, 2), (1, 1)):
        counts = np.bincount(places[labels == label], minlength=5)
        assert counts.min() >= least
        assert counts.max() <= least + 1


def test_one_scored_fold_counts_classes_as_often_as_they_are(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"the film {number},often" for number in range(190)]
    rows += [
        f"the {name} text {number},{name}" for name in ("red", "blue", "dull", "warm", "cold") for number in (1, 2)
    ]
    path = tmp_path / "skewed.csv"
    path.write_text("text,label\n" + "\n".join(rows) + "\n")
    data = DatasetConfig(name="skewed", path=str(path), holdout="repeated")
    entry = replace(RECIPES["frozen"], embeds_once=False)
    monkeypatch.setattr("trainable.refitting.RECIPES", {**RECIPES, "frozen": entry})
    fitted: list[Any] = []

    def spied(*given: Any) -> Any:
        fitted.append(given)
        return fitted_temperature(*given)

    monkeypatch.setattr("trainable.left_out.fitted_temperature", spied)
    answers = refit(config(data, tiny_bert, recipe={"name": "frozen"}, sampling="random", shots=20)).answers
    assert answers is not None
    assert len(answers.labels_N) == 38 + 5, "each class gives a row"
    often_N = answers.labels_N == load(data).class_names.index("often")
    assert answers.weights_N is not None
    assert answers.weights_N.mean() == pytest.approx(1)
    assert (answers.weights_N * often_N).mean() == pytest.approx(190 / 200)
    np.testing.assert_array_equal(fitted[0][2], answers.weights_N)


def test_a_weight_counts_as_so_many_rows() -> None:
    rng = np.random.default_rng(2)
    labels, copies = rng.integers(3, size=90), rng.integers(1, 5, size=90)
    scores = 8 * (rng.normal(size=(90, 3)) + np.eye(3)[labels])
    found = fitted_temperature(scores, labels, copies / copies.mean())
    repeated = fitted_temperature(np.repeat(scores, copies, axis=0), np.repeat(labels, copies))
    assert found.temperature == pytest.approx(repeated.temperature, rel=0.05), "the doubt is of fewer rows"
    for name in ("loss_before", "error_before"):
        assert getattr(found, name) == pytest.approx(getattr(repeated, name))


def test_the_temperature_is_the_best_one() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=400)
    scores = 8 * (rng.normal(size=(400, 3)) + np.eye(3)[labels])
    found = fitted_temperature(scores, labels)

    def loss(temperature: float) -> float:
        return float(F.cross_entropy(torch.from_numpy(scores) / temperature, torch.from_numpy(labels)))

    assert found.loss_before == pytest.approx(loss(1.0))
    assert found.loss_after == pytest.approx(loss(found.temperature))
    assert found.loss_after <= min(loss(float(temperature)) for temperature in np.geomspace(0.5, 50, 60)) + 1e-3
    assert found.error_after < found.error_before


def test_no_probability_is_certain_where_every_row_is_right() -> None:
    labels = np.arange(60) % 3
    found = fitted_temperature(np.eye(3)[labels], labels)
    confidence = torch.softmax(torch.from_numpy(np.eye(3)) / found.temperature, dim=1).max(dim=1).values
    assert confidence.tolist() == pytest.approx([61 / 62] * 3, abs=2e-3)


def test_the_calibration_error_is_the_mean_gap_of_its_bins() -> None:
    rng = np.random.default_rng(1)
    scores, labels = rng.normal(size=(200, 4)), rng.integers(4, size=200)
    probabilities = torch.softmax(torch.from_numpy(scores), dim=1).numpy()
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    total = 0.0
    for low in np.arange(10) / 10:
        inside = (confidence > low) & (confidence <= low + 0.1)
        if inside.any():
            total += abs(confidence[inside].mean() - right[inside].mean()) * inside.sum()
    assert calibration_error(scores, labels) == pytest.approx(total / 200)


@pytest.mark.parametrize("classes", [2, 5])
def test_figures_of_calibration_are_those_of_other_libraries(classes: int) -> None:
    from sklearn.metrics import log_loss  # type: ignore[import-untyped]

    rng = np.random.default_rng(classes)
    labels = rng.integers(classes, size=300)
    scores = 3 * (rng.normal(size=(300, classes)) + np.eye(classes)[labels])
    found = fitted_temperature(scores, labels)
    for temperature, loss, error in (
        (1.0, found.loss_before, found.error_before),
        (found.temperature, found.loss_after, found.error_after),
    ):
        probabilities = torch.softmax(torch.from_numpy(scores / temperature), dim=1)
        assert loss == pytest.approx(log_loss(labels, probabilities.numpy(), labels=range(classes)), abs=1e-6)
        metrics = pytest.importorskip("torchmetrics.functional.classification", reason="torchmetrics is not installed")
        theirs = metrics.multiclass_calibration_error(
            probabilities, torch.from_numpy(labels), num_classes=classes, n_bins=10, norm="l1"
        )
        assert error == pytest.approx(float(theirs), abs=1e-6)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"inference": "nearest", **LOSS}, "received inference: nearest of soft_triple: compare it with inference"),
    ],
)
def test_what_cannot_be_kept_is_refused(
    fields: dict[str, Any], said: str, toy_csv: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = replace(LOSSES["soft_triple"], proxies=None)  # a loss of one's own that does not say how it scores
    monkeypatch.setattr("trainable.refitting.LOSSES", {**LOSSES, "soft_triple": unknown})
    base: dict[str, Any] = {"dataset": {"name": "toy", "path": str(toy_csv)}, "shots": 4, "encoder": str(tiny_bert)}
    with pytest.raises(ConfigError, match=said):
        refit(TrialConfig.model_validate({**base, **fields}))


@pytest.mark.lengthy
def test_texts_of_any_kind_get_an_answer_or_a_clear_error(data: DatasetConfig, tiny_bert: Path) -> None:
    classifier = refit(config(data, tiny_bert, recipe={"name": "frozen"})).classifier
    assert classifier.predict([]) == []
    assert len(classifier.predict(["", "red " * 100_000, "\x00", "é", "text"])) == 5
    table = pd.DataFrame({"text": ["a", "b"]})
    assert classifier.predict(table["text"]) == classifier.predict(["a", "b"])
    texts = pd.Series(["red", "a blue film", "it"], index=[2, 0, 1])  # as after a shuffle
    torch.testing.assert_close(classifier.scores(texts), classifier.scores(texts.tolist()), rtol=0, atol=0)
    once = (text for text in ("a", "b"))
    for wrong in ("a text", [1], [None], [["a"]], [float("nan")], table, {"text": "a"}, {"a", "b"}, once):
        with pytest.raises(TypeError, match=r"a list of texts is classified; received .*; (give a list|leave it out)"):
            classifier.predict(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="texts must be valid Unicode"):
        classifier.predict(["a", "half \ud800"])
    alone = torch.cat([classifier.scores([text]) for text in ("red", "a blue film", "it")])
    torch.testing.assert_close(classifier.scores(["red", "a blue film", "it"]), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_priors_are_in_the_kept_head_whichever_it_is(data: DatasetConfig, tiny_bert: Path) -> None:
    for head in ("centroid", "checkpoint"):
        trial = config(data, tiny_bert, head=head, priors="pool", sampling="random", shots=9, encoder_lr=1e-6)
        pool, plain = (
            refit(trial.model_copy(update={"priors": each}), shots=9).classifier for each in ("pool", "draw")
        )
        train = draw_of(trial.model_copy(update={"validation": "all"}), load(data), DRAW).train
        labels = load(data).pool.labels_N
        shift = torch.from_numpy(
            prior_shift(np.bincount(labels[train], minlength=len(pool.labels)), np.bincount(labels))
        )
        texts = list(load(data).test.texts[:6])
        moved = torch.log(pool.predict_proba(texts)) - torch.log(plain.predict_proba(texts))
        assert torch.corrcoef(torch.stack([(moved - moved.mean()).mean(dim=0).double(), shift]))[0, 1] > 0.9, head


@pytest.mark.slow
def test_setfit_reads_pairs_as_one_text_when_it_is_kept_too(tiny_bert: Path, tmp_path: Path) -> None:
    words = {"same": ("red", "red"), "other": ("red", "blue")}
    rows = [
        f"a {one} film {number},{other} text,{name}" for number in range(20) for name, (one, other) in words.items()
    ]
    (tmp_path / "pairs.csv").write_text("first,second,label\n" + "\n".join(rows) + "\n")
    pairs = DatasetConfig(name="pairs", path=str(tmp_path / "pairs.csv"), text="first", text_pair="second")
    trial = config(pairs, tiny_bert, **KEPT["setfit"])
    wanted, _ = confirmed(trial)
    classifier = refit(trial, shots=4).classifier
    classifier.save(tmp_path / "kept")
    test, read = load(pairs).test, Classifier.load(tmp_path / "kept")
    assert test.pairs is not None
    assert read.separator == "[SEP]"
    places = {name: place for place, name in enumerate(load(pairs).class_names)}
    assert [places[label] for label in read.predict(test.texts, test.pairs)] == wanted.tolist()


def test_a_large_number_of_rows_does_not_train_setfit_for_ever(data: DatasetConfig, tiny_bert: Path) -> None:
    trial = config(data, tiny_bert, recipe={"name": "setfit", "num_epochs": 2})
    for rows, steps in ((8, None), (200, 2 * 40 * 200 // 16), (10_000, 2 * 40 * 10_000 // 16)):
        bounded = RECIPES["setfit"].bounded(trial, 8, rows).recipe
        assert isinstance(bounded, SetFit)
        assert bounded.max_steps == steps
    many = RECIPES["setfit"].bounded(trial, 1000, 1001).recipe
    assert isinstance(many, SetFit)
    assert many.max_steps == 2 * 1000**2 // 16, "no fewer than the comparison took"
    set_by_hand = trial.model_copy(update={"recipe": SetFit(max_steps=7)})
    assert RECIPES["setfit"].bounded(set_by_hand, 8, 10_000) == set_by_hand


@pytest.mark.lengthy
def test_pairs_and_single_texts_are_not_taken_for_each_other(tiny_bert: Path, tmp_path: Path) -> None:
    rows = [
        f"a red film {number},{'red' if number % 2 else 'blue'} text,{'same' if number % 2 else 'other'}"
        for number in range(40)
    ]
    (tmp_path / "pairs.csv").write_text("first,second,label\n" + "\n".join(rows) + "\n")
    pairs = DatasetConfig(name="pairs", path=str(tmp_path / "pairs.csv"), text="first", text_pair="second")
    refit(config(pairs, tiny_bert, recipe={"name": "frozen"})).classifier.save(tmp_path / "kept")
    classifier = Classifier.load(tmp_path / "kept")
    assert classifier.paired
    seconds: Any = np.array(["red text", "blue text"])
    assert classifier.predict(["a red film 3", "a red film 4"], seconds) == [
        "same",
        "other",
    ]
    with pytest.raises(ValueError, match="takes pairs of texts; received single texts: give the second text of each"):
        classifier.predict(["a red film"])
    single = replace(classifier, paired=False)
    with pytest.raises(ValueError, match="takes single texts; received pairs"):
        single.predict(["a"], ["b"])


@pytest.mark.lengthy
def test_a_damaged_folder_is_refused(data: DatasetConfig, tiny_bert: Path, tmp_path: Path) -> None:
    for name, shots in (("kept", 4), ("other", 3)):
        refit(config(data, tiny_bert, recipe={"name": "frozen"}), shots=shots).classifier.save(tmp_path / name)
    stated = tmp_path / "kept" / "classifier.json"
    whole = stated.read_text()
    stated.write_text(json.dumps(json.loads(whole) | {"labels": ["only"]}))
    with pytest.raises(ValueError, match="must give as many scores"):
        Classifier.load(tmp_path / "kept")
    stated.write_text(whole)
    Classifier.load(tmp_path / "kept")
    shutil.copy(tmp_path / "other" / "classifier.safetensors", tmp_path / "kept")
    with pytest.raises(ValueError, match="weights must be those that"):
        Classifier.load(tmp_path / "kept")
    with pytest.raises(FileNotFoundError):
        Classifier.load(tmp_path / "nowhere")
