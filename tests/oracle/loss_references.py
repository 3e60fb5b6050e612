"""Every metric loss once more, slow and obvious: Python loops over rows and classes, straight from the papers.

A reference takes the fields of the loss, the rows x (vectors of length D), their classes y (integers), and the proxies
as `proxies[c][k]`, a vector each (k counts the several proxies of a class); losses without proxies ignore them. All
arithmetic is on float64 scalars that carry their graph: the gradient of a reference is a reference of the gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

__all__ = ["REFERENCES", "Proxies", "Reference"]

Proxies = Sequence[Sequence[Tensor]]
Reference = Callable[[Any, Sequence[Tensor], Sequence[int], Proxies], Tensor]

ZERO = torch.zeros((), dtype=torch.float64)


def dot(a: Tensor, b: Tensor) -> Tensor:
    return sum(((a[i] * b[i]) for i in range(len(a))), ZERO)


def unit(a: Tensor) -> Tensor:
    return a / dot(a, a).sqrt()


def cosine(a: Tensor, b: Tensor) -> Tensor:
    return dot(unit(a), unit(b))


def squared_distance(a: Tensor, b: Tensor) -> Tensor:
    difference = unit(a) - unit(b)
    return dot(difference, difference)


def distance(a: Tensor, b: Tensor) -> Tensor:
    return squared_distance(a, b).sqrt()


def hinge(value: Tensor) -> Tensor:
    return value if value > 0 else ZERO


def mean(values: Sequence[Tensor]) -> Tensor:
    """Zero of nothing: a batch in which nothing is to be learned has no loss."""
    return sum(values, ZERO) / len(values) if values else ZERO


def positive(values: Sequence[Tensor]) -> list[Tensor]:
    return [value for value in values if value > 0]


def cross_entropy(scores: Sequence[Tensor], target: int) -> Tensor:
    return -(scores[target].exp() / sum((score.exp() for score in scores), ZERO)).log()


def same(y: Sequence[int], i: int) -> list[int]:
    return [j for j in range(len(y)) if j != i and y[j] == y[i]]


def other(y: Sequence[int], i: int) -> list[int]:
    return [j for j in range(len(y)) if y[j] != y[i]]


def classes(proxies: Proxies) -> range:
    return range(len(proxies))


def soft_triple(fields: Any, x: Sequence[Tensor], y: Sequence[int], proxies: Proxies) -> Tensor:
    """Qian et al., 2019."""

    def similarity(row: Tensor, centres: Sequence[Tensor]) -> Tensor:
        cosines = [cosine(row, centre) for centre in centres]
        weights = [(each / fields.gamma).exp() for each in cosines]
        return sum((w * each for w, each in zip(weights, cosines, strict=True)), ZERO) / sum(weights, ZERO)

    losses = []
    for row, label in zip(x, y, strict=True):
        scores = [
            fields.la * (similarity(row, proxies[c]) - (fields.margin if c == label else 0.0)) for c in classes(proxies)
        ]
        losses.append(cross_entropy(scores, label))
    return mean(losses)


def proxy_anchor(fields: Any, x: Sequence[Tensor], y: Sequence[int], proxies: Proxies) -> Tensor:
    """Kim et al., 2020, equation 4."""
    pulls, pushes = [], []
    for c in classes(proxies):
        own = [cosine(row, proxies[c][0]) for row, label in zip(x, y, strict=True) if label == c]
        rest = [cosine(row, proxies[c][0]) for row, label in zip(x, y, strict=True) if label != c]
        if own:
            pulls.append((1 + sum(((-fields.alpha * (s - fields.margin)).exp() for s in own), ZERO)).log())
        pushes.append((1 + sum(((fields.alpha * (s + fields.margin)).exp() for s in rest), ZERO)).log())
    return mean(pulls) + mean(pushes)


def proxy_nca(fields: Any, x: Sequence[Tensor], y: Sequence[int], proxies: Proxies) -> Tensor:
    """Teh et al., 2020: the own proxy is in the denominator, distances are divided by the temperature."""
    losses = []
    for row, label in zip(x, y, strict=True):
        scores = [-fields.softmax_scale * squared_distance(row, proxies[c][0]) for c in classes(proxies)]
        losses.append(cross_entropy(scores, label))
    return mean(losses)


def normalized_softmax(fields: Any, x: Sequence[Tensor], y: Sequence[int], proxies: Proxies) -> Tensor:
    """Zhai and Wu, 2019."""
    losses = []
    for row, label in zip(x, y, strict=True):
        scores = [cosine(row, proxies[c][0]) / fields.temperature for c in classes(proxies)]
        losses.append(cross_entropy(scores, label))
    return mean(losses)


def arcface(fields: Any, x: Sequence[Tensor], y: Sequence[int], proxies: Proxies) -> Tensor:
    """Deng et al., 2019, equation 3; with several proxies of a class the nearest counts (Deng et al., 2020)."""
    margin = fields.margin * math.pi / 180
    losses = []
    for row, label in zip(x, y, strict=True):
        cosines = [max(cosine(row, proxy) for proxy in proxies[c]) for c in classes(proxies)]
        angle = cosines[label].acos()
        if angle <= math.pi - margin:
            with_margin = (angle + margin).cos()
        else:  # so that the score still falls as the angle grows
            with_margin = cosines[label] - margin * math.sin(margin)
        scores = [fields.scale * (with_margin if c == label else cosines[c]) for c in classes(proxies)]
        losses.append(cross_entropy(scores, label))
    return mean(losses)


def cosface(fields: Any, x: Sequence[Tensor], y: Sequence[int], proxies: Proxies) -> Tensor:
    """Wang et al., 2018, equation 4."""
    losses = []
    for row, label in zip(x, y, strict=True):
        cosines = [cosine(row, proxies[c][0]) for c in classes(proxies)]
        scores = [fields.scale * (cosines[c] - (fields.margin if c == label else 0.0)) for c in classes(proxies)]
        losses.append(cross_entropy(scores, label))
    return mean(losses)


def supcon(fields: Any, x: Sequence[Tensor], y: Sequence[int], _proxies: Proxies) -> Tensor:
    """Khosla et al., 2020, equation 2. Rows alone in their class have no term, nor has a batch of one class."""
    if len(set(y)) == 1:
        return ZERO
    losses = []
    for i in range(len(x)):
        scores = [(cosine(x[i], x[j]) / fields.temperature).exp() for j in range(len(x)) if j != i]
        of_class = [(cosine(x[i], x[j]) / fields.temperature).exp() for j in same(y, i)]
        if of_class:
            losses.append(-mean([(each / sum(scores, ZERO)).log() for each in of_class]))
    return mean(losses)


def triplet(fields: Any, x: Sequence[Tensor], y: Sequence[int], _proxies: Proxies) -> Tensor:
    """Schroff et al., 2015, over all triplets; the mean is over those that count (Hermans et al., 2017)."""
    terms = [
        hinge(distance(x[a], x[p]) - distance(x[a], x[n]) + fields.margin)
        for a in range(len(x))
        for p in same(y, a)
        for n in other(y, a)
    ]
    return mean(positive(terms))


def n_pairs(_fields: Any, x: Sequence[Tensor], y: Sequence[int], _proxies: Proxies) -> Tensor:
    """Sohn, 2016, on cosines. Round r pairs row r of each class with the row after it, counted around the class."""
    rows = [[i for i in range(len(y)) if y[i] == label] for label in sorted(set(y))]
    rows = [each for each in rows if len(each) > 1]
    losses = []
    for turn in range(max(map(len, rows), default=0)):
        pairs = [(x[each[turn % len(each)]], x[each[(turn + 1) % len(each)]]) for each in rows]
        for c, (anchor, own) in enumerate(pairs):
            rest = [other_own for d, (_, other_own) in enumerate(pairs) if d != c]
            gaps = [(cosine(anchor, each) - cosine(anchor, own)).exp() for each in rest]
            losses.append((1 + sum(gaps, ZERO)).log())
    return mean(losses)


def multi_similarity(fields: Any, x: Sequence[Tensor], y: Sequence[int], _proxies: Proxies) -> Tensor:
    """Wang et al., 2019, without mining."""
    losses = []
    for i in range(len(x)):
        pulls = [(-fields.alpha * (cosine(x[i], x[j]) - fields.base)).exp() for j in same(y, i)]
        pushes = [(fields.beta * (cosine(x[i], x[j]) - fields.base)).exp() for j in other(y, i)]
        losses.append((1 + sum(pulls, ZERO)).log() / fields.alpha + (1 + sum(pushes, ZERO)).log() / fields.beta)
    return mean(losses)


def circle(fields: Any, x: Sequence[Tensor], y: Sequence[int], _proxies: Proxies) -> Tensor:
    """Sun et al., 2020, equation 6. Rows without a positive or without a negative have no term."""
    losses = []
    for i in range(len(x)):
        pulls, pushes = ZERO, ZERO
        for s in (cosine(x[i], x[j]) for j in same(y, i)):
            weight = hinge(1 + fields.m - s).detach()
            pulls = pulls + (-fields.gamma * weight * (s - (1 - fields.m))).exp()
        for s in (cosine(x[i], x[j]) for j in other(y, i)):
            weight = hinge(s + fields.m).detach()
            pushes = pushes + (fields.gamma * weight * (s - fields.m)).exp()
        if same(y, i) and other(y, i):
            losses.append((1 + pulls * pushes).log())
    return mean(losses)


def contrastive(fields: Any, x: Sequence[Tensor], y: Sequence[int], _proxies: Proxies) -> Tensor:
    """Hadsell et al., 2006, with hinges that are not squared and a margin for positives (Musgrave et al., 2020)."""
    pulls, pushes = [], []
    for i, j in combinations(range(len(x)), 2):
        if y[i] == y[j]:
            pulls.append(hinge(distance(x[i], x[j]) - fields.pos_margin))
        else:
            pushes.append(hinge(fields.neg_margin - distance(x[i], x[j])))
    return mean(positive(pulls)) + mean(positive(pushes))


REFERENCES: dict[str, Reference] = {
    "soft_triple": soft_triple,
    "proxy_anchor": proxy_anchor,
    "proxy_nca": proxy_nca,
    "normalized_softmax": normalized_softmax,
    "arcface": arcface,
    "sub_center_arcface": arcface,
    "cosface": cosface,
    "supcon": supcon,
    "triplet": triplet,
    "n_pairs": n_pairs,
    "multi_similarity": multi_similarity,
    "circle": circle,
    "contrastive": contrastive,
}
