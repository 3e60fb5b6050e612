"""Which trials of a cell are finalists, which one wins, and on which draws they are trained again."""

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
    from sweep.spec.model import Confirm

__all__ = ["Replicate", "Wanted", "finalists", "wanted", "winner"]


@dataclass(frozen=True, slots=True)
class Replicate:
    """A draw and one of its initialisations."""

    draw: int
    initialisation: int = 0

    def __str__(self) -> str:
        return f"{self.draw}.{self.initialisation}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A trial that is to be trained again: as what, and on which replicates."""

    role: Role
    trial: TrialRecord
    replicates: tuple[Replicate, ...]

    def missing(self, record: ConfirmationRecord | None) -> list[Replicate]:
        """The replicates that `record` does not have yet."""
        done = set() if record is None else {_replicate(each.evaluation) for each in record.replicates}
        return [each for each in self.replicates if each not in done]

    def record_among(self, confirmations: Sequence[ConfirmationRecord]) -> ConfirmationRecord | None:
        """The record of this trial in this role, if it was begun."""
        same = (each for each in confirmations if (each.role, each.trial) == (self.role, self.trial.number))
        return next(same, None)


def wanted(
    trials: Sequence[TrialRecord], confirmations: Sequence[ConfirmationRecord], confirm: Confirm
) -> tuple[Wanted, ...]:
    """What a cell needs whose search has ended: the further draws of its finalists and, with them, its winner's test.

    trials, confirmations: those of the cell. Nothing where no trial completed, or where `confirm.draws` is 0.
    """
    best = finalists(trials, confirm) if confirm.draws else ()
    deciders = tuple(Wanted(Role.FINALIST, trial, _further(trial, confirm)) for trial in best) if len(best) > 1 else ()
    if not best or any(each.missing(each.record_among(confirmations)) for each in deciders):
        return deciders
    chosen = winner(trials, confirmations, confirm)
    assert chosen is not None, "there are finalists"
    return (*deciders, Wanted(Role.CONFIRMATION, chosen, _fresh(confirm)))


def finalists(trials: Sequence[TrialRecord], confirm: Confirm) -> tuple[TrialRecord, ...]:
    """The best completed trials of a cell, best first: at most `confirm.finalists`, all of them tied with the best.

    A trial is tied when the best one's mean lead over it, on their common draws, is at most one standard error of that
    lead. With one draw there is no standard error, and only equal scores are tied.
    """
    completed = [each for each in trials if each.outcome is Outcome.COMPLETED and each.score is not None]
    ranked = sorted(completed, key=lambda each: (-(each.score or 0.0), each.number))
    return tuple(each for each in ranked[: confirm.finalists] if _tied(ranked[0], each))


def winner(
    trials: Sequence[TrialRecord], confirmations: Sequence[ConfirmationRecord], confirm: Confirm
) -> TrialRecord | None:
    """The finalist with the highest mean over its draws of the search and its further ones; of equals, the earlier."""
    best = finalists(trials, confirm)
    if len(best) < 2:
        return best[0] if best else None
    return max(best, key=lambda each: (_mean_with_further(each, confirmations), -each.number))


def _further(trial: TrialRecord, confirm: Confirm) -> tuple[Replicate, ...]:
    first = trial.config.replicates
    return tuple(Replicate(first + number) for number in range(confirm.finalist_draws))


def _fresh(confirm: Confirm) -> tuple[Replicate, ...]:
    draws = [CONFIRMATION_START + number for number in range(confirm.draws)]
    return (*map(Replicate, draws), *(Replicate(draw, 1) for draw in draws[: confirm.reseeded]))


def _tied(best: TrialRecord, other: TrialRecord) -> bool:
    if other is best:
        return True
    leads = [ours - theirs for ours, theirs in zip(best.replicate_scores, other.replicate_scores, strict=False)]
    error = stdev(leads) / sqrt(len(leads)) if len(leads) > 1 else 0.0
    return fmean(leads) <= error


def _mean_with_further(trial: TrialRecord, confirmations: Sequence[ConfirmationRecord]) -> float:
    """A replicate that diverged or failed counts as nothing: a finalist has to train."""
    further = (each for each in confirmations if (each.role, each.trial) == (Role.FINALIST, trial.number))
    name = f"val_{trial.config.metric}"
    scores = [each.evaluation.metrics.get(name, 0.0) for record in further for each in record.replicates]
    return fmean([*trial.replicate_scores, *scores])


def _replicate(evaluation: Evaluation) -> Replicate:
    return Replicate(evaluation.draw, evaluation.initialisation)
