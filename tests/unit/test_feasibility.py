"""What no training of a sweep could do is refused before it begins, in the words in which training would refuse it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from sweep.spec.cells import cells
from sweep.spec.feasibility import check_trials
from sweep.spec.inputs import check_inputs
from sweep.spec.model import SweepSpec
from trainable.batching import training_batches
from trainable.config import DatasetConfig, TrialConfig
from trainable.datasets.text_data import Rows, TextData
from trainable.draws import draw_of
from trainable.errors import ConfigError, TrainableError
from trainable.feasibility import check_feasible
from trainable.losses import LOSSES
from trainable.training import replicates

METRIC = sorted(name for name, entry in LOSSES.items() if entry.build is not None)
IDLE = {"supcon", "triplet", "n_pairs", "circle"}  # the others move rows only apart, or only together
TOKENS = 3  # of each row here
CLASSES = 3


def config_of(loss: str, **fields: Any) -> TrialConfig:
    dataset = DatasetConfig(name="rows")
    trial = {"dataset": dataset, "encoder": "any", "loss": {"name": loss}, "beta": 0.0, "replicates": 2, "shots": 2}
    return TrialConfig.model_validate(trial | fields)


def data_of(rows_per_class: int = 12) -> TextData:
    labels = np.repeat(np.arange(CLASSES), rows_per_class)
    rows = Rows(tuple(f"row {number}" for number in range(len(labels))), None, labels)
    return TextData("rows", tuple("abc"), rows, rows)


def batches(config: TrialConfig, data: TextData) -> Iterator[NDArray[np.int64]]:
    """The labels that the metric loss sees in the first batches of each draw of the search."""
    for index in range(config.replicates):
        labels_M = data.pool.labels_N[draw_of(config, data, index).train]
        generator = np.random.default_rng(index)
        pairs = LOSSES[config.method].needs_pairs
        drawn = training_batches(labels_M, config.batch_size, balanced=pairs, generator=generator)
        for _ in range(8):
            yield np.repeat(labels_M[next(drawn)], TOKENS if config.embedding == "tokens" else 1)


def learns(module: nn.Module, labels_N: NDArray[np.int64], *, idle: bool) -> bool:
    """Whether a loss moves rows both together and apart."""
    if not idle:
        counts = np.unique(labels_N, return_counts=True)[1]
        return len(counts) > 1 and bool((counts > 1).any())
    torch.manual_seed(0)
    embeddings_ND = torch.randn(len(labels_N), 8, requires_grad=True)
    module(embeddings_ND, torch.from_numpy(labels_N)).backward()
    return embeddings_ND.grad is not None and bool(embeddings_ND.grad.abs().sum() > 0)


@pytest.mark.slow
@pytest.mark.parametrize("loss", METRIC)
def test_a_trial_is_refused_where_its_loss_could_learn_nothing_in_any_batch_and_only_there(loss: str) -> None:
    entry, data = LOSSES[loss], data_of()
    assert entry.build is not None
    module = entry.build(entry.config(name=loss), CLASSES, 8)
    for shots, embedding, sampling, size in product(
        (1, 2, 3, 7), ("cls", "tokens"), ("per_class", "random"), (2, 3, 4)
    ):
        config = config_of(loss, shots=shots, embedding=embedding, sampling=sampling, batch_size=size)
        learned = entry.has_proxies or any(
            learns(module, labels_N, idle=loss in IDLE) for labels_N in batches(config, data)
        )
        assert refusal(config, data) is None if learned else refusal(config, data), config


def refusal(config: TrialConfig, data: TextData) -> str | None:
    try:
        check_feasible(config, data)
    except ConfigError as error:
        return str(error)
    return None


def test_cross_entropy_needs_one_row() -> None:
    assert refusal(config_of("cross_entropy", beta=1, shots=1, sampling="random"), data_of()) is None
    assert refusal(config_of("supcon", beta=1, shots=1), data_of()) is None, "its metric loss has no share"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"shots": 1}, "so shots must be at least 2; received 1: raise it, or let the loss see every row twice"),
        (
            {"shots": 2, "batch_size": 3},
            "so batch_size must be at least 4 for draws that are larger than a batch; received 3 for the 6 rows of a "
            "draw of `rows`: raise it",
        ),
        (
            {"shots": 2, "sampling": "random"},
            "none of the 2 draws of `rows` has two rows of each of two classes; received 2 random shots: raise them",
        ),
    ],
)
def test_the_words_are_the_rule_the_value_and_the_remedy(fields: dict[str, Any], told: str) -> None:
    assert told in str(refusal(config_of("n_pairs", **fields), data_of()))


# ---- sweeps ----------------------------------------------------------------------------------------------------------


def spec_of(encoder: Path, data: Path, search: dict[str, Any] | None = None, **compared: list[Any]) -> SweepSpec:
    compare = {"dataset": ["toy"], "shots": [2], "loss": ["cross_entropy"]} | compared
    return SweepSpec.model_validate(
        {
            "name": "any",
            "datasets": {"toy": {"path": str(data)}},
            "compare": compare,
            "search": search or {},
            "trial": {"encoder": str(encoder)},
            "protocol": {"steps": 2, "evaluations": 1, "replicates": 1, "validation": "shots"},
        }
    )


@pytest.mark.parametrize("embedding", ["cls", "mean", "tokens"])
def test_a_sweep_is_refused_in_the_words_of_training_and_only_if_training_refuses(
    embedding: str, tiny_bert: Path, toy_csv: Path
) -> None:
    spec = spec_of(tiny_bert, toy_csv, loss=list(LOSSES), shots=[1, 2, 3], embedding=[embedding])
    for cell in cells(spec):
        assert words(lambda cell=cell: check_trials([cell])) == (
            f"{told} (cell {cell.key})" if (told := words(lambda cell=cell: replicates(cell.default_config()))) else ""
        )


def words(attempt: Any) -> str:
    try:
        attempt()
    except TrainableError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("search", "told"),
    [
        ({"embedding": ["tokens", "cls"]}, "shots must be at least 2"),
        ({"embedding": "tokens", "batch_size": [32, 2]}, ""),  # two rows at one shot: each draw is used whole
        ({"embedding": "cls", "beta": [1.0, 0.5]}, "shots must be at least 2"),
        ({"embedding": "cls", "beta": 1.0}, ""),
        ({"embedding": "tokens", "max_length": {"low": 16, "high": 512}}, "max_length must be at most 128"),
    ],
)
def test_the_hardest_values_of_a_search_decide(
    search: dict[str, Any], told: str, tiny_bert: Path, toy_csv: Path
) -> None:
    spec = spec_of(tiny_bert, toy_csv, search, loss=["supcon"], shots=[1])
    heard = words(lambda: check_inputs(cells(spec)))
    assert told in heard
    assert bool(told) == bool(heard)


def test_everything_that_is_wrong_is_told_at_once_with_its_cells(tiny_bert: Path, toy_csv: Path) -> None:
    spec = spec_of(
        tiny_bert, toy_csv, loss=["supcon", "triplet", "soft_triple"], shots=[1, 2], embedding=["cls", "mean"]
    )
    with pytest.raises(ConfigError) as caught:
        check_inputs(cells(spec))
    lines = str(caught.value).splitlines()
    assert [line.split()[0] for line in lines] == ["supcon", "triplet"]
    assert lines[0].endswith("(cells toy/1/supcon/embedding=cls and 1 more)")
