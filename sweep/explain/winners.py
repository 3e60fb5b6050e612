"""The best arm of each comparison of a sweep, explained in the sweep's own folder, as `explain: true` asks for."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from sweep.errors import SweepError
from sweep.explain.explain import explain_stored
from sweep.ledger.directory import SweepDirectory
from sweep.ledger.stored import read_stored
from sweep.verdict import verdict
from trainable.errors import TrainableError

__all__ = ["explain_winners"]

logger = logging.getLogger(__name__)


def explain_winners(directory: SweepDirectory) -> tuple[str, ...]:
    """Write the page of the best arm of each comparison into `directory.explanations`; a sentence for each that could
    not be explained, since the verdict stands all the same."""
    return tuple(_unexplained(directory))


def _unexplained(directory: SweepDirectory) -> Iterator[str]:
    from trainable.quiet import quiet

    name, root = str(directory.path), directory.path.parent
    _, ledger = read_stored(name, root)
    for comparison in verdict(ledger.results()).comparisons:
        if comparison.best is None:
            continue
        cell = comparison.best.cell
        try:
            with quiet():
                found = explain_stored(name, root, arm=cell, draws=0)  # a head may have nothing to train on
            logger.info("%s: explained in %s", cell, found.page)
        except (SweepError, TrainableError) as error:
            yield f"{cell} is not explained: {error}"
