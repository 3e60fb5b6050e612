"""What is searched, and which value a field of a trial has, where the spec does not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from types import MappingProxyType
from typing import Any

from sweep.spec.fields import OWN_FIELDS, PROTOCOL_FIELDS, TRIAL_FIELDS, is_used
from trainable.losses import LOSSES
from trainable.ranges import FloatRange, Range, Scalar
from trainable.recipes import RECIPES, SPECIFIC_FIELDS

__all__ = ["DEFAULT_RANGES", "RANGE_SOURCES", "filled_search", "filled_trial"]

DEFAULT_RANGES: Mapping[str, Range] = MappingProxyType(
    {
        "encoder_lr": FloatRange(5e-6, 5e-5, log=True),
        "beta": FloatRange(0.05, 0.95),
        "proxy_lr": FloatRange(1e-4, 1e-1, log=True),
    }
)
"""The fields of a trial that are searched unless the spec says otherwise. Losses have ranges of their own."""

RANGE_SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "encoder_lr": "Mosbach et al., 2021 (arXiv:2006.04884) use 1e-5 to 3e-5, Gao et al., 2021 (arXiv:2012.15723) "
        "up to 5e-5.",
        "beta": "The metric losses differ by orders of magnitude in scale, so each needs a weight of its own.",
        "proxy_lr": "Proxies start at random: the code of SoftTriple and of Proxy Anchor trains them 100 times as fast "
        "as the rest.",
    }
)
"""Why each of these ranges is what it is."""


def filled_search(
    search: Mapping[str, Any], recipes: Sequence[str], losses: Sequence[str], fixed: Set[str]
) -> dict[str, Any]:
    """The complete `search` block: what was given, the default ranges of fields that a recipe and a loss use and
    nothing fixes, and every field of every recipe and loss."""
    methods = [(recipe, loss) for recipe in recipes for loss in _losses_of(recipe, losses)]
    defaults = {
        name: values
        for name, values in DEFAULT_RANGES.items()
        if name not in fixed and any(is_used(name, recipe, loss) for recipe, loss in methods)
    }
    general = {**defaults, **{name: value for name, value in search.items() if name not in OWN_FIELDS}}
    own = dict.fromkeys(name for name in (*recipes, *losses) if OWN_FIELDS.get(name))
    return {**general, **{name: _filled(name, search.get(name, {})) for name in own}}


def _losses_of(recipe: str, losses: Sequence[str]) -> Sequence[str | None]:
    return [None] if RECIPES[recipe].losses == "none" else list(losses)


def _filled(owner: str, given: Mapping[str, Range | Scalar]) -> dict[str, Range | Scalar]:
    ranges = (RECIPES[owner] if owner in RECIPES else LOSSES[owner]).search
    return {name: given.get(name, ranges.get(name, rule.default)) for name, rule in OWN_FIELDS[owner].items()}


def filled_trial(trial: Mapping[str, Scalar], recipes: Sequence[str], elsewhere: Set[str]) -> dict[str, Any]:
    """The complete `trial` block: every field that stands in no other block and that a recipe reads. Those with a
    default range have no default value, since the loss decides whether they are used."""
    free = [name for name in TRIAL_FIELDS if name not in elsewhere and name not in PROTOCOL_FIELDS]
    unread = SPECIFIC_FIELDS - frozenset[str]().union(*(RECIPES[recipe].fields for recipe in recipes))
    without = DEFAULT_RANGES.keys() | unread
    values = {name: trial.get(name, None if name in without else TRIAL_FIELDS[name].default) for name in free}
    return {name: value for name, value in values.items() if value is not None}
