"""What a worker is given: a configuration, and what to train and score it on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from trainable.config import TrialConfig
from trainable.outcomes import Evaluation, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["MAX_CRASHES", "MAX_STALLS", "Assignment", "refusal"]

MAX_CRASHES = 5
"""What has killed its worker this often in a row, without an evaluation in between, is given up: it is likely to be the
cause."""

MAX_STALLS = 2
"""The same for what has hung: it costs the whole time limit each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Train a configuration on some draws, and score one part of the data.

    record: key of the record that the evaluations belong to.
    config: the configuration to train.
    first: position among the draws of the first one to train.
    draws: numbers of the draws; None for the trial's own.
    initialisation: which of a draw's initialisations is trained.
    part: the part that is scored.
    temperature: what scores of test rows are divided by where draws have no validation rows; None if not known.
    """

    record: str
    config: TrialConfig
    first: int = 0
    draws: tuple[int, ...] | None = None
    initialisation: int = 0
    part: Literal["validation", "test"] = "validation"
    temperature: float | None = None

    @property
    def key(self) -> str:
        """Its name among all that runs: that of the trial, or of one replicate of a confirmation."""
        return self.record if self.draws is None else f"{self.record}/{self.draws[0]}.{self.initialisation}"

    def to_json(self) -> str:
        """One opaque string: Tune must neither resolve nor flatten what it carries."""
        return json.dumps({**_fields(self), "config": self.config.flat(), "key": self.key})

    @classmethod
    def from_json(cls, text: str) -> Assignment:
        """The inverse of `to_json`."""
        fields = json.loads(text)
        del fields["key"]  # for those who only need the name
        draws = None if fields["draws"] is None else tuple(fields["draws"])
        return cls(**{**fields, "config": TrialConfig.from_flat(fields["config"]), "draws": draws})

    def evaluations(self) -> Iterator[Evaluation]:
        """Train. Raises what `trainable.training.replicates` does."""
        from trainable.training import replicates  # torch is imported by workers, never by the driver

        return replicates(
            self.config,
            self.draws,
            first=self.first,
            initialisation=self.initialisation,
            part=self.part,
            temperature=self.temperature,
        )

    def refused(self, reason: str) -> Evaluation:
        """The evaluation of an assignment that cannot even begin."""
        return refusal(_fields(self), reason)


def refusal(fields: Mapping[str, Any], reason: str) -> Evaluation:
    """The evaluation of an assignment that cannot even begin, by the fields of its JSON: it may have a configuration
    that cannot be read here."""
    draws = fields["draws"]
    return Evaluation(
        draw=fields["first"] if draws is None else draws[0],
        replicate=fields["first"],
        point=1,
        step=0,
        initialisation=fields["initialisation"],
        outcome=Outcome.FAILED,
        reason=reason,
    )


def _fields(assignment: Assignment) -> dict[str, object]:
    return {name: getattr(assignment, name) for name in Assignment.__dataclass_fields__}
