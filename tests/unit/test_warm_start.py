"""Warm starts: what other sweeps suggest is tried right after the defaults, as far as the new search allows it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sweep.cli.plan import print_plan
from sweep.errors import SpecError, StoredSweepError
from sweep.ledger.ledger import Ledger
from sweep.ledger.storage import open_storage
from sweep.ledger.stored import suggested
from sweep.records.results import SweepResults
from sweep.records.trial import TrialRecord
from sweep.report.making_section import making_section
from sweep.search.warm_start import FirstTrial, first_trials
from sweep.spec.cells import Cell
from sweep.spec.model import SweepSpec
from sweep.spec.reader import load_spec
from sweep.tracking.runs import run_of
from sweep.verdict import verdict
from tests.sweeps.grid import grid, spec
from tests.sweeps.synthetic_results import synthetic_results
from trainable.outcomes import Outcome
from trainable.ranges import Scalar

SOFT_TRIPLE: Mapping[str, Scalar] = {"loss.la": 7.0, "loss.margin": 0.2}


def cell(**changes: Any) -> Cell:
    """The cell of soft_triple."""
    return next(each for each in grid(**changes) if each.method == "soft_triple")


def tried(of: Cell, number: int, score: float | None, **params: Scalar) -> TrialRecord:
    """A completed trial of a cell."""
    values = {**of.default_params(), **{name.replace("__", "."): value for name, value in params.items()}}
    return TrialRecord(
        cell=of.key,
        number=number,
        params=values,
        config=of.config(values),
        started=0.0,
        outcome=Outcome.COMPLETED,
        score=score,
    )


def test_the_best_completed_trials_come_first() -> None:
    old = cell()
    trials = [tried(old, 0, 0.5, loss__la=5.0), tried(old, 1, 0.7, loss__la=6.0), tried(old, 2, 0.6, loss__la=7.0)]
    trials += [replace(tried(old, 3, 0.9, loss__la=8.0), outcome=Outcome.PRUNED), tried(old, 4, None, loss__la=9.0)]
    found = first_trials(cell(), {"old": trials}, budget=16)
    assert [each.params["loss.la"] for each in found] == [6.0, 7.0, 5.0]
    assert [each.origin for each in found] == [f"old/{old.key}#{number}" for number in (1, 2, 0)]
    assert set(found[0].params) == set(cell().default_params()), "a proposal has every searched field"


@pytest.mark.parametrize(("budget", "most"), [(1, 2), (8, 2), (16, 4), (32, 5), (1000, 5)])
def test_at_most_half_of_what_would_be_drawn_at_random_is_suggested(budget: int, most: int) -> None:
    trials = [tried(cell(), number, 0.5, loss__la=5.0 + number) for number in range(20)]
    assert len(first_trials(cell(), {"old": trials}, budget)) == most


def test_each_earlier_cell_has_its_turn_the_same_dataset_and_the_nearest_shots_first() -> None:
    far, near = (cell(compare={"shots": [shots]}) for shots in (64, 8))
    other = cell(
        datasets={"other": {"path": "/data/other.csv"}}, compare={"dataset": ["other"], "shots": [4]}, name="another"
    )
    trials = [
        tried(each, number, 0.9 - number / 10, loss__la=la + number)
        for each, la in ((other, 50.0), (far, 10.0), (near, 30.0))
        for number in (0, 1)
    ]
    found = first_trials(cell(), {"old": trials}, budget=16)
    assert [each.params["loss.la"] for each in found] == [30.0, 10.0, 50.0, 31.0]


def test_learning_rates_of_low_rank_updates_suit_such_updates_alone() -> None:
    """They are some four times as high; a cell of one kind began with the best rates of the other."""
    whole, low, other = (cell(trial={"encoder": "e", "lora_rank": rank}) for rank in (0, 4, 16))
    trials = {"whole": [tried(whole, 0, 0.9, loss__la=5.0)], "low": [tried(low, 0, 0.5, loss__la=6.0)]}
    assert [each.params["loss.la"] for each in first_trials(whole, trials, budget=16)] == [5.0]
    assert [each.params["loss.la"] for each in first_trials(other, trials, budget=16)] == [6.0]
    searched = cell(search={"lora_rank": [0, 4]}, trial={"encoder": "e"})
    assert [each.params["lora_rank"] for each in first_trials(searched, trials, budget=16)] == [0, 4]


def test_what_the_search_does_not_reach_is_moved_to_its_end_and_what_it_does_not_have_keeps_its_default() -> None:
    new = cell(search={"soft_triple": {"la": {"low": 1.0, "high": 30.0}, "margin": 0.0}, "warmup": [0.0, 0.1]})
    (found,) = first_trials(new, {"old": [tried(cell(), 0, 0.5, loss__la=50.0, loss__margin=0.3)]}, budget=16)
    assert found.params["loss.la"] == 30.0
    assert "loss.margin" not in found.params, "the new sweep fixes it"
    assert new.config(found.params).warmup == 0.1


def test_a_choice_that_the_search_does_not_offer_rules_a_trial_out() -> None:
    new = cell(search={"soft_triple": {"centers_per_class": [1, 5, 10]}})
    trials = [tried(cell(), 0, 0.9, loss__centers_per_class=7), tried(cell(), 1, 0.5, loss__centers_per_class=5)]
    assert [each.origin[-2:] for each in first_trials(new, {"old": trials}, budget=16)] == ["#1"]


@pytest.mark.parametrize(
    "changes",
    [{"trial": {"encoder": "another"}}, {"compare": {"loss": ["cross_entropy", "triplet"]}}],
    ids=["encoder", "loss"],
)
def test_trials_of_another_encoder_or_loss_suggest_nothing(changes: dict[str, Any]) -> None:
    trials = [tried(each, 0, 0.9) for each in grid(**changes) if each.method != "cross_entropy" or "trial" in changes]
    assert not any(first_trials(new, {"old": trials}, budget=16) for new in grid())


def test_another_place_of_the_same_encoder_is_the_same_encoder() -> None:
    old = cell(trial={"encoder": "/elsewhere/tiny"})
    assert len(first_trials(cell(), {"old": [tried(old, 0, 0.9, loss__la=50.0)]}, budget=16)) == 1


def test_what_the_defaults_are_and_what_two_trials_share_is_tried_once() -> None:
    trials = [tried(cell(), 0, 0.9), tried(cell(), 1, 0.8, loss__la=50.0), tried(cell(), 2, 0.7, loss__la=50.0)]
    assert [each.origin[-2:] for each in first_trials(cell(), {"old": trials}, budget=16)] == ["#1"]


def test_a_cell_that_searches_over_losses_takes_trials_of_each_of_them() -> None:
    compare = {"dataset": ["support"], "shots": [4], "loss": None}
    (new,) = grid(compare=compare, search={"loss": ["cross_entropy", "soft_triple"]})
    trials = [tried(each, 1, 0.9, encoder_lr=1.3e-5) for each in grid()]
    found = first_trials(new, {"old": trials}, budget=16)
    assert [each.params["loss"] for each in found] == ["cross_entropy", "soft_triple"]
    assert all(new.config(each.params).encoder_lr == 1.3e-5 for each in found)


# ---- the ledger ------------------------------------------------------------------------------------------------------


def _begun(path: Path, first: Mapping[str, tuple[FirstTrial, ...]]) -> Ledger:
    ledger = Ledger(open_storage(path, write=True), "small")
    ledger.begin(spec().resolved(), grid(), {}, first=first)
    return ledger


def test_suggestions_are_tried_after_the_defaults_and_a_resumed_sweep_knows_them_without_their_sweep(
    tmp_path: Path,
) -> None:
    suggestions = tuple(
        FirstTrial({**cell().default_params(), **SOFT_TRIPLE, "loss.la": la}, f"old/x#{la:.0f}") for la in (7.0, 8.0)
    )
    ledger = _begun(tmp_path / "a.journal", {cell().key: suggestions})
    defaults = ledger.ask(cell(), seed=0, budget=16)
    again = _begun(tmp_path / "a.journal", {cell().key: ()})
    second, third, fourth = (again.ask(cell(), seed=0, budget=16) for _ in range(3))
    assert (defaults.params, defaults.origin) == (cell().default_params(), "")
    assert [second.params, third.params] == [each.params for each in suggestions]
    assert [second.origin, third.origin, fourth.origin] == ["old/x#7", "old/x#8", ""]
    assert again.new_cells(grid()) == []
    other = next(each for each in grid() if each.method == "cross_entropy")
    assert {again.ask(other, seed=0, budget=16).origin for _ in range(3)} == {""}


def test_a_sweep_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(StoredSweepError, match=r"search\.warm_start: .*there is none at 'gone'.*holds none"):
        suggested(spec(search={"warm_start": ["gone"]}), grid(), tmp_path)
    assert suggested(spec(search={"warm_start": ["gone"]}), [], tmp_path) == {}, "it is not needed to resume"


# ---- the spec --------------------------------------------------------------------------------------------------------


def test_the_names_stand_under_search_in_the_resolved_spec_too() -> None:
    given = spec(search={"warm_start": ["old", "older"]})
    assert given.warm_start == ("old", "older")
    assert given.resolved()["search"]["warm_start"] == ["old", "older"]
    assert "warm_start" not in given.resolved()
    assert SweepSpec.model_validate(given.resolved()) == given
    assert "warm_start" not in spec().resolved()["search"], "earlier versions read it"
    assert spec(search={"warm_start": "old"}).warm_start == ("old",)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"search": {"warm_start": ["a/b"]}}, "must be the name of a sweep; received 'a/b'"),
        ({"search": {"warm_start": [3]}}, "must be the name of a sweep; received 3"),
        ({"search": {"warm_start": ["old", "old"]}}, "must not repeat one; received 'old'"),
        ({"search": {"warm_start": {"low": 1}}}, "must be the name of a sweep"),
        ({"warm_start": ["old"]}, "`warm_start` belongs under `search`"),
        ({"budget": {"warm_start": ["old"]}}, "`warm_start` belongs under `search`"),
    ],
)
def test_mistakes_are_refused_with_the_remedy(changes: dict[str, Any], said: str) -> None:
    data = {
        "name": "small",
        "compare": {"dataset": "support", "shots": 4, "loss": "cross_entropy"},
        "trial": {"encoder": "all-MiniLM-L6-v2"},
    }
    with pytest.raises(SpecError) as refused:
        load_spec({**data, **changes})
    assert said in str(refused.value)


# ---- what a person sees ----------------------------------------------------------------------------------------------


@pytest.mark.lengthy
def test_a_report_names_what_was_suggested_and_warns_where_not_all_searches_were() -> None:
    results = synthetic_results(datasets=("trec",), losses=("cross_entropy", "soft_triple"))
    origin = "old/cr/8/soft_triple#3"
    warm = tuple(
        replace(trial, origin=origin) if trial.number == 1 and "soft_triple" in trial.cell else trial
        for trial in results.trials
    )
    found = verdict(replace(results, trials=warm))
    (said,) = [each for each in found.warnings if "other sweeps" in each]
    assert "other sweeps: trec/8/soft_triple; these had none: trec/8/cross_entropy" in said
    assert not [each for each in verdict(results).warnings if "other sweeps" in each]
    (table,) = [
        each for each in making_section(replace(results, trials=warm)).tables if "other sweeps" in str(each.title)
    ]
    assert [row[1] for row in table.rows] == [origin]
    every = tuple(replace(trial, origin=origin) for trial in reversed(warm))
    (table,) = [
        each for each in making_section(replace(results, trials=every)).tables if "other sweeps" in str(each.title)
    ]
    assert [row[0] for row in table.rows] == sorted(trial.key for trial in warm), "cell by cell"
    assert not [each for each in making_section(results).tables if "other sweeps" in str(each.title)]


def _plan_of(name: str, root: Path) -> str:
    out = io.StringIO()
    asked = load_spec("quickstart", [f"search.warm_start=[{name}]"])
    print_plan(Console(file=out, width=200), asked, timed=False, root=root)
    return out.getvalue()


def test_a_plan_says_what_is_tried_first_and_in_how_many_cells(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    _begun(tmp_path / "old" / "ledger.journal", {})
    (tmp_path / "old" / "spec.yaml").write_text(json.dumps(spec().resolved()), encoding="utf-8")
    said = _plan_of("old", tmp_path)
    assert "warm start: after its defaults, each cell tries up to 2 of the best configurations" in said
    assert re.search(r"in old: 0 of \d cells find some\n", said)


def test_a_plan_refuses_a_sweep_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoredSweepError, match=r"search\.warm_start: .* there is none at 'older'"):
        _plan_of("older", tmp_path)


def test_results_keep_what_suggested_a_trial() -> None:
    results = synthetic_results(datasets=("trec",))
    warm = replace(results, trials=(replace(results.trials[0], origin="old/x#3"), *results.trials[1:]))
    assert SweepResults.from_json(warm.to_json()).trials == warm.trials
    assert '"origin"' not in results.to_json(), "earlier versions read it"


def test_mlflow_names_the_trial_that_suggested_one() -> None:
    results = synthetic_results(datasets=("trec",))
    warm = replace(results.trials[1], origin="old/cr/8/soft_triple#3")
    assert run_of(warm, results.sweep, "parent").tags["sweep.origin"] == "old/cr/8/soft_triple#3"
    assert "sweep.origin" not in run_of(results.trials[1], results.sweep, "parent").tags
