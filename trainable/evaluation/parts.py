"""The metrics of a replicate whose classifier has one rule: on its validation rows, and on the test part if asked for.

Shapes: N rows to score, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trainable.evaluation.assessment import Assessment, assess_scores, assess_validation, temperature_of
from trainable.learner import DivergedError

if TYPE_CHECKING:
    from trainable.datasets.text_data import Rows
    from trainable.recipes.entry import Trial

__all__ = ["assess_parts"]

Indices = NDArray[np.int64]

Score: TypeAlias = Callable[["Rows", Indices], NDArray[np.floating]]
"""Called as score(rows, indices_N) -> scores_NC; larger = nearer."""


def assess_parts(trial: Trial, replicate: int, score: Score, nearest: Score | None = None) -> Assessment:
    """Return the metrics of the validation rows and, with part "test", those of the draw's test rows with confusion,
    and with confidences whose temperature is that of the validation rows; where there are none, that of the trial.

    score: by the classifier. nearest: by the nearest centroid, if any.

    Raises DivergedError if a score is no number.
    """
    data, sample = trial.data, trial.samples[replicate]
    metrics: dict[str, float] = {}
    temperature = trial.temperature
    if len(sample.validation):  # with cross-validation a draw has none
        scores_NC, labels_N = _checked(score, data.pool, sample.validation), data.pool.labels_N[sample.validation]
        metrics |= assess_validation(scores_NC, labels_N).metrics
        temperature = temperature_of(scores_NC, labels_N) if trial.part == "test" else None
    if trial.part != "test":
        return Assessment(metrics)
    wanted = trial.test_rows(replicate)
    tested = assess_scores(
        "test_",
        _checked(score, data.test, wanted),
        data.test.labels_N[wanted],
        temperature=temperature,
        nearest_NC=None if nearest is None else nearest(data.test, wanted),
    )
    return replace(tested, metrics={**metrics, **tested.metrics})


def _checked(score: Score, rows: Rows, wanted: Indices) -> NDArray[np.floating]:
    scores_NC = score(rows, wanted)
    if np.isnan(scores_NC).any():
        raise DivergedError(0, "class scores are no numbers")
    return scores_NC
