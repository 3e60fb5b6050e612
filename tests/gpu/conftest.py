"""Fixtures of the tests that need a GPU: they skip where there is none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import torch

from trainable.config import DatasetConfig, TrialConfig
from trainable.encoder import encoder

MemoryLeft = Callable[[int], AbstractContextManager[None]]


@pytest.fixture(autouse=True, scope="session")
def gpu() -> None:
    """Skips every test of this folder on a machine without a GPU."""
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU")


@pytest.fixture(autouse=True)
def only_encoder() -> None:
    """Drops the encoders of earlier tests from the GPU and from memory."""
    encoder.free_accelerator()
    encoder._LOADED.clear()


@pytest.fixture(scope="session")
def steady_bert(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the tiny BERT without dropout, since random numbers differ between devices."""
    folder = shutil.copytree(tiny_bert, tmp_path_factory.mktemp("steady") / "bert")
    config = json.loads((folder / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="session")
def wide_bert(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random BERT with 100 MiB of weights, beside the tokenizer of the tiny one."""
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    folder = tmp_path_factory.mktemp("wide-bert")
    config = AutoConfig.from_pretrained(tiny_bert, hidden_size=1024, intermediate_size=4096)
    AutoModel.from_config(config).save_pretrained(folder)  # type: ignore[no-untyped-call]
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(folder)
    return folder


@pytest.fixture
def memory_left() -> MemoryLeft:
    """A context manager that limits the GPU memory that this process may reserve to a number of bytes."""

    @contextmanager
    def left(limit: int) -> Iterator[None]:
        encoder.free_accelerator()
        torch.cuda.set_per_process_memory_fraction(limit / torch.cuda.get_device_properties(0).total_memory)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)

    return left


@pytest.fixture
def config(tiny_bert: Path, toy_csv: Path) -> TrialConfig:
    """Twelve labels per class, 40 steps: enough to tell the toy classes apart with any loss."""
    return TrialConfig(
        dataset=DatasetConfig(name="toy", path=str(toy_csv)),
        shots=12,
        encoder=str(tiny_bert),
        encoder_lr=3e-3,
        steps=40,
        replicates=2,
        evaluations=2,
    )
