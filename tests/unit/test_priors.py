"""A classifier assumes the configured priors, whatever its batches and the weights of its classes have taught it."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional as F  # noqa: N812

from trainable.batching import balanced_rows, training_batches
from trainable.config import TrialConfig
from trainable.datasets import load
from trainable.draws import draw_of
from trainable.evaluation.heads import logistic_head
from trainable.fine_tuning import FineTuning
from trainable.kept import Chosen, fine_tuned_classifier
from trainable.objective import balancing_weights
from trainable.priors import are_balanced, batch_rows, configured_shift
from trainable.recipes.entry import Trial

LABELS_M = np.repeat([0, 1], [180, 20])
SUPCON = {"loss": {"name": "supcon"}, "beta": 0.5}


def trial_config(**fields: Any) -> TrialConfig:
    return TrialConfig.model_validate({"dataset": {"name": "support"}, "shots": 4, "encoder": "any", **fields})


def rows_and_fresh() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Training rows of two classes, one rare, and others like them of which the rare class is a tenth too."""
    rng = np.random.default_rng(3)
    return tuple(
        (rng.normal(size=(len(labels), 2)) + 1.2 * labels[:, None]).astype(np.float32)
        for labels in (LABELS_M, np.repeat([0, 1], [3600, 400]))
    )  # type: ignore[return-value]


def rare_share(logits_NC: NDArray[np.float64]) -> float:
    return float(torch.softmax(torch.from_numpy(logits_NC), dim=1)[:, 1].mean())


def trained_head(config: TrialConfig, rows_MD: NDArray[np.float32]) -> torch.nn.Linear:
    """A linear head, trained by cross-entropy as an encoder's is."""
    torch.manual_seed(0)
    head = torch.nn.Linear(2, 2)
    optimiser = torch.optim.Adam(head.parameters(), lr=0.05)
    weights_C = balancing_weights(batch_rows(config, LABELS_M, 2), torch.device("cpu"))
    batches = training_batches(
        LABELS_M, config.batch_size, balanced=are_balanced(config), generator=np.random.default_rng(0)
    )
    for chosen in islice(batches, 400):
        logits, labels = head(torch.from_numpy(rows_MD[chosen])), torch.from_numpy(LABELS_M[chosen])
        loss = F.cross_entropy(logits, labels, None if config.class_weights == "none" else weights_C)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        optimiser.zero_grad()
        for group in optimiser.param_groups:
            group["lr"] *= 0.99
    return head


@pytest.mark.parametrize("class_weights", ["none", "balanced"])
@pytest.mark.parametrize("batches", ["shuffled", "balanced"])
def test_a_rare_class_is_as_rare_as_in_the_pool(batches: str, class_weights: str) -> None:
    config = trial_config(priors="pool", batches=batches, class_weights=class_weights)
    rows_MD, fresh_ND = rows_and_fresh()
    logits_NC = trained_head(config, rows_MD)(torch.from_numpy(fresh_ND)).detach().double().numpy()
    shift_C = configured_shift(config, LABELS_M, LABELS_M, 2, by="batches")
    assert rare_share(logits_NC + shift_C) == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_a_logistic_regression_learns_from_the_draw_however_batches_are_cut(class_weights: str) -> None:
    config = trial_config(priors="pool", batches="balanced", class_weights=class_weights)
    rows_MD, fresh_ND = rows_and_fresh()
    weighed = class_weights == "balanced"
    fitted = logistic_head(rows_MD, LABELS_M, 2, C=100.0, normalise=False, balanced=weighed)
    shift_C = configured_shift(config, LABELS_M, LABELS_M, 2, by="draw")
    assert rare_share(fitted(fresh_ND) + shift_C) == pytest.approx(0.1, abs=0.03)


def test_batches_are_balanced_only_where_the_draw_is_cut_into_such() -> None:
    drawn = [180, 20]
    for fields, wanted in (
        ({}, drawn),
        ({"batches": "balanced"}, [16, 16]),
        ({"batches": "balanced", "batch_size": 200}, drawn),
        (SUPCON, [16, 16]),
        (SUPCON | {"batches": "shuffled"}, drawn),
        (SUPCON | {"beta": 1.0}, drawn),
    ):
        assert batch_rows(trial_config(**fields), LABELS_M, 2).tolist() == wanted, fields


def test_what_balances_twice_weighs_nothing() -> None:
    config = trial_config(batches="balanced", class_weights="balanced")
    assert balancing_weights(batch_rows(config, LABELS_M, 2), torch.device("cpu")).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("sizes", [[180, 20], [190, 4, 0, 6], [40, *[6] * 30]])
def test_balanced_batches_hold_the_rows_that_are_stated(sizes: list[int]) -> None:
    labels_M = np.repeat(np.arange(len(sizes)), sizes)
    batches = training_batches(labels_M, 32, balanced=True, generator=np.random.default_rng(0))
    found_C = np.bincount(labels_M[np.concatenate(list(islice(batches, 600)))], minlength=len(sizes))
    stated_C = balanced_rows(labels_M, 32, len(sizes))
    np.testing.assert_allclose(found_C / found_C.sum(), stated_C / stated_C.sum(), atol=0.01)


@pytest.mark.parametrize(
    ("fields", "by"),
    [
        ({"batches": "balanced"}, "batches"),
        ({"batches": "balanced", "head": "checkpoint"}, "batches"),
        ({"batches": "balanced", "inference": "logistic"}, "draw"),
        ({"recipe": {"name": "metric_then_head"}, "loss": {"name": "supcon"}}, "draw"),
    ],
)
def test_comparison_and_kept_classifier_are_moved_alike(
    fields: dict[str, Any], by: Any, tiny_bert: Path, tmp_path: Path
) -> None:
    path = tmp_path / "skewed.csv"
    rows = [f"the {'red' if number % 5 else 'blue'} film {number},{'a' if number % 5 else 'b'}" for number in range(60)]
    path.write_text("text,label\n" + "\n".join(rows) + "\n")
    base = {
        "dataset": {"name": "skewed", "path": str(path)},
        "sampling": "random",
        "shots": 17,
        "encoder": str(tiny_bert),
    }
    small = {"embedding": "mean", "steps": 2, "batch_size": 8, "evaluations": 1, "validation": 12}
    found = {}
    for priors in ("pool", "draw"):
        config = TrialConfig.model_validate({**base, **small, **fields, "priors": priors})
        data = load(config.dataset)
        sample = draw_of(config, data, 0)
        run = FineTuning.begun(Trial(config=config, data=data, draws=(0,), samples=(sample,), part="validation"))
        learner = run.trained(0, lambda said: None)
        compared_NC = learner.scorer.by_rule(learner.scorer.pool, sample.validation)
        kept = fine_tuned_classifier(run, learner, Chosen())
        held = data.pool.at(sample.validation)
        found[priors] = compared_NC, kept.scores(held.texts).double().numpy()
        run.release()
    labels_N = data.pool.labels_N
    wanted_C = configured_shift(
        TrialConfig.model_validate({**config.model_dump(), "priors": "pool"}),
        labels_N[sample.train],
        labels_N,
        2,
        by=by,
    )
    assert np.ptp(wanted_C) > 0.1
    for moved_NC, plain_NC in zip(found["pool"], found["draw"], strict=True):
        moved_N = np.ptp(np.asarray(moved_NC, dtype=float) - plain_NC, axis=1)
        np.testing.assert_allclose(moved_N, np.ptp(wanted_C), atol=1e-3)
