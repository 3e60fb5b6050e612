"""What an encoder consists of: the commit of a hub id, or else its files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trainable.encoder.places import CHOICES, encoder_files, module_files, place_of
from trainable.errors import EncoderError

if TYPE_CHECKING:
    from trainable.config import TrialConfig

__all__ = ["embedding_digest", "encoder_digest", "module_digest"]


def encoder_digest(name: str, revision: str | None) -> Mapping[str, str]:
    """By name, what the encoder consists of: the commit that a hub id stands for now, or a hash (SHA-256) of each file
    that it is loaded from.

    Raises EncoderError if it cannot be found.
    """
    place = place_of(name, revision)
    if isinstance(place, str):
        return {"commit": _commit(place, revision)}
    return {path.name: _hash(path) for path in encoder_files(name, revision)}


def module_digest(name: str, revision: str | None) -> Mapping[str, str]:
    """By name, a hash (SHA-256) of each file of the encoder's modules; none for a hub id, whose commit tells them.

    Raises EncoderError if they cannot be used.
    """
    if isinstance(place_of(name, revision), str):
        return {}
    return {f"{path.parent.name}/{path.name}": _hash(path) for path in module_files(name, revision)}


def embedding_digest(config: TrialConfig) -> Mapping[str, str]:
    """By name, a hash of each file that says how the encoder makes an embedding, where a trial asks for that.

    Raises EncoderError if they cannot be used.
    """
    return module_digest(config.encoder, config.encoder_revision) if config.embedding == "auto" else {}


def _commit(hub_id: str, revision: str | None) -> str:
    """A file of the hub lies in a folder of the cache that is named after its commit."""
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(hub_id, "config.json", revision=revision)).parent.name
    except Exception as error:  # of several libraries: HTTP, name service, offline mode, unknown ids
        said = " ".join(str(error).split("\n")[0].split()) or type(error).__name__
        raise EncoderError(f"the commit of the encoder {hub_id!r} cannot be found ({said}): {CHOICES}") from error


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
