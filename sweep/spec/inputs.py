"""Bad data and encoders are found before a sweep begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sweep.spec.cells import Cell
from trainable.datasets import load
from trainable.draws import draw_of
from trainable.encoder.encoder import check_encoder

if TYPE_CHECKING:
    pass

__all__ = ["check_inputs"]


def check_inputs(grid: Sequence[Cell]) -> None:
    """Read every dataset, take one draw of each cell, and look at each encoder, so that bad input ends a sweep before
    it begins.

    Raises TrainableError.
    """
    for config in (config for cell in grid for config in cell.inputs()):
        check_encoder(config.encoder, config.encoder_revision, config.max_length)
        draw_of(config, load(config.dataset), 0)
