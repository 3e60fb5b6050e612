"""The comparison of records with MLflow runs, and the requests that make the runs equal to the records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from sweep.errors import TrackingError
from sweep.records.confirmation import ConfirmationRecord
from sweep.records.sweep import SweepRecord
from sweep.records.trial import TrialRecord
from sweep.tracking.artifacts import Artifacts
from sweep.tracking.metrics import Point, ended, points, progress, standing
from sweep.tracking.runs import ID_TAG, REPORTS_TAG, ROLES, WantedRun, run_key, run_of, sweep_run
from sweep.tracking.store import is_refusal, open_client
from sweep.tracking.stored_run import KnownRun, shared

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["Ledger", "Projector", "Record", "shown_records"]

Record: TypeAlias = TrialRecord | ConfirmationRecord
"""What has a run of its own, nested under the sweep's."""

_BATCH = 800  # points of one request; MLflow takes 1000 metrics, parameters and tags together
_PAGE = 250  # runs of one answer, which a slow server must give within its ten seconds


class Ledger(Protocol):
    """What tracking reads and writes of a sweep's record. Safe to use from several threads."""

    def sweep(self) -> SweepRecord:
        """The sweep's own record."""

    def trials(self) -> Sequence[TrialRecord]:
        """All trials, in a stable order."""

    def confirmations(self) -> Sequence[ConfirmationRecord]:
        """All confirmations and finalists, in a stable order."""

    def record_run(self, key: str | None, run_id: str) -> None:
        """Record the MLflow run of a trial or confirmation, or of the sweep itself for None."""


def shown_records(ledger: Ledger) -> dict[str, Record]:
    """By key, all records that have a run: trials, and confirmations, that a worker has begun."""
    records: list[Record] = [*ledger.trials(), *ledger.confirmations()]
    return {record.key: record for record in records if record.attempts}


class Projector:
    """Keeps the runs of one sweep equal to its ledger. Methods may raise whatever MLflow raises.

    After an error it is unknown what reached the store, and a store that was restarted may hold an older state: then
    `connect` again, which compares everything with what is there. For one thread at a time.
    """

    def __init__(self, ledger: Ledger, *, experiment: str, uri: str) -> None:
        self._ledger = ledger
        self._experiment = experiment
        self._uri = uri
        self._experiment_id = ""
        self._opened: MlflowClient | None = None
        self._runs: dict[str | None, KnownRun] = {}  # None: the sweep's own
        self._metrics: dict[str, float] = {}  # the last value of each of the sweep's own
        self._held: dict[str, Record] = {}  # as they were when their runs were equal to them
        self._artifacts = Artifacts()

    def open(self) -> None:
        """Load MLflow and open the store; a server is not asked anything yet. Raises TrackingError if the address
        cannot be used."""
        self._opened = self._opened or open_client(self._uri)

    def connect(self) -> None:
        """Find or create the experiment and the sweep's run, and compare all records with what the store holds of them.

        Raises TrackingError if the address cannot be used or if the experiment was deleted.
        """
        self.open()
        self._experiment_id = self._find_experiment()
        self.adopt()
        if None not in self._runs:
            self._create(None, sweep_run(self._ledger.sweep(), 0))
        self._artifacts.check(self._client, self._runs[None].id)
        self._compare()

    def adopt(self) -> None:
        """Take the sweep's runs from the store. Of several runs for one record, as a creation whose answer was lost may
        leave behind, one is kept and the others are deleted."""
        known: list[Record] = [*self._ledger.trials(), *self._ledger.confirmations()]
        recorded: dict[str | None, str | None] = {record.key: record.run_id for record in known}
        recorded[None] = self._ledger.sweep().run_id
        found: dict[str | None, list[KnownRun]] = defaultdict(list)
        metrics: dict[str, dict[str, float]] = {}
        for run in self._search():
            role, key = run_key(run.data.tags)
            if role in ROLES and key in recorded:
                found[key].append(KnownRun.of(run))
                if key is None:
                    metrics[run.info.run_id] = dict(run.data.metrics)
        self._runs = {key: self._keep_one(key, runs, recorded[key]) for key, runs in found.items()}
        self._metrics = metrics[self._runs[None].id] if None in self._runs else {}

    def push_sweep(self) -> None:
        """Make the sweep's own run equal to its record and to the state of its trials; files apart, see `upload`."""
        trials, run = self._ledger.trials(), self._runs[None]
        final = ended(trials)
        shown = {"trials/interrupted": 0.0, **self._metrics}  # so that most sweeps do not have it at all
        state = standing(self._ledger.sweep(), trials, self._ledger.confirmations())
        new = [point for point in state if shown.get(point.name) != point.value]
        self._push(run, sweep_run(self._ledger.sweep(), len(final)), progress(final, after=run.evaluations) + new)
        self._metrics.update({point.name: point.value for point in new})

    def push(self, record: Record) -> None:
        """Make a record's run equal to it."""
        if self.holds(record):
            return
        wanted = self._wanted(record)
        run = self._runs.get(record.key) or self._create(record.key, wanted)
        self._push(run, wanted, points(record, after=run.evaluations))
        self._held[record.key] = record

    def upload(self, name: str, path: Path) -> None:
        """Store a file as an artifact of the sweep's run, unless it is there unchanged. Raises UploadError."""
        self._artifacts.store_file(self._client, self._runs[None].id, name, path)

    def holds(self, record: Record) -> bool:
        """Whether the record's run is known to be equal to it."""
        held = self._held.get(record.key)
        return held is not None and replace(held, run_id=record.run_id) == record

    def missing(self) -> list[str]:
        """Keys of the records whose runs are not known to be equal to them."""
        return [key for key, record in shown_records(self._ledger).items() if not self.holds(record)]

    @property
    def _client(self) -> MlflowClient:
        assert self._opened is not None, "open() comes first"
        return self._opened

    def _find_experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(self._experiment)
        if found is None:
            try:
                # The page then opens on the runs, and not on traces of language models.
                kind = {"mlflow.experimentKind": "custom_model_development"}
                return str(self._client.create_experiment(self._experiment, tags=kind))
            except MlflowException:
                found = self._client.get_experiment_by_name(self._experiment)  # another sweep may have been faster
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            raise TrackingError(
                f"an experiment that receives runs must not be deleted; {self._experiment!r} is; bring it back with "
                f"`mlflow experiments restore --experiment-id {found.experiment_id}`, or name another one in "
                "`tracking.experiment`"
            )
        return str(found.experiment_id)

    def _search(self) -> Iterator[Run]:
        of_this_sweep = f"tags.`{ID_TAG}` = '{self._ledger.sweep().id}'"
        token: str | None = None
        while token != "":
            page = self._client.search_runs([self._experiment_id], of_this_sweep, max_results=_PAGE, page_token=token)
            yield from page
            token = page.token or ""

    def _keep_one(self, key: str | None, runs: Sequence[KnownRun], recorded: str | None) -> KnownRun:
        kept, *others = sorted(runs, key=lambda run: (run.id != recorded, -run.evaluations, run.id))
        for other in others:
            self._client.delete_run(other.id)
        if kept.id != recorded:
            self._ledger.record_run(key, kept.id)
        return kept

    def _compare(self) -> None:
        """Find the records whose runs are equal to them. The artifacts of the others may be older than they as well."""
        held = {}
        for key, record in shown_records(self._ledger).items():
            if (run := self._runs.get(key)) is None:
                continue
            wanted = self._wanted(record)
            if not run.equals(wanted):
                self._artifacts.forget(run.id)
            elif self._artifacts.has(run.id, wanted.texts):
                held[key] = record
        self._held = held
        self._artifacts.forget(self._runs[None].id)

    def _wanted(self, record: Record) -> WantedRun:
        return run_of(record, self._ledger.sweep(), self._runs[None].id)

    def _create(self, key: str | None, wanted: WantedRun) -> KnownRun:
        tags = {name: value for name, value in wanted.tags.items() if name != REPORTS_TAG}  # there are none yet
        run = self._client.create_run(self._experiment_id, start_time=wanted.started, tags=tags, run_name=wanted.name)
        known = self._runs[key] = KnownRun.of(run)
        self._ledger.record_run(key, known.id)
        return known

    def _push(self, run: KnownRun, wanted: WantedRun, new: Sequence[Point]) -> None:
        """Values first, then the status, so that a run that looks finished is; artifacts last: they may be refused."""
        try:
            self._log(run, wanted, new)
        except Exception as error:
            if is_refusal(error):
                self._set_state(run, wanted)  # it must not look as if it still ran
            raise
        for name in run.obsolete_tags(wanted):
            self._client.delete_tag(run.id, name)
            del run.tags[name]
        self._set_state(run, wanted)
        for name, text in wanted.texts.items():
            self._artifacts.store_text(self._client, run.id, name, text)

    def _log(self, run: KnownRun, wanted: WantedRun, new: Sequence[Point]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        tags, params = run.lacking_tags(wanted), run.lacking_params(wanted)
        metrics = [Metric(point.name, point.value, point.time, point.step) for point in new]
        while len(metrics) > _BATCH:
            self._client.log_batch(run.id, metrics=metrics[:_BATCH])
            del metrics[:_BATCH]
        if metrics or params or tags:
            # The tag with the number of reports comes with the last points: it never promises what is not there.
            self._client.log_batch(
                run.id,
                metrics,
                [Param(name, value) for name, value in params.items()],
                [RunTag(name, value) for name, value in tags.items()],
            )
        run.tags.update(tags)
        if params:
            run.params = shared(run.params.union(params))

    def _set_state(self, run: KnownRun, wanted: WantedRun) -> None:
        if run.has_state(wanted):
            return
        if wanted.ended is None:
            self._client.update_run(run.id, status=wanted.status)
        else:
            self._client.set_terminated(run.id, wanted.status, wanted.ended)
            run.ended = wanted.ended
        run.status = wanted.status
