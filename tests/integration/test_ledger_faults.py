"""The ledger under fire: a real Postgres that is cut, restarted and fought over, and a disk that is full."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest
from optuna.distributions import FloatDistribution
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from sweep.errors import LedgerError
from sweep.ledger import postgres as database
from sweep.ledger.ledger import Ledger
from sweep.ledger.postgres_lock import driver
from sweep.ledger.storage import exclusive, open_storage
from sweep.records.confirmation import Role
from sweep.records.sweep import SweepState
from sweep.scheduling.dispatcher import Dispatcher
from tests.services.disk_full import disk_full
from tests.services.postgres_server import LossyLine, PostgresServer, execute
from tests.services.waiting import wait_until
from tests.sweeps.grid import evaluated, grid, spec
from tests.sweeps.storage_content import all_studies, fill
from trainable.outcomes import Outcome

T = TypeVar("T")
NAME = "small"
TIMES = ("created", "started", "ended", "time", "id")

HOLD = """
import sys
from sweep.ledger.storage import exclusive
with exclusive(*sys.argv[1:]):
    print("held", flush=True)
    sys.stdin.read()
"""


def opened(place: Path | str) -> Ledger:
    return Ledger(open_storage(place, write=True, name=NAME), NAME)


def play(ledger: Ledger, trials: int = 4) -> Iterator[None]:
    """A sweep as its driver records it, from beginning to end; one step for each call of the ledger."""
    cells = grid()
    ledger.begin(spec().resolved(), cells, {})
    yield
    for cell in cells:
        for number in range(trials):
            key = ledger.ask(cell, seed=0, budget=trials).key
            yield
            for replicate, evaluation in ((0, 1), (0, 2), (1, 1), (1, 2)):
                ledger.record(key, evaluated(replicate, evaluation, 0.1 * number + 0.01 * replicate))
                yield
            ledger.count_crash(key, stalled=False)
            yield
            ledger.record_discarded(key, 1.0, "gone")
            yield
            ledger.record_run(key, f"run-{number}")
            yield
            ledger.finish(key, (Outcome.COMPLETED, Outcome.FAILED, Outcome.PRUNED, Outcome.INTERRUPTED)[number % 4])
            yield
        winner = ledger.trials()[0]
        key = ledger.begin_confirmation(winner, Role.CONFIRMATION, winner.config).key
        yield
        ledger.count_attempt(key, "0.0")
        yield
        ledger.record_replicate(key, evaluated(0, 2, 0.5))
        yield
        ledger.finish_confirmation(key, Outcome.COMPLETED)
        yield
    ledger.end(SweepState.FINISHED)
    yield


def content(place: Path | str) -> list[Any]:
    """All that is stored, without times and the sweep's random id."""
    storage = open_storage(place, write=False)
    return [
        (
            study.study_name,
            timeless(study.user_attrs),
            [
                (each.number, each.state, each.values, each.params, each.intermediate_values, timeless(each.user_attrs))
                for each in storage.get_all_trials(study._study_id)
            ],
        )
        for study in storage.get_all_studies()
    ]


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: timeless(each) for key, each in value.items() if key not in TIMES}
    if isinstance(value, list):
        return [timeless(each) for each in value]
    return value


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What a sweep holds that nothing happened to, in a journal."""
    journal = tmp_path_factory.mktemp("undisturbed") / "ledger.journal"
    assert sum(1 for _ in play(opened(journal))) >= 70
    return content(journal)


@contextmanager
def holder(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Another driver, which holds a sweep until it is told to end."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


# ---- a database that comes back


def test_a_database_holds_what_a_journal_holds(postgres_url: str, undisturbed: list[Any]) -> None:
    with exclusive(postgres_url, NAME):
        for _ in play(opened(postgres_url)):
            pass
    assert content(postgres_url) == undisturbed


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_sessions_that_are_ended_at_any_moment_change_nothing(
    postgres_server: PostgresServer, postgres_url: str, undisturbed: list[Any], seed: int
) -> None:
    chance, over = random.Random(seed), threading.Event()
    cuts: list[int] = []

    def cut() -> None:
        while len(cuts) < 30 and not over.wait(chance.uniform(0.005, 0.1)):
            cuts.append(postgres_server.cut(driver()))

    with exclusive(postgres_url, NAME), ThreadPoolExecutor() as pool:
        ledger = opened(postgres_url)
        cutting = pool.submit(cut)
        try:
            for _ in play(ledger):
                pass
        finally:
            over.set()
        cutting.result()
    assert sum(cuts) >= 10
    assert content(postgres_url) == undisturbed


@pytest.mark.parametrize("late", [0.0, 0.05])
def test_commits_whose_answer_is_lost_change_nothing(
    postgres_server: PostgresServer, postgres_url: str, undisturbed: list[Any], late: float
) -> None:
    chance = random.Random(0)
    line = LossyLine(postgres_server.port, late)
    with line.open() as port:
        ledger = opened(postgres_url.replace(str(postgres_server.port), str(port)))
        line.cuts = (chance.random() < 0.15 for _ in count())
        for _ in play(ledger):
            pass
    assert line.lost >= 20
    assert content(postgres_url) == undisturbed


@pytest.mark.parametrize("late", [0.0, 0.2])
def test_no_operation_is_done_twice(postgres_server: PostgresServer, postgres_url: str, late: float) -> None:
    line = LossyLine(postgres_server.port, late)

    def cut_off(operation: Callable[..., T], *arguments: Any) -> T:
        lost, line.cuts = line.lost, iter([True])
        done = operation(*arguments)
        assert line.lost == lost + 1
        return done

    with line.open() as port:
        storage = open_storage(postgres_url.replace(str(postgres_server.port), str(port)), write=True, name=NAME)
        study = cut_off(storage.create_new_study, [StudyDirection.MAXIMIZE], NAME)
        waiting = cut_off(storage.create_new_trial, study, create_trial(state=TrialState.WAITING))
        running = cut_off(storage.create_new_trial, study)
        assert [each._trial_id for each in storage.get_all_trials(study)] == [waiting, running]
        cut_off(storage.set_trial_param, running, "x", 0.5, FloatDistribution(0, 1))
        cut_off(storage.set_trial_user_attr, running, "config", {"x": 1})
        assert cut_off(storage.set_trial_state_values, waiting, TrialState.RUNNING)
        assert cut_off(storage.set_trial_state_values, running, TrialState.COMPLETE, [0.25])
        assert [(each.state, each.values, each.params) for each in storage.get_all_trials(study)] == [
            (TrialState.RUNNING, None, {}),
            (TrialState.COMPLETE, [0.25], {"x": 0.5}),
        ]
        with pytest.raises(DuplicatedStudyError):
            storage.create_new_study([StudyDirection.MAXIMIZE], NAME)
        with pytest.raises(UpdateFinishedTrialError):
            storage.set_trial_state_values(running, TrialState.COMPLETE, [0.25])
        cut_off(storage.delete_study, study)
        with pytest.raises(KeyError):
            storage.delete_study(study)


@pytest.mark.parametrize("end", [PostgresServer.stop, PostgresServer.kill])
def test_a_restart_in_the_middle_changes_nothing(
    postgres_server: PostgresServer, postgres_url: str, undisturbed: list[Any], end: Any
) -> None:
    steps: list[None] = []

    def run() -> None:
        with exclusive(postgres_url, NAME):
            steps.extend(play(opened(postgres_url)))

    with ThreadPoolExecutor() as pool:
        driving = pool.submit(run)
        for step in (10, 40):
            wait_until(partial(lambda wanted: len(steps) >= wanted or driving.done(), step))
            end(postgres_server)
            assert not driving.done()
            postgres_server.start()
        driving.result()
    assert content(postgres_url) == undisturbed


def test_a_database_that_stays_away_is_said_in_words(
    postgres_server: PostgresServer,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(database, "TIME_LIMIT", 0.3)
    address = postgres_url.replace("postgres@", "postgres:s3cret@")
    ledger = opened(address)
    steps = play(ledger)
    next(steps)
    postgres_server.stop()
    with pytest.raises(LedgerError, match=r"must take what is written to it; postgresql://\*\*\*@.*has not answered"):
        next(steps)
    assert "its operations are repeated" in caplog.text
    assert "s3cret" not in caplog.text
    postgres_server.start()
    cell = grid()[0]
    assert ledger.ask(cell, seed=0, budget=4).params == cell.default_params(), "nothing was half done"


def test_what_a_database_refuses_is_said_in_words(postgres_url: str) -> None:
    storage = open_storage(postgres_url, write=True, name=NAME)
    with pytest.raises(LedgerError, match=r"must take what is written to it; postgresql://\S+ refuses: value too long"):
        storage.create_new_study([StudyDirection.MAXIMIZE], 600 * "x")


def test_sweeps_that_begin_at_once_in_a_new_database_both_begin(postgres_url: str) -> None:
    with ThreadPoolExecutor() as pool:
        ledgers = list(pool.map(lambda name: Ledger(open_storage(postgres_url, write=True), name), "abcd"))
    for ledger in ledgers:
        ledger.begin(spec().resolved(), grid(), {})
    assert all(ledger.exists() for ledger in ledgers)


# ---- one driver at a time


def test_a_second_driver_is_refused_and_told_who_is_there(postgres_url: str) -> None:
    with holder(postgres_url, NAME) as other:
        owner = f"in use by process {other.pid} on {socket.gethostname()}"
        with pytest.raises(LedgerError, match=owner), exclusive(postgres_url, NAME):
            pass
        with exclusive(postgres_url, "another"):
            pass
        assert other.stdin is not None
        other.stdin.close()
        other.wait()
        with exclusive(postgres_url, NAME):
            pass


def test_a_sweep_is_refused_to_the_process_that_already_runs_it(postgres_url: str) -> None:
    with exclusive(postgres_url, NAME):
        with pytest.raises(LedgerError, match="in use by process"), exclusive(postgres_url, NAME):
            pass
        play(opened(postgres_url))


def test_what_a_killed_driver_held_is_free_at_once(postgres_url: str) -> None:
    with holder(postgres_url, NAME) as other:
        other.send_signal(signal.SIGKILL)
        other.wait()
        wait_until(lambda: free(postgres_url), seconds=20)


def free(url: str) -> bool:
    try:
        with exclusive(url, NAME):
            return True
    except LedgerError:
        return False


def assert_refused(url: str) -> None:
    """To another process."""
    done = subprocess.run(
        [sys.executable, "-c", HOLD, url, NAME], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert f"LedgerError: one driver may run a sweep at a time; {NAME} in postgresql://" in done.stderr


def test_a_driver_keeps_its_sweep_although_the_connection_of_its_lock_is_cut(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    with exclusive(postgres_url, NAME):
        steps = play(opened(postgres_url))
        next(steps)
        cut = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE query LIKE :query AND datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert execute(postgres_url, cut, query="%tcp_keepalives%") == 1
        assert_refused(postgres_url)
        next(steps)


def test_a_driver_that_is_cut_off_regains_its_sweep(postgres_server: PostgresServer, postgres_url: str) -> None:
    with exclusive(postgres_url, NAME):
        steps = play(opened(postgres_url))
        next(steps)
        assert postgres_server.cut(driver()) >= 2
        next(steps)
        assert_refused(postgres_url)


def test_a_driver_that_is_cut_off_never_writes_beside_another_one(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    with exclusive(postgres_url, NAME):
        steps = play(opened(postgres_url))
        next(steps)
        before = content(postgres_url)
        postgres_server.cut(driver())
        with holder(postgres_url, NAME) as other:
            with pytest.raises(LedgerError, match=f"in use by process {other.pid} on"):
                next(steps)
            assert content(postgres_url) == before, "everybody may read"


# ---- a file that is cut, and a disk that is full


def test_a_journal_cut_at_any_byte_has_all_its_whole_records(tmp_path: Path) -> None:
    journal = tmp_path / "ledger.journal"
    fill(open_storage(journal, write=True))
    written = journal.read_bytes()
    expected: dict[int, Any] = {}
    for size in range(len(written) + 1):
        whole = written[:size].rfind(b"\n") + 1
        journal.write_bytes(written[:size])
        read = all_studies(open_storage(journal, write=False))
        assert read == expected.setdefault(whole, read)
        assert journal.read_bytes() == written[:size], "reading changes nothing"
        assert all_studies(open_storage(journal, write=True)) == read
        assert journal.read_bytes() == written[:whole]
    assert len(expected) == 9
    assert len({str(each) for each in expected.values()}) == 9, "every record counts"


def drive(journal: Path) -> list[Any]:
    """Run the sweep to its end, or resume it: what its driver does, with a trainer that knows its scores."""
    ledger = opened(journal)
    ledger.begin(spec().resolved(), grid(), {})
    dispatcher = Dispatcher(ledger, spec(), grid(), slots=1, changed=lambda key: None)
    dispatcher.start()
    while (assignment := dispatcher.next()) is not None:
        evaluations = [
            evaluated(replicate, number, 0.1 * replicate)
            for replicate in range(assignment.first, 2)
            for number in (1, 2)
        ]
        assert [dispatcher.record(assignment.key, each) for each in evaluations][-1]
    return [(each.key, each.params, each.score, each.outcome, len(each.evaluations)) for each in ledger.trials()]


@pytest.mark.parametrize("step", [3700, 4300, 5000])
def test_a_sweep_on_a_full_disk_resumes_where_it_was(tmp_path: Path, step: int) -> None:
    expected, journal, faults = drive(tmp_path / "undisturbed"), tmp_path / "ledger.journal", 0
    for size in range(0, 1_000_000, step):
        try:
            with disk_full(size):
                found = drive(journal)
            break
        except LedgerError as error:
            assert "free space" in str(error)  # noqa: PT017
            faults += 1
    assert faults >= 5
    assert sorted(found) == sorted(expected)
    assert [path.name for path in tmp_path.iterdir() if "torn" in path.name] == []
