"""What pages say of words and of whole explanations, from predictions made by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from sweep.explain.attribution.checks import Known, checks
from sweep.explain.attribution.explained import Prediction
from sweep.explain.attribution.faithfulness import Faithfulness
from sweep.explain.attribution.integrated_gradients import Attribution
from sweep.explain.attribution.words import Word
from sweep.explain.curve_chart import curve_chart
from sweep.explain.prediction_sections import check_section, deciding_words
from sweep.explain.predictions import ArmPredictions
from trainable.datasets.text_data import Rows


def prediction(text: str, words: list[float], tau: float | None = None) -> Prediction:
    """A prediction of `good` to which each word of the text adds so much."""
    falls_S = np.full(5, 0.2)
    return Prediction(
        text=text,
        pair=None,
        label="good",
        probability=0.9,
        runner_up="bad",
        words=tuple(Word(text=word, before=" ", second=False, read=True) for word in text.split()),
        read=np.arange(len(words)),
        kinds=("head",),
        attribution=Attribution(
            words_KW=np.array([words]), start_K=np.zeros(1), end_K=np.ones(1), error_K=np.zeros(1), steps=8
        ),
        left_out_KW=np.array([words]),
        faithfulness=None
        if tau is None
        else Faithfulness(removed_S=falls_S, kept_S=falls_S / 2, removed_random_S=falls_S / 2, kept_random_S=falls_S),
        rank_agreement=tau,
        centres=(),
        near=(),
    )


def test_one_text_of_several_words_among_texts_of_one_word_has_checks_without_an_interval() -> None:
    sampled = (prediction("film", [1.0]), prediction("good film", [0.8, 0.2], tau=1.0))
    known = Known(random=(None, 0.1), draws=((None, 0.5),))
    found = {each.name: each for each in checks(sampled, known)}
    alone = [each for name, each in found.items() if name != "the words add up"]
    assert len(alone) == 5
    assert {(each.rows, each.low, each.high, each.passed) for each in alone} == {(1, None, None, False)}
    assert found["agreement with random weights"].beside == 1.0
    chart = curve_chart(sampled)
    assert [(row["fall"], row["low"], row["high"]) for row in chart.rows[:1]] == [(0.2, None, None)]
    section = check_section(ArmPredictions(sampled=sampled, checks=tuple(found.values())))
    assert "fail 5 of 6 checks" in section.text[0]


@pytest.mark.lengthy
def test_the_curve_of_one_text_is_drawn() -> None:
    assert curve_chart((prediction("good film", [0.8, 0.2], tau=1.0),)).images()


def test_a_word_that_stands_thrice_in_one_text_is_of_one_explained_row() -> None:
    texts = ("so so so good", "good film", "good so")
    shown = (
        prediction(texts[0], [0.1, 0.1, 0.2, 0.6]),
        prediction(texts[1], [0.9, 0.1]),
        prediction(texts[2], [0.5, 0.5]),
    )
    test = Rows(texts, None, np.array([1, 1, 1]))
    material = SimpleNamespace(
        data=SimpleNamespace(test=test), arm=SimpleNamespace(method="own"), right=lambda method: np.ones((2, 3))
    )
    rows = deciding_words(cast("Any", material), ArmPredictions(sampled=shown))
    assert [(row["word"], row["explained"]) for row in rows] == [("good", 3)], "`so` is in two of them alone"
    more = (*shown, prediction("so bad", [0.2, 0.8]))
    found = {row["word"]: row for row in deciding_words(cast("Any", material), ArmPredictions(sampled=more))}
    assert found["so"]["explained"] == 3
    assert found["so"]["share"] == pytest.approx((0.4 + 0.5 + 0.2) / 3), "all of a text together"
