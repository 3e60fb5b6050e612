"""What an explanation is made from: the texts, what models said of them, and the embeddings of a frozen encoder.

Shapes: K draws, T test rows, N labelled rows, C classes, D embedding size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sweep.errors import StoredSweepError
from sweep.explain.doubtful import Doubtful, ranked
from sweep.explain.label_quality import LabelQuality, label_quality
from sweep.explain.out_of_fold import out_of_fold, said_of
from sweep.explain.votes import UNTESTED, Votes
from sweep.records.confirmation import ConfirmationRecord
from sweep.verdict import Arm, Comparison, Verdict
from trainable.datasets.text_data import Rows, TextData

if TYPE_CHECKING:
    from trainable.config import TrialConfig

__all__ = ["FROZEN", "Material", "embedded", "gathered", "kept_classes"]

FROZEN = "frozen classifier, out of fold"
"""The name of the arm that says something of every labelled row."""
_ENCODER = "all-MiniLM-L6-v2"  # where the arm has none: a part of every installation

Classes = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What is known of the rows of a dataset.

    comparison, arm: the arm that is explained.
    data: its dataset.
    rows: all labelled rows: those of the pool, then those of the test part, unless both are the same.
    tested: which of them are the test part.
    said: of each confirmed arm of the comparison, by method, said_KT: the class that each draw's model says of each
        test row, UNTESTED where it does not test it.
    encoder: whose embeddings are used, untrained.
    unit_ND: they, of length 1.
    probability_NC: of the out-of-fold classifier, as a mean over repetitions.
    doubtful: all rows, the most doubtful label first.
    quality: cleanlab's opinion; None where it is not installed.
    """

    comparison: Comparison
    arm: Arm
    data: TextData
    rows: Rows
    tested: Classes
    said: Mapping[str, Classes]
    encoder: str
    unit_ND: NDArray[np.float64]
    probability_NC: NDArray[np.float64]
    doubtful: tuple[Doubtful, ...]
    quality: LabelQuality | None

    @property
    def config(self) -> TrialConfig:
        """The configuration that the arm was confirmed with."""
        assert self.arm.confirmation is not None, "a confirmed arm"
        return self.arm.confirmation.config

    def right(self, method: str) -> NDArray[np.float64]:
        """right_KT: 1 where a draw of an arm gets a test row right, 0 where not, NaN where it does not test it."""
        said_KT = self.said[method]
        return np.where(said_KT == UNTESTED, np.nan, said_KT == self.data.test.labels_N)

    def text(self, row: int) -> str:
        """The text of a labelled row; both of them where it is a pair."""
        return self.rows.texts[row] + (f" | {self.rows.pairs[row]}" if self.rows.pairs is not None else "")


def gathered(found: Verdict, comparison: Comparison, arm: Arm, data: TextData, name: str) -> Material:
    """Encode the rows, fit the out-of-fold classifier, and rank the labels.

    Raises StoredSweepError where the arm's record has no predictions of rows, and TrainableError for an encoder that
    cannot be used.
    """
    said = {each.method: kept_classes(each.confirmation, len(data.test)) for each in comparison.arms}
    if not len(said[arm.method]):
        raise StoredSweepError(
            f"an explanation reads what the draws of a confirmation predicted, row by row; {name!r} has kept nothing "
            f"of the kind for {arm.cell!r}: it was confirmed by an earlier version, or no draw could be scored; run "
            "the sweep anew under another name"
        )
    assert arm.confirmation is not None, "a confirmed arm"
    rows, tested = _labelled(data)
    parts = (data.pool,) if data.folds else (data.pool, data.test)
    encoder, unit_ND = embedded(arm.confirmation.config, len(data.class_names), parts)
    probabilities_RNC = out_of_fold(unit_ND, rows.labels_N, len(data.class_names))
    arms = [each for group in found.comparisons if group.dataset == comparison.dataset for each in group.arms]
    votes = _votes(arms, data, len(rows), tested, said_of(probabilities_RNC))
    probability_NC = probabilities_RNC.mean(axis=0)
    return Material(
        comparison=comparison,
        arm=arm,
        data=data,
        rows=rows,
        tested=tested,
        said={method: said_KT for method, said_KT in said.items() if len(said_KT)},
        encoder=encoder,
        unit_ND=unit_ND,
        probability_NC=probability_NC,
        doubtful=ranked(votes, probability_NC, rows.labels_N),
        quality=label_quality(probability_NC, rows.labels_N),
    )


def _votes(arms: Sequence[Arm], data: TextData, rows: int, tested: Classes, frozen_RN: Classes) -> Votes:
    """What the arms say of all labelled rows, and the out-of-fold classifier."""
    by_arm = {FROZEN: frozen_RN}
    for arm in arms:
        said_KT = kept_classes(arm.confirmation, len(data.test))
        if len(said_KT):
            by_arm[arm.cell] = np.full((len(said_KT), rows), UNTESTED)
            by_arm[arm.cell][:, tested] = said_KT
    return Votes(classes=len(data.class_names), by_arm=by_arm)


def kept_classes(confirmation: ConfirmationRecord | None, tests: int) -> Classes:
    """said_KT of a confirmation: a row for each draw whose predictions are on record, trained with its first
    initialisation."""
    found = []
    for replicate in confirmation.replicates if confirmation is not None else ():
        evaluation = replicate.evaluation
        if evaluation.predicted is not None and evaluation.initialisation == 0:
            said_T = np.full(tests, UNTESTED, dtype=np.int64)
            said_T[list(evaluation.tested) or slice(None)] = evaluation.predicted.judged
            found.append(said_T)
    return np.stack(found) if found else np.empty((0, tests), dtype=np.int64)


def _labelled(data: TextData) -> tuple[Rows, Classes]:
    """All labelled rows, and which of them are the test part."""
    if data.folds:
        return data.pool, np.arange(len(data.pool))
    both = data.pool, data.test
    pairs = None if data.pool.pairs is None else tuple(pair for part in both for pair in part.pairs or ())
    rows = Rows(data.pool.texts + data.test.texts, pairs, np.concatenate([part.labels_N for part in both]))
    return rows, np.arange(len(data.pool), len(rows))


def embedded(config: TrialConfig, classes: int, parts: Sequence[Rows]) -> tuple[str, NDArray[np.float64]]:
    """The name of an arm's encoder, and the embeddings of all rows by it as it is, of length 1.

    Raises TrainableError for an encoder that cannot be used.
    """
    from trainable.embeddings import FrozenEncoder
    from trainable.errors import EncoderError
    from trainable.learner import DivergedError

    update = {"embedding": "auto"} | ({} if config.encoder else {"encoder": _ENCODER, "encoder_revision": None})
    config = config.model_copy(update=update)
    try:
        frozen = FrozenEncoder.of(config, classes)
        rows_ND = np.concatenate([frozen.embed_all(rows) for rows in parts]).astype(np.float64)
    except DivergedError as error:
        raise EncoderError(
            f"texts are compared by finite embeddings; {error}: explain an arm of another encoder"
        ) from error
    return config.encoder, rows_ND / np.maximum(np.linalg.norm(rows_ND, axis=1, keepdims=True), 1e-12)
