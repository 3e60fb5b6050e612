"""The benchmark of rung rules: its table, its replay, and that the replay decides as the pruners do."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray
from optuna.trial import TrialState

from sweep.search.pruning import FINAL_SCORES, Adaptive, ReplicateAsha
from tests.benchmarks.rung_rules import Choice, Rule, gain, replay, rules
from tests.benchmarks.rung_table import (
    CellScores,
    Protocol,
    RungTable,
    RungTableError,
    fill,
    measure,
    random_configurations,
)
from tests.benchmarks.rungs import _counts, _names, compare, main, populations
from trainable.config import TrialConfig
from trainable.objective import Objective

PROTOCOL = Protocol(shots=2, evaluations=2, steps=4, validation=20)


def synthetic(
    configurations: int = 12, draws: int = 6, evaluations: int = 4, *, noise: float = 0.04, seed: int = 0
) -> NDArray[np.float64]:
    """scores_KNE: quality + effect of the draw + noise, rising towards the end of a replicate."""
    rng = np.random.default_rng(seed)
    quality_K11 = rng.normal(0, 0.05, (configurations, 1, 1))
    draw_1N1 = rng.normal(0, 0.05, (1, draws, 1))
    noise_KNE = rng.normal(0, noise, (configurations, draws, evaluations))
    rise_E = np.linspace(0.2, 0.5, evaluations)
    return rise_E + quality_K11 + draw_1N1 + noise_KNE


def play(scores_KRE: NDArray[np.float64], rule: Rule, budget: float = 1e9) -> Choice:
    return replay(scores_KRE, rule, budget=budget, evaluation_share=0.0)


def named(name: str, replicates: int = 4, evaluations: int = 4) -> Rule:
    return next(rule for rule in rules(replicates, evaluations) if rule.name == name)


# ---- the rules -------------------------------------------------------------------------------------------------------


def test_the_rules_are_those_that_they_say() -> None:
    assert [(rule.replicates, rule.rungs, rule.adaptive) for rule in rules(4, 4)] == [
        (1, (), False),
        (4, (), False),
        (1, (1, 2), False),
        (4, (4, 8), False),
        (4, (2, 4, 8), False),
        (4, (2, 4, 8), True),
    ]


def test_without_rungs_everything_is_trained_and_the_best_is_chosen() -> None:
    scores_KRE = synthetic()[:, :4]
    choice = play(scores_KRE, named("all draws each"))
    assert choice.spent == 12 * 4
    assert choice.configuration == scores_KRE[:, :, -1].mean(axis=1).argmax()
    single = play(scores_KRE, named("one draw each"))
    assert single.spent == 12
    assert single.configuration == scores_KRE[:, 0, -1].argmax()


def test_the_budget_ends_the_search_and_interrupts_a_trial() -> None:
    choice = play(synthetic()[:, :4], named("all draws each"), budget=5.5)
    assert choice.spent == 5.5
    assert [max(trace.scores) for trace in choice.traces] == [16, 6]
    assert choice.configuration == 0  # the only one that completed, whatever the second one had
    assert play(synthetic()[:, :4], named("one draw each"), budget=3).spent == 3


def test_where_none_completes_the_one_that_came_furthest_is_chosen() -> None:
    assert play(synthetic()[:, :4], named("all draws each"), budget=2).configuration == 0


def test_a_rule_pays_for_the_evaluations_that_it_needs() -> None:
    """At half a training an evaluation, a replicate with one costs 1.5: 1 in the unit of budgets."""
    scores_KRE = synthetic(configurations=1)[:, :4]
    for name, evaluations in {"one draw each": 1, "all draws each": 4, "ASHA over epochs, one draw": 3}.items():
        rule = named(name)
        spent = replay(scores_KRE, rule, budget=100, evaluation_share=0.5).spent
        assert spent == pytest.approx((rule.replicates + 0.5 * evaluations) / 1.5)


@pytest.mark.parametrize("name", ["ASHA over epochs, one draw", "ASHA over draws", "both", "both, adaptive"])
@pytest.mark.parametrize("seed", range(3))
def test_the_replay_stops_what_the_pruner_stops(name: str, seed: int) -> None:
    scores_KRE = synthetic(configurations=24, noise=0.1, seed=seed)[:, :4]
    rule = named(name)
    traces = play(scores_KRE, rule).traces
    assert [(max(trace.scores), trace.stopped) for trace in traces] == with_optuna(scores_KRE, rule)
    assert any(trace.stopped for trace in traces)


def with_optuna(scores_KRE: NDArray[np.float64], rule: Rule) -> list[tuple[int, bool]]:
    """Where each trial ended in a study with the project's own pruner, and whether it was pruned there."""
    evaluations = scores_KRE.shape[2]
    halving = ReplicateAsha(rule.rungs, 3, 3)
    pruner = Adaptive(halving, evaluations) if rule.adaptive else halving
    study = optuna.create_study(direction="maximize", storage=optuna.storages.InMemoryStorage(), pruner=pruner)
    ends = []
    for scores_RE in scores_KRE:
        trial = study.ask()
        finals: list[float] = []
        pruned = False
        for number in range(1, rule.replicates * evaluations + 1):
            value = float(scores_RE[(number - 1) // evaluations, (number - 1) % evaluations])
            if number % evaluations == 0:
                finals.append(value)
                trial.set_user_attr(FINAL_SCORES, finals)
            trial.report(float(np.mean(finals)) if finals else value, number)
            pruned = trial.should_prune()
            if pruned:
                break
        study.tell(trial, None if pruned else float(np.mean(finals)), TrialState.PRUNED if pruned else None)
        ends.append((number, pruned))
    return ends


def test_the_adaptive_rule_stops_less_where_the_rung_misleads() -> None:
    """On average: a pilot of five trials is taken in by chance every third time."""
    stopped = {"both": 0, "both, adaptive": 0}
    for seed in range(8):
        scores_KRE = synthetic(configurations=60, noise=0.01, seed=seed)[:, :2]
        scores_KRE[:, 0] = np.random.default_rng(seed).normal(0.5, 0.1, scores_KRE[:, 0].shape)  # a draw of pure noise
        for name in stopped:
            stopped[name] += sum(trace.stopped for trace in play(scores_KRE, named(name, replicates=2)).traces)
    assert stopped["both"] > 8 * 45
    assert stopped["both, adaptive"] < 0.7 * stopped["both"]


# ---- the comparison --------------------------------------------------------------------------------------------------


def test_the_gain_is_measured_on_unseen_draws() -> None:
    scores_KNE = np.zeros((3, 2, 1))
    scores_KNE[0, 0] = 0.9  # what the search sees
    scores_KNE[:, 1, 0] = [0.1, 0.2, 0.6]
    assert gain(scores_KNE, 0, used=1) == pytest.approx(-20.0)
    assert gain(scores_KNE, 2, used=1) == pytest.approx(30.0)


def compared(scores_KNE: NDArray[np.float64], repeats: int = 40) -> dict[str, float]:
    found = compare(scores_KNE, search_draws=4, budgets=(40,), repeats=repeats, evaluation_share=0.02, factor=3)
    return {result["rule"]: result["gain"] for result in found}


def test_a_search_finds_more_than_the_mean_configuration() -> None:
    found = compared(synthetic(configurations=40))
    assert len(found) == 6
    assert all(value > 2 for value in found.values())


def test_equal_configurations_have_nothing_to_find() -> None:
    rng = np.random.default_rng(0)
    found = compared(rng.normal(0.5, 0.05, (40, 6, 4)), repeats=200)
    assert all(abs(value) < 1.5 for value in found.values())


def test_the_comparison_is_a_function_of_the_table() -> None:
    assert compared(synthetic(), repeats=5) == compared(synthetic(), repeats=5)


def test_losses_compete_together_or_each_for_itself(capsys: pytest.CaptureFixture[str]) -> None:
    cells = {name: filled(name, 3, 2) for name in ("trec/8/supcon", "trec/8/cross_entropy", "cr/8/supcon")}
    cells["cr/8/cross_entropy"] = filled("cr", 3, 1)
    table = RungTable(PROTOCOL, cells)
    together = populations(table, "searched", draws=2)
    assert {key: scores_KNE.shape for key, scores_KNE in together.items()} == {
        "trec/8/searched": (6, 2, 2),
        "cr/8/searched": (3, 2, 2),
    }
    assert set(populations(table, "each", draws=2)) == set(cells) - {"cr/8/cross_entropy"}
    assert "left out: cr/8/cross_entropy" in capsys.readouterr().err


def filled(seed: str, configurations: int, draws: int) -> CellScores:
    scores_KNE = synthetic(configurations, draws, 2, seed=len(seed))
    places = [(k, n) for k in range(configurations) for n in range(draws)]
    return CellScores(
        [{"beta": 0.1 * k} for k in range(configurations)], {at: scores_KNE[at].tolist() for at in places}
    )


# ---- the table -------------------------------------------------------------------------------------------------------


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    cells = {"trec/8/supcon": filled("a", 3, 2), "cr/8/supcon": CellScores([{"beta": 0.5}], {})}
    del cells["trec/8/supcon"].scores[1, 1]
    path = tmp_path / "new" / "rungs.json"
    RungTable(PROTOCOL, cells).write(path)
    assert RungTable.read(path) == RungTable(PROTOCOL, cells)
    assert [file.name for file in path.parent.iterdir()] == ["rungs.json"]


def test_only_whole_draws_are_used() -> None:
    cell = filled("a", 3, 4)
    assert cell.complete().shape == (3, 4, 2)
    del cell.scores[1, 2]
    assert cell.complete().shape == (3, 2, 2)
    assert CellScores([], {}).complete().size == 0


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 9}', '{"format": 1, "protocol": {"x": 1}, "cells": {}}'])
def test_what_is_no_table_is_refused(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rungs.json"
    path.write_text(text)
    assert main(["compare", "--table", str(path)]) == 1
    assert "must be a table of scores" in capsys.readouterr().err


def counted(config: TrialConfig, draw: int) -> list[float]:
    """In place of training: a function of what is measured."""
    return [round(config.encoder_lr * 1000, 4), 0.1 * draw]


def test_only_what_is_missing_is_measured(tmp_path: Path) -> None:
    (cell,) = PROTOCOL.cells(tmp_path, ["trec"], ["supcon"])
    table = RungTable(PROTOCOL, {})
    done: list[tuple[int, int]] = []

    def more(configurations: int, draws: int) -> Sequence[tuple[int, int]]:
        done.clear()
        fill(
            table,
            [cell],
            configurations=configurations,
            draws=draws,
            pool=pool,
            measured=lambda _, k, draw: done.append((k, draw)),
            measure=counted,
        )
        return sorted(done)

    with ThreadPoolExecutor(2) as pool:
        assert more(2, 1) == [(0, 0), (1, 0)]
        assert more(3, 2) == [(0, 1), (1, 1), (2, 0), (2, 1)]
    assert table.cells[cell.key].complete()[:, 1, 1].tolist() == [0.1, 0.1, 0.1]


def test_configurations_lie_in_the_ranges_of_their_loss(tmp_path: Path) -> None:
    for cell in Protocol().cells(tmp_path, ["trec", "cr"], ["cross_entropy", "soft_triple", "proxy_anchor", "supcon"]):
        params = random_configurations(cell, 4)
        assert params[:2] == random_configurations(cell, 2)
        for searched in params:
            assert set(searched) == set(cell.spaces[cell.config(searched).method])
            assert cell.config(searched).steps == 120


def test_other_configurations_are_refused(tmp_path: Path) -> None:
    (cell,) = PROTOCOL.cells(tmp_path, ["trec"], ["supcon"])
    table = RungTable(PROTOCOL, {cell.key: CellScores([{"beta": 0.5}], {})})
    with ThreadPoolExecutor(1) as pool, pytest.raises(RungTableError, match="begin a new file"):
        fill(table, [cell], configurations=1, draws=1, pool=pool, measured=lambda *_: None, measure=counted)


def test_another_protocol_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rungs.json"
    RungTable(PROTOCOL, {}).write(path)
    assert main(["table", "--table", str(path)]) == 1
    assert "share one protocol" in capsys.readouterr().err


def test_a_comparison_needs_unseen_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rungs.json"
    RungTable(PROTOCOL, {"trec/8/supcon": filled("a", 3, 4)}).write(path)
    assert main(["compare", "--table", str(path)]) == 1
    assert "lower --search-draws" in capsys.readouterr().err


def test_the_comparison_prints_a_table_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, kept = tmp_path / "rungs.json", tmp_path / "compared.json"
    RungTable(PROTOCOL, {"trec/8/supcon": filled("a", 6, 3)}).write(path)
    options = ["--search-draws", "2", "--budgets", "2,4", "--repeats", "3", "--json", str(kept)]
    assert main(["compare", "--table", str(path), *options]) == 0
    printed = capsys.readouterr().out
    assert "| rule | budget 2 | budget 4 |" in printed
    assert printed.count("\n| ") == 7
    (results,) = json.loads(kept.read_text()).values()
    assert len(results) == 2 * 6


def replicate(encoder: Path, data: Path, **fields: Any) -> TrialConfig:
    known = {"dataset": {"name": "toy", "path": str(data)}, "encoder": str(encoder), "shots": 4, "validation": 8}
    return TrialConfig.model_validate({**known, "steps": 4, "evaluations": 2, "encoder_lr": 1e-3, **fields})


def test_a_replicate_gives_its_evaluations(tiny_bert: Path, toy_csv: Path) -> None:
    scores = measure(replicate(tiny_bert, toy_csv), 1)
    assert len(scores) == 2
    assert all(0 < score <= 1 for score in scores)
    assert scores == measure(replicate(tiny_bert, toy_csv), 1)


def test_what_diverges_scores_nothing(tiny_bert: Path, toy_csv: Path) -> None:
    config = replicate(tiny_bert, toy_csv).model_copy(update={"encoder_lr": 1e30, "warmup": 0.0})
    assert measure(config, 0) == [0.0, 0.0]


def test_a_failure_is_no_score(tiny_bert: Path, toy_csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Objective, "__call__", exhausted)
    with pytest.raises(RungTableError, match="cross_entropy on draw 0 failed: out of memory"):
        measure(replicate(tiny_bert, toy_csv), 0)


@pytest.mark.parametrize("text", ["", "0", "4,", "4,x"])
def test_budgets_are_whole_numbers(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="from 1"):
        _counts(text)


@pytest.mark.parametrize("text", ["", "trec,", "cr,cr"])
def test_names_are_different(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="different names"):
        _names(text)
