"""A metric loss alone, then a logistic regression on the embeddings of the training rows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainable.encoder.digest import embedding_digest
from trainable.ranges import FloatRange
from trainable.recipes import fine_tune
from trainable.recipes.entry import ENCODING, TRAINING, RecipeConfig, RecipeEntry

__all__ = ["ENTRY", "MetricThenHead"]


class MetricThenHead(RecipeConfig):
    """Fields of the logistic regression."""

    name: Literal["metric_then_head"] = "metric_then_head"
    C: float = Field(1.0, gt=0, le=1e6, description="inverse strength of the L2 penalty of the logistic regression")


ENTRY = RecipeEntry(
    config=MetricThenHead,
    summary="trains the encoder with a metric loss alone, then fits a logistic regression to its embeddings",
    source="the two stages of SupCon (Khosla et al., 2020: arXiv:2004.11362) and of SetFit (Tunstall et al., 2022: "
    "arXiv:2209.11055)",
    losses="metric",
    fields=ENCODING | TRAINING - {"beta", "head", "head_lr", "inference", "compatibility"},
    constants={"beta": 0.0, "inference": "logistic"},
    begin=fine_tune.begin,
    keep=fine_tune.keep,
    cost=fine_tune.cost,
    search={"C": FloatRange(0.1, 100.0, log=True)},
    search_source="On embeddings of length 1, scikit-learn's default of 1 penalises strongly.",
    digest=embedding_digest,
)
