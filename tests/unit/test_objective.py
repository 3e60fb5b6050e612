from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from trainable.batching import Batch, tokenise
from trainable.datasets.text_data import Rows
from trainable.encoder import Encoder, load_encoder
from trainable.losses import LOSSES
from trainable.losses.soft_triple import SoftTriple
from trainable.objective import Embedding, Objective, forward, metric_inputs, sentence_embeddings

CPU = torch.device("cpu")
TEXTS = ("good film", "the film was awful and poor", "a")
EVERY_ENCODER = pytest.mark.parametrize("tiny", ["tiny_bert", "tiny_roberta"])
EVERY_EMBEDDING = pytest.mark.parametrize("embedding", ["cls", "mean", "tokens"])


def _encoder(folder: Path) -> Encoder:
    encoder = load_encoder(str(folder), None, 2)
    encoder.reset(0)
    encoder.model.eval()  # type: ignore[no-untyped-call]
    return encoder


def _batch(encoder: Encoder, rows: list[int]) -> Batch:
    texts = Rows(texts=TEXTS, pairs=None, labels_N=np.array([1, 0, 1]))
    return tokenise(texts, encoder, 64).batch(np.array(rows), CPU)


def _soft_triple() -> torch.nn.Module:
    entry = LOSSES["soft_triple"]
    assert entry.build is not None
    torch.manual_seed(0)
    return entry.build(SoftTriple(centers_per_class=2), 2, 32)


@EVERY_ENCODER
@EVERY_EMBEDDING
def test_a_padded_batch_gives_what_each_row_gives_alone(
    tiny: str, embedding: Embedding, request: pytest.FixtureRequest
) -> None:
    encoder = _encoder(request.getfixturevalue(tiny))
    with torch.no_grad():
        together = _batch(encoder, [0, 1, 2])
        logits, hidden = forward(encoder.model, together, hidden=True)
        assert hidden is not None
        embeddings, labels = metric_inputs(hidden, together, embedding)
        alone_logits, alone_embeddings, alone_labels = [], [], []
        for row in range(3):
            single = _batch(encoder, [row])
            row_logits, row_hidden = forward(encoder.model, single, hidden=True)
            assert row_hidden is not None
            row_embeddings, row_labels = metric_inputs(row_hidden, single, embedding)
            alone_logits.append(row_logits)
            alone_embeddings.append(row_embeddings)
            alone_labels.append(row_labels)
    torch.testing.assert_close(logits, torch.cat(alone_logits), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(embeddings, torch.cat(alone_embeddings), rtol=1e-4, atol=1e-5)
    assert labels.tolist() == torch.cat(alone_labels).tolist()


@EVERY_EMBEDDING
def test_what_stands_at_padding_is_never_seen(embedding: Embedding, tiny_bert: Path) -> None:
    batch = _batch(_encoder(tiny_bert), [0, 1, 2])
    hidden = torch.randn(3, batch.inputs["input_ids"].shape[1], 32)
    poisoned = torch.where(batch.inputs["attention_mask"].bool().unsqueeze(-1), hidden, 1e9)
    for first, second in zip(
        metric_inputs(hidden, batch, embedding), metric_inputs(poisoned, batch, embedding), strict=True
    ):
        assert torch.equal(first, second)


def test_tokens_carry_their_sentence_s_label(tiny_bert: Path) -> None:
    batch = _batch(_encoder(tiny_bert), [0, 1, 2])
    embeddings, labels = metric_inputs(torch.randn(3, batch.inputs["input_ids"].shape[1], 32), batch, "tokens")
    lengths = batch.inputs["attention_mask"].sum(dim=1)
    assert lengths.tolist() == [4, 10, 3]  # [CLS] and [SEP] count, and "and" is three pieces
    assert labels.tolist() == [1] * 4 + [0] * 10 + [1] * 3
    assert embeddings.shape == (17, 32)


def test_with_padding_every_position_carries_its_sentence_s_label(tiny_bert: Path) -> None:
    batch = _batch(_encoder(tiny_bert), [0, 1, 2])
    hidden = torch.randn(3, 10, 32)
    embeddings, labels = metric_inputs(hidden, batch, "tokens", padding=True)
    assert torch.equal(embeddings, hidden.reshape(30, 32))
    assert labels.tolist() == [1] * 10 + [0] * 10 + [1] * 10
    assert torch.equal(metric_inputs(hidden, batch, "cls", padding=True)[0], hidden[:, 0])


def test_a_sentence_trained_on_by_tokens_is_their_mean(tiny_bert: Path) -> None:
    batch = _batch(_encoder(tiny_bert), [0, 1])
    hidden = torch.randn(2, batch.inputs["input_ids"].shape[1], 32)
    assert torch.equal(sentence_embeddings(hidden, batch, "tokens"), sentence_embeddings(hidden, batch, "mean"))
    torch.testing.assert_close(sentence_embeddings(hidden, batch, "mean")[0], hidden[0, :4].mean(dim=0))


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_the_objective_is_the_weighted_sum_of_its_terms(beta: float, tiny_bert: Path) -> None:
    encoder = _encoder(tiny_bert)
    batch = _batch(encoder, [0, 1, 2])
    metric_loss = _soft_triple() if beta < 1 else None
    terms = Objective(beta, "cls", metric_loss)(encoder.model, batch, bf16=False)
    with torch.no_grad():
        logits, hidden = forward(encoder.model, batch, hidden=True)
        assert hidden is not None
        entropy = F.cross_entropy(logits, batch.labels_B)
        distance = _soft_triple()(hidden[:, 0], batch.labels_B)
    torch.testing.assert_close(terms.loss.detach(), beta * entropy + (1 - beta) * distance)
    assert (terms.cross_entropy is None) == (beta == 0)
    assert (terms.metric_loss is None) == (beta == 1)
    if terms.cross_entropy is not None:
        torch.testing.assert_close(terms.cross_entropy.detach(), entropy)
    if terms.metric_loss is not None:
        torch.testing.assert_close(terms.metric_loss.detach(), distance)


@EVERY_EMBEDDING
def test_bf16_reaches_neither_the_metric_loss_nor_its_proxies(embedding: Embedding, tiny_bert: Path) -> None:
    encoder, metric_loss = _encoder(tiny_bert), _soft_triple()
    seen: list[torch.dtype] = []
    metric_loss.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].dtype))
    terms = Objective(0.5, embedding, metric_loss)(encoder.model, _batch(encoder, [0, 1, 2]), bf16=True)
    terms.loss.backward()  # type: ignore[no-untyped-call]
    assert seen == [torch.float32]
    assert terms.loss.dtype == torch.float32
    assert {parameter.dtype for parameter in metric_loss.parameters()} == {torch.float32}
    assert all(parameter.grad is not None for parameter in metric_loss.parameters())


def test_hidden_states_are_kept_only_for_a_metric_loss(tiny_bert: Path) -> None:
    encoder = _encoder(tiny_bert)
    _, hidden = forward(encoder.model, _batch(encoder, [0]), hidden=False)
    assert hidden is None
