"""Whether the parts of a spec, each valid by itself, are valid together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations as pairs
from itertools import islice, product
from math import prod
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from sweep.spec.cells import Cell, combinations, methods
from sweep.spec.fields import PROTOCOL_FIELDS
from sweep.spec.groups import groups
from sweep.spec.mistakes import Mistake, Place
from sweep.spec.wording import shown, suggestion
from trainable.config import TrialConfig
from trainable.errors import FieldConflictError
from trainable.losses import LOSSES
from trainable.ranges import Choice, Range, Scalar
from trainable.recipes import RECIPES

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from sweep.spec.model import SweepSpec

__all__ = ["contradictions"]

_MAX_CELLS = 10_000
_MAX_TRIALS = 1_000_000
_MAX_EVALUATIONS = 9999  # the ledger numbers the evaluations of a trial with four digits
_MAX_KEY = 400  # characters of a cell's name: a database keeps 512 of it with the sweep's name
_FEW = 2**6  # corners of a space that are tried
_MOST_TRIED = 10_000  # configurations in all: an enormous sweep is refused or begun within seconds
_NO_PART_IN_RULES = ("dataset", "shots", "encoder", "encoder_revision")  # of a trial; and they make the most cells


def contradictions(spec: SweepSpec, *, asked: bool = True) -> list[Mistake]:
    """What is wrong with a spec whose fields are all valid.

    asked: whether somebody asks for it. One that is on record may have what earlier versions took and left unread, and
        trials that they could not train.
    """
    too_large = _sizes(spec)
    if too_large:
        return too_large
    every = tuple(combinations(spec))
    return [
        *_keys(every),
        *_evaluations(spec, every),
        *_excluded(spec),
        *_baseline(spec, every, asked),
        *_looks(spec),
        *(_unconfirmed(spec) if asked else ()),
        *(_of_no_hub(spec) if asked else ()),
        *_without_losses(spec, asked),
        *_invalid_trials(spec, every, asked),
    ]


def _sizes(spec: SweepSpec) -> list[Mistake]:
    count = prod(len(values) for values in spec.compare.values())
    trials = count * spec.budget.trials_per_cell
    if count > _MAX_CELLS:
        rule = f"a sweep has at most {_MAX_CELLS} cells"
        return [
            Mistake(
                place=("compare",), rule=rule, received=f"axes of {count} combinations", remedy="compare fewer values"
            )
        ]
    if trials > _MAX_TRIALS:
        rule = f"a sweep has at most {_MAX_TRIALS} trials"
        received = f"{count} cells of {spec.budget.trials_per_cell} trials"
        return [
            Mistake(
                place=("budget", "trials_per_cell"),
                rule=rule,
                received=received,
                remedy="lower the budget, or compare less",
            )
        ]
    return []


def _looks(spec: SweepSpec) -> Iterator[Mistake]:
    looks, draws = spec.confirm.looks, spec.confirm.draws
    if isinstance(looks, tuple) and looks[-1] > draws:
        yield Mistake(
            place=("confirm", "looks"),
            rule="no look is after more draws than there are",
            received=f"{looks[-1]} of {draws} draws",
            remedy=f"raise `confirm.draws` to {looks[-1]}, or look earlier",
        )


def _unconfirmed(spec: SweepSpec) -> Iterator[Mistake]:
    """Without a confirmation no arm is a winner, so that hours later nothing would be kept or explained, in silence."""
    for name in ("refit", "explain") if not spec.confirm.draws else ():
        if getattr(spec, name):
            rule = "takes winners, of which there are none without a confirmation (`confirm.draws: 0`)"
            remedy = f"raise `confirm.draws`, or leave `{name}` out"
            yield Mistake(place=(name,), rule=rule, received="true", remedy=remedy)


def _of_no_hub(spec: SweepSpec) -> Iterator[Mistake]:
    """A commit or a configuration of a hub's dataset says nothing of files."""
    for name, config in spec.datasets.items():
        for field in ("hub_config", "revision") if config.hub is None else ():
            if (value := getattr(config, field)) is not None:
                rule = "is of a dataset of the hub, and this one is none"
                remedy = "leave it out, or name the dataset by `hub`"
                yield Mistake(place=("datasets", name, field), rule=rule, received=shown(value), remedy=remedy)


def _keys(every: Sequence[Cell]) -> Iterator[Mistake]:
    """Folders of the same name on a compared axis would give different cells one key."""
    known: dict[str, Cell] = {}
    for cell in every:
        if len(cell.key) > _MAX_KEY:
            rule = f"the name of a cell, made of what it compares, has at most {_MAX_KEY} characters"
            yield Mistake(place=("compare",), rule=rule, received=shown(cell.key), remedy="shorten names or paths")
            return
        other = known.setdefault(cell.key, cell)
        if other != cell:
            loss = next(iter(cell.fixed))
            name = next(name for name in cell.fixed[loss] if cell.fixed[loss][name] != other.fixed[loss].get(name))
            rule = "folders on one axis must differ in their last name, by which cells are named"
            received = f"{shown(other.fixed[loss].get(name))} and {shown(cell.fixed[loss][name])}"
            yield Mistake(place=("compare", name), rule=rule, received=received, remedy="rename one of them")
            return


def _evaluations(spec: SweepSpec, every: Sequence[Cell]) -> Iterator[Mistake]:
    most = max((cell.evaluations() for cell in every), default=0)
    if most > _MAX_EVALUATIONS:
        rule = f"replicates x evaluations must be at most {_MAX_EVALUATIONS}"
        yield Mistake(place=_place(spec, "replicates"), rule=rule, received=str(most), remedy="lower one of the two")
    rungs = spec.pruning.rungs
    if every and rungs is not None and rungs[-1] >= most:
        last = f"{most} (replicates x evaluations)"
        rule = f"a rung is the number of an evaluation before a trial's last, which is {last}"
        yield Mistake(place=("pruning", "rungs"), rule=rule, received=shown(rungs[-1]), remedy="lower or remove it")


def _excluded(spec: SweepSpec) -> Iterator[Mistake]:
    """A name that is no method of the sweep would leave out nothing, and if all are left out, nothing is left."""
    known = methods(spec)
    for number, name in enumerate(spec.exclude):
        if name not in known:
            rule = "must be the name of a method of the sweep"
            yield Mistake(place=("exclude", number), rule=rule, received=shown(name), remedy=suggestion(name, known))
    if known and known.keys() <= set(spec.exclude):
        received = shown(list(spec.exclude))
        yield Mistake(
            place=("exclude",), rule="must leave a method", received=received, remedy="remove one of the names"
        )


def _baseline(spec: SweepSpec, every: Sequence[Cell], asked: bool) -> Iterator[Mistake]:
    baseline, compares = spec.confirm.baseline, any(name in spec.compare for name in ("recipe", "loss"))
    arms = [name for group in groups(spec) for name in group.names if len(group.names) > 1]
    alone = [cell.method for cell in every if compares and not (arms and asked)]
    compared = tuple(dict.fromkeys([*arms, *alone]))
    if baseline is not None and baseline not in compared:
        rule = "the baseline is one of the compared methods, tuned as they are"
        remedy = suggestion(baseline, compared) if compared else "list it and the others under `compare.loss`"
        yield Mistake(place=("confirm", "baseline"), rule=rule, received=shown(baseline), remedy=remedy)


def _without_losses(spec: SweepSpec, asked: bool) -> Iterator[Mistake]:
    """A recipe that takes none of the losses would have no cell, and a loss that none of the recipes takes no trial."""
    recipes = [str(name) for name in spec.compare.get("recipe", (spec.trial.get("recipe"),))]
    for recipe in recipes:
        if all(recipe != each for each, _ in methods(spec).values()):
            rule = f"the recipe {recipe} needs a metric loss"
            block = next((place[0] for place, _ in _losses(spec)), "compare")  # a field has one place
            remedy = f"list one, such as supcon, under `{block}.loss`"
            yield Mistake(place=_place(spec, "recipe"), rule=rule, received="", remedy=remedy)
    for place, loss in _losses(spec):
        unread = not any(RECIPES[recipe].takes(LOSSES[str(loss)]) for recipe in recipes)
        if unread and (asked or place[0] == "compare"):
            rule = f"no recipe of the sweep ({', '.join(recipes)}) takes this loss"
            remedy = f"remove it, or list fine_tune under `{_place(spec, 'recipe')[0]}.recipe`"
            yield Mistake(place=place, rule=rule, received=shown(loss), remedy=remedy)


def _losses(spec: SweepSpec) -> Iterator[tuple[Place, Scalar]]:
    """Each loss that is compared, searched or the only one, with its place."""
    for block in ("compare", "search", "trial"):
        given = getattr(spec, block).get("loss")
        values = given.values if isinstance(given, Choice) else given
        if isinstance(values, tuple):
            yield from (((block, "loss", number), loss) for number, loss in enumerate(values))
        elif values is not None:
            yield (block, "loss"), values


def _invalid_trials(spec: SweepSpec, every: Sequence[Cell], asked: bool) -> list[Mistake]:
    """What trials at the corners of axes and spaces refuse. Corners are enough: all rules are inequalities of two, or
    name values of two. Of a spec on record, only the first trials are looked at."""
    corner_cells = _corner_cells(spec, every)
    tried = (refused for cell, loss in corner_cells for refused in _invalid_corners(spec, cell, loss, asked))
    mistakes: dict[str, Mistake] = {}
    for refused in islice(tried, _MOST_TRIED):
        for mistake in refused:
            mistakes.setdefault(mistake.rule, mistake)
    return list(mistakes.values())


def _corner_cells(spec: SweepSpec, every: Sequence[Cell]) -> Iterator[tuple[Cell, str]]:
    """The cells at corners of the axes with each of their losses, once for all that differ in no field of a rule."""
    axes = {
        name: _ends(values)
        for name, values in spec.compare.items()
        if name not in ("recipe", "loss", *_NO_PART_IN_RULES)
    }
    seen: set[Any] = set()
    for cell in every:
        for loss, fixed in cell.fixed.items():
            if not _is_corner(fixed, axes):
                continue
            decisive = {name: value for name, value in fixed.items() if name.partition(".")[0] not in _NO_PART_IN_RULES}
            if (like := (loss, frozenset(decisive.items()), tuple(cell.spaces[loss].items()))) not in seen:
                seen.add(like)
                yield cell, loss


def _ends(values: Sequence[Scalar]) -> tuple[Scalar, ...]:
    """The values of a list that can decide: its names, and of its numbers the ends."""
    numbers = [value for value in values if isinstance(value, int | float)]
    names = [value for value in values if value not in numbers]
    return (min(numbers), *names, max(numbers)) if numbers else tuple(names)


def _is_corner(fixed: Mapping[str, Scalar], axes: Mapping[str, tuple[Scalar, ...]]) -> bool:
    """Whether all compared fields but two stand at the same end of their axes."""
    used = {name: values for name, values in axes.items() if name in fixed}
    for end in (0, -1):
        away = [name for name, values in used.items() if fixed[name] != values[end]]
        if len(away) <= 2 and all(fixed[name] in used[name] for name in away):
            return True
    return False


def _invalid_corners(spec: SweepSpec, cell: Cell, loss: str, asked: bool) -> Iterator[list[Mistake]]:
    """For each corner of a cell's space, or for its first trial, what is wrong with the trial there."""
    space, first = cell.spaces[loss], cell.defaults(loss)
    for values in _corners(space.values()) if asked else [tuple(first[name] for name in space)]:
        try:
            TrialConfig.from_flat({**cell.fixed[loss], **dict(zip(space, values, strict=True))})
        except ValidationError as error:
            yield [_refused(spec, loss, details) for details in error.errors(include_url=False)]
        else:
            yield []


def _refused(spec: SweepSpec, loss: str, details: ErrorDetails) -> Mistake:
    conflict = details.get("ctx", {}).get("error")
    fields = conflict.fields if isinstance(conflict, FieldConflictError) else ()
    rule = details["msg"] if conflict is None else str(conflict)
    places = sorted((_place(spec, name) for name in fields), key=lambda place: place[0] == "protocol")
    remedy = f"change {' or '.join(f'`{name}`' for name in fields)}" if fields else ""
    return Mistake(place=places[0] if places else ("search", loss), rule=rule, remedy=remedy)


def _corners(ranges: Iterable[Range]) -> Iterator[tuple[Scalar, ...]]:
    """All combinations of ends; where they are too many, those in which all ranges but two stand at the same end."""
    ends = [_ends(values.values) if isinstance(values, Choice) else (values.low, values.high) for values in ranges]
    if prod(map(len, ends)) <= _FEW:
        yield from product(*ends)
        return
    for side in (0, -1):
        base = [pair[side] for pair in ends]
        for first, second in pairs(range(len(ends)), 2):
            for pair in product(ends[first], ends[second]):
                corner = list(base)
                corner[first], corner[second] = pair
                yield tuple(corner)


def _place(spec: SweepSpec, field: str) -> Place:
    for block in ("compare", "search"):
        if field in getattr(spec, block):
            return (block, field)
    return ("protocol" if field in PROTOCOL_FIELDS else "trial", field)
