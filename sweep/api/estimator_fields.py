"""The parameters of an estimator as fields of a spec, and what is wrong with them in the words of its user."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Integral
from typing import Any

from sweep.errors import SpecError
from sweep.spec.groups import groups
from sweep.spec.model import SweepSpec
from trainable.errors import ConfigError, DataError

__all__ = [
    "check_one_comparison",
    "further_fields",
    "in_words_of_the_estimator",
    "path_text",
    "several_draws",
    "values_of_axis",
    "without_moved",
]

_PARAMETERS = {
    "trial.encoder": "encoder",
    "trial.embedding": "embedding",
    "compare.recipe": "recipes",
    "compare.loss": "losses",
    "compare.shots": "shots",
    "budget.trials_per_cell": "trials",
    "confirm.draws": "draws",
}
_OWN = re.compile(
    r"name|compare\.dataset|trial\.dataset|datasets\.data\.(path|test_path|text|text_pair|label|hub|senteval)"
)
_LEFT_OUT = re.compile(r"datasets\.data\.(drop|min_rows)")
_HOMES = ("compare", "search", "protocol", "trial")  # blocks that may hold a field of a trial, of which one does
_BLOCK = re.compile(r"[a-z_]+|datasets\.data")


def values_of_axis(name: str, given: object) -> list[Any]:
    """The values that a parameter names, one or several. Raises ValueError for what is no list of names."""
    values = [given] if isinstance(given, str) else list(given) if isinstance(given, Iterable) else []
    if isinstance(given, Mapping) or not values or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{name} must be a name or a list of names; received {given!r}: leave it out for the default")
    return values


def path_text(name: str, given: object) -> str:
    """The text of a parameter that is one or a path. Raises ValueError for anything else."""
    if not isinstance(given, str | os.PathLike):
        raise ValueError(f"{name} must be a text or a path; received {given!r}: leave it out for the default")
    return str(given)


def several_draws(given: Any) -> Any:
    """The number of draws, left to the spec's own check. Raises ValueError for none, which confirm no winner."""
    if isinstance(given, Integral) and int(given) == 0:
        raise ValueError(
            "draws must be a whole number from 1 on, as they confirm which method wins; received 0: raise it"
        )
    return given


def further_fields(given: object) -> dict[str, Any]:
    """The fields of `spec` by dotted name; those of a block, as `{"protocol": {"steps": 80}}`, stand for themselves,
    so that the block's others stay. Raises ValueError for another form, and for fields that X and y are."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise ValueError(
            'spec must be a mapping from fields to values, as {"protocol.steps": 80}; received '
            f"{given!r}: give it in that form"
        )
    fields = dict(_dotted(given))
    for name, value in fields.items():
        if _LEFT_OUT.fullmatch(name):
            raise ValueError(f"spec may not hold {name!r}: classes are left out by leaving their rows out of X and y")
        if _OWN.fullmatch(name) or (name.startswith("datasets.") and not name.startswith("datasets.data.")):
            raise ValueError(f"spec may not hold {name!r}, since X and y are the data: remove it")
        if name == "confirm.draws":
            several_draws(value)
        if name == "compare.shots" and isinstance(value, list | tuple) and len(value) > 1:
            raise ValueError(
                f"one number of shots is compared by a fit; received {name!r}: {value!r}: fit once for each"
            )
    return fields


def _dotted(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if _BLOCK.fullmatch(name) and isinstance(value, Mapping):
            yield from _dotted({f"{name}.{field}": each for field, each in value.items()})
        else:
            yield name, value


def without_moved(fields: Mapping[str, Any], further: Mapping[str, Any]) -> dict[str, Any]:
    """The blocks of an estimator's own spec without the fields that `spec` sets in another block, as a range under
    `search` of what the estimator would fix: a field has one place.

    further: the fields of `spec`, by dotted name.
    """

    def stays(block: str, field: str) -> bool:
        return all(further.get(f"{home}.{field}") is None for home in _HOMES if home != block)

    return {
        block: {field: value for field, value in own.items() if stays(block, field)} if block in _HOMES else own
        for block, own in fields.items()
    }


def check_one_comparison(spec: SweepSpec) -> None:
    """Refuse, before anything is run, a sweep with several comparisons, whose winners would be several too. Raises
    ValueError."""
    found = len(groups(spec))
    if found > 1:
        axes = [name for name, values in spec.compare.items() if len(values) > 1 and name not in ("recipe", "loss")]
        raise ValueError(
            f"a fit makes one comparison, whose winner it trains; received {found}, by the values of "
            f"{', '.join(f'compare.{name}' for name in axes)}: fit once for each value"
        )


@contextmanager
def in_words_of_the_estimator(further: Mapping[str, Any]) -> Iterator[None]:
    """Say what is wrong with a sweep by the parameters of the estimator where it has one, else by its `spec`.

    further: the fields of `spec`, by dotted name.
    """
    try:
        yield
    except SpecError as error:
        if not error.fields:
            raise
        raise SpecError([f"{_named(field, further)}: {said}" for field, said in error.fields]) from None
    except (DataError, ConfigError) as error:
        raise type(error)(
            f"{error}. Fields in backticks are set by spec, as spec={{'protocol.validation': 'all', 'trial.views': 2}}"
            "; small classes are left out by leaving their rows out of X and y"
        ) from None


def _named(field: str, further: Mapping[str, Any]) -> str:
    """The parameter that sets a field; the field itself as one of `spec` where that has set it, or where none does."""
    return _PARAMETERS[field] if field in _PARAMETERS and field not in further else f"spec={{'{field}': ...}}"
