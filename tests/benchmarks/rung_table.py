"""A table of real scores: random configurations of several losses, trained to the end on common draws, unpruned.

Shapes: K configurations, N draws, E evaluations of a replicate.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.spec.cells import Cell, cells
from sweep.spec.model import SweepSpec
from trainable.config import TrialConfig
from trainable.ranges import Scalar

__all__ = ["CellScores", "Protocol", "RungTable", "RungTableError", "fill", "measure", "random_configurations"]

FORMAT = 1


class RungTableError(Exception):
    """A table cannot be read, filled or compared; the message has the reason and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """What all replicates of a table share.

    shots: labels per class.
    evaluations: E, of a replicate.
    steps: optimiser steps of a replicate.
    validation: number of validation rows.
    """

    shots: int = 8
    evaluations: int = 4
    steps: int = 120
    validation: int = 200

    def cells(self, data: Path, datasets: Sequence[str], losses: Sequence[str]) -> tuple[Cell, ...]:
        """Return the cells of a sweep over SentEval tasks in the folder `data`, with the losses' own search ranges."""
        places = {name: {"path": str(data.resolve()), "senteval": name.upper()} for name in datasets}
        spec = {
            "name": "rungs",
            "datasets": places,
            "compare": {"dataset": list(datasets), "shots": [self.shots], "loss": list(losses)},
            # A small encoder takes ten times the rate of roberta-large, as in the quickstart.
            "search": {"encoder_lr": {"low": 5e-5, "high": 5e-4, "log": True}},
            "trial": {"encoder": "all-MiniLM-L6-v2", "embedding": "mean", "head_lr": 1e-3},
            "protocol": {"evaluations": self.evaluations, "steps": self.steps, "validation": self.validation},
        }
        return cells(SweepSpec.model_validate(spec))

    def plain(self) -> dict[str, int]:
        """Return JSON data."""
        return {name: getattr(self, name) for name in ("shots", "evaluations", "steps", "validation")}


@dataclass(slots=True)
class CellScores:
    """The scores of one cell.

    configurations: K mappings of the searched fields.
    scores: the E scores of each replicate, by (configuration, draw).
    """

    configurations: list[Mapping[str, Scalar]]
    scores: dict[tuple[int, int], list[float]]

    def complete(self) -> NDArray[np.float64]:
        """Return scores_KNE on the first draws, as many as all configurations have."""
        indices = range(len(self.configurations))
        draws = next(n for n in count() if not indices or any((k, n) not in self.scores for k in indices))
        return np.array([[self.scores[k, n] for n in range(draws)] for k in indices])


@dataclass(slots=True)
class RungTable:
    """All scores measured so far, by cell, under one protocol."""

    protocol: Protocol
    cells: dict[str, CellScores]

    @classmethod
    def read(cls, path: Path) -> RungTable:
        """Read a table from a file. Raises RungTableError if it holds none."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']} is not {FORMAT}")
            found = {cell: _cell_scores(scores) for cell, scores in data["cells"].items()}
            return cls(Protocol(**data["protocol"]), found)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RungTableError(
                f"{path} must be a table of scores; it is not ({error}): make one with "
                "`python -m tests.benchmarks.rungs table`"
            ) from error

    def write(self, path: Path) -> None:
        """Replace the file atomically, so that an interrupted program never leaves half a table."""
        path.parent.mkdir(parents=True, exist_ok=True)
        found = {cell: _plain(scores) for cell, scores in self.cells.items()}
        whole = {"format": FORMAT, "protocol": self.protocol.plain(), "cells": found}
        temporary = path.with_name(f"{path.name}.new")
        temporary.write_text(_one_line_a_configuration(whole), encoding="utf-8")
        temporary.replace(path)


Measure = Callable[[TrialConfig, int], list[float]]


def measure(config: TrialConfig, draw: int) -> list[float]:
    """Return the E validation accuracies of one replicate, 0 from where it diverged.

    Raises RungTableError for a failure, which is no score of a configuration.
    """
    from trainable.outcomes import Outcome
    from trainable.training import replicates

    scores = []
    for evaluation in replicates(config, draws=(draw,)):
        if evaluation.outcome is Outcome.FAILED:
            raise RungTableError(f"{config.method} on draw {draw} failed: {evaluation.reason}\n{evaluation.detail}")
        scores.append(round(evaluation.metrics.get("val_accuracy", 0.0), 4))
    return scores + [0.0] * (config.evaluations - len(scores))


def fill(
    table: RungTable,
    chosen: Sequence[Cell],
    *,
    configurations: int,
    draws: int,
    pool: Executor,
    measured: Callable[[str, int, int], None],
    measure: Measure = measure,
) -> None:
    """Measure what the table lacks, cell by cell, in the pool.

    measured: called after each replicate with (cell, configuration, draw).
    measure: what the pool runs.
    """
    tasks = list(_missing(table, chosen, configurations, draws))
    futures = {pool.submit(measure, config, place[2]): place for place, config in tasks}
    try:
        for future in as_completed(futures):
            cell, k, draw = futures[future]
            table.cells[cell].scores[k, draw] = future.result()
            measured(cell, k, draw)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)  # else it would first work off all that is left
        raise


def random_configurations(cell: Cell, number: int) -> list[dict[str, Scalar]]:
    """Return configurations drawn uniformly from the cell's ranges by a seed of the cell; a longer list begins with a
    shorter one."""
    import optuna

    from sweep.search.sampler import suggest

    sampler = optuna.samplers.RandomSampler(seed=zlib.crc32(cell.key.encode()))
    study = optuna.create_study(storage=optuna.storages.InMemoryStorage(), sampler=sampler)
    return [suggest(study.ask(), cell) for _ in range(number)]


def _missing(
    table: RungTable, chosen: Sequence[Cell], configurations: int, draws: int
) -> Iterator[tuple[tuple[str, int, int], TrialConfig]]:
    for cell in chosen:
        known = table.cells.setdefault(cell.key, CellScores([], {}))
        params = random_configurations(cell, configurations)
        if [dict(stored) for stored in known.configurations[:configurations]] != params[: len(known.configurations)]:
            raise RungTableError(
                f"the configurations of {cell.key} in the file must be those that its ranges give; they are others: "
                "the ranges or Optuna have changed, so begin a new file (--table)"
            )
        known.configurations += params[len(known.configurations) :]
        for draw in range(draws):  # draw by draw, so that all configurations have equally many
            for k, searched in enumerate(params):
                if (k, draw) not in known.scores:
                    yield (cell.key, k, draw), cell.config(searched)


def _cell_scores(data: Mapping[str, Any]) -> CellScores:
    scores = {
        (k, draw): list(map(float, values))
        for k, row in enumerate(data["scores"])
        for draw, values in enumerate(row)
        if values is not None
    }
    return CellScores(list(data["configurations"]), scores)


def _plain(found: CellScores) -> dict[str, Any]:
    draws = max((draw for _, draw in found.scores), default=-1) + 1
    rows = [[found.scores.get((k, draw)) for draw in range(draws)] for k in range(len(found.configurations))]
    return {"configurations": found.configurations, "scores": rows}


def _one_line_a_configuration(whole: Mapping[str, Any]) -> str:
    """Return compact JSON in which a further replicate changes one line."""
    parts = []
    for cell, found in whole["cells"].items():
        lists = (f'"{name}": [\n{_lines(found[name])}\n]' for name in ("configurations", "scores"))
        parts.append(f"{json.dumps(cell)}: {{{', '.join(lists)}}}")
    head = f'"format": {whole["format"]}, "protocol": {json.dumps(whole["protocol"])}'
    return f'{{{head}, "cells": {{\n{("," + chr(10)).join(parts)}\n}}}}\n'


def _lines(values: Sequence[Any]) -> str:
    return ",\n".join(json.dumps(value, separators=(",", ":")) for value in values)
