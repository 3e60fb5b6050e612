"""The verdict in a few lines of Markdown, as a description that stands beside a sweep."""

from __future__ import annotations

from sweep.verdict.model import Verdict
from sweep.verdict.overall_wording import overall

__all__ = ["summary"]


def summary(found: Verdict) -> str:
    """What all comparisons say together, and each, then what a reader must know before believing it."""
    together = overall(found)
    lines = [f"- {together}"] if together else []
    lines += [f"- **{each.title}:** {each.sentence}" for each in found.comparisons]
    notes = [f"- {warning}" for warning in found.warnings]
    return "\n".join([*lines, *(["", "Before you believe it:", "", *notes] if notes else [])])
