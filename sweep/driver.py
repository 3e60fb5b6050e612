"""The main job: a spec becomes a finished, browsable sweep. Running the same spec again resumes it."""

from __future__ import annotations

import logging
import shlex
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import yaml

from sweep.errors import SweepFailedError, TrackingError
from sweep.execution import tune_run
from sweep.execution.ray_cluster import cluster
from sweep.execution.refit_task import refit_on
from sweep.ledger.directory import SweepDirectory
from sweep.ledger.ledger import Ledger
from sweep.ledger.provenance import confirmed_before, data_records, environment, version_changes
from sweep.ledger.storage import exclusive
from sweep.ledger.stored import ledger_place, open_ledger, suggested
from sweep.records.confirmation import Role
from sweep.records.sweep import SweepRecord, SweepState
from sweep.refitting import Training, here, keep_winners
from sweep.report.preparation import report_prepared
from sweep.scheduling.dispatcher import Dispatcher
from sweep.scheduling.ending import End, Ending, close
from sweep.scheduling.stop_requests import obeying
from sweep.spec.cells import Cell, cells
from sweep.spec.inputs import as_begun, begun_otherwise, check_inputs, data_notes, digest_inputs, pinned, with_rates
from sweep.spec.model import SweepSpec
from sweep.tracking import Projection, Tracker, tracking_uri
from sweep.verdict import summary
from trainable.inputs import forget_inputs

if TYPE_CHECKING:
    from sweep.report import ReportFiles

__all__ = ["Display", "RunResult", "run"]

logger = logging.getLogger(__name__)

_NO_DIGESTS = (
    "the sweep was begun by a version that did not notice changed data and encoders; their digests were taken now, and "
    "from here on a change is refused"
)


class Display(Protocol):
    """What shows a person how a run gets on."""

    def showing(self, ledger: Ledger, dispatcher: Dispatcher) -> AbstractContextManager[None]:
        """Show the run for as long as the context is open."""

    def changed(self, key: str) -> None:
        """A trial or confirmation has changed. May be called from any thread, and must not raise."""

    def told(self, said: str) -> None:
        """Something is done with the winners after the trials, in a few words."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run leaves behind.

    ending: how the run ended.
    signalled: whether Ctrl-C, or a signal that means the same, ended it.
    trained: whether this run trained anything.
    report: the files of the report; None for an interrupted run, and where the report could not be written.
    projection: what MLflow received.
    notes: what a person should know of this run.
    """

    ending: Ending
    signalled: bool
    trained: bool
    ledger: Ledger
    cells: Sequence[Cell]
    report: ReportFiles | None
    projection: Projection
    tracking_uri: str
    notes: tuple[str, ...] = ()


def run(spec: SweepSpec, directory: SweepDirectory, *, address: str | None, display: Display) -> RunResult:
    """Run the sweep to its end. It logs into its folder, and reads data and encoders anew.

    Raises SpecError, TrainableError, LedgerError, TrackingError or ClusterError for what the user can mend, and
    SweepFailedError if no trial could be scored.
    """
    directory.create()
    forget_inputs()
    with _logged(directory), directory.locked(), exclusive(ledger_place(spec, directory), spec.name):
        ledger = open_ledger(spec, directory, write=True)
        known = ledger.sweep() if ledger.exists() else None
        recorded = known.spec if known is not None else {}
        asked, spec = spec, as_begun(spec, recorded)
        notes = (*begun_otherwise(asked, spec),)
        spec = with_rates(pinned(spec, recorded), recorded)
        grid = cells(spec)
        check_inputs(grid)
        provenance = {**environment(), **confirmed_before(known, spec)}
        notes = (*notes, *_notes(ledger, known, provenance), *_of_data(grid))
        first = suggested(spec, ledger.new_cells(grid), directory.path.parent)
        ledger.begin(spec.resolved(), grid, provenance, data_records(grid), digest_inputs(grid), first)
        notes = (*_fewer_draws(ledger, spec), *notes)
        directory.write_spec(yaml.safe_dump(spec.resolved(), sort_keys=False, allow_unicode=True))
        before = SweepState.INTERRUPTED if known is None or known.state is SweepState.RUNNING else known.state
        try:
            result = _run(spec, grid, ledger, directory, address, display)
        except TrackingError:
            ledger.end(before)  # the sweep is as it was: its run was refused before anything was trained
            raise
        result = replace(result, notes=(*notes, *result.notes))
    if ledger.sweep().state is SweepState.FAILED:
        raise SweepFailedError(_failures(ledger))
    return result


def _run(
    spec: SweepSpec,
    grid: Sequence[Cell],
    ledger: Ledger,
    directory: SweepDirectory,
    address: str | None,
    display: Display,
) -> RunResult:
    uri = tracking_uri(spec.tracking.uri)
    tracker = Tracker(ledger, experiment=spec.tracking.experiment, uri=uri, required=spec.tracking.required)
    dispatcher = Dispatcher(ledger, spec, grid, slots=1, changed=_both(tracker.notify, display.changed))
    conclusion = _Conclusion(spec, ledger, directory, tracker, display)
    trained, aborted, signalled = False, True, False
    training: Training = here
    with ExitStack() as ray:  # left last, when everything is on record: a cluster that has died may not let go
        try:
            with obeying(directory, drain=dispatcher.drain, stop=dispatcher.stop):
                dispatcher.start()
                if dispatcher.exhausted:
                    tracker.start()
                else:
                    trained = True
                    directory.expect_winners()
                    wanted = (address, spec.resources, spec.budget.concurrency)
                    joined = ray.enter_context(cluster(*wanted, tracker.start, tune_run.load))
                    logger.info("joined Ray: %s", joined)
                    training = here if joined.alone else refit_on(joined)
                    with display.showing(ledger, dispatcher), report_prepared(partial(_evaluated, ledger)):
                        tune_run.train(dispatcher, joined)
            aborted = False
        except KeyboardInterrupt:
            logger.info("stopped by a signal")
            signalled = True
        finally:
            try:
                ending = close(dispatcher, aborted=aborted)
                report, lacking = conclusion.drawn(ending.end, training, trained=trained)
            finally:
                projection = tracker.close(timeout=60)
    notes = (*(dispatcher.meter.without_effect if trained else ()), *lacking)
    return RunResult(ending, signalled, trained, ledger, grid, report, projection, uri, notes)


@contextmanager
def _logged(directory: SweepDirectory) -> Iterator[None]:
    """Write what is logged into the sweep's log, and nowhere else."""
    handler = logging.FileHandler(directory.log, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    own = logging.getLogger("sweep")
    before = (logging.raiseExceptions, own.level, own.propagate)
    logging.raiseExceptions = False  # a log that cannot be written is no news beside the sweep's own
    own.addHandler(handler)
    own.setLevel(logging.INFO)
    own.propagate = False
    try:
        yield
    finally:
        own.removeHandler(handler)
        with suppress(OSError):  # neither are its last lines, on a disk that is full
            handler.close()
        logging.raiseExceptions, own.level, own.propagate = before


def _notes(ledger: Ledger, known: SweepRecord | None, here: Mapping[str, str]) -> Iterator[str]:
    """What has changed since the sweep was last run.

    known: its record then, if it was.
    here: what this process runs on.
    """
    if ledger.without_digests():
        yield _NO_DIGESTS
    changed = version_changes(known.provenance, here) if known is not None else []
    if changed:
        yield f"versions have changed since the last run ({'; '.join(changed)}), and may compute otherwise"


def _fewer_draws(ledger: Ledger, spec: SweepSpec) -> Iterator[str]:
    """Draws that were confirmed are not forgotten where fewer are asked for: a verdict that chose among them would be
    chosen itself."""
    confirmed = (each for each in ledger.confirmations() if each.role is Role.CONFIRMATION)
    drawn = max((len({one.evaluation.draw for one in each.replicates}) for each in confirmed), default=0)
    if drawn > spec.confirm.draws:
        yield f"{drawn} draws are confirmed already, more than the {spec.confirm.draws} of `confirm.draws`: all count"


def _of_data(grid: Sequence[Cell]) -> Iterator[str]:
    """What was dropped or assumed in reading the data, as `plan` says it, and how many texts are longer than what
    trials read of them, which alone can leave a method at chance."""
    yield from (f"{name}: {note}" for name, notes in data_notes(grid).items() for note in notes)


@dataclass(frozen=True, slots=True)
class _Conclusion:
    """What is done once the trials of a run have ended: its report is written, its winners are kept and explained."""

    spec: SweepSpec
    ledger: Ledger
    directory: SweepDirectory
    tracker: Tracker
    display: Display

    def drawn(self, end: End, training: Training, *, trained: bool) -> tuple[ReportFiles | None, tuple[str, ...]]:
        """The report, unless the run was interrupted, and a sentence for each winner of a finished sweep that could not
        be kept or explained.

        training: where winners are trained. trained: whether this run trained anything, and so may have new ones.
        """
        if end is End.INTERRUPTED:
            return None, ()
        report, anew = self._report(), trained or self.directory.winners_due.exists()
        if end is not End.FINISHED:
            return report, ()
        keep = training if self.spec.refit and (anew or not self.directory.kept()) else None
        lacking = self._kept_and_explained(keep, anew=anew)
        if keep is not None:
            report = self._report()  # once more, with the way to what is kept
        return report, lacking

    def _report(self) -> ReportFiles | None:
        """Write the report and hand it to MLflow. It can be made again at any time, so its failure costs nothing
        else."""
        from sweep.report import write_report

        try:
            report = write_report(self.ledger.results(), self.directory.report, kept=self.directory.kept())
        except Exception:
            logger.exception("the report could not be written")
            return None
        self.tracker.log_artifact(self.directory.report)
        self.tracker.describe(summary(report.verdict))
        return report

    def _kept_and_explained(self, keep: Training | None, *, anew: bool) -> tuple[str, ...]:
        """Keep and explain the winners, until a request to stop ends it; a sentence for each that lacks.

        keep: where winners are trained; None where none are to be kept.
        """
        stopped, lacking = threading.Event(), tuple[str, ...]()
        with obeying(self.directory, drain=stopped.set, stop=stopped.set):
            if keep is not None:
                lacking = keep_winners(self.directory, told=self.display.told, stopped=stopped.is_set, training=keep)
            if self.spec.explain and stopped.is_set():
                explain = f"`python -m sweep explain {shlex.quote(str(self.directory.path))}`"
                return *lacking, f"the winners are not explained: the sweep was told to stop; {explain} does it"
            lacking += self._explained(anew=anew) if self.spec.explain else ()
        if not stopped.is_set():
            self.directory.winners_due.unlink(missing_ok=True)
        return lacking

    def _explained(self, *, anew: bool) -> tuple[str, ...]:
        """Explain the best arms, unless they are already and nothing was trained, and hand the pages to MLflow; a
        sentence for each that could not be explained."""
        from sweep.explain import explain_winners  # late, as few sweeps need it

        lacking = explain_winners(self.directory) if anew or not self.directory.explained() else ()
        if self.directory.explained():
            self.tracker.log_artifact(self.directory.explanations)
        return lacking


def _evaluated(ledger: Ledger) -> bool:
    return any(record.evaluations for record in ledger.trials())


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
