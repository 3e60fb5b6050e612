"""NT-Xent: each pair of rows of one class against the pairs of one of them with rows of other classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from trainable.losses.entry import LossConfig, LossEntry
from trainable.ranges import FloatRange

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ENTRY", "NTXent"]


class NTXent(LossConfig):
    """Fields of NT-Xent; the paper's symbol follows the description."""

    name: Literal["nt_xent"] = "nt_xent"
    temperature: float = Field(0.5, ge=0.01, le=100, description="temperature over the pairs of a row (tau)")


def build(config: NTXent, _num_classes: int, _embedding_size: int) -> nn.Module:
    from .nt_xent_module import NTXentModule  # imported late: a driver reads fields, not tensors

    return NTXentModule(config.temperature)


ENTRY = LossEntry(
    config=NTXent,
    search={"temperature": FloatRange(0.05, 1.0, log=True)},
    search_source="The paper compares 0.05 to 1.",
    build=build,
    paired_classes=1,
    paper="Chen et al., 2020 (arXiv:2002.05709), equation 1",
    equation="-log exp(x.x_p / tau) / (exp(x.x_p / tau) + sum over rows n of other classes of exp(x.x_n / tau))",
)
