"""Categorical cross-entropy on the classification head: the baseline, and a term of every other objective."""

from __future__ import annotations

from typing import Literal

from trainable.losses.entry import LossConfig, LossEntry

__all__ = ["ENTRY", "CrossEntropy"]


class CrossEntropy(LossConfig):
    """Cross-entropy has no field of its own."""

    name: Literal["cross_entropy"] = "cross_entropy"


ENTRY = LossEntry(
    config=CrossEntropy,
    search={},
    build=None,
    paper="the standard objective of Devlin et al., 2019 (arXiv:1810.04805)",
    equation="-log softmax(W h + b)[y]",
)
