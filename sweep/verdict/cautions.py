"""Cautions: warnings that a reader must know before believing a verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from sweep.records.confirmation import Role
from sweep.records.results import SweepResults
from sweep.records.sweep import DataRecord
from sweep.search.rung_agreement import rung_agreement
from sweep.search.rungs import LEAST_TAU
from sweep.spec.blocks import RULES_WITH_RUNGS
from sweep.spec.model import SweepSpec
from sweep.verdict.collapse_wording import collapse_cautions
from sweep.verdict.groups import Group
from sweep.verdict.model import Arm, Comparison
from sweep.verdict.statistics import LEVEL, smallest_p
from trainable.config import TrialConfig
from trainable.outcomes import Outcome
from trainable.recipes import RECIPES

__all__ = ["cautions"]

_FEW_DRAWS = 10
_FEW_COMPLETED = 3
_FEW_ROWS = 50
_SKEWED = 0.65  # share of one class


def cautions(
    results: SweepResults,
    spec: SweepSpec,
    groups: Sequence[Group],
    comparisons: Sequence[Comparison],
    family: int,
) -> tuple[str, ...]:
    """The warnings about a verdict: what is missing, then what makes scores unfair, then what the tests cannot show."""
    found = chain(
        _unfinished_search(results, spec, groups),
        _without_winner(comparisons),
        _unfinished_confirmation(comparisons, spec),
        _baseline_missing(comparisons),
        _extended(results),
        _hardly_chosen(comparisons),
        _misleading_rungs(results, spec),
        _unequal_budgets(comparisons),
        _unlike_devices(comparisons),
        _unlike_versions(comparisons),
        _rich_validation(results, groups),
        _unbalanced(results, groups),
        _failures(comparisons),
        _restarted(comparisons),
        collapse_cautions(comparisons),
        _few_draws(comparisons, family),
        _few_rows(results, groups),
    )
    return tuple(dict.fromkeys(found))


# ---- what is missing -------------------------------------------------------------------------------------------------


def _unfinished_search(results: SweepResults, spec: SweepSpec, groups: Sequence[Group]) -> Iterator[str]:
    ended = Counter(trial.cell for trial in results.trials if trial.outcome not in (None, Outcome.INTERRUPTED))
    cells = {cell.key: cell for group in groups for cell in group.cells}
    wanted = {key: cell.trials(spec.budget.trials_per_cell) for key, cell in cells.items()}
    short = [f"{key} ({ended[key]} of {count} trials)" for key, count in wanted.items() if ended[key] < count]
    if short:
        yield f"the search is unfinished: {_some(short)}; the same command resumes it"


def _without_winner(comparisons: Sequence[Comparison]) -> Iterator[str]:
    cells = [arm.cell for arm in _arms(comparisons) if arm.winner is None]
    if cells:
        yield f"no trial completed, so there is no winner to confirm: {_some(cells)}"


def _unfinished_confirmation(comparisons: Sequence[Comparison], spec: SweepSpec) -> Iterator[str]:
    if not spec.confirm.draws:
        yield (
            "nothing is confirmed, since `confirm.draws` is 0: scores of the search are too high, because the winners "
            "were chosen by them; `--set confirm.draws=20` confirms them"
        )
        return
    short = {}
    for comparison, arm in ((each, arm) for each in comparisons for arm in each.arms):
        replicates = arm.confirmation.replicates if arm.confirmation else ()
        done = sum(replicate.evaluation.initialisation == 0 for replicate in replicates)
        wanted = comparison.wanted(arm, spec.confirm.draws)
        if arm.winner is not None and done < wanted:
            short[arm.cell] = f"{arm.cell} ({done} of {wanted} draws)"
    if short:
        yield f"confirmations are unfinished: {_some(short.values())}; the same command resumes them"


def _baseline_missing(comparisons: Sequence[Comparison]) -> Iterator[str]:
    missing = []
    for comparison in comparisons:
        base = comparison.arm(comparison.baseline)
        if comparison.baseline and comparison.best is not None and (base is None or base.summary is None):
            missing.append(f"{comparison.baseline} on {comparison.title}")
    if missing:
        yield f"the baseline has no confirmed score, so nothing was tested against it: {_some(missing)}"


def _extended(results: SweepResults) -> Iterator[str]:
    counts = Counter(record.cell for record in results.confirmations if record.role is Role.CONFIRMATION)
    cells = [cell for cell, count in counts.items() if count > 1]
    if cells:
        yield (
            f"the sweep was extended after a verdict had been seen, and found other winners: {_some(cells)}; they were "
            "tested on the same draws as the earlier ones, so p-values are too small if the verdict was why"
        )


# ---- what is unfair --------------------------------------------------------------------------------------------------


def _hardly_chosen(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Where pruning stopped nearly all trials, a completed one may owe it to the draw on which the others stopped."""
    counts = {arm.cell: arm.cost.trials for arm in _arms(comparisons) if arm.winner is not None}
    few = [
        f"{cell} ({trials.get(Outcome.COMPLETED, 0)} of {sum(trials.values())} trials)"
        for cell, trials in counts.items()
        if trials.get(Outcome.COMPLETED, 0) < min(_FEW_COMPLETED, sum(trials.values()))
    ]
    if few:
        yield (
            f"few trials completed, so the winner was hardly chosen: {_some(few)}; more trials, `pruning.adaptive: "
            "true` or a smaller `pruning.reduction_factor` leave more to choose from"
        )


def _misleading_rungs(results: SweepResults, spec: SweepSpec) -> Iterator[str]:
    misled = [agreement.cell for agreement in rung_agreement(results) if agreement.predictive is False]
    if misled and spec.pruning.rule in RULES_WITH_RUNGS and not spec.pruning.adaptive:
        yield (
            f"trials were stopped at rungs whose order hardly agrees with the final one (Kendall's tau below "
            f"{LEAST_TAU}): {_some(misled)}; `pruning.adaptive: true` stops them only where rungs predict"
        )


def _unequal_budgets(comparisons: Sequence[Comparison]) -> Iterator[str]:
    uneven = []
    for comparison in comparisons:
        trials = {arm.method: sum(arm.cost.trials.values()) for arm in comparison.arms if _is_searched(arm)}
        if len(set(trials.values())) > 1:
            uneven.append(f"{comparison.title} ({', '.join(f'{method} {count}' for method, count in trials.items())})")
    if uneven:
        rule = "methods had unequal numbers of trials, and more trials find better configurations"
        yield f"{rule}: {_some(uneven, '; ')}"


def _is_searched(arm: Arm) -> bool:
    """Whether the arm's recipe has configurations to choose from."""
    return arm.winner is None or RECIPES[arm.winner.config.recipe.name].searchable


def _unlike_devices(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Kinds of devices compute sums in different orders, and some in a different precision."""
    unlike = []
    for comparison in comparisons:
        kinds = {arm.method: arm.confirmation.trained_on for arm in comparison.arms if arm.confirmation is not None}
        if len(set(filter(None, kinds.values()))) > 1:
            devices = (f"{method} on {' and '.join(sorted(names))}" for method, names in kinds.items() if names)
            unlike.append(f"{comparison.title} ({', '.join(devices)})")
    if unlike:
        yield f"methods were trained on different devices: {_some(unlike, '; ')}; one kind of machine treats all alike"


def _unlike_versions(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Another version of a library, or of the training code, may compute otherwise."""
    unlike = []
    for comparison in comparisons:
        found = {arm.method: arm.confirmation.trained_with for arm in comparison.arms if arm.confirmation is not None}
        if len(set().union(*found.values())) > 1:
            versions = (f"{method} with {' and '.join(sorted(names))}" for method, names in found.items() if names)
            unlike.append(f"{comparison.title} ({'; '.join(versions)})")
    if unlike:
        yield f"methods were trained with different versions: {_some(unlike, '; ')}; one environment treats all alike"


def _rich_validation(results: SweepResults, groups: Sequence[Group]) -> Iterator[str]:
    """Selection on many labelled rows is not possible with few labels; the largest excess stands for all."""
    rich = []
    for config in (group.config for group in groups):
        data = results.sweep.data.get(config.dataset.name)
        training, validation = _rows(config, data) if data is not None else (0, 0)
        if validation > training:
            rich.append((validation / training, training, validation, f"{config.dataset.name}, {config.shots} shots"))
    if rich:
        _, training, validation, title = max(rich)
        more = f", and {len(rich) - 1} more" if len(rich) > 1 else ""
        yield (
            f"selected with {validation:,} validation rows beside {training:,} training rows ({title}{more}); "
            f"`protocol.validation: shots` selects as with {training:,} labels only"
        )


def _rows(config: TrialConfig, data: DataRecord) -> tuple[int, int]:
    """Training and validation rows of a draw."""
    training = config.shots * (len(data.class_names) if config.sampling == "per_class" else 1)
    if isinstance(config.validation, int):
        return training, config.validation
    return training, data.pool - training if config.validation == "all" else training


def _failures(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """The worst arms first."""
    wrong = sorted((arm for arm in _arms(comparisons) if arm.failures.rate), key=lambda arm: -arm.failures.rate)
    if wrong:
        yield (
            f"confirmation replicates went wrong: {_some(map(_failed, wrong), '; ')}. Those that diverged count as "
            "always answering the majority class; those that failed are left out"
        )


def _restarted(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """A method that often needs a second attempt is less reliable than its scores say."""
    begun = [arm for arm in _arms(comparisons) if arm.failures.restarted]
    if begun:
        named = (f"{arm.cell} ({arm.failures.restarted} of {arm.failures.replicates})" for arm in begun)
        yield f"trainings that had learned nothing were begun anew, with another head: {_some(named)}"


def _unbalanced(results: SweepResults, groups: Sequence[Group]) -> Iterator[str]:
    """A draw of equally many rows of each class does not show how frequent the classes are."""
    skewed = []
    for config in (group.config for group in groups):
        data = results.sweep.data.get(config.dataset.name)
        if data is None or config.metric != "accuracy" or config.sampling != "per_class":
            continue
        if data.majority_share > _SKEWED:
            skewed.append(f"{config.dataset.name} ({100 * data.majority_share:.0f} % of one class)")
    if skewed:
        yield (
            f"draws have equally many rows of each class, and the test part has not: {_some(dict.fromkeys(skewed))}; "
            "accuracy then favours whatever guesses the frequent class; `protocol.metric: macro_f1` counts all classes "
            "alike, and `trial.priors: pool` tells the classifiers how frequent they are"
        )


def _failed(arm: Arm) -> str:
    """`trec/8/supcon (of 12, 2 diverged, 1 failed)`"""
    failures = arm.failures
    kinds = {
        "diverged": failures.diverged,
        "failed": failures.failed,
        "no better than the majority class": failures.majority,
    }
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
    return f"{arm.cell} (of {failures.replicates}, {counts})"


# ---- what the tests cannot show --------------------------------------------------------------------------------------


def _few_draws(comparisons: Sequence[Comparison], family: int) -> Iterator[str]:
    counts = [arm.summary.n for arm in _arms(comparisons) if arm.summary is not None]
    differences = [
        arm.difference for comparison in comparisons for arm in comparison.arms if arm.difference is not None
    ]
    pairs = [difference.n for difference in differences if difference.components is None]
    if counts and min(counts) < _FEW_DRAWS:
        few = _draws(min(counts))
        yield (
            f"some scores rest on {few} only; below {_FEW_DRAWS}, intervals cover less often than they say where a "
            "training fails now and then"
        )
    if pairs and smallest_p(min(pairs)) * family > LEVEL:
        enough = [draws for draws in range(2, 30) if smallest_p(draws) * family <= LEVEL]
        remedy = f"; raise `confirm.draws` to at least {enough[0]}" if enough else ""
        yield (
            f"a difference on {_draws(min(pairs))} cannot be significant after Holm's correction over {family} "
            f"test{'s' if family > 1 else ''}, even where every draw agrees{remedy}"
        )


def _few_rows(results: SweepResults, groups: Sequence[Group]) -> Iterator[str]:
    """On few rows even a large difference is one of two or three rows."""
    counts = {group.config.dataset.name: results.sweep.data.get(group.config.dataset.name) for group in groups}
    few = [f"{name} ({data.test} rows)" for name, data in counts.items() if data is not None and data.test < _FEW_ROWS]
    if few:
        yield f"the test part is small, so only large differences can be seen: {_some(few)}; label more rows for it"


def _draws(count: int) -> str:
    return f"{count} draw{'s' if count > 1 else ''}"


def _arms(comparisons: Sequence[Comparison]) -> Iterator[Arm]:
    """The arm of each cell once; the cell of a method that ignores an axis takes part in several comparisons."""
    yield from {arm.cell: arm for comparison in comparisons for arm in comparison.arms}.values()


def _some(names: Iterable[str], separator: str = ", ") -> str:
    """The first three names, and the number of further ones."""
    known = list(names)
    more = f" and {len(known) - 3} more" if len(known) > 3 else ""
    return separator.join(known[:3]) + more
