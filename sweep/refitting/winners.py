"""The winner of each comparison of a sweep, kept in the sweep's own folder, as `refit: true` asks for."""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Callable, Iterator

from sweep.errors import SweepError
from sweep.ledger.directory import SweepDirectory
from sweep.refitting.refit import Told, Training, here, refit_winner, register_kept
from sweep.refitting.source import Source
from sweep.verdict import verdict
from trainable.errors import TrainableError

__all__ = ["keep_winners"]

logger = logging.getLogger(__name__)


def keep_winners(
    directory: SweepDirectory,
    *,
    told: Told,
    stopped: Callable[[], bool] = lambda: False,
    training: Training = here,
) -> tuple[str, ...]:
    """Train the winner of each comparison on all labelled rows, keep it in `directory.classifiers` and register it in
    MLflow; a sentence for each that could not be kept or registered, since the verdict stands all the same.

    stopped: whether they are not to be kept any more; asked whenever something is told.
    training: where they are trained; by default in this process.
    """

    def noted(said: str) -> None:
        if stopped():
            words = ["python", "-m", "sweep", "refit", str(directory.path), "--arm", "CELL", "--out", "DIR"]
            raise SweepError(f"the sweep was told to stop; `{shlex.join(words)}` keeps it")
        logger.info(said)
        told(said)

    return tuple(_kept(directory, noted, training))


def _kept(directory: SweepDirectory, told: Told, training: Training) -> Iterator[str]:
    from trainable.quiet import quiet

    source = Source.of_ledger(str(directory.path), directory.path.parent)
    best = [comparison.best for comparison in verdict(source.results).comparisons if comparison.best is not None]
    for arm in best:
        folder = re.sub(r"[^\w.+=-]+", "-", arm.cell)
        try:
            with quiet():
                out = directory.classifiers / folder
                kept = refit_winner(source, out, arm=arm.cell, told=told, training=training)
                name = source.spec.name
                place = register_kept(kept, name if len(best) == 1 else f"{name}-{folder}")
            told(f"{arm.cell}: kept in {kept.folder}, and in MLflow as {place}")
        except (SweepError, TrainableError) as error:
            yield f"{arm.cell} is not kept, or not in MLflow: {error}"
