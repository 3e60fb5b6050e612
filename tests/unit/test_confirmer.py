"""The winner of a cell is confirmed on fresh draws, each once, whatever happens to workers and drivers."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sweep.ledger.ledger import Ledger
from sweep.ledger.storage import open_storage
from sweep.records.confirmation import ConfirmationRecord, Role
from sweep.records.trial import EvaluationRecord, TrialRecord
from sweep.scheduling.assignment import MAX_CRASHES, Assignment
from sweep.scheduling.dispatcher import Dispatcher
from sweep.search.selection import Replicate, finalists, wanted, winner
from sweep.spec.blocks import Confirm, Protocol
from tests.sweeps.grid import evaluated, grid, spec
from tests.sweeps.started_dispatcher import dispatcher
from trainable.draws import CONFIRMATION_START as FIRST
from trainable.draws import MAX_REPLICATES
from trainable.outcomes import Evaluation, Outcome

THREE: dict[str, Any] = {"confirm": {"draws": 3, "reseeded": 1}}


def scored(assignment: Assignment, accuracy: float) -> Evaluation:
    """The report of a replicate of a confirmation."""
    assert assignment.draws is not None
    return Evaluation(
        draw=assignment.draws[0],
        replicate=0,
        point=1,
        step=4,
        initialisation=assignment.initialisation,
        metrics={f"{'test' if assignment.part == 'test' else 'val'}_accuracy": accuracy},
        confusion=((3, 1), (0, 4)) if assignment.part == "test" else (),
    )


def work(each: Dispatcher, assignment: Assignment) -> None:
    """Report as a worker would, with scores that depend on configuration and draw alone."""
    quality = random.Random(str([*sorted(assignment.config.flat().items()), assignment.draws])).random()
    if assignment.draws is not None:
        assert each.record(assignment.key, scored(assignment, quality))
        return
    for replicate in range(assignment.first, 2):
        for evaluation in (1, 2):
            if each.record(assignment.key, evaluated(replicate, evaluation, quality)):
                return


def drain(each: Dispatcher) -> list[Assignment]:
    done = []
    while (assignment := each.next()) is not None:
        work(each, assignment)
        done.append(assignment)
    return done


def replicates(record: ConfirmationRecord) -> list[tuple[int, int]]:
    return sorted((each.evaluation.draw, each.evaluation.initialisation) for each in record.replicates)


def test_each_winner_is_tested_on_the_same_fresh_draws(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, **THREE)
    done = drain(each)
    assert each.exhausted
    records = each.ledger.confirmations()
    assert [record.cell for record in records] == [cell.key for cell in each.cells]
    for record in records:
        assert record.outcome is Outcome.COMPLETED
        assert record.role is Role.CONFIRMATION
        assert replicates(record) == [(FIRST, 0), (FIRST, 1), (FIRST + 1, 0), (FIRST + 2, 0)]
        own = [trial for trial in each.ledger.trials() if trial.cell == record.cell]
        best = max(own, key=lambda trial: trial.score or 0)
        assert record.trial == best.number
        assert record.config == best.config.model_copy(update={"evaluations": 1})
    assert {assignment.part for assignment in done if assignment.draws is not None} == {"test"}
    assert max(assignment.draws or (0,) for assignment in done) < (20_000,)


@pytest.mark.parametrize("temperatures", [(0.5, 8.0), ()])
def test_a_winner_is_tested_with_the_temperature_of_its_search(tmp_path: Path, temperatures: tuple[float, ...]) -> None:
    """The geometric mean over its draws; none where the search told none. What a search trains needs none."""
    each = dispatcher(tmp_path, slots=1, budget={"trials_per_cell": 1}, **THREE)
    confirmed = []
    while (assignment := each.next()) is not None:
        if assignment.draws is not None:
            confirmed.append(assignment.temperature)
            work(each, assignment)
            continue
        assert assignment.temperature is None
        for replicate, point in [(0, 1), (0, 2), (1, 1), (1, 2)]:
            told = {"val_temperature": temperatures[replicate]} if temperatures and point == 2 else {}
            found = evaluated(replicate, point, 0.5)
            each.record(assignment.key, replace(found, metrics={**found.metrics, **told}))
    assert confirmed == [pytest.approx(2.0) if temperatures else None] * len(confirmed)
    assert len(confirmed) == 8
    sent = Assignment(record="any", config=each.ledger.trials()[0].config, temperature=2.0)
    assert Assignment.from_json(sent.to_json()) == sent


def test_a_confirmation_begins_as_soon_as_its_own_search_has_ended(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=1, **THREE)
    order = [(a.record, a.part) for a in drain(each)]
    first_test = next(position for position, (_, part) in enumerate(order) if part == "test")
    assert "validation" in {part for _, part in order[first_test:]}, "the other cell was waited for"


def test_replicates_of_one_winner_run_side_by_side(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=4, budget={"trials_per_cell": 1}, **THREE)
    for assignment in [each.next(), each.next()]:
        assert assignment is not None
        work(each, assignment)
    running = [each.next() for _ in range(5)]
    assert [assignment is None for assignment in running] == [False] * 4 + [True]
    assert len({assignment.key for assignment in running if assignment is not None}) == 4
    assert not each.exhausted or each.confirmer.waiting is False


def test_without_draws_there_is_no_confirmation(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, confirm={"draws": 0, "finalists": 3})
    drain(each)
    assert each.exhausted
    assert each.ledger.confirmations() == ()


def test_a_cell_without_a_completed_trial_has_no_winner(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=1, budget={"trials_per_cell": 1}, **THREE)
    while (assignment := each.next()) is not None:
        if assignment.draws is None and assignment.config.method == "soft_triple":
            each.record(assignment.key, assignment.refused("no memory"))
        else:
            work(each, assignment)
    assert [record.cell for record in each.ledger.confirmations()] == ["support/4/cross_entropy"]
    assert each.exhausted


def test_a_diverged_replicate_is_kept_and_ends_nothing(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=1, budget={"trials_per_cell": 1}, **THREE)
    while (assignment := each.next()) is not None:
        if assignment.draws == (FIRST + 1,):
            lost = Evaluation(
                draw=FIRST + 1, replicate=0, point=1, step=2, outcome=Outcome.DIVERGED, reason="loss is nan"
            )
            assert each.record(assignment.key, lost)
        else:
            work(each, assignment)
    for record in each.ledger.confirmations():
        assert record.outcome is Outcome.COMPLETED
        assert Counter(each.evaluation.outcome for each in record.replicates) == {None: 3, Outcome.DIVERGED: 1}


def test_a_lost_replicate_is_trained_again_and_given_up_in_the_end(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=1, budget={"trials_per_cell": 1}, **THREE)
    attempts: Counter[str] = Counter()
    while (assignment := each.next()) is not None:
        attempts[assignment.key] += 1
        if assignment.draws == (FIRST + 2,) and assignment.config.method == "soft_triple":
            each.worker_lost(assignment.key, "segmentation fault")
        elif assignment.draws == (FIRST,) and attempts[assignment.key] == 1:
            each.worker_lost(assignment.key, "node died")
        else:
            work(each, assignment)
    records = {record.config.method: record for record in each.ledger.confirmations()}
    assert all(len(record.replicates) == 4 for record in records.values())
    reasons = Counter(each.reason for each in records["soft_triple"].discarded)
    assert reasons == {"node died": 2, "segmentation fault": MAX_CRASHES}  # a draw is trained twice
    (given_up,) = (each.evaluation for each in records["soft_triple"].replicates if each.evaluation.outcome)
    assert given_up.outcome is Outcome.FAILED
    assert given_up.reason == f"segmentation fault ({MAX_CRASHES} times in a row)"
    assert records["soft_triple"].attempts[f"{FIRST + 2}.0"] == MAX_CRASHES
    assert records["cross_entropy"].attempts[f"{FIRST}.0"] == 2


def test_a_second_report_of_a_replicate_changes_nothing(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=1, **THREE)
    drain(each)
    record = each.ledger.confirmations()[0]
    again = record.replicates[0].evaluation
    assert each.ledger.record_replicate(record.key, again) == record


def test_more_draws_resume_with_the_same_record(tmp_path: Path) -> None:
    drain(dispatcher(tmp_path, **THREE))
    more = dispatcher(tmp_path, confirm={"draws": 5, "reseeded": 1})
    kept = {record.key: record for record in more.ledger.confirmations()}
    done = drain(more)
    assert {assignment.draws for assignment in done} == {(FIRST + 3,), (FIRST + 4,)}
    for record in more.ledger.confirmations():
        assert record.replicates[:4] == kept[record.key].replicates
        assert len(record.replicates) == 6
        assert record.outcome is Outcome.COMPLETED


@pytest.mark.lengthy
def test_a_new_winner_gets_a_confirmation_of_its_own(tmp_path: Path) -> None:
    drain(dispatcher(tmp_path, **THREE))
    more = dispatcher(tmp_path, budget={"trials_per_cell": 40}, **THREE)
    drain(more)
    for cell in more.cells:
        own = [record for record in more.ledger.confirmations() if record.cell == cell.key]
        best = max((t for t in more.ledger.trials() if t.cell == cell.key), key=lambda t: (t.score or 0, -t.number))
        assert own[-1].trial == best.number
        assert len(own) == len({record.trial for record in own})


def test_a_finished_sweep_hands_out_nothing(tmp_path: Path) -> None:
    drain(dispatcher(tmp_path, **THREE))
    again = dispatcher(tmp_path, **THREE)
    assert again.exhausted
    assert not again.unfinished


def test_an_interrupted_confirmation_is_closed_and_taken_up(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=2, budget={"trials_per_cell": 1}, **THREE)
    for _ in range(3):
        assignment = each.next()
        assert assignment is not None
        work(each, assignment)
    assert each.next() is not None
    each.interrupt("Ctrl-C")
    (record,) = (record for record in each.ledger.confirmations() if record.replicates)
    assert (record.outcome, record.reason) == (Outcome.INTERRUPTED, "Ctrl-C")
    later = dispatcher(tmp_path, budget={"trials_per_cell": 1}, **THREE)
    drain(later)
    assert {record.outcome for record in later.ledger.confirmations()} == {Outcome.COMPLETED}
    assert all(len(record.replicates) == 4 for record in later.ledger.confirmations())


def test_a_driver_may_die_at_any_moment(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"confirm": {"draws": 3, "reseeded": 2, "finalists": 3, "finalist_draws": 2}}
    (tmp_path / "a").mkdir()
    undisturbed = dispatcher(tmp_path / "a", slots=1, **changes)
    drain(undisturbed)
    (tmp_path / "b").mkdir()
    generator = random.Random(3)
    for _ in range(300):
        each = dispatcher(tmp_path / "b", slots=1, **changes)
        if each.exhausted:
            break
        for _ in range(generator.randrange(4)):
            if (assignment := each.next()) is not None:
                work(each, assignment)
        each.next()  # and dies: nothing is closed
    ends = [
        {
            (record.key, record.trial, record.outcome, *map(str, sorted(scores(record).items())))
            for record in each.ledger.confirmations()
        }
        for each in (undisturbed, dispatcher(tmp_path / "b", slots=1, **changes))
    ]
    assert ends[0] == ends[1]


@pytest.mark.lengthy
def test_finalists_are_closed_when_they_have_decided(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"confirm": {"draws": 2, "finalists": 40, "finalist_draws": 1}}
    each = dispatcher(tmp_path, slots=1, budget={"trials_per_cell": 30}, **changes)
    generator = random.Random(0)
    while (assignment := each.next()) is not None:
        if assignment.draws is not None:
            each.record(assignment.key, scored(assignment, generator.random()))
        for replicate in range(2) if assignment.draws is None else ():
            each.record(assignment.key, evaluated(replicate, 1, 0.5))
            each.record(assignment.key, evaluated(replicate, 2, generator.random()))
    roles = Counter(record.role for record in each.ledger.confirmations())
    assert roles[Role.FINALIST] > 2
    assert roles[Role.CONFIRMATION] == 2
    assert {record.outcome for record in each.ledger.confirmations()} == {Outcome.COMPLETED}


def scores(record: ConfirmationRecord) -> dict[tuple[int, int], float]:
    return {
        (each.evaluation.draw, each.evaluation.initialisation): next(iter(each.evaluation.metrics.values()))
        for each in record.replicates
    }


# ---- finalists -------------------------------------------------------------------------------------------------------


def trial(number: int, *scores: float) -> TrialRecord:
    """A completed trial of 2 evaluations a replicate, with these final scores."""
    cell = grid()[0]
    config = cell.default_config().model_copy(update={"replicates": len(scores)})
    evaluations = tuple(
        EvaluationRecord(number=2 * index + 2, time=0.0, score=score, evaluation=evaluated(index, 2, score))
        for index, score in enumerate(scores)
    )
    return TrialRecord(
        cell=cell.key,
        number=number,
        params={},
        config=config,
        started=0.0,
        outcome=Outcome.COMPLETED,
        score=sum(scores) / len(scores),
        evaluations=evaluations,
    )


def test_no_confirmation_has_a_draw_of_the_longest_search_or_of_its_finalists() -> None:
    longest = Protocol(replicates=MAX_REPLICATES).replicates
    confirm = Confirm(finalists=2, finalist_draws=MAX_REPLICATES)
    tied = wanted([trial(number, *longest * [0.5]) for number in range(2)], (), confirm)
    draws = {replicate.draw for finalist in tied for replicate in finalist.replicates}
    assert draws == set(range(longest, 2 * longest)), "further draws follow those of the search"
    assert 2 * MAX_REPLICATES <= FIRST


@pytest.mark.parametrize("bound", [{"replicates": MAX_REPLICATES + 1}, {"finalist_draws": MAX_REPLICATES + 1}], ids=str)
def test_a_spec_cannot_ask_for_more_draws_than_that(bound: dict[str, int]) -> None:
    model = Protocol if "replicates" in bound else Confirm
    with pytest.raises(ValidationError, match=f"less than or equal to {MAX_REPLICATES}"):
        model(**bound)


@pytest.mark.parametrize(
    ("others", "tied"),
    [
        ([(0.8, 0.7, 0.9)], [0, 1]),  # leads of 0, 0.1 and 0: the mean is one standard error
        ([(0.7, 0.7, 0.8)], [0]),  # always a tenth behind
        ([(0.9, 0.6, 0.9), (0.8, 0.8, 0.89)], [0, 2, 1]),
        ([(0.8, 0.8, 0.9)] * 4, [0, 1, 2]),  # no more than three
    ],
)
def test_finalists_are_tied_with_the_best_on_common_draws(others: list[tuple[float, ...]], tied: list[int]) -> None:
    records = [trial(0, 0.8, 0.8, 0.9), *(trial(number, *each) for number, each in enumerate(others, 1))]
    assert [each.number for each in finalists(records, Confirm(finalists=3))] == tied


def test_with_one_draw_only_equal_scores_are_tied() -> None:
    records = [trial(0, 0.8), trial(1, 0.8), trial(2, 0.79)]
    assert [each.number for each in finalists(records, Confirm(finalists=3))] == [0, 1]


def test_further_draws_decide_between_finalists(tmp_path: Path) -> None:
    confirm = Confirm(draws=2, finalists=2, finalist_draws=2, reseeded=0)
    records = [trial(0, 0.8, 0.6), trial(1, 0.6, 0.8)]
    wants = wanted(records, [], confirm)
    assert [(each.role, each.trial.number) for each in wants] == [(Role.FINALIST, 0), (Role.FINALIST, 1)]
    assert wants[0].replicates == (Replicate(2), Replicate(3)), "draws of the search that no trial has used"
    ledger = Ledger(open_storage(tmp_path / "journal", write=True), "small")
    ledger.begin(spec().resolved(), grid(), {})
    for want, score in zip(wants, (0.5, 0.9), strict=True):
        record = ledger.begin_confirmation(want.trial, want.role, want.trial.config)
        for replicate in want.replicates:
            assignment = Assignment(record=record.key, config=record.config, draws=(replicate.draw,))
            ledger.record_replicate(record.key, scored(assignment, score))
    chosen = winner(records, ledger.confirmations(), confirm)
    assert chosen is not None
    assert chosen.number == 1
    *deciders, want = wanted(records, ledger.confirmations(), confirm)
    assert [each.role for each in deciders] == [Role.FINALIST] * 2
    assert (want.role, want.trial.number, want.replicates) == (
        Role.CONFIRMATION,
        1,
        (Replicate(FIRST), Replicate(FIRST + 1)),
    )


def test_an_assignment_survives_json() -> None:
    cell = grid()[1]
    for each in (
        Assignment(record="a#0", config=cell.default_config(), first=1),
        Assignment(
            record="a#confirmation-0",
            config=cell.default_config(),
            draws=(FIRST,),
            initialisation=1,
            part="test",
        ),
    ):
        assert Assignment.from_json(each.to_json()) == each
