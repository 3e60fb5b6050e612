"""What a search saves that ends once more trials are not worthwhile, and what it loses: replayed on real scores.

    python -m tests.benchmarks.stopping

The kept table of `tests.benchmarks.rungs`: 20 configurations on TREC and 16 on CR, in random orders, each trained on
four of six draws; the other two say what the chosen one is worth.

Shapes: K configurations, N draws, E evaluations of a replicate.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sweep.records.trial import EvaluationRecord, TrialRecord
from sweep.verdict.worthwhile import enough
from tests.benchmarks.rung_table import RungTable
from tests.benchmarks.rungs import TABLE, populations
from trainable.config import TrialConfig
from trainable.outcomes import Evaluation, Outcome

__all__ = ["RESULTS", "measure"]

RESULTS = Path(__file__).parent / "results" / "stopping.json"
SEARCHED, DRAWS, TESTS = 4, 20, 3
CONFIG = TrialConfig.model_validate(
    {"dataset": {"name": "table"}, "shots": 8, "encoder": "tiny", "replicates": SEARCHED}
)

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Replay:
    """ended: share of the trials after which the search ended. lost: what the one that it chose is worth less than the
    choice among all, in points. resolved: what the confirmation could resolve, in points; NaN where it did not end."""

    ended: float
    lost: float
    resolved: float


def _replay(scores_KN: Scores) -> Replay:
    search_K, worth_K = scores_KN[:, :SEARCHED].mean(axis=1), scores_KN[:, SEARCHED:].mean(axis=1)
    trials = [_trial(number, scores_N[:SEARCHED]) for number, scores_N in enumerate(scores_KN)]
    found = enough(trials, len(trials), DRAWS, TESTS)
    if found is None:
        return Replay(1.0, 0.0, float("nan"))
    lost = worth_K[search_K.argmax()] - worth_K[search_K[: found.trials].argmax()]
    return Replay(found.trials / len(trials), 100 * float(lost), 100 * found.resolved)


def _trial(number: int, scores_N: Scores) -> TrialRecord:
    evaluations = (
        Evaluation(draw=draw, replicate=draw, point=CONFIG.evaluations, step=1, metrics={"val_accuracy": float(score)})
        for draw, score in enumerate(scores_N)
    )
    return TrialRecord(
        cell="table",
        number=number,
        params={},
        config=CONFIG,
        started=0.0,
        outcome=Outcome.COMPLETED,
        score=float(scores_N.mean()),
        evaluations=tuple(
            EvaluationRecord(number=draw + 1, time=0.0, score=None, evaluation=each)
            for draw, each in enumerate(evaluations)
        ),
    )


def measure(repeats: int) -> dict[str, dict[str, float]]:
    """Return, by cell, how often and when the search ended, and what that lost."""
    table = {}
    for cell, scores_KNE in populations(RungTable.read(TABLE), "searched", SEARCHED + 2).items():
        rng, found = np.random.default_rng(0), []
        for _ in range(repeats):
            last_KN = scores_KNE[..., -1]
            found.append(_replay(last_KN[rng.permutation(len(last_KN))][:, rng.permutation(last_KN.shape[1])]))
        lost = np.array([each.lost for each in found])
        table[cell] = {
            "repeats": repeats,
            "trials": len(scores_KNE),
            "trained": round(100 * float(np.mean([each.ended for each in found])), 1),
            "ended_early": round(100 * float(np.mean([each.ended < 1 for each in found])), 1),
            "lost": round(float(lost.mean()), 2),
            "standard_error": round(float(lost.std(ddof=1) / np.sqrt(repeats)), 2),
            "resolved": round(float(np.nanmean([each.resolved for each in found])), 1),
        }
    return table


def main() -> None:
    """Measure all of it; some seconds."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    table = measure(500)
    RESULTS.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
