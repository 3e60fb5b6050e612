"""The recipes, the ways from labelled rows to a classifier.

The table is made when it is first asked for: it holds recipes of other packages too, which import `entry` from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainable.recipes.entry import RecipeConfig, RecipeEntry

if TYPE_CHECKING:
    from trainable.recipes.table import RECIPES, SPECIFIC_FIELDS, AnyRecipe, method_name

__all__ = ["RECIPES", "SPECIFIC_FIELDS", "AnyRecipe", "RecipeConfig", "RecipeEntry", "method_name"]


def __getattr__(name: str) -> Any:
    if name not in ("RECIPES", "SPECIFIC_FIELDS", "AnyRecipe", "method_name"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from trainable.recipes import table

    return getattr(table, name)
