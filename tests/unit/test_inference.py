from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from trainable.batching import tokenise
from trainable.datasets.text_data import Rows
from trainable.encoder import load_encoder
from trainable.evaluation import inference
from trainable.evaluation.inference import centroid_scores, class_scores, nearest_rows, run_encoder
from trainable.losses import LOSSES
from trainable.losses.soft_triple import SoftTriple

CPU = torch.device("cpu")


def _rows() -> Rows:
    texts = tuple(f"{'the ' * (number % 5)}film {number} is good" for number in range(30))
    return Rows(texts=texts, pairs=None, labels_N=np.arange(30) % 2)


def test_outputs_come_in_the_order_asked_for(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load_encoder(str(tiny_bert), None, 2)
    encoder.reset(0)
    rows = tokenise(_rows(), encoder, 64)
    asked = np.random.default_rng(0).permutation(30)[:20]
    monkeypatch.setitem(inference._ROWS, "cpu", 4)
    outputs = run_encoder(encoder.model, rows, asked, device=CPU, bf16=False, embedding="mean")
    assert outputs.embeddings_ND is not None
    for position, row in enumerate(asked.tolist()):
        alone = run_encoder(encoder.model, rows, np.array([row]), device=CPU, bf16=False, embedding="mean")
        assert alone.embeddings_ND is not None
        torch.testing.assert_close(outputs.logits_NC[position], alone.logits_NC[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(outputs.embeddings_ND[position], alone.embeddings_ND[0], rtol=1e-4, atol=1e-5)


def test_evaluation_has_no_dropout_and_no_embeddings_unless_asked(tiny_bert: Path) -> None:
    encoder = load_encoder(str(tiny_bert), None, 2)
    encoder.model.train()
    rows = tokenise(_rows(), encoder, 64)
    first, second = (run_encoder(encoder.model, rows, np.arange(30), device=CPU, bf16=False) for _ in range(2))
    assert torch.equal(first.logits_NC, second.logits_NC)
    assert first.embeddings_ND is None


def test_centroids_are_means_of_directions() -> None:
    # Class 0 points along x, whatever the lengths; class 1 between y and z.
    train = torch.tensor([[100.0, 0, 0], [1.0, 0.1, 0], [0, 1.0, 0], [0, 0, 50.0]])
    labels = torch.tensor([0, 0, 1, 1])
    scores = centroid_scores(torch.tensor([[3.0, 0, 0], [0, 2.0, 2.0], [0, 0, -1.0]]), train, labels, 2)
    assert scores.argmax(dim=1).tolist() == [0, 1, 0]
    assert scores[1, 1].item() == pytest.approx(1.0)
    assert scores[2, 1].item() == pytest.approx(-(0.5**0.5))


def test_a_class_without_training_rows_is_never_the_nearest() -> None:
    train, labels = torch.eye(3)[:2], torch.tensor([0, 2])
    scores = centroid_scores(torch.randn(50, 3, generator=torch.Generator().manual_seed(0)), train, labels, 3)
    assert scores.isfinite().all()
    assert 1 not in scores.argmax(dim=1).tolist()
    assert (scores[:, 1] == -1).all()


def test_proxies_decide_where_there_are_any() -> None:
    entry = LOSSES["soft_triple"]
    assert entry.build is not None
    module = entry.build(SoftTriple(centers_per_class=1, la=10.0), 3, 4)
    centres = F.normalize(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    with torch.no_grad():
        next(module.parameters()).copy_(centres.T)
    scores = class_scores(entry, module, 5 * centres, None, torch.tensor([]), 3)
    assert scores.argmax(dim=1).tolist() == [0, 1, 2]
    assert scores.diagonal().tolist() == pytest.approx([10.0] * 3)
    assert not scores.requires_grad


def test_without_a_trained_metric_loss_centroids_decide() -> None:
    train, labels = torch.eye(3), torch.tensor([2, 0, 1])
    scores = class_scores(LOSSES["soft_triple"], None, 4 * torch.eye(3), train, labels, 3)
    assert torch.equal(scores, centroid_scores(4 * torch.eye(3), train, labels, 3))
    assert scores.argmax(dim=1).tolist() == [2, 0, 1]


def test_the_nearest_rows_are_those_of_largest_cosine_whatever_the_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows_ND, train_MD = rng.normal(size=(11, 5)) * 3, rng.normal(size=(8, 5)) * rng.uniform(0.1, 10, size=(8, 1))
    expected_NM = (rows_ND @ train_MD.T) / np.outer(*(np.linalg.norm(each, axis=1) for each in (rows_ND, train_MD)))
    monkeypatch.setattr(inference, "_COMPARED", 4)
    cosines_NK, positions_NK = nearest_rows(torch.from_numpy(rows_ND), torch.from_numpy(train_MD), 3)
    assert positions_NK.tolist() == np.argsort(-expected_NM, axis=1)[:, :3].tolist()
    np.testing.assert_allclose(cosines_NK.numpy(), -np.sort(-expected_NM, axis=1)[:, :3])
