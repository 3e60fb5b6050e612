"""Whether every trial that a sweep may propose can be trained, as far as that is known without training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sweep.spec.cells import Cell
from trainable.config import TrialConfig
from trainable.datasets import load
from trainable.encoder import check_encoder
from trainable.errors import ConfigError, TrainableError
from trainable.feasibility import check_feasible
from trainable.trained_weights import check_trained_of

__all__ = ["check_encoder_of", "check_trials"]


def check_trials(grid: Sequence[Cell]) -> None:
    """Check the hardest trials of every cell and loss by the rules that training would refuse them by.

    Raises ConfigError with everything that is wrong, each in the words of training and with the cells that it concerns.
    """
    mistakes: dict[str, dict[str, None]] = {}
    for cell in grid:
        for config in cell.hardest():
            for mistake in _mistakes(config):
                mistakes.setdefault(mistake, {})[cell.key] = None
    if mistakes:
        raise ConfigError("\n".join(f"{mistake} ({_where(list(keys))})" for mistake, keys in mistakes.items()))


def check_encoder_of(config: TrialConfig) -> None:
    """Check the encoder of a trial that has one. Raises TrainableError if it cannot serve."""
    if config.encoder:
        check_encoder(
            config.encoder,
            config.encoder_revision,
            config.max_length,
            config.embedding,
            published=config.published,
            prompt=config.prompt,
        )
        check_trained_of(config)


def _mistakes(config: TrialConfig) -> Iterator[str]:
    try:
        check_encoder_of(config)
        check_feasible(config, load(config.dataset))
    except TrainableError as error:
        yield str(error)


def _where(keys: Sequence[str]) -> str:
    others = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
    return f"{'cells' if others else 'cell'} {keys[0]}{others}"
