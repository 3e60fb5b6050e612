"""The metrics of a replicate whose classifier has one rule: on its validation rows, and on the test part if asked for.

Shapes: N rows to score, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainable.evaluation.assessment import Assessment, assess_scores
from trainable.learner import DivergedError

if TYPE_CHECKING:
    from trainable.datasets.text_data import Rows
    from trainable.recipes.entry import Trial

__all__ = ["assess_parts"]

Indices = NDArray[np.int64]


def assess_parts(trial: Trial, replicate: int, score: Callable[[Rows, Indices], NDArray[np.floating]]) -> Assessment:
    """Return the metrics of the validation rows and, with part "test", those of the draw's test rows with confusion.

    score: called as score(rows, indices_N) -> scores_NC; larger = nearer.

    Raises DivergedError if a score is no number.
    """
    data, sample = trial.data, trial.samples[replicate]
    own = len(sample.validation) > 0  # with cross-validation a draw has none
    metrics = dict(_assessed("val_", score, data.pool, sample.validation).metrics) if own else {}
    if trial.part != "test":
        return Assessment(metrics)
    tested = _assessed("test_", score, data.test, trial.test_rows(replicate))
    return Assessment({**metrics, **tested.metrics}, tested.confusion, tested.predicted)


def _assessed(
    prefix: str, score: Callable[[Rows, Indices], NDArray[np.floating]], rows: Rows, wanted: Indices
) -> Assessment:
    scores_NC = score(rows, wanted)
    if np.isnan(scores_NC).any():
        raise DivergedError(0, "class scores are no numbers")
    return assess_scores(prefix, scores_NC, rows.labels_N[wanted])
