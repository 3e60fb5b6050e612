"""The estimator as scikit-learn and its users use it."""

from __future__ import annotations

import pickle
import pickletools
import warnings
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
from sklearn.base import clone  # type: ignore[import-untyped]
from sklearn.exceptions import NotFittedError, SkipTestWarning  # type: ignore[import-untyped]
from sklearn.model_selection import cross_val_score  # type: ignore[import-untyped]
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
from sklearn.preprocessing import FunctionTransformer  # type: ignore[import-untyped]
from sklearn.utils import estimator_checks  # type: ignore[import-untyped]

import sweep
from sweep import FewShotClassifier

pytestmark = pytest.mark.slow

WORDS = {"bad": ("bad", "awful", "poor"), "good": ("good", "great", "fine")}
ROWS = [
    (f"{article} film {verb} {' '.join(words)}", label)
    for label, known in WORDS.items()
    for article, verb, words in product(("the", "a"), ("is", "was"), product(known, repeat=2))
]
SPEC = {"resources.gpu": 0, "budget.concurrency": 1}
TEXTS, LABELS = [text for text, _ in ROWS], [label for _, label in ROWS]


@pytest.fixture(scope="module", autouse=True)
def ray_for_all() -> Iterator[None]:
    """One Ray for the many small sweeps of this file, as a user's own."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for many fits: those with the same texts and fields are one sweep, which is run once."""
    return tmp_path_factory.mktemp("fits")


@pytest.fixture
def small(tiny_bert: Path, shared: Path) -> FewShotClassifier:
    frozen: dict[str, Any] = {"recipes": ("frozen",), "trials": 1, "draws": 2, "spec": SPEC}
    return FewShotClassifier(str(tiny_bert), root=shared, **frozen)


def test_one_method_may_be_named_without_a_list(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": TEXTS, "label": LABELS})
    compared = FewShotClassifier("tiny", recipes="fine_tune", losses="supcon")._fields(frame, tmp_path)["compare"]
    assert (compared["recipe"], compared["loss"]) == (["fine_tune"], ["supcon"])


@pytest.fixture(scope="module")
def fitted(tiny_bert: Path) -> FewShotClassifier:
    estimator = FewShotClassifier(str(tiny_bert), trials=1, draws=2, spec={**SPEC, "protocol.steps": 4})
    return estimator.fit(TEXTS, LABELS)


def test_fit_compares_and_keeps_the_winner(fitted: FewShotClassifier, tmp_path: Path) -> None:
    assert fitted.classes_.tolist() == ["bad", "good"]
    assert fitted.result_.state == "finished"
    assert {arm.method for arm in fitted.verdict_.comparisons[0].arms} == {"frozen", "metric_then_head+supcon"}
    assert fitted.result_.report is not None
    assert repr(fitted.verdict_).endswith(fitted.verdict_.comparisons[0].sentence), "not all its numbers"
    assert fitted.score(TEXTS, LABELS) > 0.8
    probabilities_NC = fitted.predict_proba(TEXTS)
    assert probabilities_NC.sum(axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-6)
    assert (fitted.classes_[probabilities_NC.argmax(axis=1)] == fitted.predict(TEXTS)).all()
    fitted.save(tmp_path / "model")
    assert (sweep.Classifier.load(tmp_path / "model").predict(TEXTS) == fitted.predict(TEXTS)).all()


def test_a_pickle_answers_the_same_and_holds_no_code(fitted: FewShotClassifier) -> None:
    content = pickle.dumps(fitted)
    named = {argument for _, argument, _ in pickletools.genops(content) if isinstance(argument, str)}
    assert not {name for name in named if name.split(".")[0] in ("torch", "transformers", "tokenizers")}
    restored = pickle.loads(content)  # noqa: S301
    assert (restored.predict_proba(TEXTS) == fitted.predict_proba(TEXTS)).all()
    assert restored.verdict_.comparisons[0].sentence == fitted.verdict_.comparisons[0].sentence


@pytest.mark.parametrize("labels", [["1.0", "2.0"], [True, False]])  # scikit-learn's checks bring whole numbers
def test_labels_keep_their_type(small: FewShotClassifier, labels: list[Any]) -> None:
    names = dict(zip(("bad", "good"), labels, strict=True))
    wanted = np.array([names[label] for label in LABELS])
    found = small.fit(np.array(TEXTS), wanted)
    assert found.classes_.dtype == wanted.dtype
    assert found.score(np.array(TEXTS), wanted) > 0.8


def test_tables_and_pairs_are_taken(small: FewShotClassifier) -> None:
    series = pd.Series(TEXTS, index=range(100, 100 + len(TEXTS)))
    assert small.fit(series, pd.Series(LABELS)).score(series.to_frame(), LABELS) > 0.8
    pairs = pd.DataFrame({"first": TEXTS, "second": TEXTS[::-1]})
    paired = clone(small).fit(pairs, LABELS)
    assert paired.predict(pairs.to_numpy()).shape == (len(TEXTS),)
    tuples = list(zip(TEXTS, TEXTS[::-1], strict=True))
    assert (clone(small).fit(tuples, LABELS).predict_proba(tuples) == paired.predict_proba(pairs)).all()
    remedy = "pairs are an array or a DataFrame of two columns, or a list"
    with pytest.raises(ValueError, match=f"fit` was given, pairs of texts; received single texts: {remedy}"):
        paired.predict(TEXTS)
    with pytest.raises(ValueError, match=f"fit` was given, single texts; received pairs of texts: {remedy}"):
        small.predict(tuples)


@pytest.mark.parametrize(
    ("rows", "shots"), [([16, 16, 16], 6), ([40, 30, 20, 2], "at most 11"), ([3, 3], "at most 1"), ([300, 400], 16)]
)
def test_rare_classes_do_not_hold_the_others_back(rows: list[int], shots: int | str, tmp_path: Path) -> None:
    labels = [str(place) for place, count in enumerate(rows) for _ in range(count)]
    frame = pd.DataFrame({"text": [f"text {number}" for number in range(len(labels))], "label": labels})
    fields = FewShotClassifier("tiny")._fields(frame, tmp_path)
    assert fields["compare"]["shots"] == [shots]
    assert fields["trial"]["views"] == (2 if shots == "at most 1" else 1), "one row has no other one of its class"


def test_a_class_of_two_rows_is_learned(small: FewShotClassifier) -> None:
    odd = ["one odd thing", "another odd thing"]
    found = clone(small).fit([*TEXTS, *odd], [*LABELS, "odd", "odd"])
    assert found.predict_proba(odd).shape == (2, 3)


def test_exchanged_columns_of_pairs_are_told_by_their_names(small: FewShotClassifier) -> None:
    pairs = pd.DataFrame({"first": TEXTS, "second": TEXTS[::-1]})
    paired = clone(small).fit(pairs, LABELS)
    assert paired.feature_names_in_.tolist() == ["first", "second"]
    with pytest.raises(ValueError, match="feature names should match"):
        paired.predict(pairs[["second", "first"]])
    assert not hasattr(paired.fit(pairs.to_numpy(), LABELS), "feature_names_in_")


@pytest.mark.parametrize(
    ("recipes", "loss"),
    [(["setfit"], False), (["frozen", "label_names"], False), (["frozen", "metric_then_head"], True)],
)
def test_losses_are_for_the_recipes_that_take_one(recipes: list[str], loss: bool, tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": TEXTS, "label": LABELS})
    fields = FewShotClassifier("tiny", recipes=recipes)._fields(frame, tmp_path)
    assert ("loss" in fields["compare"], "batch_size" in fields["trial"]) == (loss, loss)


def test_fits_of_other_fields_are_other_sweeps_of_one_folder(small: FewShotClassifier, tmp_path: Path) -> None:
    for head in ("centroid", "neighbours"):
        found = clone(small).set_params(root=tmp_path, spec={**SPEC, "search.frozen.head": head}).fit(TEXTS, LABELS)
        (trial,) = found.result_.records.trials
        assert trial.config.flat()["recipe.head"] == head
    assert len(list(tmp_path.glob("fit-*"))) == 2


def test_a_fit_that_fails_leaves_the_estimator_as_it_was(small: FewShotClassifier) -> None:
    wrong = clone(small).set_params(encoder="no/such/encoder")
    with pytest.raises(ValueError, match="no/such/encoder"):
        wrong.fit(TEXTS, LABELS)
    with pytest.raises(NotFittedError):
        wrong.predict(TEXTS)
    before = small.fit(TEXTS, LABELS).predict_proba(TEXTS)
    with pytest.raises(ValueError, match="rows"):
        small.fit(TEXTS, ["x"] + ["y"] * 71)
    assert (small.predict_proba(TEXTS) == before).all()
    assert small.classes_.tolist() == ["bad", "good"]


def test_the_seed_may_be_drawn_as_by_scikit_learn(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": TEXTS, "label": LABELS})
    drawn = np.random.RandomState(7).randint(2**31)
    states: list[tuple[Any, int]] = [(None, 0), (np.int64(3), 3), (np.random.RandomState(7), drawn)]
    for state, seed in states:
        assert FewShotClassifier("tiny", random_state=state)._fields(frame, tmp_path)["protocol"]["seed"] == seed
    wrong: Any = np.random.default_rng(0)
    with pytest.raises(ValueError, match="random_state must be a whole number"):
        FewShotClassifier("tiny", random_state=wrong)._fields(frame, tmp_path)


def test_it_works_within_scikit_learn(small: FewShotClassifier) -> None:
    pipeline = make_pipeline(FunctionTransformer(lambda texts: [text.upper() for text in texts]), small)
    assert pipeline.fit(TEXTS, LABELS).score(TEXTS, LABELS) > 0.8
    assert cross_val_score(small, TEXTS, LABELS, cv=2).min() > 0.5
    with pytest.raises(NotFittedError):
        clone(small).predict(TEXTS)


def test_the_same_call_resumes_in_a_folder_of_ones_own(small: FewShotClassifier, tmp_path: Path) -> None:
    first, second = (clone(small).set_params(root=tmp_path).fit(TEXTS, LABELS) for _ in range(2))
    assert first.result_.records.trials == second.result_.records.trials
    assert len(list(tmp_path.glob("fit-*"))) == 1


@pytest.mark.parametrize(
    ("texts", "labels", "said"),
    [
        ("one text", ["a"], "X must be a list of texts"),
        (dict.fromkeys(TEXTS), LABELS, "X must be a list of texts; received dict"),
        (set(TEXTS), LABELS, "X must be a list of texts; received set"),
        (np.array("one text"), ["a"], "X must be a list of texts; received ndarray"),
        ([*TEXTS[:-1], "half a character \ud83d"], LABELS, "texts must be valid Unicode; received half of a character"),
        (TEXTS, None, "requires y to be passed"),
        (TEXTS, LABELS[:-1], "inconsistent numbers of samples"),
        ([*TEXTS[:-1], 3.0], LABELS, "received float in row 71"),
        (np.zeros((72, 3)), LABELS, r"received the shape \(72, 3\)"),
        ([], [], "minimum of 1 is required"),
        (TEXTS, np.linspace(0, 1, 72), "Unknown label type"),
        (TEXTS, ["a"] * 72, "y must have at least two classes; received 'a' for all 72 texts"),
        (TEXTS, ["a"] + ["b"] * 71, "rows"),
        (TEXTS, [None, *LABELS[1:]], "y must hold the label of each text; received None in row 0"),
        (TEXTS, ["1.0", "1", "2"] * 24, "must differ in more than spaces and the spelling of numbers"),
        (TEXTS, ["a ", "a", "b"] * 24, "must differ in more than spaces"),
    ],
)
def test_bad_input_is_a_value_error(small: FewShotClassifier, texts: Any, labels: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        small.fit(texts, labels)


# ---- scikit-learn's own checks


class OfNumbers(FewShotClassifier):
    """Takes the numbers that scikit-learn's checks bring: each row becomes a text of words that its signs choose."""

    def fit(self, X: Any, y: Any) -> Any:
        """Fit to the texts of the rows."""
        return super().fit(_in_words(X), y)

    def predict_proba(self, X: Any) -> Any:
        """The probabilities of each row."""
        return super().predict_proba(_in_words(X))


def _in_words(X: Any) -> list[str]:
    rows = np.asarray(X, dtype=float).reshape(len(X), -1)  # one column, by the tag of texts
    return [" ".join(f"{'good' if value > 0 else 'bad'} {abs(value):.3f}" for value in row) for row in rows]


CHECKS: tuple[Callable[..., None], ...] = (
    estimator_checks.check_estimator_cloneable,
    estimator_checks.check_estimator_tags_renamed,
    estimator_checks.check_valid_tag_types,
    estimator_checks.check_estimator_repr,
    estimator_checks.check_no_attributes_set_in_init,
    estimator_checks.check_fit_score_takes_y,
    estimator_checks.check_estimators_overwrite_params,
    estimator_checks.check_estimators_fit_returns_self,
    estimator_checks.check_estimators_unfitted,
    estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
    estimator_checks.check_mixin_order,
    estimator_checks.check_parameters_default_constructible,
    estimator_checks.check_get_params_invariance,
    estimator_checks.check_set_params,
    estimator_checks.check_fit_idempotent,
    estimator_checks.check_fit_check_is_fitted,
    estimator_checks.check_estimators_pickle,
    estimator_checks.check_requires_y_none,
)
"""Those that say something of an estimator of texts.

Left out: all on the values, shapes, types, sparsity and names of columns of a matrix (NaN, infinity, one feature,
`n_features_in_`, `feature_names_in_`, memory maps), as there is none; on sample and class weights, which are not taken;
on learning from rows of numbers (`check_classifiers_train`, `check_classifiers_classes`), which an encoder cannot;
those that take a column of their matrix after they have made it one of texts (`check_dict_unchanged`,
`check_dont_overwrite_parameters`, `check_methods_subset_invariance`, `check_methods_sample_order_invariance`).
"""


def test_scikit_learn_accepts_it(small: FewShotClassifier) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)  # that it takes texts
        estimator_checks.check_estimator(small)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_check_of_scikit_learn_passes(check: Callable[..., None], tiny_bert: Path, shared: Path) -> None:
    estimator = OfNumbers(
        str(tiny_bert),
        recipes=("frozen",),
        trials=1,
        draws=2,
        shots=1,
        root=shared,
        spec={**SPEC, "protocol.replicates": 1},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        check("FewShotClassifier", estimator)
