"""What every recipe must do, whoever wrote it."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import TypeAdapter

from trainable.config import DatasetConfig, TrialConfig
from trainable.datasets import load
from trainable.datasets.loader import provide
from trainable.losses import LOSSES
from trainable.outcomes import Evaluation
from trainable.ranges import Choice, Range, Scalar
from trainable.recipes import RECIPES, SPECIFIC_FIELDS, AnyRecipe, RecipeConfig, RecipeEntry, method_name
from trainable.training import replicates

__all__ = ["TIMES", "Method", "RecipeContract", "check_metrics", "ends", "timeless"]

_METRICS = ("accuracy", "macro_f1", "weighted_f1", "loss")
TIMES = {"train_seconds", "eval_seconds"}
"""The metrics that differ between two trainings that are the same."""


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


class RecipeContract:
    """Tests of a recipe by its entry. A subclass, whose name begins with `Test`, overrides the fixture `entry`, and
    `method`, `data` or `encoder` where the defaults do not suit it."""

    @pytest.fixture
    def entry(self) -> RecipeEntry:
        """The recipe that is tested."""
        raise NotImplementedError("a subclass of RecipeContract has a fixture `entry` that returns the RecipeEntry")

    @pytest.fixture
    def method(self, entry: RecipeEntry) -> Method:
        """The recipe with the first loss that it takes."""
        taken = [name for name, loss in LOSSES.items() if entry.losses != "none" and entry.takes(loss)]
        return Method(entry, taken[0] if taken else None)

    @pytest.fixture
    def data(self) -> dict[str, str]:
        """The fields of the dataset that it is trained on."""
        return {"name": "support"}

    @pytest.fixture
    def encoder(self) -> str:
        """The encoder that it is tried with."""
        return "all-MiniLM-L6-v2"

    def test_a_recipe_is_called_the_same_everywhere(self, entry: RecipeEntry) -> None:
        name = entry.config.model_fields["name"]
        assert get_origin(name.annotation) is Literal
        assert get_args(name.annotation) == (name.default,) == (entry.name,)
        assert RECIPES.get(entry.name) is entry, "install its package, so that its entry point is found"
        assert entry.name not in LOSSES, "their fields stand under their names in the same block"

    def test_a_config_is_found_by_its_name_alone(self, entry: RecipeEntry) -> None:
        parsed: RecipeConfig = TypeAdapter[Any](AnyRecipe).validate_python({"name": entry.name})
        assert parsed == entry.config(name=entry.name)
        assert type(parsed) is entry.config

    def test_every_field_can_be_explained_and_every_range_has_a_source(self, entry: RecipeEntry) -> None:
        fields = set(entry.config.model_fields) - {"name"}
        assert set(entry.search) <= fields
        assert bool(entry.search_source) == bool(entry.search)
        for field in fields:
            assert len(entry.config.model_fields[field].description or "") > 10
        assert len(entry.summary) > 10
        assert not entry.summary.endswith(".")
        assert entry.source

    def test_what_trains_an_encoder_has_no_use_for_embeddings_that_are_kept(self, entry: RecipeEntry) -> None:
        assert not (entry.embeds_once and entry.trains == "encoder"), "the verdict would say of it that training pays"

    def test_what_it_reads_of_a_trial_are_fields_of_a_trial(self, entry: RecipeEntry) -> None:
        assert entry.fields <= set(TrialConfig.model_fields)
        assert set(entry.constants) <= SPECIFIC_FIELDS - entry.fields
        assert ("loss" in entry.fields) == (entry.losses != "none")
        if entry.losses == "none":
            assert entry.constants["loss"] is None

    def test_every_corner_of_the_search_space_is_a_valid_config_and_the_defaults_lie_inside(
        self, entry: RecipeEntry
    ) -> None:
        for corner in itertools.product(*map(ends, entry.search.values())):
            entry.config.model_validate({"name": entry.name, **dict(zip(entry.search, corner, strict=True))})
        defaults = entry.config(name=entry.name)
        for field, space in entry.search.items():
            assert space.contains(getattr(defaults, field)), f"{entry.name}.{field}"

    def test_what_it_reads_under_a_condition_is_a_field_that_depends_on_another_one(self, entry: RecipeEntry) -> None:
        defaults = entry.config(name=entry.name)
        for name, (other, values) in entry.conditions.items():
            assert {name, other} <= set(entry.config.model_fields)
            assert other not in entry.conditions
            assert all(entry.reads(name, {other: value}) for value in values)
            if other not in entry.search:
                assert getattr(defaults, other) in values, f"nobody would search {name}"
                continue
            space = entry.search[other]
            assert all(space.contains(value) for value in values)
            assert entry.reads(name, {other: space})
            assert {value for value in ends(space) if entry.reads(name, {other: value})} == values

    def test_each_draw_is_scored_on_its_validation_rows_at_each_point(
        self, method: Method, data: dict[str, str], encoder: str
    ) -> None:
        config = method.config(dataset=data, encoder=encoder)
        found = list(replicates(config, [3, 10_001]))
        points = range(1, config.evaluations + 1)
        assert [(each.draw, each.replicate, each.point) for each in found] == [
            (draw, replicate, point) for replicate, draw in enumerate((3, 10_001)) for point in points
        ]
        for each in found:
            check_metrics(each, ["val"])
            assert each.confusion == ()
            assert each.predicted is None
            assert each.confidences is None
            assert not any(name.startswith("test_") for name in each.metrics)
            assert each.step <= config.steps

    def test_the_test_part_is_scored_once_at_the_end(self, method: Method, data: dict[str, str], encoder: str) -> None:
        config = method.config(dataset=data, encoder=encoder)
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
            check_confidences(each, labels_N)

    def test_rows_that_take_turns_to_validate_tell_a_temperature(
        self, method: Method, data: dict[str, str], encoder: str
    ) -> None:
        config = method.config(dataset=data, encoder=encoder, validation="cross", replicates=1, evaluations=1)
        (found,) = replicates(config)
        check_metrics(found, ["val"])
        assert found.metrics.get("val_temperature", 0) > 0, "Measurement.of hands on the scores of an assessment"
        (tested,) = replicates(config, [10_000], part="test", temperature=found.metrics["val_temperature"])
        assert tested.confidences is not None
        assert tested.confidences.temperature == found.metrics["val_temperature"]

    def test_the_same_trial_twice_is_the_same_to_the_last_bit(
        self, method: Method, data: dict[str, str], encoder: str
    ) -> None:
        config = method.config(dataset=data, encoder=encoder)
        first, again = (timeless(replicates(config, part="test")) for _ in range(2))
        assert first == again

    def test_a_draw_and_an_initialisation_give_the_same_whatever_was_trained_before(
        self, method: Method, data: dict[str, str], encoder: str
    ) -> None:
        config = method.config(dataset=data, encoder=encoder, evaluations=1)
        together = timeless(replicates(config, [1, 4, 6], initialisation=2))
        assert {each.initialisation for each in together} == {2}
        (alone,) = timeless(replicates(config, [4], initialisation=2))
        assert replace(alone, replicate=1) == together[1]
        assert timeless(replicates(config, [1, 4, 6], first=2, initialisation=2)) == together[2:]
        assert len({json.dumps(each.metrics) for each in timeless(replicates(config, range(4)))}) > 1, "draws differ"

    def test_a_search_never_reads_the_test_rows(self, method: Method, data: dict[str, str], encoder: str) -> None:
        known = load(DatasetConfig.model_validate(data))
        hidden = DatasetConfig(name="toy", hub="tests/hidden")
        test: Any = _Unreadable()
        provide(hidden, replace(known, test=test))
        config = method.config(dataset=data, encoder=encoder)
        assert timeless(replicates(method.config(dataset=hidden, encoder=encoder))) == timeless(replicates(config))
        with pytest.raises(AssertionError, match="read"):
            len(test)


def ends(space: Range) -> tuple[Scalar, ...]:
    return space.values if isinstance(space, Choice) else (space.low, space.high)


def timeless(evaluations: Iterator[Evaluation]) -> list[Evaluation]:
    return [
        replace(found, metrics={name: value for name, value in found.metrics.items() if name not in TIMES})
        for found in evaluations
    ]


def check_metrics(found: Evaluation, parts: Sequence[str]) -> None:
    assert found.outcome is None, found.reason + found.detail
    assert {f"{part}_{name}" for part in parts for name in _METRICS} | TIMES <= set(found.metrics)
    assert all(math.isfinite(value) for value in found.metrics.values())
    assert all(found.metrics[name] >= 0 for name in TIMES)
    assert all(0 <= found.metrics[f"{part}_{name}"] <= 1 for part in parts for name in _METRICS[:3])
    assert found.trained_on
    assert found.trained_with


def check_confidences(found: Evaluation, labels_N: NDArray[np.int64]) -> None:
    assert found.confidences is not None, "assess_parts gives them: hand them on in the measurement"
    assert found.predicted is not None
    values = found.confidences.values()
    right_N = found.predicted.judged == labels_N
    assert (values["true"] <= values["confidence"] + 1e-6).all()
    np.testing.assert_array_equal(values["true"][right_N], values["confidence"][right_N])
    assert -np.log(values["true"]).mean() == pytest.approx(found.metrics["test_loss"], rel=0.02, abs=1e-3)
    assert found.confidences.temperature is not None, "it is fitted to the validation rows"


class _Unreadable:
    """Rows that nobody may look at."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"the test rows were read: {name}")

    def __len__(self) -> int:
        raise AssertionError("the test rows were read")
