"""What a reader must know of confirmations that are missing, unfinished, or not the first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from sweep.records.confirmation import Role
from sweep.records.results import SweepResults
from sweep.search.selection import winner
from sweep.spec.model import SweepSpec
from sweep.verdict.limits import each_arm, some
from sweep.verdict.model import Comparison

__all__ = ["confirmation_cautions"]


def confirmation_cautions(results: SweepResults, spec: SweepSpec, comparisons: Sequence[Comparison]) -> Iterator[str]:
    """The warnings about confirmations, of which the same command resumes those that are unfinished."""
    yield from _unfinished_confirmation(results, spec, comparisons)
    yield from _baseline_missing(comparisons)
    yield from _extended(results)


def _unfinished_confirmation(
    results: SweepResults, spec: SweepSpec, comparisons: Sequence[Comparison]
) -> Iterator[str]:
    """Those that lack draws, and those of trials that were the winner before the sweep was extended."""
    if not spec.confirm.draws:
        yield from _never_confirmed(comparisons)
        return
    short = {}
    for comparison, arm in ((each, arm) for each in comparisons for arm in each.arms):
        replicates = arm.confirmation.replicates if arm.confirmation else ()
        done = sum(replicate.evaluation.initialisation == 0 for replicate in replicates)
        wanted = comparison.wanted(arm, spec.confirm.draws)
        if arm.winner is not None and done < wanted:
            short[arm.cell] = f"{arm.cell} ({done} of {wanted} draws)"
    short |= _overtaken(results, spec, comparisons)
    if short:
        yield f"confirmations are unfinished: {some(short.values())}; the same command resumes them"


def _overtaken(results: SweepResults, spec: SweepSpec, comparisons: Sequence[Comparison]) -> dict[str, str]:
    """By cell, whose scores are those of an earlier winner, since the present one has none yet."""
    found = {}
    for arm in each_arm(comparisons):
        trials = [trial for trial in results.trials if trial.cell == arm.cell]
        records = [record for record in results.confirmations if record.cell == arm.cell]
        best = winner(trials, records, spec.confirm)
        if best is not None and arm.confirmation is not None and arm.confirmation.trial != best.number:
            scored = f"scores are of trial {arm.confirmation.trial}, the winner before"
            found[arm.cell] = f"{arm.cell} (trial {best.number} leads now and has no draw yet; {scored})"
    return found


def _never_confirmed(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """The winners without a test score where no draws are asked for; those that an earlier run confirmed have one."""
    lacking = [arm.cell for arm in each_arm(comparisons) if arm.summary is None]
    if lacking:
        none = len(lacking) == len(list(each_arm(comparisons)))
        yield (
            f"{'nothing is confirmed' if none else f'not confirmed are {some(lacking)}'}, since `confirm.draws` is 0: "
            "scores of the search are too high, because the winners were chosen by them; `--set confirm.draws=20` "
            "confirms them"
        )


def _baseline_missing(comparisons: Sequence[Comparison]) -> Iterator[str]:
    missing = []
    for comparison in comparisons:
        base = comparison.arm(comparison.baseline)
        if comparison.baseline and comparison.best is not None and (base is None or base.summary is None):
            missing.append(f"{comparison.baseline} on {comparison.title}")
    if missing:
        yield f"the baseline has no confirmed score, so nothing was tested against it: {some(missing)}"


def _extended(results: SweepResults) -> Iterator[str]:
    counts = Counter(record.cell for record in results.confirmations if record.role is Role.CONFIRMATION)
    cells = [cell for cell, count in counts.items() if count > 1]
    if cells:
        yield (
            f"the sweep was extended after a verdict had been seen, and found other winners: {some(cells)}; they were "
            "tested on the same draws as the earlier ones, so p-values are too small if the verdict was why"
        )
