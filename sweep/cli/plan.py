"""What a sweep would do: cells, trials, ranges, data, and how long it would take. Nothing is started but one short
training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sweep.cli.cost import print_cost
from sweep.cli.timing import measure_pace
from sweep.display.formats import counted, duration
from sweep.display.narrow import fitted
from sweep.execution.machine import slots_here
from sweep.ledger.stored import suggested
from sweep.remote.cluster_file import ClusterFile, fit_to_cluster
from sweep.scheduling.budget import Meter
from sweep.scheduling.workload import LEAST_DRAWS, TrainingSeconds, Work, work_of
from sweep.search.rungs import default_rungs
from sweep.search.warm_start import FirstTrial, most_first_trials
from sweep.spec.blocks import RULES_WITH_RUNGS
from sweep.spec.cells import Cell, cells
from sweep.spec.groups import groups
from sweep.spec.inputs import check_inputs, data_notes, with_rates
from sweep.spec.model import SweepSpec
from sweep.spec.wording import range_in_words
from sweep.verdict.comparisons import planned_tests
from sweep.verdict.power import smallest_seen, within
from sweep.verdict.repeated import arm_inflation, difference_inflation
from sweep.verdict.statistics import LEVEL
from trainable.config import TrialConfig
from trainable.cross_validation import is_cross_validated, trainings
from trainable.dataset_config import FEW_ROWS
from trainable.datasets import load
from trainable.draws import draw_of
from trainable.encoder.description import embedding_in_words
from trainable.recipes import RECIPES
from trainable.shots import Shots, in_words

__all__ = ["print_plan"]

_USUAL_ACCURACY, _USUALLY_UNLIKE = 0.8, 0.25  # assumed, since a plan knows no method


def print_plan(
    console: Console,
    spec: SweepSpec,
    *,
    timed: bool,
    root: Path = Path("sweeps"),
    cluster: ClusterFile | None = None,
    training_seconds: float | None = None,
) -> None:
    """Print the plan of `spec`; with `timed`, train and evaluate for a moment to estimate the time.

    root: the folder that holds the sweeps of a warm start. cluster: the machines to plan for, instead of this one; they
    keep such sweeps themselves. training_seconds: what one training takes, instead of the
    timing.

    Raises TrainableError for data, encoders or losses that cannot be trained with, ClusterError if no machine can hold
    a trial, StoredSweepError if a sweep of a warm start is not there, and TimingError if a training fails.
    """
    if cluster is not None:
        spec = fit_to_cluster(spec, cluster)
    spec = with_rates(spec, {})
    grid = cells(spec)
    first = suggested(spec, grid, root) if cluster is None else {}
    check_inputs(grid)
    trials = sum(cell.trials(spec.budget.trials_per_cell) for cell in grid)
    per_cell = f"up to {counted(spec.budget.trials_per_cell, 'trial')} in each of {len(grid)} cells"
    console.print(f"{spec.name}: {per_cell}, {trials} trials in all, ", end="")
    console.print(f"at most {_replicates(grid, [trials * each for trials, each in _searched(grid, spec)])}")
    console.print(_finalists(spec, grid) + _confirmation(spec, len(grid)) + "\n")
    _print_data(console, grid)
    _print_resolution(console, spec, grid)
    _print_encoders(console, grid)
    _print_spaces(console, grid)
    _print_warm_start(console, spec, first)
    _print_pruning(console, spec, grid)
    for note in Meter(spec.budget).without_effect if spec.resources.gpu == 0 else ():
        console.print(f"note: {note}\n", soft_wrap=True)
    if training_seconds is not None:
        _print_estimate(console, spec, cluster, work_of(grid, spec, _given(grid, training_seconds)), measured=False)
    elif timed:
        pace = measure_pace(grid, lambda what: console.print(f"timing a few steps of {what}", soft_wrap=True))
        if pace.diverged:
            _print_no_time(console, pace.diverged)
        else:
            _print_estimate(console, spec, cluster, work_of(grid, spec, pace.costs), measured=True)


def _print_estimate(
    console: Console, spec: SweepSpec, cluster: ClusterFile | None, work: Work, *, measured: bool
) -> None:
    if cluster is None:
        _print_time(console, spec, work, measured=measured)
    else:
        print_cost(console, spec, cluster, work, measured=measured)


def _searched(grid: Sequence[Cell], spec: SweepSpec) -> list[tuple[int, int]]:
    """Of each cell, how many trials it may have, and the replicates of each."""
    return [(cell.trials(spec.budget.trials_per_cell), cell.default_config().replicates) for cell in grid]


def _replicates(grid: Sequence[Cell], counts: Sequence[int]) -> str:
    """So many replicates of each cell, and how many trainings they are, of which turns are several."""
    replicates = sum(counts)
    each = (_trainings(cell.default_config()) for cell in grid)
    trained = sum(count * trainings for count, trainings in zip(counts, each, strict=True))
    return f"{replicates} replicates ({'trainings' if trained == replicates else f'{trained} trainings'})"


def _trainings(config: TrialConfig) -> int:
    """How many trainings a replicate of the search is."""
    return trainings(config, load(config.dataset))


def _finalists(spec: SweepSpec, grid: Sequence[Cell]) -> str:
    """What decides between tied trials before one is confirmed; empty where nothing does."""
    confirm = spec.confirm
    tied = [min(confirm.finalists, trials) for trials, _ in _searched(grid, spec)]
    counts = [count * confirm.finalist_draws if count > 1 else 0 for count in tied]
    if not (confirm.draws and any(counts)):
        return ""
    draws = counted(confirm.finalist_draws, "further draw")
    return f"up to {max(tied)} tied finalists of a cell are trained on {draws}: at most {_replicates(grid, counts)}\n"


def _confirmation(spec: SweepSpec, count: int) -> str:
    confirm = spec.confirm
    if not confirm.draws:
        return "no confirmation: best scores flatter, and the report gives no verdict"
    fresh = counted(confirm.draws, "fresh draw")
    again = f", {confirm.replicates - confirm.draws} of them twice" if confirm.replicates > confirm.draws else ""
    if looks := confirm.look_draws:
        return (
            f"each winner is confirmed on {looks[0]} to {confirm.draws} fresh draws{again}, and scored on the test "
            f"part; a comparison that is decided after {_or(looks[:-1])} ends there: "
            f"{count * confirm.least_replicates} to {count * confirm.replicates} trainings"
        )
    return (
        f"each winner is confirmed on {fresh}{again}, and scored on the test part: "
        f"{count * confirm.replicates} trainings"
    )


def _or(counts: Sequence[int]) -> str:
    *first, last = map(str, counts)
    return f"{', '.join(first)} or {last}" if first else last


def _print_data(console: Console, grid: Sequence[Cell]) -> None:
    table = _table("dataset", "classes", "pool", "test", "majority", "shots", "training rows", "validation rows")
    seen: set[tuple[str, str, Shots, int | str]] = set()
    for config in map(Cell.default_config, grid):
        data = load(config.dataset)
        turns = is_cross_validated(config, data)
        row = (config.dataset.name, config.sampling, config.shots, "cross" if turns else config.validation)
        if row in seen:
            continue
        seen.add(row)
        draw = draw_of(config, data, 0)
        sizes = (len(data.class_names), len(data.pool), len(data.test) if draw.test is None else len(draw.test))
        table.add_row(
            data.name,
            *map(str, sizes),
            f"{data.majority_share:.1%}",
            in_words(config.shots, config.sampling),
            str(len(draw.train)),
            "these, in turns" if turns else str(len(draw.validation)),
        )
    console.print(fitted(table, console))
    for name, notes in data_notes(grid).items():
        for note in notes:
            console.print(f"  {name}: {note}", style="dim")
    console.print()


def _print_resolution(console: Console, spec: SweepSpec, grid: Sequence[Cell]) -> None:
    """What so few test rows can tell, before anything is known of the methods."""
    tests = planned_tests(groups(spec))
    configs = {config.dataset.name: config.dataset for config in map(Cell.default_config, grid)}
    few = [data for data in map(load, configs.values()) if len(data.test) < FEW_ROWS] if spec.confirm.draws else []
    for data in few:
        rows, tested = len(data.test), 1 / data.folds if data.folds else 0.0
        near = 100 * within(_USUAL_ACCURACY, rows, arm_inflation(tested))
        text = (
            f"{data.name}: {rows} {'labels' if data.folds else 'test rows'} tell an accuracy of "
            f"{100 * _USUAL_ACCURACY:.0f} % to within {near:.0f} points"
        )
        if tests:
            variance = difference_inflation(tested) * _USUALLY_UNLIKE / rows
            seen = 100 * smallest_seen(variance, LEVEL / tests)
            text += (
                f"; between two methods that answer {100 * _USUALLY_UNLIKE:.0f} % of texts differently, differences "
                f"under {seen:.0f} points stay unseen ({tests} test{'s' if tests > 1 else ''})"
            )
        console.print(text, soft_wrap=True, highlight=False)
    if few:
        console.print()


def _print_encoders(console: Console, grid: Sequence[Cell]) -> None:
    """How each encoder makes an embedding, where a recipe reads that."""
    configs = [config for config in map(Cell.default_config, grid) if "embedding" in RECIPES[config.recipe.name].fields]
    lines = {f"encoder {config.encoder}: {embedding_in_words(config)}": None for config in configs}
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)
    if lines:
        console.print()


def _print_spaces(console: Console, grid: Sequence[Cell]) -> None:
    table = _table("method", "searched field", "values", "first trial")
    seen: set[tuple[str, str, str]] = set()
    for cell in grid:
        first = cell.default_params()
        for loss, space in cell.spaces.items():
            method = cell.method if len(cell.spaces) == 1 else loss
            for name, values in space.items():
                if (row := (method, name, range_in_words(values))) not in seen:
                    seen.add(row)
                    table.add_row(*row, str(first.get(name, "-")))
    console.print(fitted(table, console))
    console.print()


def _print_warm_start(console: Console, spec: SweepSpec, first: Mapping[str, Sequence[FirstTrial]]) -> None:
    if spec.warm_start:
        most = most_first_trials(spec.budget.trials_per_cell)
        found = f": {sum(map(bool, first.values()))} of {counted(len(first), 'cell')} find some" if first else ""
        console.print(
            f"warm start: after its defaults, each cell tries up to {most} of the best configurations of the same "
            f"recipe, loss and encoder in {' and '.join(spec.warm_start)}{found}\n",
            soft_wrap=True,
        )


def _print_pruning(console: Console, spec: SweepSpec, grid: Sequence[Cell]) -> None:
    if spec.pruning.rule == "none":
        console.print("pruning: none\n")
        return
    methods: dict[str, list[str]] = {}
    for cell in grid:
        methods.setdefault(_rungs(spec, cell), []).append(cell.method)
    several = len(methods) > 1
    for where, names in methods.items():
        which = f" ({', '.join(dict.fromkeys(names))})" if several else ""
        console.print(f"pruning: {spec.pruning.rule} {where}{which}")
    console.print()


def _rungs(spec: SweepSpec, cell: Cell) -> str:
    """Where the rule may stop a trial of the cell."""
    config, given = cell.default_config(), spec.pruning.rungs
    if spec.pruning.rule not in RULES_WITH_RUNGS:
        if config.replicates > LEAST_DRAWS:
            return f"after {LEAST_DRAWS} of {config.replicates} replicates at the earliest"
        return f"at no evaluation, since it needs more than {LEAST_DRAWS} replicates; received {config.replicates}"
    rungs = given if given is not None else default_rungs(config.replicates, config.evaluations)
    met = [str(rung) for rung in rungs if rung < cell.evaluations()]
    return f"at evaluations {', '.join(met)} of {cell.evaluations()}" if met else "at no evaluation"


def _print_time(console: Console, spec: SweepSpec, work: Work, *, measured: bool) -> None:
    slots = spec.budget.concurrency or slots_here(spec.resources.cpu, spec.resources.gpu)
    pace = f"on {counted(slots, 'slot')}" + (" like this machine's, from a few measured steps" if measured else "")
    least = f"{duration(work.first_look / slots)} to " if work.first_look < work.confirmation else ""
    most = duration(work.confirmation / slots)
    added = f", then up to {duration(work.deciders / slots)} between finalists" if work.deciders else ""
    added += f", then {least}{most} for the confirmations" if spec.confirm.draws else ""
    console.print(f"time: {duration(work.search / slots)} without pruning{added}, {pace}")


def _print_no_time(console: Console, diverged: Sequence[str]) -> None:
    console.print("time: unknown, since a training that diverges has none (--training-seconds S gives one)")
    for said in diverged:
        console.print(f"  {said}", soft_wrap=True)


def _given(grid: Sequence[Cell], seconds: float) -> Mapping[str, TrainingSeconds]:
    """The costs of each cell, if one training takes so long, its evaluations included."""
    configs = {cell.key: cell.default_config() for cell in grid}
    counts = {key: config.replicates * _trainings(config) for key, config in configs.items()}
    return {key: TrainingSeconds(count * seconds, seconds) for key, count in counts.items()}


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
