"""Commands that are printed to be copied: a shell reads them as they were meant, whatever is in a name or a path."""

from __future__ import annotations

import argparse
import ast
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.cli.run_summary import _browse, _extended, _keep, _larger, command
from sweep.errors import ClusterError, LedgerError
from sweep.execution.ray_cluster import _check_address
from sweep.ledger.directory import SweepDirectory
from sweep.verdict import Arm, Verdict, verdict
from tests.sweeps.synthetic_results import synthetic_results
from trainable.recipes.predictions import Predictions
from trainable.shots import Shots

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for package in ("sweep", "trainable") for path in (ROOT / package).rglob("*.py"))

PROGRAMS = ("python", "mlflow ", "ray ", "pip ", "few-shot-sweep")

# What needs no quotes: names of sweeps have letters, digits, `.`, `_`, `-`; the rest are ids.
SAFE = {"spec.name", "job.id", "found.experiment_id"}

names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)


def inserted(node: ast.JoinedStr) -> Iterator[str]:
    """The expressions that an f-string inserts into a command between backticks."""
    before = ""
    for part in node.values:
        if isinstance(part, ast.Constant):
            before += str(part.value)
        elif isinstance(part, ast.FormattedValue):
            _, *inside = before.split("`")
            if len(inside) % 2 and inside[-1].startswith(PROGRAMS):
                yield ast.unparse(part.value)
            before += "x"


@pytest.mark.lengthy
def test_what_is_inserted_into_a_command_is_quoted() -> None:
    assert [said for path in MODULES for said in _unquoted(path)] == []


def _unquoted(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            for expression in inserted(node):
                quoted = expression.startswith(("shlex.quote(", "shlex.join(")) or expression in SAFE
                if not quoted and not _is_quoted_before(path, expression):
                    yield f"{path.name}:{node.lineno}: {expression}"


def _is_quoted_before(path: Path, name: str) -> bool:
    return f"{name} = shlex.quote(" in path.read_text(encoding="utf-8")


def options(**given: object) -> argparse.Namespace:
    return argparse.Namespace(
        **{"spec": "s.yaml", "set": [], "dir": "sweeps", "address": None, "cluster": None, **given}
    )


@given(names, names, names)
def test_a_command_is_read_as_it_was_typed(spec: str, override: str, folder: str) -> None:
    words = shlex.split(command(options(spec=spec, set=[override], dir=folder)))
    start = words.index("run")
    expected = ["run", *([spec] if spec != "quickstart" else []), "--set", override]
    assert words[start:] == [*expected, *(["--dir", folder] if folder != "sweeps" else [])]


def test_the_console_command_is_named_where_it_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "-m sweep run s.yaml" in command(options())
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/few-shot-sweep", "run"])
    words = shlex.split(command(options()))
    assert Path(words[0]).name == "few-shot-sweep"
    assert words[1:] == ["run", "s.yaml"]


@given(names)
def test_an_extension_gives_the_number_of_trials_once(spec: str) -> None:
    typed = ["--set", "budget.trials_per_cell=4", "--set", "name=x", "--set", "budget.trials_per_cell=8"]
    words = shlex.split(_extended(shlex.join(["python", "-m", "sweep", "run", spec, *typed]), 16))
    assert words[4:] == [spec, "--set", "name=x", "--set", "budget.trials_per_cell=16"]


@pytest.mark.parametrize(
    ("budget", "had", "sizes", "larger"),
    [(4, [4, 4], [99, 99], 8), (1, [5, 3], [99, 99], 10), (3, [1, 3], [1, 99], 6), (3, [1, 3], [1, 3], None)],
)
def test_an_extension_asks_for_more_than_there_is(
    budget: int, had: list[int], sizes: list[int], larger: int | None
) -> None:
    """Of a sweep that had 5 trials a cell, `budget.trials_per_cell=1` was extended to 2; and one that had tried all
    its configurations, to twice as many."""

    def cell(key: int, size: int) -> Any:
        return SimpleNamespace(key=key, trials=lambda budget: min(budget, size))

    trials: list[Any] = [SimpleNamespace(cell=key) for key, count in enumerate(had) for _ in range(count)]
    assert _larger(budget, [cell(key, size) for key, size in enumerate(sizes)], trials) == larger


@given(names)
def test_the_address_of_a_store_is_quoted(name: str) -> None:
    uri = f'sqlite:///{name.replace("@", "")}/it\'s "mine".db'
    assert shlex.split(_browse(uri))[-2:] == ["--backend-store-uri", uri]


def test_a_folder_with_both_kinds_of_quotes_can_be_stopped(tmp_path: Path) -> None:
    directory = SweepDirectory(tmp_path / 'ann\'s "best" sweep')
    directory.create()
    with directory.locked(), pytest.raises(LedgerError) as caught, directory.locked():
        pass
    (copied,) = (part for part in str(caught.value).split("`") if part.startswith("python -m sweep stop"))
    assert shlex.split(copied)[-1] == str(directory.path)


@pytest.mark.parametrize("place", ["http://head:8265", "https://ann:s3cret@ray.lab"])
def test_the_address_of_a_job_server_names_the_two_ways(place: str) -> None:
    with pytest.raises(ClusterError, match="which is where Ray takes jobs; unset RAY_ADDRESS") as caught:
        _check_address(place)
    assert "`ray job submit --address " in str(caught.value)
    assert "s3cret" not in str(caught.value)


def kept(found: Verdict) -> list[str]:
    spec: Any = SimpleNamespace(name="mine")
    directory: Any = SweepDirectory(Path("sweeps/mine"))
    return [said.partition("refit ")[2] for said in _keep(spec, directory, found)]


@pytest.mark.lengthy
def test_the_command_that_keeps_a_winner_is_one_that_is_taken() -> None:
    one, several = (verdict(synthetic_results(datasets=each)) for each in (("trec",), ("trec", "cr")))
    assert kept(one) == ["mine --out mine-model   (the winner as a classifier)"]
    first = several.comparisons[0]
    assert first.best is not None
    place = f"mine --arm {first.best.cell} --out mine-model"
    assert kept(several) == [f"{place}   (the winner of {first.title} as a classifier)"]


@pytest.mark.lengthy
def test_of_several_numbers_of_labels_the_winner_with_most_is_kept_since_it_will_have_all() -> None:
    (comparison,) = verdict(synthetic_results(datasets=("trec",))).comparisons
    found = verdict(synthetic_results(datasets=("trec",)))
    shots: tuple[Shots, ...] = (4, "all", "at most 16")
    several = [replace(comparison, shots=each) for each in shots]
    (said,) = kept(replace(found, comparisons=tuple(several)))
    assert said.endswith(f"(the winner of {several[1].title} as a classifier)")
    (said,) = kept(replace(found, comparisons=(several[0], replace(several[1], dataset="cr"))))
    assert said.endswith(f"(the winner of {several[0].title} as a classifier)"), "of the dataset that is named first"


@pytest.mark.lengthy
def test_of_several_comparisons_of_as_many_labels_the_best_winner_is_kept() -> None:
    """As where encoders are compared: the first one was named, however much worse its winner was."""
    found = verdict(synthetic_results(datasets=("trec",)))
    (comparison,) = found.comparisons
    assert comparison.best is not None
    assert comparison.best.summary is not None
    worse = replace(comparison.best, summary=replace(comparison.best.summary, mean=0.1))
    first = replace(comparison, others="encoder=a", best=worse)
    second = replace(comparison, others="encoder=b")
    (said,) = kept(replace(found, comparisons=(first, second)))
    assert said.endswith(f"(the winner of {second.title} as a classifier)")


@pytest.mark.lengthy
def test_where_no_classifier_can_be_kept_of_the_winner_the_best_other_one_is_named() -> None:
    found = verdict(synthetic_results(datasets=("trec",)))
    (comparison,) = found.comparisons

    def of_predictions(arm: Arm) -> Arm:
        assert arm.winner is not None
        config = arm.winner.config.model_copy(update={"recipe": Predictions(path="answers.csv")})
        return replace(arm, winner=replace(arm.winner, config=config))

    assert comparison.best is not None
    best = of_predictions(comparison.best)
    others = [arm for arm in comparison.arms if arm.cell != best.cell]
    second = max(others, key=lambda arm: arm.summary.mean if arm.summary else 0.0)
    changed = replace(comparison, arms=(best, *others), best=best)
    assert kept(replace(found, comparisons=(changed,))) == [
        f"mine --arm {second.cell} --out mine-model   (the best to keep as a classifier)"
    ]
    none = replace(comparison, arms=tuple(map(of_predictions, comparison.arms)), best=best)
    assert kept(replace(found, comparisons=(none,))) == []
