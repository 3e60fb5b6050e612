"""A trial as the ledger stores it (`sweep.ledger.trials`), read into a record."""

from __future__ import annotations

from copy import copy

from optuna.trial import FrozenTrial, TrialState

from sweep.records.trial import DiscardedWork, EvaluationRecord, TrialRecord
from trainable.config import TrialConfig
from trainable.outcomes import Evaluation, Outcome

__all__ = ["known_at", "trial_record"]

_REPORT = "report/"


def trial_record(cell_key: str, trial: FrozenTrial, config: TrialConfig) -> TrialRecord:
    """The record of `trial`, whose configuration is `config`."""
    attrs = trial.user_attrs
    evaluations = _evaluation_records(trial, config)
    outcome = attrs.get("outcome")
    ended = trial.state.is_finished() or outcome == Outcome.INTERRUPTED
    return TrialRecord(
        cell=cell_key,
        number=trial.number,
        params=attrs["params"],
        config=config,
        started=attrs["started"],
        ended=attrs.get("ended") if ended else None,
        outcome=Outcome(outcome) if ended and outcome else None,
        reason=attrs.get("reason", "") if ended else "",
        detail=attrs.get("detail", "") if ended else "",
        score=evaluations[-1].score if evaluations else None,
        evaluations=evaluations,
        attempts=attrs["attempts"],
        origin=attrs.get("origin", ""),
        discarded=tuple(DiscardedWork(**each) for each in attrs.get("lost", ())),
    )


def known_at(trial: FrozenTrial, time: float) -> FrozenTrial:
    """The trial as it was on record at a time, in seconds since the epoch: its scores until then, and whether it had
    ended."""
    attrs = trial.user_attrs
    later = {int(key.removeprefix(_REPORT)) for key in attrs if key.startswith(_REPORT) and attrs[key]["time"] > time}
    known = copy(trial)
    known.intermediate_values = {step: score for step, score in trial.intermediate_values.items() if step not in later}
    if trial.state.is_finished() and (attrs.get("ended") or 0.0) > time:
        known.state, known.values = TrialState.RUNNING, None
    return known


def _evaluation_records(trial: FrozenTrial, config: TrialConfig) -> tuple[EvaluationRecord, ...]:
    """The trial's evaluations in order, each with the score at it: a function of the evaluations alone."""
    records: list[EvaluationRecord] = []
    finals: list[float] = []
    for key in sorted(key for key in trial.user_attrs if key.startswith(_REPORT)):
        attrs = dict(trial.user_attrs[key])
        recorded = attrs.pop("time")
        evaluation = Evaluation.from_json(attrs)
        value = evaluation.metrics.get(f"val_{config.metric}")
        if value is not None and evaluation.point == config.evaluations:
            finals.append(value)
        running = value if evaluation.replicate == 0 else None
        score = sum(finals) / len(finals) if finals else running
        number = int(key.removeprefix(_REPORT))
        records.append(EvaluationRecord(number=number, time=recorded, score=score, evaluation=evaluation))
    return tuple(records)
