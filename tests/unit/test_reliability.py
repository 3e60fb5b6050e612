"""Calibration, risk and error detection against torchmetrics, scikit-learn and slow references."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score  # type: ignore[import-untyped]

from sweep.explain.flips import mcnemar_p
from sweep.explain.judged import Judged
from sweep.explain.reliability import (
    BINS,
    auroc_parts,
    brier_parts,
    calibration_parts,
    equal_mass,
    equal_width,
    measured,
    nll_parts,
    parts,
    risk_parts,
    versus,
)
from sweep.explain.reliability_charts import reliability_diagram, risk_coverage

Floats = NDArray[np.float64]
CASES = [(rows, classes, seed) for rows in (40, 500) for classes in (2, 5) for seed in range(3)]


class Rows:
    """Probabilities of rows by a classifier that is too sure of itself."""

    def __init__(self, rows: int, classes: int, seed: int, sharpness: float = 2.0) -> None:
        rng = np.random.default_rng(seed)
        self.labels_S = rng.integers(classes, size=rows)
        scores_SC = sharpness * (np.eye(classes)[self.labels_S] + 0.8 * rng.normal(size=(rows, classes)))
        self.probabilities_SC: Floats = np.exp(scores_SC) / np.exp(scores_SC).sum(axis=1, keepdims=True)
        said_S = self.probabilities_SC.argmax(axis=1)
        self.confidence_S: Floats = self.probabilities_SC.max(axis=1)
        self.true_S: Floats = self.probabilities_SC[np.arange(rows), self.labels_S]
        self.right_S: Floats = (said_S == self.labels_S).astype(np.float64)
        rest_SC = self.probabilities_SC.copy()
        rest_SC[np.arange(rows), said_S] = rest_SC[np.arange(rows), self.labels_S] = 0
        self.others_S: Floats = np.sqrt((rest_SC**2).sum(axis=1))


@pytest.mark.lengthy
@pytest.mark.parametrize("case", CASES)
def test_calibration_is_that_of_torchmetrics_and_scikit_learn(case: tuple[int, int, int]) -> None:
    rows = Rows(*case)
    classes = case[1]
    probabilities, labels = torch.from_numpy(rows.probabilities_SC), torch.from_numpy(rows.labels_S)
    ece = calibration_parts(rows.right_S, rows.confidence_S, equal_width(rows.confidence_S)).mean()
    from torchmetrics.functional.classification import multiclass_calibration_error  # its import takes a second

    theirs = multiclass_calibration_error(probabilities, labels, num_classes=classes, n_bins=BINS, norm="l1")
    assert ece == pytest.approx(float(theirs), abs=1e-6)
    brier = brier_parts(rows.right_S, rows.confidence_S, rows.true_S, rows.others_S).mean()
    one_hot = rows.labels_S if classes > 2 else np.eye(2)[rows.labels_S]
    expected = ((rows.probabilities_SC - np.eye(classes)[rows.labels_S]) ** 2).sum(axis=1).mean()
    assert brier == pytest.approx(expected, abs=1e-6)
    if classes > 2:
        assert brier == pytest.approx(brier_score_loss(one_hot, rows.probabilities_SC, scale_by_half=False), abs=1e-6)
    else:  # scikit-learn counts one of two classes
        assert brier == pytest.approx(2 * brier_score_loss(rows.labels_S, rows.probabilities_SC[:, 1]), abs=1e-6)
    nll = nll_parts(rows.true_S).mean()
    assert nll == pytest.approx(log_loss(rows.labels_S, rows.probabilities_SC, labels=range(classes)), abs=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_the_detection_of_errors_is_that_of_torchmetrics_and_scikit_learn(case: tuple[int, int, int]) -> None:
    from torchmetrics.functional.classification import binary_auroc

    rows = Rows(*case)
    for score_S in (rows.confidence_S, np.round(rows.confidence_S, 1)):  # with ties too
        found = auroc_parts(rows.right_S, score_S).mean()
        assert found == pytest.approx(roc_auc_score(rows.right_S, score_S), abs=1e-6)
        theirs = binary_auroc(torch.from_numpy(score_S), torch.from_numpy(rows.right_S.astype(np.int64)))
        assert found == pytest.approx(float(theirs), abs=1e-6)


def test_bins_of_equal_mass_against_a_slow_reference() -> None:
    rows = Rows(103, 3, 0)
    order = sorted(range(103), key=lambda row: rows.confidence_S[row])
    sizes, total, at = [11] * 3 + [10] * 7, 0.0, 0
    for size in sizes:
        own = order[at : at + size]
        total += abs(sum(rows.confidence_S[row] - rows.right_S[row] for row in own))
        at += size
    found = calibration_parts(rows.right_S, rows.confidence_S, equal_mass(rows.confidence_S)).mean()
    assert found == pytest.approx(total / 103, abs=1e-12)


def test_the_order_of_rows_says_nothing_where_their_confidence_is_the_same() -> None:
    """As of a file whose confidences are rounded, with the rows sorted by class."""
    right_S, confidence_S = np.repeat([1.0, 0.0, 1.0, 0.0], [50, 50, 30, 10]), np.repeat([0.5, 0.75], [100, 40])
    orders = [np.arange(140), np.arange(140)[::-1], np.random.default_rng(0).permutation(140)]
    bins = equal_mass(confidence_S)
    assert {len(set(bins[confidence_S == each])) for each in (0.5, 0.75)} == {1}
    assert bins[0] < bins[-1]
    curves = []
    for order in orders:
        right, confidence = right_S[order], confidence_S[order]
        assert calibration_parts(right, confidence, equal_mass(confidence)).mean() == pytest.approx(0)
        arm = Judged(
            draws=(0, 1),
            right_KT=np.stack([right] * 2),
            values={"confidence": np.stack([confidence] * 2)},
            temperatures=(None, None),
        )
        curves.append([row["error"] for row in risk_coverage({"own": arm}).rows])
    assert curves[0] == pytest.approx(
        [0.25, 0.25, *((0.25 * 40 + 0.5 * (14 * part - 40)) / (14 * part) for part in range(3, 11))]
    )
    assert curves[1] == pytest.approx(curves[0])
    assert curves[2] == pytest.approx(curves[0])


def test_the_area_under_the_risk_coverage_curve_against_a_slow_reference() -> None:
    rows = Rows(60, 3, 1)
    order = sorted(range(60), key=lambda row: -rows.confidence_S[row])
    errors = [1 - rows.right_S[row] for row in order]
    area = sum(sum(errors[:count]) / count for count in range(1, 61)) / 60
    assert risk_parts(rows.right_S, rows.confidence_S).mean() == pytest.approx(area, abs=1e-12)


def test_rows_of_one_score_share_their_errors() -> None:
    right_S = np.array([1.0, 0.0, 1.0, 1.0])
    assert risk_parts(right_S, np.zeros(4)).mean() == pytest.approx(0.25)
    assert auroc_parts(right_S, np.zeros(4)).mean() == pytest.approx(0.5)
    assert np.isnan(auroc_parts(np.ones(4), np.arange(4.0))).all()


@pytest.mark.parametrize("name", ["ece", "adaptive_ece", "brier", "nll", "aurc", "auroc_confidence"])
def test_contributions_are_the_influence_of_rows(name: str) -> None:
    """Their spread is about that of the measure over samples, so that intervals are as wide as they should be; those of
    calibration errors a little wider, since the sign of a small gap is not as sure as they take it to be."""
    sampled = [judged_of([Rows(400, 3, seed)]) for seed in range(300)]
    each = [parts(judged, name) for judged in sampled]
    found = [values_KT[0] for values_KT in each if values_KT is not None]
    by_influence = float(np.mean([values_T.std(ddof=1) / np.sqrt(400) for values_T in found]))
    spread = float(np.std([values_T.mean() for values_T in found]))
    assert 0.9 < by_influence / spread < (1.35 if name.endswith("ece") else 1.15)


def judged_of(draws: list[Rows], tempered: bool = False) -> Judged:
    names = {"confidence": "confidence_S", "true": "true_S", "others": "others_S"}
    values = {name: np.stack([getattr(each, source) for each in draws]) for name, source in names.items()}
    values["margin"] = values["confidence"]
    if tempered:
        values |= {f"tempered_{name}": values[name] for name in names}
    return Judged(
        draws=tuple(range(len(draws))),
        right_KT=np.stack([each.right_S for each in draws]),
        values=values,
        temperatures=(1.0 if tempered else None,) * len(draws),
    )


def test_a_measure_of_an_arm_has_an_interval_over_draws_and_rows() -> None:
    arm = judged_of([Rows(80, 3, seed) for seed in range(6)])
    found = measured(arm, "nll")
    assert found is not None
    assert found.draws == 6
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.mean < found.high
    assert found.mean == pytest.approx(-np.log(arm.values["true"]).mean())
    assert measured(arm, "auroc_nearness") is None, "no such score is on record"
    assert measured(arm, "ece", tempered=True) is None, "no temperature is"
    alone = measured(judged_of([Rows(80, 3, 0)]), "ece")
    assert alone is not None
    assert (alone.low, alone.high) == (None, None)


def test_draws_that_test_parts_of_the_rows_count_what_they_test() -> None:
    arm = judged_of([Rows(60, 3, seed) for seed in range(8)])
    held_KT = np.stack([np.arange(60) % 4 == place % 4 for place in range(8)])
    partly = Judged(
        draws=arm.draws,
        right_KT=np.where(held_KT, arm.right_KT, np.nan),
        values={name: np.where(held_KT, values, np.nan) for name, values in arm.values.items()},
        temperatures=arm.temperatures,
    )
    found = measured(partly, "brier")
    whole = parts(arm, "brier")
    assert found is not None
    assert whole is not None
    assert found.mean == pytest.approx(np.mean([whole[place, held_KT[place]].mean() for place in range(8)]))


def test_two_arms_are_compared_on_the_draws_that_both_have() -> None:
    ours = judged_of([Rows(200, 3, seed, sharpness=4.0) for seed in range(6)])
    theirs = judged_of([Rows(200, 3, seed, sharpness=1.0) for seed in range(8)])
    found = versus(ours, theirs, "nll")
    assert found is not None
    difference = -np.log(ours.values["true"]).mean() + np.log(theirs.values["true"][:6]).mean()
    assert found.mean == pytest.approx(difference)
    assert found.low < found.mean < found.high
    assert versus(ours, judged_of([Rows(200, 3, 0)]), "nll") is None, "of one draw nothing is told"


def test_bins_are_drawn_of_draws_of_few_rows_too() -> None:
    """Three rows a draw leave no bin with one row a draw: the figure was empty, which cannot be drawn."""
    sure_KT = np.array([[0.45, 0.55, 0.95], [0.35, 0.65, 0.75]])
    few = Judged(draws=(1, 2), right_KT=np.ones((2, 3)), values={"confidence": sure_KT}, temperatures=(None, None))
    chart = reliability_diagram({"frozen": few})
    assert chart.shown == chart.rows
    assert len(chart.rows) == 6
    assert "not drawn" not in chart.caption
    assert chart.images().svg
    sure_KT = np.array([[0.45, 0.45, 0.95], [0.35, 0.45, 0.95]])
    more = Judged(draws=(1, 2), right_KT=np.ones((2, 3)), values={"confidence": sure_KT}, temperatures=(None, None))
    chart = reliability_diagram({"frozen": more})
    assert chart.shown is not None
    assert [row["bin"] for row in chart.shown] == [5, 10]
    assert "not drawn" in chart.caption


@pytest.mark.parametrize("pair", [(0, 0), (1, 0), (3, 9), (12, 4), (40, 41)])
def test_mcnemar_is_the_two_sided_binomial_test(pair: tuple[int, int]) -> None:
    """As the formula has it, and as statsmodels does: twice the smaller tail, at most 1."""
    small, count = min(pair), sum(pair)
    expected = min(1.0, 2 * float(stats.binom.cdf(small, count, 0.5))) if count else 1.0
    assert mcnemar_p(*pair) == pytest.approx(expected, abs=1e-6)
