"""Completion of a spec: every field of a trial gets one place, defaults are filled in, and datasets are found.

Values are checked on the way by the rules of their fields (`sweep.spec.fields`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sweep.spec.defaults import AUTO, filled_search, filled_trial
from sweep.spec.fields import (
    OWN_FIELDS,
    PROTOCOL_FIELDS,
    SWEEP_NAME,
    TRIAL_FIELDS,
    UNSEARCHABLE,
    WARM_START,
    FieldRule,
    kind_of,
    remedy_for_unknown,
)
from sweep.spec.mistakes import Mistake, Place
from sweep.spec.named_datasets import NamedDatasets
from sweep.spec.wording import shown, suggestion
from trainable.ranges import Choice, FloatRange, IntRange, Range, Scalar
from trainable.recipes import RECIPES

__all__ = ["REQUIRED", "Searched", "complete"]

Searched: TypeAlias = Range | Scalar
"""What a field under `search` holds: a range to search, or one value, which fixes the field."""

_BLOCKS = ("datasets", "compare", "search", "trial", "protocol")
_HOMES = ("compare", "search", "protocol", "trial")
REQUIRED: Mapping[str, str] = {
    "dataset": "list the datasets under `compare.dataset`",
    "shots": "list the numbers of labelled rows under `compare.shots`",
    "loss": "list the losses under `compare.loss`",
    "encoder": "name it under `trial.encoder`, such as `all-MiniLM-L6-v2` or `roberta-base`",
}
"""The fields of a trial that have no default, each with the remedy where it is missing."""
_BOUNDS = ("low", "high", "log")


def complete(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Mistake]]:
    """The data of a spec with its blocks `datasets`, `compare`, `search`, `trial` and `protocol` completed, and the
    mistakes in them.

    Completing complete data changes nothing. Other blocks are returned as they are.
    """
    malformed = {name for name in _BLOCKS if not isinstance(given.get(name, {}), Mapping)}
    completion = _Completion({name: given.get(name, {}) for name in _BLOCKS if name not in malformed}, malformed)
    for name in (name for name in _BLOCKS[:-1] if name in malformed):
        remedy = f"write `{name}:` and indented `field: value`"
        completion.refuse((name,), "must be a mapping of fields", given[name], remedy)
    if WARM_START in given:
        completion.refuse((WARM_START,), "unknown key", remedy=remedy_for_unknown(WARM_START, "", ()))
    completed = completion.blocks()
    if "protocol" in malformed:
        completed["protocol"] = given["protocol"]  # its model refuses it
    return {**given, **completed}, completion.mistakes


@dataclass(slots=True)
class _Completion:
    """One pass over the blocks that describe trials."""

    given: Mapping[str, Mapping[str, Any]]
    malformed: Set[str]
    mistakes: list[Mistake] = field(default_factory=list)

    def refuse(self, place: Place, rule: str, value: object = None, remedy: str = "") -> None:
        received = "" if value is None else shown(value)
        self.mistakes.append(Mistake(place=place, rule=rule, received=received, remedy=remedy))

    def blocks(self) -> dict[str, Any]:
        """The completed blocks. Fields keep the order of the file; those that were not given stand before or after."""
        self._check_places()
        compare = dict(self._axes())
        search = dict(self._searches())
        trial = dict(self._constants())
        datasets = NamedDatasets(self.given, self.refuse).complete(compare, trial)
        protocol = {**self._block("protocol"), **{name: trial.pop(name) for name in PROTOCOL_FIELDS if name in trial}}
        elsewhere = {name for name in TRIAL_FIELDS if any(name in self._block(home) for home in _HOMES[:3])}
        recipes, losses = self._recipes(compare, trial), self._losses(compare, search, trial)
        return {
            "datasets": datasets,
            "compare": compare,
            "search": filled_search(search, recipes, losses, elsewhere | set(trial)),
            WARM_START: tuple(self._warm_start()),
            "trial": filled_trial(trial, recipes, elsewhere),
            "protocol": protocol,
        }

    def _block(self, name: str) -> Mapping[str, Any]:
        return self.given.get(name, {})

    def _check_places(self) -> None:
        """Refuses a field of a trial that stands in several blocks, or is required and stands in none."""
        for name in TRIAL_FIELDS:
            given = [home for home in _HOMES if name in self._block(home)]
            homes = [home for home in given if _may_hold(home, name)]
            if len(homes) > 1:
                others = " and ".join(f"{home}.{name}" for home in homes[:-1])
                remedy = "a field has one place: keep one of them"
                self.refuse((homes[-1], name), f"is also set by {others}", remedy=remedy)
            block = "trial" if name == "encoder" else "compare"
            if name in REQUIRED and not given and block not in self.malformed and self._needs(name):
                self.refuse((block, name), "must be given", remedy=REQUIRED[name])

    def _needs(self, name: str) -> bool:
        """Whether a required field is one without which some trial cannot be."""
        if name not in ("loss", "encoder"):
            return True
        given = self._block("compare").get("recipe", self._block("trial").get("recipe", "fine_tune"))
        asked = given if isinstance(given, list | tuple) else [given]
        recipes = [RECIPES[each] for each in asked if isinstance(each, str) and each in RECIPES]
        return any(name in recipe.fields for recipe in recipes)

    # ---- compare -----------------------------------------------------------------------------------------------------

    def _axes(self) -> Iterator[tuple[str, tuple[Scalar, ...]]]:
        for name, value in self._block("compare").items():
            place = ("compare", name)
            if name not in TRIAL_FIELDS:
                self.refuse(place, "unknown field", remedy=remedy_for_unknown(name, "compare", TRIAL_FIELDS))
            elif isinstance(value, Mapping):
                self.refuse(place, "must be a list of values to compare", value, self._where_ranges_go(name))
            else:
                values = value if isinstance(value, list | tuple) else [value]
                yield name, self._values(TRIAL_FIELDS[name], values, place)

    @staticmethod
    def _where_ranges_go(name: str) -> str:
        return "list its values" if name in UNSEARCHABLE else f"a range is searched: write it under `search.{name}`"

    def _values(self, rule: FieldRule, values: Iterable[Any], place: Place) -> tuple[Scalar, ...]:
        accepted: list[Scalar] = []
        for number, given in enumerate(values):
            value = rule.accept(given, (*place, number))
            if isinstance(value, Mistake):
                self.mistakes.append(value)
            elif value in accepted:
                self.refuse((*place, number), "a list of values must not repeat one", given, "remove it")
            else:
                accepted.append(value)
        if not values:
            self.refuse(place, "a list of values must hold at least one", [], "add a value, or remove the field")
        return tuple(accepted)

    # ---- search ------------------------------------------------------------------------------------------------------

    def _searches(self) -> Iterator[tuple[str, Any]]:
        for name, value in self._block("search").items():
            place = ("search", name)
            if name == WARM_START:
                continue
            if name in OWN_FIELDS:
                yield name, dict(self._own_searches(name, value, place))
            elif name in UNSEARCHABLE:
                self.refuse(
                    place, "cannot be searched", value, f"{UNSEARCHABLE[name]}: list its values under `compare.{name}`"
                )
            elif name == "encoder_lr" and value == AUTO:
                yield name, AUTO
            elif name in TRIAL_FIELDS:
                yield from self._searched(TRIAL_FIELDS[name], value, place)
            else:
                allowed = [*(field for field in TRIAL_FIELDS if field not in UNSEARCHABLE), *OWN_FIELDS, WARM_START]
                self.refuse(place, "unknown field, recipe or loss", remedy=remedy_for_unknown(name, "search", allowed))

    def _warm_start(self) -> Iterator[str]:
        """The names of the sweeps whose best trials are tried first."""
        given = self._block("search").get(WARM_START, ())
        place = ("search", WARM_START)
        for number, name in enumerate(names := given if isinstance(given, list | tuple) else [given]):
            if not isinstance(name, str) or not re.fullmatch(SWEEP_NAME, name):
                remedy = "that of its folder in `sweeps`, or in what `--dir` gives"
                self.refuse((*place, number), "must be the name of a sweep", name, remedy)
            elif name in names[:number]:
                self.refuse((*place, number), "a list of values must not repeat one", name, "remove it")
            else:
                yield name

    def _own_searches(self, owner: str, fields: Any, place: Place) -> Iterator[tuple[str, Searched]]:
        """The fields of a recipe or of a loss."""
        rules = OWN_FIELDS[owner]
        if not isinstance(fields, Mapping):
            self.refuse(
                place, f"must be a mapping of fields of {owner}", fields, f"its fields: {', '.join(rules) or 'none'}"
            )
            return
        for name, value in fields.items():
            if name in rules and isinstance(value, list | tuple | Mapping) and not _is_searchable(owner):
                remedy = f"{owner} has one configuration, and nothing to choose among several by"
                self.refuse((*place, name), "must be one value", value, remedy)
            elif name in rules:
                yield from self._searched(rules[name], value, (*place, name))
            else:
                remedy = suggestion(name, rules) if rules else f"this {kind_of(owner)} has no fields"
                self.refuse((*place, name), f"unknown field of {owner}", remedy=remedy)

    def _searched(self, rule: FieldRule, value: Any, place: Place) -> Iterator[tuple[str, Searched]]:
        """The field's name with a range (from a mapping), a choice (from a list) or the one value that fixes it."""
        if isinstance(value, Mapping):
            interval = self._interval(rule, value, place)
            if interval is not None:
                yield rule.name, interval
        elif isinstance(value, list | tuple):
            values = self._values(rule, value, place)
            yield rule.name, Choice(values) if len(values) > 1 else next(iter(values), None)
        else:
            accepted = rule.accept(value, place)
            if isinstance(accepted, Mistake):
                self.mistakes.append(accepted)
            else:
                yield rule.name, accepted

    def _interval(self, rule: FieldRule, bounds: Mapping[str, Any], place: Place) -> Range | None:
        before = len(self.mistakes)
        if rule.number is None:
            self.refuse(place, "only numbers have a range", dict(bounds), "list the values to search: [..., ...]")
            return None
        for name in bounds:
            if name not in _BOUNDS:
                self.refuse((*place, name), "unknown key of a range", remedy=_bound_remedy(name))
        for name in ("low", "high"):
            if name not in bounds:
                self.refuse(place, f"a range needs `{name}`", dict(bounds), "write {low: ..., high: ..., log: true}")
        log = bounds.get("log", False)
        if not isinstance(log, bool):
            remedy = "log: true spreads the values over the magnitudes"
            self.refuse((*place, "log"), "must be `true` or `false`", log, remedy)
        ends = [rule.accept(bounds[name], (*place, name)) for name in ("low", "high") if name in bounds]
        self.mistakes += [end for end in ends if isinstance(end, Mistake)]
        if len(self.mistakes) > before:
            return None
        return self._range(rule, ends[0], ends[1], log, place)

    def _range(self, rule: FieldRule, low: Any, high: Any, log: bool, place: Place) -> Range | None:
        if not low < high:
            remedy = "exchange them" if low > high else "for one value, write the value itself"
            self.refuse(place, "a range needs low < high", {"low": low, "high": high}, remedy)
        elif log and low <= 0:
            self.refuse((*place, "low"), "a logarithmic range needs low > 0", low, "raise it, or leave out `log`")
        else:
            return IntRange(low, high, log) if rule.number is int else FloatRange(low, high, log)
        return None

    # ---- trial -------------------------------------------------------------------------------------------------------

    def _constants(self) -> Iterator[tuple[str, Scalar]]:
        for name, value in self._block("trial").items():
            place = ("trial", name)
            if name not in TRIAL_FIELDS:
                self.refuse(place, "unknown field", remedy=remedy_for_unknown(name, "trial", TRIAL_FIELDS))
            elif isinstance(value, list | tuple | Mapping):
                search = "" if name in UNSEARCHABLE else f", or search them under `search.{name}`"
                self.refuse(place, "must be one value", value, f"compare several under `compare.{name}`{search}")
            else:
                accepted = TRIAL_FIELDS[name].accept(value, place)
                if isinstance(accepted, Mistake):
                    self.mistakes.append(accepted)
                else:
                    yield name, accepted

    @staticmethod
    def _recipes(compare: Mapping[str, Any], trial: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(map(str, compare.get("recipe", (trial.get("recipe", TRIAL_FIELDS["recipe"].default),))))

    @staticmethod
    def _losses(compare: Mapping[str, Any], search: Mapping[str, Any], trial: Mapping[str, Any]) -> tuple[str, ...]:
        searched = search.get("loss")
        fixed = trial.get("loss", searched)
        values = searched.values if isinstance(searched, Choice) else () if fixed is None else (fixed,)
        return tuple(map(str, compare.get("loss", values)))


def _is_searchable(owner: str) -> bool:
    return owner not in RECIPES or RECIPES[owner].searchable


def _may_hold(block: str, name: str) -> bool:
    """Whether a field may stand in a block; if it may not, another rule refuses it."""
    return {"search": name not in UNSEARCHABLE, "protocol": name in PROTOCOL_FIELDS}.get(block, True)


def _bound_remedy(name: str) -> str:
    meant = {"min": "low", "max": "high", "lower": "low", "upper": "high", "from": "low", "to": "high"}.get(name)
    return f"did you mean `{meant}`?" if meant else suggestion(name, _BOUNDS)
