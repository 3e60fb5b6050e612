"""The comparison of records with MLflow runs, and the requests that make the runs equal to the records."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias

from sweep.errors import TrackingError
from sweep.records import ConfirmationRecord, SweepRecord, TrialRecord
from sweep.tracking.runs import (
    ID_TAG,
    REPORTS_TAG,
    ROLES,
    TRANSIENT_TAGS,
    Point,
    WantedRun,
    points,
    reports,
    run_key,
    run_of,
    summary,
    sweep_run,
)
from sweep.tracking.store import UploadError, is_refusal, open_client

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["Ledger", "Projector", "Record", "shown_records"]

Record: TypeAlias = TrialRecord | ConfirmationRecord
"""What has a run of its own, nested under the sweep's."""

_BATCH = 800  # points of one request; MLflow takes 1000 metrics, parameters and tags together
_PAGE = 1000  # runs of one answer


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

    After an error it is unknown what reached the store: `connect` again before the next push. For one thread at a time.
    """

    def __init__(self, ledger: Ledger, *, experiment: str, uri: str) -> None:
        self._ledger = ledger
        self._experiment = experiment
        self._uri = uri
        self._experiment_id = ""
        self._opened: MlflowClient | None = None
        self._runs: dict[str | None, _KnownRun] = {}  # None: the sweep's own
        self._held: dict[str, Record] = {}
        self._uploaded: dict[tuple[str, str], str] = {}

    def connect(self) -> None:
        """Find or create the experiment and the sweep's run, and learn what the store holds of the other records.

        Raises TrackingError if the address cannot be used or if the experiment was deleted.
        """
        self._opened = self._opened or open_client(self._uri)
        self._experiment_id = self._find_experiment()
        self._held = {}
        self.adopt()
        if None not in self._runs:
            self._create(None, sweep_run(self._ledger.sweep()))

    def adopt(self) -> None:
        """Take the sweep's runs from the store. Of several runs for one record, as a creation whose answer was lost may
        leave behind, one is kept and the others are deleted."""
        known: list[Record] = [*self._ledger.trials(), *self._ledger.confirmations()]
        recorded: dict[str | None, str | None] = {record.key: record.run_id for record in known}
        recorded[None] = self._ledger.sweep().run_id
        found: dict[str | None, list[_KnownRun]] = defaultdict(list)
        for run in self._search():
            role, key = run_key(run.data.tags)
            if role in ROLES and key in recorded:
                found[key].append(_KnownRun.of(run))
        self._runs = {}
        for key, runs in found.items():
            kept, *others = sorted(runs, key=lambda run: (run.id != recorded[key], -run.reports, run.id))
            for other in others:
                self._client.delete_run(other.id)
            self._runs[key] = kept
            if kept.id != recorded[key]:
                self._ledger.record_run(key, kept.id)

    def push_sweep(self) -> None:
        """Make the sweep's own run equal to its record and to the state of its trials."""
        wanted = sweep_run(self._ledger.sweep())
        run = self._runs[None]
        latest = summary(self._ledger.trials(), self._ledger.confirmations(), now=time.time())
        self._push(run, wanted, [point for point in latest if run.metrics.get(point.name) != point.value])

    def push(self, record: Record) -> None:
        """Make a record's run equal to it."""
        if self.holds(record):
            return
        wanted = run_of(record, self._ledger.sweep(), self._runs[None].id)
        run = self._runs.get(record.key) or self._create(record.key, wanted)
        if count := reports(record):
            wanted = replace(wanted, tags={**wanted.tags, REPORTS_TAG: str(count)})
        self._push(run, wanted, points(record, after=run.reports))
        self._held[record.key] = _without_run(record)

    def upload(self, path: Path) -> None:
        """Store a file, or a folder under its name, as an artifact of the sweep's run. Raises UploadError."""
        run = self._runs[None].id
        try:
            if path.is_dir():
                self._client.log_artifacts(run, str(path), path.name)
            else:
                self._client.log_artifact(run, str(path))
        except Exception as error:
            raise UploadError(f"{path.name}: {error}") from error

    def holds(self, record: Record) -> bool:
        """Whether the record's run is known to be equal to it."""
        return self._held.get(record.key) == _without_run(record)

    def missing(self) -> list[str]:
        """Keys of the records whose runs are not known to be equal to them."""
        return [key for key, record in shown_records(self._ledger).items() if not self.holds(record)]

    @property
    def _client(self) -> MlflowClient:
        assert self._opened is not None, "connect() comes first"
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

    def _create(self, key: str | None, wanted: WantedRun) -> _KnownRun:
        tags = dict(wanted.tags)
        run = self._client.create_run(self._experiment_id, start_time=wanted.started, tags=tags, run_name=wanted.name)
        known = self._runs[key] = _KnownRun.of(run)
        self._ledger.record_run(key, known.id)
        return known

    def _push(self, run: _KnownRun, wanted: WantedRun, new: Sequence[Point]) -> None:
        """Values first, then the status, so that a run that looks finished is; artifacts last: they may be refused."""
        try:
            self._log(run, wanted, new)
        except Exception as error:
            if is_refusal(error):
                self._set_status(run, wanted)  # it must not look as if it still ran
            raise
        for name in TRANSIENT_TAGS:
            if name in run.tags and name not in wanted.tags:
                self._client.delete_tag(run.id, name)
                del run.tags[name]
        self._set_status(run, wanted)
        for name, text in wanted.texts.items():
            self._upload_text(run, name, text)

    def _log(self, run: _KnownRun, wanted: WantedRun, new: Sequence[Point]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        tags = {key: value for key, value in wanted.tags.items() if run.tags.get(key) != value}
        params = {key: value for key, value in wanted.params.items() if key not in run.params}
        metrics = [Metric(point.name, point.value, point.time, point.step) for point in new]
        while len(metrics) > _BATCH:
            self._client.log_batch(run.id, metrics=metrics[:_BATCH])
            del metrics[:_BATCH]
        # The tag with the number of reports comes with the last points: it never promises what is not there.
        self._client.log_batch(
            run.id,
            metrics,
            [Param(key, value) for key, value in params.items()],
            [RunTag(*each) for each in tags.items()],
        )
        run.tags.update(tags)
        run.params.update(params)
        run.metrics.update({point.name: point.value for point in new})

    def _set_status(self, run: _KnownRun, wanted: WantedRun) -> None:
        if run.status == wanted.status:
            return
        if wanted.ended is None:
            self._client.update_run(run.id, status=wanted.status)
        else:
            self._client.set_terminated(run.id, wanted.status, wanted.ended)
        run.status = wanted.status

    def _upload_text(self, run: _KnownRun, name: str, text: str) -> None:
        if self._uploaded.get((run.id, name)) == text:
            return
        try:
            self._client.log_text(run.id, text, name)
        except Exception as error:
            raise UploadError(f"{name}: {error}") from error
        self._uploaded[run.id, name] = text


@dataclass(slots=True)
class _KnownRun:
    """What the store is known to hold of a run."""

    id: str
    status: str
    tags: dict[str, str]
    params: dict[str, str]
    metrics: dict[str, float]

    @classmethod
    def of(cls, run: Run) -> Self:
        return cls(run.info.run_id, run.info.status, dict(run.data.tags), dict(run.data.params), dict(run.data.metrics))

    @property
    def reports(self) -> int:
        """Number of the last report that is there completely."""
        return int(self.tags.get(REPORTS_TAG, "0"))


def _without_run(record: Record) -> Record:
    return replace(record, run_id=None)
