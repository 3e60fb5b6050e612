"""What a confirmation kept of how sure its classifiers were, row by row.

Shapes: K draws, T test rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweep.records.confirmation import ConfirmationRecord

__all__ = ["Judged", "judged"]

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """How sure an arm was on the draws of which that is on record.

    draws: their indices.
    right_KT: 1 where a draw gets a row right, 0 where not, NaN where it does not test it.
    values: what `trainable.confidences` keeps, by name, in the same shape; those that all draws have.
    temperatures: of each draw; None where no rows told one.
    out_of_fold: whether they come from the search, in which rows of its draws took turns to be left out, since the
        draws have no validation rows of their own.
    """

    draws: tuple[int, ...]
    right_KT: Values
    values: Mapping[str, Values]
    temperatures: tuple[float | None, ...]
    out_of_fold: bool = False

    def has(self, name: str) -> bool:
        """Whether a value is known of all draws."""
        return name in self.values


def judged(confirmation: ConfirmationRecord | None, labels_T: NDArray[np.int64]) -> Judged | None:
    """What is on record of a confirmation; None where no draw has kept how sure it was, as in sweeps of before."""
    known = [
        each.evaluation
        for each in (confirmation.replicates if confirmation is not None else ())
        if each.evaluation.initialisation == 0 and each.evaluation.confidences and each.evaluation.predicted
    ]
    known.sort(key=lambda each: each.draw)
    if not known:
        return None
    right_KT = np.full((len(known), len(labels_T)), np.nan)
    by_draw: list[dict[str, Values]] = []
    for place, found in enumerate(known):
        assert found.confidences is not None, "chosen so"
        assert found.predicted is not None, "chosen so"
        rows = np.array(found.tested, dtype=np.int64) if found.tested else np.arange(len(labels_T))
        right_KT[place, rows] = found.predicted.judged == labels_T[rows]
        by_draw.append(
            {name: _placed(values, rows, len(labels_T)) for name, values in found.confidences.values().items()}
        )
    names = [name for name in by_draw[0] if all(name in each for each in by_draw)]
    return Judged(
        draws=tuple(each.draw for each in known),
        right_KT=right_KT,
        values={name: np.stack([each[name] for each in by_draw]) for name in names},
        temperatures=tuple(each.confidences.temperature for each in known if each.confidences is not None),
        out_of_fold=not any("val_accuracy" in each.metrics for each in known),
    )


def _placed(values_S: Values, rows: NDArray[np.int64], tests: int) -> Values:
    values_T = np.full(tests, np.nan)
    values_T[rows] = values_S
    return values_T
