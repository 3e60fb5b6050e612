"""The fields of a trial and of each loss, as a spec may set them: what each may hold, and which may be searched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from sweep.spec.blocks import BLOCKS, Protocol
from sweep.spec.mistakes import Mistake, Place
from sweep.spec.wording import choices, in_words, number_type, shown, suggestion
from trainable.config import TrialConfig
from trainable.field_conflicts import PUBLISHED
from trainable.losses import LOSSES
from trainable.ranges import Scalar
from trainable.recipes import RECIPES, SPECIFIC_FIELDS

__all__ = [
    "FORMER_DEFAULTS",
    "LOSS_FIELDS",
    "NEW_DEFAULTS",
    "NEW_READING",
    "OWN_FIELDS",
    "PLACES",
    "PROTOCOL_FIELDS",
    "READINGS",
    "RECIPE_FIELDS",
    "SWEEP_NAME",
    "TRIAL_FIELDS",
    "UNSEARCHABLE",
    "WARM_START",
    "FieldRule",
    "is_used",
    "kind_of",
    "remedy_for_unknown",
]


@dataclass(frozen=True, slots=True)
class FieldRule:
    """What one field of a spec may hold.

    adapter: validates a value.
    rule: what the field may hold, in words.
    description: what the field means.
    default: its default, or None if it has none or is unset by default.
    names: the values that are names, as `linear` and `cosine` of a schedule.
    number: `int` or `float` if the field may hold numbers of that type, else None.
    """

    name: str
    adapter: TypeAdapter[Any]
    rule: str
    description: str
    default: Any
    names: tuple[str, ...]
    number: type[int] | type[float] | None

    def accept(self, value: object, place: Place) -> Scalar | Mistake:
        """The value as the field holds it, or the mistake in it. A real field turns whole numbers into floats."""
        try:
            accepted: Scalar = self.adapter.validate_python(value)
        except ValidationError:
            accepted = None
        if isinstance(value, str) and not value.strip():
            return Mistake(place=place, rule="must not be empty", received=shown(value), remedy=self._meaning)
        if accepted is None:
            return Mistake(place=place, rule=f"must be {self.rule}", received=shown(value), remedy=self._remedy(value))
        return accepted

    @property
    def _meaning(self) -> str:
        return f"`{self.name}`: {self.description}"

    def _remedy(self, value: object) -> str:
        if isinstance(value, bool) and (self.number or self.names):
            return "true and false are no numbers" if self.number else self._meaning
        if isinstance(value, str) and self.number and _DIGITS.fullmatch(value):
            return "write the number without quotes"
        if isinstance(value, int | float) and not self.number and not self.names:
            return f"write it in quotes: '{shown(value)}'"
        if isinstance(value, str) and self.names:
            return suggestion(value, self.names, listed=False)
        if isinstance(value, float) and self.number is int and value.is_integer() and abs(value) < 1e15:
            return f"write {int(value)}"
        return self._meaning


_DIGITS = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
"""A number that can only be a text because it stands in quotes: without them, `1_000` and `nan` are texts too."""


def _rule(name: str, info: FieldInfo, annotation: Any = None) -> FieldRule:
    kind: Any = annotation if annotation is not None else info.annotation
    typed: Any = Annotated[kind, *info.metadata] if info.metadata else kind
    return FieldRule(
        name=name,
        adapter=TypeAdapter(typed, config=ConfigDict(strict=True, allow_inf_nan=False)),
        rule=in_words(kind, info.metadata),
        description=info.description or name,
        default=None if info.is_required() else info.default,
        names=choices(kind),
        number=number_type(kind),
    )


NEW_DEFAULTS: Mapping[str, Scalar] = MappingProxyType(
    {"embedding": "auto", "prompt": "auto", "head": "centroid", "proxy_start": "auto", "restarts": 1}
)
"""Where a spec that says nothing differs from a configuration that says nothing, which is read as earlier versions
trained it: training starts where the frozen encoder stands, and is begun anew if it learned nothing."""

FORMER_DEFAULTS: Mapping[str, Scalar] = MappingProxyType({"proxy_start": "centroids"})
"""What a spec that says nothing meant for some time. A sweep that began so is resumed so."""

NEW_READING: Mapping[str, Scalar] = MappingProxyType({"holdout": "auto"})
"""The same of a dataset: few rows without a test part are all tested, each by some draws."""


def _trial_rules() -> dict[str, FieldRule]:
    """The rules of the fields of a trial. Dataset, recipe and loss are given by name; fields of the protocol have the
    bounds of its block."""
    special = {"dataset": str, "recipe": Literal[tuple(RECIPES)], "loss": Literal[tuple(LOSSES)]}
    rules = {}
    for name, info in TrialConfig.model_fields.items():
        rule = _rule(name, Protocol.model_fields.get(name, info), special.get(name))
        rules[name] = replace(rule, default=NEW_DEFAULTS.get(name, getattr(rule.default, "name", rule.default)))
    return rules


def _own_rules(config: type[BaseModel]) -> Mapping[str, FieldRule]:
    return MappingProxyType({name: _rule(name, info) for name, info in config.model_fields.items() if name != "name"})


PROTOCOL_FIELDS = tuple(Protocol.model_fields)
READINGS = ("dataset.encoding", "dataset.delimiter")
"""Flat fields that say how a file is read. What is read from it is known by its digest."""
PLACES = ("dataset.path", "dataset.test_path", "encoder", "recipe.path")
"""Flat fields that may be paths on a machine. What is there is known by its digest, so that it may move."""
TRIAL_FIELDS: Mapping[str, FieldRule] = MappingProxyType(_trial_rules())
LOSS_FIELDS: Mapping[str, Mapping[str, FieldRule]] = MappingProxyType(
    {name: _own_rules(entry.config) for name, entry in LOSSES.items()}
)
RECIPE_FIELDS: Mapping[str, Mapping[str, FieldRule]] = MappingProxyType(
    {name: _own_rules(entry.config) for name, entry in RECIPES.items()}
)
OWN_FIELDS: Mapping[str, Mapping[str, FieldRule]] = MappingProxyType({**RECIPE_FIELDS, **LOSS_FIELDS})
"""The fields that stand under the name of a recipe or of a loss in `search`."""

SWEEP_NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""What the name of a sweep matches."""
WARM_START = "warm_start"
"""The key of `search` that is no field: other sweeps, whose best trials are tried first."""

_SCORED_ALIKE = "trials of one cell compete, so they must be scored alike"
UNSEARCHABLE: Mapping[str, str] = MappingProxyType(
    {
        "recipe": "recipes differ in their fields and in what a trial costs",
        "shots": "more shots always win, so a search for the best number of them has no answer",
        **dict.fromkeys(
            ("dataset", "sampling", "compatibility", *(name for name in PROTOCOL_FIELDS if name != "steps")),
            _SCORED_ALIKE,
        ),
    }
)
"""The fields that a sweep may compare but never search, each with the reason."""


def is_used(field: str, recipe: str, loss: str | None, compatibility: str = "none") -> bool:
    """Whether a trial by this recipe, with this loss, uses a field: `beta` needs a metric loss, `proxy_lr` a loss with
    proxies, and `compatibility: published` has its own head, proxies and rule, all trained at one learning rate."""
    if field in SPECIFIC_FIELDS - RECIPES[recipe].fields:
        return False
    if loss is None:
        return True
    entry = LOSSES[loss]
    if field in (*PUBLISHED, "head_lr", "proxy_lr", "inference") and compatibility == "published":
        return False
    needed = {
        "beta": entry.build is not None,
        "proxy_lr": entry.has_proxies,
        "proxy_start": entry.has_proxies,
        "projection": entry.needs_pairs,
    }
    return needed.get(field, True)


def kind_of(name: str) -> Literal["loss", "recipe"]:
    """Whether a name under `search` is that of a loss or of a recipe."""
    return "recipe" if name in RECIPES else "loss"


def remedy_for_unknown(key: object, block: str, allowed: Iterable[str]) -> str:
    """The remedy for an unknown key: the block where it belongs, or else the keys that its own block allows."""
    homes = [name for name, model in BLOCKS.items() if key in model.model_fields]
    if key == WARM_START:
        homes = ["search"]
    if not homes and key in TRIAL_FIELDS:
        homes = ["compare", "trial"] if key in UNSEARCHABLE else ["compare", "search", "trial"]
    if not homes and key in OWN_FIELDS:
        return f"the fields of a {kind_of(str(key))} stand under `search.{key}`, where a single value fixes a field"
    owners = [name for name, rules in OWN_FIELDS.items() if key in rules]
    if not homes and owners:
        kind = kind_of(owners[0])
        return f"a field of a {kind} stands under the {kind}'s name: search.{owners[0]}.{key}"
    homes = [home for home in homes if home != block]
    if homes:
        return f"`{key}` belongs under {' or '.join(f'`{home}`' for home in homes)}"
    return suggestion(key, allowed)
