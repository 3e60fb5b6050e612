"""The comparison of the ledger's records with MLflow runs, and the requests that bring the runs up to date."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from sweep.records.confirmation import ConfirmationRecord
from sweep.records.sweep import SweepRecord
from sweep.records.trial import TrialRecord
from sweep.tracking.artifacts import Artifacts
from sweep.tracking.dataset_inputs import dataset_inputs
from sweep.tracking.experiments import find_experiment
from sweep.tracking.metrics import Point, current_state, ended, points, progress
from sweep.tracking.pages import run_page
from sweep.tracking.runs import ID_TAG, NOTE_TAG, REPORTS_TAG, ROLES, WantedRun, described, run_key, run_of, sweep_run
from sweep.tracking.store import is_refusal, open_client
from sweep.tracking.stored_run import StoredRun, interned

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["Ledger", "Projector", "Record", "records_with_runs"]

Record: TypeAlias = TrialRecord | ConfirmationRecord
"""A record that has an MLflow run of its own, nested under the sweep's."""

_BATCH = 800  # points of one request; MLflow takes 1000 metrics, parameters and tags together
_PAGE = 250  # runs of one answer, which a slow server must give within its ten seconds


class Ledger(Protocol):
    """The part of a sweep's ledger that tracking reads and writes. Safe to use from several threads."""

    def sweep(self) -> SweepRecord:
        """The sweep's own record."""

    def check_kept(self) -> None:
        """Raise LedgerError if the storage no longer holds the sweep."""

    def trials(self) -> Sequence[TrialRecord]:
        """All trials, in a stable order."""

    def confirmations(self) -> Sequence[ConfirmationRecord]:
        """All confirmations and finalists, in a stable order."""

    def record_run(self, key: str | None, run_id: str) -> None:
        """Record the MLflow run of a trial or confirmation, or of the sweep itself for None."""


def records_with_runs(ledger: Ledger) -> dict[str, Record]:
    """By key, all records that have an MLflow run: the trials and confirmations that a worker has begun."""
    records: list[Record] = [*ledger.trials(), *ledger.confirmations()]
    return {record.key: record for record in records if record.attempts}


class Projector:
    """Keeps the MLflow runs of one sweep equal to its ledger. Methods may raise whatever MLflow raises.

    After an error it is unknown what reached the store, and a store that was restarted may hold an older state: call
    `connect` again, which compares all records with the store. Not safe for several threads at a time.
    """

    def __init__(self, ledger: Ledger, *, experiment: str, uri: str) -> None:
        self._ledger = ledger
        self._experiment = experiment
        self._uri = uri
        self._experiment_id = ""
        self._opened: MlflowClient | None = None
        self._runs: dict[str | None, StoredRun] = {}  # by key of the record; None: the sweep's own run
        self._metrics: dict[str, float] = {}  # the last value of each of the sweep's own metrics
        self._pushed: dict[str, Record] = {}  # the records as they were when their runs were last equal to them
        self._artifacts = Artifacts()
        self._verdict = ""
        self._inputs_of = ""  # the run that is known to have its datasets

    def open(self) -> None:
        """Load MLflow and open the store, without a request to a server yet.

        Raises TrackingError if the address cannot be used.
        """
        self._opened = self._opened or open_client(self._uri)

    def connect(self) -> None:
        """Find or create the experiment and the sweep's run, and compare all records with their runs in the store.

        Raises TrackingError if the address cannot be used or if the experiment was deleted.
        """
        self.open()
        self._experiment_id = find_experiment(self._client, self._experiment)
        self.adopt()
        if None not in self._runs:
            self._create(None, sweep_run(self._ledger.sweep(), 0))
        self._artifacts.check(self._client, self._runs[None].id)
        self._inputs_of = ""
        self._compare()

    def adopt(self) -> None:
        """Read the sweep's runs from the store, and delete duplicates.

        A record has several runs if the answer to a creation was lost and the run was created again; one is kept.
        """
        records: list[Record] = [*self._ledger.trials(), *self._ledger.confirmations()]
        recorded: dict[str | None, str | None] = {record.key: record.run_id for record in records}
        recorded[None] = self._ledger.sweep().run_id
        found: dict[str | None, list[StoredRun]] = defaultdict(list)
        metrics: dict[str, dict[str, float]] = {}
        for run in self._search():
            role, key = run_key(run.data.tags)
            if role in ROLES and key in recorded:
                found[key].append(StoredRun.of(run))
                if key is None:
                    metrics[run.info.run_id] = dict(run.data.metrics)
        self._runs = {key: self._keep_one(key, runs, recorded[key]) for key, runs in found.items()}
        self._metrics = metrics[self._runs[None].id] if None in self._runs else {}

    def push_sweep(self) -> None:
        """Make the sweep's own run equal to its record and to the state of its trials (for files, see `upload`)."""
        trials, run = self._ledger.trials(), self._runs[None]
        final = ended(trials)
        stored = {"trials/interrupted": 0.0, **self._metrics}  # so that most sweeps do not have this metric at all
        state = current_state(self._ledger.sweep(), trials, self._ledger.confirmations())
        new = [point for point in state if stored.get(point.name) != point.value]
        sweep = self._ledger.sweep()
        purpose, known = str(sweep.spec.get("description", "")), run.tags.get(NOTE_TAG, "")
        wanted = described(sweep_run(sweep, len(final)), self._verdict, purpose, known)
        self._push(run, wanted, progress(final, after=run.evaluations) + new)
        self._metrics.update({point.name: point.value for point in new})
        if self._inputs_of != run.id:
            self._log_inputs(run.id, sweep)

    def describe(self, verdict: str) -> None:
        """Show this verdict as the description of the sweep's run, from the next `push_sweep` on."""
        self._verdict = verdict

    @property
    def page(self) -> str:
        """The address of the sweep's run below that of MLflow's pages; empty before it is known."""
        return run_page(self._experiment_id, self._runs[None].id) if None in self._runs else ""

    def push(self, record: Record) -> None:
        """Make a record's run equal to it."""
        if self.is_current(record):
            return
        wanted = self._wanted(record)
        run = self._runs.get(record.key) or self._create(record.key, wanted)
        self._push(run, wanted, points(record, after=run.evaluations))
        self._pushed[record.key] = record

    def upload(self, name: str, path: Path) -> None:
        """Store a file as an artifact of the sweep's run, unless it is there unchanged. Raises UploadError."""
        self._artifacts.store_file(self._client, self._runs[None].id, name, path)

    def end_runs(self) -> None:
        """End the runs that this process knows as running, without a look at their records."""
        for run in self._runs.values():
            if run.status == "RUNNING":
                self._client.set_terminated(run.id, "KILLED")
                run.status = "KILLED"

    def is_current(self, record: Record) -> bool:
        """True if the record's run is known to be equal to it."""
        pushed = self._pushed.get(record.key)
        return pushed is not None and replace(pushed, run_id=record.run_id) == record

    def missing(self) -> list[str]:
        """Keys of the records whose runs are not known to be equal to them."""
        return [key for key, record in records_with_runs(self._ledger).items() if not self.is_current(record)]

    @property
    def _client(self) -> MlflowClient:
        assert self._opened is not None, "open() comes first"
        return self._opened

    def _search(self) -> Iterator[Run]:
        of_this_sweep = f"tags.`{ID_TAG}` = '{self._ledger.sweep().id}'"
        token: str | None = None
        while token != "":
            page = self._client.search_runs([self._experiment_id], of_this_sweep, max_results=_PAGE, page_token=token)
            yield from page
            token = page.token or ""

    def _keep_one(self, key: str | None, runs: Sequence[StoredRun], recorded: str | None) -> StoredRun:
        kept, *duplicates = sorted(runs, key=lambda run: (run.id != recorded, -run.evaluations, run.id))
        for duplicate in duplicates:
            self._client.delete_run(duplicate.id)
        if kept.id != recorded:
            self._ledger.record_run(key, kept.id)
        return kept

    def _compare(self) -> None:
        """Find the records whose runs are equal to them; the artifacts of the other runs may be outdated as well."""
        current = {}
        for key, record in records_with_runs(self._ledger).items():
            if (run := self._runs.get(key)) is None:
                continue
            wanted = self._wanted(record)
            if not run.is_current(wanted):
                self._artifacts.forget(run.id)
            elif self._artifacts.has(run.id, wanted.texts):
                current[key] = record
        self._pushed = current
        self._artifacts.forget(self._runs[None].id)

    def _wanted(self, record: Record) -> WantedRun:
        return run_of(record, self._ledger.sweep(), self._runs[None].id)

    def _create(self, key: str | None, wanted: WantedRun) -> StoredRun:
        tags = {name: value for name, value in wanted.tags.items() if name != REPORTS_TAG}  # there are none yet
        run = self._client.create_run(self._experiment_id, start_time=wanted.started, tags=tags, run_name=wanted.name)
        created = self._runs[key] = StoredRun.of(run)
        self._ledger.record_run(key, created.id)
        return created

    def _push(self, run: StoredRun, wanted: WantedRun, new: Sequence[Point]) -> None:
        """Push values first, then the status, so that a finished run is complete; artifacts may be refused, so last."""
        try:
            self._log(run, wanted, new)
        except Exception as error:
            if is_refusal(error):
                self._set_status(run, wanted)  # an ended run must not be left RUNNING
            raise
        for name in run.obsolete_tags(wanted):
            self._client.delete_tag(run.id, name)
            del run.tags[name]
        self._set_status(run, wanted)
        for name, text in wanted.texts.items():
            self._artifacts.store_text(self._client, run.id, name, text)

    def _log(self, run: StoredRun, wanted: WantedRun, new: Sequence[Point]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        tags, params = run.missing_tags(wanted), run.missing_params(wanted)
        metrics = [Metric(point.name, point.value, point.time, point.step) for point in new]
        while len(metrics) > _BATCH:
            self._client.log_batch(run.id, metrics=metrics[:_BATCH])
            del metrics[:_BATCH]
        if metrics or params or tags:
            # The tag with the number of evaluations is sent with the last points, so it never exceeds what is stored.
            self._client.log_batch(
                run.id,
                metrics,
                [Param(name, value) for name, value in params.items()],
                [RunTag(name, value) for name, value in tags.items()],
            )
        run.tags.update(tags)
        if params:
            run.params = interned(run.params.union(params))

    def _log_inputs(self, run: str, sweep: SweepRecord) -> None:
        if inputs := dataset_inputs(sweep):
            self._client.log_inputs(run, datasets=inputs)
        self._inputs_of = run

    def _set_status(self, run: StoredRun, wanted: WantedRun) -> None:
        if run.has_status(wanted):
            return
        if wanted.ended is None:
            self._client.update_run(run.id, status=wanted.status)
        else:
            self._client.set_terminated(run.id, wanted.status, wanted.ended)
            run.ended = wanted.ended
        run.status = wanted.status
