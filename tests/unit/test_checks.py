"""A check passes where the new classifier is shown to be at least as good, less the margin, and says what it found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from sweep.check import check_stored
from sweep.cli.commands import main
from sweep.errors import StoredSweepError
from sweep.ledger.directory import SweepDirectory
from sweep.ledger.ledger import Ledger
from sweep.ledger.storage import open_storage
from sweep.records.confirmation import Role
from sweep.records.sweep import DataRecord
from sweep.spec.cells import Cell, cells
from sweep.verdict import verdict
from sweep.verdict.checks import Check, Finding, check
from sweep.verdict.statistics import LEVEL, Difference, noninferiority_p
from tests.sweeps.grid import evaluated, spec
from tests.sweeps.synthetic_results import synthetic_results
from trainable.draws import CONFIRMATION_START
from trainable.outcomes import Evaluation, Outcome
from trainable.predicted_classes import PredictedClasses


def checked(gain: float, margin: float = 0.01, *, draws: int = 20, old_draws: int = 20, **options: Any) -> Check:
    """A sweep of a loss that gains so much, against the same sweep of a loss that gains nothing."""
    pairs = []
    for loss, count in (("soft_triple", draws), ("cross_entropy", old_draws)):
        results = synthetic_results(
            datasets=["trec"], losses=[loss], draws=count, gain={"soft_triple": gain}, quality_sd=0, **options
        )
        (comparison,) = verdict(results).comparisons
        assert comparison.best is not None
        pairs.append((comparison, comparison.best))
    new, old = pairs
    found = check(new, old, margin)
    assert found is not None
    return found


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("gain", "margin", "finding", "passed"),
    [
        (0.10, 0.01, Finding.BETTER, True),
        (-0.10, 0.01, Finding.WORSE, False),
        (0.0, 0.10, Finding.EQUIVALENT, True),
        (0.0, 0.001, Finding.UNDECIDED, False),
        (-0.10, 0.5, Finding.EQUIVALENT, True),
    ],
)
def test_what_is_found_follows_the_difference_and_the_margin(
    gain: float, margin: float, finding: Finding, passed: bool
) -> None:
    found = checked(gain, margin)
    assert (found.finding, found.passed) == (finding, passed)
    assert str(finding) in found.sentence


def test_an_open_question_says_what_would_decide_it() -> None:
    sentence = checked(0.0, 0.02, draws=4, old_draws=4, noise_sd=0.05).sentence
    assert "a loss of 2 points or more is not excluded; if there is none, about" in sentence
    assert "draws" in sentence


def test_what_would_decide_is_rounded_as_in_the_verdict() -> None:
    """`about 66117 labelled rows` was as precise as no estimate is."""
    sentence = checked(0.0, 0.005, draws=4, old_draws=4, noise_sd=0.05).sentence
    assert re.search(r"about [0-9],[0-9]00 draws would show it", sentence)


@pytest.mark.lengthy
def test_a_sweep_is_as_good_as_itself() -> None:
    results = synthetic_results(datasets=["trec"])
    (comparison,) = verdict(results).comparisons
    assert comparison.best is not None
    same = check((comparison, comparison.best), (comparison, comparison.best), 0.01)
    assert same is not None
    assert same.difference.mean == 0


def test_only_draws_of_both_sweeps_are_compared() -> None:
    assert checked(0.1, draws=20, old_draws=8).difference.n == 8


def test_a_loss_as_large_as_the_margin_passes_in_a_twentieth_of_all_checks() -> None:
    drawn_SN = np.random.default_rng(0).normal(-0.01, 0.05, (1000, 12))
    seen = [Difference(n=12, mean=each.mean(), sd=each.std(ddof=1), low=0, high=0, p_value=1) for each in drawn_SN]
    found = [noninferiority_p(each, 0.01) < LEVEL for each in seen]
    assert 0.03 < np.mean(found) < 0.07  # standard error 0.007


@pytest.mark.lengthy
def test_the_best_of_ten_that_all_lose_the_margin_passes_in_a_twentieth_of_all_checks() -> None:
    """The best is named by the very draws that test it; their scores share what the draw does to the old arm's."""
    rng, any_check = np.random.default_rng(1), checked(0.0)
    passed = {1: 0, 10: 0}
    for _ in range(1000):
        ten_KN = -0.01 + rng.normal(0, 0.03, (1, 12)) + rng.normal(0, 0.04, (10, 12))
        best_N = max(ten_KN, key=np.mean)
        seen = Difference(n=12, mean=best_N.mean(), sd=best_N.std(ddof=1), low=0, high=0, p_value=1)
        for best_of in passed:
            passed[best_of] += replace(any_check, difference=seen, best_of=best_of).passed
    assert passed[10] < 70  # standard error 7
    assert passed[1] > 150, "at 5 % it would be named and tested by one stroke of luck"


# ---- stored sweeps ---------------------------------------------------------------------------------------------------


def stored(
    root: Path,
    name: str,
    right: float,
    *,
    digest: str = "sha256:1",
    metric: str = "accuracy",
    first: int = 0,
    losses: Sequence[str] = ("cross_entropy",),
) -> None:
    """A finished sweep of one cell for each loss, whose confirmation answers a share of its 200 test rows right on six
    draws, from the one of this number on."""
    given = spec(name=name, compare={"loss": list(losses)}, protocol={"metric": metric}, confirm={"draws": 6})
    grid = cells(given)
    directory = SweepDirectory(root / name)
    directory.create()
    directory.write_spec(yaml.safe_dump(given.resolved()))
    labels = np.arange(200) % 4
    data = DataRecord(
        name="support",
        class_names=("a", "b", "c", "d"),
        pool=400,
        test=200,
        test_counts=(50,) * 4,
        labels=PredictedClasses.of({"label": labels}),
    )
    ledger = Ledger(open_storage(directory.journal, write=True), name)
    inputs = {cell.key: {"dataset support": {"texts and labels of the test part": digest}} for cell in grid}
    ledger.begin(given.resolved(), grid, {}, {"support": data}, inputs)
    for cell in grid:
        confirmed(ledger, cell, right, first, labels)


def confirmed(ledger: Ledger, cell: Cell, right: float, first: int, labels: np.ndarray[Any, Any]) -> None:
    trial = ledger.ask(cell, seed=0, budget=4).key
    for replicate, evaluation in ((0, 1), (0, 2), (1, 1), (1, 2)):
        ledger.record(trial, evaluated(replicate, evaluation, 0.5))
    ledger.finish(trial, Outcome.COMPLETED)
    record = ledger.trial(trial)
    confirmation = ledger.begin_confirmation(
        record, Role.CONFIRMATION, record.config.model_copy(update={"evaluations": 1})
    ).key
    for number in range(first, first + 6):
        wrong = np.random.default_rng(number).random(200) >= right
        ledger.record_replicate(confirmation, answered(number, labels, np.where(wrong, (labels + 1) % 4, labels)))
    ledger.finish_confirmation(confirmation, Outcome.COMPLETED)


def answered(number: int, labels_T: np.ndarray[Any, Any], predicted_T: np.ndarray[Any, Any]) -> Evaluation:
    return Evaluation(
        draw=CONFIRMATION_START + number,
        replicate=number,
        point=1,
        step=4,
        metrics={f"test_{name}": float((labels_T == predicted_T).mean()) for name in ("accuracy", "macro_f1")},
        predicted=PredictedClasses.of({"head": predicted_T}),
    )


def test_the_command_ends_with_0_or_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, right in (("old", 0.8), ("better", 0.95), ("worse", 0.6)):
        stored(tmp_path, name, right)
    asked = ["--against", "old", "--dir", str(tmp_path)]
    assert main(["check", "better", *asked]) == 0
    output = capsys.readouterr().out
    assert "support, 4 labels per class: cross_entropy" in output
    assert output.endswith(": better\npassed\n")
    assert main(["check", "worse", *asked]) == 1
    assert capsys.readouterr().out.endswith(": worse\nfailed: 1 of 1\n")
    assert main(["check", "old", *asked, "--margin", "5"]) == 0
    assert "equivalent, the difference is less than 5 points" in capsys.readouterr().out


def test_the_best_of_two_is_tested_at_half_the_level(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored(tmp_path, "old", 0.8)
    stored(tmp_path, "two", 0.8, losses=["cross_entropy", "supcon"])
    asked = ["check", "two", "--against", "old", "--dir", str(tmp_path), "--margin", "5"]
    assert main(asked) == 0
    told = "; tested at 2.5 % instead of 5 %, since these draws named it the best of 2"
    assert told in capsys.readouterr().out
    assert main([*asked, "--arm", "support/4/supcon"]) == 0
    assert "tested at" not in capsys.readouterr().out
    (found,) = check_stored("two", "old", tmp_path, margin=5)
    assert found.level == LEVEL / 2


def test_other_test_rows_and_other_metrics_are_refused(tmp_path: Path) -> None:
    stored(tmp_path, "old", 0.8)
    stored(tmp_path, "other-rows", 0.8, digest="sha256:2")
    stored(tmp_path, "other-metric", 0.8, metric="macro_f1")
    with pytest.raises(StoredSweepError, match="the same test rows in both sweeps"):
        check_stored("other-rows", "old", tmp_path, margin=1)
    with pytest.raises(StoredSweepError, match="'other-metric' was judged by macro_f1, 'old' by accuracy"):
        check_stored("other-metric", "old", tmp_path, margin=1)


def test_a_metric_that_is_not_accuracy_is_named(tmp_path: Path) -> None:
    stored(tmp_path, "old", 0.8, metric="macro_f1")
    (found,) = check_stored("old", "old", tmp_path, margin=1)
    assert found.sentence.startswith("support, 4 labels per class, macro F1: cross_entropy ")


def test_nothing_passes_that_was_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Draws of the same number which test other rows, as where data without a test part have another name."""
    stored(tmp_path, "old", 0.8)
    stored(tmp_path, "later", 0.8, first=6)
    assert main(["check", "later", "--against", "old", "--dir", str(tmp_path)]) == 2
    assert "draws that both sweeps have tested on the same rows; 'later' and 'old' have none" in capsys.readouterr().err


def test_scores_are_shown_of_the_draws_that_both_have(tmp_path: Path) -> None:
    stored(tmp_path, "old", 0.8)
    stored(tmp_path, "later", 0.8, first=3)
    (found,) = check_stored("later", "old", tmp_path, margin=1)
    assert found.difference.n == len(found.new.scores) == len(found.old.scores) == 3
    shown = re.findall(r"([0-9.]+) %", found.sentence.split(": ")[1])
    assert len(shown) == 2
    assert len(set(shown)) == 1
    assert found.difference.mean == 0


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    stored(tmp_path, "old", 0.8)
    with pytest.raises(StoredSweepError, match="there is none at 'new'"):
        check_stored("new", "old", tmp_path, margin=1)
    with pytest.raises(
        StoredSweepError, match="no confirmed arm of 'old' is 'trec/8/supcon'; there are support/4/cross"
    ):
        check_stored("old", "old", tmp_path, margin=1, arm="trec/8/supcon")
    (found,) = check_stored("old", "old", tmp_path, margin=1, arm="support/4/cross_entropy")
    assert found.difference.mean == 0


@pytest.mark.parametrize("margin", ["-1", "101", "some"])
def test_a_margin_is_a_number_of_points(margin: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", "new", "--against", "old", "--margin", margin])
    assert ended.value.code == 2
    assert f"must be from 0 to 100; received {margin}" in capsys.readouterr().err
