"""The part of the ledger that holds confirmations: one Optuna study for each cell that has any.

study NAME@confirmation/CELL    user attributes: run/NUMBER, the MLflow run of a confirmation
  trial                         one for each configuration that is trained again; always RUNNING for Optuna, so that a
                                confirmation can be given more draws at any time
    user attributes             what (role, trial, config, started), replicate/0001 ..., attempts, losses, lost, end
                                (outcome, reason, time)
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from sweep.records.confirmation import ConfirmationRecord, ReplicateRecord, Role
from sweep.records.trial import DiscardedWork, TrialRecord
from sweep.spec.cells import Cell
from trainable.config import TrialConfig
from trainable.outcomes import Evaluation, Outcome

__all__ = ["ConfirmationLedger"]


class ConfirmationLedger:
    """The confirmations of one sweep in its storage. Callers hold the ledger's lock."""

    def __init__(self, storage: BaseStorage, name: str) -> None:
        self._storage = storage
        self._prefix = f"{name}@confirmation/"
        self._records: dict[str, ConfirmationRecord] = {}
        self._trial_ids: dict[str, int] = {}
        self._study_ids: dict[str, int] = {}
        self._cells: dict[str, Cell] = {}
        self._unsaid: dict[str, list[int]] = {}

    def read(self, cells: Sequence[Cell] = ()) -> None:
        """Take in all that the storage holds.

        cells: those of the sweep that is resumed, whose data and encoders may have moved.
        """
        self._cells.update({cell.key: cell for cell in cells})
        self._unsaid.clear()
        for study in self._storage.get_all_studies():
            if not study.study_name.startswith(self._prefix):
                continue
            cell = study.study_name.removeprefix(self._prefix)
            self._study_ids[cell] = study._study_id
            for trial in self._storage.get_all_trials(study._study_id, deepcopy=False):
                if "what" in trial.user_attrs:
                    self._refresh(cell, trial._trial_id, study.user_attrs.get(f"run/{trial.number}"))
                else:  # its process died while it was being begun: the next one that is begun takes its place
                    self._unsaid.setdefault(cell, []).append(trial._trial_id)

    def all(self) -> tuple[ConfirmationRecord, ...]:
        """Every confirmation and finalist, in the order in which they were begun or read."""
        return tuple(self._records.values())

    def get(self, key: str) -> ConfirmationRecord:
        """One by its key."""
        return self._records[key]

    def __contains__(self, key: str) -> bool:
        return key in self._records

    def begin(self, trial: TrialRecord, role: Role, config: TrialConfig) -> ConfirmationRecord:
        """A new record for a trial that is trained again."""
        cell = trial.cell
        if cell not in self._study_ids:
            self._study_ids[cell] = self._create(cell)
        unsaid = self._unsaid.get(cell)
        trial_id = unsaid.pop(0) if unsaid else self._storage.create_new_trial(self._study_ids[cell])
        what = {"role": role.value, "trial": trial.number, "config": config.flat(), "started": time.time()}
        self._storage.set_trial_user_attr(trial_id, "what", what)
        return self._refresh(cell, trial_id)

    def count_attempt(self, key: str, replicate: str) -> ConfirmationRecord:
        """A worker begins a replicate, named `DRAW.INITIALISATION`. The record is open from then on."""
        record, trial_id = self._records[key], self._trial_ids[key]
        attempts = {**record.attempts, replicate: record.attempts.get(replicate, 0) + 1}
        self._storage.set_trial_user_attr(trial_id, "attempts", attempts)
        if record.outcome is not None:
            self._storage.set_trial_user_attr(trial_id, "end", None)
        return self._refresh(record.cell, trial_id)

    def record_discarded(self, key: str, work: DiscardedWork) -> None:
        """Record work that was interrupted, and is to be done again."""
        record, trial_id = self._records[key], self._trial_ids[key]
        self._storage.set_trial_user_attr(trial_id, "lost", [asdict(each) for each in (*record.discarded, work)])
        self._refresh(record.cell, trial_id)

    def count_crash(self, key: str, replicate: str, *, stalled: bool) -> int:
        """A worker died or stalled on a replicate; how often that has happened, each kind by itself."""
        trial_id = self._trial_ids[key]
        losses = dict(self._storage.get_trial(trial_id).user_attrs.get("losses", {}))
        replicate = f"{replicate} stalled" if stalled else replicate
        losses[replicate] = losses.get(replicate, 0) + 1
        self._storage.set_trial_user_attr(trial_id, "losses", losses)
        return int(losses[replicate])

    def record(self, key: str, evaluation: Evaluation) -> ConfirmationRecord:
        """Record a replicate. A second evaluation of the same one changes nothing."""
        record, trial_id = self._records[key], self._trial_ids[key]
        same = (evaluation.draw, evaluation.initialisation)
        if any((each.evaluation.draw, each.evaluation.initialisation) == same for each in record.replicates):
            return record
        attributes = {**evaluation.to_json(), "time": time.time()}
        self._storage.set_trial_user_attr(trial_id, f"replicate/{len(record.replicates) + 1:04d}", attributes)
        return self._refresh(record.cell, trial_id)

    def finish(self, key: str, outcome: Outcome, reason: str = "") -> ConfirmationRecord:
        """Record how a confirmation ended: COMPLETED, or INTERRUPTED for one that a later run resumes."""
        record, trial_id = self._records[key], self._trial_ids[key]
        end = {"outcome": outcome.value, "reason": reason, "time": time.time()}
        self._storage.set_trial_user_attr(trial_id, "end", end)
        return self._refresh(record.cell, trial_id)

    def record_run(self, key: str, run_id: str) -> None:
        """Record the MLflow run of a confirmation."""
        record = self._records[key]
        self._storage.set_study_user_attr(self._study_ids[record.cell], f"run/{record.number}", run_id)
        self._records[key] = replace(record, run_id=run_id)

    def _create(self, cell: str) -> int:
        try:
            return self._storage.create_new_study([StudyDirection.MAXIMIZE], self._prefix + cell)
        except DuplicatedStudyError:  # begun by a process that died before its first record
            return self._storage.get_study_id_from_name(self._prefix + cell)

    def _refresh(self, cell: str, trial_id: int, run_id: str | None = None) -> ConfirmationRecord:
        record = _record(cell, self._storage.get_trial(trial_id), self._cells.get(cell))
        known = self._records.get(record.key)
        record = replace(record, run_id=known.run_id if known is not None else run_id)
        self._records[record.key], self._trial_ids[record.key] = record, trial_id
        return record


def _record(cell: str, trial: FrozenTrial, begun: Cell | None) -> ConfirmationRecord:
    attrs: Mapping[str, Any] = trial.user_attrs
    what, end = attrs["what"], attrs.get("end") or {}
    return ConfirmationRecord(
        cell=cell,
        number=trial.number,
        role=Role(what["role"]),
        trial=what["trial"],
        config=TrialConfig.from_flat(what["config"] if begun is None else begun.placed(what["config"])),
        started=what["started"],
        ended=end.get("time"),
        outcome=Outcome(end["outcome"]) if end else None,
        reason=end.get("reason", ""),
        replicates=tuple(_replicate(attrs[name]) for name in sorted(attrs) if name.startswith("replicate/")),
        attempts=attrs.get("attempts", {}),
        discarded=tuple(DiscardedWork(**each) for each in attrs.get("lost", ())),
    )


def _replicate(attributes: Mapping[str, Any]) -> ReplicateRecord:
    fields = dict(attributes)
    recorded = fields.pop("time")
    return ReplicateRecord(time=recorded, evaluation=Evaluation.from_json(fields))
