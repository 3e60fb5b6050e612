"""What a person sees while a sweep runs, and at its end."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sweep.display.cells_table import best_trial, print_cells
from sweep.display.formats import counted, duration, durations
from sweep.display.progress import Progress, _end, remaining_seconds
from sweep.ledger.ledger import Ledger
from sweep.ledger.storage import open_storage
from sweep.records.confirmation import Role
from sweep.scheduling.cell_costs import cell_costs
from sweep.scheduling.dispatcher import Dispatcher
from sweep.verdict import verdict
from tests.sweeps.grid import evaluated, grid, spec
from tests.sweeps.synthetic_results import synthetic_results
from trainable.draws import CONFIRMATION_START
from trainable.outcomes import Evaluation, Outcome


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Three trials of the first cell: completed 0.7, pruned at 0.9, running."""
    made = Ledger(open_storage(tmp_path / "journal", write=True), "small")
    made.begin(spec().resolved(), grid(), {})
    first, second, _ = (made.ask(grid()[0], seed=0, budget=8).key for _ in range(3))
    for replicate, evaluation, accuracy in [(0, 1, 0.5), (0, 2, 0.6), (1, 1, 0.5), (1, 2, 0.8)]:
        made.record(first, evaluated(replicate, evaluation, accuracy))
    made.finish(first, Outcome.COMPLETED)
    made.record(second, evaluated(0, 1, 0.9))
    made.finish(second, Outcome.PRUNED, "not among the best")
    return made


LOADING = "workers load torch and the encoder, then train"


def shown(ledger: Ledger, *, terminal: bool) -> str:
    output = io.StringIO()
    console = Console(file=output, force_terminal=terminal, width=110, color_system=None, highlight=False)
    progress = Progress(console)
    dispatcher = Dispatcher(ledger, spec(), grid(), slots=2, changed=progress.changed)
    with progress.showing(ledger, dispatcher):
        key = next(record.key for record in ledger.trials() if record.outcome is None)
        ledger.finish(key, Outcome.FAILED, "ValueError: no")
        progress.changed(key)
        progress.changed(key)
        if terminal:
            return "".join(str(line) for line in _lines(progress, console))
    return output.getvalue()


def _lines(progress: Progress, console: Console) -> list[str]:
    with console.capture() as captured:
        console.print(progress.table())
    return [captured.get()]


def test_a_pipe_gets_one_line_for_each_end(ledger: Ledger) -> None:
    lines = shown(ledger, terminal=False).splitlines()
    assert lines[0] == f"2 of 8 trials; {LOADING}"
    assert len(lines) == 2
    assert "support/4/cross_entropy #2  failed  score -  (ValueError: no)   3 of 8 trials" in lines[1]


def test_a_trial_that_is_resumed_is_not_done_until_it_is(ledger: Ledger) -> None:
    output = io.StringIO()
    progress = Progress(Console(file=output, width=110, color_system=None))
    (running,) = (record.key for record in ledger.trials() if record.outcome is None)
    ledger.finish(running, Outcome.INTERRUPTED, "the sweep was stopped")
    with progress.showing(ledger, Dispatcher(ledger, spec(), grid(), slots=2, changed=progress.changed)):
        before = progress._work_done()
        ledger.record(running, evaluated(0, 1, 0.5))
        ledger.finish(running, Outcome.COMPLETED)
        progress.changed(running)
        assert progress._work_done() > before
    first, end = output.getvalue().splitlines()
    assert first == f"2 of 8 trials; {LOADING}"
    assert LOADING not in end
    assert "support/4/cross_entropy #2  completed" in end


def test_a_terminal_gets_a_table_of_cells(ledger: Ledger) -> None:
    text = shown(ledger, terminal=True)
    assert "small   3 of 8 trials" in text
    row = next(line for line in text.splitlines() if line.startswith("support/4/cross_entropy"))
    assert row.split() == ["support/4/cross_entropy", "1", "1", "1", "0", "1", "0.700"]
    assert "Ctrl-C stops cleanly" in text


@pytest.mark.parametrize("width", [30, 60])
def test_the_tables_of_a_narrow_terminal_name_every_cell(ledger: Ledger, width: int) -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=width, color_system=None, highlight=False)
    progress = Progress(console)
    progress.watch(ledger, Dispatcher(ledger, spec(), grid(), slots=2, changed=progress.changed))
    console.print(progress.table())
    print_cells(console, ledger.results(), [cell.key for cell in grid()])
    text = output.getvalue()
    assert [text.count(cell.key) for cell in grid()] == [2] * len(grid())
    assert "…" not in text
    assert "pruned 1" in text


def test_pruned_trials_do_not_win(ledger: Ledger) -> None:
    best = best_trial(ledger.trials())
    assert best is not None
    assert best.score == pytest.approx(0.7)
    assert best_trial([]) is None


def test_the_final_table(ledger: Ledger) -> None:
    output = io.StringIO()
    console = Console(file=output, width=120, color_system=None, highlight=False)
    print_cells(console, ledger.results(), [grid()[0].key])
    row = output.getvalue().splitlines()[2]
    assert row.startswith("support/4/cross_entropy")
    assert "1 completed, 1 pruned, 1 running" in row
    assert "0.700" in row
    assert "encoder_lr=" in row


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (61.4, "1:01"), (3599.6, "1:00:00"), (11220, "3:07:00")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("parts", "whole", "shown"),
    [
        ((2.6, 1.5, 0.0), "0:04", ["0:03", "0:01", "0:00"]),
        ((3.4, 2.4), "0:06", ["0:04", "0:02"]),
        ((0.4, 0.4, 0.4), "0:01", ["0:01", "0:00", "0:00"]),
        ((59.6, 3600.0), "1:01:00", ["1:00", "1:00:00"]),
        ((), "0:00", []),
    ],
)
def test_parts_of_a_time_add_up_to_the_whole_as_shown(parts: tuple[float, ...], whole: str, shown: list[str]) -> None:
    assert durations(parts) == (whole, shown)


def test_cheap_trials_are_little_of_the_work(tmp_path: Path) -> None:
    compare = {"dataset": ["support"], "shots": [4], "recipe": ["frozen", "fine_tune"], "loss": ["supcon"]}
    changes: dict[str, Any] = {"compare": compare, "confirm": {"draws": 6, "reseeded": 0}}
    made, cells = spec(**changes), grid(**changes)
    ledger = Ledger(open_storage(tmp_path / "journal", write=True), "small")
    ledger.begin(made.resolved(), cells, {})
    progress = Progress(Console(file=io.StringIO()))
    with progress.showing(ledger, Dispatcher(ledger, made, cells, slots=2, changed=progress.changed)):
        costs = cell_costs(cells, {})
        mean = sum(cost.trial for cost in costs.values()) / 2
        confirmed = sum(cost.confirmation for cost in costs.values()) / mean
        assert progress._work() == pytest.approx(4 * 2 + 6 * confirmed), "4 trials and 6 trainings of each of two cells"
        for _ in range(4):
            ledger.finish(ledger.ask(cells[0], seed=0, budget=4).key, Outcome.FAILED, "reason")
        assert progress._work_done() == pytest.approx(4 * costs[cells[0].key].trial / mean)
        for _ in range(4):
            ledger.finish(ledger.ask(cells[1], seed=0, budget=4).key, Outcome.FAILED, "reason")
        assert progress._work_done() == pytest.approx(8)


def test_the_remaining_time_is_at_the_pace_of_this_run() -> None:
    assert remaining_seconds(done=6, before=4, total=10, elapsed=10) == pytest.approx(20)
    assert remaining_seconds(done=4, before=4, total=10, elapsed=10) is None


def test_workers_that_load_are_no_part_of_the_pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial begins at 0 s, and its replicates end at 40, 41 and 42 s."""
    now = [0.0]
    monkeypatch.setattr("sweep.display.progress.time.monotonic", lambda: now[0])
    changes: dict[str, Any] = {"compare": {"loss": ["triplet"]}, "protocol": {"replicates": 3, "evaluations": 1}}
    made, cells = spec(**changes), grid(**changes)
    ledger = Ledger(open_storage(tmp_path / "journal", write=True), "small")
    ledger.begin(made.resolved(), cells, {})
    progress = Progress(Console(file=io.StringIO()))
    progress.watch(ledger, Dispatcher(ledger, made, cells, slots=1, changed=progress.changed))
    key = ledger.ask(cells[0], seed=0, budget=4).key
    progress.changed(key)
    for replicate, seconds in enumerate((40.0, 41.0, 42.0)):
        now[0] = seconds
        ledger.record(key, evaluated(replicate, 1, 0.5))
        progress.changed(key)
    assert progress.headline().endswith("about 0:09 left"), "three trials of three replicates at a second each"


def test_a_smaller_budget_than_before_leaves_no_time_below_0(tmp_path: Path) -> None:
    """It said `4 of 2 trials`, and later that less than no time was left."""
    ledger = Ledger(open_storage(tmp_path / "journal", write=True), "small")
    ledger.begin(spec().resolved(), grid(), {})
    for _ in range(4):
        key = ledger.ask(grid()[0], seed=0, budget=4).key
        ledger.finish(key, Outcome.FAILED, "ValueError: no")
    less = spec(budget={"trials_per_cell": 2}, confirm={"draws": 3, "reseeded": 0})
    progress = Progress(Console(file=io.StringIO()))
    progress.watch(ledger, Dispatcher(ledger, less, grid(), slots=1, changed=progress.changed))
    assert progress.headline() == f"4 of 6 trials, 0 of 6 confirmation trainings; {LOADING}"
    assert progress._work_done() < progress._work()


@pytest.fixture
def confirmed(ledger: Ledger) -> Ledger:
    """The ledger above, whose completed trial has two of three confirmation draws."""
    key = ledger.begin_confirmation(ledger.trials()[0], Role.CONFIRMATION, ledger.trials()[0].config).key
    for number, accuracy in enumerate((0.5, 0.75)):
        ledger.count_attempt(key, f"{CONFIRMATION_START + number}.0")
        ledger.record_replicate(
            key,
            Evaluation(
                draw=CONFIRMATION_START + number,
                replicate=0,
                point=1,
                step=4,
                metrics={"test_accuracy": accuracy},
            ),
        )
    return ledger


def test_the_final_table_has_the_test_score_of_the_winner(confirmed: Ledger) -> None:
    output = io.StringIO()
    print_cells(Console(file=output, width=120, color_system=None), confirmed.results(), [c.key for c in grid()])
    lines = output.getvalue().splitlines()
    assert "test score" in lines[1]
    assert "0.625 (2 draws)" in lines[2]
    assert "draws" not in lines[3]


def test_a_pipe_is_told_of_confirmations(confirmed: Ledger) -> None:
    output = io.StringIO()
    progress = Progress(Console(file=output, width=200, color_system=None, highlight=False))
    changes: dict[str, Any] = {"confirm": {"draws": 3, "reseeded": 0}}
    dispatcher = Dispatcher(confirmed, spec(**changes), grid(), slots=2, changed=progress.changed)
    with progress.showing(confirmed, dispatcher):
        key = confirmed.confirmations()[0].key
        progress.changed(key)
        confirmed.finish_confirmation(key, Outcome.COMPLETED)
        progress.changed(key)
    first, second = output.getvalue().splitlines()
    assert first == f"2 of 8 trials, 0 of 6 confirmation trainings; {LOADING}"
    assert "support/4/cross_entropy #0  confirmation of 2 trainings  test 0.625" in second


def test_a_second_initialisation_counts_neither_here_nor_in_the_table(confirmed: Ledger) -> None:
    """The line said 0.283 of a winner whose row in the table said 0.246."""
    key, draw = confirmed.confirmations()[0].key, CONFIRMATION_START
    confirmed.count_attempt(key, f"{draw}.1")
    metrics = {"test_accuracy": 1.0}
    again = Evaluation(draw=draw, replicate=0, point=1, step=4, initialisation=1, metrics=metrics)
    confirmed.record_replicate(key, again)
    confirmed.finish_confirmation(key, Outcome.COMPLETED)
    assert _end(confirmed.confirmations()[0], None).endswith("confirmation of 3 trainings  test 0.625")


def test_a_training_that_diverged_counts_in_the_table_and_the_line_as_in_the_verdict() -> None:
    """The table said 0.839 (6 draws) of a winner of which the verdict said 0.614: four of ten trainings diverged."""
    results = synthetic_results(datasets=("trec",), losses=("soft_triple",), reseeded=0, diverged={"soft_triple": 4})
    (arm,) = verdict(results).comparisons[0].arms
    assert arm.summary is not None
    output = io.StringIO()
    print_cells(Console(file=output, width=200, color_system=None), results, [arm.cell])
    assert f"{arm.summary.mean:.3f} (10 draws)" in output.getvalue()
    said = _end(results.confirmations[0], results.sweep.data["trec"])
    assert said.endswith(f"confirmation of 10 trainings  test {arm.summary.mean:.3f}")


@pytest.mark.parametrize(("number", "said"), [(0, "0 draws"), (1, "1 draw"), (2, "2 draws")])
def test_one_is_not_said_in_the_plural(number: int, said: str) -> None:
    assert counted(number, "draw") == said
