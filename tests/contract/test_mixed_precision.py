"""Whatever its architecture, `precision: auto` trains an encoder in mixed precision where that is faster and changes
nothing but rounding, and in fp32 otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.sweeps.tiny_encoders import ARCHITECTURES, KINDS, write_architecture
from trainable.config import TrialConfig
from trainable.encoder import encoder as encoder_module
from trainable.encoder import load_encoder
from trainable.encoder.encoder import PROVEN
from trainable.errors import EncoderError
from trainable.precision import is_faster_in_bf16
from trainable.training import replicates

CPU = torch.device("cpu")
MIXES_TYPES = {"deberta"}
"""Architectures whose code in transformers raises an error in mixed precision: the first DeBERTa masks a tensor in
bfloat16 with the lowest number of fp32 (issue 35332 of huggingface/transformers; 5.23)."""


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that computes every encoder faster in mixed precision."""
    monkeypatch.setattr(encoder_module, "is_faster_in_bf16", lambda device, width: True)


@pytest.mark.parametrize("kind", sorted({*KINDS, *ARCHITECTURES}))
def test_it_is_known_which_encoders_bear_it(kind: str, tmp_path: Path, fast: None) -> None:
    try:
        encoder = load_encoder(str(write_architecture(tmp_path, kind)), None, 3)
    except EncoderError:
        assert kind not in PROVEN
        return
    assert encoder.uses_bf16("auto", CPU) == (kind not in MIXES_TYPES)
    assert encoder.uses_bf16("bf16", CPU)
    assert not encoder.uses_bf16("fp32", CPU)


@pytest.mark.parametrize(("kind", "trained_in"), [("roberta", "bf16"), ("deberta", "fp32")])
@pytest.mark.parametrize("recipe", ["fine_tune", "frozen"])
def test_a_training_says_what_it_was_trained_in(
    kind: str, trained_in: str, recipe: str, toy_csv: Path, tmp_path: Path, fast: None
) -> None:
    config = TrialConfig.model_validate(
        {
            "encoder": str(write_architecture(tmp_path, kind)),
            "dataset": {"name": "toy", "path": str(toy_csv)},
            "recipe": {"name": recipe},
            "shots": 8,
            "validation": 8,
            "replicates": 1,
            **({"loss": {"name": "soft_triple"}, "steps": 2, "evaluations": 1} if recipe == "fine_tune" else {}),
        }
    )
    (last,) = replicates(config, part="test")
    assert last.outcome is None
    assert last.trained_on == f"cpu ({trained_in})"


@pytest.mark.parametrize(
    ("capabilities", "width", "faster"),
    [
        ({"amx_bf16": True}, 384, True),
        ({"amx_bf16": True}, 128, False),
        ({"amx_bf16": False, "avx512_bf16": True}, 384, True),
        ({"avx512_bf16": True}, 128, False),
        ({"amx_bf16": False, "avx512_bf16": False, "avx512_f": True}, 1024, False),
        ({}, 1024, False),
    ],
)
def test_a_cpu_is_faster_that_multiplies_it(
    capabilities: dict[str, Any], width: int, faster: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert is_faster_in_bf16(CPU, width) == faster


def test_a_torch_that_does_not_tell_stays_with_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not is_faster_in_bf16(CPU, 1024)
