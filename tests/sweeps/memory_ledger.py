"""A ledger in memory, and a migrated MLflow database to copy: what the tests of tracking share."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sweep.records.confirmation import ConfirmationRecord, ReplicateRecord, Role
from sweep.records.sweep import DataRecord, SweepRecord, SweepState
from sweep.records.trial import EvaluationRecord, TrialRecord
from sweep.tracking.store import open_client
from trainable.config import TrialConfig
from trainable.draws import CONFIRMATION_START
from trainable.outcomes import Evaluation, Outcome

BEGAN = 1_700_000_000.0
SPEC = {
    "name": "demo",
    "compare": {"dataset": ["support"], "shots": [4], "loss": ["soft_triple"]},
    "trial": {"encoder": "tiny"},
    "protocol": {"replicates": 2, "evaluations": 2, "steps": 4},
    "budget": {"trials_per_cell": 4},
    "tracking": {"experiment": "sweeps", "uri": "postgresql://ann:s3cret@db/mlflow"},
}


class MemoryLedger:
    """The Ledger that tracking asks for, and the ways in which a sweep changes it. Its clock ticks once a change."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._clock = BEGAN
        self._sweep = SweepRecord(
            id="5f2c",
            name="demo",
            spec=SPEC,
            created=BEGAN,
            provenance={"git_commit": "abc123", "version.ray": "2.60.0"},
        )
        self._trials: dict[str, TrialRecord] = {}
        self._confirmations: dict[str, ConfirmationRecord] = {}

    def check_kept(self) -> None:
        """It is kept for as long as the process."""

    def sweep(self) -> SweepRecord:
        with self._lock:
            return self._sweep

    def trials(self) -> Sequence[TrialRecord]:
        with self._lock:
            return tuple(self._trials.values())

    def trial(self, key: str) -> TrialRecord:
        with self._lock:
            return self._trials[key]

    def confirmations(self) -> Sequence[ConfirmationRecord]:
        with self._lock:
            return tuple(self._confirmations.values())

    def record_run(self, key: str | None, run_id: str) -> None:
        with self._lock:
            if key is None:
                self._sweep = replace(self._sweep, run_id=run_id)
            elif key in self._confirmations:
                self._confirmations[key] = replace(self._confirmations[key], run_id=run_id)
            else:
                self._trials[key] = replace(self._trials[key], run_id=run_id)

    def ask(self, *, attempts: int = 1, cell: str = "support/4/soft_triple", **fields: Any) -> str:
        """A new trial. Returns its key."""
        config = TrialConfig.model_validate(
            {"dataset": {"name": "support"}, "shots": 4, "encoder": "tiny", "loss": {"name": "soft_triple"}, **fields}
        )
        with self._lock:
            number = sum(record.cell == cell for record in self._trials.values())
            record = TrialRecord(
                cell=cell, number=number, params={}, config=config, started=self._tick(), attempts=attempts
            )
            self._trials[record.key] = record
            return record.key

    def record(self, key: str, score: float, **metrics: float) -> None:
        """The trial's next report."""
        with self._lock:
            record = self._trials[key]
            number = len(record.evaluations) + 1
            evaluation = Evaluation(
                draw=0, replicate=0, point=number, step=number, metrics={"val_accuracy": score, **metrics}
            )
            added = EvaluationRecord(number=number, time=self._tick(), score=score, evaluation=evaluation)
            self._trials[key] = replace(record, evaluations=(*record.evaluations, added), score=score)

    def finish(self, key: str, outcome: Outcome, reason: str = "", detail: str = "") -> None:
        """The end of a trial."""
        with self._lock:
            self._trials[key] = replace(
                self._trials[key], outcome=outcome, reason=reason, detail=detail, ended=self._tick()
            )

    def restart(self, key: str) -> None:
        """A further attempt at an interrupted trial."""
        with self._lock:
            record = self._trials[key]
            self._trials[key] = replace(record, outcome=None, reason="", ended=None, attempts=record.attempts + 1)

    def confirm(self, trial: str, *scores: float, reseeded: int = 0, outcome: Outcome | None = None) -> str:
        """The confirmation of a trial with these test scores, the last `reseeded` of them of second initialisations."""
        with self._lock:
            source, first = self._trials[trial], len(scores) - reseeded
            replicates = tuple(
                ReplicateRecord(
                    time=self._tick(),
                    evaluation=Evaluation(
                        draw=CONFIRMATION_START + number % first,
                        replicate=0,
                        point=1,
                        step=4,
                        initialisation=number // first,
                        metrics={"test_accuracy": score},
                    ),
                )
                for number, score in enumerate(scores)
            )
            record = ConfirmationRecord(
                cell=source.cell,
                number=sum(each.cell == source.cell for each in self._confirmations.values()),
                role=Role.CONFIRMATION,
                trial=source.number,
                config=source.config,
                started=self._tick(),
                outcome=outcome,
                ended=None if outcome is None else self._tick(),
                replicates=replicates,
                attempts={str(number): 1 for number in range(len(scores))},
            )
            known = next((each for each in self._confirmations.values() if each.trial == record.trial), None)
            if known is not None:  # it is resumed
                record = replace(record, number=known.number, started=known.started, run_id=known.run_id)
            self._confirmations[record.key] = record
            return record.key

    def end(self, state: SweepState) -> None:
        """The sweep's state: `running` when it is resumed, or how it ended."""
        with self._lock:
            self._sweep = replace(self._sweep, state=state, ended=self._tick())

    def respec(self, **blocks: Any) -> None:
        """Other blocks of the spec, as for a sweep that is extended."""
        with self._lock:
            self._sweep = replace(self._sweep, spec={**self._sweep.spec, **blocks})

    def describe_data(self, *records: DataRecord) -> None:
        """What the sweep's datasets are."""
        with self._lock:
            self._sweep = replace(self._sweep, data={record.name: record for record in records})

    def forget_runs(self) -> None:
        """What a driver leaves behind that died before it could record its runs."""
        with self._lock:
            self._sweep = replace(self._sweep, run_id=None)
            self._trials = {key: replace(record, run_id=None) for key, record in self._trials.items()}
            self._confirmations = {key: replace(each, run_id=None) for key, each in self._confirmations.items()}

    def _tick(self) -> float:
        self._clock += 1
        return self._clock


def complete(ledger: MemoryLedger, *scores: float, **fields: Any) -> str:
    """A trial that reported these scores and completed. Returns its key."""
    key = ledger.ask(**fields)
    for score in scores:
        ledger.record(key, score)
    ledger.finish(key, Outcome.COMPLETED)
    return key


def migrated_database(base: Path, path: Path) -> str:
    """The URI of a new, empty MLflow database at `path`, copied from one kept in `base`: migrations take seconds."""
    template = base / "mlflow-template.db"
    if not template.exists():
        open_client(f"sqlite:///{template}").search_experiments()
    shutil.copy(template, path)
    return f"sqlite:///{path}"
