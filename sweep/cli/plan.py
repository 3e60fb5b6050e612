"""What a sweep would do: cells, trials, ranges, data, and how long it would take. Nothing is started but one short
training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from sweep.cli.cost import print_cost
from sweep.cli.formats import duration
from sweep.execution.machine import allotted_cpus
from sweep.remote.cluster_file import ClusterFile, fit_to_cluster
from sweep.scheduling.workload import TrainingSeconds, Work, work_of
from sweep.search.rungs import default_rungs
from sweep.spec.blocks import RULES_WITH_RUNGS
from sweep.spec.cells import Cell, cells
from sweep.spec.inputs import check_inputs
from sweep.spec.model import SweepSpec
from sweep.spec.wording import range_in_words
from trainable.config import TrialConfig
from trainable.datasets import load
from trainable.draws import draw_of

__all__ = ["print_plan"]

_STEPS_ON_GPU = 40  # the first few are slow there, since they are captured (trainable.encoder.graphs)


def print_plan(
    console: Console,
    spec: SweepSpec,
    *,
    timed: bool,
    cluster: ClusterFile | None = None,
    training_seconds: float | None = None,
) -> None:
    """Print the plan of `spec`; with `timed`, train and evaluate for a moment to estimate the time.

    cluster: the machines to plan for, instead of this one. training_seconds: what one training takes, instead of the
    timing.

    Raises TrainableError for data or an encoder that cannot be read, and ClusterError if no machine can hold a trial.
    """
    if cluster is not None:
        spec = fit_to_cluster(spec, cluster)
    grid = cells(spec)
    check_inputs(grid)
    trials = sum(cell.trials(spec.budget.trials_per_cell) for cell in grid)
    per_cell = f"up to {spec.budget.trials_per_cell} trials in each of {len(grid)} cells"
    console.print(f"{spec.name}: {per_cell}, {trials} trials in all, ", end="")
    console.print(f"at most {_replicates(grid, spec)} replicates (trainings)")
    console.print(_confirmation(spec, len(grid)) + "\n")
    _print_data(console, grid)
    _print_spaces(console, grid)
    _print_pruning(console, spec, grid)
    if not timed and training_seconds is None:
        return
    work = work_of(grid, spec, _given(grid, training_seconds) if training_seconds else _costs(grid))
    if cluster is None:
        _print_time(console, spec, work, measured=training_seconds is None)
    else:
        print_cost(console, spec, cluster, work, measured=training_seconds is None)


def _replicates(grid: Sequence[Cell], spec: SweepSpec) -> int:
    return sum(cell.trials(spec.budget.trials_per_cell) * cell.default_config().replicates for cell in grid)


def _confirmation(spec: SweepSpec, count: int) -> str:
    confirm = spec.confirm
    if not confirm.draws:
        return "no confirmation: best scores flatter, and the report gives no verdict"
    again = f", {confirm.replicates - confirm.draws} of them twice" if confirm.replicates > confirm.draws else ""
    return (
        f"each winner is confirmed on {confirm.draws} fresh draws{again}, and scored on the test part: "
        f"{count * confirm.replicates} trainings"
    )


def _print_data(console: Console, grid: Sequence[Cell]) -> None:
    table = _table("dataset", "classes", "pool", "test", "majority", "shots", "training rows", "validation rows")
    seen: set[tuple[str, str, int]] = set()
    for config in map(Cell.default_config, grid):
        if (row := (config.dataset.name, config.sampling, config.shots)) in seen:
            continue
        seen.add(row)
        data = load(config.dataset)
        draw = draw_of(config, data, 0)
        shots = f"{config.shots} {'per class' if config.sampling == 'per_class' else 'in all'}"
        sizes = (len(data.class_names), len(data.pool), len(data.test))
        table.add_row(
            data.name,
            *map(str, sizes),
            f"{data.majority_share:.1%}",
            shots,
            str(len(draw.train)),
            str(len(draw.validation)),
        )
    console.print(table)
    for note in dict.fromkeys(
        f"{c.dataset.name}: {note}" for c in map(Cell.default_config, grid) for note in load(c.dataset).notes
    ):
        console.print(f"  {note}", style="dim")
    console.print()


def _print_spaces(console: Console, grid: Sequence[Cell]) -> None:
    table = _table("loss", "searched field", "values", "first trial")
    seen: set[tuple[str, str, str]] = set()
    for cell in grid:
        first = cell.default_params()
        for loss, space in cell.spaces.items():
            for name, values in space.items():
                if (row := (loss, name, range_in_words(values))) not in seen:
                    seen.add(row)
                    table.add_row(*row, str(first.get(name, "-")))
    console.print(table)
    console.print()


def _print_pruning(console: Console, spec: SweepSpec, grid: Sequence[Cell]) -> None:
    config = grid[0].default_config()
    rungs = (
        spec.pruning.rungs if spec.pruning.rungs is not None else default_rungs(config.replicates, config.evaluations)
    )
    total = config.replicates * config.evaluations
    has_rungs = spec.pruning.rule in RULES_WITH_RUNGS
    where = f" at evaluations {', '.join(map(str, rungs))} of {total}" if has_rungs else ""
    console.print(f"pruning: {spec.pruning.rule}{where}\n")


def _print_time(console: Console, spec: SweepSpec, work: Work, *, measured: bool) -> None:
    slots = spec.budget.concurrency or max(1, int(allotted_cpus() // spec.resources.cpu))
    pace = f"on {slots} slots" + (" like this machine's, from a few measured steps" if measured else "")
    added = f", then {duration(work.confirmation / slots)} for the confirmations" if spec.confirm.draws else ""
    console.print(f"time: {duration(work.search / slots)} without pruning{added}, {pace}")


def _given(grid: Sequence[Cell], seconds: float) -> Mapping[str, TrainingSeconds]:
    """The costs of each cell, if one training takes so long, its evaluations included."""
    return {cell.key: TrainingSeconds(cell.default_config().replicates * seconds, seconds) for cell in grid}


def _costs(grid: Sequence[Cell]) -> Mapping[str, TrainingSeconds]:
    """The costs of each cell, from one short replicate for each dataset, encoder and shot count."""
    measured: dict[tuple[object, ...], TrainingSeconds] = {}
    costs: dict[str, TrainingSeconds] = {}
    for cell in grid:
        config = cell.default_config()
        like = (config.dataset.name, config.encoder, config.shots, config.sampling, config.batch_size, config.embedding)
        if like not in measured:
            measured[like] = _measure(config)
        costs[cell.key] = measured[like]
    return costs


def _measure(config: TrialConfig) -> TrainingSeconds:
    """Extrapolated from a few steps and one evaluation with warm caches."""
    import torch

    from trainable.training import replicates

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a worker has one CPU unless the spec gives it more
    steps = min(config.steps, _STEPS_ON_GPU) if torch.cuda.is_available() else 3
    probe = config.model_copy(update={"steps": steps, "evaluations": 1, "replicates": 1})
    try:
        next(replicates(probe))  # loads the encoder and tokenises
        evaluation = next(replicates(probe))
    finally:
        torch.set_num_threads(threads)
    training = config.steps * evaluation.metrics["train_seconds"] / probe.steps
    scoring = evaluation.metrics["eval_seconds"]
    data = load(config.dataset)
    scored = len(draw_of(config, data, 0).validation)
    test = scoring * len(data.test) / scored  # rows of a dataset cost alike
    return TrainingSeconds(config.replicates * (training + config.evaluations * scoring), training + scoring + test)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
