"""Cross-validation inside a draw: what it scores, against a slow loop over the same trainings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainable.calibration import fitted_temperature
from trainable.config import TrialConfig
from trainable.cross_validation import is_cross_validated, turns
from trainable.datasets import load
from trainable.draws import Draw, draw_of
from trainable.evaluation.metrics import classification_metrics
from trainable.outcomes import Outcome
from trainable.recipes import RECIPES as ENTRIES
from trainable.recipes.entry import Trial
from trainable.training import evaluations, replicates


def trial(toy_csv: Path, encoder: Path, **fields: Any) -> TrialConfig:
    known = {
        "dataset": {"name": "toy", "path": str(toy_csv), "holdout": "repeated"},
        "shots": "all",
        "validation": "auto",
        "encoder": str(encoder),
        "replicates": 2,
    }
    trained = (
        {} if fields.get("recipe", {}).get("name") in ("frozen", "label_names") else {"steps": 4, "encoder_lr": 1e-3}
    )
    return TrialConfig.model_validate(known | trained | fields)


RECIPES = [
    {"recipe": {"name": "frozen", "head": "centroid"}},
    {"loss": {"name": "supcon"}, "evaluations": 2, "restarts": 1},
    {"loss": {"name": "soft_triple"}, "inference": "mixture", "evaluations": 1},
    {"recipe": {"name": "metric_then_head"}, "loss": {"name": "supcon"}, "evaluations": 8, "steps": 8},
    {"recipe": {"name": "label_names"}, "shots": "at most 9"},
]


@pytest.mark.slow
@pytest.mark.parametrize("fields", RECIPES)
def test_a_score_is_that_of_all_turns_together(toy_csv: Path, tiny_bert: Path, fields: dict[str, Any]) -> None:
    config = trial(toy_csv, tiny_bert, metric="macro_f1", **fields)
    data = load(config.dataset)
    assert is_cross_validated(config, data)
    found = [each for each in replicates(config) if each.point == config.evaluations]
    assert [each.outcome for each in found] == [None, None]
    for evaluation in found:
        draw = draw_of(config, data, evaluation.draw)
        labels: list[int] = []
        scores: list[np.ndarray] = []
        predicted: list[int] = []
        for train, held in turns(data, draw, evaluation.draw, config.seed):
            assert draw.test is not None
            assert not set(held.tolist()) & set(draw.test.tolist())
            own = replace(data, test=data.pool)
            alone = Trial(
                config=config,
                data=own,
                draws=(evaluation.draw,),
                samples=(Draw(train, np.arange(0), held),),
                part="test",
            )
            (measured,) = ENTRIES[config.recipe.name].begin(alone).measurements(0)
            assert measured.scores_NC is not None
            scores.append(measured.scores_NC.astype(float))
            (scored,) = evaluations(alone)
            assert scored.predicted is not None, scored.detail
            predicted += scored.predicted.judged.tolist()
            labels += data.pool.labels_N[held].tolist()
        scores_NC = np.concatenate(scores)
        assert scores_NC.argmax(axis=1).tolist() == predicted
        fitted = fitted_temperature(scores_NC, np.array(labels)).temperature
        assert evaluation.metrics["val_temperature"] == pytest.approx(fitted)
        wanted = classification_metrics(np.array(labels), np.array(predicted), 2)
        assert {name: evaluation.metrics[f"val_{name}"] for name in wanted} == pytest.approx(wanted)
        assert not {name for name in evaluation.metrics if name.startswith("test_")}
        assert evaluation.predicted is None
        assert evaluation.tested == ()


@pytest.mark.lengthy
def test_points_come_between_turns_and_the_last_after_all_of_them(toy_csv: Path, tiny_bert: Path) -> None:
    config = trial(toy_csv, tiny_bert, replicates=1, evaluations=4)
    found = list(replicates(config))
    assert [each.point for each in found] == [1, 2, 3, 4]
    assert {each.step for each in found} == {4}, "each turn is a whole training"
    assert found[-1].metrics["tokens"] > 3 * found[0].metrics["tokens"]
    (at_once,) = replicates(config.model_copy(update={"evaluations": 1}))
    assert at_once.metrics["val_accuracy"] == found[-1].metrics["val_accuracy"]
    assert at_once.metrics["val_loss"] == pytest.approx(found[-1].metrics["val_loss"])


def test_a_turn_that_diverges_ends_the_trial(toy_csv: Path, tiny_bert: Path) -> None:
    config = trial(toy_csv, tiny_bert, warmup=0.0, steps=12).model_copy(update={"encoder_lr": 1e30})
    *_, last = replicates(config)
    assert last.outcome is Outcome.DIVERGED
    assert (last.replicate, last.point) == (0, 1)


@pytest.mark.parametrize("fields", RECIPES[:3])
def test_a_confirmation_trains_on_the_whole_draw_and_tests_its_part(
    toy_csv: Path, tiny_bert: Path, fields: dict[str, Any]
) -> None:
    config = trial(toy_csv, tiny_bert, **fields)
    data = load(config.dataset)
    (found,) = replicates(config, draws=(10_003,), part="test", temperature=2.5)
    draw = draw_of(config, data, 10_003)
    assert draw.test is not None
    assert found.tested == tuple(draw.test.tolist())
    assert len(draw.train) + len(draw.test) == len(data.pool)
    assert found.predicted is not None
    right = found.predicted.judged == data.test.labels_N[draw.test]
    assert found.metrics["test_accuracy"] == pytest.approx(right.mean())
    assert not {name for name in found.metrics if name.startswith("val_")}
    assert np.array(found.confusion).sum() == len(draw.test)
    assert found.confidences is not None
    assert found.confidences.temperature == 2.5
    confidence_T, tempered_T = (found.confidences.values()[name] for name in ("confidence", "tempered_confidence"))
    odds_T, tempered_odds_T = (np.log(values / (1 - values)) for values in (confidence_T, tempered_T))
    np.testing.assert_allclose(odds_T / 2.5, tempered_odds_T, rtol=1e-2, atol=1e-3)
