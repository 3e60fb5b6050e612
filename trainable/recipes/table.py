"""The table of all recipes, the ways from labelled rows to a classifier; each has a file of its own, here or in another
package."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, TypeAlias, Union

from pydantic import Field

from trainable.losses import LOSSES
from trainable.plugins import load_plugins
from trainable.recipes import fine_tune, frozen, label_names, metric_then_head, predictions, setfit
from trainable.recipes.entry import RecipeConfig, RecipeEntry

__all__ = ["RECIPES", "SPECIFIC_FIELDS", "AnyRecipe", "method_name"]

_OWN = (
    fine_tune.ENTRY,
    frozen.ENTRY,
    metric_then_head.ENTRY,
    label_names.ENTRY,
    setfit.ENTRY,
    predictions.ENTRY,
)

_PLUGINS = load_plugins("recipe", RecipeEntry, {entry.name for entry in _OWN} | set(LOSSES))
_ENTRIES = (*_OWN, *_PLUGINS)

RECIPES: Mapping[str, RecipeEntry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})

if TYPE_CHECKING:
    AnyRecipe: TypeAlias = RecipeConfig
else:
    AnyRecipe = Annotated[Union[tuple(entry.config for entry in _ENTRIES)], Field(discriminator="name")]  # noqa: UP007  # made of a tuple

SPECIFIC_FIELDS = frozenset[str]().union(*(entry.fields for entry in _ENTRIES))
"""The fields of a trial that not every recipe reads."""


def method_name(recipe: str, loss: str | None) -> str:
    """Return the name of a recipe with its loss, by which cells, tables and figures tell methods apart: the loss alone
    for `fine_tune`, the recipe alone where it has no loss, else both (`metric_then_head+supcon`)."""
    if loss is None:
        return recipe
    return loss if recipe == fine_tune.ENTRY.name else f"{recipe}+{loss}"
