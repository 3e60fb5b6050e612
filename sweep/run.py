"""The main job: a spec becomes a finished, browsable sweep. Running the same spec again goes on where it stopped."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from sweep.cli.progress import Progress
from sweep.errors import SweepFailedError
from sweep.execution.ray_cluster import Cluster, cluster
from sweep.ledger.directory import SweepDirectory
from sweep.ledger.ledger import Ledger
from sweep.ledger.provenance import data_records, environment_facts
from sweep.ledger.storage import exclusive
from sweep.scheduling.dispatcher import Dispatcher
from sweep.scheduling.stop_requests import obeying
from sweep.spec.cells import Cell, cells
from sweep.spec.model import SweepSpec
from sweep.tracking import Projection, Tracker, tracking_uri
from trainable.datasets import pin
from trainable.reports import Outcome

if TYPE_CHECKING:
    from sweep.report import ReportFiles

from sweep.execution.tune_run import _stop_on_signal, tune_run
from sweep.ledger.stored import ledger_place, open_ledger
from sweep.spec.inputs import check_inputs

__all__ = ["End", "RunResult", "run"]

logger = logging.getLogger(__name__)


class End(StrEnum):
    """How a run of a sweep came to its end."""

    FINISHED = "finished"
    OUT_OF_BUDGET = "out_of_budget"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run leaves behind. used_up: what is used up of a budget, if anything. trained: whether this run trained
    anything. report: None for an interrupted run. projection: what MLflow received."""

    end: End
    used_up: str
    trained: bool
    ledger: Ledger
    cells: Sequence[Cell]
    report: ReportFiles | None
    projection: Projection
    tracking_uri: str


def run(spec: SweepSpec, directory: SweepDirectory, *, address: str | None, progress: Progress) -> RunResult:
    """Run the sweep to its end.

    Raises SpecError, TrainableError, LedgerError, TrackingError or ClusterError for what the user can mend, and
    SweepFailedError if no trial could be scored.
    """
    directory.create()
    with directory.locked(), exclusive(ledger_place(spec, directory), spec.name):
        ledger = open_ledger(spec, directory, write=True)
        spec = pinned(spec, ledger)
        grid = cells(spec)
        check_inputs(grid)
        ledger.begin(spec.resolved(), grid, environment_facts(), data_records(grid))
        directory.write_spec(yaml.safe_dump(spec.resolved(), sort_keys=False, allow_unicode=True))
        result = _run(spec, grid, ledger, directory, address, progress)
    if ledger.sweep().state == "failed":
        raise SweepFailedError(_failures(ledger))
    return result


def pinned(spec: SweepSpec, ledger: Ledger) -> SweepSpec:
    """The spec with the commit of every hub dataset: the one that the sweep began with, else the newest."""
    recorded = ledger.sweep().spec.get("datasets", {}) if ledger.exists() else {}
    datasets = {}
    for name, config in spec.datasets.items():
        known = recorded.get(name, {})
        same = config.hub is not None and config.revision is None and known.get("hub") == config.hub
        datasets[name] = pin(config.model_copy(update={"revision": known.get("revision")}) if same else config)
    return spec.model_copy(update={"datasets": datasets})


def _run(
    spec: SweepSpec,
    grid: Sequence[Cell],
    ledger: Ledger,
    directory: SweepDirectory,
    address: str | None,
    progress: Progress,
) -> RunResult:
    uri = tracking_uri(spec.tracking.uri)
    tracker = Tracker(ledger, experiment=spec.tracking.experiment, uri=uri, required=spec.tracking.required)
    dispatcher = Dispatcher(ledger, spec, grid, slots=1, changed=_both(tracker.notify, progress.changed))
    tracker.start()
    trained, end = False, End.INTERRUPTED
    with ExitStack() as ray:  # left last, when everything is on record: a cluster that has died may not let go
        try:
            with obeying(directory, partial(setattr, dispatcher, "draining", True)):
                dispatcher.start()
                if not dispatcher.exhausted:
                    trained = True
                    joined = ray.enter_context(cluster(address, spec.resources, spec.budget.concurrency))
                    logger.info("joined Ray: %s", joined)
                    _train(dispatcher, joined, progress)
                end = _end(dispatcher)
        except KeyboardInterrupt:
            logger.info("stopped by a signal")
        finally:
            try:
                report = _close(dispatcher, end, directory, tracker)
            finally:
                projection = tracker.close(timeout=60)
    return RunResult(end, dispatcher.meter.used_up, trained, ledger, grid, report, projection, uri)


def _close(dispatcher: Dispatcher, end: End, directory: SweepDirectory, tracker: Tracker) -> ReportFiles | None:
    """Complete the records and write the report. Raises LedgerError where the ledger could not be written."""
    out = end is End.OUT_OF_BUDGET
    dispatcher.interrupt(f"{dispatcher.meter.used_up} is used up" if out else f"the sweep ended: {end}")
    dispatcher.ledger.end(_state(end, dispatcher.ledger))
    if dispatcher.fault is not None:
        raise dispatcher.fault
    return None if end is End.INTERRUPTED else _report(dispatcher.ledger, directory, tracker)


def _report(ledger: Ledger, directory: SweepDirectory, tracker: Tracker) -> ReportFiles | None:
    """Write the report and hand it to MLflow. It can be made again at any time, so its failure costs nothing else."""
    from sweep.report import write_report

    try:
        report = write_report(ledger.results(), directory.report)
    except Exception:
        logger.exception("the report could not be written")
        return None
    tracker.log_artifact(directory.report)
    return report


def _train(dispatcher: Dispatcher, joined: Cluster, progress: Progress) -> None:
    dispatcher.slots, dispatcher.meter.gpus = joined.slots, joined.gpu
    with (
        progress.showing(dispatcher.ledger, dispatcher),
        _stop_on_signal(dispatcher),
        tempfile.TemporaryDirectory(prefix="sweep-tune-", ignore_cleanup_errors=True) as scratch,
    ):
        from sweep.execution.trial_inputs import pack

        configs = [config for cell in dispatcher.cells for config in cell.inputs()]
        tune_run(dispatcher, joined, pack(configs, everywhere=not joined.alone), Path(scratch))


def _end(dispatcher: Dispatcher) -> End:
    if dispatcher.stopping:
        return End.INTERRUPTED
    open_trials = any(record.outcome in (None, Outcome.INTERRUPTED) for record in dispatcher.ledger.trials())
    if not (open_trials or dispatcher.unfinished):
        return End.FINISHED
    return End.OUT_OF_BUDGET if dispatcher.meter.used_up and not dispatcher.draining else End.INTERRUPTED


def _state(end: End, ledger: Ledger) -> str:
    if end is not End.FINISHED:
        return "interrupted"
    return "finished" if any(record.score is not None for record in ledger.trials()) else "failed"


def _both(first: Callable[[str], None], second: Callable[[str], None]) -> Callable[[str], None]:
    def changed(key: str) -> None:
        first(key)
        second(key)

    return changed


def _failures(ledger: Ledger) -> str:
    reasons = sorted({record.reason for record in ledger.trials() if record.reason})
    listing = "".join(f"\n  {reason}" for reason in reasons[:5])
    return (
        f"a sweep needs at least one trial with a score; all {len(ledger.trials())} trials ended without one:{listing}"
    )
