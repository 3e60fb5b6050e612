"""The table of all recipes, the ways from labelled rows to a classifier; each has a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from trainable.recipes import fine_tune, frozen, label_names, metric_then_head, predictions, setfit
from trainable.recipes.entry import RecipeConfig, RecipeEntry

__all__ = ["RECIPES", "SPECIFIC_FIELDS", "AnyRecipe", "RecipeConfig", "RecipeEntry", "method_name"]

_ENTRIES = (
    fine_tune.ENTRY,
    frozen.ENTRY,
    metric_then_head.ENTRY,
    label_names.ENTRY,
    setfit.ENTRY,
    predictions.ENTRY,
)

RECIPES: Mapping[str, RecipeEntry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})

AnyRecipe = Annotated[
    fine_tune.FineTune
    | frozen.Frozen
    | metric_then_head.MetricThenHead
    | label_names.LabelNames
    | setfit.SetFit
    | predictions.Predictions,
    Field(discriminator="name"),
]

SPECIFIC_FIELDS = frozenset[str]().union(*(entry.fields for entry in _ENTRIES))
"""The fields of a trial that not every recipe reads."""


def method_name(recipe: str, loss: str | None) -> str:
    """Return the name of a recipe with its loss, by which cells, tables and figures tell methods apart: the loss alone
    for `fine_tune`, the recipe alone where it has no loss, else both (`metric_then_head+supcon`)."""
    if loss is None:
        return recipe
    return loss if recipe == fine_tune.ENTRY.name else f"{recipe}+{loss}"
