"""The pure parts of the benchmark: its trials, its accounts, its table, and how it measures a command."""

from __future__ import annotations

import json
import os
import sys
import time
from argparse import ArgumentTypeError
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from sweep.ledger.directory import SweepDirectory
from tests.benchmarks import memory, outage, packing
from tests.benchmarks.arms import TrialTimes
from tests.benchmarks.options import count
from tests.benchmarks.projection import ShownRun, differences
from tests.benchmarks.protocol import Protocol
from tests.benchmarks.summary import Measurement, Spread, account, measurement, ratios, summarise, tables
from tests.benchmarks.trials import _arms, _check
from tests.services.poll_while import poll_while
from tests.services.process import CommandFailedError, ProcessRun, clean_environment, run_command
from tests.sweeps.synthetic_results import synthetic_results

PROTOCOL = Protocol(Path("senteval"), trials=4)


def trial(rate: float, started: float, evaluated: tuple[float, ...]) -> TrialTimes:
    scores = tuple(0.1 * number for number in range(1, len(evaluated) + 1))
    times = {"training": 6.0, "evaluation": 3.0, "started": started}
    return TrialTimes(learning_rate=rate, scores=scores, evaluated=evaluated, **times)


def measured(arm: str, number: int, wall: float) -> Measurement:
    run = ProcessRun(1000.0, 1000.0 + wall, driver_mib=300.0, worker_mib=900.0)
    trials = [trial(1e-5, 1004.0, (1010.0, 1014.0)), trial(2e-5, 1004.5, (1010.5, 1016.0))]
    return measurement(arm, number, load=0.5, run=run, trials=trials, slots=2)


def test_trials_differ_in_the_learning_rate_alone() -> None:
    configs = PROTOCOL.configs()
    assert [config.encoder_lr for config in configs] == [1e-05, 2.15e-05, 4.64e-05, 0.0001]
    assert len({config.model_copy(update={"encoder_lr": 1.0}) for config in configs}) == 1


def test_twelve_learning_rates_are_different() -> None:
    assert len(set(Protocol(Path()).learning_rates())) == 12


def test_the_sweep_trains_the_trials_of_the_other_arms() -> None:
    from sweep.spec.cells import cells
    from sweep.spec.model import SweepSpec

    spec = SweepSpec.model_validate(PROTOCOL.spec("sqlite:///mlflow.db"))
    found = [cell.default_config() for cell in cells(spec)]
    assert sorted(found, key=lambda config: config.encoder_lr) == list(PROTOCOL.configs())
    assert spec.budget.trials_per_cell == 1


def test_the_account_adds_up_to_the_wall_time() -> None:
    run = ProcessRun(100.0, 130.0, driver_mib=1.0, worker_mib=1.0)
    trials = [trial(1e-5, 105.0, (112.0, 120.0)), trial(2e-5, 105.1, (113.0, 124.0))]
    phases = account(run, trials, slots=2)
    assert phases == pytest.approx(
        {"start": 5.0, "workers": 8.0, "training": 6.0, "evaluation": 3.0, "waiting": 2.0, "end": 6.0}
    )
    assert sum(phases.values()) == pytest.approx(run.wall)


def test_idle_is_what_is_neither_training_nor_evaluation() -> None:
    assert measured("sweep", 1, 30.0).idle == pytest.approx(1 - 9 / 30)


def test_an_arm_without_times_has_no_account() -> None:
    run = ProcessRun(0.0, 10.0, driver_mib=1.0, worker_mib=1.0)
    times = TrialTimes(learning_rate=1e-5, scores=(0.1,), training=4.0, evaluation=1.0)
    done = measurement("bare", 1, load=0.0, run=run, trials=[times], slots=1)
    assert done.phases == {}
    assert done.first_report is None
    assert done.last_scores == {"1e-05": 0.1}


def test_ratios_compare_runs_of_the_same_round() -> None:
    runs = [
        measured("sweep", 1, 20.0),
        measured("bare", 1, 18.0),
        measured("sweep", 2, 40.0),
        measured("bare", 2, 38.0),
    ]
    assert ratios(runs) == {"bare": Spread.of([0.9, 0.95])}


def test_without_the_sweep_there_are_no_ratios() -> None:
    assert ratios([measured("bare", 1, 20.0)]) == {}


def test_the_summary_says_what_was_expected_and_whether_scores_agree() -> None:
    runs = [measured("sweep", 1, 20.0), measured("bare", 1, 18.0), measured("assembled", 1, 50.0)]
    summary = summarise(runs)
    assert summary["ratios"]["assembled"] == {"median": 2.5, "least": 2.5, "greatest": 2.5, "expected": 2.0}
    assert summary["ratios"]["bare"]["expected"] == 0.85
    assert summary["arms"]["sweep"]["wall"]["median"] == 20.0
    assert summary["scores_equal_those_of_the_bare_loop"] is True
    assert summarise(runs[:1])["scores_equal_those_of_the_bare_loop"] is None


def test_the_table_is_markdown_with_one_row_an_arm() -> None:
    runs = [
        measured("sweep", 1, 20.0),
        measured("bare", 1, 18.0),
        measured("sweep", 2, 30.0),
        measured("bare", 2, 27.0),
    ]
    lines = tables(runs, trials=2).splitlines()
    rows = [line for line in lines if line.startswith("| this") or line.startswith("| bare")]
    assert len(rows) == 2
    assert "| 25 (20 to 30) | 288 | 1 |" in rows[0]
    assert "| 0.90 |" in rows[1]
    assert {line.count("|") for line in lines[:4]} == {10}
    assert any(line.startswith("| training | 6.0 |") for line in lines)


def test_an_arm_that_did_less_is_refused() -> None:
    whole = [trial(rate, 0.0, (1.0, 2.0, 3.0, 4.0)) for rate in PROTOCOL.learning_rates()]
    _check("bare", whole, PROTOCOL)
    for less in (whole[:-1], [*whole[:-1], trial(1e-4, 0.0, (1.0, 2.0))], [*whole, whole[0]]):
        with pytest.raises(CommandFailedError, match="must evaluate each learning rate"):
            _check("bare", less, PROTOCOL)


def test_a_command_is_measured_with_the_processes_below_it(tmp_path: Path) -> None:
    worker = "import time; block = bytearray(64 * 2**20); time.sleep(0.7)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {worker!r}], check=True)"
    run = run_command([sys.executable, "-c", code], folder=tmp_path, environment=clean_environment(tmp_path, tmp_path))
    assert 0.7 < run.wall < 30
    assert run.worker_mib > 64
    assert 0 < run.driver_mib < 64


def test_a_command_that_fails_is_told_with_the_end_of_its_output(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; print('no such task'); sys.exit(3)"]
    with pytest.raises(CommandFailedError, match=r"(?s)exit code 3.*no such task"):
        run_command(command, folder=tmp_path, environment=clean_environment(tmp_path, tmp_path))


def test_settings_of_the_tools_do_not_reach_an_arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://somewhere")
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    environment = clean_environment(tmp_path, Path("/repository"))
    assert "MLFLOW_TRACKING_URI" not in environment
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["PYTHONPATH"] == "/repository"


@pytest.mark.parametrize("text", ["0", "-1", "two", ""])
def test_counts_are_whole_numbers_from_1(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="from 1"):
        count(text)


@pytest.mark.parametrize("text", ["swep", "sweep,sweep", ""])
def test_arms_are_known_and_different(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="among sweep, bare, assembled"):
        _arms(text)


# ---- MLflow out of reach


def outage_runs(*ratios: float) -> list[outage.Run]:
    return [
        outage.Run(arm=arm, round=number, load=0.5, wall=wall)
        for number, ratio in enumerate(ratios, start=1)
        for arm, wall in (("up", 50.0), ("down", 50.0 * ratio))
    ]


def shown(**fields: object) -> ShownRun:
    run = ShownRun(
        name="soft_triple #0",
        status="FINISHED",
        nested=True,
        started=1,
        ended=2,
        tags={"sweep.role": "trial"},
        params={"loss": "soft_triple"},
        points={"score": ((1, 0.5, 2), (2, 0.75, 3))},
        artifacts=("failure.txt",),
    )
    return replace(run, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(("ratios", "met"), [((1.2, 1.04, 0.9), True), ((1.06, 1.06, 1.0), False)])
def test_an_outage_may_cost_a_twentieth(ratios: tuple[float, ...], met: bool) -> None:
    summary = outage.summarise(outage_runs(*ratios), [])
    assert summary["ratio"] == pytest.approx(sorted(ratios)[1])
    assert summary["ratio_by_round"] == pytest.approx(ratios)
    assert summary["met"] is met


def test_stores_that_differ_break_the_promise() -> None:
    same = outage.Comparison.of("equal", {"trial a": shown()}, {"trial a": shown()})
    assert (same.runs, same.points, same.artifacts, same.differences) == (1, 2, 1, ())
    other = outage.Comparison.of("unequal", {"trial a": shown()}, {"trial a": shown(status="RUNNING")})
    assert outage.summarise(outage_runs(1.0), [same])["met"]
    assert not outage.summarise(outage_runs(1.0), [same, other])["met"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (shown(status="RUNNING"), "trial a: status is 'FINISHED' and 'RUNNING'"),
        (shown(tags={}), "trial a: tags/sweep.role is 'trial' and None"),
        (shown(points={"score": ((1, 0.5, 2),)}), "trial a: points/score is ((1, 0.5, 2), (2, 0.75, 3)) and ((1,"),
        (shown(artifacts=()), "trial a: artifacts is ('failure.txt',) and ()"),
    ],
)
def test_differences_name_run_and_field(changed: ShownRun, told: str) -> None:
    (found,) = differences({"trial a": shown()}, {"trial a": changed})
    assert found.startswith(told)


def test_a_run_that_one_store_lacks_is_a_difference() -> None:
    assert differences({"trial a": shown()}, {"trial b": shown()}) == [
        "trial a: only in the first",
        "trial b: only in the second",
    ]


# ---- the driver's memory


def memory_samples(*driver: float) -> list[memory.Sample]:
    return [
        memory.Sample(time=10.0 * number, trials=100 * number, driver=mib, others={"raylet": 50.0})
        for number, mib in enumerate(driver)
    ]


@pytest.mark.parametrize(("last", "met"), [(109.0, True), (111.0, False)])
def test_a_driver_may_grow_by_a_tenth(last: float, met: bool) -> None:
    results = memory.summarise(memory_samples(50.0, 90.0, *[100.0] * 18, last))
    assert results["growth"] == pytest.approx(last / 100)
    assert results["met"] is met
    assert results["seconds_per_trial"] == pytest.approx(0.1)
    assert list(results["marks"]) == [200, 500, 1000, 1500, 2000]
    assert results["curve"][1] == (100, 90.0)


def test_a_sweep_that_is_too_short_shows_no_growth() -> None:
    results = memory.summarise(memory_samples(50.0, 90.0, 100.0))
    assert (results["growth"], results["met"]) == (None, False)


def test_ended_trials_are_counted_in_a_journal_that_grows(tmp_path: Path) -> None:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.study import create_study

    path = tmp_path / "ledger.journal"
    ended = memory.EndedTrials(path)
    assert ended.update() == 0
    study = create_study(storage=JournalStorage(JournalFileBackend(str(path))))
    study.enqueue_trial({})
    first, second = study.ask(), study.ask()
    assert ended.update() == 0
    study.tell(first, 0.5)
    assert ended.update() == 1
    with path.open("ab") as file:
        file.write(b'{"datetime_complete":')  # the beginning of a record
    assert ended.update() == 1
    os.truncate(path, path.stat().st_size - len(b'{"datetime_complete":'))
    study.tell(second, 0.5)
    assert ended.update() == 2


def test_the_driver_is_the_process_that_the_folder_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "PERIOD", 0.01)
    sampler = memory.Sampler.of(SweepDirectory(tmp_path))
    with poll_while(sampler.look, memory.PERIOD):
        time.sleep(0.05)
        assert not sampler.samples
        (tmp_path / "driver.lock").write_text(json.dumps({"pid": os.getpid()}))
        deadline = time.monotonic() + 10
        while not sampler.samples and time.monotonic() < deadline:
            time.sleep(0.01)
    assert sampler.samples[0].trials == 0
    assert sampler.samples[0].driver > 10


@pytest.mark.parametrize("program", [outage, memory])
def test_the_programs_take_whole_numbers_from_1(program: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        program.main(["--trials", "0"])
    assert caught.value.code == 2
    assert "whole number from 1; received '0'" in capsys.readouterr().err


def test_sweeps_are_compared_by_what_both_have_trained() -> None:
    results = synthetic_results()
    reference = packing.values(results)
    assert not any(name.endswith("_seconds") for *_, name in reference)
    first, *others = results.trials
    other = replace(first, config=first.config.model_copy(update={"encoder_lr": 0.123}))
    replicate, *rest = results.confirmations[0].replicates
    metrics = {**replicate.evaluation.metrics, "test_accuracy": 0.123}
    changed = replace(replicate, evaluation=replace(replicate.evaluation, metrics=metrics))
    differing = replace(
        results,
        trials=(other, *others),
        confirmations=(replace(results.confirmations[0], replicates=(changed, *rest)), *results.confirmations[1:]),
    )
    ended = min(trial.ended for trial in results.trials if trial.ended is not None)
    same = packing.packed_run("resources.gpu=1", results, reference, began=ended - 4.0, wall=60.0)
    assert (same.shared, same.equal, same.first, same.trials) == (len(reference), len(reference), 4.0, len(others) + 1)
    found = packing.packed_run("resources.gpu=0.5", differing, reference, began=0.0, wall=60.0)
    unknown = reference.keys() - packing.values(differing).keys()
    assert unknown, "what only one of them has trained is not compared"
    assert (found.shared, found.equal) == (len(reference) - len(unknown), len(reference) - len(unknown) - 1)
