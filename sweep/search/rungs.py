"""Rungs: where they are, which trials continue after one, and whether it predicts the final order.

These are pure functions of scores. A trial's evaluations are numbered from 1: n = replicate * E + evaluation point. A
rung is an evaluation number at which a trial is compared with the other trials of its cell that reached it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["LEAST_TAU", "LEAST_TRIALS", "default_rungs", "falls_behind", "is_predictive", "later_quality", "rung_tau"]

LEAST_TRIALS = 5
"""The fewest trials for which Kendall's tau is computed: the order of four or fewer carries almost no information."""

# Measured (MiniLM, TREC, 4 labels a class, 36 configurations on 5 draws; figures not kept): scores on one draw agree
# with the mean of the other draws with tau 0.1, close to chance, after a quarter of the steps, 0.2 half-way, and 0.3 at
# the end. So a rung below 0.2 says less than half a draw does. At 8 labels a class, on 6 draws, it is 0.2 half-way and
# 0.3 at the end on CR, and 0.7 and 0.8 on TREC (`tests/benchmarks/results/rungs.json`).
LEAST_TAU = 0.2
"""The lowest tau with which a rung counts as predictive of the final order."""


def default_rungs(replicates: int, evaluations: int) -> tuple[int, ...]:
    """Evaluation numbers of the default rungs: half-way through the first replicate, then after 1, 2, 4, ... of them.

    Few-shot scores are noise until averaged over draws, so most rungs stand between replicates and not inside them.
    """
    rungs = [evaluations // 2] if evaluations > 1 else []
    done = 1
    while done < replicates:
        rungs.append(done * evaluations)
        done *= 2
    return tuple(rungs)


def falls_behind(score: float, recorded: Sequence[float], reduction_factor: int, minimum: int) -> bool:
    """True if a score is not among the best 1 / reduction_factor of those recorded at its rung, itself included.

    Ties continue, and so do all trials while fewer than `minimum` (or reduction_factor) scores are recorded.
    """
    if len(recorded) < max(minimum, reduction_factor):
        return False
    return score < sorted(recorded, reverse=True)[len(recorded) // reduction_factor - 1]


def later_quality(finals: Sequence[float], rung: int, evaluations: int) -> float:
    """The mean final score of the replicates that had not begun at the rung, so that it is independent of the rung.

    finals: the final score of each replicate of a completed trial, in order.
    rung: an evaluation number.
    evaluations: number of evaluations in a replicate.

    A rung inside the only replicate has no later one; the final score of that replicate is used.
    """
    used = max(1, rung // evaluations)
    later = finals[used:] or finals[-1:]
    return sum(later) / len(later)


def rung_tau(pairs: Iterable[tuple[float, float]]) -> float | None:
    """Kendall's tau-b between the scores at a rung and the later quality, one pair for each completed trial.

    None with fewer than `LEAST_TRIALS` trials, or if all trials are equal in one of the two.
    """
    known = list(pairs)
    scores, qualities = [score for score, _ in known], [quality for _, quality in known]
    if len(known) < LEAST_TRIALS or len(set(scores)) == 1 or len(set(qualities)) == 1:
        return None
    from scipy import stats

    return float(stats.kendalltau(scores, qualities).statistic)


def is_predictive(taus: Iterable[float | None]) -> bool | None:
    """True if no known tau is below `LEAST_TAU`, else False; None if no tau is known."""
    known = [tau for tau in taus if tau is not None]
    return all(tau >= LEAST_TAU for tau in known) if known else None
