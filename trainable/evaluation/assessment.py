"""Metrics of a trained classifier on held-out rows, by each of several classification rules. Pure functions of arrays.

What a rule leaves open (neighbours, weight, temperature) is chosen on validation rows, never on the rows scored.

Shapes: N rows, K nearest training rows (the nearest first), C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trainable.calibration import fitted_temperature
from trainable.confidences import Confidences
from trainable.evaluation.choices import (
    MOST_NEIGHBOURS,
    Mixture,
    choose_mixture,
    choose_neighbours,
    neighbour_scores,
)
from trainable.evaluation.metrics import classification_metrics, confusion_matrix, cross_entropy
from trainable.predicted_classes import PredictedClasses

__all__ = [
    "MOST_NEIGHBOURS",
    "ONLY_RULE",
    "Assessment",
    "Mixture",
    "Rule",
    "Scores",
    "assess_scores",
    "assess_test",
    "assess_validation",
    "choose_mixture",
    "choose_neighbours",
    "cross_fitted",
    "neighbour_scores",
    "temperature_of",
]

ONLY_RULE = "classifier"
"""The name of the rule of a recipe that has one."""

Rule: TypeAlias = Literal["head", "nearest", "neighbours", "mixture", "logistic"]
"""What classifies a row: the head, the nearest proxy or centroid, the nearest training rows, a mixture of head and
nearest, or a logistic regression on the embeddings of the training rows."""

Floats = NDArray[np.floating]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """The scores of N labelled rows by each classification rule; larger = nearer, except in raw_NC.

    labels_N: the rows' classes.
    head_NC: logits of the classification head.
    nearest_NC: scores of the nearest proxy or centroid (`inference.class_scores`).
    cosines_NK: cosine similarity to the nearest training rows.
    neighbours_NK: classes of the nearest training rows.
    logistic_NC: log-probabilities of a logistic regression on the embeddings of the training rows; else None, where it
        is not the rule of the search.
    raw_NC: the library's logits of the proxies, without the temperature and the sign that make them scores; only for
        the published rule, else None.
    embeddings_ND: what all but the head score by; None where they were not kept.
    weights_N: how much each row counts where something is chosen on them, 1 on average; None: all alike.
    """

    labels_N: Labels
    head_NC: Floats
    nearest_NC: Floats
    cosines_NK: Floats
    neighbours_NK: Labels
    logistic_NC: Floats | None = None
    raw_NC: Floats | None = None
    embeddings_ND: Floats | None = None
    weights_N: NDArray[np.float64] | None = None

    def at(self, rows: NDArray[np.int64]) -> Scores:
        """Return the scores of the rows at these positions."""
        parts: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        chosen: dict[str, Any] = {name: None if part is None else part[rows] for name, part in parts.items()}
        return Scores(**chosen)

    @property
    def are_finite(self) -> bool:
        """Whether all scores but raw_NC are finite."""
        return all(np.isfinite(scores).all() for scores in (self.head_NC, self.nearest_NC, self.cosines_NK))


@dataclass(frozen=True, slots=True)
class Assessment:
    """The metrics of one evaluation.

    metrics: by name.
    confusion: number of test rows by class (first axis) and predicted class; empty where no test rows were scored.
    predicted: the classes of the scored rows by each rule, the one that counts first; None where there are no test
        rows.
    confidences: how sure the classifier was of these rows by the rule that counts; None likewise.
    scores_NC: of these rows by that rule; their softmax is its probabilities. Too large to be recorded; None likewise.
    """

    metrics: Mapping[str, float]
    confusion: tuple[tuple[int, ...], ...] = ()
    predicted: PredictedClasses | None = None
    confidences: Confidences | None = None
    scores_NC: Floats | None = field(default=None, repr=False, compare=False)


_UNCHOSEN_NEIGHBOURS, _UNCHOSEN_MIXTURE = 5, Mixture(0.5, 1.0)


def assess_validation(scores_NC: Floats, labels_N: Labels) -> Assessment:
    """Return `val_accuracy`, `val_macro_f1`, `val_weighted_f1` and `val_loss` (nats) of scores by the search's rule."""
    return Assessment(_metrics("val_", scores_NC, labels_N))


def assess_scores(
    prefix: str,
    scores_NC: Floats,
    labels_N: Labels,
    *,
    temperature: float | None = None,
    nearest_NC: Floats | None = None,
) -> Assessment:
    """Return `accuracy`, `macro_f1`, `weighted_f1` and `loss` (nats), named with a prefix, the confusion of scores by
    the one rule that a recipe has, and their confidences.

    temperature: of rows that were not scored here. nearest_NC: scores of the nearest centroid, if any.
    """
    classes_N = scores_NC.argmax(axis=1)
    counts_CC = confusion_matrix(labels_N, classes_N, scores_NC.shape[1])
    predicted = PredictedClasses.of({ONLY_RULE: classes_N})
    confidences = Confidences.of(scores_NC, labels_N, temperature=temperature, nearest_NC=nearest_NC)
    confusion = tuple(map(tuple, counts_CC.tolist()))
    return Assessment(_metrics(prefix, scores_NC, labels_N), confusion, predicted, confidences, scores_NC)


def assess_test(
    validation: Scores | None, test: Scores, *, beta: float, rule: Rule, temperature: float | None = None
) -> Assessment:
    """Return the metrics by which a confirmation judges one trained classifier.

    - `val_*` and `test_*`: `accuracy`, `macro_f1`, `weighted_f1` and `loss` of the rule that the search uses; its
      confusion on the test rows.
    - `test_RULE_accuracy` and `test_RULE_macro_f1` of each rule; where `beta` is 0 and the head has learned nothing,
      without head and mixture; of `logistic` where it is the rule of the search. Of `published`, the mixture of the
      papers' code, where there are raw scores.
    - choices made on the validation rows: `neighbours_k`, `mixture_weight`, `mixture_temperature`. Without validation
      rows, as with cross-validation, there are no `val_*` either, and what is open is 5 neighbours and an even mixture.

    temperature: what scores are divided by where there are no validation rows, from rows that are not scored here.

    The confidences are those of the search's rule, with the temperature of the validation rows, if there are any.
    """
    rules, choices = _rules(validation, test, beta)
    metrics: dict[str, float] = {}
    if validation is not None:
        scores_NC = cross_fitted(rule, validation, beta=beta)
        metrics |= _metrics("val_", scores_NC, validation.labels_N)
        temperature = temperature_of(_logits(rule, scores_NC), validation.labels_N)
    metrics |= _metrics("test_", rules[rule], test.labels_N)
    for name, scores_NC in rules.items():
        scored = _metrics(f"test_{name}_", scores_NC, test.labels_N)
        metrics |= {each: scored[each] for each in (f"test_{name}_accuracy", f"test_{name}_macro_f1")}
    classes = {name: rules[name].argmax(axis=1) for name in dict.fromkeys((rule, *rules))}
    counts_CC = confusion_matrix(test.labels_N, classes[rule], test.nearest_NC.shape[1])
    logits_NC = _logits(rule, rules[rule])
    confidences = Confidences.of(logits_NC, test.labels_N, temperature=temperature, nearest_NC=test.nearest_NC)
    confusion = tuple(map(tuple, counts_CC.tolist()))
    return Assessment(metrics | choices, confusion, PredictedClasses.of(classes), confidences, logits_NC)


def temperature_of(scores_NC: Floats, labels_N: Labels) -> float | None:
    """Return the temperature of scores of rows that trained nothing; None without such rows."""
    return fitted_temperature(scores_NC.astype(np.float64), labels_N).temperature if len(labels_N) else None


def _logits(rule: Rule, scores_NC: Floats) -> Floats:
    """Return scores whose softmax is the probabilities of a rule: a mixture has given these themselves."""
    return np.log(np.maximum(scores_NC, np.finfo(np.float64).tiny)) if rule == "mixture" else scores_NC


def _rules(validation: Scores | None, test: Scores, beta: float) -> tuple[dict[str, Floats], dict[str, float]]:
    """Return scores_NC of the test rows by each rule's name, and the choices made on the validation rows."""
    num_classes = test.nearest_NC.shape[1]
    k = min(_UNCHOSEN_NEIGHBOURS, test.neighbours_NK.shape[1])
    if validation is not None:
        labels_N, weights_N = validation.labels_N, validation.weights_N
        k = choose_neighbours(validation.cosines_NK, validation.neighbours_NK, labels_N, num_classes, weights_N)
    votes_NC = neighbour_scores(test.cosines_NK, test.neighbours_NK, k, num_classes)
    rules: dict[str, Floats] = {"nearest": test.nearest_NC, "neighbours": votes_NC}
    choices = {"neighbours_k": float(k)}
    if beta > 0:
        mixture = _UNCHOSEN_MIXTURE
        if validation is not None:
            mixture = choose_mixture(validation.head_NC, validation.nearest_NC, labels_N, weights_N)
        rules |= {"head": test.head_NC, "mixture": mixture.probabilities(test.head_NC, test.nearest_NC)}
        choices |= {"mixture_weight": mixture.weight, "mixture_temperature": mixture.temperature}
    if test.logistic_NC is not None:
        rules["logistic"] = test.logistic_NC
    if test.raw_NC is not None:
        rules["published"] = Mixture(beta, 1.0).probabilities(test.head_NC, test.raw_NC)
    return rules, choices


def cross_fitted(rule: Rule, scores: Scores, *, beta: float) -> Floats:
    """Return scores_NC of validation rows by a rule.

    What `neighbours` and `mixture` leave open is chosen on every second row and applied to the others, and the other
    way round: a choice made on the rows that it scores would flatter these two rules in a search.
    """
    if rule not in ("neighbours", "mixture") or len(scores.labels_N) < 2:
        return _rules(scores, scores, beta)[0][rule]
    scores_NC = np.empty(scores.nearest_NC.shape, dtype=np.float64)
    positions = np.arange(len(scores.labels_N))
    for half in (0, 1):
        scored, chosen_on = positions[half::2], positions[1 - half :: 2]
        scores_NC[scored] = _rules(scores.at(chosen_on), scores.at(scored), beta)[0][rule]
    return scores_NC


def _metrics(prefix: str, scores_NC: Floats, labels_N: Labels) -> dict[str, float]:
    metrics = classification_metrics(labels_N, scores_NC.argmax(axis=1), scores_NC.shape[1])
    metrics["loss"] = cross_entropy(scores_NC, labels_N)
    return {prefix + name: value for name, value in metrics.items()}
