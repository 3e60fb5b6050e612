"""Sentence embeddings of a pretrained encoder, computed once per machine and kept in a file.

The file of one (encoder, embedding, longest input, precision, rows) is shared by all processes of the machine. Rows are
encoded in fixed blocks, so that an embedding is the same to the last bit whichever rows were asked for first.

Shapes: N rows of a part of a dataset, D embedding size.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainable.batching import tokenise
from trainable.encoder import load_encoder
from trainable.encoder.digest import encoder_digest
from trainable.evaluation.inference import run_encoder
from trainable.precision import accelerator, trained_on, uses_bf16

if TYPE_CHECKING:
    import torch

    from trainable.batching import TokenisedRows
    from trainable.config import TrialConfig
    from trainable.datasets.text_data import Rows
    from trainable.encoder import Encoder
    from trainable.objective import Embedding

__all__ = ["FrozenEncoder", "kept_embeddings"]

_BLOCK = 32  # rows that are always encoded together

Indices = NDArray[np.int64]


def kept_embeddings() -> Path:
    """Return the folder of kept embeddings: beside the cache of the Hugging Face hub, which a person puts on a large
    and fast disk (HF_HOME). It may be deleted at any time."""
    from huggingface_hub.constants import HF_HOME

    return Path(HF_HOME) / "few-shot-sweep" / "embeddings"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenEncoder:
    """A pretrained encoder that is not trained.

    encoder: its model is reset before it encodes anything, since other trials of the process may have trained it.
    embedding: how a sentence's embedding is made of those of its tokens; `tokens` is the mean.
    max_length: tokens of a row that are kept.
    device: where it runs.
    bf16: whether it runs in bfloat16.
    """

    encoder: Encoder
    embedding: Embedding
    max_length: int
    device: torch.device
    bf16: bool

    @classmethod
    def of(cls, config: TrialConfig, num_classes: int) -> FrozenEncoder:
        """Load the encoder of a trial. Raises TrainableError if it cannot be used. num_classes: of its dataset, since
        trials of one process share the encoder."""
        encoder = load_encoder(config.encoder, config.encoder_revision, num_classes)
        encoder.check_length(config.max_length)
        device = accelerator()
        return cls(
            encoder=encoder,
            embedding=encoder.embedding_for(config.embedding),
            max_length=config.max_length,
            device=device,
            bf16=uses_bf16(config.precision, device),
        )

    @property
    def runs_on(self) -> str:
        """Device and precision, such as `NVIDIA L4 (bf16)` or `cpu (fp32)`."""
        return trained_on(self.device, bf16=self.bf16)

    def embed_all(self, rows: Rows) -> NDArray[np.float32]:
        """Return the embeddings of all rows."""
        return self.embed(rows, np.arange(len(rows)))

    def embed(self, rows: Rows, wanted: Indices) -> NDArray[np.float32]:
        """Return the embeddings of the rows at `wanted`, in that order, computing those that are not kept yet."""
        tokens = tokenise(rows, self.encoder, self.max_length)
        path = kept_embeddings() / f"{self._digest(tokens)}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path.with_suffix(".lock")):
            kept_ND = _opened(path, (len(rows), self.encoder.embedding_size))
            self._compute(tokens, wanted, kept_ND)
            return np.array(kept_ND[wanted])

    def _compute(self, tokens: TokenisedRows, wanted: Indices, kept_ND: NDArray[np.float32]) -> None:
        """Fill in the blocks that hold a wanted row without an embedding: an embedding is never zero throughout."""
        missing = wanted[~kept_ND[wanted].any(axis=1)]
        if not len(missing):
            return
        self.encoder.model.to(self.device)  # type: ignore[arg-type]  # the library's wrapper hides the signature
        self.encoder.reset(0)
        by_length_N = np.argsort(tokens.lengths(np.arange(len(tokens.labels_N))), kind="stable")
        places = np.empty_like(by_length_N)
        places[by_length_N] = np.arange(len(by_length_N))
        for block in np.unique(places[missing] // _BLOCK):
            rows_B = by_length_N[block * _BLOCK : (block + 1) * _BLOCK]
            kept_ND[rows_B] = self._encode(tokens, rows_B)

    def _encode(self, tokens: TokenisedRows, rows_B: Indices) -> NDArray[np.float32]:
        model = self.encoder.model
        outputs = run_encoder(model, tokens, rows_B, device=self.device, bf16=self.bf16, embedding=self.embedding)
        assert outputs.embeddings_ND is not None, "embeddings were asked for"
        embeddings_BD: NDArray[np.float32] = outputs.embeddings_ND.cpu().numpy()
        return embeddings_BD

    def _digest(self, tokens: TokenisedRows) -> str:
        """Return a hash of everything that an embedding depends on."""
        import torch
        import transformers

        facts = {
            "encoder": _encoder_digest(self.encoder.name, self.encoder.revision),
            "embedding": "cls" if self.embedding == "cls" else "mean",
            "precision": f"{self.device.type} {'bf16' if self.bf16 else 'fp32'}",
            "threads": torch.get_num_threads(),  # sums are split among them, which changes last bits
            "versions": [torch.__version__, transformers.__version__],
        }
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        for array in (tokens.ids_L, tokens.types_L, tokens.starts):
            digest.update(b"-" if array is None else array.tobytes())
        return digest.hexdigest()[:32]


@cache
def _encoder_digest(name: str, revision: str | None) -> dict[str, str]:
    """Return what the encoder consists of; hashed once, as it is loaded once in a process."""
    return dict(encoder_digest(name, revision))


def _opened(path: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return the array in the file, which is made, full of zeros, if it is not there or was cut short."""
    try:
        kept_ND = np.lib.format.open_memmap(path, mode="r+")
    except (FileNotFoundError, ValueError):
        scratch = path.with_suffix(".new")
        np.lib.format.open_memmap(scratch, mode="w+", dtype=np.float32, shape=shape)
        scratch.rename(path)
        kept_ND = np.lib.format.open_memmap(path, mode="r+")
    assert kept_ND.shape == shape, "the name of the file tells its rows and the encoder"
    return kept_ND


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
