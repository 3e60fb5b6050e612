"""The datasets of a spec by name: those under `datasets`, and those that `compare` and `trial` name by path or id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sweep.spec.fields import NEW_READING
from sweep.spec.mistakes import Place
from sweep.spec.wording import suggestion
from trainable.datasets import DATASETS, find
from trainable.errors import DataError

__all__ = ["NamedDatasets"]


@dataclass(frozen=True, slots=True)
class NamedDatasets:
    """The completion of the block `datasets`.

    given: the blocks of the spec as they were given.
    refuse: called with the place, the rule, the value received and the remedy of each mistake.
    """

    given: Mapping[str, Mapping[str, Any]]
    refuse: Callable[[Place, str, object, str], None]

    def complete(self, compare: dict[str, Any], trial: dict[str, Any]) -> dict[str, Any]:
        """The datasets by name. Paths and hub ids under `compare` and `trial` are replaced by names of datasets."""
        entries = {name: self._entry(name, entry) for name, entry in self.given.get("datasets", {}).items()}
        found = {name: entry for name, entry in entries.items() if entry}
        for block, values in (("compare", compare.get("dataset", ())), ("trial", (trial.get("dataset"),))):
            names = [self._find(value, (block, "dataset"), found) for value in values if value is not None]
            if block == "compare" and "dataset" in compare:
                compare["dataset"] = tuple(dict.fromkeys(filter(None, names)))
            elif names and names[0]:
                trial["dataset"] = names[0]
        return found

    def _entry(self, name: str, entry: Any) -> Mapping[str, Any] | None:
        place = ("datasets", name)
        if not isinstance(entry, Mapping):
            rule = "must be a mapping that says where the data lies"
            self.refuse(place, rule, entry, "write {path: data/tickets.csv, ...}")
            return None
        if "name" in entry:
            remedy = f"rename `{name}` itself, or remove this"
            self.refuse((*place, "name"), "a dataset's name is its key", entry["name"], remedy)
        known = DATASETS.get(name)
        embedded = known is not None and known.hub is None
        if "path" not in entry and "hub" not in entry and not embedded:
            table = f"; without an entry, `{name}` is the known dataset of that name" if known else ""
            self.refuse(place, "needs `path` (a file or folder) or `hub` (a Hugging Face id)", entry, f"add one{table}")
        return {**NEW_READING, **entry, "name": name}

    def _find(self, asked: str, place: Place, found: dict[str, Any]) -> str | None:
        """The name of the dataset that is asked for. One that is not under `datasets` is added to `found`."""
        if asked in self.given.get("datasets", {}):
            return asked
        listed = self.given.get(str(place[0]), {})["dataset"]
        at = (*place, listed.index(asked)) if isinstance(listed, list | tuple) else place
        try:
            config = find(asked)
        except DataError:
            rule = "must be a name under `datasets`, a known name, an existing file or folder, or a hub id org/name"
            self.refuse(at, rule, asked, suggestion(asked, [*self.given.get("datasets", {}), *DATASETS]))
            return None
        entry = {**config.model_dump(exclude_none=True), **NEW_READING}
        if found.setdefault(config.name, entry) != entry:
            rule = f"two datasets would be named `{config.name}`"
            self.refuse(at, rule, asked, "give one of them a name of its own under `datasets`")
        return config.name
