"""What follows the pooling where sentence-transformers makes an embedding: dense layers, scaling, and a cut.

Shapes: N rows, D embedding size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from trainable.encoder.pooling import module_config, stated_layers
from trainable.encoder.stated import kept_numbers
from trainable.errors import EncoderError

__all__ = ["EmbeddingModules", "embedding_modules"]


class _Normalised(nn.Module):
    """Embeddings of length 1."""

    def forward(self, embeddings_ND: Tensor) -> Tensor:
        return F.normalize(embeddings_ND, dim=1)


class _Dense(nn.Module):
    """A linear layer and an activation, with the names that the weights have in the file of sentence-transformers."""

    def __init__(self, config: Mapping[str, Any], activation: nn.Module) -> None:
        super().__init__()
        size, out = int(config["in_features"]), int(config["out_features"])
        self.linear = nn.Linear(size, out, bias=bool(config.get("bias", True)))
        self.activation = activation
        self.added = bool(config.get("use_residual", False))
        if self.added and size != out:
            self.residual = nn.Linear(size, out, bias=False)

    def forward(self, embeddings_ND: Tensor) -> Tensor:
        found: Tensor = self.activation(self.linear(embeddings_ND))
        if not self.added:
            return found
        return found + (self.residual(embeddings_ND) if hasattr(self, "residual") else embeddings_ND)


class _Cut(nn.Module):
    """The first numbers of embeddings."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, embeddings_ND: Tensor) -> Tensor:
        return embeddings_ND[:, : self.size]

    def extra_repr(self) -> str:
        return str(self.size)


class EmbeddingModules(nn.Module):
    """What an encoder's folder applies to a pooled embedding, one module after the other.

    size: of the embedding that comes out.
    """

    def __init__(self, modules: list[nn.Module], size: int) -> None:
        super().__init__()
        self.size = size
        self.chain = nn.Sequential(*modules)
        self._pretrained = {name: weight.detach().clone() for name, weight in self.state_dict().items()}

    def forward(self, embeddings_ND: Tensor) -> Tensor:
        """Return embeddings of the size that comes out."""
        found: Tensor = self.chain(embeddings_ND)
        return found

    def digest(self) -> str:
        """Return a hash of the modules and their pretrained weights."""
        digest = hashlib.sha256(repr(self.chain).encode())
        for name in sorted(self._pretrained):
            digest.update(self._pretrained[name].numpy().tobytes())
        return digest.hexdigest()

    def reset(self) -> None:
        """Set every weight to its pretrained value in place."""
        self.load_state_dict(self._pretrained)


def embedding_modules(name: str, revision: str | None, size: int) -> EmbeddingModules | None:
    """Return what the encoder's folder applies to the pooled embedding, on the CPU with its pretrained weights; None if
    that is nothing.

    size: D of the pooled embedding.

    Raises ConfigError for modules other than dense layers and scaling, and EncoderError for those that cannot be read.
    """
    found: list[nn.Module] = []
    for kind, folder in stated_layers(name, revision):
        if kind == "Normalize":
            found.append(_Normalised())
        else:
            found.append(_dense(name, folder, size))
            size = int(module_config(folder)["out_features"])
    kept = kept_numbers(name, revision)
    if kept is not None and kept < size:
        found.append(_Cut(kept))
        size = kept
    return EmbeddingModules(found, size) if found else None


def _dense(name: str, folder: Path, size: int) -> nn.Module:
    config = module_config(folder)
    activation = str(config.get("activation_function", "Tanh")).rsplit(".", 1)[-1]
    try:
        if config["in_features"] != size:
            raise ValueError(f"it takes {config['in_features']} numbers, and gets {size}")
        layer = _Dense(config, getattr(nn, activation)())
        layer.load_state_dict(load_file(folder / "model.safetensors"))
    except Exception as error:  # of several libraries: files, shapes, names
        said = " ".join(str(error).split())
        raise EncoderError(
            f"the modules of an encoder must be readable; {folder.name} of {name!r} is not ({said}): save it anew with "
            "`SentenceTransformer.save_pretrained(folder)`, or set embedding: mean"
        ) from error
    return layer.float()
