"""Verdicts on records of which the truth is known: scores, tests, warnings. Sentences: `test_verdict_wording`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sweep.ledger.provenance import confirmed_before
from sweep.records.confirmation import ConfirmationRecord, ReplicateRecord, Role
from sweep.records.results import SweepResults
from sweep.records.sweep import DRAWS_BEFORE, LOOKS_BEFORE, DataRecord, SweepState
from sweep.report.write import verdict_json
from sweep.spec.model import SweepSpec
from sweep.verdict import Arm, Comparison, Verdict, verdict
from sweep.verdict.arms import _is_majority
from sweep.verdict.best_arm import best_arm
from sweep.verdict.comparisons import _turned
from sweep.verdict.crossed import Components, crossed_difference, crossed_summary
from sweep.verdict.dependence import correlation
from sweep.verdict.limits import _unseen
from sweep.verdict.statistics import paired_difference, summarise
from sweep.verdict.tested_rows import majority_scores
from tests.sweeps.synthetic_results import synthetic_results
from trainable.draws import CONFIRMATION_START
from trainable.evaluation.metrics import classification_metrics
from trainable.outcomes import Evaluation, Outcome
from trainable.recipes.setfit import SetFit

TWO = ("cross_entropy", "soft_triple")
CLEAR: dict[str, Any] = {"gain": {"soft_triple": 0.1}, "noise_sd": 0.01, "quality_sd": 0.0}


def small(**changes: Any) -> SweepResults:
    """One dataset and two losses, the second one ahead by 10 points."""
    return synthetic_results(**{"datasets": ("trec",), "losses": TWO, **CLEAR, **changes})


def only(found: Verdict) -> Comparison:
    (comparison,) = found.comparisons
    return comparison


def arm(comparison: Comparison, loss: str) -> Arm:
    return next(each for each in comparison.arms if each.method == loss)


def warned(found: Verdict, words: str) -> str:
    """The one warning that says `words`."""
    (said,) = [each for each in found.warnings if words in each]
    return said


# ---- a sweep without trouble -----------------------------------------------------------------------------------------


def test_a_clear_gain_is_a_win_with_its_size_and_evidence() -> None:
    results = small()
    comparison = only(verdict(results))
    best = comparison.best
    assert best is not None
    assert (best.method, comparison.baseline, comparison.title) == (
        "soft_triple",
        "cross_entropy",
        "trec, 8 labels per class",
    )
    assert best.difference is not None
    assert best.difference.mean == pytest.approx(0.1, abs=0.02)
    assert best.significant
    assert best.p_corrected == pytest.approx(best.difference.p_value, rel=1e-6)
    assert best.p_corrected is not None
    assert 0 < best.p_corrected < 0.001
    assert best.probability_of_best == 1
    assert comparison.sentence.startswith("soft_triple won: ")
    assert "for cross_entropy, +9." in comparison.sentence or "for cross_entropy, +10." in comparison.sentence
    assert "95 % interval" in comparison.sentence
    assert "p < 0.001)" in comparison.sentence


def test_scores_are_those_of_the_records_paired_by_draw() -> None:
    results = small()
    comparison = only(verdict(results))
    assert comparison.draws == tuple(range(CONFIRMATION_START, CONFIRMATION_START + 10))
    for record, found in zip(results.confirmations, comparison.arms, strict=True):
        first = [each.evaluation for each in record.replicates if each.evaluation.initialisation == 0]
        assert found.scores == tuple(report.metrics["test_accuracy"] for report in first)
        assert found.summary == crossed_summary(right(results, record))
        assert found.winner is not None
        assert (found.winner.number, found.confirmation) == (record.trial, record)
        assert found.selection_score == found.winner.score
        assert np.sum(found.confusion) == 10 * 500
        assert set(found.inference) == {"head", "nearest", "neighbours", "mixture"}
        assert found.inference["nearest"].mean == pytest.approx(found.inference["head"].mean - 0.02)
    base, other = comparison.arms
    assert base.difference is None
    theirs_NT, ours_NT = (right(results, record) for record in results.confirmations)
    assert other.difference == crossed_difference(ours_NT, theirs_NT)


def right(results: SweepResults, record: ConfirmationRecord) -> NDArray[np.float64]:
    """Which test rows a confirmation got right on each draw."""
    labels = results.sweep.data["trec"].labels
    assert labels is not None
    known = [each.evaluation for each in record.replicates if each.evaluation.initialisation == 0]
    return np.array([each.predicted.judged == labels.judged for each in known if each.predicted is not None], float)


def of_old(results: SweepResults) -> SweepResults:
    """The records as versions wrote them that kept no predictions."""
    data = {name: replace(each, labels=None) for name, each in results.sweep.data.items()}
    return replace(results, sweep=replace(results.sweep, data=data))


def test_records_without_predictions_are_judged_by_draws_alone() -> None:
    base, other = only(verdict(of_old(small()))).arms
    assert base.summary == summarise(_known(base.scores))
    assert other.difference == paired_difference(_known(other.scores), _known(base.scores))
    assert other.p_corrected == pytest.approx(2 / 1024)
    assert other.rows_needed is None


@pytest.mark.lengthy
def test_test_rows_make_a_difference_less_certain_than_draws_alone() -> None:
    results = synthetic_results(datasets=("trec",), losses=TWO, noise_sd=0.01)
    old, new = (only(verdict(each)).arms[1].difference for each in (of_old(results), results))
    assert old is not None
    assert new is not None
    assert isinstance(new.components, Components)
    assert (new.mean, new.sd) == pytest.approx((old.mean, old.sd))
    by_rows_alone = new.components.row_square / (new.components.draws * new.components.rows)
    assert new.components.variance >= max(by_rows_alone, new.sd**2 / new.n * 0.999)


def _known(scores: Sequence[float | None]) -> list[float]:
    return [score for score in scores if score is not None]


def test_the_same_records_give_the_same_verdict_wherever_they_come_from() -> None:
    results = small()
    assert verdict(SweepResults.from_json(results.to_json())) == verdict(results)


def test_a_healthy_sweep_has_nothing_to_warn_of() -> None:
    assert verdict(small()).warnings == ()


def test_a_winner_that_was_hardly_chosen_is_warned_of() -> None:
    (warning,) = verdict(small(ends=[Outcome.COMPLETED, Outcome.PRUNED, Outcome.PRUNED])).warnings
    assert warning.startswith(
        "few trials completed, so the winner was hardly chosen: trec/8/cross_entropy (2 of 6 trials)"
    )
    assert "pruning.adaptive" in warning


@pytest.mark.lengthy
def test_rungs_that_mislead_are_warned_of_unless_they_adapt() -> None:
    noise: dict[str, Any] = {"trials": 12, "ends": [Outcome.COMPLETED], "quality_sd": 0.0, "noise_sd": 0.1}
    (warning,) = verdict(small(**noise)).warnings
    assert warning.startswith("trials were stopped at rungs whose order hardly agrees with the final one")
    assert verdict(small(**noise, pruning={"rule": "asha", "adaptive": True})).warnings == ()
    assert verdict(small(**noise, pruning={"rule": "none"})).warnings == ()


def test_what_an_arm_cost() -> None:
    """Six trials of three replicates: three completed, one pruned after one, two ended in their second."""
    cost = arm(only(verdict(small())), "soft_triple").cost
    assert dict(cost.trials) == {"completed": 3, "pruned": 1, "diverged": 1, "failed": 1}
    assert (cost.replicates, cost.possible_replicates) == (3 * 3 + 1 + 2 + 2, 18)
    assert cost.saved == pytest.approx((4 + 2 * 0.5) / 18), "two were stopped half-way through their second"
    assert cost.spent.search == (3 * 3 + 1 + 1 + 1) * 2 * 4.0
    assert cost.spent.confirmation == 12 * 4.0


@pytest.mark.lengthy
def test_where_the_variance_comes_from() -> None:
    found = verdict(
        small(draws=60, reseeded=60, trials=40, ends=[Outcome.COMPLETED], noise_sd=0.02, draw_sd=0.05, quality_sd=0.03)
    )
    variances = arm(only(found), "cross_entropy").variances
    assert variances.seed == pytest.approx(0.02**2, rel=0.3)
    assert variances.draw == pytest.approx(0.05**2, rel=0.4)
    assert variances.configuration == pytest.approx(0.03**2, rel=0.6)


def test_variances_that_cannot_be_told_are_none() -> None:
    variances = only(verdict(small(reseeded=0, protocol={"replicates": 1}))).arms[0].variances
    assert (variances.configuration, variances.draw, variances.seed) == (None, None, None)


def test_the_score_is_the_metric_of_the_sweep() -> None:
    results = small(protocol={"metric": "macro_f1"})
    report = results.confirmations[0].replicates[0].evaluation
    found = verdict(results)
    assert only(found).arms[0].scores[0] == report.metrics["test_macro_f1"]
    assert only(found).sentence.endswith(" All scores are macro F1.")
    assert "All scores" not in only(verdict(small())).sentence
    for alone in (small(losses=("supcon",), protocol={"metric": "macro_f1"}), replace(results, confirmations=())):
        assert only(verdict(alone)).sentence.endswith(" All scores are macro F1."), "without a comparison too"
    assert "validation macro F1" in found.selection


# ---- who is compared with whom ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("losses", "confirm", "expected"),
    [
        (("soft_triple", "cross_entropy"), {}, "cross_entropy"),
        (("supcon", "soft_triple"), {}, "supcon"),
        (TWO, {"baseline": "soft_triple"}, "soft_triple"),
    ],
)
def test_the_baseline(losses: Sequence[str], confirm: dict[str, Any], expected: str) -> None:
    comparison = only(verdict(small(losses=losses, confirm=confirm)))
    assert comparison.baseline == expected
    assert [each.method for each in comparison.arms if each.difference is None] == [expected]


RECIPES: dict[str, Any] = {"compare": {"recipe": ["fine_tune", "frozen"]}}


@pytest.mark.parametrize(
    ("confirm", "expected"),
    [({}, "frozen"), ({"baseline": "frozen"}, "frozen"), ({"baseline": "cross_entropy"}, "cross_entropy")],
    ids=str,
)
def test_methods_are_compared_with_the_frozen_encoder_unless_the_spec_says_otherwise(
    confirm: dict[str, Any], expected: str
) -> None:
    comparison = only(verdict(small(**RECIPES, confirm=confirm, gain={"soft_triple": 0.1, "frozen": -0.1})))
    assert comparison.baseline == expected
    assert [each.method for each in comparison.arms] == ["cross_entropy", "soft_triple", "frozen"]
    assert [each.method for each in comparison.arms if each.difference is None] == [expected]
    difference = arm(comparison, "soft_triple").difference
    assert difference is not None
    assert difference.mean == pytest.approx(0.2 if expected == "frozen" else 0.1, abs=0.02)
    assert comparison.sentence.startswith("soft_triple won: ")
    assert f"for {expected}, +" in comparison.sentence


@pytest.mark.lengthy
def test_a_frozen_encoder_is_compared_at_each_value_of_what_it_ignores() -> None:
    found = verdict(small(compare={**RECIPES["compare"], "beta": [0.3, 0.6]}, losses=("soft_triple",)))
    assert [each.others for each in found.comparisons] == ["beta=0.3", "beta=0.6"]
    for comparison, beta in zip(found.comparisons, ("0.3", "0.6"), strict=True):
        assert [each.cell for each in comparison.arms] == [f"trec/8/soft_triple/beta={beta}", "trec/8/frozen"]
        assert comparison.baseline == "frozen"


def test_a_recipe_alone_is_described_and_not_compared() -> None:
    comparison = only(verdict(small(compare={"recipe": ["frozen"], "loss": None})))
    assert comparison.baseline is None
    assert comparison.sentence.startswith("frozen scored ")


@pytest.mark.lengthy
def test_one_correction_over_all_tests_of_the_sweep() -> None:
    found = verdict(synthetic_results(datasets=("trec", "cr"), shots=(4, 8), losses=(*TWO, "supcon"), **CLEAR))
    assert found.family == 8
    for comparison in found.comparisons:
        won = arm(comparison, "soft_triple")
        assert won.difference is not None
        assert won.p_corrected is not None
        assert won.difference.p_value * 3 <= won.p_corrected <= won.difference.p_value * 8 * 1.001
        assert "corrected for 8 tests" in comparison.sentence


@pytest.mark.lengthy
def test_other_axes_make_comparisons_of_their_own_and_share_what_ignores_them() -> None:
    """Cross-entropy has no beta: its one cell is compared with the others at each beta."""
    found = verdict(small(compare={"beta": [0.3, 0.6]}))
    assert [each.others for each in found.comparisons] == ["beta=0.3", "beta=0.6"]
    assert [each.arms[0].cell for each in found.comparisons] == ["trec/8/cross_entropy"] * 2
    assert found.comparisons[1].title == "trec, 8 labels per class, beta=0.6"


@pytest.mark.lengthy
def test_names_with_slashes_are_not_cut() -> None:
    found = verdict(small(compare={"encoder": ["org/small", "org/large"]}, trial={"encoder": None}))
    assert [each.others for each in found.comparisons] == ["encoder=org/small", "encoder=org/large"]


def test_a_single_loss_is_described_and_not_compared() -> None:
    comparison = only(verdict(small(losses=("supcon",))))
    assert comparison.baseline is None
    assert comparison.sentence.startswith("supcon scored ")
    assert comparison.sentence.endswith("there is no other method here to compare it with.")


def test_a_searched_loss_is_one_arm() -> None:
    comparison = only(verdict(small(compare={"loss": None}, search={"loss": list(TWO)})))
    assert [each.method for each in comparison.arms] == ["searched"]
    assert comparison.sentence.startswith("searched scored ")


@pytest.mark.lengthy
def test_gains_and_ranks_are_over_all_datasets() -> None:
    found = verdict(synthetic_results(datasets=("trec", "cr", "mr"), losses=TWO, **CLEAR))
    (gain,) = found.gains
    means = [arm(each, "soft_triple").difference for each in found.comparisons]
    assert gain.mean == pytest.approx(np.mean([each.mean for each in means if each is not None]))
    assert (gain.method, gain.comparisons, gain.datasets) == ("soft_triple", 3, 3)
    assert gain.lowest <= gain.mean <= gain.highest
    assert gain.low <= gain.mean <= gain.high
    assert found.ranks[8].average == (2.0, 1.0)


@pytest.mark.lengthy
def test_the_gains_of_one_dataset_are_averaged_row_by_row() -> None:
    """Both numbers of shots are tested on the same rows by the same draws, so what they share does not average out."""
    found = verdict(synthetic_results(datasets=("trec",), shots=(8, 16), losses=TWO, **CLEAR))
    (gain,) = found.gains
    by_shots = []
    for comparison in found.comparisons:
        base, ours = comparison.arms
        by_shots.append(np.stack([ours.rows_by_draw[place] - base.rows_by_draw[place] for place in range(10)]))
    mean_NT = np.mean(by_shots, axis=0)
    expected = crossed_difference(mean_NT, np.zeros_like(mean_NT))
    assert (gain.here_low, gain.here_high) == pytest.approx((expected.low, expected.high))
    assert (gain.low, gain.high) == (gain.here_low, gain.here_high)


@pytest.mark.lengthy
def test_one_comparison_has_no_mean_gain_and_two_datasets_no_ranks() -> None:
    assert verdict(small()).gains == ()
    assert dict(verdict(synthetic_results(losses=TWO, **CLEAR)).ranks) == {}


@pytest.mark.slow
def test_differences_to_one_baseline_go_together() -> None:
    """Methods that are equally noisy share the noise of the baseline: a correlation of a half."""
    found = only(verdict(small(losses=("cross_entropy", "supcon", "proxy_anchor", "soft_triple"), draws=60)))
    base = found.arm(found.baseline)
    assert base is not None
    together = correlation([each for each in found.arms if each is not base], base)
    assert np.diag(together) == pytest.approx(1)
    assert 0.2 < together[0, 1] < 0.8
    arms = only(verdict(small(draws=2))).arms
    assert correlation(arms[1:], arms[0]) == pytest.approx(1), "one difference goes with itself alone"


@pytest.mark.lengthy
@pytest.mark.parametrize(("looks", "now"), [([4, 10], "4, 10"), ("off", "off")])
def test_looks_that_changed_after_the_sweep_had_run_are_said(looks: Any, now: str) -> None:
    results = small(confirm={"draws": 10, "looks": looks})
    assert not [said for said in verdict(results).warnings if "changed after" in said]
    changed = replace(results.sweep, provenance={**results.sweep.provenance, LOOKS_BEFORE: "6, 10"})
    said = warned(verdict(replace(results, sweep=changed)), "changed after the sweep had run")
    assert f"(were 6, 10, are {now})" in said


def test_a_run_records_the_looks_of_the_one_before_if_they_were_others() -> None:
    sweep = small(confirm={"draws": 10, "looks": [4, 10]}).sweep
    same, other = (
        SweepSpec.recorded(small(confirm={"draws": 10, "looks": each}).sweep.spec) for each in ([4, 10], "off")
    )
    assert confirmed_before(None, same) == confirmed_before(sweep, same) == {}
    assert confirmed_before(sweep, other) == {LOOKS_BEFORE: "4, 10"}
    assert confirmed_before(replace(sweep, provenance={LOOKS_BEFORE: "6, 10"}), same) == {LOOKS_BEFORE: "6, 10"}


@pytest.mark.lengthy
def test_a_run_records_fewer_draws_of_a_finished_one_before_and_the_verdict_says_so() -> None:
    """Who adds draws until something holds finds it too often."""
    first = small(confirm={"draws": 4}).sweep
    again = small(confirm={"draws": 6})
    spec = SweepSpec.recorded(again.sweep.spec)
    found = confirmed_before(first, spec)
    assert found == {DRAWS_BEFORE: "4"}
    assert confirmed_before(again.sweep, spec) == {}
    assert confirmed_before(again.sweep, SweepSpec.recorded(first.spec)) == {}, "all draws count, as before"
    assert confirmed_before(replace(first, state=SweepState.INTERRUPTED), spec) == {}, "it had no verdict"
    assert confirmed_before(replace(again.sweep, provenance=found), spec) == found, "resumed"
    more = SweepSpec.recorded(small(confirm={"draws": 8}).sweep.spec)
    assert confirmed_before(replace(again.sweep, provenance=found), more) == {DRAWS_BEFORE: "4, 6"}
    extended = replace(again, sweep=replace(again.sweep, provenance={**again.sweep.provenance, **found}))
    assert "(was 4, is 6)" in warned(verdict(extended), "`confirm.draws` was raised after a verdict had been seen")
    assert not [said for said in verdict(again).warnings if "was raised" in said]


# ---- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_replicate_that_diverged_counts_as_the_majority_class() -> None:
    found = verdict(small(diverged={"soft_triple": 2}))
    diverged = arm(only(found), "soft_triple")
    assert diverged.scores[:2] == (138 / 500, 138 / 500)
    assert diverged.difference is not None
    assert diverged.difference.n == 10
    assert (diverged.failures.diverged, diverged.failures.replicates) == (4, 12)  # each of the two was reseeded too
    assert "trec/8/soft_triple (of 12, 4 diverged)" in warned(found, "went wrong")


def test_a_replicate_that_failed_is_left_out_of_the_pairs() -> None:
    found = verdict(small(failed={"cross_entropy": 3}))
    base, other = only(found).arms
    assert base.scores[:3] == (None, None, None)
    assert base.summary is not None
    assert base.summary.n == 7
    assert other.difference is not None
    assert other.difference.n == 7
    assert other.difference.mean == pytest.approx(np.mean(_known(other.scores[3:])) - base.summary.mean)
    assert "5 failed" in warned(found, "went wrong")
    assert "some scores rest on 7 draws only" in warned(found, "cover less often")


@pytest.mark.parametrize("counts", [(9, 94, 138, 65, 81, 113), (342, 602), (5, 0, 10)])
def test_the_majority_classifiers_scores_are_those_of_its_predictions(counts: tuple[int, ...]) -> None:
    data = DataRecord(name="any", class_names=("a",) * len(counts), pool=1, test=sum(counts), test_counts=counts)
    labels_N = np.repeat(np.arange(len(counts)), counts)
    predicted_N = np.full_like(labels_N, np.argmax(counts))
    assert majority_scores(data) == pytest.approx(classification_metrics(labels_N, predicted_N, len(counts)))


def test_a_training_that_learned_nothing_is_counted() -> None:
    results = small()
    (first, *others), confusion = (
        results.confirmations,
        tuple((0, 0, count, 0, 0, 0) for count in (9, 94, 138, 65, 81, 113)),
    )
    evaluation = replace(first.replicates[0].evaluation, confusion=confusion)
    broken = replace(first, replicates=(replace(first.replicates[0], evaluation=evaluation), *first.replicates[1:]))
    found = verdict(replace(results, confirmations=(broken, *others)))
    assert only(found).arms[0].failures.majority == 1
    assert "1 no better than the majority class" in warned(found, "went wrong")
    assert json.loads(verdict_json(found))["comparisons"][0]["arms"][0]["failures"]["majority"] == 1


def test_a_classifier_that_tells_classes_apart_did_not_go_wrong_however_rare_they_are() -> None:
    """Three quarters of the rows of each class right, where nine in ten rows are of one class."""
    data = DataRecord(name="own", class_names=("rare", "usual"), pool=50, test=200, test_counts=(20, 180))
    told_apart = Evaluation(draw=1, replicate=0, point=1, step=1, confusion=((15, 5), (45, 135)))
    guessed = replace(told_apart, confusion=((0, 20), (0, 180)))
    by_chance = replace(told_apart, confusion=((8, 12), (72, 108)))
    assert [_is_majority(each, data) for each in (told_apart, guessed, by_chance)] == [False, True, True]
    few = DataRecord(name="own", class_names=("other", "usual"), pool=70, test=40, test_counts=(14, 26))
    weak = replace(told_apart, confusion=((5, 9), (6, 20)))  # within chance of 40 rows, and six points above it
    assert [_is_majority(each, few) for each in (weak, replace(weak, confusion=((0, 14), (0, 26))))] == [False, True]


@pytest.mark.parametrize("tested", [(), (0, 1, 2)])
@pytest.mark.parametrize("row", [(3, 0), (2, 1), (0, 3)])
def test_nobody_can_tell_who_went_wrong_on_test_rows_of_one_class(
    row: tuple[int, int], tested: tuple[int, ...]
) -> None:
    data = DataRecord(name="own", class_names=("usual", "rare"), pool=50, test=3, test_counts=(3, 0))
    evaluation = Evaluation(draw=1, replicate=0, point=1, step=1, confusion=(row, (0, 0)), tested=tested)
    assert not _is_majority(evaluation, data)
    without_matrix = replace(evaluation, confusion=(), metrics={"test_accuracy": row[0] / 3})
    assert not _is_majority(without_matrix, data)


@pytest.mark.parametrize(
    ("rows", "collapsed"), [((2, 1), False), ((3, 2), False), ((9, 1), False), ((3, 3), True), ((6, 4), True)]
)
def test_answers_of_one_class_to_a_few_rows_may_be_chance(rows: tuple[int, int], collapsed: bool) -> None:
    """A classifier that is right in three quarters of its answers gives three rows one class in a fifth of draws."""
    data = DataRecord(name="own", class_names=("first", "second"), pool=40, test=40, test_counts=(24, 16), folds=4)
    confusion = ((rows[0], 0), (rows[1], 0))
    evaluation = Evaluation(draw=1, replicate=0, point=1, step=1, confusion=confusion, tested=tuple(range(sum(rows))))
    assert _is_majority(evaluation, data) == collapsed
    told_apart = replace(evaluation, confusion=((rows[0], 0), (rows[1] - 1, 1)))
    assert not _is_majority(told_apart, data)


def test_a_small_test_part_is_said() -> None:
    results = small()
    few = {name: replace(each, test=12, labels=None) for name, each in results.sweep.data.items()}
    found = verdict(replace(results, sweep=replace(results.sweep, data=few)))
    assert warned(found, "the test part is small").endswith("asks for: trec (12 rows); label more rows for it")


def test_draws_still_to_come_are_said_and_the_rest_is_used() -> None:
    found = verdict(small(missing={"soft_triple": 4}, state=SweepState.INTERRUPTED))
    other = arm(only(found), "soft_triple")
    assert other.difference is not None
    assert other.difference.n == 6
    assert "trec/8/soft_triple (6 of 10 draws)" in warned(found, "confirmations are unfinished")


def test_nothing_confirmed() -> None:
    found = verdict(small(draws=0))
    comparison = only(found)
    assert comparison.best is None
    assert comparison.sentence.startswith("Nothing is confirmed here, so no method can be called better. ")
    assert "soft_triple is ahead with" in comparison.sentence
    assert found.family == 0
    assert warned(found, "`confirm.draws` is 0")
    assert found.selection.endswith("Winners were not tested: `confirm.draws` is 0.")


def test_draws_are_not_forgotten_where_fewer_are_asked_for_later() -> None:
    results = small()
    fewer = {**results.sweep.spec, "confirm": {**results.sweep.spec["confirm"], "draws": 4}}
    found = verdict(replace(results, sweep=replace(results.sweep, spec=fewer)))
    assert [each.summary.n for each in only(found).arms if each.summary is not None] == [10, 10]
    assert "come from 10 fresh draws" in found.selection


def test_no_trial_at_all() -> None:
    found = verdict(replace(small(), trials=(), confirmations=()))
    assert only(found).sentence == "No trial completed here, so there is nothing to say."
    assert "trec/8/cross_entropy (0 of 6 trials)" in warned(found, "the search is unfinished")
    assert "trec/8/soft_triple" in warned(found, "no trial completed")


def test_a_search_that_reached_its_target_is_not_unfinished() -> None:
    results = small(budget={"trials_per_cell": 6, "target_score": 0.01})
    kept = tuple(trial for trial in results.trials if trial.number < 2)
    found = verdict(replace(results, trials=kept, confirmations=()))
    said = warned(found, "the search ended where a trial reached `budget.target_score` (0.01)")
    assert "trec/8/cross_entropy (2 of 6 trials)" in said
    assert not any("the search is unfinished" in each for each in found.warnings)


def test_a_search_that_was_given_up_is_not_resumed_by_the_same_command() -> None:
    results = small(budget={"trials_per_cell": 6, "failures": 2})
    kept = [trial for trial in results.trials if trial.number < 2]
    failed = tuple(
        replace(trial, outcome=Outcome.FAILED) if trial.cell.endswith("soft_triple") else trial for trial in kept
    )
    found = verdict(replace(results, trials=failed, confirmations=()))
    said = warned(found, "the search was given up after 2 failed trials in a row")
    assert "trec/8/soft_triple (2 of 6 trials)" in said
    assert "raise `budget.failures`" in said
    assert "trec/8/soft_triple" not in warned(found, "the search is unfinished")


def test_a_baseline_without_scores_leaves_nothing_to_test() -> None:
    found = verdict(small(unconfirmed=("cross_entropy",)))
    comparison = only(found)
    assert "the baseline cross_entropy has no confirmed score, so no difference was tested." in comparison.sentence
    assert comparison.best is arm(comparison, "soft_triple")
    assert "cross_entropy on trec, 8 labels per class" in warned(found, "nothing was tested against it")


def test_a_baseline_alone_is_described() -> None:
    comparison = only(verdict(small(unconfirmed=("soft_triple",))))
    assert comparison.sentence.startswith("cross_entropy, the baseline, scored ")


def test_a_sweep_without_data_records_still_has_a_verdict() -> None:
    results = small(diverged={"soft_triple": 1})
    found = verdict(replace(results, sweep=replace(results.sweep, data={})))
    assert arm(only(found), "soft_triple").scores[0] is None
    assert arm(only(found), "soft_triple").failures.diverged == 2


def test_the_best_of_arms_with_other_draws_is_ahead_over_the_draws_of_both() -> None:
    """As where looks ended one after three draws: its lead over the baseline is the larger one, and on these very draws
    the other is ahead of it."""
    losses = ("cross_entropy", "soft_triple", "supcon")
    arms = only(verdict(small(losses=losses, draws=5))).arms
    first = (0.60, 0.60, 0.60, 0.66, 0.66)
    scored: dict[str, tuple[float | None, ...]] = {
        "cross_entropy": first,
        "soft_triple": (0.65, 0.65, 0.65, None, None),
        "supcon": (0.66, 0.66, 0.65, 0.66, 0.67),
    }
    leads = {"soft_triple": ([0.65] * 3, first[:3]), "supcon": ([0.66, 0.66, 0.65, 0.66, 0.67], first)}
    differences = {method: paired_difference(ours, list(base)) for method, (ours, base) in leads.items()}
    assert differences["soft_triple"].mean > differences["supcon"].mean
    told = [replace(each, scores=scored[each.method], difference=differences.get(each.method)) for each in arms]
    for order in (told, told[::-1]):
        found = best_arm(order, "cross_entropy")
        assert found is not None
        assert found.method == "supcon"


# ---- which trial is the winner, and which confirmation counts --------------------------------------------------------


def test_after_an_extension_the_current_winners_confirmation_counts() -> None:
    results = small()
    first = results.confirmations[1]
    other = next(each for each in results.trials if each.cell == first.cell and each.number != first.trial)
    earlier = replace(first, trial=other.number, replicates=first.replicates[:4])
    now = replace(first, number=1)
    found = verdict(replace(results, confirmations=(results.confirmations[0], earlier, now)))
    assert arm(only(found), "soft_triple").confirmation == now
    assert "trec/8/soft_triple" in warned(found, "extended after a verdict had been seen")


def test_a_new_winner_without_a_confirmation_leaves_the_earlier_ones() -> None:
    results = small()
    first = results.confirmations[1]
    better = replace(
        next(each for each in results.trials if each.cell == first.cell and each.number == first.trial),
        number=99,
        score=0.99,
    )
    found = arm(only(verdict(replace(results, trials=(*results.trials, better)))), "soft_triple")
    assert found.winner is not None
    assert found.winner.number == first.trial


def test_finalists_decide_and_their_cost_is_the_searchs() -> None:
    results = small(confirm={"finalists": 3, "finalist_draws": 2}, quality_sd=0.0, noise_sd=0.0)
    first = results.confirmations[0]
    completed = [each for each in results.trials if each.cell == first.cell and each.outcome is Outcome.COMPLETED]
    further = [_finalist(first, number, each.number, 0.1 * number) for number, each in enumerate(completed)]
    found = verdict(replace(results, confirmations=(*further, *results.confirmations[1:])))
    base = only(found).arms[0]
    assert base.winner == completed[-1]
    assert base.confirmation is None
    assert (base.cost.replicates, base.cost.possible_replicates) == (14 + 3, 18 + 3)
    assert (
        "Among the 3 best, as far as they are tied within one standard error, 2 further draws decided."
        in found.selection
    )


def _finalist(like: ConfirmationRecord, number: int, trial: int, score: float) -> ConfirmationRecord:
    evaluation = Evaluation(draw=3, replicate=0, point=1, step=40, metrics={"val_accuracy": 0.8 + score})
    replicates = (ReplicateRecord(time=0.0, evaluation=evaluation),)
    return replace(like, number=number, role=Role.FINALIST, trial=trial, replicates=replicates)


# ---- further warnings ------------------------------------------------------------------------------------------------


@pytest.mark.lengthy
def test_a_rich_validation_set_for_a_few_labels() -> None:
    found = verdict(small(protocol={"validation": 1000}))
    said = warned(found, "validation rows")
    assert said.startswith("selected with 1,000 validation rows beside 48 training rows (trec, 8 labels per class);")
    assert "`protocol.validation: shots` selects as with 48 labels only" in said
    assert "scored on 1000 rows" in found.selection
    everything = warned(verdict(small(protocol={"validation": "all"}, trial={"sampling": "random"})), "validation rows")
    assert "5,444 validation rows beside 8 training rows" in everything


def trained_on(record: ConfirmationRecord, *kinds: str) -> ConfirmationRecord:
    """The record with its replicates trained on these kinds of devices in turn."""
    turns = zip(record.replicates, cycle(kinds), strict=False)
    replicates = (replace(each, evaluation=replace(each.evaluation, trained_on=kind)) for each, kind in turns)
    return replace(record, replicates=tuple(replicates))


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        (
            (("L4 (bf16)",), ("T4 (fp32)", "L4 (bf16)")),
            "(cross_entropy on L4 (bf16), soft_triple on L4 (bf16) and T4 (fp32))",
        ),
        ((("L4 (bf16)", "T4 (fp32)"), ("T4 (fp32)", "L4 (bf16)")), ""),
        ((("L4 (bf16)",), ("",)), ""),
    ],
)
def test_losses_that_were_trained_on_different_devices(kinds: tuple[tuple[str, ...], ...], told: str) -> None:
    results = small()
    records = tuple(trained_on(record, *each) for record, each in zip(results.confirmations, kinds, strict=True))
    warnings = " ".join(verdict(replace(results, confirmations=records)).warnings)
    assert ("different devices" in warnings) == bool(told)
    assert told in warnings


@pytest.mark.parametrize(
    ("changed", "kinds", "told"),
    [
        ({"recipe": SetFit()}, ("L4 (bf16)", "L4 (fp32)"), False),  # in fp32 on every machine
        ({"recipe": SetFit()}, ("L4 (bf16)", "T4 (fp32)"), True),
        ({"encoder": "narrow"}, ("cpu (bf16)", "cpu (fp32)"), False),  # `auto` is what is faster
        ({"encoder": "narrow"}, ("cpu (bf16)", "L4 (bf16)"), True),
        ({}, ("cpu (bf16)", "cpu (fp32)"), True),
    ],
)
def test_a_precision_of_a_methods_own_is_no_other_device(
    changed: dict[str, Any], kinds: tuple[str, str], told: bool
) -> None:
    results = small()
    first, second = (trained_on(record, kind) for record, kind in zip(results.confirmations, kinds, strict=True))
    second = replace(second, config=second.config.model_copy(update=changed))
    warnings = " ".join(verdict(replace(results, confirmations=(first, second))).warnings)
    assert ("different devices" in warnings) == told


def trained_with(record: ConfirmationRecord, *versions: str) -> ConfirmationRecord:
    """The record with its replicates trained with these versions in turn."""
    turns = zip(record.replicates, cycle(versions), strict=False)
    replicates = (replace(each, evaluation=replace(each.evaluation, trained_with=names)) for each, names in turns)
    return replace(record, replicates=tuple(replicates))


@pytest.mark.parametrize(
    ("versions", "told"),
    [
        ((("torch 2.12",), ("torch 2.13",)), "(cross_entropy with torch 2.12; soft_triple with torch 2.13)"),
        (
            (("torch 2.12",), ("torch 2.12", "torch 2.13")),
            "(cross_entropy with torch 2.12; soft_triple with torch 2.12 and torch 2.13)",
        ),
        ((("torch 2.13",), ("torch 2.13",)), ""),
        ((("",), ("torch 2.13",)), ""),
    ],
)
def test_losses_that_were_trained_with_different_versions(versions: tuple[tuple[str, ...], ...], told: str) -> None:
    results = small()
    records = tuple(trained_with(record, *each) for record, each in zip(results.confirmations, versions, strict=True))
    warnings = " ".join(verdict(replace(results, confirmations=records)).warnings)
    assert ("different versions" in warnings) == bool(told)
    assert told in warnings


def test_a_method_of_which_every_configuration_was_tried_lacks_no_trials() -> None:
    found = small(compare={"recipe": ["fine_tune", "label_names"]}, trials=6)
    tried = [trial for trial in found.trials if trial.config.recipe.name == "label_names"]
    assert len({trial.cell for trial in tried}) == 1
    few = replace(found, trials=tuple(trial for trial in found.trials if trial not in tried[4:]))
    assert [each for each in verdict(few).warnings if "unequal numbers of trials" in each] == []


def test_scores_of_two_metrics_have_no_mean_gain() -> None:
    metrics = ["accuracy", "macro_f1"]
    found = verdict(small(datasets=("trec", "cr"), compare={"metric": metrics}))
    assert [each.metric for each in found.comparisons] == metrics * 2
    assert found.gains == ()
    assert verdict(small(datasets=("trec", "cr"))).gains != ()


def test_what_an_earlier_run_confirmed_is_confirmed() -> None:
    """With `confirm.draws: 0` it said beside a claim that nothing is confirmed."""
    results = small()
    spec = {**results.sweep.spec, "confirm": {**results.sweep.spec["confirm"], "draws": 0}}
    now = replace(results, sweep=replace(results.sweep, spec=spec))
    found = verdict(now)
    assert only(found).arms[1].significant
    assert not any("confirmed" in each for each in found.warnings)
    some = verdict(replace(now, confirmations=now.confirmations[:1]))
    assert warned(some, "confirmed").startswith("not confirmed are trec/8/soft_triple, since `confirm.draws` is 0: ")
    none = verdict(replace(now, confirmations=()))
    assert warned(none, "confirmed").startswith("nothing is confirmed, since `confirm.draws` is 0: ")


def test_scores_of_a_winner_that_another_trial_has_overtaken_are_said_to_be() -> None:
    """An extended sweep that ended before its new winner had a draw showed scores of the earlier one without a word."""
    results = small()
    first, second = results.confirmations
    other = next(
        each for each in results.trials
        if (each.cell, each.outcome) == (second.cell, Outcome.COMPLETED) and each.number != second.trial
    )  # fmt: skip
    earlier = replace(second, trial=other.number)
    found = verdict(replace(results, confirmations=(first, earlier)))
    assert warned(found, "confirmations are unfinished") == (
        f"confirmations are unfinished: trec/8/soft_triple (trial {second.trial} leads now and has no draw yet; "
        f"scores are of trial {other.number}, the winner before); the same command resumes them"
    )
    assert not any("unfinished" in each for each in verdict(results).warnings)


def test_one_point_that_may_stay_unseen_is_no_points() -> None:
    found = only(verdict(small(datasets=("cr",), draws=4)))
    base, ours = found.arms
    assert ours.difference is not None
    alike = replace(ours.difference, components=Components.of(np.zeros((4, 399))))
    arms = (base, replace(ours, difference=alike, p_corrected=0.5, p_equivalent=0.5))
    (said,) = _unseen([replace(found, arms=arms)], 1)
    assert said.endswith("differences under 1 point may stay unseen")


def test_unequal_budgets() -> None:
    results = small()
    found = verdict(replace(results, trials=results.trials[:-1]))
    assert "trec, 8 labels per class (cross_entropy 6, soft_triple 5)" in warned(found, "unequal numbers of trials")
    assert "trec/8/soft_triple (5 of 6 trials)" in warned(found, "the search is unfinished")


def test_too_few_draws_for_any_test_to_succeed() -> None:
    found = verdict(of_old(small(draws=5)))
    said = warned(found, "cannot be significant")
    assert said.startswith("a difference on 5 draws cannot be significant when it is corrected for 1 test,")
    assert said.endswith("raise `confirm.draws` to at least 6")
    assert not only(found).arms[1].significant
    assert "some scores rest on 5 draws only" in warned(found, "cover less often")


def test_a_difference_on_few_draws_beside_a_surer_one_is_not_said_to_be_hopeless() -> None:
    """On six draws p is 0.031 at least: of two tests it holds where the other one, on ten draws, holds first."""
    both = {"soft_triple": 0.1, "supcon": 0.1}
    losses = ("cross_entropy", "soft_triple", "supcon")
    found = verdict(of_old(small(losses=losses, gain=both, noise_sd=0.001, failed={"supcon": 4})))
    assert [arm.significant for arm in only(found).arms] == [False, True, True]
    assert not any("be significant" in each for each in found.warnings)
    alone = verdict(of_old(small(losses=losses, gain={"supcon": 0.1}, noise_sd=0.001, failed={"supcon": 4})))
    assert "a difference on 6 draws can hardly be significant" in warned(alone, "be significant")


# ---- the same models, read by another rule ---------------------------------------------------------------------------


def test_a_rule_that_turns_a_claim_is_found_where_predictions_are_kept() -> None:
    """soft_triple leads by 10 points by the head, and is 5 behind by the nearest proxy."""
    results = small()
    changed = [_read_by_nearest(each, -0.15) if "soft_triple" in each.cell else each for each in results.confirmations]
    found = arm(only(verdict(replace(results, confirmations=tuple(changed)))), "soft_triple")
    assert found.rows_by_draw, "the predictions are known"
    assert set(found.turned) == {"nearest"}
    assert found.turned["nearest"] == pytest.approx(-0.05, abs=0.02)
    assert not arm(only(verdict(results)), "soft_triple").turned


def test_a_rule_of_the_other_sign_that_may_be_chance_turns_nothing() -> None:
    """By the nearest proxy, soft_triple is as good as the baseline, but for what draws do."""
    found = only(verdict(small()))
    ours, base = arm(found, "soft_triple"), replace(arm(found, "cross_entropy"), by_rule={})
    scores = [score for score in base.scores if score is not None]
    assert len(scores) == len(base.scores)

    def turned_by(spread: float) -> Mapping[str, float]:
        by_chance = tuple(score - 0.005 + spread * (-1) ** place for place, score in enumerate(scores))
        return _turned(replace(ours, by_rule={"nearest": by_chance}), base)

    assert not turned_by(0.1), "half a point behind, by 10 more or less"
    assert turned_by(0.001) == {"nearest": pytest.approx(-0.005)}


def test_trainings_that_diverged_are_no_other_way_to_read_the_others() -> None:
    """Half of them diverge, the others lead by 10 points: it said that this is turned round `by the head`."""
    made = small(draws=16, gain={"soft_triple": 0.1}, noise_sd=0.01, quality_sd=0, diverged={"soft_triple": 8})
    comparison = only(verdict(made))
    found = arm(comparison, "soft_triple")
    assert found.significant
    assert found.difference is not None
    assert found.difference.mean < 0
    assert found.turned == {}
    assert "turn that round" not in comparison.sentence


def _read_by_nearest(record: ConfirmationRecord, change: float) -> ConfirmationRecord:
    """The record with other accuracies by the nearest proxy."""
    name = "test_nearest_accuracy"
    replicates = [
        replace(each, evaluation=replace(each.evaluation, metrics=metrics | {name: metrics[name] + change}))
        for each in record.replicates
        for metrics in (dict(each.evaluation.metrics),)
    ]
    return replace(record, replicates=tuple(replicates))


@pytest.mark.parametrize("priors", ["draw", "pool"])
def test_priors_are_advised_only_where_the_classifiers_do_not_know_them(
    priors: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["sweep.verdict.cautions"], "_SKEWED", 0.6)
    (told,) = [
        said for said in verdict(small(datasets=("cr",), trial={"priors": priors})).warnings if "cr (64 %" in said
    ]
    assert ("`trial.priors: pool` tells" in told) == (priors == "draw")


def test_what_the_largest_difference_is_worth_stays_within_what_shares_can_differ_by() -> None:
    """Where an arm collapses on most of few draws, the interval for all at once reaches further."""
    made = small(losses=(*TWO, "supcon"), draws=4, noise_sd=0.2, diverged={"cross_entropy": 3, "supcon": 2})
    found = only(verdict(made)).named_best
    assert found is not None
    assert -1 <= found.low <= found.mean <= found.high <= 1
