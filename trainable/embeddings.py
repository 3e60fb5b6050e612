"""Sentence embeddings of a pretrained encoder, computed once per machine and kept in a file.

The file of one (encoder, embedding, longest input, precision, rows) is shared by all processes of the machine. Rows are
encoded in fixed blocks, so that an embedding is the same to the last bit whichever rows were asked for first. Each row
is kept with a sum of its bits, so that one that was written in part, as by a process that was killed, is known.

Shapes: N rows of a part of a dataset, B of a block, W wanted ones, D embedding size, K = D + 1 numbers kept of a row.
"""

from __future__ import annotations

import hashlib
import json
import os
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
from trainable.learner import DivergedError
from trainable.machine_files import locked, shared_folder
from trainable.precision import accelerator, trained_on

if TYPE_CHECKING:
    import torch

    from trainable.batching import TokenisedRows
    from trainable.config import TrialConfig
    from trainable.datasets.text_data import Rows
    from trainable.encoder import Encoder
    from trainable.encoder.modules import EmbeddingModules
    from trainable.objective import Embedding

__all__ = ["FrozenEncoder", "forget", "kept_embeddings"]

_BLOCK = 32  # rows that are always encoded together

Indices = NDArray[np.int64]


def kept_embeddings() -> Path:
    """Return the folder of kept embeddings, which may be deleted at any time."""
    return shared_folder("embeddings")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenEncoder:
    """A pretrained encoder that is not trained.

    encoder: its model is reset before it encodes anything, since other trials of the process may have trained it.
    embedding: how a sentence's embedding is made of those of its tokens; `tokens` is the mean.
    max_length: tokens of a row that are kept.
    device: where it runs.
    bf16: whether it runs in bfloat16.
    prompt: the text before every text.
    modules: what is applied to a pooled embedding, or None.
    """

    encoder: Encoder
    embedding: Embedding
    max_length: int
    device: torch.device
    bf16: bool
    prompt: str = ""
    modules: EmbeddingModules | None = None

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
            bf16=encoder.uses_bf16(config.precision, device),
            prompt=encoder.prompt(config.prompt),
            modules=encoder.modules_for(config.embedding),
        )

    @property
    def runs_on(self) -> str:
        """Device and precision, such as `NVIDIA L4 (bf16)` or `cpu (fp32)`."""
        return trained_on(self.device, bf16=self.bf16)

    def embed_all(self, rows: Rows) -> NDArray[np.float32]:
        """Return the embeddings of all rows."""
        return self.embed(rows, np.arange(len(rows)))

    def embed(self, rows: Rows, wanted_W: Indices) -> NDArray[np.float32]:
        """Return the embeddings of the rows at `wanted_W`, in that order, computing those that are not kept yet.

        Raises DivergedError where one of them is not finite.
        """
        tokens = tokenise(rows, self.encoder, self.max_length, self.prompt)
        digest, shape = self._digest(tokens), (len(rows), self._size + 1)
        path = kept_embeddings() / f"{digest}.npy"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with locked(path.with_suffix(".lock")):
                embeddings_WD = self._looked_up(tokens, wanted_W, _opened(path, shape))
        except OSError:  # a home that cannot be written, or a full disk, holds nothing up
            embeddings_WD = self._looked_up(tokens, wanted_W, _in_memory(digest, shape))
        if not np.isfinite(embeddings_WD).all():
            raise DivergedError(0, f"embeddings of {self.encoder.name!r} are not finite")
        return embeddings_WD

    @property
    def _size(self) -> int:
        return self.encoder.embedding_size if self.modules is None else self.modules.size

    def _looked_up(self, tokens: TokenisedRows, wanted_W: Indices, kept_NK: NDArray[np.float32]) -> NDArray[np.float32]:
        self._compute(tokens, wanted_W, kept_NK)
        return np.ascontiguousarray(kept_NK[wanted_W, :-1])

    def _compute(self, tokens: TokenisedRows, wanted_W: Indices, kept_NK: NDArray[np.float32]) -> None:
        """Fill in the blocks that hold a wanted row whose embedding is not there, or not whole."""
        wanted_WK = kept_NK[wanted_W]
        missing = wanted_W[_checksums(wanted_WK[:, :-1]) != wanted_WK[:, -1].view(np.uint32)]
        if not len(missing):
            return
        self.encoder.to(self.device)
        self.encoder.reset(0)
        by_length_N = np.argsort(tokens.lengths(np.arange(len(tokens.labels_N))), kind="stable")
        places_N = np.empty_like(by_length_N)
        places_N[by_length_N] = np.arange(len(by_length_N))
        for block in np.unique(places_N[missing] // _BLOCK):
            rows_B = by_length_N[block * _BLOCK : (block + 1) * _BLOCK]
            embeddings_BD = self._encode(tokens, rows_B)
            kept_NK[rows_B] = np.column_stack([embeddings_BD, _checksums(embeddings_BD).view(np.float32)])

    def _encode(self, tokens: TokenisedRows, rows_B: Indices) -> NDArray[np.float32]:
        model = self.encoder.model
        outputs = run_encoder(
            model,
            tokens,
            rows_B,
            device=self.device,
            bf16=self.bf16,
            embedding=self.embedding,
            modules=self.modules,
        )
        assert outputs.embeddings_ND is not None, "embeddings were asked for"
        embeddings_BD: NDArray[np.float32] = outputs.embeddings_ND.cpu().numpy()
        return embeddings_BD

    def _digest(self, tokens: TokenisedRows) -> str:
        """Return a hash of everything that an embedding depends on."""
        import torch
        import transformers

        facts = {
            "encoder": _encoder_digest(self.encoder.name, self.encoder.revision),
            "embedding": "mean" if self.embedding == "tokens" else self.embedding,
            "modules": None if self.modules is None else self.modules.digest(),
            "precision": trained_on(self.device, bf16=self.bf16),
            "threads": torch.get_num_threads(),  # sums are split among them, which changes last bits
            "versions": [torch.__version__, transformers.__version__],
        }
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        for array in (tokens.ids_L, tokens.types_L, tokens.starts):
            digest.update(b"-" if array is None else array.tobytes())
        return digest.hexdigest()[:32]


def forget() -> None:
    """Hash every encoder anew when its embeddings are asked for next."""
    _encoder_digest.cache_clear()


@cache
def _encoder_digest(name: str, revision: str | None) -> dict[str, str]:
    """Return what the encoder consists of; hashed once, as it is loaded once in a process."""
    return dict(encoder_digest(name, revision))


def _checksums(rows_BD: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Return a sum over the bits of each row, which is never 0, as an empty row has it."""
    sums_B: NDArray[np.uint32] = np.ascontiguousarray(rows_BD).view(np.uint32).sum(axis=1, dtype=np.uint32) | 1
    return sums_B


def _opened(path: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return the array in the file, which is made, full of zeros, if it is not there or is no such array."""
    try:
        kept_NK = np.lib.format.open_memmap(path, mode="r+")
        if kept_NK.shape == shape and kept_NK.dtype == np.float32:
            return kept_NK
    except (FileNotFoundError, ValueError):  # ValueError: cut short
        pass
    scratch = path.with_suffix(".new")
    try:
        np.lib.format.open_memmap(scratch, mode="w+", dtype=np.float32, shape=shape)
        with scratch.open("r+b") as file:  # to write to a hole of a file on a full disk would end the process
            os.posix_fallocate(file.fileno(), 0, scratch.stat().st_size)
        scratch.rename(path)
    finally:
        scratch.unlink(missing_ok=True)
    return np.lib.format.open_memmap(path, mode="r+")


_IN_MEMORY: dict[str, NDArray[np.float32]] = {}
_MOST_IN_MEMORY = 4  # the pools and test parts that a process alternates between


def _in_memory(digest: str, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return the array that this process keeps where no file can be had."""
    kept_NK = _IN_MEMORY.pop(digest, None)
    while len(_IN_MEMORY) >= _MOST_IN_MEMORY:
        del _IN_MEMORY[next(iter(_IN_MEMORY))]
    _IN_MEMORY[digest] = kept_NK if kept_NK is not None else np.zeros(shape, np.float32)
    return _IN_MEMORY[digest]
