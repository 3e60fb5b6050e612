"""The ledger: the one durable record of a sweep, an Optuna storage with one study for each cell.

Ray's snapshot, the MLflow store and every report can be thrown away and rebuilt from it. Each fact is written before
anything depends on it, so that the process may die between any two lines:

    study NAME                        user attributes: id, spec, created, facts (provenance), data, run_id, state, ended
    study NAME/CELL                   the trials of a cell, see sweep.ledger.trials
    study NAME@confirmation/CELL      its confirmations, see sweep.ledger.confirmations
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import optuna
from optuna.storages import BaseStorage

from sweep.errors import LedgerError
from sweep.ledger.confirmations import ConfirmationLedger
from sweep.ledger.trials import TrialLedger
from sweep.records.confirmation import ConfirmationRecord, Role
from sweep.records.results import SweepResults
from sweep.records.sweep import DataRecord, SweepRecord, SweepState
from sweep.records.trial import DiscardedWork, TrialRecord
from sweep.search.warm_start import FirstTrial
from sweep.spec.cells import Cell
from sweep.spec.inputs import Digests
from trainable.config import TrialConfig
from trainable.outcomes import Evaluation, Outcome

__all__ = ["Ledger"]


class Ledger:
    """The record of one sweep: the sweep itself, its trials and its confirmations, under one lock.

    Safe to use from several threads of one process; only one process may write.
    """

    def __init__(self, storage: BaseStorage, name: str) -> None:
        self.name = name
        self._storage = storage
        self._lock = threading.RLock()
        self._own: SweepRecord | None = None  # as last written here: nobody else writes a sweep that this one began
        self._trials = TrialLedger(storage, name)
        self._confirmations = ConfirmationLedger(storage, name)

    # ---- the sweep

    def check(self, cells: Sequence[Cell], inputs: Mapping[str, Digests]) -> None:
        """Raise LedgerError if a cell's search space, protocol or inputs are not those recorded, with what changed."""
        with self._lock:
            self._trials.check(cells, inputs)

    def exists(self) -> bool:
        """Whether the sweep has been begun."""
        names = {study.study_name: study for study in self._storage.get_all_studies()}
        return self.name in names and "id" in names[self.name].user_attrs

    def without_digests(self) -> bool:
        """Whether the sweep was begun by a version that took no digests of its data and encoders."""
        with self._lock:
            return self._trials.without_digests()

    def new_cells(self, cells: Sequence[Cell]) -> list[Cell]:
        """The cells that are not on record yet."""
        with self._lock:
            return self._trials.new_cells(cells)

    def inputs(self, key: str) -> Digests:
        """What the inputs of a cell consist of; nothing where no digests were taken."""
        with self._lock:
            return self._trials.inputs(key)

    def begin(
        self,
        spec: Mapping[str, Any],
        cells: Sequence[Cell],
        provenance: Mapping[str, str],
        data: Mapping[str, DataRecord] | None = None,
        inputs: Mapping[str, Digests] = MappingProxyType({}),
        first: Mapping[str, Sequence[FirstTrial]] = MappingProxyType({}),
    ) -> SweepRecord:
        """Create the sweep, or resume it with its cells.

        inputs: by cell, what its dataset and encoders consist of.
        first: by cell, what a new one tries after its defaults.

        Raises LedgerError if a cell's search space, protocol or inputs are not those recorded, naming what changed.
        """
        with self._lock:
            self._trials.check(cells, inputs)
            root = self._root() if self._is_known() else self._create_root()
            if "id" not in root.user_attrs:
                root.set_user_attr("created", time.time())
                root.set_user_attr("id", uuid.uuid4().hex)
            root.set_user_attr("facts", dict(provenance))  # before the spec: they tell how that of earlier runs differs
            root.set_user_attr("spec", spec)
            root.set_user_attr("data", {name: record.to_json() for name, record in (data or {}).items()})
            root.set_user_attr("state", SweepState.RUNNING)
            self._trials.begin(cells, inputs, first)
            self._confirmations.read(cells)
            self._own = self._read()
            return self._own

    def sweep(self) -> SweepRecord:
        """The sweep's own record. Raises LedgerError if it was never begun."""
        with self._lock:
            return self._own or self._read()

    def check_kept(self) -> None:
        """Raise LedgerError if the storage no longer holds the sweep."""
        with self._lock:
            self._read()

    def _read(self) -> SweepRecord:
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
            data={name: DataRecord.from_json(record) for name, record in attrs.get("data", {}).items()},
            run_id=attrs.get("run_id"),
        )

    def end(self, state: SweepState) -> None:
        """Record how the run of the sweep ended."""
        with self._lock:
            self._root().set_user_attr("ended", time.time())
            self._root().set_user_attr("state", state)
            self._own = self._own and self._read()

    def read(self) -> None:
        """Take in all that the storage holds of this sweep, without its spec: for those who only look at it."""
        with self._lock:
            self._trials.read()
            self._confirmations.read()

    def results(self) -> SweepResults:
        """All of it, as values that a report is made of."""
        with self._lock:
            return SweepResults(sweep=self.sweep(), trials=self.trials(), confirmations=self.confirmations())

    # ---- trials and confirmations alike

    def get(self, key: str) -> TrialRecord | ConfirmationRecord:
        """A trial or a confirmation by its key."""
        with self._lock:
            return self._part(key).get(key)

    def count_crash(self, key: str, replicate: str = "", *, stalled: bool) -> int:
        """A worker died or stalled on a trial, or on a replicate of a confirmation; how often, each kind by itself,
        without an evaluation in between."""
        with self._lock:
            return self._part(key).count_crash(key, replicate, stalled=stalled)

    def record_discarded(self, key: str, seconds: float, reason: str) -> None:
        """Record that so many seconds of work on a trial or a confirmation were interrupted and count for nothing."""
        with self._lock:
            self._part(key).record_discarded(key, DiscardedWork(time=time.time(), seconds=seconds, reason=reason))

    def record_run(self, key: str | None, run_id: str) -> None:
        """Record the MLflow run of a trial or confirmation, or of the sweep itself for None."""
        with self._lock:
            if key is None:
                self._root().set_user_attr("run_id", run_id)
                self._own = self._own and self._read()
            else:
                self._part(key).record_run(key, run_id)

    def _part(self, key: str) -> TrialLedger | ConfirmationLedger:
        return self._confirmations if key in self._confirmations else self._trials

    # ---- trials

    def ask(self, cell: Cell, *, seed: int, budget: int) -> TrialRecord:
        """A new trial of `cell`, with values proposed by TPE; the first one has the published defaults."""
        with self._lock:
            return self._trials.ask(cell, seed=seed, budget=budget)

    def restart(self, key: str) -> TrialRecord:
        """Hand out an interrupted trial again; it resumes after its last completed replicate."""
        with self._lock:
            return self._trials.restart(key)

    def record(self, key: str, evaluation: Evaluation) -> TrialRecord:
        """Record an evaluation of a trial. Recording the same one twice changes nothing."""
        with self._lock:
            return self._trials.record(key, evaluation)

    def finish(self, key: str, outcome: Outcome, reason: str = "", detail: str = "") -> TrialRecord:
        """Record how a trial ended. An interrupted trial stays open and can be restarted."""
        with self._lock:
            return self._trials.finish(key, outcome, reason, detail)

    def stops(self, key: str, rule: optuna.pruners.BasePruner) -> bool:
        """Whether the pruning rule stops the trial after its last evaluation."""
        with self._lock:
            return self._trials.stops(key, rule)

    def trials(self) -> tuple[TrialRecord, ...]:
        """All trials, in the order in which they were asked for."""
        with self._lock:
            return self._trials.all()

    def trials_of(self, cell: str) -> tuple[TrialRecord, ...]:
        """The trials of a cell, by its key, in the order in which they were asked for."""
        with self._lock:
            return self._trials.of(cell)

    def trial(self, key: str) -> TrialRecord:
        """One trial by its key."""
        with self._lock:
            return self._trials.get(key)

    # ---- confirmations

    def confirmations(self) -> tuple[ConfirmationRecord, ...]:
        """All confirmations and finalists, in the order in which they were begun."""
        with self._lock:
            return self._confirmations.all()

    def begin_confirmation(self, trial: TrialRecord, role: Role, config: TrialConfig) -> ConfirmationRecord:
        """A new record for a trial whose configuration is trained again, as `config`."""
        with self._lock:
            return self._confirmations.begin(trial, role, config)

    def count_attempt(self, key: str, replicate: str) -> ConfirmationRecord:
        """A worker begins a replicate, named `DRAW.INITIALISATION`, of a confirmation."""
        with self._lock:
            return self._confirmations.count_attempt(key, replicate)

    def record_replicate(self, key: str, evaluation: Evaluation) -> ConfirmationRecord:
        """Record a replicate of a confirmation. A second evaluation of the same one changes nothing."""
        with self._lock:
            return self._confirmations.record(key, evaluation)

    def finish_confirmation(self, key: str, outcome: Outcome, reason: str = "") -> ConfirmationRecord:
        """Record that a confirmation has all its replicates (COMPLETED), or is left for a later run (INTERRUPTED)."""
        with self._lock:
            return self._confirmations.finish(key, outcome, reason)

    # ---- inside

    def _is_known(self) -> bool:
        return any(study.study_name == self.name for study in self._storage.get_all_studies())

    def _root(self) -> optuna.Study:
        return optuna.load_study(study_name=self.name, storage=self._storage)

    def _create_root(self) -> optuna.Study:
        return optuna.create_study(study_name=self.name, storage=self._storage, direction="maximize")
