"""Names as people give them, with which a report is hard to draw: long, alike, in other scripts, with every mark."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from sweep.records.results import SweepResults
from tests.sweeps.synthetic_results import synthetic_results
from trainable.losses import LOSSES

__all__ = ["CLASSES", "DATASETS", "hostile_results", "many_arms", "one_method"]

CLASSES = (
    "returns, refunds, and exchanges",
    "$pend more than $5_000 (a^b)",
    "a_class_that_is_described_and_not_named_" + "since_nobody_found_a_shorter_word_" * 2 + "x",
    "a_class_that_is_described_and_not_named_" + "since_nobody_found_a_shorter_word_" * 2 + "y",
    "W" * 110,
    "طلب استرداد المبلغ",
    "退款请求",
    "धनवापसी अनुरोध",
)
_TICKETS = "customer_support_tickets_of_the_year_2025_without_attachments_and_duplicates_in_every_language_we_sell_to"
DATASETS = (f"{_TICKETS}_1", f"{_TICKETS}_2", "数据集", "بيانات")


def hostile_results(**arguments: Any) -> SweepResults:
    """A sweep over such datasets of such classes, with encoders in folders of long names."""
    encoders = [f"roberta-{'very-' * 20}large-{number}" for number in (1, 2)]
    by_encoder = {"compare": {"encoder": encoders}, "trial": MappingProxyType({})}  # in place of the one encoder
    losses = ("cross_entropy", "sub_center_arcface")
    made: dict[str, Any] = {
        "losses": losses,
        "datasets": DATASETS[::2],
        "shots": (8, 64),
        "trials": 2,
        "draws": 3,
        "classes": CLASSES,
    }
    return synthetic_results(**{**made, **by_encoder, **arguments})


def one_method() -> SweepResults:
    """A sweep that compares encoders of long names and other fields of one method."""
    axes = {"encoder": ["org/roberta-large", f"org/roberta-{'very-' * 20}large"], "lora_rank": [0, 8]}
    without_encoder = MappingProxyType[str, Any]({})
    return synthetic_results(
        datasets=("trec", "cr", "mr"),
        losses=("supcon",),
        shots=(4, 16),
        draws=3,
        trials=2,
        compare=axes,
        trial=without_encoder,
    )


def many_arms() -> SweepResults:
    """126 arms: every loss on nine datasets."""
    datasets = (*DATASETS, *(f"set{number}" for number in range(5)))
    return synthetic_results(datasets=datasets, shots=(8,), losses=tuple(LOSSES), trials=2, draws=3, classes=CLASSES)
