"""Kept embeddings of a frozen encoder: always the same to the last bit, and always whole."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from numpy.typing import NDArray

import trainable.embeddings
from tests.services.waiting import TIME_LIMIT
from tests.sweeps.tiny_encoders import write_encoder
from trainable.batching import tokenise
from trainable.config import DatasetConfig, TrialConfig
from trainable.datasets.text_data import Rows
from trainable.embeddings import FrozenEncoder, kept_embeddings
from trainable.encoder import load_encoder
from trainable.evaluation.inference import run_encoder
from trainable.learner import DivergedError
from trainable.training import replicates

CPU = torch.device("cpu")
ALL = np.arange(100)

Floats = NDArray[np.float32]


def texts(count: int = 100) -> Rows:
    """Rows of many lengths, in no order of them, more than three blocks."""
    words = [f"{'the good ' * (number * 7 % 11)}film {number}" for number in range(count)]
    return Rows(texts=tuple(words), pairs=None, labels_N=np.arange(count) % 2)


def frozen(folder: Path, **fields: Any) -> FrozenEncoder:
    given: dict[str, Any] = {"embedding": "mean", "max_length": 32, "device": CPU, "bf16": False} | fields
    return FrozenEncoder(encoder=load_encoder(str(folder), None, 2), **given)


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of kept embeddings."""
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path))
    return kept_embeddings()


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by the number of rows of each block that an encoder really encodes."""
    counts: list[int] = []

    def counted(model: Any, rows: Any, indices_N: Any, **fields: Any) -> Any:
        counts.append(len(indices_N))
        return run_encoder(model, rows, indices_N, **fields)

    monkeypatch.setattr(trainable.embeddings, "run_encoder", counted)
    return counts


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.npy"))


# ---- what an embedding is --------------------------------------------------------------------------------------------


def test_no_test_writes_into_the_home_of_the_person_who_runs_it() -> None:
    assert Path(os.environ["HF_HOME"]).is_relative_to(tempfile.gettempdir())


@pytest.mark.parametrize("embedding", ["cls", "mean"])
def test_embeddings_are_those_of_the_pretrained_encoder_in_the_order_asked_for(tiny_bert: Path, embedding: Any) -> None:
    rows, encoder = texts(), load_encoder(str(tiny_bert), None, 2)
    encoder.reset(0)
    asked = np.random.default_rng(0).permutation(100)[:37]
    found_WD = frozen(tiny_bert, embedding=embedding).embed(rows, asked)
    assert found_WD.shape == (37, 32)
    assert found_WD.dtype == np.float32
    tokens = tokenise(rows, encoder, 32)
    for row_D, row in zip(found_WD, asked.tolist(), strict=True):
        alone = run_encoder(encoder.model, tokens, np.array([row]), device=CPU, bf16=False, embedding=embedding)
        assert alone.embeddings_ND is not None
        np.testing.assert_allclose(row_D, alone.embeddings_ND[0].numpy(), rtol=1e-4, atol=1e-5)


def test_an_embedding_is_the_same_to_the_last_bit_whichever_rows_were_asked_for_first(
    tiny_bert: Path, kept: Path
) -> None:
    whole_ND = frozen(tiny_bert).embed(texts(), ALL)
    shutil.rmtree(kept)
    generator = np.random.default_rng(1)
    for _ in range(10):
        asked = generator.permutation(100)[: generator.integers(1, 9)]
        np.testing.assert_array_equal(frozen(tiny_bert).embed(texts(), asked), whole_ND[asked])


def test_rows_are_encoded_once(tiny_bert: Path, encoded: list[int]) -> None:
    rows = texts()
    first_ND = frozen(tiny_bert).embed(rows, ALL)
    assert sum(encoded) == 100
    np.testing.assert_array_equal(frozen(tiny_bert).embed(texts(), ALL), first_ND)
    assert sum(encoded) == 100, "another object with the same rows has the same file"


def test_a_few_rows_do_not_cost_all(tiny_bert: Path, encoded: list[int]) -> None:
    frozen(tiny_bert).embed(texts(), np.array([5]))
    assert 0 < sum(encoded) < 100


def test_no_row_is_asked_for(tiny_bert: Path, encoded: list[int]) -> None:
    assert frozen(tiny_bert).embed(texts(), np.array([], dtype=np.int64)).shape == (0, 32)
    assert not encoded


def test_an_embedding_that_is_zero_is_kept_as_any_other(tmp_path: Path, encoded: list[int]) -> None:
    folder = write_encoder(_made(tmp_path / "zero"))
    _rewritten(folder, torch.zeros_like)
    for _ in range(2):
        assert not frozen(folder).embed(texts(), ALL).any()
    assert sum(encoded) == 100


def test_embeddings_that_are_not_finite_are_no_embeddings(tmp_path: Path) -> None:
    folder = write_encoder(_made(tmp_path / "broken"))
    sound = load_encoder(str(folder), None, 2)
    broken = replace(sound, pretrained={name: weight * torch.nan for name, weight in sound.pretrained.items()})
    with pytest.raises(DivergedError, match="not finite"):
        replace(frozen(folder), encoder=broken).embed(texts(), ALL)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _rewritten(folder: Path, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Changes every weight of an encoder on the disk."""
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    save_file({name: change(weight) for name, weight in load_file(path).items()}, path, {"format": "pt"})


# ---- which file it is in ---------------------------------------------------------------------------------------------


@pytest.mark.lengthy
def test_what_an_embedding_depends_on_has_a_file_of_its_own(tiny_bert: Path, tmp_path: Path, kept: Path) -> None:
    other = write_encoder(_made(tmp_path / "other"))
    _rewritten(other, lambda weight: weight * 2)
    frozen(tiny_bert).embed(texts(), ALL)
    ways: list[tuple[FrozenEncoder, Rows]] = [
        (frozen(other), texts()),
        (frozen(tiny_bert, embedding="cls"), texts()),
        (frozen(tiny_bert, max_length=8), texts()),
        (frozen(tiny_bert, bf16=True), texts()),
        (frozen(tiny_bert), replace(texts(), texts=tuple(reversed(texts().texts)))),
        (frozen(tiny_bert), texts(99)),
    ]
    for number, (way, rows) in enumerate(ways, start=2):
        way.embed(rows, np.arange(len(rows)))
        assert len(files(kept)) == number


def test_what_it_does_not_depend_on_shares_a_file(tiny_bert: Path, tmp_path: Path, kept: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(tiny_bert, moved)
    labelled = replace(texts(), labels_N=np.zeros(100, dtype=np.int64))
    for way, rows in [
        (frozen(tiny_bert), texts()),
        (frozen(tiny_bert, embedding="tokens"), texts()),  # scored by the mean
        (frozen(tiny_bert), labelled),
        (replace(frozen(tiny_bert), encoder=load_encoder(str(tiny_bert), None, 5)), texts()),
        (frozen(moved), texts()),
    ]:
        way.embed(rows, ALL)
    assert len(files(kept)) == 1


def test_a_max_length_that_cuts_no_row_is_no_other_one(tiny_bert: Path, kept: Path) -> None:
    for longest in (64, 96):
        frozen(tiny_bert, max_length=longest).embed(texts(), ALL)
    assert len(files(kept)) == 1


# ---- what happens to the file ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", [0, 5, 100, 128, 129, 5000, 13_000])
def test_a_file_cut_short_is_made_anew(tiny_bert: Path, kept: Path, left: int) -> None:
    whole_ND = frozen(tiny_bert).embed(texts(), ALL)
    (file,) = files(kept)
    assert file.stat().st_size > left
    os.truncate(file, left)
    np.testing.assert_array_equal(frozen(tiny_bert).embed(texts(), ALL), whole_ND)


@pytest.mark.parametrize("begin", [0, 4, 60, 120, 128])
def test_a_row_that_was_written_in_part_is_encoded_again(tiny_bert: Path, kept: Path, begin: int) -> None:
    """The bytes of a row that had not reached the disk are zero; a row has 4 x 32 bytes and those of its sum."""
    whole_ND = frozen(tiny_bert).embed(texts(), ALL)
    (file,) = files(kept)
    row = 41
    with file.open("r+b") as opened:
        opened.seek(128 + row * 132 + begin)
        opened.write(bytes(132 - begin))
    np.testing.assert_array_equal(frozen(tiny_bert).embed(texts(), ALL), whole_ND)


def test_another_array_in_the_file_is_replaced(tiny_bert: Path, kept: Path) -> None:
    whole_ND = frozen(tiny_bert).embed(texts(), ALL)
    (file,) = files(kept)
    for other in (np.ones((100, 7), np.float32), np.ones((100, 33), np.float64), np.float32(3)):
        np.save(file, other)
        np.testing.assert_array_equal(frozen(tiny_bert).embed(texts(), ALL), whole_ND)


def test_a_folder_that_is_deleted_in_between_is_made_again(tiny_bert: Path, kept: Path) -> None:
    encoder = frozen(tiny_bert)
    first_ND = encoder.embed(texts(), ALL)
    shutil.rmtree(kept)
    np.testing.assert_array_equal(encoder.embed(texts(), ALL), first_ND)
    assert len(files(kept)) == 1


def test_a_home_that_cannot_be_written_holds_nothing_up(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch, encoded: list[int]
) -> None:
    whole_ND = frozen(tiny_bert).embed(texts(), ALL)
    monkeypatch.setattr(constants, "HF_HOME", "/dev/null/home")
    for _ in range(2):
        np.testing.assert_array_equal(frozen(tiny_bert).embed(texts(), ALL), whole_ND)
    assert sum(encoded) == 200, "what has no file is kept in memory"


def test_another_trial_that_trained_the_encoder_in_between_changes_nothing(
    tiny_bert: Path, toy_csv: Path, kept: Path
) -> None:
    whole_ND = frozen(tiny_bert).embed(texts(), ALL)
    data = DatasetConfig(name="toy", path=str(toy_csv))
    trained = TrialConfig(dataset=data, shots=4, encoder=str(tiny_bert), encoder_lr=0.1, steps=4, replicates=1)
    assert len(list(replicates(trained))) == 4
    weights = frozen(tiny_bert).encoder.model.state_dict()
    pretrained = frozen(tiny_bert).encoder.pretrained
    assert any(not torch.equal(weights[name], pretrained[name]) for name in pretrained), "it was trained"
    shutil.rmtree(kept)
    np.testing.assert_array_equal(frozen(tiny_bert).embed(texts(), ALL), whole_ND)


# ---- several processes -----------------------------------------------------------------------------------------------

_PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from tests.unit.test_embeddings import ALL, frozen, texts
asked = np.random.default_rng(int(sys.argv[3])).permutation(ALL)
found_ND = np.empty((100, 32), np.float32)
for part in np.array_split(asked, 25):
    found_ND[part] = frozen(Path(sys.argv[1])).embed(texts(), part)
np.save(sys.argv[2], found_ND)
"""


@dataclass(frozen=True, slots=True)
class Processes:
    """Starts processes that ask for all rows, a few at a time, each in an order of its own."""

    encoder: Path
    folder: Path

    def start(self, seed: int) -> subprocess.Popen[bytes]:
        environment = os.environ | {"HF_HOME": str(self.folder), "OMP_NUM_THREADS": str(torch.get_num_threads())}
        words = [sys.executable, "-c", _PROGRAM, str(self.encoder), str(self._file(seed)), str(seed)]
        return subprocess.Popen(words, env=environment)

    def found(self, seed: int) -> Floats:
        loaded_ND: Floats = np.load(self._file(seed))
        return loaded_ND

    def _file(self, seed: int) -> Path:
        return self.folder / f"found-{seed}.npy"


@pytest.fixture
def processes(tiny_bert: Path, tmp_path: Path) -> Processes:
    return Processes(tiny_bert, tmp_path)


@pytest.mark.slow
def test_processes_that_ask_at_once_get_the_same_embeddings(
    processes: Processes, tiny_bert: Path, kept: Path, encoded: list[int]
) -> None:
    started = [processes.start(seed) for seed in (1, 2)]
    assert [process.wait(timeout=TIME_LIMIT) for process in started] == [0, 0]
    assert len(files(kept)) == 1
    here_ND = frozen(tiny_bert).embed(texts(), ALL)
    assert not encoded, "this process finds what the others kept"
    for seed in (1, 2):
        np.testing.assert_array_equal(processes.found(seed), here_ND)
    shutil.rmtree(kept)
    np.testing.assert_array_equal(frozen(tiny_bert).embed(texts(), ALL), here_ND)
