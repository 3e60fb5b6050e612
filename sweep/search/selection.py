"""Selection: the finalists and the winner of a cell, and the draws on which they are trained again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from sweep.records.confirmation import ConfirmationRecord, Role
from sweep.records.trial import TrialRecord
from trainable.draws import CONFIRMATION_START
from trainable.outcomes import Evaluation, Outcome

if TYPE_CHECKING:
    from sweep.spec.blocks import Confirm

__all__ = ["Replicate", "Wanted", "finalists", "wanted", "winner"]


@dataclass(frozen=True, slots=True)
class Replicate:
    """One training of a configuration.

    draw: number of the draw.
    initialisation: number of the initialisation on that draw.
    """

    draw: int
    initialisation: int = 0

    def __str__(self) -> str:
        return f"{self.draw}.{self.initialisation}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A trial to be trained again.

    role: as a finalist or as the winner.
    trial: the trial.
    replicates: the trainings that it needs.
    """

    role: Role
    trial: TrialRecord
    replicates: tuple[Replicate, ...]

    def missing(self, record: ConfirmationRecord | None) -> list[Replicate]:
        """The replicates that `record` does not have yet."""
        done = set() if record is None else {_replicate(known.evaluation) for known in record.replicates}
        return [replicate for replicate in self.replicates if replicate not in done]

    def record_among(self, confirmations: Sequence[ConfirmationRecord]) -> ConfirmationRecord | None:
        """The record of this trial in this role; None if it has not begun."""
        own = (record for record in confirmations if (record.role, record.trial) == (self.role, self.trial.number))
        return next(own, None)


def wanted(
    trials: Sequence[TrialRecord],
    confirmations: Sequence[ConfirmationRecord],
    confirm: Confirm,
    draws: int | None = None,
) -> tuple[Wanted, ...]:
    """The trials of a cell to be trained again once its search has ended: the finalists, and after them the winner.

    trials, confirmations: those of the cell.
    confirm: the spec's block.
    draws: how many draws the winner needs now; all of them by default.

    Empty if no trial completed, or if `confirm.draws` is 0.
    """
    best = finalists(trials, confirm) if confirm.draws else ()
    deciders = tuple(Wanted(Role.FINALIST, trial, _further(trial, confirm)) for trial in best) if len(best) > 1 else ()
    if not best or any(finalist.missing(finalist.record_among(confirmations)) for finalist in deciders):
        return deciders
    chosen = winner(trials, confirmations, confirm)
    assert chosen is not None, "there are finalists"
    return (*deciders, Wanted(Role.CONFIRMATION, chosen, _fresh(confirm, draws)))


def finalists(trials: Sequence[TrialRecord], confirm: Confirm) -> tuple[TrialRecord, ...]:
    """The best completed trials of a cell, best first: at most `confirm.finalists`, all of them tied with the best.

    A trial is tied if the best one's mean lead over it, on their common draws, is at most one standard error of that
    lead. With one draw there is no standard error, and only equal scores are tied. Where no trial has a score, the one
    configuration that there is has nothing to be chosen by.
    """
    ended = [trial for trial in trials if trial.outcome is Outcome.COMPLETED]
    completed = [trial for trial in ended if trial.score is not None] or ended[:1]
    ranked = sorted(completed, key=lambda trial: (-(trial.score or 0.0), trial.number))
    return tuple(trial for trial in ranked[: confirm.finalists] if _tied(ranked[0], trial))


def winner(
    trials: Sequence[TrialRecord], confirmations: Sequence[ConfirmationRecord], confirm: Confirm
) -> TrialRecord | None:
    """The finalist with the highest mean score over its draws of the search and its further draws.

    Of equal ones, the earlier trial; None if no trial completed.
    """
    best = finalists(trials, confirm)
    if len(best) < 2:
        return best[0] if best else None
    return max(best, key=lambda trial: (_mean_with_further(trial, confirmations), -trial.number))


def _further(trial: TrialRecord, confirm: Confirm) -> tuple[Replicate, ...]:
    first = trial.config.replicates
    return tuple(Replicate(first + number) for number in range(confirm.finalist_draws))


def _fresh(confirm: Confirm, count: int | None) -> tuple[Replicate, ...]:
    draws = [CONFIRMATION_START + number for number in range(confirm.draws if count is None else count)]
    return (*map(Replicate, draws), *(Replicate(draw, 1) for draw in draws[: confirm.reseeded]))


def _tied(best: TrialRecord, other: TrialRecord) -> bool:
    if other is best:
        return True
    leads = [ours - theirs for ours, theirs in zip(best.replicate_scores, other.replicate_scores, strict=False)]
    error = stdev(leads) / sqrt(len(leads)) if len(leads) > 1 else 0.0
    return fmean(leads) <= error


def _mean_with_further(trial: TrialRecord, confirmations: Sequence[ConfirmationRecord]) -> float:
    """A finalist's mean score over all its draws; a replicate that diverged or failed scores 0."""
    further = (record for record in confirmations if (record.role, record.trial) == (Role.FINALIST, trial.number))
    name = f"val_{trial.config.metric}"
    scores = [child.evaluation.metrics.get(name, 0.0) for record in further for child in record.replicates]
    return fmean([*trial.replicate_scores, *scores])


def _replicate(evaluation: Evaluation) -> Replicate:
    return Replicate(evaluation.draw, evaluation.initialisation)
