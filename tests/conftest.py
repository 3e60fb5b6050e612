"""Fixtures for every suite: a clean environment, and two tiny encoders built on this machine."""

from __future__ import annotations

import os
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from tests.sweeps.tiny_encoders import write_encoder

pytest_plugins = ("tests.services.postgres_server", "tests.services.started_processes")

# Before any heavy library reads them: no test may reach a model hub, a tracking server or a cluster by accident.
for _name in [name for name in os.environ if name.startswith(("MLFLOW_", "RAY_"))]:
    del os.environ[_name]
os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Encoders and embeddings are kept beside the hub's cache: not in that of the person who runs the tests.
_HUB = tempfile.TemporaryDirectory(prefix="huggingface-of-tests-")
os.environ["HF_HOME"] = _HUB.name

# Generated examples are no timed tests: on a machine that does other things too, any of them can take seconds.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what an earlier test, or a library that it used, left in the environment."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_") or name == "RAY_ADDRESS"]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random BERT: 2 layers, hidden size 32, lower-case words and letters, segment ids."""
    return write_encoder(tmp_path_factory.mktemp("tiny-bert"))


@pytest.fixture(scope="session")
def tiny_roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random RoBERTa: 2 layers, hidden size 32, lower-case words and letters, no segment ids."""
    return write_encoder(tmp_path_factory.mktemp("tiny-roberta"), "roberta")


@pytest.fixture(scope="session")
def toy_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A csv file of 96 sentences, all different, columns text and label (bad, good), that their words tell apart."""
    every = [
        (f"{article} film {verb} {' '.join(words)}", label)
        for label, known in _TOY_CLASSES.items()
        for article in ("the", "a")
        for verb in ("is", "was")
        for words in product(known, repeat=3)
    ]
    chosen = np.random.default_rng(0).permutation(108)[:48].tolist()
    rows = dict([every[each] for each in chosen] + [every[108 + each] for each in chosen])
    path = tmp_path_factory.mktemp("toy") / "toy.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows.items()), encoding="utf-8")
    return path


_TOY_CLASSES = {"bad": ("bad", "awful", "poor"), "good": ("good", "great", "fine")}
