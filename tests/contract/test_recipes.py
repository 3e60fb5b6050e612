"""What every entry of the table of recipes must do; a new recipe is covered by its line in the table."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import ValidationError

from tests.services.waiting import TIME_LIMIT
from tests.sweeps.tiny_encoders import write_encoder
from trainable.config import TrialConfig
from trainable.losses import LOSSES
from trainable.outcomes import Outcome
from trainable.recipes import RECIPES, SPECIFIC_FIELDS, RecipeEntry
from trainable.testing import RecipeContract
from trainable.testing.recipes import TIMES, Method, ends, timeless
from trainable.training import replicates

EVERY = pytest.mark.parametrize("entry", RECIPES.values(), ids=RECIPES)

TRAINED = ("cross_entropy", "soft_triple", "supcon")
"""Losses of each kind: no metric loss, with proxies, with pairs. Trainings are tried with these, all else with all."""


def methods(losses: Sequence[str]) -> Iterator[Method]:
    for entry in RECIPES.values():
        taken: list[str | None] = [loss for loss in losses if entry.takes(LOSSES[loss])]
        yield from (Method(entry, loss) for loss in ([None] if entry.losses == "none" else taken))


EVERY_METHOD = pytest.mark.parametrize("method", list(methods(tuple(LOSSES))), ids=str)


def trained() -> list[Method]:
    """The methods that can be trained here: not predictions, which were made elsewhere, nor what is not installed."""
    missing = {"predictions", *([] if importlib.util.find_spec("setfit") else ["setfit"])}
    return [method for method in methods(TRAINED) if method.recipe.name not in missing]


_SLOW = {"setfit": [pytest.mark.slow]}  # seconds for a training, where the others take a moment
EVERY_TRAINED = [pytest.param(method, marks=_SLOW.get(method.recipe.name, ()), id=str(method)) for method in trained()]


class TestEveryRecipe(RecipeContract):
    @pytest.fixture(params=RECIPES.values(), ids=list(RECIPES))
    def entry(self, request: pytest.FixtureRequest) -> RecipeEntry:
        found: RecipeEntry = request.param
        return found

    @pytest.fixture(params=EVERY_TRAINED)
    def method(self, request: pytest.FixtureRequest) -> Method:
        found: Method = request.param
        return found

    @pytest.fixture
    def data(self, toy_csv: Path) -> dict[str, str]:
        return {"name": "toy", "path": str(toy_csv)}

    @pytest.fixture
    def encoder(self, tiny_bert: Path) -> str:
        return str(tiny_bert)


# The declaration


def test_each_file_of_the_folder_is_one_recipe_of_the_table_and_bears_its_name() -> None:
    folder = Path(sys.modules["trainable.recipes"].__path__[0])
    assert {path.stem for path in folder.glob("*.py")} - {"__init__", "entry", "table"} == set(RECIPES)


@EVERY
def test_its_fields_lie_in_its_own_file(entry: RecipeEntry) -> None:
    assert entry.config.__module__ == f"trainable.recipes.{entry.name}"


# The configuration of a trial


@EVERY_METHOD
def test_the_flat_form_has_what_the_recipe_reads_and_gives_the_trial_back(method: Method) -> None:
    entry = method.recipe
    corners = itertools.product(*map(ends, entry.search.values()))
    for corner in itertools.islice(corners, 64):
        own = dict(zip(entry.search, corner, strict=True))
        config = method.config(recipe={"name": entry.name, **own})
        flat = config.flat()
        assert flat["recipe"] == entry.name
        stated = {name: flat[f"recipe.{name}"] for name in own if f"recipe.{name}" in flat}
        default = entry.config(name=entry.name)
        assert stated == {
            name: own[name] for name in own if entry.reads(name, own) or own[name] != getattr(default, name)
        }
        assert not (SPECIFIC_FIELDS - entry.fields) & set(flat)
        assert flat.get("loss") == method.loss
        assert TrialConfig.from_flat(flat) == config
        assert TrialConfig.from_flat({name: str(value) for name, value in flat.items()}) == config
        assert TrialConfig.model_validate(json.loads(config.model_dump_json())) == config
        assert config.method == str(method)


@EVERY
@pytest.mark.parametrize("field", sorted(SPECIFIC_FIELDS))
def test_a_field_that_it_does_not_read_is_refused_in_words(entry: RecipeEntry, field: str) -> None:
    value = another(field)
    if field in entry.fields:
        return
    with pytest.raises(ValidationError) as caught:
        TrialConfig.model_validate({**next(of(entry)).config().model_dump(exclude={field}), field: value})
    (error,) = caught.value.errors()
    shown = value["name"] if isinstance(value, Mapping) else value
    assert f"the recipe {entry.name} has no {field}; received {shown}: leave it out" in error["msg"]


@EVERY
@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_that_it_does_not_take_is_refused_in_words(entry: RecipeEntry, loss: str) -> None:
    given = {**next(of(entry)).config().model_dump(exclude={"loss", "beta", "proxy_lr"}), "loss": {"name": loss}}
    if entry.takes(LOSSES[loss]):
        TrialConfig.model_validate(given)
        return
    with pytest.raises(ValidationError, match=f"the recipe {entry.name} .*received {loss}"):
        TrialConfig.model_validate(given)


@EVERY
def test_a_recipe_that_needs_a_loss_is_refused_without_one(entry: RecipeEntry) -> None:
    given = {**next(of(entry)).config().model_dump(exclude={"loss", "beta", "proxy_lr"}), "loss": None}
    if entry.losses == "none":
        TrialConfig.model_validate(given)
        return
    with pytest.raises(ValidationError, match=f"the recipe {entry.name} needs a loss; received none"):
        TrialConfig.model_validate(given)


def of(entry: RecipeEntry) -> Iterator[Method]:
    return (method for method in methods(TRAINED) if method.recipe is entry)


def another(field: str) -> Any:
    """A valid value of a field of a trial, neither its default nor the one that a recipe sets."""
    info = TrialConfig.model_fields[field]
    if field == "loss":
        return {"name": "supcon"}
    kinds = [kind for kind in (info.annotation, *get_args(info.annotation)) if get_origin(kind) is Literal]
    taken = {info.default, *(entry.constants.get(field) for entry in RECIPES.values())}
    if kinds:
        return next(name for name in get_args(kinds[0]) if name not in taken)
    if str in (info.annotation, *get_args(info.annotation)):
        return "another"
    if info.default is None:
        return 8 if int in get_args(info.annotation) else 0.5
    return info.default / 2 if isinstance(info.default, float) else info.default + 1


# A training


@pytest.fixture
def data(toy_csv: Path) -> dict[str, str]:
    return {"name": "toy", "path": str(toy_csv)}


@pytest.mark.parametrize("method", EVERY_TRAINED)
def test_an_encoder_whose_numbers_are_none_diverges(method: Method, data: dict[str, str], tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    path = write_encoder(tmp_path) / "model.safetensors"
    weights = {name: torch.full_like(weight, torch.nan) for name, weight in load_file(path).items()}
    save_file(weights, path, {"format": "pt"})
    (ended,) = replicates(method.config(dataset=data, encoder=str(tmp_path)))
    assert ended.outcome is Outcome.DIVERGED, ended.reason + ended.detail
    assert "not finite" in ended.reason or "nan" in ended.reason


@pytest.mark.slow
@pytest.mark.parametrize("method", EVERY_TRAINED)
def test_after_the_other_recipes_it_trains_as_in_a_fresh_process(
    method: Method, data: dict[str, str], tiny_roberta: Path, tmp_path: Path
) -> None:
    config = method.config(dataset=data, encoder=str(tiny_roberta))
    file = tmp_path / "config.json"
    file.write_text(config.model_dump_json(), encoding="utf-8")
    words = [sys.executable, "-m", "trainable", str(file), "--part", "test"]
    environment = os.environ | {"HF_HOME": str(tmp_path / "home")}
    fresh = subprocess.run(words, env=environment, capture_output=True, text=True, check=True, timeout=TIME_LIMIT)
    for other in trained():
        assert list(replicates(other.config(dataset=data, encoder=str(tiny_roberta)), [7]))[-1].outcome is None
    here = [json.loads(json.dumps(each.to_json())) for each in timeless(replicates(config, part="test"))]
    there = [json.loads(line) for line in fresh.stdout.splitlines()]
    for each in there:
        each["metrics"] = {name: value for name, value in each["metrics"].items() if name not in TIMES}
    assert here == there
