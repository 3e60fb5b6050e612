"""The label quality of the package cleanlab (Northcutt, Jiang & Chuang, 2021, arXiv:1911.00068), where it is installed.

Shapes: N rows, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

__all__ = ["LabelQuality", "label_quality"]


@dataclass(frozen=True, slots=True)
class LabelQuality:
    """What cleanlab says of N rows.

    score_N: its self-confidence, from 0 (doubtful) to 1; NaN where a row has no probabilities.
    flagged_N: whether it counts the label among those that are wrong.
    """

    score_N: NDArray[np.float64]
    flagged_N: NDArray[np.bool_]


def label_quality(probabilities_NC: NDArray[np.float64], labels_N: NDArray[np.int64]) -> LabelQuality | None:
    """What cleanlab says of labels by out-of-fold probabilities; None where it is not installed.

    Rows whose probabilities are NaN are left out, and the classes that only they have.
    """
    if find_spec("cleanlab") is None:
        return None
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    known_N = ~np.isnan(probabilities_NC).any(axis=1)
    score_N, flagged_N = np.full(len(labels_N), np.nan), np.zeros(len(labels_N), dtype=np.bool_)
    present, numbered_M = np.unique(labels_N[known_N], return_inverse=True)
    if len(present) < 2:
        return LabelQuality(score_N, flagged_N)
    kept_MC = probabilities_NC[known_N][:, present]
    kept_MC = kept_MC / kept_MC.sum(axis=1, keepdims=True)
    score_N[known_N] = get_label_quality_scores(numbered_M, kept_MC)
    flagged_N[known_N] = find_label_issues(numbered_M, kept_MC, n_jobs=1)
    return LabelQuality(score_N, flagged_N)
