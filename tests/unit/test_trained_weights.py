"""What is to be trained of an encoder is there, or the trial is refused in words, before a sweep and by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.sweeps.tiny_encoders import write_architecture
from trainable.config import TrialConfig
from trainable.errors import ConfigError
from trainable.trained_weights import check_trained_of
from trainable.training import replicates

SUPCON = {"loss": {"name": "supcon"}, "beta": 0.0}
TWO_STAGES = {"recipe": {"name": "metric_then_head"}, "loss": {"name": "supcon"}}
NO_LIST = "albert has no list of such layers: leave them out"
NO_LINEAR = r"lora_rank trains linear layers of the encoder; '.*' has none: leave lora_rank out"


def config(kind: str, folder: Path, data: Path, fields: dict[str, Any]) -> TrialConfig:
    usual = {"shots": 4, "validation": 12, "steps": 2, "replicates": 1, "evaluations": 1, "embedding": "mean"}
    dataset = {"name": "toy", "path": str(data)}
    head = {} if "recipe" in fields else {"head": "centroid"}
    return TrialConfig.model_validate(
        {"dataset": dataset, "encoder": str(write_architecture(folder, kind)), **usual, **head, **fields}
    )


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("kind", "fields", "told"),
    [
        ("albert", {"frozen_layers": 1}, NO_LIST),
        ("albert", {"layer_decay": 0.9}, NO_LIST),
        ("squeezebert", {"lora_rank": 2}, NO_LINEAR),
        ("squeezebert", {"lora_rank": 2, **TWO_STAGES}, NO_LINEAR),
        ("gpt2", {"lora_rank": 2, "frozen_layers": 2}, "beyond its frozen layers; received frozen_layers=2: lower it"),
        ("bert", {"lora_rank": 2, "frozen_layers": 2}, "beyond its frozen layers; received frozen_layers=2: lower it"),
        (
            "bert",
            {"frozen_layers": 2, **SUPCON},
            "supcon learns in the layers of the encoder alone; .*=2, .*: lower it",
        ),
        ("bert", {"frozen_layers": 2, **SUPCON, "head": "checkpoint"}, "supcon learns in the layers of the encoder"),
    ],
)
def test_what_would_train_nothing_is_refused(
    kind: str, fields: dict[str, Any], told: str, tmp_path: Path, toy_csv: Path
) -> None:
    trial = config(kind, tmp_path, toy_csv, fields)
    for check in (lambda: check_trained_of(trial), lambda: list(replicates(trial))):
        with pytest.raises(ConfigError, match=told):
            check()


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("albert", {"lora_rank": 2}),
        ("bert", {"frozen_layers": 2}),
        ("bert", {"frozen_layers": 2, **SUPCON, "projection": 4}),
        ("bert", {"frozen_layers": 2, "lora_rank": 2, "head": "checkpoint"}),  # its pooler is trained
        ("bert", {"frozen_layers": 2, "loss": {"name": "soft_triple"}, "beta": 0.0}),
        ("gpt2", {"frozen_layers": 2, **SUPCON}),  # whose last norm is trained
        ("gpt2", {"frozen_layers": 1, "lora_rank": 2}),
        ("squeezebert", {"frozen_layers": 1}),
    ],
)
def test_what_trains_something_is_trained(kind: str, fields: dict[str, Any], tmp_path: Path, toy_csv: Path) -> None:
    trial = config(kind, tmp_path, toy_csv, fields)
    check_trained_of(trial)
    assert [evaluation.outcome for evaluation in replicates(trial)] == [None]
