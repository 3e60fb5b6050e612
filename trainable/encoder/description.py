"""How an encoder makes the embedding of a text, in words for a person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainable.encoder.pooling import module_config, stated_layers, stated_pooling
from trainable.encoder.prompts import prompt_text
from trainable.encoder.stated import kept_numbers

if TYPE_CHECKING:
    from trainable.config import TrialConfig

__all__ = ["embedding_in_words"]

_WORDS = {"cls": "first token", "mean": "mean of the tokens", "last": "last token", "tokens": "every token"}


def embedding_in_words(config: TrialConfig) -> str:
    """Return the pooling, what follows it, and the text that is put before every text; as far as the encoder's folder
    states them where the trial asks for that.

    Raises TrainableError for an encoder, modules or a prompt that cannot be used.
    """
    name, revision, asked = config.encoder, config.encoder_revision, config.embedding
    pooling = (stated_pooling(name, revision) or "mean") if asked == "auto" else asked
    parts = ["the encoder's default embedding" if pooling is None else _WORDS[pooling]]
    parts += [_layer(kind, folder) for kind, folder in stated_layers(name, revision)] if asked == "auto" else []
    cut = kept_numbers(name, revision) if asked == "auto" else None
    parts += [] if cut is None else [f"cut to {cut} numbers"]
    prompt = prompt_text(name, revision, config.prompt)
    return f"{', '.join(parts)}; {f'prompt {prompt!r}' if prompt else 'no prompt'}"


def _layer(kind: str, folder: Path) -> str:
    if kind == "Normalize":
        return "scaled to length 1"
    config = module_config(folder)
    return f"dense layer from {config.get('in_features')} to {config.get('out_features')}"
