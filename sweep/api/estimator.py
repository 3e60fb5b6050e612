"""An estimator of scikit-learn whose `fit` is a small sweep with a verdict.

Shapes: N texts, C classes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin  # type: ignore[import-untyped]
from sklearn.utils import check_consistent_length  # type: ignore[import-untyped]
from sklearn.utils.validation import check_is_fitted, validate_data  # type: ignore[import-untyped]

from sweep.api.classifier import Classifier, refit
from sweep.api.estimator_fields import (
    check_one_comparison,
    further_fields,
    in_words_of_the_estimator,
    path_text,
    several_draws,
    values_of_axis,
    without_moved,
)
from sweep.api.estimator_input import (
    check_known,
    check_learned,
    check_several,
    check_targets,
    class_names,
    labels_of,
    texts_and_pairs,
    warn_of_order,
)
from sweep.api.estimator_rows import learnable_rows, shots_of, tested_share
from sweep.api.result import Result
from sweep.api.running import checked_spec, run
from sweep.errors import FolderError
from sweep.verdict import Verdict
from trainable.dataset_config import FEW_ROWS
from trainable.losses import LOSSES
from trainable.recipes import RECIPES

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    from sklearn.utils import Tags

__all__ = ["FewShotClassifier"]

_MANY = 200  # validation rows of a draw that are scored at most


class FewShotClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A text classifier for few labels. `fit` compares methods in a small sweep, and trains the winner on all rows.

    encoder: Hugging Face id, folder or packaged encoder.
    embedding: how it makes a sentence of its tokens: what its folder states, or else their mean (`auto`); `mean`, `cls`
        or another of a trial.
    recipes, losses: what is compared, or the one that is trained; `frozen`, where it is among them, is the baseline.
        Losses are for the recipes that take one. By default what nothing was seen to beat
        untuned (`tests/benchmarks/README.md#do-the-defaults-win`).
    shots: labels of a class in each training of the comparison, as in a spec: a number, `at most N` or `all`; by
        default half of what the class of the median size has beside the test part, at most 16, and fewer of a class
        that has fewer.
    trials: configurations of each method that are tried.
    draws: random samples on which each method's best one is confirmed.
    spec: further fields of a spec, by dotted name, as `{"search.encoder_lr": [1e-4, 3e-4]}`; they take the place of
        what a parameter, or the estimator itself, sets.
    random_state: seed of all draws; None is 0.
    root: the folder that keeps the sweep; the same call then resumes it. By default a temporary one, which lasts as
        long as the fitted estimator.
    progress: whether to show how far the sweep is.

    After `fit`:

    classes_: the labels, sorted.
    result_, verdict_: what came of the sweep: tables and report; which method won, by how much, and how sure that is.
    classifier_: the winner, with `save`; labels are texts there.
    feature_names_in_: the columns of a DataFrame of pairs; `predict` takes one with the same, in that order.
    """

    def __init__(
        self,
        encoder: str = "all-MiniLM-L6-v2",
        *,
        embedding: str = "auto",
        recipes: Sequence[str] | str = ("frozen", "metric_then_head"),
        losses: Sequence[str] | str = ("supcon",),
        shots: int | str | None = None,
        trials: int = 4,
        draws: int = 8,
        spec: Mapping[str, Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
        root: str | Path | None = None,
        progress: bool = False,
    ) -> None:
        self.encoder = encoder
        self.embedding = embedding
        self.recipes = recipes
        self.losses = losses
        self.shots = shots
        self.trials = trials
        self.draws = draws
        self.spec = spec
        self.random_state = random_state
        self.root = root
        self.progress = progress

    classes_: NDArray[Any]
    result_: Result
    verdict_: Verdict
    classifier_: Classifier

    def fit(self, X: Any, y: Any) -> Self:
        """Compare the methods on these texts, and train the winner on all of them.

        X: N texts, as a list, an array or a Series; pairs of texts as an array or a DataFrame of two columns, or as a
            list of tuples.
        y: their labels, texts or numbers.

        Raises ValueError, as SweepError and TrainableError are, for data that cannot be used.
        """
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None: give the label of each text"
            )
        texts, pairs = texts_and_pairs(X)
        labels = labels_of(y)
        check_consistent_length(texts, labels)
        warn_of_order(X, y)
        check_known(labels)
        check_targets(labels)
        classes, places_N = np.unique(labels, return_inverse=True)
        check_several(classes, len(labels))
        names = class_names(classes)
        frame = _frame(texts, pairs, [names[place] for place in places_N.tolist()])
        root = self._temporary() if self.root is None else Path(path_text("root", self.root))
        overrides = further_fields(self.spec)
        fields = without_moved(self._fields(frame, root), overrides)
        asked = [fields, *([overrides] if overrides else [])]
        content = frame.to_json(orient="split") + "".join(
            json.dumps(each, sort_keys=True, default=str) for each in asked
        )
        name = f"fit-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
        with in_words_of_the_estimator(overrides):
            spec = {"name": name, **fields}
            check_one_comparison(checked_spec(spec, data=frame, overrides=overrides, root=root))
            result = run(spec, data=frame, overrides=overrides, root=root, progress=self.progress)
            classifier = refit(result)
        check_learned(classifier.labels, names)
        # All at the end: a fit that fails leaves the estimator as it was, fitted or not.
        self.classes_, self.result_, self.verdict_, self.classifier_ = classes, result, result.verdict, classifier
        self._keep_columns(X if pairs is not None else None)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The label of each text, of the type that `fit` was given: labels_N."""
        check_is_fitted(self)
        labels_N: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return labels_N

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Calibrated probabilities_NC, with the classes in the order of `classes_`."""
        check_is_fitted(self)
        texts, pairs = texts_and_pairs(X)
        if self.classifier_.model.paired != (pairs is not None):
            fitted, received = ("pairs of texts", "single texts")[:: 1 if pairs is None else -1]
            raise ValueError(
                f"X must be what `fit` was given, {fitted}; received {received}: pairs are an array or a DataFrame of "
                "two columns, or a list of tuples"
            )
        if hasattr(self, "feature_names_in_") and hasattr(X, "columns"):
            validate_data(self, X, reset=False, skip_check_array=True)
        places = {label: place for place, label in enumerate(self.classifier_.labels)}
        order = [places[name] for name in class_names(self.classes_)]
        return self.classifier_.predict_proba(texts, pairs)[:, order]

    def save(self, folder: str | Path) -> None:
        """Write the winner into a folder, as `sweep.Classifier.save` does."""
        check_is_fitted(self)
        self.classifier_.save(folder)

    def _keep_columns(self, X: Any) -> None:
        """Remember the columns of a DataFrame of pairs, by whose names `predict` tells exchanged texts."""
        if hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        if hasattr(X, "columns"):
            validate_data(self, X, reset=True, skip_check_array=True)

    def _temporary(self) -> Path:
        """A folder that is removed with the estimator. Raises FolderError where none can be made."""
        try:
            place = tempfile.mkdtemp(prefix="few-shot-")
        except OSError as error:
            raise FolderError(
                f"without a root, the sweep lies in a temporary folder; it cannot be made ({error}): name a folder of "
                "your own as root"
            ) from None
        weakref.finalize(self, shutil.rmtree, place, ignore_errors=True)
        return Path(place)

    def _fields(self, frame: pd.DataFrame, root: Path) -> dict[str, Any]:
        """The spec of the sweep, without its name."""
        pair = {"text_pair": "pair"} if "pair" in frame.columns else {}
        recipes, losses = values_of_axis("recipes", self.recipes), values_of_axis("losses", self.losses)
        trained = any(recipe not in RECIPES or RECIPES[recipe].losses != "none" for recipe in recipes)
        validation = {"validation": _MANY} if len(frame) > 4 * _MANY else {}
        counts = learnable_rows(
            frame["text"].tolist(), frame["pair"].tolist() if pair else None, frame["label"].tolist()
        )
        shots = shots_of(counts) if self.shots is None else self.shots
        return {
            "datasets": {"data": {"test_share": tested_share(counts.total()), **pair}},
            "compare": {
                "dataset": ["data"],
                "shots": [shots],
                "recipe": recipes,
                **({"loss": losses} if trained or not LOSSES.keys() >= set(losses) else {}),
            },
            "trial": {
                "encoder": path_text("encoder", self.encoder),
                "embedding": self.embedding,
                **({"head_lr": 1e-3, "batch_size": 16, "views": _views(shots)} if trained else {}),
            },
            "protocol": {
                "replicates": 1 if len(frame) < FEW_ROWS else 2,  # of few labels, each trains on four folds in turn
                "evaluations": 1,
                "steps": 30,
                "seed": _seed(self.random_state),
                **validation,
            },
            "budget": {"trials_per_cell": self.trials},
            "confirm": {"draws": several_draws(self.draws), "reseeded": 0},
            "tracking": {"uri": f"sqlite:///{root.absolute()}/mlflow.db"},
        }

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


def _frame(texts: list[str], pairs: list[str] | None, labels: list[str]) -> pd.DataFrame:
    import pandas as pd  # imported late: it takes most of a second

    return pd.DataFrame({"text": texts, **({} if pairs is None else {"pair": pairs}), "label": labels})


def _views(shots: int | str) -> int:
    """How often a step sees each row: twice where a class has one row alone, as most losses compare rows of a class."""
    return 2 if shots in (1, "at most 1") else 1


def _seed(state: object) -> int:
    """The seed of a sweep: a RandomState is asked for one, as by scikit-learn. Raises ValueError for anything else."""
    if isinstance(state, np.random.RandomState):
        return int(state.randint(2**31))
    if state is not None and (not isinstance(state, Integral) or not 0 <= int(state) < 2**32):
        raise ValueError(f"random_state must be a whole number from 0 on, a RandomState or None; received {state!r}")
    return 0 if state is None else int(state)
