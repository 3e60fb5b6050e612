"""The ledger: the one durable record of a sweep, an Optuna storage with one study for each cell.

Ray's snapshot, the MLflow store and every report can be thrown away and rebuilt from it. Each fact is written before
anything depends on it, so that the process may die between any two lines:

    study NAME                 user attributes: id, spec, created, facts, data, run_id, state, ended
    study NAME/CELL            user attributes: protocol, what must not change under the same name; run/NUMBER, the
                               MLflow run of a trial (here, because a finished trial cannot be written any more)
      trial                    parameters; intermediate value n = score at report n; state
        user attributes        config, params, started, attempts, losses (in a row), lost, report/0001 ..., outcome,
                               reason, detail, ended
    study NAME@confirmation/CELL      see sweep.ledger.confirmations
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from sweep.errors import LedgerError
from sweep.ledger.confirmations import ConfirmationLedger
from sweep.ledger.trials import trial_record
from sweep.records.confirmation import ConfirmationRecord, Role
from sweep.records.results import SweepResults
from sweep.records.sweep import DataRecord, SweepRecord, SweepState
from sweep.records.trial import DiscardedWork, TrialRecord
from sweep.search.pruning import FINAL_SCORES
from sweep.search.sampler import propose
from sweep.spec.cells import Cell
from sweep.spec.fingerprint import changes, protocol_fingerprint
from trainable.config import TrialConfig
from trainable.outcomes import Evaluation, Outcome

__all__ = ["Ledger"]

# Diverged trials are told as PRUNED, so that the search learns to avoid them; failed ones say nothing about their
# values.
_STATES = {
    Outcome.COMPLETED: TrialState.COMPLETE,
    Outcome.PRUNED: TrialState.PRUNED,
    Outcome.DIVERGED: TrialState.PRUNED,
    Outcome.FAILED: TrialState.FAIL,
}


class Ledger:
    """The record of one sweep. Safe to use from several threads of one process; only one process may write."""

    def __init__(self, storage: BaseStorage, name: str) -> None:
        self.name = name
        self._storage = storage
        self._lock = threading.RLock()
        self._begun: set[str] = set()  # cells that this object may write to
        self._studies: dict[str, optuna.Study] = {}
        self._records: dict[str, TrialRecord] = {}
        self._trial_ids: dict[str, int] = {}
        self._last_end = 0.0
        self._confirmations = ConfirmationLedger(storage, name)

    # ---- the sweep

    def exists(self) -> bool:
        """Whether the sweep has been begun."""
        names = {study.study_name: study for study in self._storage.get_all_studies()}
        return self.name in names and "id" in names[self.name].user_attrs

    def begin(
        self,
        spec: Mapping[str, Any],
        cells: Sequence[Cell],
        provenance: Mapping[str, str],
        data: Mapping[str, DataRecord] | None = None,
    ) -> SweepRecord:
        """Create the sweep, or take it up again with its cells.

        Raises LedgerError if a cell's search space or protocol is not the one recorded, naming what changed.
        """
        with self._lock:
            known = {study.study_name for study in self._storage.get_all_studies()}
            self._check_protocols(cells, known)
            root = self._study(self.name, known)
            if "id" not in root.user_attrs:
                root.set_user_attr("created", time.time())
                root.set_user_attr("id", uuid.uuid4().hex)
            known_data = {name: asdict(each) for name, each in (data or {}).items()}
            for key, value in {
                "spec": spec,
                "facts": dict(provenance),
                "data": known_data,
                "state": SweepState.RUNNING,
            }.items():
                root.set_user_attr(key, value)
            for cell in cells:
                self._open_cell(cell, known)
            self._confirmations.read()
            return self.sweep()

    def sweep(self) -> SweepRecord:
        """The sweep's own record. Raises LedgerError if it was never begun."""
        with self._lock:
            if not self.exists():
                raise LedgerError(f"no sweep named {self.name!r} is in this ledger; `python -m sweep run` begins one")
            attrs = self._root().user_attrs
            return SweepRecord(
                id=attrs["id"],
                name=self.name,
                spec=attrs.get("spec", {}),
                created=attrs["created"],
                ended=attrs.get("ended"),
                state=SweepState(attrs.get("state", SweepState.RUNNING)),
                provenance=attrs.get("facts", {}),
                data={name: DataRecord.from_json(each) for name, each in attrs.get("data", {}).items()},
                run_id=attrs.get("run_id"),
            )

    def end(self, state: SweepState) -> None:
        """Record how the run of the sweep ended."""
        with self._lock:
            self._root().set_user_attr("ended", time.time())
            self._root().set_user_attr("state", state)

    def read(self) -> None:
        """Take in all that the storage holds of this sweep, without its spec: for those who only look at it."""
        with self._lock:
            prefix = f"{self.name}/"
            for study in self._storage.get_all_studies():
                if study.study_name.startswith(prefix):
                    self._read_cell(study.study_name.removeprefix(prefix))
            self._confirmations.read()

    def results(self) -> SweepResults:
        """All of it, as values that a report is made of."""
        with self._lock:
            return SweepResults(sweep=self.sweep(), trials=self.trials(), confirmations=self.confirmations())

    # ---- trials

    def ask(self, cell: Cell, *, seed: int, budget: int) -> TrialRecord:
        """A new trial of `cell`, with values proposed by TPE; the first one has the published defaults."""
        with self._lock:
            study = self._studies[cell.key]
            trial, params = propose(cell, study.get_trials(deepcopy=False), seed=seed, budget=budget)
            config = cell.config(params).flat()
            trial.user_attrs = {"started": time.time(), "attempts": 1, "params": params, "config": config}
            return self._refresh(cell.key, self._storage.create_new_trial(study._study_id, template_trial=trial))

    def restart(self, key: str) -> TrialRecord:
        """Hand out an interrupted trial again; it goes on after its last completed replicate."""
        with self._lock:
            record, trial_id = self._records[key], self._trial_ids[key]
            self._write(trial_id, attempts=record.attempts + 1, outcome=None, reason="", ended=None)
            return self._refresh(record.cell, trial_id)

    def record(self, key: str, evaluation: Evaluation) -> TrialRecord:
        """Record one report. Recording the same report twice changes nothing."""
        with self._lock:
            record, trial_id = self._records[key], self._trial_ids[key]
            if self._crashes(key):
                self._write(trial_id, losses={})
            number = evaluation.replicate * record.config.evaluations + evaluation.point
            if evaluation.outcome is None and any(each.number == number for each in record.evaluations):
                return record  # trained again, since its replicate was lost; MLflow may show it already
            attributes = {**evaluation.to_json(), "time": time.time()}
            self._write(trial_id, **{f"report/{number:04d}": attributes})
            updated = self._refresh(record.cell, trial_id)
            self._record_score(trial_id, updated, number)
            return updated

    def finish(self, key: str, outcome: Outcome, reason: str = "", detail: str = "") -> TrialRecord:
        """Record how a trial ended. An interrupted trial stays open and can be restarted."""
        with self._lock:
            record, trial_id = self._records[key], self._trial_ids[key]
            # After all others, whatever the clock says: the order in which trials ended is part of the record.
            ended = max(time.time(), self._last_end + 0.001)
            self._write(trial_id, outcome=outcome.value, reason=reason, detail=detail, ended=ended)
            if outcome in _STATES:
                value = [record.score] if outcome is Outcome.COMPLETED and record.score is not None else None
                self._storage.set_trial_state_values(trial_id, _STATES[outcome], value)
            return self._refresh(record.cell, trial_id)

    def count_crash(self, key: str, replicate: str = "", *, stalled: bool) -> int:
        """A worker died or stalled on a trial, or on a replicate of a confirmation; how often, each kind by itself,
        without a report in between."""
        with self._lock:
            if key in self._confirmations:
                return self._confirmations.count_crash(key, replicate, stalled=stalled)
            kind = "stalls" if stalled else "losses"
            times = self._crashes(key).get(kind, 0) + 1
            self._write(self._trial_ids[key], losses={**self._crashes(key), kind: times})
            return times

    def record_discarded(self, key: str, seconds: float, reason: str) -> None:
        """Record that so many seconds of work on a trial or a confirmation were broken off."""
        work = DiscardedWork(time=time.time(), seconds=seconds, reason=reason)
        with self._lock:
            if key in self._confirmations:
                self._confirmations.record_discarded(key, work)
                return
            record, trial_id = self._records[key], self._trial_ids[key]
            self._write(trial_id, lost=[asdict(each) for each in (*record.discarded, work)])
            self._refresh(record.cell, trial_id)

    def stops(self, key: str, rule: optuna.pruners.BasePruner) -> bool:
        """Whether the pruning rule stops the trial after its last report."""
        with self._lock:
            record = self._records[key]
            trial = self._storage.get_trial(self._trial_ids[key])
            return rule.prune(self._studies[record.cell], trial)

    def trials(self) -> tuple[TrialRecord, ...]:
        """All trials, in the order in which they were asked for."""
        with self._lock:
            return tuple(self._records.values())

    def trial(self, key: str) -> TrialRecord:
        """One trial by its key."""
        with self._lock:
            return self._records[key]

    def record_run(self, key: str | None, run_id: str) -> None:
        """Record the MLflow run of a trial or confirmation, or of the sweep itself for None."""
        with self._lock:
            if key is None:
                self._root().set_user_attr("run_id", run_id)
            elif key in self._confirmations:
                self._confirmations.record_run(key, run_id)
            else:
                record = self._records[key]
                self._studies[record.cell].set_user_attr(f"run/{record.number}", run_id)
                self._records[key] = replace(record, run_id=run_id)

    # ---- confirmations

    def confirmations(self) -> tuple[ConfirmationRecord, ...]:
        """All confirmations and finalists, in the order in which they were begun."""
        with self._lock:
            return self._confirmations.all()

    def confirmation(self, key: str) -> ConfirmationRecord:
        """One confirmation by its key."""
        with self._lock:
            return self._confirmations.get(key)

    def begin_confirmation(self, trial: TrialRecord, role: Role, config: TrialConfig) -> ConfirmationRecord:
        """A new record for a trial whose configuration is trained again, as `config`."""
        with self._lock:
            return self._confirmations.begin(trial, role, config)

    def count_attempt(self, key: str, replicate: str) -> ConfirmationRecord:
        """A worker begins a replicate, named `DRAW.INITIALISATION`, of a confirmation."""
        with self._lock:
            return self._confirmations.count_attempt(key, replicate)

    def record_replicate(self, key: str, evaluation: Evaluation) -> ConfirmationRecord:
        """Record a replicate of a confirmation. A second report of the same one changes nothing."""
        with self._lock:
            return self._confirmations.record(key, evaluation)

    def finish_confirmation(self, key: str, outcome: Outcome, reason: str = "") -> ConfirmationRecord:
        """Record that a confirmation has all its replicates (COMPLETED), or is left for a later run (INTERRUPTED)."""
        with self._lock:
            return self._confirmations.finish(key, outcome, reason)

    # ---- inside

    def _root(self) -> optuna.Study:
        return self._studies.get(self.name) or optuna.load_study(study_name=self.name, storage=self._storage)

    def _study(self, name: str, known: set[str]) -> optuna.Study:
        if name in known:
            return optuna.load_study(study_name=name, storage=self._storage)
        return optuna.create_study(study_name=name, storage=self._storage, direction="maximize")

    def _check_protocols(self, cells: Sequence[Cell], known: set[str]) -> None:
        recorded = {name.removeprefix(f"{self.name}/") for name in known if name.startswith(f"{self.name}/")}
        mistakes = [
            f"cell {key}: is in the ledger, but not in the spec" for key in recorded - {cell.key for cell in cells}
        ]
        for cell in cells:
            if cell.key in recorded:
                study = optuna.load_study(study_name=f"{self.name}/{cell.key}", storage=self._storage)
                old = study.user_attrs.get("protocol")
                found = changes(old, _json(protocol_fingerprint(cell))) if old is not None else []
                mistakes += [f"cell {cell.key}: {change}" for change in found]
        if mistakes:
            listing = "\n  ".join(sorted(mistakes))
            raise LedgerError(
                f"the trials of a sweep must share one search space and protocol; sweep {self.name!r} was begun with "
                f"another one:\n"
                f"  {listing}\ngive the changed spec another name (`--set name=...`), or undo the change"
            )

    def _open_cell(self, cell: Cell, known: set[str]) -> None:
        study = self._study(f"{self.name}/{cell.key}", known)
        if "protocol" not in study.user_attrs:
            study.set_user_attr("protocol", _json(protocol_fingerprint(cell)))
        self._begun.add(cell.key)
        self._read_cell(cell.key)

    def _read_cell(self, key: str) -> None:
        study = optuna.load_study(study_name=f"{self.name}/{key}", storage=self._storage)
        self._studies[key] = study
        runs = {name: value for name, value in study.user_attrs.items() if name.startswith("run/")}
        for trial in study.get_trials(deepcopy=False):
            record = self._complete(key, trial)
            self._records[record.key] = replace(record, run_id=runs.get(f"run/{record.number}"))

    def _complete(self, cell: str, trial: FrozenTrial) -> TrialRecord:
        """Take in a recorded trial, and write what a dying process may have left out of it."""
        record = self._refresh(cell, trial._trial_id)
        if cell in self._begun and not trial.state.is_finished():
            for evaluation in record.evaluations:
                if evaluation.number not in trial.intermediate_values:
                    self._record_score(trial._trial_id, record, evaluation.number)
        return record

    def _crashes(self, key: str) -> dict[str, int]:
        return dict(self._storage.get_trial(self._trial_ids[key]).user_attrs.get("losses", {}))

    def _record_score(self, trial_id: int, record: TrialRecord, number: int) -> None:
        score = next(evaluation.score for evaluation in record.evaluations if evaluation.number == number)
        self._write(trial_id, **{FINAL_SCORES: list(record.replicate_scores)})
        if score is not None:
            self._storage.set_trial_intermediate_value(trial_id, number, score)

    def _write(self, trial_id: int, **attributes: Any) -> None:
        for key, value in attributes.items():
            self._storage.set_trial_user_attr(trial_id, key, value)

    def _refresh(self, cell: str, trial_id: int) -> TrialRecord:
        trial = self._storage.get_trial(trial_id)
        known = self._records.get(f"{cell}#{trial.number}")
        record = trial_record(cell, trial, known.config if known else None)
        self._records[record.key] = replace(record, run_id=known.run_id) if known else record
        self._last_end = max(self._last_end, record.ended or 0.0)
        self._trial_ids[record.key] = trial_id
        return record


def _json(value: Any) -> Any:
    return json.loads(json.dumps(value))
