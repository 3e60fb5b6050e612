"""The data and encoders that a sweep reads: checked, pinned to commits, and digested, before it begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from sweep.spec.cells import Cell, cells
from sweep.spec.defaults import AUTO
from sweep.spec.feasibility import check_encoder_of, check_trials
from sweep.spec.fields import FORMER_DEFAULTS, NEW_DEFAULTS, NEW_READING, TRIAL_FIELDS, is_used
from sweep.spec.model import SweepSpec
from trainable.config import DatasetConfig, TrialConfig
from trainable.datasets import load, pin
from trainable.datasets.digest import data_digest
from trainable.draws import draw_notes, draw_of
from trainable.encoder.digest import encoder_digest
from trainable.encoder.rates import rate_range
from trainable.lengths import length_notes
from trainable.ranges import FloatRange, Scalar
from trainable.recipes import RECIPES

__all__ = [
    "Digests",
    "as_begun",
    "begun_otherwise",
    "check_inputs",
    "data_notes",
    "digest_inputs",
    "input_changes",
    "pinned",
    "with_rates",
]

Digests: TypeAlias = Mapping[str, Mapping[str, str]]
"""What the inputs of a cell consist of: by kind and name (`dataset trec`), the properties and hashes of one of them."""


def check_inputs(grid: Sequence[Cell]) -> None:
    """Reads every dataset, takes a draw of each cell (one of each size that there is), and checks each encoder.

    Raises TrainableError for the first that cannot be used, so that a sweep with bad input does not begin.
    """
    for config in (config for cell in grid for config in cell.inputs()):
        check_encoder_of(config)
        data = load(config.dataset)
        for index in range(max(1, data.folds)):
            draw_of(config, data, index)
    check_trials(grid)


def pinned(spec: SweepSpec, recorded: Mapping[str, Any]) -> SweepSpec:
    """The spec with every hub dataset pinned to a commit: the one that the sweep began with, or else the newest.

    recorded: the resolved spec that the sweep began with, as JSON data; empty for a new sweep.
    """
    datasets = {}
    for name, config in spec.datasets.items():
        known = recorded.get("datasets", {}).get(name, {})
        same = config.hub is not None and config.revision is None and known.get("hub") == config.hub
        datasets[name] = pin(config.model_copy(update={"revision": known.get("revision")}) if same else config)
    return spec.model_copy(update={"datasets": datasets})


def as_begun(spec: SweepSpec, recorded: Mapping[str, Any]) -> SweepSpec:
    """The spec with the defaults that the version had with which the sweep was begun.

    recorded: the resolved spec that the sweep began with, as JSON data; empty for a new sweep.
    """
    if not recorded:
        return spec
    spec = spec.model_copy(update={"datasets": _read_as_begun(spec.datasets, recorded.get("datasets", {}))})
    if spec.protocol.validation == "auto" and recorded.get("protocol", {}).get("validation") == "all":
        spec = spec.model_copy(update={"protocol": spec.protocol.model_copy(update={"validation": "all"})})
    known = {name for block in ("trial", "search", "compare") for name in recorded.get(block, {})}
    unsaid = [name for name, value in spec.trial.items() if value == TRIAL_FIELDS[name].default]
    new = {name for name in unsaid if name in NEW_DEFAULTS and name not in known and _was_read(name, recorded)}
    then = {name: value for name, value in FORMER_DEFAULTS.items() if recorded.get("trial", {}).get(name) == value}
    former = {name: value for name, value in then.items() if name in unsaid}
    # What that version did not record stays off the record: a run after this one is to know the version too.
    trial = {name: value for name, value in {**spec.trial, **former}.items() if name not in new}
    return spec if trial == spec.trial else spec.model_copy(update={"trial": trial})


def begun_otherwise(asked: SweepSpec, begun: SweepSpec) -> Iterator[str]:
    """In one sentence, the values with which a sweep of an earlier version continues, in place of today's defaults.

    asked: the spec as it is read today. begun: the same `as_begun`.
    """
    trial = {**asked.trial, **begun.trial}
    values = {name: begun.trial.get(name, TrialConfig.model_fields[name].default) for name in trial}
    kept = [f"{name} {_shown(value)}" for name, value in values.items() if value != asked.trial.get(name)]
    if asked.protocol.validation != begun.protocol.validation:
        kept.append(f"validation {begun.protocol.validation}")
    for name, config in begun.datasets.items():
        if config.holdout != asked.datasets[name].holdout:
            kept.append(f"holdout {config.holdout} ({name})")
    if kept:
        yield f"where the spec says nothing, the sweep continues as an earlier version began it: {', '.join(kept)}"


def _shown(value: Scalar | None) -> str:
    return "unset" if value is None else str(value)


def _was_read(field: str, recorded: Mapping[str, Any]) -> bool:
    """Whether a recipe of the recorded spec reads a field, so that only an earlier version can have left it out."""
    alone = recorded.get("trial", {}).get("recipe", TRIAL_FIELDS["recipe"].default)
    return any(is_used(field, recipe, None) for recipe in recorded.get("compare", {}).get("recipe", [alone]))


def with_rates(spec: SweepSpec, recorded: Mapping[str, Any]) -> SweepSpec:
    """The spec with the range of `encoder_lr` that `auto` stands for: the one that the sweep began with, or else that
    of its encoders.

    recorded: the resolved spec that the sweep began with, as JSON data; empty for a new sweep.

    Raises EncoderError for an encoder whose configuration cannot be read.
    """
    if spec.search.get("encoder_lr") != AUTO:
        return spec
    known = recorded.get("search", {}).get("encoder_lr")
    configs = [config for cell in cells(spec) for config in cell.trained()]
    trained = [config for config in configs if "encoder_lr" in RECIPES[config.recipe.name].fields]
    named = {(config.encoder, config.encoder_revision, bool(config.lora_rank)): None for config in trained}
    rates = FloatRange(**known) if isinstance(known, Mapping) else rate_range(named)
    return spec.model_copy(update={"search": {**spec.search, "encoder_lr": rates}})


def _read_as_begun(
    datasets: Mapping[str, DatasetConfig], recorded: Mapping[str, Mapping[str, Any]]
) -> dict[str, DatasetConfig]:
    """The datasets, of which those that an earlier version read are read as it did."""
    found = {}
    for name, config in datasets.items():
        then = {field: DatasetConfig.model_fields[field].default for field in NEW_READING}
        update = {
            field: then[field]
            for field, value in NEW_READING.items()
            if name in recorded
            and recorded[name].get(field, then[field]) == then[field] != getattr(config, field) == value
        }
        found[name] = config.model_copy(update=update)
    return found


def digest_inputs(grid: Sequence[Cell]) -> Mapping[str, Digests]:
    """By cell, what all its inputs consist of. Raises TrainableError for one that cannot be read."""
    datasets: dict[DatasetConfig, Mapping[str, str]] = {}
    encoders: dict[tuple[str, str | None], Mapping[str, str]] = {}
    digests: dict[str, dict[str, Mapping[str, str]]] = {}
    for cell in grid:
        found = digests.setdefault(cell.key, {})
        for number, config in enumerate(cell.inputs(), start=1):
            if config.dataset not in datasets:
                datasets[config.dataset] = data_digest(load(config.dataset))
            found[f"dataset {config.dataset.name}"] = datasets[config.dataset]
            if config.encoder:
                key = (config.encoder, config.encoder_revision)
                if key not in encoders:
                    encoders[key] = encoder_digest(*key)
                found[f"encoder {number}"] = encoders[key]
            if own := RECIPES[config.recipe.name].digest(config):
                found[f"{config.recipe.name} {number}"] = own
    return digests


def data_notes(grid: Sequence[Cell]) -> Mapping[str, tuple[str, ...]]:
    """By dataset, what was dropped or assumed in reading it, and what recipes have to say of it. Raises TrainableError
    for one that cannot be read."""
    notes: dict[str, dict[str, None]] = {}
    cut = _cut_notes(grid)
    for config in (cell.default_config() for cell in grid):
        data, name = load(config.dataset), config.dataset.name
        own = (*draw_notes(config, data), *RECIPES[config.recipe.name].notes(config, data))
        said = (*data.notes, *cut.get(name, ()), *own)
        notes.setdefault(name, {}).update(dict.fromkeys(said))
    return {name: tuple(said) for name, said in notes.items()}


def _cut_notes(grid: Sequence[Cell]) -> Mapping[str, tuple[str, ...]]:
    """By dataset, notes on rows that are longer than what trials keep of them."""
    configs = [cell.default_config() for cell in grid]
    lengths = {(each.dataset, each.max_length): each for each in configs if each.encoder}  # many cells have the same
    notes: dict[str, tuple[str, ...]] = {}
    for config in lengths.values():
        name = config.dataset.name
        notes[name] = (*notes.get(name, ()), *length_notes(config, load(config.dataset)))
    return notes


def input_changes(old: Digests, new: Digests) -> list[str]:
    """How the inputs of a cell differ, in words: `dataset trec: rows of the pool: was 72, is now 53`."""
    found = []
    for name in (name for name in new if name in old):
        for part in dict.fromkeys((*old[name], *new[name])):
            was, now = old[name].get(part), new[name].get(part)
            if was != now:
                found.append(f"{name}: {part}: {_change(was, now)}")
    return found


def _change(was: str | None, now: str | None) -> str:
    if was is None:
        return "is new"
    if now is None:
        return "is gone"
    hashes = was.startswith("sha256:") and now.startswith("sha256:")
    return "have changed" if hashes else f"was {was}, is now {now}"
