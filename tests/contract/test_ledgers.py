"""What a record of sweeps keeps, wherever it lies: a journal, Postgres, and the ledger in memory of the tests.

The first part holds for every Optuna storage that a ledger can be kept in, the second for every ledger, the third for
ledgers that outlive their process.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import pytest
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.study import StudyDirection
from optuna.trial import TrialState

from sweep.errors import LedgerError
from sweep.ledger.ledger import Ledger
from sweep.ledger.storage import exclusive, open_storage
from sweep.records.confirmation import ReplicateRecord, Role
from sweep.records.sweep import SweepState
from sweep.records.trial import TrialRecord
from sweep.tracking.projector import Ledger as ReadLedger
from sweep.tracking.projector import records_with_runs
from tests.sweeps.grid import evaluated, grid, spec
from tests.sweeps.memory_ledger import MemoryLedger
from tests.sweeps.storage_content import all_studies, fill
from trainable.draws import CONFIRMATION_START
from trainable.outcomes import Evaluation, Outcome

Place = Path | str
POSTGRES = pytest.param("postgres", marks=pytest.mark.slow)  # it starts a server


@pytest.fixture(params=["journal", POSTGRES])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty place for ledgers, of one kind after the other."""
    if request.param == "journal":
        return tmp_path / "ledger.journal"
    return str(request.getfixturevalue("postgres_url"))


# ---- storages


def test_a_reader_sees_all_that_was_written(place: Place) -> None:
    storage = open_storage(place, write=True)
    fill(storage)
    written = all_studies(storage)
    assert len(written) == 1
    assert all_studies(open_storage(place, write=False)) == all_studies(open_storage(place, write=True)) == written


def test_a_reader_sees_what_is_written_later(place: Place) -> None:
    writer = open_storage(place, write=True)
    fill(writer)
    reader = open_storage(place, write=False)
    (study,) = (each._study_id for each in reader.get_all_studies())
    writer.create_new_trial(study)
    writer.set_study_user_attr(study, "state", "finished")
    assert [trial.number for trial in open_storage(place, write=False).get_all_trials(study)] == [0, 1]
    assert open_storage(place, write=False).get_study_user_attrs(study)["state"] == "finished"


def test_text_of_any_length_and_script_is_kept(place: Place) -> None:
    values = {"traceback": 100_000 * "x", "text": 'Größe\n"\\\t\u2028 猫', "nested": {"a": [1, 2.5, None, True, {}]}}
    writer = open_storage(place, write=True)
    study = writer.create_new_study([StudyDirection.MAXIMIZE], "small")
    trial = writer.create_new_trial(study)
    for name, value in values.items():
        writer.set_study_user_attr(study, name, value)
        writer.set_trial_user_attr(trial, name, value)
    reader = open_storage(place, write=False)
    assert reader.get_study_user_attrs(study) == values
    assert reader.get_trial(trial).user_attrs == values


def test_a_name_is_given_once_and_a_trial_ends_once(place: Place) -> None:
    storage = open_storage(place, write=True)
    fill(storage)
    before = all_studies(storage)
    with pytest.raises(DuplicatedStudyError):
        storage.create_new_study([StudyDirection.MAXIMIZE], "small")
    (trial,) = before[0][2]
    with pytest.raises(UpdateFinishedTrialError):
        storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [0.75])
    assert all_studies(open_storage(place, write=False)) == before


def test_who_holds_a_sweep_may_write_it_and_others_may_hold_another(place: Place) -> None:
    with exclusive(place, "small"), exclusive(place, "another"):
        fill(open_storage(place, write=True, name="small"))
    assert len(all_studies(open_storage(place, write=False))) == 1


# ---- ledgers


class Driven(Protocol):
    """A ledger, and what a sweep does to it."""

    @property
    def ledger(self) -> ReadLedger:
        """As tracking reads it."""

    def ask(self) -> str:
        """A new trial. Returns its key."""

    def record(self, key: str, score: float) -> None:
        """A trial's next evaluation."""

    def finish(self, key: str, outcome: Outcome, reason: str = "", detail: str = "") -> object:
        """The end of a trial, or of an attempt at it."""

    def restart(self, key: str) -> object:
        """A further attempt at an interrupted trial."""

    def confirm(self, trial: str, *scores: float) -> str:
        """The confirmation of a trial, or more draws for it. scores: of all its draws. Returns its key."""

    def end(self, state: SweepState) -> None:
        """The end of the sweep's run."""


class InMemory(MemoryLedger):
    """The ledger of the tests for tracking, which is its own reader."""

    @property
    def ledger(self) -> ReadLedger:
        return self

    def confirm(self, trial: str, *scores: float, reseeded: int = 0, outcome: Outcome | None = None) -> str:
        return super().confirm(trial, *scores, reseeded=reseeded, outcome=Outcome.COMPLETED)


class Durable:
    """The ledger of real sweeps, with trials of one cell."""

    def __init__(self, place: Place) -> None:
        self._cells = grid()
        self.ledger = Ledger(open_storage(place, write=True), "small")
        self.ledger.begin(spec().resolved(), self._cells, {"python": "3.11"})
        self.finish, self.restart, self.end = self.ledger.finish, self.ledger.restart, self.ledger.end

    def ask(self) -> str:
        return self.ledger.ask(self._cells[0], seed=0, budget=8).key

    def record(self, key: str, score: float) -> None:
        done = len(self.ledger.trial(key).evaluations)
        self.ledger.record(key, evaluated(done // 2, done % 2 + 1, score))

    def confirm(self, trial: str, *scores: float) -> str:
        source = self.ledger.trial(trial)
        known = [record for record in self.ledger.confirmations() if record.trial == source.number]
        record = known[0] if known else self.ledger.begin_confirmation(source, Role.CONFIRMATION, source.config)
        for number, score in list(enumerate(scores))[len(record.replicates) :]:
            self.ledger.count_attempt(record.key, f"{CONFIRMATION_START + number}.0")
            metrics = {"test_accuracy": score}
            draw = CONFIRMATION_START + number
            self.ledger.record_replicate(
                record.key, Evaluation(draw=draw, replicate=0, point=1, step=4, metrics=metrics)
            )
        return self.ledger.finish_confirmation(record.key, Outcome.COMPLETED).key


@pytest.fixture(params=["memory", "journal", POSTGRES])
def driven(request: pytest.FixtureRequest, tmp_path: Path) -> Driven:
    """A sweep that has just begun, in one ledger after the other."""
    if request.param == "memory":
        return InMemory()
    postgres = request.param == "postgres"
    return Durable(str(request.getfixturevalue("postgres_url")) if postgres else tmp_path / "ledger.journal")


def trial(driven: Driven, key: str) -> TrialRecord:
    (record,) = [record for record in driven.ledger.trials() if record.key == key]
    return record


def test_a_sweep_begins_empty(driven: Driven) -> None:
    sweep = driven.ledger.sweep()
    assert sweep.id
    assert (sweep.state, sweep.ended, sweep.run_id) == (SweepState.RUNNING, None, None)
    assert sweep.name
    assert sweep.provenance
    assert not driven.ledger.trials()
    assert not driven.ledger.confirmations()
    assert records_with_runs(driven.ledger) == {}


def test_trials_keep_the_order_in_which_they_were_asked_for(driven: Driven) -> None:
    keys = [driven.ask() for _ in range(3)]
    driven.finish(keys[1], Outcome.FAILED, "no")
    driven.record(keys[0], 0.5)
    assert [record.key for record in driven.ledger.trials()] == keys
    assert [record.number for record in driven.ledger.trials()] == [0, 1, 2]
    assert list(records_with_runs(driven.ledger)) == keys


def test_a_new_trial_runs_for_the_first_time_and_has_no_evaluation(driven: Driven) -> None:
    record = trial(driven, driven.ask())
    assert (record.outcome, record.ended, record.attempts, record.score, record.run_id) == (None, None, 1, None, None)
    assert record.evaluations == ()
    assert record.started >= driven.ledger.sweep().created
    assert record.config.method in record.cell


def test_evaluations_are_numbered_and_come_one_after_the_other(driven: Driven) -> None:
    key = driven.ask()
    for score in (0.25, 0.5):
        driven.record(key, score)
    record = trial(driven, key)
    assert [(each.number, each.score) for each in record.evaluations] == [(1, 0.25), (2, 0.5)]
    assert record.score == 0.5
    times = [record.started, *(each.time for each in record.evaluations)]
    assert times == sorted(times)


@pytest.mark.parametrize("outcome", [Outcome.COMPLETED, Outcome.PRUNED, Outcome.DIVERGED, Outcome.FAILED])
def test_an_end_is_kept_with_its_reason(driven: Driven, outcome: Outcome) -> None:
    key = driven.ask()
    driven.record(key, 0.5)
    driven.record(key, 0.5)
    driven.finish(key, outcome, "why", "Traceback")
    record = trial(driven, key)
    assert (record.outcome, record.reason, record.detail) == (outcome, "why", "Traceback")
    assert record.ended is not None
    assert record.ended >= record.evaluations[-1].time


def test_trials_end_one_after_the_other(driven: Driven) -> None:
    keys = [driven.ask() for _ in range(4)]
    order = [keys[number] for number in (2, 0, 3, 1)]
    for key in order:
        driven.finish(key, Outcome.FAILED, "no")
    assert sorted(keys, key=lambda key: trial(driven, key).ended or 0.0) == order
    assert len({trial(driven, key).ended for key in keys}) == 4


def test_an_interrupted_trial_has_a_further_attempt_and_keeps_its_evaluations(driven: Driven) -> None:
    key = driven.ask()
    driven.record(key, 0.25)
    driven.finish(key, Outcome.INTERRUPTED, "stopped")
    assert trial(driven, key).outcome is Outcome.INTERRUPTED
    before = trial(driven, key)
    driven.restart(key)
    again = trial(driven, key)
    assert (again.attempts, again.outcome, again.reason, again.ended) == (2, None, "", None)
    assert (again.evaluations, again.params, again.config) == (before.evaluations, before.params, before.config)


def test_a_confirmation_holds_a_replicate_for_each_draw(driven: Driven) -> None:
    winner = driven.ask()
    key = driven.confirm(winner, 0.5, 0.75)
    (record,) = driven.ledger.confirmations()
    assert record.key == key != winner
    assert (record.cell, record.trial) == (trial(driven, winner).cell, trial(driven, winner).number)
    assert (record.role, record.outcome) == (Role.CONFIRMATION, Outcome.COMPLETED)
    assert scores(record.replicates) == [(CONFIRMATION_START, 0.5), (CONFIRMATION_START + 1, 0.75)]
    assert len(record.attempts) == 2
    assert set(records_with_runs(driven.ledger)) == {winner, key}


def test_a_confirmation_takes_more_draws_under_the_same_key_and_run(driven: Driven) -> None:
    winner = driven.ask()
    key = driven.confirm(winner, 0.5)
    driven.ledger.record_run(key, "run-1")
    assert driven.confirm(winner, 0.5, 0.75) == key
    (record,) = driven.ledger.confirmations()
    assert [score for _, score in scores(record.replicates)] == [0.5, 0.75]
    assert record.run_id == "run-1"


def scores(replicates: tuple[ReplicateRecord, ...]) -> list[tuple[int, float]]:
    return [(each.evaluation.draw, each.evaluation.metrics["test_accuracy"]) for each in replicates]


def test_a_run_is_recorded_for_one_record_alone_and_stays(driven: Driven) -> None:
    first, second = driven.ask(), driven.ask()
    confirmation = driven.confirm(first, 0.5)
    for key, run in ((first, "run-1"), (None, "run-0"), (confirmation, "run-2")):
        driven.ledger.record_run(key, run)
    driven.record(first, 0.5)
    driven.finish(first, Outcome.FAILED, "no")
    driven.end(SweepState.FINISHED)
    assert driven.ledger.sweep().run_id == "run-0"
    assert [record.run_id for record in driven.ledger.trials()] == ["run-1", None]
    assert [record.run_id for record in driven.ledger.confirmations()] == ["run-2"]
    driven.ledger.record_run(second, "run-3")
    driven.ledger.record_run(first, "run-4")
    assert [record.run_id for record in driven.ledger.trials()] == ["run-4", "run-3"]


def test_a_sweep_ends_and_is_told_how(driven: Driven) -> None:
    driven.end(SweepState.INTERRUPTED)
    sweep = driven.ledger.sweep()
    assert sweep.state is SweepState.INTERRUPTED
    assert sweep.ended is not None
    assert sweep.ended >= sweep.created


def test_records_are_values_that_do_not_change(driven: Driven) -> None:
    key = driven.ask()
    before, all_before, sweep = trial(driven, key), driven.ledger.trials(), driven.ledger.sweep()
    driven.record(key, 0.5)
    driven.finish(key, Outcome.INTERRUPTED, "stopped")
    driven.ask()
    driven.end(SweepState.FINISHED)
    assert (before.outcome, before.evaluations, before.ended) == (None, (), None)
    assert list(all_before) == [before]
    assert sweep.state is SweepState.RUNNING


def test_threads_may_read_and_write_at_once(driven: Driven) -> None:
    keys = [driven.ask() for _ in range(4)]

    def work(key: str) -> int:
        driven.record(key, 0.5)
        driven.ledger.record_run(key, f"run of {key}")
        return len(records_with_runs(driven.ledger))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, keys)) == 4 * [4]
    for record in driven.ledger.trials():
        assert (record.run_id, len(record.evaluations)) == (f"run of {record.key}", 1)


# ---- ledgers that outlive their process


Opened = Callable[[], Ledger]


@pytest.fixture
def reopened(place: Place) -> Opened:
    """The ledger as a driver that comes next opens it."""
    return lambda: Durable(place).ledger


def played(driven: Durable) -> None:
    """A trial of every kind of end, one that runs, and a confirmation."""
    for outcome in Outcome:
        key = driven.ask()
        driven.record(key, 0.25)
        driven.record(key, 0.5)
        driven.finish(key, outcome, "why", "Traceback")
        driven.ledger.record_run(key, f"run of {key}")
    driven.record(driven.ask(), 0.75)
    key = driven.confirm(driven.ledger.trials()[0].key, 0.5, 0.75)
    driven.ledger.record_run(key, "confirmed")
    driven.ledger.record_run(None, "parent")


def test_everything_survives_reopening(place: Place, reopened: Opened) -> None:
    driven = Durable(place)
    played(driven)
    assert reopened().results() == driven.ledger.results()


def test_a_reader_sees_the_same_without_the_spec(place: Place) -> None:
    driven = Durable(place)
    played(driven)
    reader = Ledger(open_storage(place, write=False), "small")
    reader.read()
    assert reader.results() == driven.ledger.results()


def test_a_sweep_keeps_its_id_and_its_beginning_over_reopening(place: Place, reopened: Opened) -> None:
    first, again = Durable(place).ledger.sweep(), reopened().sweep()
    assert (again.id, again.created) == (first.id, first.created)
    assert first.provenance == {"python": "3.11"}


def test_recording_an_evaluation_twice_keeps_one(place: Place, reopened: Opened) -> None:
    ledger, (cell, *_) = Durable(place).ledger, grid()
    key = ledger.ask(cell, seed=0, budget=8).key
    for _ in range(2):
        ledger.record(key, evaluated(0, 1, 0.3))
    assert len(ledger.trial(key).evaluations) == len(reopened().trial(key).evaluations) == 1


def test_proposals_depend_on_what_is_recorded_alone(place: Place, reopened: Opened, tmp_path: Path) -> None:
    cell = grid()[1]
    other = Durable(tmp_path / "another.journal").ledger
    proposals = [other.ask(cell, seed=0, budget=8).params for _ in range(4)]
    assert [reopened().ask(cell, seed=0, budget=8).params for _ in range(4)] == proposals


def test_a_changed_protocol_is_refused(place: Place) -> None:
    Durable(place)
    changes = {"protocol": {"replicates": 3}}
    with pytest.raises(LedgerError, match="replicates"):
        Ledger(open_storage(place, write=True), "small").begin(spec(**changes).resolved(), grid(**changes), {})


def test_sweeps_of_one_place_do_not_see_each_other(place: Place) -> None:
    driven = Durable(place)
    played(driven)
    another = Ledger(open_storage(place, write=True), "another")
    assert not another.exists()
    with pytest.raises(LedgerError, match="no sweep named 'another'"):
        another.sweep()
    another.begin(spec().resolved(), grid(), {})
    assert another.sweep().id != driven.ledger.sweep().id
    assert not another.trials()
    assert not another.confirmations()
