"""The objective against a slow reference: one sentence at a time, one token at a time, from the formulas.

The papers (arXiv:2211.15195, 2211.15202) train on beta * CE + (1 - beta) * SoftTriple, where every token of a sentence
is an embedding with the sentence's label. Their published code also fed padding tokens, which is done only for
`compatibility: published`, and in one version gave most tokens the wrong label, which is never done.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from trainable.batching import tokenise
from trainable.datasets.text_data import Rows
from trainable.encoder import Encoder, load_encoder
from trainable.losses import LOSSES
from trainable.losses.soft_triple import SoftTriple
from trainable.objective import Embedding, Objective

FIELDS = SoftTriple(centers_per_class=3, la=8.0, gamma=0.1, margin=0.3)
TEXTS = ("good film", "the film was awful and poor", "a great film", "bad")
LABELS = (1, 0, 1, 0)


def _hidden_states(encoder: Encoder, text: str, width: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """logits_C and the hidden states_TD of one sentence, without any padding or padded to `width`."""
    padding = "do_not_pad" if width is None else "max_length"
    inputs = encoder.tokenizer(text, return_tensors="pt", padding=padding, max_length=width)
    with torch.no_grad():
        outputs = encoder.model(**inputs, output_hidden_states=True)
    return outputs.logits[0].double().numpy(), outputs.hidden_states[-1][0].double().numpy()


def _cross_entropy(logits: np.ndarray, label: int) -> float:
    return math.log(sum(math.exp(logit) for logit in logits)) - float(logits[label])


def _soft_triple(embedding: np.ndarray, label: int, centres_CKD: np.ndarray) -> float:
    """Equation 9 of Qian et al., 2019, for one embedding."""
    direction = embedding / np.linalg.norm(embedding)
    relaxed = []
    for centres_KD in centres_CKD:
        cosines = [float(direction @ (centre / np.linalg.norm(centre))) for centre in centres_KD]
        weights = [math.exp(cosine / FIELDS.gamma) for cosine in cosines]
        relaxed.append(sum(w * c for w, c in zip(weights, cosines, strict=True)) / sum(weights))
    shifted = [FIELDS.la * (s - (FIELDS.margin if c == label else 0.0)) for c, s in enumerate(relaxed)]
    return math.log(sum(math.exp(each) for each in shifted)) - shifted[label]


@pytest.mark.parametrize("beta", [0.0, 0.4, 0.9])
@pytest.mark.parametrize(
    ("embedding", "width"), [("cls", None), ("mean", None), ("tokens", None), ("tokens", 14)], ids=str
)
def test_objective_is_the_papers_formula(
    beta: float, embedding: Embedding, width: int | None, tiny_roberta: Path
) -> None:
    """width: what rows are padded to where padding counts, as in the published code."""
    encoder = load_encoder(str(tiny_roberta), None, 2)
    encoder.reset(0)
    encoder.model.eval()  # type: ignore[no-untyped-call]
    entry = LOSSES["soft_triple"]
    assert entry.build is not None
    torch.manual_seed(0)
    module = entry.build(FIELDS, 2, encoder.embedding_size)
    centres = dict(module.named_parameters())["fc"].detach().double().numpy().T.reshape(2, FIELDS.centers_per_class, -1)

    entropies, distances = [], []
    for text, label in zip(TEXTS, LABELS, strict=True):
        logits, hidden = _hidden_states(encoder, text, width)
        entropies.append(_cross_entropy(logits, label))
        seen = {"cls": hidden[:1], "mean": hidden.mean(axis=0, keepdims=True), "tokens": hidden}[embedding]
        distances += [_soft_triple(each, label, centres) for each in seen]
    expected = beta * np.mean(entropies) + (1 - beta) * np.mean(distances)

    rows = Rows(texts=TEXTS, pairs=None, labels_N=np.array(LABELS))
    batch = tokenise(rows, encoder, 64).batch(np.arange(4), torch.device("cpu"), width or 0)
    terms = Objective(beta, embedding, module, padding=width is not None)(encoder.model, batch, bf16=False)
    assert terms.loss.item() == pytest.approx(expected, rel=1e-4)
