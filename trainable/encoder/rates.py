"""The learning rate that suits an encoder, by its width."""

from __future__ import annotations

from collections.abc import Iterable

from trainable.encoder.places import place_of
from trainable.encoder.reading import read_config
from trainable.ranges import FloatRange

__all__ = ["UNKNOWN", "rate_range", "suited_rate"]

_KEYS = ("hidden_size", "d_model", "n_embd", "dim", "emb_dim")  # of the width, in the configurations of transformers
_WIDTH, _RATE = 1024, 2e-5
_LOWEST, _HIGHEST = 5e-6, 3e-4
_FACTOR = 3
_LOW_RANK = 4

UNKNOWN = FloatRange(1e-5, 2e-4, log=True)
"""The rates to search where no width is known: from what large encoders bear to what small ones need."""


def suited_rate(width: int) -> float:
    """Return a learning rate for an encoder whose embeddings have `width` numbers: 2e-5 at 1,024, and more for narrow
    ones by the square of the ratio, between 5e-6 and 3e-4.

    2e-5 is what RoBERTa-large is fine-tuned at (Liu et al., 2019: 1e-5 to 3e-5; Mosbach et al., 2021). The rule gives
    3.6e-5 at 768 (Devlin et al., 2019: 2e-5 to 5e-5), and the cap is the largest rate of small encoders in Turc et al.,
    2019. all-MiniLM-L6-v2 (384: 1.4e-4) did best at 1e-4 to 2e-4 (`tests/benchmarks`).
    """
    return min(max(_RATE * (_WIDTH / width) ** 2, _LOWEST), _HIGHEST)


def rate_range(encoders: Iterable[tuple[str, str | None, bool]]) -> FloatRange:
    """Return the rates from a third to three times what suits each of the encoders.

    encoders: name, revision, and whether updates of low rank are trained in place of the weights, which four times the
        rate suits: in 60 steps of all-MiniLM-L6-v2 three times did best, ten times was worse on one of two tasks, and
        thirty times on both (`tests/benchmarks`). Long trainings bear ten (Schulman et al., 2025, "LoRA Without
        Regret").

    Raises EncoderError for an encoder that is not there.
    """
    ranges = [_suited(name, revision, _LOW_RANK if low_rank else 1) for name, revision, low_rank in encoders]
    known = [each for each in ranges if each is not None] or [UNKNOWN]
    return FloatRange(min(each.low for each in known), max(each.high for each in known), log=True)


def _suited(name: str, revision: str | None, times: int) -> FloatRange | None:
    """The rates for one encoder; None where its width is not known and all of its weights are trained."""
    width = _width(name, revision)
    if width is None:
        return None if times == 1 else FloatRange(times * UNKNOWN.low, times * UNKNOWN.high, log=True)
    low, high = times * suited_rate(width) / _FACTOR, times * suited_rate(width) * _FACTOR
    return FloatRange(float(f"{low:.1e}"), float(f"{high:.1e}"), log=True)


def _width(name: str, revision: str | None) -> int | None:
    """Return the width that an encoder's configuration states."""
    config = read_config(name, place_of(name, revision), revision)
    stated = (config.get(key) for key in _KEYS)
    return next((width for width in stated if isinstance(width, int) and width > 0), None)
