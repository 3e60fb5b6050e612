"""What every entry of the table of recipes must do; a new recipe is covered by its line in the table."""

from __future__ import annotations

import importlib.util
import itertools
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from tests.sweeps.tiny_encoders import write_encoder
from trainable.config import DatasetConfig, TrialConfig
from trainable.datasets import load
from trainable.datasets.loader import provide
from trainable.losses import LOSSES
from trainable.outcomes import Evaluation, Outcome
from trainable.ranges import Choice, Range, Scalar
from trainable.recipes import RECIPES, SPECIFIC_FIELDS, AnyRecipe, RecipeConfig, RecipeEntry, method_name
from trainable.training import replicates

EVERY = pytest.mark.parametrize("entry", RECIPES.values(), ids=RECIPES)

TRAINED = ("cross_entropy", "soft_triple", "supcon")
"""Losses of each kind: no metric loss, with proxies, with pairs. Trainings are tried with these, all else with all."""

METRICS = ("accuracy", "macro_f1", "weighted_f1", "loss")
TIMES = {"train_seconds", "eval_seconds"}


@dataclass(frozen=True, slots=True)
class Method:
    """A recipe with a loss that it takes, or None where it has none."""

    recipe: RecipeEntry
    loss: str | None

    def __str__(self) -> str:
        return method_name(self.recipe.name, self.loss)

    def config(self, **fields: Any) -> TrialConfig:
        """A trial that takes a moment; of `fields`, and of those of a short training, the recipe gets what it reads."""
        small = {"encoder_lr": 3e-3, "steps": 4, "batch_size": 16, "evaluations": 2, "replicates": 2, "max_length": 32}
        unread = SPECIFIC_FIELDS - self.recipe.fields
        read = {name: value for name, value in {**small, **fields}.items() if name not in unread}
        loss = {} if self.loss is None else {"loss": {"name": self.loss}}
        encoder = {"encoder": "any"} if "encoder" in self.recipe.fields else {}
        known = {"dataset": {"name": "support"}, "shots": 4, "recipe": {"name": self.recipe.name}}
        return TrialConfig.model_validate({**known, **encoder, **loss, **read})


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
EVERY_TRAINED = pytest.mark.parametrize(
    "method", [pytest.param(method, marks=_SLOW.get(method.recipe.name, ()), id=str(method)) for method in trained()]
)


def ends(space: Range) -> tuple[Scalar, ...]:
    return space.values if isinstance(space, Choice) else (space.low, space.high)


# The declaration


def test_each_file_of_the_folder_is_one_recipe_of_the_table_and_bears_its_name() -> None:
    folder = Path(sys.modules["trainable.recipes"].__path__[0])
    assert {path.stem for path in folder.glob("*.py")} - {"__init__", "entry"} == set(RECIPES)


@EVERY
def test_a_recipe_is_called_the_same_everywhere(entry: RecipeEntry) -> None:
    name = entry.config.model_fields["name"]
    assert get_origin(name.annotation) is Literal
    assert get_args(name.annotation) == (name.default,) == (entry.name,)
    assert entry.config.__module__ == f"trainable.recipes.{entry.name}"
    assert RECIPES[entry.name] is entry
    assert entry.name not in LOSSES, "their fields stand under their names in the same block"


@EVERY
def test_a_config_is_found_by_its_name_alone(entry: RecipeEntry) -> None:
    parsed: RecipeConfig = TypeAdapter[Any](AnyRecipe).validate_python({"name": entry.name})
    assert parsed == entry.config(name=entry.name)
    assert type(parsed) is entry.config


@EVERY
def test_every_field_can_be_explained_and_every_range_has_a_source(entry: RecipeEntry) -> None:
    fields = set(entry.config.model_fields) - {"name"}
    assert set(entry.search) <= fields
    assert bool(entry.search_source) == bool(entry.search)
    for field in fields:
        assert len(entry.config.model_fields[field].description or "") > 10
    assert len(entry.summary) > 10
    assert not entry.summary.endswith(".")
    assert entry.source


@EVERY
def test_what_it_reads_of_a_trial_are_fields_of_a_trial(entry: RecipeEntry) -> None:
    assert entry.fields <= set(TrialConfig.model_fields)
    assert set(entry.constants) <= SPECIFIC_FIELDS - entry.fields
    assert ("loss" in entry.fields) == (entry.losses != "none")
    if entry.losses == "none":
        assert entry.constants["loss"] is None


@EVERY
def test_every_corner_of_the_search_space_is_a_valid_config_and_the_defaults_lie_inside(entry: RecipeEntry) -> None:
    for corner in itertools.product(*map(ends, entry.search.values())):
        entry.config.model_validate({"name": entry.name, **dict(zip(entry.search, corner, strict=True))})
    defaults = entry.config(name=entry.name)
    for field, space in entry.search.items():
        assert space.contains(getattr(defaults, field)), f"{entry.name}.{field}"


@EVERY
def test_what_it_reads_under_a_condition_is_a_field_that_depends_on_another_one(entry: RecipeEntry) -> None:
    for name, (other, values) in entry.conditions.items():
        assert {name, other} <= set(entry.search)
        assert other not in entry.conditions
        space = entry.search[other]
        assert all(space.contains(value) for value in values)
        assert entry.reads(name, {other: space})
        assert {value for value in ends(space) if entry.reads(name, {other: value})} == values


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
        assert own.items() <= {name.removeprefix("recipe."): value for name, value in flat.items()}.items()
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


def timeless(evaluations: Iterator[Evaluation]) -> list[Evaluation]:
    return [
        replace(found, metrics={name: value for name, value in found.metrics.items() if name not in TIMES})
        for found in evaluations
    ]


def check_metrics(found: Evaluation, parts: Sequence[str]) -> None:
    assert found.outcome is None, found.reason + found.detail
    assert {f"{part}_{name}" for part in parts for name in METRICS} | TIMES <= set(found.metrics)
    assert all(math.isfinite(value) for value in found.metrics.values())
    assert all(found.metrics[name] >= 0 for name in TIMES)
    assert all(0 <= found.metrics[f"{part}_{name}"] <= 1 for part in parts for name in METRICS[:3])
    assert found.trained_on
    assert found.trained_with


@EVERY_TRAINED
def test_each_draw_is_scored_on_its_validation_rows_at_each_point(
    method: Method, data: dict[str, str], tiny_bert: Path
) -> None:
    config = method.config(dataset=data, encoder=str(tiny_bert))
    found = list(replicates(config, [3, 10_001]))
    points = range(1, config.evaluations + 1)
    assert [(each.draw, each.replicate, each.point) for each in found] == [
        (draw, replicate, point) for replicate, draw in enumerate((3, 10_001)) for point in points
    ]
    for each in found:
        check_metrics(each, ["val"])
        assert each.confusion == ()
        assert each.predicted is None
        assert not any(name.startswith("test_") for name in each.metrics)
        assert each.step <= config.steps


@EVERY_TRAINED
def test_the_test_part_is_scored_once_at_the_end(method: Method, data: dict[str, str], tiny_bert: Path) -> None:
    config = method.config(dataset=data, encoder=str(tiny_bert))
    found = list(replicates(config, [10_000, 10_001], part="test"))
    assert [(each.draw, each.point) for each in found] == [(10_000, 1), (10_001, 1)]
    labels_N = load(config.dataset).test.labels_N
    for each in found:
        check_metrics(each, ["val", "test"])
        confusion_CC = np.array(each.confusion)
        np.testing.assert_array_equal(confusion_CC.sum(axis=1), np.bincount(labels_N))
        assert each.metrics["test_accuracy"] == pytest.approx(confusion_CC.trace() / len(labels_N))
        assert each.predicted is not None
        assert each.metrics["test_accuracy"] == pytest.approx((each.predicted.judged == labels_N).mean())
        for rule, classes_N in each.predicted.by_rule().items():
            of_the_rule = each.metrics.get(f"test_{rule}_accuracy", each.metrics["test_accuracy"])
            assert of_the_rule == pytest.approx((classes_N == labels_N).mean())


@EVERY_TRAINED
def test_the_same_trial_twice_is_the_same_to_the_last_bit(
    method: Method, data: dict[str, str], tiny_bert: Path
) -> None:
    config = method.config(dataset=data, encoder=str(tiny_bert))
    first, again = (timeless(replicates(config, part="test")) for _ in range(2))
    assert first == again


@EVERY_TRAINED
def test_a_draw_and_an_initialisation_give_the_same_whatever_was_trained_before(
    method: Method, data: dict[str, str], tiny_bert: Path
) -> None:
    config = method.config(dataset=data, encoder=str(tiny_bert), evaluations=1)
    together = timeless(replicates(config, [1, 4, 6], initialisation=2))
    assert {each.initialisation for each in together} == {2}
    (alone,) = timeless(replicates(config, [4], initialisation=2))
    assert replace(alone, replicate=1) == together[1]
    assert timeless(replicates(config, [1, 4, 6], first=2, initialisation=2)) == together[2:]
    assert len({json.dumps(each.metrics) for each in timeless(replicates(config, range(4)))}) > 1, "draws differ"


@EVERY_TRAINED
def test_a_search_never_reads_the_test_rows(method: Method, data: dict[str, str], tiny_bert: Path) -> None:
    known = load(DatasetConfig.model_validate(data))
    hidden = DatasetConfig(name="toy", hub="tests/hidden")
    test: Any = _Unreadable()
    provide(hidden, replace(known, test=test))
    config = method.config(dataset=data, encoder=str(tiny_bert))
    assert timeless(replicates(method.config(dataset=hidden, encoder=str(tiny_bert)))) == timeless(replicates(config))
    with pytest.raises(AssertionError, match="read"):
        len(test)


class _Unreadable:
    """Rows that nobody may look at."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"the test rows were read: {name}")

    def __len__(self) -> int:
        raise AssertionError("the test rows were read")


@EVERY_TRAINED
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
@EVERY_TRAINED
def test_after_the_other_recipes_it_trains_as_in_a_fresh_process(
    method: Method, data: dict[str, str], tiny_roberta: Path, tmp_path: Path
) -> None:
    config = method.config(dataset=data, encoder=str(tiny_roberta))
    file = tmp_path / "config.json"
    file.write_text(config.model_dump_json(), encoding="utf-8")
    words = [sys.executable, "-m", "trainable", str(file), "--part", "test"]
    environment = os.environ | {"HF_HOME": str(tmp_path / "home")}
    fresh = subprocess.run(words, env=environment, capture_output=True, text=True, check=True, timeout=120)
    for other in trained():
        assert list(replicates(other.config(dataset=data, encoder=str(tiny_roberta)), [7]))[-1].outcome is None
    here = [json.loads(json.dumps(each.to_json())) for each in timeless(replicates(config, part="test"))]
    there = [json.loads(line) for line in fresh.stdout.splitlines()]
    for each in there:
        each["metrics"] = {name: value for name, value in each["metrics"].items() if name not in TIMES}
    assert here == there
