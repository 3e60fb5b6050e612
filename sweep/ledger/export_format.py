"""The file that a whole sweep travels in: one JSON document, without a trace of the storage that it came from.

format, name, spec         version of the file; the sweep and its resolved spec
studies                    the sweep's own, its cells' and its confirmations', in the order in which they were begun
  name, directions, user_attrs
  trials                   all of them by number, whatever their state, with all that Optuna keeps of them: times as
                           seconds since the epoch, each parameter with its distribution in Optuna's notation
"""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from trainable.ranges import Scalar

__all__ = ["FORMAT", "ExportedStudy", "ExportedSweep", "ExportedTrial", "belongs", "first_line"]

FORMAT = 1
"""Version of the file; a reader refuses one that it does not know."""

_Name: TypeAlias = Annotated[str, Field(max_length=512, pattern=r"^[^\x00]*$")]  # what a database takes
_Attributes: TypeAlias = dict[_Name, JsonValue]
_Whole: TypeAlias = Annotated[int, Field(ge=-(2**53), le=2**53)]  # Optuna makes a float of it
_Step: TypeAlias = Annotated[int, Field(strict=False, ge=0, lt=2**31)]  # a key, and JSON's keys are strings
_Seconds: TypeAlias = Annotated[float, Field(ge=0, le=1e11)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class _FloatRange(_Part):
    low: float
    high: float
    log: bool
    step: None


class _IntRange(_Part):
    low: _Whole
    high: _Whole
    log: bool
    step: Literal[1]


class _Choice(_Part):
    choices: list[Scalar]


class _Distribution(_Part):
    """A distribution as `optuna.distributions.distribution_to_json` writes it, of the kinds that sweeps use."""

    name: Literal["FloatDistribution", "IntDistribution", "CategoricalDistribution"]
    attributes: _FloatRange | _IntRange | _Choice


class _Param(_Part):
    value: Scalar
    distribution: _Distribution


class ExportedTrial(_Part):
    """A trial of Optuna's. datetime_start, datetime_complete: seconds since the epoch."""

    number: int
    state: Literal["RUNNING", "COMPLETE", "PRUNED", "FAIL"]
    values: Annotated[list[float], Field(min_length=1, max_length=1)] | None
    params: dict[_Name, _Param]
    user_attrs: _Attributes
    system_attrs: _Attributes
    intermediate_values: dict[_Step, float]
    datetime_start: _Seconds | None
    datetime_complete: _Seconds | None


class ExportedStudy(_Part):
    """A study of Optuna's, with its trials by number."""

    name: _Name
    directions: Annotated[list[Literal["maximize"]], Field(min_length=1, max_length=1)]
    user_attrs: _Attributes
    trials: list[ExportedTrial]

    @model_validator(mode="after")
    def _numbered_from_0(self) -> Self:
        if [trial.number for trial in self.trials] != list(range(len(self.trials))):
            raise ValueError(f"the trials of {self.name!r} are not numbered from 0 on")
        return self


class ExportedSweep(_Part):
    """The whole document. It is built, from a ledger or from JSON data, only if its parts belong together; whether its
    attributes are those of a ledger is found out by whoever reads them.

    Raises pydantic.ValidationError.
    """

    format: Literal[1]
    name: str
    spec: dict[str, JsonValue]
    studies: list[ExportedStudy]

    @model_validator(mode="after")
    def _of_one_sweep(self) -> Self:
        names = [study.name for study in self.studies]
        foreign = [name for name in names if not belongs(name, self.name)]
        if foreign:
            raise ValueError(f"study {foreign[0]!r} does not belong to sweep {self.name!r}")
        if len(set(names)) < len(names):
            raise ValueError("a study is there twice")
        if self.name not in names or not isinstance(self.root.user_attrs.get("id"), str):
            raise ValueError(f"the study {self.name!r}, with the id of the sweep, is not there")
        if self.spec != self.root.user_attrs.get("spec") or self.spec.get("name") != self.name:
            raise ValueError(f"the spec is not that of sweep {self.name!r}")
        return self

    @property
    def root(self) -> ExportedStudy:
        """The study of the sweep itself."""
        return next(study for study in self.studies if study.name == self.name)

    def contents(self) -> str:
        """How much it holds, in words."""
        trials, confirmations = (
            sum(len(study.trials) for study in self.studies if study.name.startswith(self.name + ending))
            for ending in ("/", "@confirmation/")
        )
        return f"{trials} trials and {confirmations} confirmations"


def belongs(study: str, sweep: str) -> bool:
    """Whether a study of that name is part of a sweep of that name."""
    return study == sweep or study.startswith((f"{sweep}/", f"{sweep}@confirmation/"))


def first_line(error: BaseException) -> str:
    """What an exception says, in one line that a terminal can show."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"][:8]))
        text = ": ".join(filter(None, (place, first["msg"].removeprefix("Value error, "))))
    else:
        text = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= 300 else f"{line[:297]}..."
