"""Which fields of a trial exclude each other, each rule with the values received and the remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainable.errors import FieldConflictError
from trainable.losses import LOSSES
from trainable.recipes import RECIPES, SPECIFIC_FIELDS

if TYPE_CHECKING:
    from trainable.config import TrialConfig
    from trainable.losses import LossEntry

__all__ = ["PUBLISHED", "check_conflicts"]

PUBLISHED = (
    "head",
    "proxy_start",
    "layer_decay",
    "frozen_layers",
    "new_layers",
    "lora_rank",
    "batches",
    "views",
    "projection",
    "class_weights",
    "priors",
    "restarts",
)
"""The fields of a training that `compatibility: published` leaves at their defaults: the papers' code has none of
them."""


def check_conflicts(config: TrialConfig) -> None:
    """Raise FieldConflictError for fields that the recipe does not read, or that exclude each other."""
    _check_recipe(config)
    if config.loss is None:
        return
    entry = LOSSES[config.loss.name]
    _check_published(config)
    _check_head(config, entry)
    _check_proxies(config, entry)
    _check_projection(config, entry)
    if config.lora_rank and config.new_layers:
        rule = "layers that start at random are to be trained whole, and lora_rank trains updates of pretrained ones"
        received = f"received lora_rank={config.lora_rank}, new_layers={config.new_layers}: leave one of them out"
        raise FieldConflictError(f"{rule}; {received}", ["lora_rank", "new_layers"])
    if config.evaluations > config.steps:
        rule = f"evaluations must be at most steps ({config.steps}); received {config.evaluations}"
        raise FieldConflictError(rule, ["evaluations", "steps"])


def _check_recipe(config: TrialConfig) -> None:
    entry = RECIPES[config.recipe.name]
    for name in sorted(SPECIFIC_FIELDS - entry.fields):
        value, kept = getattr(config, name), entry.constants.get(name, type(config).model_fields[name].default)
        if value != kept:
            rule = f"the recipe {entry.name} has no {name}; received {getattr(value, 'name', value)}: leave it out"
            raise FieldConflictError(rule, [name, "recipe"])
    if config.loss is None and entry.losses != "none":
        raise FieldConflictError(f"the recipe {entry.name} needs a loss; received none", ["loss"])
    if config.loss is not None and not entry.takes(LOSSES[config.loss.name]):
        rule = f"the recipe {entry.name} needs a metric loss; received {config.loss.name}"
        raise FieldConflictError(rule, ["loss", "recipe"])


def _check_published(config: TrialConfig) -> None:
    if not config.published:
        return
    changed = [name for name in PUBLISHED if getattr(config, name) != type(config).model_fields[name].default]
    if changed:
        rule = "compatibility: published trains as the papers' code does, which leaves some fields at their defaults"
        received = ", ".join(f"{name}={getattr(config, name)}" for name in changed)
        raise FieldConflictError(f"{rule}; received {received}: leave them out", [*changed, "compatibility"])
    for name, rate in (("head_lr", config.head_lr), ("proxy_lr", config.proxy_lr)):
        if rate is not None:
            rule = "all weights train at encoder_lr with compatibility: published"
            remedy = "leave it out, or set compatibility: none"
            raise FieldConflictError(f"{rule}; received {name}={rate}: {remedy}", [name, "compatibility"])


def _check_head(config: TrialConfig, entry: LossEntry) -> None:
    if entry.build is None and config.beta != 1:
        rule = f"beta must be 1 for {entry.name}, which has no metric loss; received {config.beta}"
        raise FieldConflictError(rule, ["beta"])
    if config.beta == 0 and config.inference in ("head", "mixture"):
        rule = f"inference must not be {config.inference} where beta is 0, since the head then learns nothing"
        raise FieldConflictError(rule, ["inference", "beta"])


def _check_proxies(config: TrialConfig, entry: LossEntry) -> None:
    if config.proxy_start != "random" and not entry.has_proxies:
        rule = f"proxy_start is for losses with proxies; {entry.name} has none; received {config.proxy_start}"
        raise FieldConflictError(rule, ["proxy_start"])
    if config.proxy_lr is not None and not entry.has_proxies:
        rule = f"proxy_lr is for losses with proxies; {entry.name} has none; received {config.proxy_lr}"
        raise FieldConflictError(rule, ["proxy_lr"])


def _check_projection(config: TrialConfig, entry: LossEntry) -> None:
    if config.projection is None:
        return
    if not entry.needs_pairs:
        rule = f"projection is for metric losses without proxies; received {config.projection} with {entry.name}"
        raise FieldConflictError(f"{rule}: leave it out", ["projection", "loss"])
    if config.beta == 1:
        rule = "projection needs a metric loss that has a share in the objective; received beta: 1"
        raise FieldConflictError(f"{rule}: lower beta, or leave projection out", ["projection", "beta"])
