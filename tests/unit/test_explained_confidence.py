"""What a page says of confidence and of how texts lie, from records made by hand."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

import numpy as np
import pytest

from sweep.explain.explain import _sentence
from sweep.explain.geometry_section import geometry_rows, geometry_section
from sweep.explain.judged import Judged
from sweep.explain.material import Material, kept_classes
from sweep.explain.predictions import TrainedEmbeddings
from sweep.explain.reliability_section import Reliability, reliability, reliability_section
from sweep.records.confirmation import ConfirmationRecord
from sweep.records.results import SweepResults
from sweep.verdict import verdict
from tests.sweeps.synthetic_results import synthetic_results
from trainable.confidences import Confidences
from trainable.datasets.text_data import Rows, TextData
from trainable.outcomes import Evaluation

METHODS = ("cross_entropy", "soft_triple")
DRAWS = 4


def results() -> SweepResults:
    return synthetic_results(datasets=("own",), losses=METHODS, draws=DRAWS, trials=1, reseeded=0)


def sure(evaluation: Evaluation, labels_T: np.ndarray, sharpness: float, temperature: float | None) -> Evaluation:
    """The evaluation by a classifier that is so sure of what it predicted."""
    assert evaluation.predicted is not None
    rng = np.random.default_rng(evaluation.draw)
    scores_NC = sharpness * (1 + rng.random((len(labels_T), 1))) * np.eye(2)[evaluation.predicted.judged]
    kept = Confidences.of(scores_NC, labels_T, temperature=temperature, nearest_NC=rng.normal(size=(len(labels_T), 2)))
    geometry = {"geometry_alignment": 0.5 + 0.01 * (evaluation.draw % 10), "geometry_proxies_used": 0.25}
    return replace(evaluation, confidences=kept, metrics={**evaluation.metrics, **geometry})


def with_confidences(known: SweepResults, temperature: float | None) -> SweepResults:
    labels = known.sweep.data["own"].labels
    assert labels is not None
    labels_T = labels.judged

    def kept(record: ConfirmationRecord) -> ConfirmationRecord:
        sharpness = 6.0 if record.config.method == "cross_entropy" else 0.3
        replicates = tuple(
            replace(each, evaluation=sure(each.evaluation, labels_T, sharpness, temperature))
            for each in record.replicates
        )
        return replace(record, replicates=replicates)

    return replace(known, confirmations=tuple(map(kept, known.confirmations)))


def material(known: SweepResults, method: str) -> Material:
    (comparison,) = verdict(known).comparisons
    arm = comparison.arm(method)
    assert arm is not None
    labels = known.sweep.data["own"].labels
    assert labels is not None
    rng = np.random.default_rng(0)
    labels_T = labels.judged
    test = Rows(tuple(f"text {row}" for row in range(len(labels_T))), None, labels_T)
    embeddings_ND = np.eye(2, 4)[labels_T] + 0.5 * rng.normal(size=(len(labels_T), 4))
    return Material(
        comparison=comparison,
        arm=arm,
        data=TextData("own", ("negative", "positive"), test, test),
        rows=test,
        tested=np.arange(len(test)),
        said={each.method: kept_classes(each.confirmation, len(test)) for each in comparison.arms},
        encoder="tiny",
        unit_ND=embeddings_ND / np.linalg.norm(embeddings_ND, axis=1, keepdims=True),
        probability_NC=np.full((len(test), 2), 0.5),
        doubtful=(),
        quality=None,
    )


def test_draws_that_diverged_are_said_to_be_in_the_score_and_in_nothing_else() -> None:
    """The page began with an accuracy of 61 %, and its slices with one of 84 % on all test rows."""
    assert "diverged" not in _sentence(material(results(), "soft_triple"))
    known = synthetic_results(datasets=("own",), losses=METHODS, draws=4, trials=1, diverged={"soft_triple": 1})
    assert _sentence(material(known, "soft_triple")).endswith(
        " test rows. Of its 4 draws, 1 diverged and predicted nothing: all else on the page is of the others."
    )


def test_sweeps_of_before_have_no_confidences_and_their_pages_say_so() -> None:
    known = material(results(), "soft_triple")
    found = reliability(known)
    section = reliability_section(known, found)
    assert found.rows == ()
    assert "is not on record" in section.text[0]
    assert (section.charts, section.tables) == ((), ())


@pytest.mark.lengthy
def test_arms_stand_side_by_side_before_and_after_their_temperature() -> None:
    known = material(with_confidences(results(), 2.0), "soft_triple")
    found = reliability(known)
    section = reliability_section(known, found)
    rows = {(row["method"], row["measure"], row["scores"]): row for row in found.rows}
    assert len(rows) == len(found.rows) == 2 * (4 * 2 + 4)
    assert found.other == "cross_entropy"
    ours, theirs = rows["soft_triple", "nll", "as it is"], rows["cross_entropy", "nll", "as it is"]
    assert ours["difference"] == pytest.approx(float(ours["value"] or 0) - float(theirs["value"] or 0))
    assert (theirs["difference"], theirs["other"]) == (None, None)
    assert float(theirs["value"] or 0) > float(rows["cross_entropy", "nll", "with temperature"]["value"] or 0), (
        "too sure"
    )
    assert section.text[0].startswith("soft_triple is not sure enough: ")
    assert (
        "cross_entropy is too sure"
        in reliability_section(material(with_confidences(results(), 2.0), "cross_entropy"), found).text[0]
    )
    assert "2.00 (median over 4 draws" in section.text[1]
    diagram, risks = section.charts
    assert {(row["method"], row["scores"]) for row in diagram.rows} == {
        (method, state) for method in METHODS for state in ("as it is", "with temperature")
    }
    last = [row for row in risks.rows if row["coverage"] == 1.0 and row["method"] == "soft_triple"]
    scores = [score for score in known.arm.scores if score is not None]
    assert last[0]["error"] == pytest.approx(1 - np.mean(scores))
    assert all(float(row["low"] or 0) <= float(row["accuracy"] or 0) <= float(row["high"] or 0) for row in diagram.rows)
    assert [len(table.columns) for table in section.tables] == [6, 4]
    assert all(len(line) == len(table.columns) for table in section.tables for line in table.rows)
    assert diagram.images().png == diagram.images().png
    assert risks.images().svg.startswith("<svg")


@pytest.mark.lengthy
def test_what_told_no_temperature_is_shown_as_it_is() -> None:
    known = material(with_confidences(results(), None), "cross_entropy")
    found = reliability(known)
    section = reliability_section(known, found)
    assert {row["scores"] for row in found.rows} == {"as it is"}
    assert "No rows told a temperature" in section.text[1]
    assert [len(table.columns) for table in section.tables] == [4, 4]


def without_validation(known: SweepResults) -> SweepResults:
    """The same, as if rows took turns to validate."""

    def stripped(evaluation: Evaluation) -> Evaluation:
        metrics = {name: value for name, value in evaluation.metrics.items() if not name.startswith("val_")}
        return replace(evaluation, metrics=metrics)

    return replace(
        known,
        confirmations=tuple(
            replace(
                record,
                replicates=tuple(replace(each, evaluation=stripped(each.evaluation)) for each in record.replicates),
            )
            for record in known.confirmations
        ),
    )


@pytest.mark.parametrize(("turns", "said"), [(True, "is 2.00 on all draws"), (False, "fitted to validation rows")])
def test_the_page_says_which_rows_told_the_temperature(turns: bool, said: str) -> None:
    known = with_confidences(results(), 2.0)
    own = material(without_validation(known) if turns else known, "cross_entropy")
    section = reliability_section(own, reliability(own))
    assert said in section.text[1]
    assert [len(table.columns) for table in section.tables] == [6, 4]


@pytest.mark.slow
def test_the_geometry_stands_before_and_after_training() -> None:
    known = material(with_confidences(results(), None), "soft_triple")
    rows = geometry_rows(known)
    section = geometry_section(known, rows)
    found = {(row["method"], row["measure"]): row for row in rows}
    assert {name for method, name in found if method == "before training"} == {"alignment", "uniformity", "class_ratio"}
    after = found["soft_triple", "alignment"]
    assert after["value"] == pytest.approx(0.5 + 0.01 * median(range(DRAWS)))
    assert after["draws"] == DRAWS
    (table,) = section.tables
    assert [line[0] for line in table.rows] == ["before training", *METHODS]
    (chart,) = section.charts
    assert len(chart.rows) == 500
    assert {row["class"] for row in chart.rows} == {"negative", "positive"}
    assert {row["training"] for row in chart.rows} == {"before"}
    again = geometry_section(known, rows).charts[0]
    assert again.rows == chart.rows, "the seed is fixed"


@pytest.mark.slow
def test_the_rows_that_a_draw_did_not_train_on_are_shown_before_and_after() -> None:
    known = material(with_confidences(results(), None), "soft_triple")
    rows_M = np.arange(3, 303, 3)
    after_MD = np.eye(2, 3)[known.data.test.labels_N[rows_M]] + 0.01 * np.random.default_rng(1).random((100, 3))
    section = geometry_section(known, geometry_rows(known), TrainedEmbeddings(rows=rows_M, unit_MD=after_MD))
    (chart,) = section.charts
    by_state = {state: [row for row in chart.rows if row["training"] == state] for state in ("before", "after")}
    assert [len(each) for each in by_state.values()] == [100, 100]
    assert [row["row"] for row in by_state["before"]] == [row["row"] for row in by_state["after"]]
    assert [known.rows.labels_N[int(row["row"] or 0)] for row in by_state["after"]] == [
        known.data.class_names.index(str(row["class"])) for row in by_state["after"]
    ]
    first = {str(row["class"]): np.sign(float(row["component_1"] or 0)) for row in by_state["after"]}
    assert {first[str(row["class"])] == np.sign(float(row["component_1"] or 0)) for row in by_state["after"]} == {True}
    assert "Shown: 100 rows" in chart.caption
    assert chart.images().svg.startswith("<svg")


@pytest.mark.slow
def test_without_training_the_geometry_says_so() -> None:
    known = material(results(), "soft_triple")
    rows = geometry_rows(known)
    assert "is not on record" in geometry_section(known, rows).text[1]


def sureness(gap: float, *, draws: int = DRAWS) -> str:
    """What is said of an arm that is right in four of five rows, and whose confidence is so much above that."""
    known = material(results(), "soft_triple")
    right_KT = np.stack([np.random.default_rng(draw).permutation(np.arange(40) % 5 > 0) for draw in range(draws)])
    arm = Judged(
        draws=tuple(range(draws)),
        right_KT=right_KT.astype(np.float64),
        values={"confidence": np.full(right_KT.shape, 0.8 + gap)},
        temperatures=(None,) * draws,
    )
    with_bars = Reliability(arms={"soft_triple": arm}, other=None, rows=())
    return str(reliability_section(known, with_bars).text[0])


def test_a_gap_within_its_interval_is_not_said_to_be_one() -> None:
    assert sureness(0.03).startswith("soft_triple is not seen to be too sure, nor not sure enough: its mean confidence")
    assert "83.0 %, and its accuracy 80.0 %; confidence less accuracy is +3.0 points (95 % interval" in sureness(0.03)
    assert sureness(0.18).startswith("soft_triple is too sure: ")
    assert sureness(-0.3).startswith("soft_triple is not sure enough: ")
    assert sureness(0.18, draws=1).startswith("Whether soft_triple is too sure cannot be told from one draw")
