"""The model of a spec: what is compared and searched, how trials are trained and scored, and what may be spent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    SkipValidation,
    Strict,
    ValidationError,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from sweep.addresses import has_password
from sweep.spec.blocks import BLOCKS, Budget, Confirm, Protocol, Pruning, Resources, Tracking, price_table
from sweep.spec.completion import Searched, complete
from sweep.spec.consistency import contradictions
from sweep.spec.fields import NEW_READING, SWEEP_NAME, WARM_START, remedy_for_unknown
from sweep.spec.mistakes import Mistake, Place, refusal
from sweep.spec.wording import in_words, shown
from trainable.config import DatasetConfig
from trainable.ranges import Choice, FloatRange, IntRange, Scalar

__all__ = ["SweepSpec"]


_ON_RECORD = {"on_record": True}  # what is validated has begun


class SweepSpec(BaseModel):
    """The complete spec of a sweep. Building one fills in defaults, finds datasets and checks that all parts agree.

    Raises pydantic.ValidationError with all mistakes at once, each worded for the person who wrote the spec
    (`sweep.spec.mistakes.mistakes_of`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Strict()] = Field(
        pattern=SWEEP_NAME,
        description="name of the sweep, its folder and its run: 1 to 64 of a-z, 0-9, `.`, `_` and `-`, beginning with "
        "a letter or digit; default: the name of the file",
    )
    description: Annotated[str, Strict()] = Field("", max_length=5000, description="what the sweep is for")
    datasets: Mapping[str, DatasetConfig] = Field(
        {}, description="datasets of your own by name: where each lies and how it is read"
    )
    compare: SkipValidation[Mapping[str, tuple[Scalar, ...]]] = Field(
        {}, description="the axes, lists of values of fields of a trial: every combination is a cell"
    )
    exclude: tuple[Annotated[str, Strict()], ...] = Field(
        (),
        description="names of methods that are left out of all combinations: a recipe with its loss, as tables name "
        "them (`metric_then_head+supcon`; of fine_tune, the loss alone)",
    )
    search: SkipValidation[Mapping[str, Searched | Mapping[str, Searched]]] = Field(
        {}, description="what the trials of a cell differ in: a range or a list of choices per field; a value fixes it"
    )
    warm_start: SkipValidation[tuple[str, ...]] = Field(
        (),
        description="names of sweeps in the same folder; each cell tries their best configurations of the same recipe, "
        "loss and encoder, of low-rank updates or not, right after its defaults, instead of up to half of the random "
        "ones",
    )
    trial: SkipValidation[Mapping[str, Scalar]] = Field({}, description="fields of a trial that all trials share")
    protocol: Protocol = Field(Protocol(), description="how each trial is trained and scored")
    budget: Budget = Field(Budget(), description="how much is tried, and what may be spent on it")
    pruning: Pruning = Field(Pruning(), description="which trials are stopped early")
    confirm: Confirm = Field(Confirm(), description="how each cell's winner is tested on fresh draws")
    resources: Resources = Field(Resources(), description="what one trial occupies")
    tracking: Tracking = Field(Tracking(), description="where MLflow keeps the runs")
    refit: Annotated[bool, Strict()] = Field(
        False,
        description="whether the winner of each comparison is trained on all labelled rows at the end, and kept as a "
        "classifier in `classifiers/` of the sweep's folder and in MLflow's model registry",
    )
    explain: Annotated[bool, Strict()] = Field(
        False,
        description="whether the best arm of each comparison is explained at the end, in `explain/` of the sweep's "
        "folder and in MLflow: pages with texts of the data; nothing is trained for that",
    )
    ledger: Annotated[str, Strict()] | None = Field(
        None,
        description="postgresql:// address of the sweep's ledger; default: a journal file in the sweep's folder",
    )

    prices: SkipValidation[Mapping[str, tuple[float, float]]] = Field(
        {},
        description="USD per hour of each kind of machine, a number or [spot, on demand], from which `plan --cluster` "
        "estimates the cost; default: no estimate",
    )

    @field_validator("exclude", mode="before")
    @classmethod
    def _one_or_several(cls, names: Any) -> Any:
        return [names] if isinstance(names, str) else names

    @field_validator("prices", mode="before")
    @classmethod
    def _from_to(cls, prices: Any) -> Mapping[str, tuple[float, float]]:
        return price_table(prices)

    @field_validator("ledger")
    @classmethod
    def _postgres_without_password(cls, ledger: str | None) -> str | None:
        if ledger is None:
            return None
        if not ledger.startswith(("postgresql://", "postgresql+psycopg2://")):
            raise ValueError(
                "the ledger is a journal file (leave `ledger` out) or a database at a postgresql:// address"
            )
        if has_password(ledger):
            raise ValueError(
                "a spec is kept and shared, so an address in it must not hold a password: set PGPASSWORD in the "
                "environment, or write it to ~/.pgpass"
            )
        return ledger

    @model_validator(mode="wrap")
    @classmethod
    def _complete(cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        if not isinstance(data, Mapping):
            return handler(data)
        completed, mistakes = complete(_without_nulls(data))
        try:
            spec = handler(completed)
        except ValidationError as error:
            mistakes += _deduplicated(_in_our_words(detail) for detail in error.errors(include_url=False))
        else:
            mistakes = mistakes or contradictions(spec, asked=info.context is not _ON_RECORD)
        if mistakes:
            raise refusal(cls.__name__, mistakes)
        return spec

    @field_serializer("search")
    def _search_as_written(self, search: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _as_written(value) for name, value in search.items()}

    @classmethod
    def recorded(cls, data: Any) -> SweepSpec:
        """The spec of a sweep that has begun, as its folder and its ledger hold it.

        Earlier versions took `resources.gpu: 2` and used one GPU, which is what it is read as, and held out one test
        part for all draws. What they took and left unread is left unread.

        Raises pydantic.ValidationError for anything but a resolved spec.
        """
        resources = data.get("resources") if isinstance(data, Mapping) else None
        if isinstance(resources, Mapping) and isinstance(gpu := resources.get("gpu"), int | float) and gpu > 1:
            data = {**data, "resources": {**resources, "gpu": 1.0}}
        datasets = data.get("datasets") if isinstance(data, Mapping) else None
        if isinstance(datasets, Mapping) and all(isinstance(entry, Mapping) for entry in datasets.values()):
            earlier = {name: DatasetConfig.model_fields[name].default for name in NEW_READING}
            data = {**data, "datasets": {name: {**earlier, **entry} for name, entry in datasets.items()}}
        return cls.model_validate(data, context=_ON_RECORD)

    def resolved(self) -> dict[str, Any]:
        """The complete spec as JSON data. `SweepSpec.model_validate(spec.resolved())` equals `spec`."""
        data = self.model_dump(mode="json")
        data["datasets"] = {
            name: config.model_dump(mode="json", exclude={"name"}, exclude_none=True)
            for name, config in self.datasets.items()
        }
        if warm_start := data.pop(WARM_START):
            data["search"] = {**data["search"], WARM_START: warm_start}
        elsewhere = {*self.compare, *self.search}
        data["protocol"] = {name: value for name, value in data["protocol"].items() if name not in elsewhere}
        return data


def _as_written(value: Any) -> Any:
    """A value under `search` in the notation of a spec file."""
    if isinstance(value, Mapping):
        return {name: _as_written(part) for name, part in value.items()}
    if isinstance(value, Choice):
        return list(value.values)
    if isinstance(value, FloatRange | IntRange):
        return {"low": value.low, "high": value.high, "log": value.log}
    return value


def _without_nulls(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data without the keys that have no value, so that `--set KEY=null` takes a value away."""
    return {
        key: _without_nulls(value) if isinstance(value, Mapping) else value
        for key, value in data.items()
        if value is not None
    }


# ---- pydantic's mistakes in our words --------------------------------------------------------------------------------


def _in_our_words(error: ErrorDetails) -> Mistake:
    model, depth = _model_at(error["loc"])
    place = error["loc"][: depth + 1]  # what follows names the member of a union that was tried
    field, received = str(place[-1]), shown(error["input"])
    if error["type"] == "extra_forbidden":
        remedy = remedy_for_unknown(field, str(place[0]) if depth else "", _keys(model))
        return Mistake(place=place, rule="unknown key", remedy=remedy)
    if error["type"] == "value_error":
        rule = error["msg"].removeprefix("Value error, ")
        return Mistake(place=error["loc"], rule=rule, received="" if "received" in rule else received)
    if model is DatasetConfig and field == "name":
        rule = "the name of a dataset has letters, digits, `_`, `.` and `-` only"
        return Mistake(place=place[:-1], rule=rule, received=received, remedy="rename it")
    info = model.model_fields[field]
    remedy = f"`{field}`: {info.description}"
    if field in BLOCKS and depth == 0:
        rule = f"must be a mapping of fields ({', '.join(BLOCKS[field].model_fields)})"
        return Mistake(
            place=place, rule=rule, received=received, remedy=f"write `{field}:` and indented `field: value`"
        )
    if error["type"] == "string_pattern_mismatch":
        return Mistake(place=place, rule=f"must match {error['ctx']['pattern']}", received=received, remedy=remedy)
    rule = f"must be {in_words(info.annotation, info.metadata)}"
    return Mistake(place=place, rule=rule, received="" if error["type"] == "missing" else received, remedy=remedy)


def _model_at(place: Place) -> tuple[type[BaseModel], int]:
    """The model whose field a mistake is about, and the position of that field within the mistake's place."""
    if place[0] == "datasets" and len(place) > 2:
        return DatasetConfig, 2
    if place[0] in BLOCKS and len(place) > 1:
        return BLOCKS[str(place[0])], 1
    return SweepSpec, 0


def _keys(model: type[BaseModel]) -> list[str]:
    return [name for name in model.model_fields if (model, name) not in _UNWRITTEN]


_UNWRITTEN = ((DatasetConfig, "name"), (SweepSpec, WARM_START))  # fields that stand elsewhere in a spec


def _deduplicated(mistakes: Any) -> list[Mistake]:
    """One mistake per place, since pydantic reports every member of a union."""
    return list({mistake.place: mistake for mistake in mistakes}.values())
