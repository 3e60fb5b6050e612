"""Texts as a page shows them."""

from __future__ import annotations

__all__ = ["cut"]


def cut(text: str, most: int = 400) -> str:
    """A text on one line, of at most so many characters; of a longer one, the middle is left out."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text or "(nothing but spaces)"
    kept = (most - 3) // 2
    return f"{text[:kept]} … {text[len(text) - kept :]}"
