"""Command-line values that the benchmark programs share."""

from __future__ import annotations

import argparse

__all__ = ["count"]


def count(text: str) -> int:
    """Return a whole number from 1. Raises argparse.ArgumentTypeError for anything else."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1; received {text!r}")
    return int(text)
