"""Whatever its architecture, an encoder that is trained without its padding has the states and gradients of one that is
trained with it, or it is trained with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.sweeps.tiny_encoders import ARCHITECTURES, KINDS, write_architecture
from trainable.batching import Batch, tokenise
from trainable.config import TrialConfig
from trainable.datasets.text_data import Rows
from trainable.encoder import Encoder, load_encoder, packing
from trainable.encoder.packing import PackedModel, packed
from trainable.errors import EncoderError
from trainable.objective import Objective
from trainable.training import replicates

FIRST = {"albert": 0, "bert": 0, "data2vec-text": 2, "distilbert": 0, "electra": 0, "roberta": 2, "xlm-roberta": 2}
"""The position of the first token of those that can be packed. Of the others, some have attention of their own
(DeBERTa, MPNet), some let tokens see a part of their row only (ModernBERT's windows, decoders)."""
TEXTS = ("the film is good", "the film is awful", "a", "red green blue " * 12, "was it a great film?", "poor " * 30)
PAIRS = ("a film", "was it?", "red " * 9, "a", "it is great", "no")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    kinds = dict.fromkeys((*KINDS, *ARCHITECTURES))
    return {kind: write_architecture(tmp_path_factory.mktemp(kind), kind) for kind in kinds}


def batch(encoder: Encoder, *, paired: bool = False) -> Batch:
    rows = Rows(texts=TEXTS, pairs=PAIRS if paired else None, labels_N=np.arange(len(TEXTS)) % 3)
    return tokenise(rows, encoder, 48).batch(np.arange(len(TEXTS)), CPU)


def encoder_of(folder: Path) -> Encoder:
    encoder = load_encoder(str(folder), None, 3)
    encoder.reset(0)
    encoder.model.eval()  # type: ignore[no-untyped-call]  # dropout draws as many numbers as there are tokens
    return encoder


@pytest.mark.parametrize("kind", sorted({*KINDS, *ARCHITECTURES}))
def test_it_is_known_which_encoders_can_be_packed(kind: str, folders: dict[str, Path]) -> None:
    try:
        encoder = encoder_of(folders[kind])
    except EncoderError:
        assert kind not in FIRST
        return
    assert encoder.behaviour.first_position == FIRST.get(kind)
    assert encoder.model.config._attn_implementation != "rows_apart", "it is left as it was"
    assert isinstance(packed(encoder.model, FIRST.get(kind)), PackedModel) == (kind in FIRST)


@pytest.mark.parametrize("embedding", ["cls", "mean", "last", "tokens"])
@pytest.mark.parametrize("kind", sorted(FIRST))
def test_losses_and_gradients_are_those_of_the_padded_batch(
    kind: str, embedding: Any, folders: dict[str, Path]
) -> None:
    encoder = encoder_of(folders[kind])
    rows = batch(encoder)

    def metric_loss(embeddings_MD: torch.Tensor, labels_M: torch.Tensor) -> torch.Tensor:
        own = torch.arange(1.0, len(labels_M) + 1)[:, None]  # tells rows, and their order, apart
        return (embeddings_MD.square() * own * (labels_M[:, None] + 1)).mean()

    objective = Objective(0.5, embedding, metric_loss)  # type: ignore[arg-type]
    found = {}
    for model in (encoder.model, packed(encoder.model, FIRST[kind])):
        encoder.model.zero_grad(set_to_none=True)
        terms = objective(model, rows, bf16=False)
        terms.loss.backward()  # type: ignore[no-untyped-call]
        weights = encoder.model.named_parameters()
        found[type(model)] = terms, {name: weight.grad for name, weight in weights if weight.grad is not None}
    (wanted, gradients), (terms, given) = found.values()
    assert gradients.keys() == given.keys()
    torch.testing.assert_close(terms.cross_entropy, wanted.cross_entropy, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(terms.metric_loss, wanted.metric_loss, rtol=1e-5, atol=1e-6)
    for name, gradient in gradients.items():
        torch.testing.assert_close(given[name], gradient, rtol=1e-3, atol=1e-5 * float(gradient.abs().max()) + 1e-7)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_pairs_of_sentences_keep_their_segments(kind: str, folders: dict[str, Path]) -> None:
    encoder = encoder_of(folders[kind])
    rows = batch(encoder, paired=True)
    with torch.no_grad():
        wanted, found = (
            model(**rows.inputs, output_hidden_states=True).logits
            for model in (encoder.model, packed(encoder.model, FIRST[kind]))
        )
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def test_the_attention_is_as_it_was_after_an_error(folders: dict[str, Path]) -> None:
    encoder = encoder_of(folders["bert"])
    rows = batch(encoder)

    def hooks() -> list[int]:
        return [len(module._forward_hooks) for module in encoder.model.modules()]

    before = hooks()
    wrong = {**rows.inputs, "token_type_ids": rows.inputs["input_ids"] + 1000}
    with pytest.raises(IndexError):
        PackedModel(encoder.model, 0)(**wrong, output_hidden_states=True)
    assert encoder.model.config._attn_implementation == "sdpa"
    assert hooks() == before


def trained(folder: Path, **fields: Any) -> tuple[str, dict[str, float]]:
    """The kind of model that training calls, and the metrics of the last evaluation."""
    data = {"dataset": {"name": "support"}, "shots": 2, "validation": 12, "steps": 3, "encoder_lr": 1e-3}
    settings = {"replicates": 1, "evaluations": 1, "loss": {"name": "soft_triple"}, "beta": 0.5}
    config = TrialConfig.model_validate({"encoder": str(folder), **data, **settings, **fields})
    seen: list[str] = []
    call = Objective.__call__

    def watched(self: Objective, model: Any, *rest: Any, **others: Any) -> Any:
        seen.append(type(model).__name__)
        return call(self, model, *rest, **others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Objective, "__call__", watched)
        *_, last = replicates(config)
    (kind,) = set(seen)
    return kind, dict(last.metrics)


@pytest.mark.parametrize(
    "fields",
    [{}, {"head": "centroid", "embedding": "mean"}, {"beta": 0.0}, {"views": 2}, {"precision": "bf16"}],
)
def test_a_training_leaves_padding_out(
    fields: dict[str, Any], folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    still = encoder_without_dropout(folders["bert"])
    kind, metrics = trained(still, **fields)
    assert kind == "PackedModel"
    monkeypatch.setattr(packing, "packed", lambda model, first_position: model)
    kind, wanted = trained(still, **fields)
    assert kind == "BertForSequenceClassification"
    for name in ("train_loss", "gradient_norm", "val_loss", "tokens"):
        assert metrics[name] == pytest.approx(wanted[name], rel=0.03 if "precision" in fields else 1e-4)


def test_a_loss_that_sees_padding_is_trained_with_it(folders: dict[str, Path]) -> None:
    published = {"compatibility": "published", "embedding": "tokens"}
    assert trained(folders["bert"], **published)[0] == "BertForSequenceClassification"


def encoder_without_dropout(folder: Path) -> Path:
    still = folder.with_name("without-dropout")
    shutil.rmtree(still, ignore_errors=True)
    shutil.copytree(folder, still)
    config = json.loads((still / "config.json").read_text())
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.0}
    (still / "config.json").write_text(json.dumps({**config, **none}))
    return still
