"""Training that starts at the centroids of the frozen encoder: the head, the proxies, and what then classifies."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from trainable.centroid_head import CentroidHead, class_centroids
from trainable.config import DatasetConfig, TrialConfig
from trainable.errors import FieldConflictError
from trainable.evaluation.heads import logistic_head
from trainable.evaluation.inference import centroid_scores
from trainable.losses import LOSSES
from trainable.outcomes import Outcome
from trainable.proxy_start import start_at_centroids
from trainable.training import replicates

C, D = 3, 8
PROXY = sorted(name for name, entry in LOSSES.items() if entry.has_proxies)
SEVERAL = {"soft_triple": {"centers_per_class": 4}, "sub_center_arcface": {"sub_centers": 4}}


def rows(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Overlapping classes in directions that differ."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % C
    return torch.from_numpy((2 * np.eye(D)[labels] + rng.normal(size=(count, D))).astype(np.float32)), torch.from_numpy(
        labels
    )


@pytest.fixture
def config(tiny_bert: Path, toy_csv: Path) -> TrialConfig:
    return TrialConfig(
        dataset=DatasetConfig(name="toy", path=str(toy_csv)),
        shots=4,
        encoder=str(tiny_bert),
        embedding="mean",
        steps=1,
        replicates=2,
        evaluations=1,
        encoder_lr=1e-9,
        head="centroid",
        head_lr=1e-9,
    )


def changed(config: TrialConfig, **fields: Any) -> TrialConfig:
    return TrialConfig.model_validate(config.model_dump(exclude={"proxy_lr"}) | fields)


def metrics_of(config: TrialConfig) -> list[Mapping[str, float]]:
    evaluations = list(replicates(config, part="test"))
    assert all(evaluation.outcome is None for evaluation in evaluations), evaluations[-1].detail
    return [evaluation.metrics for evaluation in evaluations]


def test_an_untrained_head_classifies_as_the_nearest_centroid_does() -> None:
    train_MD, labels_M = rows(9, 0)
    scored_ND, _ = rows(60, 1)
    logits_NC = CentroidHead(class_centroids(train_MD, labels_M, C))(scored_ND)
    cosines_NC = centroid_scores(scored_ND, train_MD, labels_M, C)
    torch.testing.assert_close(logits_NC, 10 * cosines_NC, rtol=1e-5, atol=1e-5)


def test_a_class_without_rows_has_no_weight() -> None:
    train_MD, labels_M = rows(9, 0)
    seen = labels_M != 1
    head = CentroidHead(class_centroids(train_MD[seen], labels_M[seen], C))
    assert head.weight[1].abs().max() == 0.0


def test_before_any_step_that_matters_the_head_scores_as_the_frozen_centroid(config: TrialConfig) -> None:
    frozen = {"recipe": {"name": "frozen", "head": "centroid"}}
    shared = config.model_dump(include={"dataset", "shots", "encoder", "embedding", "replicates"})
    expected = metrics_of(TrialConfig.model_validate(shared | frozen))
    for metrics, untrained in zip(metrics_of(config), expected, strict=True):
        assert metrics["test_accuracy"] == untrained["test_accuracy"] == metrics["test_nearest_accuracy"]


@pytest.mark.lengthy
def test_the_head_is_trained_and_the_encoders_own_is_not(config: TrialConfig) -> None:
    still, moving = (metrics_of(changed(config, steps=20, head_lr=rate))[0]["val_loss"] for rate in (1e-9, 1e-1))
    assert moving < still


@pytest.mark.parametrize("loss", PROXY)
def test_an_untrained_proxy_is_the_centroid_of_its_class(loss: str) -> None:
    entry = LOSSES[loss]
    one = dict.fromkeys(SEVERAL.get(loss, {}), 1)
    module: Any = entry.build(entry.config.model_validate({"name": loss, **one}), C, D) if entry.build else None
    lengths = sorted(weight.norm(dim=0).sort().values.tolist() for weight in module.parameters())
    train_MD, labels_M = rows(9, 0)
    start_at_centroids(module, train_MD, labels_M, C, seed=0)
    scored_ND, _ = rows(60, 1)
    assert entry.class_scores is not None
    with torch.no_grad():
        nearest_N = entry.class_scores(module, scored_ND).argmax(dim=1)
    assert nearest_N.tolist() == centroid_scores(scored_ND, train_MD, labels_M, C).argmax(dim=1).tolist()
    assert lengths, "there is a weight"


@pytest.mark.parametrize("loss", sorted(SEVERAL))
def test_several_proxies_lie_among_the_rows_of_their_class(loss: str) -> None:
    entry = LOSSES[loss]
    assert entry.build is not None
    module: Any = entry.build(entry.config.model_validate({"name": loss, **SEVERAL[loss]}), C, D)
    before = next(module.parameters()).detach().clone()
    train_MD, labels_M = rows(30, 0)
    train_MD += 4 * torch.eye(D)[labels_M]  # the classes do not overlap
    start_at_centroids(module, train_MD, labels_M, C, seed=0)
    after_PD = next(module.parameters()).detach().T
    nearest_P = centroid_scores(after_PD, train_MD, labels_M, C).argmax(dim=1)
    assert nearest_P.tolist() == [label for label in range(C) for _ in range(4)]
    torch.testing.assert_close(after_PD.norm(dim=1), before.norm(dim=0))
    assert len(torch.unique(after_PD, dim=0)) == 4 * C


def test_proxies_of_a_class_without_rows_stay_where_they_are() -> None:
    entry = LOSSES["proxy_anchor"]
    assert entry.build is not None
    module: Any = entry.build(entry.config.model_validate({"name": "proxy_anchor"}), C, D)
    before = module.proxies.detach().clone()
    train_MD, labels_M = rows(9, 0)
    seen = labels_M != 1
    start_at_centroids(module, train_MD[seen], labels_M[seen], C, seed=0)
    assert (module.proxies[1] == before[1]).all()
    assert (module.proxies[0] != before[0]).any()


@pytest.mark.lengthy
@pytest.mark.parametrize("inference", ["nearest", "neighbours", "mixture", "logistic"])
def test_the_configured_rule_is_the_one_that_scores(config: TrialConfig, inference: str) -> None:
    trained = changed(config, loss={"name": "soft_triple"}, beta=0.5, steps=6, encoder_lr=1e-3, inference=inference)
    for metrics in metrics_of(trained):
        assert metrics["test_accuracy"] == metrics[f"test_{inference}_accuracy"]
    searched = [evaluation.metrics["val_accuracy"] for evaluation in replicates(trained)]
    assert searched == [metrics["val_accuracy"] for metrics in metrics_of(trained)]


@pytest.mark.lengthy
def test_metric_then_head_learns_and_fits_a_logistic_regression(config: TrialConfig) -> None:
    fields = {"dataset", "shots", "encoder", "embedding", "replicates", "evaluations"}
    recipe = {"recipe": {"name": "metric_then_head"}, "loss": {"name": "supcon"}, "steps": 20, "encoder_lr": 3e-3}
    trial = TrialConfig.model_validate(config.model_dump(include=fields) | recipe)
    assert trial.method == "metric_then_head+supcon"
    untrained = TrialConfig.model_validate(trial.model_dump() | {"encoder_lr": 1e-9})
    frozen = TrialConfig.model_validate(config.model_dump(include=fields) | {"recipe": {"name": "frozen"}})
    expected = [metrics["test_accuracy"] for metrics in metrics_of(frozen)]
    assert [metrics["test_accuracy"] for metrics in metrics_of(untrained)] == expected
    assert sum(metrics["test_accuracy"] for metrics in metrics_of(trial)) > sum(expected)


def test_a_logistic_regression_is_fitted_to_normalised_rows() -> None:
    train_MD, labels_M = rows(9, 0)
    scored = rows(20, 1)[0].numpy()
    head = logistic_head(train_MD.numpy(), labels_M.numpy(), C, C=1.0, normalise=True)
    stretched = logistic_head(7 * train_MD.numpy(), labels_M.numpy(), C, C=1.0, normalise=True)
    np.testing.assert_allclose(head(scored), stretched(3 * scored), atol=1e-6)


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"loss": {"name": "supcon"}, "beta": 0.0, "inference": "head"}, "inference must not be head where beta is 0"),
        ({"proxy_start": "centroids"}, "proxy_start is for losses with proxies"),
        ({"compatibility": "published", "head_lr": None}, "received head=centroid: leave them out"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(config: TrialConfig, fields: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule) as refused:
        changed(config, **fields)
    assert isinstance(refused.value.errors()[0]["ctx"]["error"], FieldConflictError)  # type: ignore[attr-defined]


@pytest.mark.parametrize("loss", ["cross_entropy", "soft_triple", "supcon"])
def test_an_encoder_whose_weights_are_not_finite_diverges(config: TrialConfig, loss: str, tmp_path: Path) -> None:
    folder = tmp_path / "poisoned"
    shutil.copytree(config.encoder, folder)
    weights = load_file(folder / "model.safetensors")
    next(iter(weights.values())).view(-1)[0] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    beta = 1.0 if loss == "cross_entropy" else 0.5
    (evaluation,) = replicates(changed(config, encoder=str(folder), loss={"name": loss}, beta=beta))
    assert (evaluation.outcome, evaluation.step) == (Outcome.DIVERGED, 0)
    assert "not finite" in evaluation.reason


@pytest.mark.lengthy
@pytest.mark.parametrize(("loss", "start"), [("soft_triple", "random"), ("proxy_anchor", "centroids")])
def test_auto_starts_the_proxies_where_the_loss_does_best(config: TrialConfig, loss: str, start: str) -> None:
    own = {"loss": {"name": loss}, "beta": 0.5, "steps": 2}
    auto, chosen, other = (
        metrics_of(changed(config, **own, proxy_start=value))[-1]["train_metric_loss"]
        for value in ("auto", start, "centroids" if start == "random" else "random")
    )
    assert auto == chosen != other
