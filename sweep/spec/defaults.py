"""What is searched, and which value a field of a trial has, where the spec does not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from types import MappingProxyType
from typing import Any

from sweep.spec.fields import OWN_FIELDS, PROTOCOL_FIELDS, TRIAL_FIELDS, is_used
from trainable.encoder.rates import UNKNOWN
from trainable.losses import LOSSES
from trainable.ranges import FloatRange, Range, Scalar
from trainable.recipes import RECIPES, SPECIFIC_FIELDS

__all__ = ["AUTO", "DEFAULT_RANGES", "RANGE_SOURCES", "filled_search", "filled_trial"]

AUTO = "auto"
"""In place of a range of `encoder_lr`: one around the rate that suits the encoder (`trainable.encoder.rates`)."""

DEFAULT_RANGES: Mapping[str, Range] = MappingProxyType(
    {
        "encoder_lr": UNKNOWN,
        "beta": FloatRange(0.05, 0.95),
        "proxy_lr": FloatRange(1e-4, 1e-1, log=True),
    }
)
"""The fields of a trial that are searched unless the spec says otherwise. Losses have ranges of their own."""

RANGE_SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "encoder_lr": "`auto` is a third to three times the rate that suits the encoder's width, which is "
        "2e-5 x (1024 / width)^2, between 5e-6 and 3e-4: 6.7e-6 to 6e-5 at 1,024 (Mosbach et al., 2021, "
        "arXiv:2006.04884, use 1e-5 to 3e-5, Gao et al., 2021, arXiv:2012.15723, up to 5e-5), 1.2e-5 to 1.1e-4 at 768 "
        "(Devlin et al., 2019: 2e-5 to 5e-5), 4.7e-5 to 4.3e-4 at 384 (all-MiniLM-L6-v2 did best at 1e-4 to 2e-4: "
        "tests/benchmarks). A sweep over encoders of several widths searches all of it; one whose encoder states no "
        "width, 1e-5 to 2e-4. With `lora_rank`, four times as high. The first trial stands in the middle.",
        "beta": "The metric losses differ by orders of magnitude in scale, so each needs a weight of its own.",
        "proxy_lr": "Most proxies start at random: the code of SoftTriple and of Proxy Anchor trains them 100 times as "
        "fast as the rest.",
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
    general: dict[str, Any] = {**defaults, **{name: value for name, value in search.items() if name not in OWN_FIELDS}}
    if "encoder_lr" in defaults and "encoder_lr" not in search:
        general["encoder_lr"] = AUTO
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
