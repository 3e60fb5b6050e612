"""Fine-tuning of the whole encoder with a head: beta * cross-entropy + (1 - beta) * metric loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from trainable.encoder.digest import embedding_digest
from trainable.recipes.entry import ENCODING, TRAINING, RecipeConfig, RecipeEntry

if TYPE_CHECKING:
    from trainable.classifier import Classifier
    from trainable.config import TrialConfig
    from trainable.recipes.entry import RecipeRun, Trial

__all__ = ["ENTRY", "FineTune"]


class FineTune(RecipeConfig):
    """Fine-tuning has no field of its own: those of the training are fields of a trial."""

    name: Literal["fine_tune"] = "fine_tune"


def begin(trial: Trial) -> RecipeRun:
    from trainable.fine_tuning import FineTuning  # imported late: a driver reads fields, not tensors

    return FineTuning.begun(trial)


def cost(config: TrialConfig, rows: int) -> int:
    return 3 * config.steps * config.views * min(config.batch_size, rows)


def keep(trial: Trial) -> Classifier:
    from trainable.kept import fine_tuned  # imported late: it loads tensors

    return fine_tuned(trial)


ENTRY = RecipeEntry(
    config=FineTune,
    summary="trains the encoder and a classification head with beta * cross-entropy + (1 - beta) * metric loss",
    source="Sosnowski et al., 2022 (arXiv:2211.15195)",
    losses="all",
    fields=ENCODING | TRAINING,
    begin=begin,
    keep=keep,
    cost=cost,
    digest=embedding_digest,
)
