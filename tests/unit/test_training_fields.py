"""Fields of a training that change which weights learn, from what, and how fast."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from transformers import AutoConfig, AutoModelForSequenceClassification

from tests.sweeps.tiny_encoders import SIZES, save_model, save_tokenizer, write_architecture
from trainable import fine_tuning
from trainable.batching import Batch, training_batches
from trainable.config import DatasetConfig, TrialConfig
from trainable.encoder import load_encoder
from trainable.encoder.layers import depths, layer_count, new_weights
from trainable.errors import ConfigError, FieldConflictError
from trainable.evaluation.heads import logistic_head, prior_shift
from trainable.learner import Learner
from trainable.objective import Objective
from trainable.optimiser import layer_rates, parameter_groups
from trainable.outcomes import Evaluation
from trainable.projection import ProjectedLoss
from trainable.training import replicates

LAYERED = (
    "bert",
    "roberta",
    "distilbert",
    "mpnet",
    "electra",
    "deberta-v2",
    "gpt2",
    "modernbert",
    "llama",
    "opt",
    "xlm",
)


@pytest.fixture
def config(tiny_bert: Path, toy_csv: Path) -> TrialConfig:
    return TrialConfig(
        dataset=DatasetConfig(name="toy", path=str(toy_csv)),
        shots=4,
        encoder=str(tiny_bert),
        embedding="mean",
        encoder_lr=3e-3,
        steps=4,
        replicates=1,
        evaluations=1,
    )


def changed(config: TrialConfig, **fields: Any) -> TrialConfig:
    return TrialConfig.model_validate(config.model_dump(exclude={"proxy_lr", "beta"}) | fields)


def last(evaluations: Iterator[Evaluation]) -> Evaluation:
    *_, evaluation = evaluations
    assert evaluation.outcome is None, evaluation.detail
    return evaluation


def moved(config: TrialConfig) -> dict[str, float]:
    """How far a training moved each weight of the body from where the checkpoint has it."""
    last(replicates(config))
    encoder = load_encoder(config.encoder, None, 2)
    state = encoder.model.state_dict()
    return {name: float((state[name].cpu() - encoder.pretrained[name]).norm()) for name in depths(encoder.model)}


# ---- layers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LAYERED)
def test_every_weight_of_the_body_has_the_depth_of_its_layer(kind: str, tmp_path: Path) -> None:
    model = load_encoder(str(write_architecture(tmp_path, kind)), None, 2).model
    found, layers = depths(model), layer_count(model)
    body = {name for name, _ in model.named_parameters() if name.startswith(f"{model.base_model_prefix}.")}
    assert found.keys() == body
    assert layers == model.config.num_hidden_layers
    assert set(range(layers + 1)) <= set(found.values()) <= set(range(layers + 2))
    words = model.get_input_embeddings().weight
    assert [found[name] for name, weight in model.named_parameters() if weight is words] == [0]
    for name, depth in found.items():
        numbers = [int(part) for part in name.split(".") if part.isdigit()]
        assert numbers[:1] == [depth - 1] or (not numbers and depth in (0, layers + 1)), name


def test_what_runs_after_the_layers_is_as_deep_wherever_it_is_declared(tmp_path: Path) -> None:
    for kind, last in (("nomic_bert", "pooler.dense.weight"), ("opt", "decoder.final_layer_norm.weight")):
        model = load_encoder(str(write_architecture(tmp_path / kind, kind)), None, 2).model
        assert depths(model)[f"{model.base_model_prefix}.{last}"] == layer_count(model) + 1


RELATIVE: dict[str, Any] = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("mpnet", {}),
        ("deberta", RELATIVE),
        ("deberta-v2", {**RELATIVE, "position_buckets": 8, "norm_rel_ebd": "layer_norm", "conv_kernel_size": 3}),
        ("opt", {"ffn_dim": 64, "word_embed_proj_dim": 16}),
    ],
)
def test_what_the_layers_read_is_as_deep_as_the_token_embeddings(kind: str, fields: dict[str, Any]) -> None:
    """New layers would otherwise draw it anew and spoil those that are kept, and frozen layers would change by it."""
    own: dict[str, Any] = {**SIZES, "vocab_size": 50, "max_position_embeddings": 40, **fields}
    automatic: Any = AutoModelForSequenceClassification
    model = automatic.from_config(AutoConfig.for_model(kind, **own)).eval()
    first_layer = model.base_model(torch.arange(3, 15)[None], output_hidden_states=True).hidden_states[1]
    weights = dict(model.base_model.named_parameters())
    gradients = torch.autograd.grad(first_layer.pow(3).sum(), list(weights.values()), allow_unused=True)
    depth_of, layers = depths(model), layer_count(model)
    for (name, _), gradient in zip(weights.items(), gradients, strict=True):
        if not any(part.isdigit() for part in name.split(".")):
            wanted = layers + 1 if gradient is None else 0
            assert depth_of[f"{model.base_model_prefix}.{name}"] == wanted, name


def test_shared_layers_have_no_depth(tmp_path: Path, toy_csv: Path, config: TrialConfig) -> None:
    folder = str(write_architecture(tmp_path, "albert"))
    for fields in ({"layer_decay": 0.9}, {"frozen_layers": 1}, {"new_layers": 1}):
        with pytest.raises(ConfigError, match="albert has no list of such layers: leave them out"):
            replicates(changed(config, encoder=folder, **fields))


def test_more_layers_than_there_are_cannot_be_frozen_and_drawn(config: TrialConfig) -> None:
    layers = layer_count(load_encoder(config.encoder, None, 2).model)
    with pytest.raises(ConfigError, match=rf"at most the {layers} layers.*frozen_layers={layers}, new_layers=1: lower"):
        replicates(changed(config, frozen_layers=layers, new_layers=1))


def test_each_layer_learns_slower_than_the_one_above_it(config: TrialConfig) -> None:
    trial = changed(config, layer_decay=0.5, encoder_lr=8e-3, head_lr=1e-2)
    encoder = load_encoder(trial.encoder, None, 2)
    depth_of, top = depths(encoder.model), layer_count(encoder.model)
    wanted = {name: 8e-3 * 0.5 ** max(0, top - depth) for name, depth in depth_of.items()}
    assert layer_rates(trial, encoder) == pytest.approx(wanted)
    rate_of = {
        id(weight): group["peak"] for group in parameter_groups(trial, encoder, None) for weight in group["params"]
    }
    for name, weight in encoder.model.named_parameters():
        assert rate_of[id(weight)] == pytest.approx(1e-2 if name in encoder.new else wanted[name]), name


def test_one_rate_makes_the_same_groups_as_without_the_field(config: TrialConfig) -> None:
    encoder = load_encoder(config.encoder, None, 2)
    assert layer_rates(config, encoder) == {}
    assert len(parameter_groups(config, encoder, None)) == 4  # encoder and head, matrices and vectors


def test_frozen_layers_stay_as_they_are(config: TrialConfig) -> None:
    depth_of = depths(load_encoder(config.encoder, None, 2).model)
    for name, distance in moved(changed(config, frozen_layers=1)).items():
        assert (distance == 0) == (depth_of[name] <= 1), name
    free = moved(config)
    assert all(distance > 0 for distance in free.values())  # nothing stays frozen for the next trial of the process


def test_new_layers_start_elsewhere_than_their_weights(config: TrialConfig) -> None:
    encoder = load_encoder(config.encoder, None, 2)
    drawn = new_weights(encoder.model, 1)
    depth_of, top = depths(encoder.model), layer_count(encoder.model)
    assert drawn == {name for name, depth in depth_of.items() if depth >= top}
    assert new_weights(encoder.model, 0) == frozenset()
    trial = changed(config, new_layers=1, encoder_lr=1e-12, head_lr=1e-12, weight_decay=0)
    for name, distance in moved(trial).items():
        matrix = encoder.pretrained[name].ndim >= 2
        assert (distance > 1e-3) == (name in drawn and matrix) or not matrix, name


def test_new_norms_scale_nothing_where_an_architecture_adds_one_to_their_weights(tmp_path: Path) -> None:
    size = save_tokenizer(tmp_path, start="<s>", end="</s>", pad="<pad>", unknown="<unk>", segments=False)
    own: dict[str, Any] = {**SIZES, "num_key_value_heads": 2, "head_dim": 16, "bos_token_id": 0, "pad_token_id": 1}
    save_model(tmp_path, AutoConfig.for_model("gemma", **own, vocab_size=size, max_position_embeddings=130))
    encoder = load_encoder(str(tmp_path), None, 2)
    drawn, before = new_weights(encoder.model, 1), torch.get_rng_state()
    encoder.reset(0, drawn)
    assert torch.equal(torch.get_rng_state(), before)
    body: Any = encoder.model.base_model
    assert "model.norm.weight" in drawn
    assert body.norm.weight.tolist() == [0.0] * 32
    assert body.norm(torch.ones(1, 32)).detach().numpy() == pytest.approx(np.ones((1, 32)), rel=1e-4)


def test_the_same_seed_draws_the_same_new_layers(config: TrialConfig) -> None:
    encoder = load_encoder(config.encoder, None, 2)
    drawn = new_weights(encoder.model, 1)
    kept = []
    for seed in (1, 1, 2):
        encoder.reset(seed, drawn)
        kept.append(torch.cat([encoder.model.state_dict()[name].flatten() for name in sorted(drawn)]).clone())
    assert torch.equal(kept[0], kept[1])
    assert not torch.equal(kept[0], kept[2])


# ---- rows of a step --------------------------------------------------------------------------------------------------


def test_a_step_sees_each_row_once_for_each_view(config: TrialConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Batch] = []
    call = Objective.__call__

    def spied(self: Objective, model: Any, batch: Batch, *, bf16: bool) -> Any:
        seen.append(batch)
        return call(self, model, batch, bf16=bf16)

    monkeypatch.setattr(Objective, "__call__", spied)
    once = last(replicates(config))
    rows = len(seen[0].labels_B)
    twice = last(replicates(changed(config, views=2)))
    labels_B = seen[-1].labels_B
    assert len(labels_B) == 2 * rows
    assert torch.equal(labels_B[:rows], labels_B[rows:])
    assert twice.metrics["tokens"] == 2 * once.metrics["tokens"]


def test_views_are_the_pairs_of_a_single_row(config: TrialConfig) -> None:
    trial = changed(config, shots=1, loss={"name": "supcon"}, beta=0.0)
    with pytest.raises(ConfigError, match=r"shots must be at least 2.*views: 2"):
        replicates(trial)
    assert last(replicates(changed(trial, views=2))).metrics["gradient_norm"] > 0


@pytest.mark.parametrize("batches", ["shuffled", "balanced"])
def test_batches_are_cut_as_the_field_says(batches: str, config: TrialConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def spied(labels_N: Any, batch_size: int, *, balanced: bool, generator: np.random.Generator) -> Any:
        asked.append(balanced)
        return training_batches(labels_N, batch_size, balanced=balanced, generator=generator)

    monkeypatch.setattr(fine_tuning, "training_batches", spied)
    for loss, beta in (("cross_entropy", 1.0), ("supcon", 0.5)):
        last(replicates(changed(config, batches=batches, batch_size=4, loss={"name": loss}, beta=beta)))
        last(replicates(changed(config, batch_size=4, loss={"name": loss}, beta=beta)))
    assert asked == [batches == "balanced", False, batches == "balanced", True]


# ---- classes ---------------------------------------------------------------------------------------------------------


def test_cross_entropy_weighs_classes_as_torch_does(config: TrialConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    weights: list[Tensor | None] = []
    original = Objective.__init__

    def spied(self: Objective, *given: Any, **named: Any) -> None:
        original(self, *given, **named)
        weights.append(self.weights_C)

    monkeypatch.setattr(Objective, "__init__", spied)
    trial = changed(config, sampling="random", shots=7)
    last(replicates(trial))
    last(replicates(changed(trial, class_weights="balanced")))
    none, balanced = weights
    assert none is None
    assert balanced is not None
    counts = 7 / (2 * balanced.cpu())
    assert counts.sum() == 7
    assert set(counts.tolist()) <= set(map(float, range(1, 7)))
    logits, labels = torch.randn(7, 2), torch.arange(7) % 2
    assert F.cross_entropy(logits, labels, balanced.cpu()) > 0


def test_the_heads_weigh_classes_as_scikit_learn_does() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([0] * 30 + [1] * 4)
    rows = (rng.normal(size=(34, 5)) + labels[:, None]).astype(np.float32)
    fresh = rng.normal(size=(50, 5)).astype(np.float32)
    for balanced, weight in ((True, "balanced"), (False, None)):
        found = logistic_head(rows, labels, 2, C=1.0, normalise=False, balanced=balanced)(fresh)
        model = LogisticRegression(class_weight=weight, max_iter=1000).fit(rows.astype(float), labels)
        np.testing.assert_allclose(found, model.predict_log_proba(fresh.astype(float)), atol=1e-6)


def test_the_shift_of_priors_is_bayes_rule() -> None:
    train, pool = np.array([0, 0, 1, 1, 3, 3]), np.repeat([0, 1, 2, 3], [70, 20, 5, 10])
    shift = prior_shift(np.bincount(train, minlength=4), np.bincount(pool))
    shares = np.array([70, 20, 10]) / 100  # of the classes that were seen
    learned = np.array([0.5, 0.3, 0.2])
    wanted = learned * shares / (1 / 3)
    found = np.exp(np.log(learned) + shift[[0, 1, 3]])
    np.testing.assert_allclose(found / found.sum(), wanted / wanted.sum())
    assert shift[2] == 0


@pytest.mark.parametrize("recipe", ["fine_tune", "frozen"])
def test_known_priors_make_rare_classes_rarer(recipe: str, tiny_bert: Path, tmp_path: Path) -> None:
    rows = [
        f"the {'red' if number % 7 else 'blue'} film {number},{'often' if number % 7 else 'rare'}"
        for number in range(210)
    ]
    path = tmp_path / "skewed.csv"
    path.write_text("text,label\n" + "\n".join(rows) + "\n")
    base = {
        "dataset": {"name": "skewed", "path": str(path)},
        "shots": 3,
        "encoder": str(tiny_bert),
        "embedding": "mean",
        "replicates": 1,
        "recipe": {"name": recipe},
    } | ({"steps": 1, "evaluations": 1, "encoder_lr": 1e-6} if recipe == "fine_tune" else {})
    often = []
    for priors in ("draw", "pool"):
        (found,) = replicates(TrialConfig.model_validate({**base, "priors": priors}), [0], part="test")
        often.append(sum(row[0] for row in found.confusion))
    assert often[1] > often[0]


# ---- projection ------------------------------------------------------------------------------------------------------


def test_a_projected_loss_is_the_loss_of_the_projected_embeddings() -> None:
    torch.manual_seed(0)
    rows, labels = torch.randn(6, 8), torch.arange(6) % 2
    plain: Any = torch.nn.Module()
    plain.forward = lambda embeddings, given: (embeddings.square().sum(dim=1) * (given + 1)).sum()
    module = ProjectedLoss(plain, 8, 3)
    first, _, second = (layer for layer in module.projection)
    assert isinstance(first, nn.Linear)
    assert isinstance(second, nn.Linear)
    hidden = F.relu(rows @ first.weight.T + first.bias) @ second.weight.T + second.bias
    assert hidden.shape == (6, 3)
    torch.testing.assert_close(module(rows, labels), plain.forward(hidden, labels))


def test_the_projection_learns_at_the_head_s_rate(config: TrialConfig) -> None:
    encoder = load_encoder(config.encoder, None, 2)
    module = ProjectedLoss(torch.nn.Module(), encoder.embedding_size, 16)
    trial = changed(config, loss={"name": "supcon"}, beta=0.5, projection=16, head_lr=1e-2)
    (group,) = [group for group in parameter_groups(trial, encoder, module) if group["name"] == "projection"]
    assert list(map(id, group["params"])) == list(map(id, module.parameters()))
    assert (group["peak"], group["weight_decay"]) == (1e-2, 0.0)
    assert last(replicates(trial)).metrics["train_metric_loss"] != pytest.approx(
        last(replicates(changed(trial, projection=None))).metrics["train_metric_loss"]
    )


# ---- restarts --------------------------------------------------------------------------------------------------------


def test_a_training_that_learned_nothing_is_begun_anew_and_counted(
    config: TrialConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = changed(config, restarts=2, evaluations=2)
    asked = iter([False, True, False])
    monkeypatch.setattr(Learner, "learned_nothing", lambda _: next(asked))
    whole = list(replicates(trial))
    assert [evaluation.metrics["restarts"] for evaluation in whole] == [0.0, 0.0]
    again = list(replicates(trial))
    assert [evaluation.metrics["restarts"] for evaluation in again] == [0.0, 1.0]
    assert again[0].metrics["val_loss"] == whole[0].metrics["val_loss"]
    assert again[1].metrics["val_loss"] != whole[1].metrics["val_loss"]
    assert again[1].step == whole[1].step


def test_it_is_begun_anew_no_oftener_than_configured(config: TrialConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Learner, "learned_nothing", lambda _: True)
    assert last(replicates(changed(config, restarts=2))).metrics["restarts"] == 2
    assert "restarts" not in last(replicates(config)).metrics


@pytest.mark.parametrize("constant", [True, False])
def test_nothing_is_learned_where_the_majority_of_the_own_rows_is_as_good(
    constant: bool, config: TrialConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[bool] = []

    def scores(_: Any, rows: Any, scored_N: Any) -> Any:
        labels_N = rows.labels_N[scored_N]
        return np.eye(2)[np.zeros_like(labels_N) if constant else labels_N]

    monkeypatch.setattr("trainable.evaluation.scoring.Scorer.by_rule", scores)
    original = Learner.learned_nothing

    def spied(self: Learner) -> bool:
        found.append(original(self))
        return False

    monkeypatch.setattr(Learner, "learned_nothing", spied)
    last(replicates(changed(config, restarts=1)))
    assert found == [constant]


# ---- what excludes what ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"projection": 8}, "projection is for metric losses without proxies; received 8 with cross_entropy: leave"),
        ({"projection": 8, "loss": {"name": "soft_triple"}, "beta": 0.5}, "received 8 with soft_triple"),
        ({"projection": 8, "loss": {"name": "supcon"}, "beta": 1.0}, "received beta: 1: lower beta"),
        (
            {"compatibility": "published", "views": 2, "restarts": 1},
            r"leaves some fields at their defaults; received views=2, restarts=1: leave them out",
        ),
        ({"recipe": {"name": "label_names"}, "loss": None, "views": 2}, "label_names has no views; received 2"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_fields_that_exclude_each_other_are_refused(fields: dict[str, Any], said: str, config: TrialConfig) -> None:
    base = {"dataset": config.dataset, "shots": 4, "encoder": config.encoder}
    with pytest.raises((FieldConflictError, ValueError), match=said):
        TrialConfig.model_validate({**base, **fields})
