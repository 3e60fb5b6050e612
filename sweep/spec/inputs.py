"""Checks of the data and encoders that a sweep will read, and the commits of its hub datasets, before it begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sweep.spec.cells import Cell
from sweep.spec.feasibility import check_trials
from sweep.spec.model import SweepSpec
from trainable.datasets import load, pin
from trainable.draws import draw_of
from trainable.encoder import check_encoder

__all__ = ["check_inputs", "pinned"]


def check_inputs(grid: Sequence[Cell]) -> None:
    """Reads every dataset, takes one draw of each cell, and checks each encoder.

    Raises TrainableError for the first that cannot be used, so that a sweep with bad input does not begin.
    """
    for config in (config for cell in grid for config in cell.inputs()):
        check_encoder(config.encoder, config.encoder_revision, config.max_length)
        draw_of(config, load(config.dataset), 0)
    check_trials(grid)


def pinned(spec: SweepSpec, recorded: Mapping[str, Any]) -> SweepSpec:
    """The spec with every hub dataset pinned to a commit: the one that the sweep began with, or else the newest.

    recorded: the resolved spec that the sweep began with, as JSON data; empty for a new sweep.
    """
    datasets = {}
    for name, config in spec.datasets.items():
        known = recorded.get("datasets", {}).get(name, {})
        same = config.hub is not None and config.revision is None and known.get("hub") == config.hub
        datasets[name] = pin(config.model_copy(update={"revision": known.get("revision")}) if same else config)
    return spec.model_copy(update={"datasets": datasets})
