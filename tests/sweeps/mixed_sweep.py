"""A sweep with trials and confirmations in every state, for tests of what must keep all of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from sweep.ledger.directory import SweepDirectory
from sweep.ledger.ledger import Ledger
from sweep.ledger.storage import open_storage
from sweep.ledger.stored import read_stored
from sweep.records.confirmation import Role
from sweep.spec.cells import Cell, cells
from sweep.spec.model import SweepSpec
from tests.sweeps.grid import evaluated, spec
from trainable.draws import CONFIRMATION_START
from trainable.outcomes import Evaluation, Outcome
from trainable.ranges import Scalar

BUDGET = 8
"""Trials of a cell: with it, one cell is searched by TPE, whose first 4 trials are random, one by brute force."""


def mixed_spec() -> SweepSpec:
    """Three cells: one with real numbers to search, one with few configurations, one that has not begun."""
    return spec(
        compare={"dataset": ["support"], "shots": [4], "loss": ["soft_triple", "cross_entropy", "supcon"]},
        search={"encoder_lr": [1e-5, 2e-5, 3e-5, 5e-5, 7e-5, 1e-4]},
        budget={"trials_per_cell": BUDGET},
    )


def mixed_sweep(root: Path) -> SweepDirectory:
    """The sweep in `root`, as a driver leaves it that was killed."""
    given = mixed_spec()
    grid = cells(given)
    directory = SweepDirectory(root / given.name)
    directory.create()
    directory.write_spec(yaml.safe_dump(given.resolved()))
    ledger = Ledger(open_storage(directory.journal, write=True), given.name)
    ledger.begin(given.resolved(), grid, {"python": "3.11", "platform": "Zürich"})
    ledger.record_run(None, "run-sweep")
    completed = _searched(ledger, grid[0])
    _asked(ledger, grid[1], 2)
    _confirmed(ledger, completed)
    return directory


def reopened(root: Path) -> Ledger:
    """The sweep's ledger, as one who only looks at it sees it."""
    return read_stored(mixed_spec().name, root)[1]


def continued(ledger: Ledger) -> list[Mapping[str, Scalar]]:
    """What the next trials of each cell would search."""
    given = mixed_spec()
    grid = cells(given)
    ledger.begin(given.resolved(), grid, {})
    return [ledger.ask(cell, seed=0, budget=BUDGET).params for cell in grid for _ in range(2)]


def _searched(ledger: Ledger, cell: Cell) -> str:
    """Seven trials of a cell: one is left running, the others ended in all ways. Returns the key of a completed one."""
    first, second, pruned, diverged, failed, interrupted, running = _asked(ledger, cell, 7)
    for key, score in ((first, 0.5), (second, 0.1 + 0.2)):
        for replicate, evaluation in ((0, 1), (0, 2), (1, 1), (1, 2)):
            ledger.record(key, evaluated(replicate, evaluation, score))
        ledger.finish(key, Outcome.COMPLETED)
    ledger.record(pruned, evaluated(0, 1, 0.25))
    ledger.finish(pruned, Outcome.PRUNED, "behind")
    end = Evaluation(draw=0, replicate=0, point=1, step=2, outcome=Outcome.DIVERGED, reason="the loss is nan")
    ledger.record(diverged, end)
    ledger.finish(diverged, Outcome.DIVERGED, end.reason)
    ledger.count_crash(failed, stalled=False)
    ledger.record_discarded(failed, 2.5, "node died")
    ledger.finish(failed, Outcome.FAILED, "no memory", "Traceback:\n  …\udcff")
    for key in (interrupted, running):
        ledger.record(key, evaluated(0, 1, 1 / 3))
    ledger.finish(interrupted, Outcome.INTERRUPTED, "stopped")
    ledger.record_run(first, "run-first")
    return first


def _asked(ledger: Ledger, cell: Cell, count: int) -> list[str]:
    return [ledger.ask(cell, seed=0, budget=BUDGET).key for _ in range(count)]


def _confirmed(ledger: Ledger, trial: str) -> None:
    """A finalist that is done, and a confirmation in the middle of it."""
    record = ledger.trial(trial)
    config = record.config.model_copy(update={"evaluations": 1})
    finalist = ledger.begin_confirmation(record, Role.FINALIST, config).key
    ledger.record_replicate(finalist, evaluated(2, 1, 0.75))
    ledger.finish_confirmation(finalist, Outcome.COMPLETED)
    confirmation = ledger.begin_confirmation(record, Role.CONFIRMATION, config).key
    replicate = f"{CONFIRMATION_START}.0"
    ledger.count_attempt(confirmation, replicate)
    ledger.count_crash(confirmation, replicate, stalled=False)
    ledger.record_discarded(confirmation, 1.5, "node died")
    scored = Evaluation(
        draw=CONFIRMATION_START,
        replicate=0,
        point=1,
        step=4,
        metrics={"test_accuracy": 0.625},
        confusion=((3, 1), (2, 2)),
    )
    ledger.record_replicate(confirmation, scored)
    ledger.record_run(confirmation, "run-confirmation")
