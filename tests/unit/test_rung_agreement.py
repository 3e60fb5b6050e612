"""How a sweep's rungs agree with the end: Kendall's tau from records, by cell and rung."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from sweep.records.results import SweepResults
from sweep.records.sweep import SweepRecord
from sweep.records.trial import EvaluationRecord, TrialRecord
from sweep.search.rung_agreement import CellAgreement, RungAgreement, rung_agreement
from trainable.config import TrialConfig
from trainable.outcomes import Evaluation, Outcome

CONFIG = TrialConfig.model_validate(
    {"dataset": {"name": "support"}, "shots": 4, "encoder": "tiny", "replicates": 2, "evaluations": 2}
)
RISING, FALLING = (0.1, 0.2, 0.3, 0.4, 0.5), (0.5, 0.4, 0.3, 0.2, 0.1)


def trial(number: int, *values: float, cell: str = "a", config: TrialConfig = CONFIG, **fields: Any) -> TrialRecord:
    """A trial with these validation accuracies, report by report, and the scores that the ledger derives from them."""
    evaluations, finals = [], list[float]()
    for n, value in enumerate(values, start=1):
        replicate, point = (n - 1) // config.evaluations, (n - 1) % config.evaluations + 1
        if point == config.evaluations:
            finals.append(value)
        score = sum(finals) / len(finals) if finals else value
        evaluation = Evaluation(
            draw=replicate, replicate=replicate, point=point, step=n, metrics={"val_accuracy": value}
        )
        evaluations.append(EvaluationRecord(number=n, time=0.0, score=score, evaluation=evaluation))
    known = {"outcome": Outcome.COMPLETED, "evaluations": tuple(evaluations), **fields}
    return TrialRecord(cell=cell, number=number, params={}, config=config, started=0.0, **known)


def results(trials: Sequence[TrialRecord], **pruning: Any) -> SweepResults:
    sweep = SweepRecord(id="5f2c", name="demo", spec={"pruning": pruning} if pruning else {}, created=0.0)
    return SweepResults(sweep=sweep, trials=tuple(trials), confirmations=())


def five(first: Sequence[float], second: Sequence[float], third: Sequence[float]) -> list[TrialRecord]:
    """Trials with these scores at report 1, at the end of replicate 0 (report 2), and at that of replicate 1."""
    return [trial(n, a, b, 0.0, c) for n, (a, b, c) in enumerate(zip(first, second, third, strict=True))]


def test_each_rung_is_held_against_the_later_draws() -> None:
    (found,) = rung_agreement(results(five(RISING, FALLING, FALLING)))
    first, second = found.rungs
    assert (first.rung, first.trials, second.rung, second.trials) == (1, 5, 2, 5)
    assert first.tau == pytest.approx(-1.0)
    assert second.tau == pytest.approx(1.0)
    assert found.predictive is False


def test_the_draw_of_the_rung_is_not_in_the_final_quality() -> None:
    """The mean over both replicates would rise with the first one, which is ten times as spread as the second."""
    wide = [10 * score for score in RISING]
    (found,) = rung_agreement(results(five(wide, wide, FALLING)))
    assert [each.tau for each in found.rungs] == pytest.approx([-1.0, -1.0])


def test_rungs_that_agree_are_predictive() -> None:
    (found,) = rung_agreement(results(five(RISING, RISING, RISING)))
    assert found.predictive is True


def test_the_only_replicate_is_held_against_its_own_end() -> None:
    config = CONFIG.model_copy(update={"replicates": 1})
    trials = [trial(n, early, late, config=config) for n, (early, late) in enumerate(zip(RISING, RISING, strict=True))]
    (found,) = rung_agreement(results(trials))
    (rung,) = found.rungs
    assert rung.rung == 1
    assert rung.tau == pytest.approx(1.0)


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.COMPLETED])
def test_only_completed_trials_count(outcome: Outcome) -> None:
    trials = five(RISING, RISING, RISING)
    (found,) = rung_agreement(results([*trials[:4], replace(trials[4], outcome=outcome)]))
    assert found == CellAgreement("a", (RungAgreement(1, 4, None), RungAgreement(2, 4, None)), predictive=None)


def test_running_trials_do_not_count() -> None:
    trials = [replace(each, outcome=None) for each in five(RISING, RISING, RISING)]
    (found,) = rung_agreement(results(trials))
    assert found.rungs == (RungAgreement(1, 0, None), RungAgreement(2, 0, None))


def test_a_report_without_a_score_leaves_its_trial_out_of_the_rung() -> None:
    trials = five(RISING, RISING, RISING)
    blind = tuple(replace(each, score=None) if each.number == 1 else each for each in trials[0].evaluations)
    (found,) = rung_agreement(results([replace(trials[0], evaluations=blind), *trials[1:]]))
    assert [each.trials for each in found.rungs] == [4, 5]
    assert found.predictive is True  # of the other rung


def test_constant_scores_say_nothing() -> None:
    (found,) = rung_agreement(results(five([0.5] * 5, [0.5] * 5, RISING)))
    assert [(each.trials, each.tau) for each in found.rungs] == [(5, None), (5, None)]
    assert found.predictive is None


def test_the_spec_may_have_rungs_of_its_own() -> None:
    (found,) = rung_agreement(results(five(RISING, RISING, RISING), rungs=[2]))
    assert [each.rung for each in found.rungs] == [2]


@pytest.mark.parametrize("pruning", [{"rungs": None}, {"rule": "none", "rungs": None}, {}])
def test_the_default_rungs_are_judged_with_and_without_pruning(pruning: dict[str, Any]) -> None:
    (found,) = rung_agreement(results(five(RISING, RISING, RISING), **pruning))
    assert [each.rung for each in found.rungs] == [1, 2]


def test_cells_keep_their_order_and_their_trials() -> None:
    falling = [replace(each, cell="b") for each in five(RISING, RISING, FALLING)]
    pairs = zip(falling, five(RISING, RISING, RISING), strict=True)
    found = rung_agreement(results([each for pair in pairs for each in pair]))
    assert [(each.cell, each.predictive) for each in found] == [("b", False), ("a", True)]


def test_no_trials_have_no_cells() -> None:
    assert rung_agreement(results([])) == ()
