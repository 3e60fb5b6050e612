"""Whether a trial has what its recipe and its loss need: what training refuses, known before anything is trained.

Shapes: M rows of a draw, C classes that it has rows of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainable.cross_validation import is_cross_validated
from trainable.draws import draw_of
from trainable.errors import ConfigError
from trainable.losses import LOSSES
from trainable.recipes import RECIPES
from trainable.shots import largest

if TYPE_CHECKING:
    from trainable.config import TrialConfig
    from trainable.datasets.text_data import TextData
    from trainable.losses import LossEntry

__all__ = ["check_feasible"]

_SMALLEST_BALANCED = 4  # rows: two of each of two classes (trainable.batching)
_REMEDY = "raise it, or let the loss see every row twice (views: 2) or every token (embedding: tokens)"


def check_feasible(config: TrialConfig, data: TextData) -> None:
    """Check that a trial's recipe can begin, and that its metric loss can compare something in its batches.

    A draw of `sampling: random`, or of as many rows as there are, may lack what the loss needs, as it may lack a class;
    one draw of the search must not.

    Raises TrainableError for what the recipe refuses, and ConfigError if the loss would have no gradient, or only push
    rows apart, at every step of every draw.
    """
    RECIPES[config.recipe.name].check(config, data)
    if config.loss is None:
        return
    entry = LOSSES[config.loss.name]
    if not entry.needs_pairs or config.beta == 1:
        return
    number, least = largest(config.shots), 3 if is_cross_validated(config, data) else 2
    if number is not None and number < least and not _pairs_within_rows(config):
        turns = ", of which one validates in turn" if least > 2 else ""
        raise ConfigError(
            f"{entry.name} compares rows of one class, so shots must be at least {least}{turns}; received "
            f"{config.shots}: {_REMEDY}"
        )
    rows = len(draw_of(config, data, 0).train)
    if config.batch_size < min(rows, _SMALLEST_BALANCED):
        raise ConfigError(
            f"{entry.name} compares rows of several classes, so batch_size must be at least {_SMALLEST_BALANCED} for "
            f"draws that are larger than a batch; received {config.batch_size} for the {rows} rows of a draw of "
            f"`{data.name}`: raise it"
        )
    chance = config.sampling == "random" or not isinstance(config.shots, int)
    if chance and not any(_gives_pairs(config, entry, labels) for labels in _draws(config, data)):
        raise ConfigError(
            f"{entry.name} compares rows of one class with those of others, and {_no_draw(config)} of `{data.name}` "
            f"has {_needed(entry)}; received {config.shots} random shots: raise them, or take sampling: per_class"
            if config.sampling == "random"
            else f"{entry.name} needs {_needed(entry)}, which {_no_draw(config)} of `{data.name}` has with shots "
            f"{config.shots}: leave out small classes by `min_rows` or `drop`, or take another loss"
        )


def _draws(config: TrialConfig, data: TextData) -> list[NDArray[np.int64]]:
    return [data.pool.labels_N[draw_of(config, data, index).train] for index in range(config.replicates)]


def _gives_pairs(config: TrialConfig, entry: LossEntry, labels_M: NDArray[np.int64]) -> bool:
    rows_C = np.unique(labels_M, return_counts=True)[1]
    paired = len(rows_C) if _pairs_within_rows(config) else int((rows_C >= 2).sum())
    return len(rows_C) >= 2 and paired >= entry.paired_classes


def _pairs_within_rows(config: TrialConfig) -> bool:
    """Whether a row by itself is two for the loss."""
    return config.embedding == "tokens" or config.views > 1


def _no_draw(config: TrialConfig) -> str:
    return "the only draw" if config.replicates == 1 else f"none of the {config.replicates} draws"


def _needed(entry: LossEntry) -> str:
    return "two rows of a class, and one of another" if entry.paired_classes == 1 else "two rows of each of two classes"
