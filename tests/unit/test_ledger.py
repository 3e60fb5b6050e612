"""The ledger keeps what it is told, whatever interrupts it, and refuses what would mix two protocols."""

from __future__ import annotations

import time
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from sweep.errors import LedgerError
from sweep.ledger.ledger import Ledger
from sweep.ledger.provenance import confirmed_before
from sweep.ledger.storage import open_storage
from sweep.records.confirmation import Role
from sweep.records.sweep import DRAWS_BEFORE, SweepState
from sweep.records.trial import TrialRecord
from sweep.search.warm_start import FirstTrial
from sweep.spec.cells import Cell, cells
from sweep.spec.model import SweepSpec
from tests.sweeps.grid import evaluated, grid, spec
from trainable.outcomes import Evaluation, Outcome


def opened(path: Path, **changes: object) -> tuple[Ledger, tuple[Cell, ...]]:
    ledger = Ledger(open_storage(path, write=True), "small")
    cells = grid(**changes)
    ledger.begin(spec(**changes).resolved(), cells, {"python": "3.11"})
    return ledger, cells


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "ledger.journal"


def asked(ledger: Ledger, cell: Cell) -> TrialRecord:
    return ledger.ask(cell, seed=0, budget=8)


def test_a_sweep_keeps_its_id_over_reopening(journal: Path) -> None:
    first = opened(journal)[0].sweep()
    assert opened(journal)[0].sweep().id == first.id
    assert first.state is SweepState.RUNNING
    assert first.provenance == {"python": "3.11"}


def test_the_first_trial_has_the_published_defaults_and_the_rest_differ(journal: Path) -> None:
    ledger, cells = opened(journal)
    soft_triple = next(cell for cell in cells if cell.key.endswith("soft_triple"))
    first, *rest = [asked(ledger, soft_triple) for _ in range(4)]
    assert first.params == soft_triple.default_params()
    assert first.params["loss.margin"] == 0.01
    assert [record.number for record in (first, *rest)] == [0, 1, 2, 3]
    assert len({str(record.params) for record in (first, *rest)}) == 4


def test_proposals_depend_on_the_ledger_alone(tmp_path: Path) -> None:
    together, cells = opened(tmp_path / "a")
    proposals = [asked(together, cells[1]).params for _ in range(4)]
    reopened = []
    for _ in range(4):  # a new process for each trial
        ledger, cells = opened(tmp_path / "b")
        reopened.append(asked(ledger, cells[1]).params)
    assert reopened == proposals


def test_a_sweep_that_was_begun_is_not_read_again_for_each_trial(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The projection asks for it with every run: a storage copies all studies, with the runs of thousands of trials."""
    ledger, cells = opened(journal)
    asked(ledger, cells[0])
    ledger.record_run(None, "parent")
    monkeypatch.setattr(ledger._storage, "get_all_studies", lambda: pytest.fail("the storage was read"))
    assert ledger.sweep().run_id == "parent"


def test_a_reader_sees_how_the_sweep_continues(journal: Path) -> None:
    writer, _ = opened(journal)
    reader = Ledger(open_storage(journal, write=False), "small")
    assert reader.sweep().state is SweepState.RUNNING
    writer.end(SweepState.FINISHED)
    assert reader.sweep().state is SweepState.FINISHED
    assert writer.sweep().state is SweepState.FINISHED


def test_the_trials_of_a_cell_are_known_without_those_of_others(journal: Path) -> None:
    ledger, cells = opened(journal)
    keys = [asked(ledger, cell).key for cell in (cells[0], cells[1], cells[0])]
    assert [record.key for record in ledger.trials_of(cells[0].key)] == [keys[0], keys[2]]
    reopened, _ = opened(journal)
    assert [record.key for record in reopened.trials_of(cells[0].key)] == [keys[0], keys[2]]


def test_only_what_changes_is_written(journal: Path) -> None:
    """Each write waits for the disk: an evaluation takes two, or three where a replicate ends."""
    ledger, cells = opened(journal)
    key = asked(ledger, cells[0]).key

    def lines() -> int:
        return len(journal.read_text().splitlines())

    before = lines()
    ledger.record(key, evaluated(0, 1, 0.2))
    assert lines() == before + 2, "the evaluation, and the score for the search"
    ledger.record(key, evaluated(0, 2, 0.6))
    assert lines() == before + 5, "the final scores of the replicates besides"
    ledger.finish(key, Outcome.COMPLETED)
    assert lines() == before + 8, "outcome, time and state"


def test_a_reason_is_not_left_over_from_an_interruption(journal: Path) -> None:
    ledger, cells = opened(journal)
    key = asked(ledger, cells[0]).key
    ledger.record(key, evaluated(0, 1, 0.2))
    ledger.finish(key, Outcome.INTERRUPTED, "the sweep was stopped", "at night")
    assert ledger.restart(key).outcome is None
    ended = ledger.finish(key, Outcome.COMPLETED)
    assert (ended.outcome, ended.reason, ended.detail) == (Outcome.COMPLETED, "", "")
    assert opened(journal)[0].trial(key) == ended


def test_the_score_is_the_mean_over_completed_replicates(journal: Path) -> None:
    ledger, cells = opened(journal)
    key = asked(ledger, cells[0]).key
    scores = [
        ledger.record(key, evaluated(r, e, a)).score for r, e, a in [(0, 1, 0.2), (0, 2, 0.6), (1, 1, 0.1), (1, 2, 0.8)]
    ]
    assert scores == pytest.approx([0.2, 0.6, 0.6, 0.7])


def test_everything_survives_reopening(journal: Path) -> None:
    ledger, cells = opened(journal)
    key = asked(ledger, cells[0]).key
    ledger.record(key, evaluated(0, 1, 0.2))
    ledger.record(key, evaluated(0, 2, 0.6))
    ledger.finish(key, Outcome.PRUNED, "because")
    ledger.record_run(key, "run-1")
    ledger.record_run(None, "run-0")
    again = opened(journal)[0]
    assert again.trial(key) == ledger.trial(key)
    assert again.trial(key).outcome is Outcome.PRUNED
    assert again.trial(key).run_id == "run-1"
    assert again.sweep().run_id == "run-0"


def test_a_reader_sees_the_same_without_the_spec(journal: Path) -> None:
    ledger, cells = opened(journal)
    for cell in cells:
        ledger.record(asked(ledger, cell).key, evaluated(0, 1, 0.5))
    reader = Ledger(open_storage(journal, write=False), "small")
    reader.read()
    assert sorted(reader.trials(), key=lambda r: r.key) == sorted(ledger.trials(), key=lambda r: r.key)


def test_recording_a_report_twice_keeps_one(journal: Path) -> None:
    ledger, cells = opened(journal)
    key = asked(ledger, cells[0]).key
    for _ in range(2):
        ledger.record(key, evaluated(0, 1, 0.3))
    assert len(ledger.trial(key).evaluations) == 1


def test_an_interrupted_trial_restarts_with_one_more_attempt(journal: Path) -> None:
    ledger, cells = opened(journal)
    record = asked(ledger, cells[0])
    ledger.record(record.key, evaluated(0, 1, 0.3))
    assert ledger.finish(record.key, Outcome.INTERRUPTED, "stopped").outcome is Outcome.INTERRUPTED
    ledger, cells = opened(journal)
    again = ledger.restart(record.key)
    assert (again.attempts, again.outcome, again.reason, again.ended) == (2, None, "", None)
    assert again.params == record.params
    assert len(again.evaluations) == 1


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.COMPLETED, TrialState.COMPLETE),
        (Outcome.PRUNED, TrialState.PRUNED),
        (Outcome.DIVERGED, TrialState.PRUNED),
        (Outcome.FAILED, TrialState.FAIL),
    ],
)
def test_outcomes_are_told_to_optuna(journal: Path, outcome: Outcome, state: TrialState) -> None:
    ledger, cells = opened(journal)
    key = asked(ledger, cells[0]).key
    ledger.record(key, evaluated(0, 2, 0.4))
    ledger.finish(key, outcome, "why", "traceback")
    (trial,) = optuna.load_study(study_name=f"small/{cells[0].key}", storage=open_storage(journal, write=False)).trials
    assert trial.state is state
    record = opened(journal)[0].trial(key)
    assert (record.outcome, record.reason, record.detail) == (outcome, "why", "traceback")


def test_a_torn_last_record_is_cut_off_and_kept(journal: Path) -> None:
    ledger, cells = opened(journal)
    key = asked(ledger, cells[0]).key
    ledger.record(key, evaluated(0, 1, 0.3))
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code": 8, "trial_id"')
    ledger, cells = opened(journal)
    assert ledger.trial(key).score == pytest.approx(0.3)
    asked(ledger, cells[0])  # writing continues
    (torn,) = journal.parent.glob("*.torn-*")
    assert torn.read_bytes() == b'{"op_code": 8, "trial_id"'


@pytest.mark.lengthy
def test_any_prefix_of_the_journal_can_be_taken_up(tmp_path: Path) -> None:
    """A process may die between any two records: from each of them the sweep resumes to the same trials."""
    full, cells = opened(tmp_path / "full")
    for cell in cells:
        key = asked(full, cell).key
        for replicate, evaluation in [(0, 1), (0, 2), (1, 1), (1, 2)]:
            full.record(key, evaluated(replicate, evaluation, 0.5))
        full.finish(key, Outcome.COMPLETED)
    lines = (tmp_path / "full").read_bytes().splitlines(keepends=True)
    for cut in range(len(lines)):
        path = tmp_path / f"cut-{cut}"
        path.write_bytes(b"".join(lines[:cut]))
        ledger, cells = opened(path)
        for cell in cells:
            own = [record for record in ledger.trials() if record.cell == cell.key]
            record = own[0] if own else asked(ledger, cell)
            if record.outcome is None:
                if cut % 2:  # a stop may come before the trial is resumed
                    ledger.finish(record.key, Outcome.INTERRUPTED, "stopped")
                record = ledger.restart(record.key)
                assert record.outcome is None
            assert record.params == full.trial(record.key).params
            assert record.config == full.trial(record.key).config


@pytest.mark.lengthy
def test_confirmations_have_the_same_numbers_wherever_the_process_died(tmp_path: Path) -> None:
    full, (cell, _) = opened(tmp_path / "full")
    trial = full.finish(asked(full, cell).key, Outcome.COMPLETED)
    before = len((tmp_path / "full").read_bytes().splitlines())
    keys = [full.begin_confirmation(trial, role, trial.config).key for role in (Role.FINALIST, Role.CONFIRMATION)]
    lines = (tmp_path / "full").read_bytes().splitlines(keepends=True)
    for cut in range(before, len(lines) + 1):
        path = tmp_path / f"cut-{cut}"
        path.write_bytes(b"".join(lines[:cut]))
        ledger, _ = opened(path)
        known = ledger.confirmations()
        for role in (Role.FINALIST, Role.CONFIRMATION)[len(known) :]:
            ledger.begin_confirmation(trial, role, trial.config)
        assert [each.key for each in ledger.confirmations()] == keys
        assert [each.key for each in opened(path)[0].confirmations()] == keys


def test_a_cell_begins_as_a_whole_wherever_the_process_died(journal: Path) -> None:
    """What other sweeps suggest, and the digests of the data: both are on record with the cell, or the cell is new."""
    inputs = {cell.key: {"dataset support": {"rows": "72"}} for cell in grid()}

    def begin() -> Ledger:
        ledger = Ledger(open_storage(journal, write=True), "small")
        assert not ledger.without_digests()
        new = {cell.key: [FirstTrial({**cell.default_params(), "encoder_lr": 3e-5}, "other/x#1")] for cell in grid()}
        first = {cell.key: new[cell.key] for cell in ledger.new_cells(grid())}
        ledger.begin(spec().resolved(), grid(), {}, None, inputs, first)
        return ledger

    begin()
    written = journal.read_bytes().splitlines(keepends=True)
    for whole in range(len(written) + 1):
        journal.write_bytes(b"".join(written[:whole]))
        ledger = begin()
        for cell in grid():
            assert ledger.inputs(cell.key) == inputs[cell.key], whole
            assert [asked(ledger, cell).origin for _ in range(2)] == ["", "other/x#1"], whole


def test_more_draws_after_a_verdict_are_on_record_wherever_the_process_died(journal: Path) -> None:
    """Who has seen a verdict may have asked for more draws by it, so the report says so: a driver that was killed while
    it began with them must not hide it."""
    opened(journal, confirm={"draws": 8})[0].end(SweepState.FINISHED)
    finished = journal.read_bytes()
    more = spec(confirm={"draws": 16})

    def begin() -> None:
        ledger = Ledger(open_storage(journal, write=True), "small")
        ledger.begin(more.resolved(), grid(), confirmed_before(ledger.sweep(), more))

    begin()
    written = journal.read_bytes().removeprefix(finished).splitlines(keepends=True)
    for whole in range(len(written) + 1):
        journal.write_bytes(finished + b"".join(written[:whole]))
        begin()
        known = Ledger(open_storage(journal, write=False), "small").sweep()
        assert known.provenance == {DRAWS_BEFORE: "8"}, whole


def test_a_changed_search_range_is_refused_by_name(journal: Path) -> None:
    opened(journal)
    with pytest.raises(LedgerError, match=r"margin.*\n.*another name") as caught:
        opened(journal, search={"soft_triple": {"margin": {"low": 0, "high": 0.5}}})
    assert "small/support" not in str(caught.value)
    assert "support/4/soft_triple" in str(caught.value)
    assert "cross_entropy" not in str(caught.value)


def test_a_changed_protocol_is_refused(journal: Path) -> None:
    opened(journal)
    with pytest.raises(LedgerError, match="replicates"):
        opened(journal, protocol={"replicates": 3})


def test_more_cells_and_more_trials_are_welcome(journal: Path) -> None:
    opened(journal)
    losses = ["cross_entropy", "soft_triple", "supcon"]
    _, cells = opened(journal, compare={"loss": losses}, budget={"trials_per_cell": 9})
    assert len(cells) == 3


def test_a_cell_that_left_the_spec_is_refused(journal: Path) -> None:
    opened(journal)
    with pytest.raises(LedgerError, match="soft_triple: is in the ledger, but not in the spec"):
        opened(journal, compare={"loss": ["cross_entropy"]})


def test_a_file_that_is_no_journal_is_refused(journal: Path) -> None:
    journal.write_text("hello\nworld\n")
    with pytest.raises(LedgerError, match="must be a readable Optuna journal"):
        open_storage(journal, write=True)


def test_a_diverged_report_may_have_no_metrics(journal: Path) -> None:
    ledger, cells = opened(journal)
    key = asked(ledger, cells[0]).key
    end = Evaluation(draw=0, replicate=0, point=1, step=2, outcome=Outcome.DIVERGED, reason="the loss is nan")
    assert ledger.record(key, end).score is None
    assert ledger.finish(key, Outcome.DIVERGED, end.reason).outcome is Outcome.DIVERGED


def test_a_searched_loss_brings_its_own_space(journal: Path) -> None:
    blocks = {
        **spec().resolved(),
        "compare": {"dataset": ["support"], "shots": [4]},
        "search": {"loss": ["cross_entropy", "soft_triple", "arcface"]},
        "trial": {"encoder": "tiny"},
    }
    conditional = SweepSpec.model_validate(blocks)
    (cell,) = cells(conditional)
    ledger = Ledger(open_storage(journal, write=True), "small")
    ledger.begin(conditional.resolved(), (cell,), {})
    for number in range(16):
        record = ledger.ask(cell, seed=0, budget=16)
        loss = str(record.params["loss"])
        assert set(record.params) == {"loss", *cell.spaces[loss]}
        assert record.config.method == loss
        ledger.record(record.key, evaluated(0, 2, 0.1 * (number % 7)))
        ledger.finish(record.key, Outcome.COMPLETED)
    assert {record.config.method for record in ledger.trials()} == set(cell.spaces)


def test_the_order_of_ends_outlives_a_clock_that_is_set_back(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, (cell, *_) = opened(journal)
    keys = [ledger.ask(cell, seed=0, budget=8).key for _ in range(3)]
    clocks = iter([time.time() + 3600, time.time(), time.time() + 1])
    monkeypatch.setattr("sweep.ledger.ledger.time.time", lambda: next(clocks))
    for key in keys:
        ledger.finish(key, Outcome.FAILED, "no")
    monkeypatch.undo()
    ends = [ledger.trial(key).ended or 0.0 for key in keys]
    assert ends == sorted(set(ends))
