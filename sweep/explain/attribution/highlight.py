"""The words of an explained text, marked by what they add."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sweep.explain.attribution.explained import Prediction
from sweep.report.section import Highlight

__all__ = ["highlighted", "named_words"]

_LEVELS = 4
_MOST = 150  # words on a page
_NAMED = 4  # words in a sentence


def highlighted(each: Prediction) -> tuple[Highlight, ...]:
    """The words, those that add most in the strongest colour; a second text follows a bar. Of a long text, the words
    after the first 150 are left out."""
    return tuple(_highlighted(each))


def named_words(each: Prediction, sign: int) -> str:
    """The words that add most (sign 1) or take away most (sign -1), with their shares in %."""
    ranked = each.ranked if sign > 0 else each.ranked[::-1]
    shares_W = each.shares
    chosen = [word for word in ranked[:_NAMED] if sign * shares_W[word] >= 0.005]
    return ", ".join(f"{each.words[word].text} ({100 * shares_W[word]:+.0f} %)" for word in chosen)


def _highlighted(each: Prediction) -> Iterator[Highlight]:
    shares_W = each.shares
    largest = float(np.abs(shares_W).max(initial=0))
    second = False
    for word, share in zip(each.words[:_MOST], shares_W.tolist(), strict=False):
        level = round(_LEVELS * share / largest) if largest else 0
        before = " | " if word.second and not second else " ".join(word.before.split()) or (" " if word.before else "")
        second = word.second
        yield Highlight(before=before, text=word.text, level=level, note=f"{100 * share:+.0f} %")
    if len(each.words) > _MOST:
        yield Highlight(before=" ", text=f"… and {len(each.words) - _MOST:,} more words", level=0, note="")
