"""Uncertainty where each draw tests a part of its own: against slow references, and from the records of a sweep."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from sweep.records.results import SweepResults
from sweep.verdict import verdict
from sweep.verdict.crossed import Components, crossed_difference, crossed_summary, likely_best
from sweep.verdict.outlook import outlooks
from sweep.verdict.power import resolving, rows_with_draws
from sweep.verdict.repeated import RepeatedParts, least_variance, repeated_covariance
from sweep.verdict.statistics import LEVEL, equivalence_p, noninferiority_p
from tests.sweeps.rare_losses import rarely_worse
from tests.sweeps.synthetic_results import synthetic_results
from trainable.folds import stratified_folds
from trainable.outcomes import Evaluation
from trainable.predicted_classes import PredictedClasses

Floats = NDArray[np.float64]


def parted(values_NT: Floats, folds: int = 4, seed: int = 0) -> Floats:
    """Of each draw the values of its own part alone."""
    draws, rows = values_NT.shape
    labels_T, rng = np.arange(rows) % 2, np.random.default_rng(seed)
    found = np.full_like(values_NT, np.nan)
    for draw in range(draws):
        if draw % folds == 0:
            places_T = stratified_folds(labels_T, folds, rng)
        tested = places_T == draw % folds
        found[draw, tested] = values_NT[draw, tested]
    return found


@pytest.mark.parametrize("shape", [(4, 9), (20, 50), (7, 31)])
def test_the_variance_is_that_of_the_rows_means_raised_for_what_draws_share(shape: tuple[int, int]) -> None:
    values_NT = parted(np.random.default_rng(1).normal(size=shape) + np.arange(shape[1]))
    rows = [[v for v in column if not np.isnan(v)] for column in values_NT.T]
    means = [sum(row) / len(row) for row in rows if row]
    share = sum(map(len, rows)) / values_NT.size
    for of, inflation in (("arm", 1 + 2 * share), ("difference", 1 / (1 - share))):
        found = RepeatedParts.of(values_NT, of=of)  # type: ignore[arg-type]
        assert found.rows == len(means)
        assert found.by_row == pytest.approx(inflation * np.var(means, ddof=1))
        assert found.variance == pytest.approx(found.by_row / len(means) + found.by_draw / shape[0])
        assert found.mean == pytest.approx(np.mean([np.nanmean(values_N) for values_N in values_NT]))


def test_draws_that_differ_in_truth_are_seen() -> None:
    """Means over many tables of the estimate are the truth, also where places are unevenly filled."""
    rng = np.random.default_rng(2)
    found = []
    for seed in range(300):
        values_NT = rng.normal(0, 0.3, (20, 1)) + rng.normal(0, 0.4, (1, 48)) + rng.normal(0, 0.2, (20, 48))
        values_NT = parted(values_NT, seed=seed)
        values_NT[3, :10] = np.nan
        found.append(RepeatedParts.of(values_NT, of="difference").by_draw)
    assert np.mean(found) == pytest.approx(0.09, abs=3 * np.std(found) / np.sqrt(300))


def test_an_interval_and_its_test_agree() -> None:
    rng = np.random.default_rng(3)
    ours, theirs = (parted((rng.random((20, 50)) < p).astype(float)) for p in (0.7, 0.55))
    found = crossed_difference(ours, theirs)
    assert isinstance(found.components, RepeatedParts)
    error, freedom = np.sqrt(found.components.variance), found.components.freedom
    assert found.high - found.low == pytest.approx(2 * stats.t.isf(0.025, freedom) * error)
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(found.mean) / error, freedom))
    assert equivalence_p(found, 0.5) < 0.05 < equivalence_p(found, 0.01)
    assert found.mean == pytest.approx(crossed_summary(ours).mean - crossed_summary(theirs).mean)
    first = likely_best([ours, theirs])[0]
    assert first == pytest.approx(stats.norm.cdf(found.mean / error), abs=0.02)
    assert np.diag(repeated_covariance(np.stack([ours, ours]))) == pytest.approx(
        RepeatedParts.of(ours, of="difference").by_row / 50
    )


def test_the_labels_that_would_resolve_a_difference_do() -> None:
    found = RepeatedParts(draws=20, rows=50, mean=0.05, by_row=0.1, by_draw=0.0001)
    draws, rows = resolving(found)
    assert draws is None, "more draws of the same rows tell nothing"
    assert rows is not None
    assert 50 < rows < 1000
    assert resolving(replace(found, by_draw=1.0))[1] is None
    few = replace(found, draws=5, by_draw=0.0015)
    with_draws = rows_with_draws(few)
    assert (resolving(few)[0], rows_with_draws(found)) == (None, None), "found has its twenty draws"
    assert with_draws is not None
    assert 2 * with_draws < (resolving(few)[1] or 100_000)
    assert resolving(replace(few, draws=20))[1] == with_draws
    alike = replace(found, by_row=1e-6, by_draw=0.1, alike=1.0)
    assert resolving(alike)[0] is None, "rows that were alike so far leave 5 points open, whatever the draws"
    assert resolving(replace(alike, mean=0.1))[0] is not None


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_where_all_rows_agree_the_next_may_not(right: float) -> None:
    values_NT = parted(np.full((8, 20), right))
    found = crossed_summary(values_NT)
    assert found.low < found.high
    same = crossed_difference(values_NT, values_NT)
    assert (same.mean, same.p_value) == (0, 1)
    assert same.low < 0 < same.high


def test_one_disagreement_makes_nothing_certain() -> None:
    values_NT = parted(np.zeros((20, 40)))
    same = RepeatedParts.of(values_NT, of="difference")
    tested = np.argwhere(~np.isnan(values_NT))
    values_NT[tuple(tested[0])] = 1
    one = RepeatedParts.of(values_NT, of="difference")
    assert one.variance == same.variance == least_variance(40)
    assert one.freedom == same.freedom == 39
    graded = RepeatedParts.of(values_NT / 1000, of="difference", graded=True)
    assert graded.variance < 1e-6, "values that differ by degrees have shown by how much"


def test_a_loss_on_one_row_of_a_hundred_is_not_taken_for_none() -> None:
    passed = 0
    for sweep in range(200):
        values_NT = parted(rarely_worse(20, 60, np.random.default_rng(sweep)), seed=sweep)
        passed += noninferiority_p(crossed_difference(values_NT, 0 * values_NT), 0.01) < LEVEL
    assert passed <= 10  # a twentieth; 50 without a least variance


# ---- from the records ------------------------------------------------------------------------------------------------


def repeated(results: SweepResults, folds: int = 4) -> SweepResults:
    """The same sweep, had each draw tested its own part of the test rows."""
    (data,) = (replace(each, folds=folds, pool=each.test) for each in results.sweep.data.values())
    assert data.labels is not None
    labels_T = data.labels.judged

    def tested(found: Evaluation) -> Evaluation:
        repetition, fold = divmod(found.draw, folds)
        places_T = stratified_folds(labels_T, folds, np.random.default_rng(repetition))
        rows = np.flatnonzero(places_T == fold)
        if found.predicted is None:
            return replace(found, tested=tuple(rows.tolist()))
        classes = {rule: classes_T[rows] for rule, classes_T in found.predicted.by_rule().items()}
        right = float((classes["head"] == labels_T[rows]).mean())
        metrics = {**found.metrics, "test_accuracy": right, "test_head_accuracy": right}
        predicted = PredictedClasses.of(classes)
        return replace(found, tested=tuple(rows.tolist()), predicted=predicted, metrics=metrics)

    records = tuple(
        replace(
            record, replicates=tuple(replace(each, evaluation=tested(each.evaluation)) for each in record.replicates)
        )
        for record in results.confirmations
    )
    return replace(results, sweep=replace(results.sweep, data={data.name: data}), confirmations=records)


def test_a_verdict_knows_which_rows_each_draw_tested() -> None:
    losses = ("cross_entropy", "soft_triple")
    results = repeated(synthetic_results(datasets=("cr",), losses=losses, draws=8, diverged={"soft_triple": 1}))
    assert SweepResults.from_json(results.to_json()) == results
    (comparison,) = verdict(results).comparisons
    labels_T = results.sweep.data["cr"].labels
    assert labels_T is not None
    for arm in comparison.arms:
        assert arm.confirmation is not None
        replicates = [each.evaluation for each in arm.confirmation.replicates if each.evaluation.initialisation == 0]
        table_NT = np.full((8, len(labels_T.judged)), np.nan)
        for place, found in enumerate(replicates):
            rows = list(found.tested)
            predicted = np.ones(len(rows)) if found.predicted is None else found.predicted.judged
            table_NT[place, rows] = predicted == labels_T.judged[rows]
        assert arm.scores == pytest.approx(np.nanmean(table_NT, axis=1))
        assert arm.summary == crossed_summary(table_NT)
        assert arm.inference["head"].n == 8 - (arm.method == "soft_triple")
    difference = comparison.arms[1].difference
    assert difference is not None
    assert isinstance(difference.components, RepeatedParts)
    assert difference.n == 8


def test_a_training_collapsed_where_it_answers_one_class_to_the_rows_of_its_draw() -> None:
    results = repeated(synthetic_results(datasets=("cr",), losses=("cross_entropy",), draws=4, reseeded=0))
    (record,) = results.confirmations
    confusions = (((20, 5), (80, 130)), ((0, 85), (0, 150)), ((85, 0), (150, 0)), ((10, 75), (70, 80)))
    replicates = tuple(
        replace(each, evaluation=replace(each.evaluation, confusion=confusion))
        for each, confusion in zip(record.replicates, confusions, strict=True)
    )
    (comparison,) = verdict(replace(results, confirmations=(replace(record, replicates=replicates),))).comparisons
    assert comparison.arms[0].failures.majority == 2


def test_where_all_rows_agree_more_draws_do_not_help_and_more_rows_do() -> None:
    values_NT = np.zeros((4, 40))
    values_NT[np.arange(40) % 4 != np.arange(4)[:, None]] = np.nan
    for found in (Components.of(np.zeros((4, 40))), RepeatedParts.of(values_NT, of="difference")):
        margin = found.variance / 10
        assert found.draws_for(margin) == np.inf
        assert found.variance_with(1000) == found.variance
        needed = int(np.ceil(found.rows_for(margin)))
        assert needed > 40
        assert least_variance(needed) <= margin < least_variance(int(0.95 * needed))
        assert found.draws_for(found.variance) == 0, "it has this variance now"


def test_what_would_help_is_more_labels() -> None:
    results = synthetic_results(datasets=("cr",), losses=("cross_entropy", "proxy_anchor"), draw_sd=0)
    (comparison,) = verdict(repeated(results)).comparisons
    assert "No method can be told from cross_entropy" in comparison.sentence
    assert " labelled rows would" in comparison.sentence
    assert "test rows" not in comparison.sentence


def test_fewer_draws_than_parts_leave_rows_that_further_draws_test() -> None:
    results = synthetic_results(datasets=("cr",), losses=("cross_entropy", "proxy_anchor"), draws=3, draw_sd=0)
    (comparison,) = verdict(repeated(results)).comparisons
    assert re.search(r"; further draws would test the other \d+ rows too", comparison.sentence)
    assert "no number of draws" not in comparison.sentence


def test_a_mean_gain_on_few_labels_is_as_uncertain_as_they_are() -> None:
    results = synthetic_results(datasets=("cr",), losses=("cross_entropy", "supcon"), shots=(8, 16), draws=4)
    found = verdict(repeated(results))
    (gain,) = found.gains
    differences = [arm.difference for each in found.comparisons for arm in each.arms if arm.difference is not None]
    assert gain.mean == pytest.approx(np.mean([each.mean for each in differences]))
    assert (gain.low, gain.high) == (gain.here_low, gain.here_high), "a single dataset tells nothing of others"
    widest = max(each.high - each.low for each in differences)
    assert 0.4 * widest < gain.high - gain.low <= 1.001 * widest, "both numbers of shots are tested on the same rows"


@pytest.mark.lengthy
def test_few_labels_are_said_to_leave_differences_unseen() -> None:
    """As many points as the variance that was seen, and the number of tests, make of it."""
    results = synthetic_results(
        datasets=("small",), losses=("cross_entropy", "proxy_anchor", "supcon"), classes=("a", "b"), draws=8
    )
    assert not [said for said in verdict(results).warnings if "unseen" in said], "500 test rows are many"
    few = repeated(shortened(results, 60))
    found = verdict(few)
    (comparison,) = found.comparisons
    known = [arm.difference for arm in comparison.arms if arm.difference is not None and not arm.significant]
    widest = max(each.components.variance for each in known if each.components is not None)
    points = 100 * (stats.norm.isf(LEVEL / 2 / 2) + stats.norm.isf(0.2)) * np.sqrt(widest)
    (said,) = (said for said in found.warnings if "unseen" in said)
    assert said.startswith("8 draws on 60 labels cannot separate these 3 methods (small, 8 labels per class): ")
    assert f"differences under {points:.0f} points may stay unseen" in said
    assert any("have also chosen it, on other draws: small" in said for said in found.warnings)


def test_only_methods_that_are_not_told_apart_are_said_to_be_inseparable() -> None:
    losses = ("cross_entropy", "proxy_anchor", "supcon")
    results = synthetic_results(datasets=("small",), losses=losses, classes=("a", "b"), draws=8, gain={"supcon": -0.3})
    found = verdict(shortened(results, 60))
    assert [arm.method for arm in found.comparisons[0].arms if arm.significant] == ["supcon"]
    (said,) = (said for said in found.warnings if "unseen" in said)
    assert "60 test rows cannot separate proxy_anchor from cross_entropy (small, 8 labels per class)" in said


def shortened(results: SweepResults, rows: int) -> SweepResults:
    """The same sweep on some of the test rows, as many of each class."""
    (data,) = results.sweep.data.values()
    assert data.labels is not None
    labels_T = data.labels.judged
    kept = np.concatenate([np.flatnonzero(labels_T == label)[: rows // 2] for label in range(2)])

    def cut(found: Evaluation) -> Evaluation:
        assert found.predicted is not None
        classes = {rule: classes_T[kept] for rule, classes_T in found.predicted.by_rule().items()}
        return replace(found, predicted=PredictedClasses.of(classes))

    fewer = replace(
        data, test=rows, test_counts=(rows // 2,) * 2, labels=PredictedClasses.of({"label": labels_T[kept]})
    )
    records = tuple(
        replace(record, replicates=tuple(replace(each, evaluation=cut(each.evaluation)) for each in record.replicates))
        for record in results.confirmations
    )
    return replace(results, sweep=replace(results.sweep, data={data.name: fewer}), confirmations=records)


def test_what_more_labels_would_bring_is_told_of_all_of_them() -> None:
    """Numbers of labels that are words stand in order by the labels that they come to."""
    results = repeated(synthetic_results(datasets=("cr",), losses=("cross_entropy", "supcon"), shots=(8, 64), draws=4))
    found = verdict(results)
    (outlook,) = found.outlooks
    assert (outlook.fewer, outlook.shots) == (8, 64)
    words = {8: "at most 8", 64: "all"}
    named = [replace(each, shots=words[int(each.shots)], labels=17 * int(each.shots)) for each in found.comparisons]
    (other,) = outlooks(named[::-1], {})
    assert (other.fewer, other.shots) == ("at most 8", "all")
    assert "from at most 8 to all" in other.sentence
    assert outlooks([named[1], replace(named[0], shots="at most 544", labels=named[1].labels)], {}) == ()
