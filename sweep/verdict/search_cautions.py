"""What a reader must know of searches that ended before they had all their trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sweep.records.results import SweepResults
from sweep.records.searches import is_given_up, is_on_target
from sweep.records.trial import TrialRecord
from sweep.spec.groups import Group
from sweep.spec.model import SweepSpec
from sweep.verdict.comparisons import planned_tests
from sweep.verdict.limits import some
from sweep.verdict.worthwhile import Enough, enough

__all__ = ["search_cautions"]


def search_cautions(results: SweepResults, spec: SweepSpec, groups: Sequence[Group]) -> Iterator[str]:
    """Why cells have fewer trials than the budget gives them, and which the same command would resume."""
    ended = Counter(trial.cell for trial in results.trials if trial.is_over)
    wanted = {cell.key: cell.trials(spec.budget.trials_per_cell) for group in groups for cell in group.cells}
    trials: dict[str, list[TrialRecord]] = {key: [] for key in wanted}
    for trial in results.trials:
        trials.setdefault(trial.cell, []).append(trial)
    short = [key for key, count in wanted.items() if ended[key] < count]

    def named(keys: Iterable[str]) -> str:
        return some(f"{key} ({ended[key]} of {wanted[key]} trials)" for key in keys)

    reached = [key for key in short if is_on_target(trials[key], spec.budget.target_score)]
    lost = [key for key in short if key not in reached and is_given_up(trials[key], spec.budget.failures)]
    stopped = _enough({key: trials[key] for key in short if key not in (*reached, *lost)}, spec, wanted, groups)
    if reached:
        yield (
            f"the search ended where a trial reached `budget.target_score` ({spec.budget.target_score:g}): "
            f"{named(reached)}; cells that were searched longer had more choice"
        )
    if lost:
        yield (
            f"the search was given up after {spec.budget.failures} failed trials in a row: {named(lost)}; to try "
            "again, mend the cause and raise `budget.failures`"
        )
    if stopped:
        gain, resolved = max(each.gain for each in stopped.values()), min(each.resolved for each in stopped.values())
        yield (
            f"the search ended where more trials were not worthwhile: {named(stopped)}; they could have gained at most "
            f"{100 * gain:.1f} points, and the confirmation resolves nothing under {100 * resolved:.1f}"
        )
    yield from _warm_starts(trials, groups)
    if rest := [key for key in short if key not in (*reached, *lost, *stopped)]:
        yield f"the search is unfinished: {named(rest)}; the same command resumes it"


def _warm_starts(trials: Mapping[str, Sequence[TrialRecord]], groups: Sequence[Group]) -> Iterator[str]:
    """Which arms of a comparison had configurations of other sweeps to begin with, if some had none."""
    for group in groups:
        warm = {cell.key: any(trial.origin for trial in trials[cell.key]) for cell in group.cells if cell.size() > 1}
        if len(set(warm.values())) > 1:
            had, lacked = ([key for key, with_origin in warm.items() if with_origin is each] for each in (True, False))
            yield (
                f"searches began with the best configurations of other sweeps: {some(had)}; these had none: "
                f"{some(lacked)}; part of a difference between them may be that the first were searched before"
            )


def _enough(
    trials: Mapping[str, Sequence[TrialRecord]], spec: SweepSpec, wanted: Mapping[str, int], groups: Sequence[Group]
) -> dict[str, Enough]:
    """The cells whose search ended since more trials were not worthwhile."""
    if spec.budget.stop == "never":
        return {}
    tests, draws = planned_tests(groups), spec.confirm.draws
    found = {key: enough(own, wanted[key], draws, tests) for key, own in trials.items() if len(own) < wanted[key]}
    return {key: each for key, each in found.items() if each is not None}
