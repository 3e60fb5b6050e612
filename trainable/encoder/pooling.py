"""How the folder of an encoder says that a sentence's embedding is made of those of its tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from trainable.encoder.places import module_files
from trainable.errors import ConfigError, EncoderError

__all__ = ["stated_pooling"]

_MODE = "pooling_mode_"
_KNOWN: dict[str, Literal["cls", "mean"]] = {"cls_token": "cls", "mean_tokens": "mean"}


def stated_pooling(name: str, revision: str | None) -> Literal["cls", "mean"] | None:
    """Return the pooling that the encoder was trained with, as sentence-transformers keeps it beside the weights; None
    if its folder states none.

    Raises ConfigError for a pooling other than the first token or the mean, and EncoderError for modules that cannot be
    read.
    """
    for path in module_files(name, revision):
        if path.name != "config.json":
            continue
        modes = _modes(path)
        if len(modes) == 1 and modes[0] in _KNOWN:
            return _KNOWN[modes[0]]
        if modes:
            raise ConfigError(
                f"an embedding is the first token or the mean of the tokens; {name!r} was trained with the pooling "
                f"{' and '.join(modes)}: choose one by embedding: mean or embedding: cls"
            )
    return None


def _modes(path: Path) -> list[str]:
    """Return the poolings that a module's configuration switches on; none if the module is no pooling.

    Raises EncoderError for a configuration that cannot be read: the mean in its place would be a guess.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise EncoderError(
            f"the modules of an encoder must be readable; {path.parent.name}/{path.name} is not ({error}): save it "
            "anew with `SentenceTransformer.save_pretrained(folder)`, or set embedding: mean"
        ) from error
    if not isinstance(config, dict):
        return []
    return [key.removeprefix(_MODE) for key, value in config.items() if key.startswith(_MODE) and value is True]
