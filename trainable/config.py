"""The configuration of one trial: everything that decides its scores, and nothing else.

A `TrialConfig` has two equal forms. The nested form is ordinary JSON. The flat form has one scalar for each key
(`loss`, `loss.margin`, `dataset`, `dataset.path`, ...) and is what MLflow shows; `TrialConfig.from_flat(config.flat())`
is `config`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from trainable.errors import FieldConflictError
from trainable.losses import LOSSES, AnyLoss
from trainable.losses.cross_entropy import CrossEntropy
from trainable.ranges import Scalar

__all__ = ["DatasetConfig", "TrialConfig"]


class DatasetConfig(BaseModel):
    """Where a dataset lies and how to read it. Either `hub` or `path` is given; neither means the embedded data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="the name of the dataset in cells, tables and MLflow", pattern=r"^[\w.\-]+$")
    hub: str | None = Field(None, description="a Hugging Face dataset id")
    hub_config: str | None = Field(None, description="the configuration of the hub dataset, as `sst2` of nyu-mll/glue")
    revision: str | None = Field(None, description="the commit of the hub dataset; the sweep records the one it used")
    path: str | None = Field(None, description="a file (csv, tsv, jsonl, parquet) or a folder")
    test_path: str | None = Field(None, description="the file of the test part, where it is a file of its own")
    senteval: str | None = Field(
        None, description="read `path` as the SentEval folder of this task (MR, CR, TREC, ...)"
    )
    text: str = Field("text", description="the column of the sentence")
    text_pair: str | None = Field(None, description="the column of the second sentence, for tasks on pairs")
    label: str = Field("label", description="the column of the class")
    train_split: str = Field("train", description="the split that few-shot samples and validation rows come from")
    test_split: str | None = Field(
        None, description="the split kept for confirmation; default `test` where there is one"
    )
    test_share: float = Field(0.25, gt=0, lt=1, description="share held out as the test part where no test part exists")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.hub is not None and self.path is not None:
            raise ValueError(f"give `hub` or `path`, not both; received hub={self.hub!r} and path={self.path!r}")
        if self.senteval is not None and self.path is None:
            raise ValueError("`senteval` names the task of a local folder: give the folder as `path`")
        return self


class TrialConfig(BaseModel):
    """One configuration of one cell: data, encoder, loss, optimiser and protocol of a trial.

    `compatibility: published` trains as the code of arXiv 2211.15195 and 2211.15202 does where that differs:

    - With `embedding: tokens` rows are padded to the longest of the pool (at most `max_length`), and the metric loss
      sees padding too, with its sentence's label. A sentence is then scored by its first token, not by the mean.
    - Head and proxies train at the encoder's rate: `head_lr` and `proxy_lr` are refused.
    - Biases, norm weights and proxies decay as all else does.
    - `schedule: cosine` is laid out for 120 steps, however many are taken: after them the rate rises again.
    - On the test part the published rule is scored besides ours: a mixture of probabilities weighed by the training
      `beta`, without a temperature, and with ProxyNCA's distances taken for similarities (`test_published_accuracy`).

    Left as fields: the papers' draws are `sampling: random`, which is not stratified, with `batch_size: 64`. As here,
    the last step counts. Not reproduced: what crashes, the wrong token labels of one repository, the cross-validation
    on the pool, and a first step at rate 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dataset: DatasetConfig
    shots: PositiveInt = Field(description="labelled rows per class (`sampling: per_class`) or in all (`random`)")
    sampling: Literal["per_class", "random"] = Field("per_class", description="how a draw takes its rows")
    validation: Literal["all", "shots"] | PositiveInt = Field(
        "all", description="validation rows: every row left, as many as the draw has, or a number"
    )
    seed: int = Field(0, ge=0, description="the seed from which draws and initialisations derive")

    encoder: str = Field(description="a hub id, a folder, or the name of a packaged encoder")
    encoder_revision: str | None = Field(None, description="the commit of a hub encoder")
    embedding: Literal["cls", "mean", "tokens"] = Field(
        "cls", description="what the metric loss sees: the first token, the mean, or every real token"
    )
    max_length: int = Field(64, ge=4, le=8192, description="tokens kept of a row")

    loss: AnyLoss = Field(CrossEntropy(), description="the loss and its fields")
    beta: float = Field(0.5, ge=0, le=1, description="weight of cross-entropy; 1 - beta is the metric loss's")

    encoder_lr: float = Field(2e-5, gt=0, le=1, description="peak learning rate of the encoder")
    head_lr: float | None = Field(None, gt=0, le=1, description="of the classification head; default: as the encoder")
    proxy_lr: float | None = Field(None, gt=0, le=10, description="of the loss's proxies; default 0.01, if it has any")
    weight_decay: float = Field(0.01, ge=0, le=1, description="AdamW's decay of encoder and head, not of proxies")
    schedule: Literal["linear", "cosine", "constant"] = Field("linear", description="decay after the warm-up")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps in which the learning rate rises")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    steps: PositiveInt = Field(120, description="optimiser steps of one replicate")
    batch_size: int = Field(32, ge=2, description="rows of a step; a smaller draw is used whole at every step")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 autocast on GPU, fp32 on CPU")

    compatibility: Literal["none", "published"] = Field(
        "none",
        description="published: one learning rate, decay of all weights, padding in the metric loss, and a cosine over "
        "120 steps, as in the papers' code",
    )

    replicates: PositiveInt = Field(4, description="draws on which the configuration is trained and scored")
    evaluations: PositiveInt = Field(4, description="evaluations of a replicate, evenly spaced, the last at its end")
    metric: Literal["accuracy", "macro_f1", "weighted_f1"] = Field("accuracy", description="what the score averages")

    @model_validator(mode="before")
    @classmethod
    def _fill_what_depends_on_the_loss(cls, data: Any) -> Any:
        """Cross-entropy alone has beta 1; only losses with proxies have a proxy learning rate, unless all have one."""
        entry = LOSSES.get(_loss_name(data))
        if not isinstance(data, Mapping) or entry is None:
            return data
        filled = dict(data)
        if entry.build is None:
            filled.setdefault("beta", 1.0)
        one_rate = filled.get("compatibility") == "published"
        if entry.has_proxies and not one_rate and filled.get("proxy_lr") is None:
            filled["proxy_lr"] = 1e-2
        return filled

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        entry = LOSSES[self.loss.name]
        if entry.build is None and self.beta != 1:
            rule = f"beta must be 1 for {entry.name}, which has no metric loss; received {self.beta}"
            raise FieldConflictError(rule, ["beta"])
        if self.proxy_lr is not None and not entry.has_proxies:
            rule = f"proxy_lr is for losses with proxies; {entry.name} has none; received {self.proxy_lr}"
            raise FieldConflictError(rule, ["proxy_lr"])
        for name, rate in (("head_lr", self.head_lr), ("proxy_lr", self.proxy_lr)):
            if self.published and rate is not None:
                rule = "all weights train at encoder_lr with compatibility: published"
                remedy = "leave it out, or set compatibility: none"
                raise FieldConflictError(f"{rule}; received {name}={rate}: {remedy}", [name, "compatibility"])
        if self.evaluations > self.steps:
            rule = f"evaluations must be at most steps ({self.steps}); received {self.evaluations}"
            raise FieldConflictError(rule, ["evaluations", "steps"])
        return self

    @property
    def published(self) -> bool:
        """Whether the trial trains as the papers' code does."""
        return self.compatibility == "published"

    def flat(self) -> dict[str, Scalar]:
        """One scalar for each key; a nested part's name stands under the key of the part. Fields that are unset, and a
        dataset's defaults, are left out."""
        nested = self.model_dump(mode="json", exclude_none=True)
        nested["dataset"] = self.dataset.model_dump(mode="json", exclude_defaults=True)
        return _flatten(nested)

    @classmethod
    def from_flat(cls, flat: Mapping[str, Any]) -> TrialConfig:
        """The inverse of `flat`; values may also be strings, as MLflow gives them back.

        Raises pydantic.ValidationError for what the fields do not allow.
        """
        return cls.model_validate(_nest(flat))


def _loss_name(data: Any) -> str:
    loss = data.get("loss", CrossEntropy()) if isinstance(data, Mapping) else None
    name = loss.get("name") if isinstance(loss, Mapping) else getattr(loss, "name", None)
    return str(name)


def _flatten(nested: Mapping[str, Any]) -> dict[str, Scalar]:
    flat: dict[str, Scalar] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            flat.update({key if part == "name" else f"{key}.{part}": each for part, each in value.items()})
        else:
            flat[key] = value
    return flat


def _nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    parts = {key.split(".")[0] for key in flat if "." in key} | {"dataset", "loss"}
    nested: dict[str, Any] = {part: {} for part in parts if part in flat}
    for key, value in flat.items():
        part, _, field = key.partition(".")
        if part in nested:
            nested[part][field or "name"] = value
        else:
            nested[key] = value
    return nested
