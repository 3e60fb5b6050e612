"""The section of a report on how the sweep was made: enough to do it again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

from sweep.addresses import redacted
from sweep.records.results import SweepResults
from sweep.records.sweep import DataRecord
from sweep.records.trial import TrialRecord
from sweep.report.section import Section, Table
from sweep.report.wording import percent
from trainable.config import TrialConfig
from trainable.outcomes import Evaluation, Outcome
from trainable.recipes import RECIPES

__all__ = ["making_section"]


def making_section(results: SweepResults) -> Section:
    """The spec to do it again, the data, where trainings started, and what ran them."""
    sweep = results.sweep
    began = datetime.fromtimestamp(sweep.created, UTC).strftime("%Y-%m-%d %H:%M UTC")
    provenance = Table(
        title="Versions and machine",
        columns=("what", "value"),
        rows=(
            ("sweep", f"{sweep.id}, begun {began}"),
            *((name, _shareable(value)) for name, value in sweep.provenance.items()),
            *_trained(results, "trained on", lambda evaluation: evaluation.trained_on),
            *_trained(results, "trained with", lambda evaluation: evaluation.trained_with),
        ),
        words=2,
        folded=True,
    )
    commit = sweep.provenance.get("git_commit", "").removesuffix("-dirty")
    return Section(
        anchor="making",
        title="How it was made",
        text=(
            "To do it again, save the spec below as spec.yaml, with your own folders where it names some by `…`, and "
            f"run `python -m sweep run spec.yaml`{f' at commit {commit}' if commit else ''}.",
        ),
        tables=(
            *_data(list(sweep.data.values())),
            *_suggested(results),
            _starts(results),
            provenance,
        ),
        listing=_spec_yaml(sweep.spec),
    )


def _trained(results: SweepResults, what: str, named: Callable[[Evaluation], str]) -> Iterator[tuple[str, str]]:
    """The kinds of devices, or the versions, with their numbers of trainings, most first; `cpus`, `platform` and
    `version` are the driver's. A training that was made again after an interruption counts where it ended; that its
    first points, by which others may have been pruned, come from elsewhere is said too."""
    trainings: dict[tuple[str, int], list[str]] = {}
    for trial in results.trials:
        for each in trial.evaluations:
            trainings.setdefault((trial.key, each.evaluation.replicate), []).append(named(each.evaluation))
    confirmed = [[named(each.evaluation)] for record in results.confirmations for each in record.replicates]
    kinds = [list(filter(None, found)) for found in (*trainings.values(), *confirmed)]
    ended = Counter(found[-1] for found in kinds if found)
    begun = Counter(kind for found in kinds for kind in set(found) - set(found[-1:]))
    for kind in dict.fromkeys([kind for kind, _ in ended.most_common()] + sorted(begun)):
        yield what, f"{kind}: {', '.join(_counted(ended[kind], begun[kind]))}"


def _counted(ended: int, begun: int) -> Iterator[str]:
    if ended:
        yield f"{ended} training{'s' if ended > 1 else ''}"
    if begun:
        yield f"the first points of {begun} that {'was' if begun == 1 else 'were'} made again elsewhere"


def _suggested(results: SweepResults) -> Iterator[Table]:
    """The trials whose values come from other sweeps, cell by cell, if there are any."""
    suggested = sorted(
        (trial for trial in results.trials if trial.origin), key=lambda trial: (trial.cell, trial.number)
    )
    rows = tuple((trial.key, trial.origin, _score(trial)) for trial in suggested)
    if rows:
        columns = ("trial", "suggested by", "validation score, %")
        yield Table(title="Configurations of other sweeps", columns=columns, rows=rows, words=2, folded=True)


def _score(trial: TrialRecord) -> str:
    return percent(trial.score) if trial.score is not None and trial.outcome is Outcome.COMPLETED else "–"


def _starts(results: SweepResults) -> Table:
    """From what each trial, and each replicate of a confirmation, started."""
    confirmed = (record.config for record in results.confirmations for _ in record.replicates)
    found = Counter(map(_start, (*(trial.config for trial in results.trials), *confirmed)))
    rows = tuple((*start, str(count)) for start, count in found.most_common())
    columns = ("recipe", "encoder", "head", "how many")
    return Table(title="What trials and confirmations started from", columns=columns, rows=rows, words=3, folded=True)


def _start(config: TrialConfig) -> tuple[str, str, str]:
    fields = RECIPES[config.recipe.name].fields
    revision = f" at {config.encoder_revision}" if config.encoder_revision else ""
    encoder = f"{_shareable(config.encoder)}{revision}" if config.encoder else "–"
    if "new_layers" in fields and config.new_layers:
        encoder += f", its last {config.new_layers} layers new"
    if "lora_rank" in fields and config.lora_rank:
        encoder += ", updates of low rank"
    return config.recipe.name, encoder, _HEADS[config.head] if "head" in fields else "the recipe's own"


_HEADS = {"checkpoint": "new, at random", "centroid": "new, at the centroids of the classes"}


def _data(data: Sequence[DataRecord]) -> Iterator[Table]:
    if not data:
        return
    rows = tuple(
        (
            dataset.name,
            " ".join(map(_shareable, dataset.notes)) or "–",
            str(len(dataset.class_names)),
            str(dataset.pool),
            str(dataset.test),
            percent(dataset.majority_share),
        )
        for dataset in data
    )
    columns = ("dataset", "notes", "classes", "rows to draw from", "test rows", "majority class, % of test")
    yield Table(title="Data", columns=columns, rows=rows, words=2)


def _spec_yaml(spec: Mapping[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(_without_folders(spec), sort_keys=False, allow_unicode=True, width=100)


def _without_folders(value: Any) -> Any:
    """A spec as it may be shared: without passwords, and with folders by name only, since paths differ elsewhere."""
    if isinstance(value, Mapping):
        return {str(name): _without_folders(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_folders(item) for item in value]
    return _shareable(value) if isinstance(value, str) else value


_FOLDER = re.compile(r"(?:(?<![^\s'\"(\[=])|(?<=:///)|(?<=file://))/[^\s'\"`,;]+")
"""An absolute path: at the start of a word, or in an address such as `sqlite:////data/mlflow.db`."""


def _shareable(text: str) -> str:
    return _FOLDER.sub(lambda match: f"…/{PurePath(match[0]).name}", redacted(text))
