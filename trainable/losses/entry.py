"""The contract of a loss: what its file in this folder must declare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from trainable.ranges import Range

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["LossConfig", "LossEntry", "Proxies"]


class LossConfig(BaseModel):
    """The fields of one loss: a subclass adds `name: Literal[...]` and its own fields with their valid ranges."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """How a loss scores by its proxies: the score of a class is `scale` times the cosine to them.

    weights_PD: the proxies, those of a class one after the other; their lengths do not count. P is a multiple of the
        number of classes, D the embedding size.
    scale: of the scores.
    of_several: what counts of the cosines to several proxies of a class: the largest (`max`), or their mean with the
        weights softmax(`sharpness` * cosine) (`softmax`).
    """

    weights_PD: Tensor
    scale: float
    of_several: Literal["max", "softmax"] = "max"
    sharpness: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LossEntry:
    """One loss as the rest of the project uses it.

    config: the pydantic model of its fields; defaults are the loss's own paper's, unless its file says why not.
    search: the range of each field that a sweep searches unless the spec says otherwise; others keep their default.
    search_source: where these ranges come from, each paper with its identifier; empty if nothing is searched.
    build: (config, num_classes, embedding_size) -> module, called as module(embeddings_ND, labels_N) -> scalar.
        Embeddings are fp32, labels are int64 in [0, num_classes). None for cross-entropy, which needs only the head.
    class_scores: (module, embeddings_ND) -> scores_NC, *larger = nearer*, at the temperature that matches training,
        so that softmax(scores) gives the class probabilities of the loss. None if the loss learns no proxies; classes
        are then scored by their centroids (trainable.evaluation.inference).
    proxies: module -> the same scores in numbers alone, up to what is the same for all classes, so that a classifier
        can be kept that reads by proxies. None if the loss learns none, or scores by them in another way; then such a
        classifier cannot be kept.
    proxy_start: where its proxies start with `proxy_start: auto`: at random, as published, or at the centroids of their
        classes, which `tests.benchmarks.fields` has to show to be better.
    paired_classes: the number of classes of which a batch must hold at least two rows, beside a row of another class,
        since without them the loss has no gradient or moves rows only apart or only together; 0 for a loss that
        compares rows with proxies, to which one row is enough.
    paper: authors, year and identifier.
    equation: the loss in one line, in the symbols of the paper.
    """

    config: type[LossConfig]
    search: Mapping[str, Range]
    search_source: str = ""
    build: Callable[[Any, int, int], nn.Module] | None
    class_scores: Callable[[nn.Module, Tensor], Tensor] | None = None
    proxies: Callable[[Any], Proxies] | None = None
    proxy_start: Literal["random", "centroids"] = "random"
    paired_classes: int = 0
    paper: str
    equation: str

    @property
    def name(self) -> str:
        """The name of the loss in specs, in MLflow and on the command line."""
        return str(self.config.model_fields["name"].default)

    @property
    def has_proxies(self) -> bool:
        """Whether the loss learns proxies, which have their own learning rate and no weight decay."""
        return self.class_scores is not None

    @property
    def needs_pairs(self) -> bool:
        """Whether the loss compares the rows of a batch with each other."""
        return self.paired_classes > 0
