"""Every metric loss against its slow reference: value, gradient of the embeddings, gradient of the proxies, and scores.

In float64, to a relative tolerance of 1e-8 (and an absolute one of 1e-10): the order of summation may differ, nothing
else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.oracle.loss_references import REFERENCES, Proxies
from trainable.losses import LOSSES

C, D = 4, 5  # classes, embedding size; class 3 has no row in any batch

BATCHES: dict[str, list[int]] = {
    "unequal classes": [0, 1, 2, 0, 1, 0, 0, 1],
    "two rows a class": [0, 1, 2, 0, 1, 2],
    "one class": [1, 1, 1, 1],
    "one row": [2],
    "all labels unique": [2, 0, 1],
    "two rows of one class": [1, 1],
    "two rows of two classes": [0, 2],
    "one class with a pair": [0, 0, 1, 2],
}

# The first of each loss are its defaults.
FIELDS: dict[str, list[dict[str, float]]] = {
    "soft_triple": [{}, {"centers_per_class": 1, "margin": 0.4}, {"centers_per_class": 3, "la": 6.0, "gamma": 20.0}],
    "proxy_anchor": [{}, {"margin": 0.0, "alpha": 2.0}, {"margin": 0.5, "alpha": 8.0}],
    "proxy_nca": [{}, {"softmax_scale": 1.0}, {"softmax_scale": 20.0}],
    "normalized_softmax": [{}, {"temperature": 1.0}],
    "arcface": [{}, {"margin": 0.0, "scale": 8.0}, {"margin": 90.0, "scale": 4.0}],
    "sub_center_arcface": [{}, {"sub_centers": 1}, {"margin": 80.0, "scale": 8.0, "sub_centers": 2}],
    "cosface": [{}, {"margin": 0.0, "scale": 1.0}, {"margin": 0.9, "scale": 8.0}],
    "supcon": [{}, {"temperature": 1.0}],
    "triplet": [{}, {"margin": 2.0}, {"margin": 0.5}],
    "n_pairs": [{}],
    "multi_similarity": [{}, {"alpha": 0.5, "beta": 5.0, "base": -0.2}],
    "circle": [{}, {"m": 0.1, "gamma": 2.0}],
    "contrastive": [{}, {"pos_margin": 0.9, "neg_margin": 1.2}],
}

CASES = [
    pytest.param(name, fields, batch, id=f"{name}-{fields or 'defaults'}-{batch}")
    for name, settings in FIELDS.items()
    for fields in settings
    for batch in BATCHES
]


def test_every_loss_has_a_reference_but_cross_entropy_which_is_tested_with_the_objective() -> None:
    assert set(REFERENCES) == set(FIELDS) == set(LOSSES) - {"cross_entropy"}


@pytest.mark.parametrize(("name", "fields", "batch"), CASES)
def test_value_and_gradients_are_those_of_the_paper(name: str, fields: dict[str, float], batch: str) -> None:
    labels = BATCHES[batch]
    config, module = built(name, fields)
    embeddings_ND = rows(len(labels)).requires_grad_()
    weights = list(module.parameters())
    loss = module(embeddings_ND, torch.tensor(labels))
    found = torch.autograd.grad(loss, [embeddings_ND, *weights], allow_unused=True)

    copy_ND = embeddings_ND.detach().clone().requires_grad_()
    copies = [weight.detach().clone().requires_grad_() for weight in weights]
    expected_loss = REFERENCES[name](config, list(copy_ND), labels, proxies_of(copies))
    expected = gradients(expected_loss, [copy_ND, *copies])

    close(loss, expected_loss)
    for mine, reference in zip(found, expected, strict=True):
        assert mine is not None
        close(mine, reference)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("supcon", {"temperature": 0.03}),
        ("circle", {"m": 0.5, "gamma": 256}),
        ("multi_similarity", {"alpha": 50.0, "beta": 100.0, "base": 0.4}),
    ],
)
def test_rows_that_are_told_apart_well_count_in_the_mean_in_fp32_too(name: str, fields: dict[str, float]) -> None:
    """The losses of four of these rows are rounded to zero there."""
    vectors = [[1.0, 0, 0, 0], [1, 0.02, 0, 0], [0, 1, 0, 0], [0.02, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0.3, 1]]
    rows_ND, labels = torch.tensor(vectors), [0, 0, 1, 1, 2, 2]
    config, module = built(name, fields)
    found_ND, exact_ND = rows_ND.clone().requires_grad_(), rows_ND.double().requires_grad_()
    found = module.float()(found_ND, torch.tensor(labels))
    expected = REFERENCES[name](config, list(exact_ND), labels, ())
    (found_gradient_ND,), (gradient_ND,) = gradients(found, [found_ND]), gradients(expected, [exact_ND])
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=0.01)
    torch.testing.assert_close(found_gradient_ND.double(), gradient_ND, rtol=0.01, atol=1e-6)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-10)


def built(name: str, fields: dict[str, float]) -> tuple[Any, nn.Module]:
    entry = LOSSES[name]
    assert entry.build is not None
    config = entry.config.model_validate({"name": name, **fields})
    torch.manual_seed(11)
    return config, entry.build(config, C, D).double()


def rows(number: int) -> Tensor:
    """Rows of unequal length around one common direction, as an encoder gives them."""
    generator = torch.Generator().manual_seed(number)
    spread_ND = torch.randn(number, D, dtype=torch.float64, generator=generator)
    return spread_ND * torch.linspace(0.5, 3, number, dtype=torch.float64)[:, None] + 0.3


def gradients(loss: Tensor, variables: list[Tensor]) -> Iterator[Tensor]:
    """Zeros where the loss is a constant, as for a batch from which there is nothing to learn."""
    if not loss.requires_grad:
        return (torch.zeros_like(variable) for variable in variables)
    found = torch.autograd.grad(loss, variables, allow_unused=True)
    return (torch.zeros_like(v) if each is None else each for v, each in zip(variables, found, strict=True))


def proxies_of(weights: list[Tensor]) -> Proxies:
    """proxies[c][k], whichever way the module keeps them: one row or one column for each, those of a class in a row."""
    if not weights:
        return ()
    (weight,) = weights
    vectors = list(weight) if weight.shape[1] == D else list(weight.T)
    per_class = len(vectors) // C
    return [vectors[c * per_class : (c + 1) * per_class] for c in range(C)]


@pytest.mark.parametrize("name", [name for name, entry in LOSSES.items() if entry.has_proxies])
def test_softmax_of_the_scores_is_the_probability_that_the_loss_without_margin_trains(name: str) -> None:
    """Where a loss is a softmax over classes, -log softmax(class_scores)[y] is the loss at margin 0."""
    entry = LOSSES[name]
    config, module = built(name, {"margin": 0.0} if "margin" in entry.config.model_fields else {})
    embeddings_ND, labels = rows(8), BATCHES["unequal classes"]
    assert entry.class_scores is not None
    scores_NC = entry.class_scores(module, embeddings_ND)
    if name == "proxy_anchor":  # a softmax over rows, not over classes: its scores are alpha times the cosine
        (weight,) = module.parameters()
        close(scores_NC, config.alpha * nn.functional.cosine_similarity(embeddings_ND[:, None], weight[None], dim=2))
        return
    close(nn.functional.cross_entropy(scores_NC, torch.tensor(labels)), module(embeddings_ND, torch.tensor(labels)))


def test_all_triplets_are_those_that_pytorch_metric_learning_lists() -> None:
    from pytorch_metric_learning.losses import TripletMarginLoss

    torch.manual_seed(5)
    embeddings_ND, labels_N = rows(60), torch.randint(0, 3, (60,))
    for margin in (0.01, 0.3, 2.0):
        _, module = built("triplet", {"margin": margin})
        close(module(embeddings_ND, labels_N), TripletMarginLoss(margin=margin)(embeddings_ND, labels_N))


def test_n_pairs_with_two_rows_a_class_is_pytorch_metric_learning_both_ways_round() -> None:
    from pytorch_metric_learning.losses import NPairsLoss

    _, module = built("n_pairs", {})
    embeddings_ND, labels_N = rows(6), torch.tensor([0, 1, 2, 0, 1, 2])
    listed, back = NPairsLoss(), embeddings_ND.flip(0)
    expected = (listed(embeddings_ND, labels_N) + listed(back, labels_N.flip(0))) / 2
    close(module(embeddings_ND, labels_N), expected)
