"""The configuration of one trial: everything that decides its scores, and nothing else.

A `TrialConfig` has two forms. The nested form is ordinary JSON. The flat form has one scalar for each key (`loss`,
`loss.margin`, `dataset`, `dataset.path`, ...) and is what MLflow shows. `TrialConfig.from_flat(config.flat())` equals
`config`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from trainable.dataset_config import DatasetConfig
from trainable.field_conflicts import check_conflicts
from trainable.flat_form import flattened, nested
from trainable.losses import LOSSES, AnyLoss, LossConfig
from trainable.losses.cross_entropy import CrossEntropy
from trainable.ranges import Scalar
from trainable.recipes import RECIPES, SPECIFIC_FIELDS, AnyRecipe, method_name
from trainable.recipes.fine_tune import FineTune
from trainable.shots import VALIDATION, Sampling, Shots, Validation

__all__ = ["DatasetConfig", "TrialConfig"]


class TrialConfig(BaseModel):
    """The configuration of a trial: its data, encoder, recipe, loss, optimiser and protocol.

    A recipe reads some of the fields (`trainable.recipes`); those that it does not read keep their defaults and stand
    in no flat form.

    `compatibility: published` trains as the code of arXiv 2211.15195 and 2211.15202 does. It differs from the default:

    - With `embedding: tokens` rows are padded to the longest of the pool (at most `max_length`), and the metric loss
      sees padding too, with its sentence's label. A sentence is then scored by its first token, not by the mean.
    - Head and proxies train at the encoder's rate: `head_lr` and `proxy_lr` are refused.
    - Weight decay applies to biases, norm weights and proxies too.
    - `schedule: cosine` spans 120 steps, however many are taken: after them the rate rises again.
    - On the test part, the papers' rule is scored beside this project's (`test_published_accuracy`): a mixture of
      probabilities weighted by the training `beta`, without a temperature, in which ProxyNCA's distances are taken for
      similarities.

    The papers' draws and batches are fields of their own: `sampling: random`, which is not stratified, and
    `batch_size: 64`. In their code too, the weights of the last step are the ones that are scored. Four properties of
    it are not reproduced: its crashes, the wrong token labels of one repository, the cross-validation on the pool, and
    a first step at rate 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dataset: DatasetConfig = Field(
        description="dataset: a name under `datasets`, a known name, a file or folder, or a hub id org/name"
    )
    shots: Shots = Field(
        description="labelled rows of a draw, per class (`sampling: per_class`) or in all (`random`): a number, "
        "`at most N` where some classes have fewer, or `all` that the test part and the validation rows leave"
    )
    sampling: Sampling = Field(
        "per_class", description="how a draw takes its rows: equally many of each class, or regardless of classes"
    )
    validation: Validation = Field("all", description=VALIDATION)
    seed: int = Field(0, ge=0, description="seed of the draws and the initialisations")

    encoder: str = Field(description="hub id, folder, or name of a packaged encoder (`all-MiniLM-L6-v2`)")
    encoder_revision: str | None = Field(None, description="commit of a hub encoder; default: the newest")
    embedding: Literal["auto", "cls", "mean", "last", "tokens"] | None = Field(
        None,
        description="embedding of a sentence, which the metric loss and a linear head see: the pooling that the "
        "encoder's folder states, with its dense layers and scaling, or else the mean (`auto`), the first token, the "
        "mean of the tokens, the last one, or, for the metric loss, every real token; default: `auto`",
    )
    prompt: str | None = Field(
        None,
        description="text before every text, such as `'query: '`: the default one that the encoder's folder states "
        "(`auto`), one of its prompts by name, or the text itself; `none`: nothing; default: `auto`",
    )
    max_length: int = Field(64, ge=4, le=8192, description="tokens of a row that are kept; longer rows are cut")

    recipe: AnyRecipe = Field(FineTune(), description="the way from labelled rows to a classifier")
    loss: AnyLoss | None = Field(CrossEntropy(), description="loss that trials are trained with")
    beta: float = Field(
        0.5,
        ge=0,
        le=1,
        description="weight of cross-entropy, the metric loss having 1 - beta; always 1 for cross_entropy alone",
    )

    head: Literal["checkpoint", "centroid"] = Field(
        "checkpoint",
        description="classification head: the checkpoint's own kind, started at random, or a linear one on the "
        "sentence embedding, started at the class centroids of the draw",
    )

    inference: Literal["head", "nearest", "neighbours", "mixture", "logistic"] | None = Field(
        None,
        description="what classifies: the head, the nearest proxy or centroid, the vote of the nearest training rows, "
        "a mixture of head and nearest, or a logistic regression on the embeddings; default: `head`, or `nearest` "
        "where `beta` is 0",
    )

    encoder_lr: float = Field(2e-5, gt=0, le=1, description="peak learning rate of the encoder")
    head_lr: float | None = Field(
        None, gt=0, le=1, description="peak learning rate of the classification head; default: that of the encoder"
    )
    proxy_lr: float | None = Field(
        None, gt=0, le=10, description="peak learning rate of the loss's proxies; default: 0.01 for losses with proxies"
    )
    proxy_start: Literal["auto", "random", "centroids"] = Field(
        "random",
        description="where the loss's proxies start: at random, or at the centroids of their classes in the draw; "
        "`auto`: where the loss does best, which is at random for all but proxy_anchor",
    )
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="learning rate of a layer of the encoder, as a share of that of the layer above it"
    )
    frozen_layers: int = Field(
        0, ge=0, description="lowest layers of the encoder that are not trained; if any, nor are the token embeddings"
    )
    new_layers: int = Field(
        0, ge=0, description="highest layers of the encoder that start at random, not from their pretrained weights"
    )
    lora_rank: int = Field(
        0,
        ge=0,
        le=1024,
        description="rank of the updates that are trained in place of the encoder's matrices (LoRA with alpha 16), the "
        "rest of it staying as it is; some four times the rate suits; 0: all weights are trained",
    )
    weight_decay: float = Field(
        0.01, ge=0, le=1, description="AdamW's weight decay of the matrices of encoder and head, not of proxies"
    )
    schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", description="course of the learning rate after the warm-up"
    )
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps during which the learning rate rises")
    clip: float = Field(1.0, gt=0, description="norm to which larger gradients are clipped")
    steps: PositiveInt = Field(120, description="optimiser steps of a replicate")
    batch_size: int = Field(32, ge=2, description="rows of a step; a smaller draw is used whole at every step")
    batches: Literal["auto", "shuffled", "balanced"] = Field(
        "auto",
        description="how a draw that does not fit into a batch is cut: shuffled, or balanced over the classes; auto: "
        "balanced for metric losses without proxies, which learn from pairs",
    )
    views: int = Field(
        1,
        ge=1,
        le=8,
        description="how often a step sees each of its rows, each time with another dropout: for a metric loss, "
        "positives of each other",
    )
    projection: int | None = Field(
        None,
        ge=1,
        le=65536,
        description="size of a projection of the embeddings, two layers, before a metric loss without proxies; it is "
        "trained and not kept; default: none",
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none",
        description="weights of the classes in cross-entropy, logistic regression and SVM: all alike, or inversely "
        "proportional to their rows in the draw, or in balanced batches to what is left uneven there",
    )
    priors: Literal["draw", "pool"] = Field(
        "draw",
        description="how frequent the classes are taken to be by the head and by a logistic regression: as they are "
        "trained (as in the draw, or alike where class_weights or batches balance them), or as among all rows that "
        "draws are taken from",
    )
    restarts: int = Field(
        0,
        ge=0,
        le=3,
        description="how often a training that ends no better on its own rows than their majority class is begun "
        "anew, with another head, dropout and order of batches",
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto",
        description="precision of training and scoring; auto: bf16 autocast where it is faster and the encoder bears "
        "it (on a GPU, and on a processor with AMX or AVX-512 BF16 for embeddings of 256 numbers and more), "
        "otherwise fp32",
    )

    compatibility: Literal["none", "published"] = Field(
        "none",
        description="published: trains as the papers' code does, with one learning rate, decay of all weights, padding "
        "in the metric loss, and a cosine over 120 steps",
    )

    replicates: PositiveInt = Field(
        4, description="draws on which the configuration is trained and scored; its score is the mean over them"
    )
    evaluations: PositiveInt = Field(
        4, description="evaluations of a replicate, evenly spaced over its steps, the last at its end"
    )
    metric: Literal["accuracy", "macro_f1", "weighted_f1"] = Field(
        "accuracy",
        description="metric on validation rows that the score averages; macro_f1: the mean of F1 over the classes that "
        "occur among labels or predictions, as in scikit-learn",
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_what_is_not_free(cls, data: Any) -> Any:
        """Sets the constants of the recipe, and what depends on the loss: `beta` is 1 for cross-entropy alone, and
        losses with proxies have a default `proxy_lr`, unless one learning rate serves all weights. Other values that
        are given are refused later."""
        recipe = RECIPES.get(_name(data, "recipe", FineTune()))
        if not isinstance(data, Mapping) or recipe is None:
            return data
        filled = {**recipe.constants, **data}
        entry = LOSSES.get(_name(filled, "loss", CrossEntropy()))
        if entry is not None and entry.build is None and "beta" in recipe.fields:
            filled.setdefault("beta", 1.0)
        one_rate = filled.get("compatibility") == "published"
        with_rate = entry is not None and entry.has_proxies and "proxy_lr" in recipe.fields and not one_rate
        if with_rate and filled.get("proxy_lr") is None:
            filled["proxy_lr"] = 1e-2
        return filled

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        check_conflicts(self)
        return self

    @property
    def published(self) -> bool:
        """Whether the trial trains as the papers' code does."""
        return self.compatibility == "published"

    @property
    def method(self) -> str:
        """The name of the recipe with its loss, as `soft_triple` or `frozen`."""
        return method_name(self.recipe.name, None if self.loss is None else self.loss.name)

    @property
    def fine_tuned_with(self) -> LossConfig:
        """The loss of a recipe that has one."""
        assert self.loss is not None, "the recipe has no loss"
        return self.loss

    def flat(self) -> dict[str, Scalar]:
        """The configuration with one scalar for each key; the name of the loss stands under `loss`, that of the dataset
        under `dataset`, that of the recipe under `recipe`. Fields that are unset or that the recipe does not read, its
        own defaults that it would read beside other values of its own, and a dataset's defaults, are left out."""
        entry = RECIPES[self.recipe.name]
        fields = self.model_dump(mode="json", exclude_none=True, exclude=set(SPECIFIC_FIELDS - entry.fields))
        fields["dataset"] = self.dataset.model_dump(mode="json", exclude_defaults=True)
        own, given = fields["recipe"], self.recipe.model_dump(exclude_defaults=True)
        fields["recipe"] = {name: value for name, value in own.items() if name in given or entry.reads(name, own)}
        return flattened(fields)

    @classmethod
    def from_flat(cls, flat: Mapping[str, Any]) -> TrialConfig:
        """The configuration whose flat form this is. Values may also be strings, as MLflow gives them back.

        Raises pydantic.ValidationError for values that a field does not allow.
        """
        return cls.model_validate(nested(flat))


def _name(data: Any, field: str, default: LossConfig | FineTune) -> str:
    """Return the name of the loss or recipe in the data of a configuration."""
    given = data.get(field, default) if isinstance(data, Mapping) else None
    name = given.get("name") if isinstance(given, Mapping) else getattr(given, "name", None)
    return str(name)
