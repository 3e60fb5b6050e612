"""The winner of each comparison of a sweep, kept in the sweep's own folder, as `refit: true` asks for."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

from sweep.errors import SweepError
from sweep.ledger.directory import SweepDirectory
from sweep.ledger.stored import read_stored
from sweep.refitting.refit import refit_stored, register_kept
from sweep.verdict import verdict
from trainable.errors import TrainableError

__all__ = ["keep_winners"]

logger = logging.getLogger(__name__)


def keep_winners(directory: SweepDirectory) -> tuple[str, ...]:
    """Train the winner of each comparison on all labelled rows, keep it in `directory.classifiers` and register it in
    MLflow; a sentence for each that could not be kept or registered, since the verdict stands all the same."""
    return tuple(_kept(directory))


def _kept(directory: SweepDirectory) -> Iterator[str]:
    from trainable.quiet import quiet

    name, root = str(directory.path), directory.path.parent
    spec, ledger = read_stored(name, root)
    best = [comparison.best for comparison in verdict(ledger.results()).comparisons if comparison.best is not None]
    for arm in best:
        folder = re.sub(r"[^\w.+=-]+", "-", arm.cell)
        try:
            with quiet():
                kept = refit_stored(name, root, directory.classifiers / folder, arm=arm.cell, told=logger.info)
                where = register_kept(kept, name, root, spec.name if len(best) == 1 else f"{spec.name}-{folder}")
            logger.info("%s: kept in %s, and in MLflow as %s", arm.cell, kept.folder, where)
        except (SweepError, TrainableError) as error:
            yield f"{arm.cell} is not kept, or not in MLflow: {error}"
