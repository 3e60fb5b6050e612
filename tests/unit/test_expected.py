"""What a card says is expected of a kept classifier, and how sure that is."""

from __future__ import annotations

import re
from dataclasses import replace
from math import sqrt
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from sweep.refitting import Source, Winner, train_winner
from sweep.refitting.expected import expected_score
from sweep.spec.model import SweepSpec
from sweep.verdict import verdict
from tests.sweeps.synthetic_results import synthetic_results
from trainable.config import TrialConfig
from trainable.evaluation.assessment import Scores
from trainable.evaluation.metrics import classification_metrics
from trainable.left_out import Answers, LeftOut, answered, chosen, fold_of
from trainable.recipes.label_names import LabelNames
from trainable.refitting import Refitted

RNG = np.random.default_rng(0)
FROZEN = TrialConfig.model_validate(
    {"dataset": {"name": "support"}, "shots": 4, "encoder": "any", "recipe": {"name": "frozen"}}
)


def answers(rows: int, trainings: int, right: float = 0.8, classes: int = 3) -> Answers:
    """Rows of which so many are answered rightly. Without several trainings, by the kept classifier."""
    labels_N = np.arange(rows) % classes
    wrong_N = RNG.random(rows) > right
    training_N = np.sort(np.arange(rows) % trainings)
    predicted_N = np.where(wrong_N, (labels_N + 1) % classes, labels_N)
    return Answers(labels_N=labels_N, predicted_N=predicted_N, training_N=training_N, trained=rows, kept=trainings == 1)


def coverage(trainings: int, rows: int, right: float) -> float:
    """How often the interval holds the truth, of independent rows."""
    found = [expected_score("accuracy", answers(rows, trainings, right), 3) for _ in range(1500)]
    return float(np.mean([each.low <= right <= each.high for each in found]))


@pytest.mark.parametrize("rows", [40, 200])
def test_the_interval_of_one_classifier_holds_as_often_as_it_says(rows: int) -> None:
    assert 0.92 <= coverage(1, rows, 0.8) <= 0.975


def test_the_interval_of_several_trainings_is_wider_than_of_as_many_independent_rows() -> None:
    several = answers(100, 5)
    alone = Answers(
        labels_N=several.labels_N,
        predicted_N=several.predicted_N,
        training_N=np.zeros(100, dtype=np.int64),
        trained=100,
        kept=True,
    )
    wide, narrow = (expected_score("accuracy", each, 3) for each in (several, alone))
    assert wide.mean == pytest.approx(narrow.mean)
    assert wide.high - wide.low > 1.1 * (narrow.high - narrow.low)


def test_a_score_is_the_share_of_all_rows_however_many_each_training_left_out() -> None:
    training_N = np.repeat([0, 1, 2], [13, 13, 4])
    right_N = np.arange(30) >= 2
    labels_N = np.zeros(30, dtype=np.int64)
    given = Answers(labels_N=labels_N, predicted_N=1 - right_N, training_N=training_N, trained=20, kept=False)
    found = expected_score("accuracy", given, 2)
    assert found.mean == pytest.approx(28 / 30)
    assert found.low < found.mean < found.high


def test_one_classifier_has_the_interval_of_students_t() -> None:
    given = answers(60, 1)
    right_N = (given.labels_N == given.predicted_N).astype(float)
    reach = stats.t.isf(0.025, 59) * right_N.std(ddof=1) / sqrt(60)
    found = expected_score("accuracy", given, 3)
    assert (found.low, found.high) == pytest.approx((right_N.mean() - reach, right_N.mean() + reach))


@pytest.mark.parametrize("trainings", [1, 5])
def test_no_score_is_certain(trainings: int) -> None:
    found = expected_score("accuracy", answers(50, trainings, right=1.0), 3)
    assert found.mean == found.high == 1.0
    assert 0.9 < found.low < 0.99
    one = Answers(
        labels_N=only(0), predicted_N=only(0), training_N=only(0), trained=4, kept=True
    )  # a single row tells nothing
    assert (expected_score("accuracy", one, 2).low, expected_score("accuracy", one, 2).high) == (0.0, 1.0)


def test_one_fold_of_skewed_classes_states_the_score_on_classes_as_frequent_as_they_are() -> None:
    """Of 160 rows of a class, and 2 of each of 20 others, the one fold that is scored holds 32 and 20."""
    counts_C, found = np.array([160] + [2] * 20), []
    labels_M = np.repeat(np.arange(21), counts_C)
    for number in range(6):
        rng = np.random.default_rng(number)
        centres_CD = 0.55 * rng.normal(size=(21, 24))
        rows_MD, fresh_MD = (centres_CD[labels_M] + rng.normal(size=(200, 24)) for _ in range(2))
        true = LogisticRegression(max_iter=200).fit(rows_MD, labels_M).predict(fresh_MD) == labels_M
        held_M = fold_of(labels_M, 5, number) == 0
        model = LogisticRegression(max_iter=200).fit(rows_MD[~held_M], labels_M[~held_M])
        left_out = LeftOut(labels_N=labels_M[held_M], scores_NC=model.predict_log_proba(rows_MD[held_M]))
        given = answered(FROZEN, [left_out], counts_C)
        assert given is not None
        stated = expected_score("accuracy", given, 21)
        found.append((stated.low, stated.mean, stated.high, true.mean()))
    low_F, stated_F, high_F, true_F = np.array(found).T
    assert abs(stated_F.mean() - true_F.mean()) < 0.05
    assert ((low_F <= true_F) & (true_F <= high_F)).sum() >= 5


def test_what_a_rule_leaves_open_is_chosen_for_classes_as_frequent_as_they_are() -> None:
    """Three neighbours, and the head, are right of the one row of the frequent class; one, and nearest, of the others,
    of which more were left out than there are among so many."""
    scores = Scores(
        labels_N=np.array([0, 1, 1]),
        head_NC=np.array([[4.0, 0.0]] * 3),
        nearest_NC=np.array([[0.0, 4.0]] * 3),
        cosines_NK=np.array([[0.9, 0.8, 0.7]] * 3),
        neighbours_NK=np.array([[1, 0, 0]] * 3),
    )
    left_out = [LeftOut(labels_N=scores.labels_N, scores_NC=np.empty((0, 0)), by_rule=scores)]
    frequent, rare = (chosen(FROZEN, left_out, np.array(counts)) for counts in ([96, 4], [1, 2]))
    assert (frequent.neighbours, rare.neighbours) == (3, 1)
    assert rare.mixture.weight < 0.5 < frequent.mixture.weight


def test_weights_widen_the_interval_also_where_all_rows_agree() -> None:
    uneven = replace(answers(50, 1, right=1.0), weights_N=np.repeat([0.2, 1.8], 25))
    weighed, plain = (expected_score("accuracy", each, 3) for each in (uneven, replace(uneven, weights_N=None)))
    assert weighed.mean == pytest.approx(plain.mean)
    assert weighed.low < plain.low - 0.01


def only(value: int) -> NDArray[np.int64]:
    return np.array([value], dtype=np.int64)


@pytest.mark.parametrize("metric", ["macro_f1", "weighted_f1"])
def test_the_score_is_that_of_the_metric(metric: str) -> None:
    given = answers(90, 1)
    wanted = classification_metrics(given.labels_N, given.predicted_N, 3)[metric]
    assert expected_score(metric, given, 3).mean == pytest.approx(wanted)


def kept(rows: int, labels: int) -> Refitted:
    """What is known of a classifier of so many labels that so many rows have trained."""
    head = {"kind": "own"}
    names = tuple(map(str, range(labels)))
    classifier: Any = SimpleNamespace(labels=names, paired=False, head=head, arrays={}, prompt=None, max_length=64)
    return Refitted(classifier=classifier, rows=rows, counts=(rows // labels,) * labels, calibration=None, answers=None)


def winner(rows: int, *shots: int, arm: str) -> Winner:
    results = synthetic_results(shots=shots)
    spec = SweepSpec.recorded(results.sweep.spec)
    source = Source(spec=spec, results=results, check=lambda _: None, uri="", called=spec.name)
    return train_winner(source, arm=arm, training=lambda *_: kept(rows, 6))


@pytest.mark.lengthy
def test_the_card_of_a_classifier_that_no_row_trains_says_so() -> None:
    trained = winner(6 * 32, 8, arm="trec/8/soft_triple")
    assert "trained once more on 192 labelled rows" in trained.card(Path("model"))
    assert trained.arm.winner is not None
    config = trained.arm.winner.config.model_copy(update={"recipe": LabelNames()})
    arm = replace(trained.arm, winner=replace(trained.arm.winner, config=config))
    card = replace(trained, arm=arm).card(Path("model"))
    assert "made of the names or descriptions of the classes: no labelled row trains it" in card
    assert "trained once more" not in card
    assert "rows trained on" not in card


@pytest.mark.slow
def test_a_card_says_what_the_learning_curve_would_reach_with_all_rows() -> None:
    card = winner(6 * 32, 8, 16, arm="trec/16/soft_triple").card(Path("model"))
    (said,) = re.findall(r"The learning curve of the sweep, .*?\.\n", card)
    numbers = re.search(
        r"from 8 to 16 labels per class, would reach (\d+\.\d) % \(95 % interval (\d+\.\d) to (\d+\.\d)\) at the 32 "
        r"per class that trained it: an extrapolation, by a power law\.$",
        said.strip(),
    )
    assert numbers is not None, said
    mean, low, high = map(float, numbers.groups())
    few, many = (
        1 - comparison.arm("soft_triple").summary.mean  # type: ignore[union-attr]
        for comparison in verdict(synthetic_results(shots=(8, 16))).comparisons
        if comparison.dataset == "trec"
    )
    assert mean == pytest.approx(100 * (1 - many * min(1, many / few)), abs=0.06)
    assert low < mean < high


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "shots", "arm"),
    [
        (6 * 32, (16,), "trec/16/soft_triple"),  # no curve
        (6 * 16, (8, 16), "trec/16/soft_triple"),  # as many as were compared
        (6 * 200, (8, 16), "trec/16/soft_triple"),  # nobody has tried whether the law holds so far
    ],
)
def test_a_card_extrapolates_neither_without_a_curve_nor_far_from_it(
    rows: int, shots: tuple[int, ...], arm: str
) -> None:
    assert "learning curve" not in winner(rows, *shots, arm=arm).card(Path("model"))
