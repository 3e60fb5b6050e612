"""Cautions: warnings that a reader must know before believing a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from sweep.records.confirmation import ConfirmationRecord
from sweep.records.results import SweepResults
from sweep.records.sweep import DRAWS_BEFORE, LOOKS_BEFORE, DataRecord
from sweep.search.rung_agreement import rung_agreement
from sweep.search.rungs import LEAST_TAU
from sweep.spec.blocks import RULES_WITH_RUNGS
from sweep.spec.groups import Group
from sweep.spec.model import SweepSpec
from sweep.verdict.arms import training_rows_of
from sweep.verdict.collapse_wording import collapse_cautions
from sweep.verdict.confirmation_cautions import confirmation_cautions
from sweep.verdict.limits import each_arm, is_searched, limits, some
from sweep.verdict.model import Arm, Comparison
from sweep.verdict.search_cautions import search_cautions
from trainable.config import TrialConfig
from trainable.outcomes import Outcome
from trainable.recipes import RECIPES
from trainable.shots import in_words, selected_by

__all__ = ["cautions"]

_FEW_COMPLETED = 3
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
        search_cautions(results, spec, groups),
        _without_winner(comparisons),
        confirmation_cautions(results, spec, comparisons),
        _looked_otherwise(results, spec),
        _hardly_chosen(comparisons),
        _misleading_rungs(results, spec),
        _unequal_budgets(comparisons, groups),
        _unlike_devices(comparisons),
        _unlike_versions(comparisons),
        _rich_validation(results, groups),
        _unbalanced(results, groups),
        _failures(comparisons),
        _restarted(comparisons),
        collapse_cautions(comparisons),
        limits(results, groups, comparisons, family),
    )
    return tuple(dict.fromkeys(found))


# ---- what is missing -------------------------------------------------------------------------------------------------


def _without_winner(comparisons: Sequence[Comparison]) -> Iterator[str]:
    cells = [arm.cell for arm in each_arm(comparisons) if arm.winner is None]
    if cells:
        yield f"no trial completed, so there is no winner to confirm: {some(cells)}"


def _looked_otherwise(results: SweepResults, spec: SweepSpec) -> Iterator[str]:
    before = results.sweep.provenance.get(LOOKS_BEFORE)
    if before is not None:
        now = ", ".join(map(str, spec.confirm.look_draws)) or "off"
        yield (
            f"`confirm.looks` changed after the sweep had run (were {before}, are {now}); if a verdict had been seen, "
            "p-values are too small"
        )
    if (fewer := results.sweep.provenance.get(DRAWS_BEFORE)) is not None and spec.confirm.draws:
        yield (
            f"`confirm.draws` was raised after a verdict had been seen (was {fewer}, is {spec.confirm.draws}): if that "
            "was why, p-values are too small, since whoever adds draws until something holds finds it; "
            "`confirm.looks` plans for that"
        )


# ---- what is unfair --------------------------------------------------------------------------------------------------


def _hardly_chosen(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Where pruning stopped nearly all trials, a completed one may owe it to the draw on which the others stopped."""
    counts = {arm.cell: arm.cost.trials for arm in each_arm(comparisons) if arm.winner is not None}
    few = [
        f"{cell} ({trials.get(Outcome.COMPLETED, 0)} of {sum(trials.values())} trials)"
        for cell, trials in counts.items()
        if trials.get(Outcome.COMPLETED, 0) < min(_FEW_COMPLETED, sum(trials.values()))
    ]
    if few:
        yield (
            f"few trials completed, so the winner was hardly chosen: {some(few)}; more trials, `pruning.adaptive: "
            "true` or a smaller `pruning.reduction_factor` leave more to choose from"
        )


def _misleading_rungs(results: SweepResults, spec: SweepSpec) -> Iterator[str]:
    misled = [agreement.cell for agreement in rung_agreement(results) if agreement.predictive is False]
    if misled and spec.pruning.rule in RULES_WITH_RUNGS and not spec.pruning.adaptive:
        yield (
            f"trials were stopped at rungs whose order hardly agrees with the final one (Kendall's tau below "
            f"{LEAST_TAU}): {some(misled)}; `pruning.adaptive: true` stops them only where rungs predict"
        )


def _unequal_budgets(comparisons: Sequence[Comparison], groups: Sequence[Group]) -> Iterator[str]:
    """A method of which every configuration was tried lacks no trials."""
    uneven, sizes = [], {cell.key: cell.size() for group in groups for cell in group.cells}
    for comparison in comparisons:
        counts = [(arm, sum(arm.cost.trials.values())) for arm in comparison.arms if is_searched(arm)]
        trials = {arm.method: count for arm, count in counts if count < sizes[arm.cell]}
        if len(set(trials.values())) > 1:
            uneven.append(f"{comparison.title} ({', '.join(f'{method} {count}' for method, count in trials.items())})")
    if uneven:
        rule = f"{_kinds(comparisons)} had unequal numbers of trials, and more trials find better configurations"
        yield f"{rule}: {some(uneven, '; ')}"


def _kinds(comparisons: Sequence[Comparison]) -> str:
    return next(f"{arm.kind}s" for arm in each_arm(comparisons))


def _unlike_devices(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Kinds of devices compute sums in different orders, and some in a different precision."""
    unlike = []
    for comparison in comparisons:
        records = {arm.method: arm.confirmation for arm in comparison.arms if arm.confirmation is not None}
        trained = {method: record for method, record in records.items() if record.trained_on}
        if _differ(tuple(trained.values())):
            devices = (f"{method} on {' and '.join(sorted(each.trained_on))}" for method, each in trained.items())
            unlike.append(f"{comparison.title} ({', '.join(devices)})")
    if unlike:
        named = f"{_kinds(comparisons)} were trained on different devices: {some(unlike, '; ')}"
        yield f"{named}; one kind of machine treats all alike"


def _differ(records: Sequence[ConfirmationRecord]) -> bool:
    """Whether devices differ, or the precision where `precision` decides it: for one encoder, and recipes that read the
    field. SetFit, say, trains in its own precision on every machine."""
    devices = {frozenset(kind.rpartition(" (")[0] for kind in record.trained_on) for record in records}
    kinds: dict[tuple[str, str | None], set[frozenset[str]]] = {}
    for config, trained_on in ((record.config, record.trained_on) for record in records):
        if "precision" in RECIPES[config.recipe.name].fields:
            kinds.setdefault((config.encoder, config.encoder_revision), set()).add(trained_on)
    return max(map(len, [devices, *kinds.values()])) > 1


def _unlike_versions(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Another version of a library, or of the training code, may compute otherwise."""
    unlike = []
    for comparison in comparisons:
        found = {arm.method: arm.confirmation.trained_with for arm in comparison.arms if arm.confirmation is not None}
        if len(set().union(*found.values())) > 1:
            versions = (f"{method} with {' and '.join(sorted(names))}" for method, names in found.items() if names)
            unlike.append(f"{comparison.title} ({'; '.join(versions)})")
    if unlike:
        named = f"{_kinds(comparisons)} were trained with different versions: {some(unlike, '; ')}"
        yield f"{named}; one environment treats all alike"


def _rich_validation(results: SweepResults, groups: Sequence[Group]) -> Iterator[str]:
    """Selection on many labelled rows is not possible with few labels; the largest excess stands for all."""
    rich = set()
    for config in (config for group in groups for config in group.configs()):
        data = results.sweep.data.get(config.dataset.name)
        training, validation = _rows(config, data) if data is not None else (0, 0)
        if validation > training:
            title = f"{config.dataset.name}, {in_words(config.shots, config.sampling)}"
            rich.add((validation / training, training, validation, title))
    if rich:
        _, training, validation, title = max(rich)
        more = f", and {len(rich) - 1} more" if len(rich) > 1 else ""
        yield (
            f"selected with {validation:,} validation rows beside {training:,} training rows ({title}{more}); "
            f"`protocol.validation: shots` selects as with {training:,} labels only"
        )


def _rows(config: TrialConfig, data: DataRecord) -> tuple[int, int]:
    """Training and validation rows of a draw."""
    training, tested = training_rows_of(config, data), round(data.pool / data.folds) if data.folds else 0
    by = selected_by(config.validation, config.shots, config.sampling, pool=data.pool, classes=len(data.class_names))
    if isinstance(by, int):
        return training, by
    return training, data.pool - tested - training if by == "all" else training


def _failures(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """The worst arms first."""
    wrong = sorted((arm for arm in each_arm(comparisons) if arm.failures.rate), key=lambda arm: -arm.failures.rate)
    if wrong:
        yield (
            f"confirmation replicates went wrong: {some(map(_failed, wrong), '; ')}. Those that diverged count as "
            "always answering the majority class; those that failed are left out"
        )


def _restarted(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """A method that often needs a second attempt is less reliable than its scores say."""
    begun = [arm for arm in each_arm(comparisons) if arm.failures.restarted]
    if begun:
        named = (f"{arm.cell} ({arm.failures.restarted} of {arm.failures.replicates})" for arm in begun)
        yield f"trainings that had learned nothing were begun anew, with another head: {some(named)}"


def _unbalanced(results: SweepResults, groups: Sequence[Group]) -> Iterator[str]:
    """A draw of equally many rows of each class does not show how frequent the classes are."""
    skewed, told = [], True
    for group in groups:
        config = group.config
        data = results.sweep.data.get(config.dataset.name)
        if data is None or config.metric != "accuracy" or config.sampling != "per_class":
            continue
        if data.majority_share > _SKEWED:
            skewed.append(f"{config.dataset.name} ({100 * data.majority_share:.0f} % of one class)")
            told &= all(_knows_priors(cell.default_config()) for cell in group.cells)
    if skewed:
        remedy = "" if told else ", and `trial.priors: pool` tells the classifiers how frequent they are"
        yield (
            f"draws have equally many rows of each class, and the test part has not: {some(dict.fromkeys(skewed))}; "
            "accuracy then favours whatever guesses the frequent class; `protocol.metric: macro_f1` counts all classes "
            f"alike{remedy}"
        )


def _knows_priors(config: TrialConfig) -> bool:
    """Whether a classifier is told how frequent the classes are, or has no way to be told."""
    return config.priors == "pool" or "priors" not in RECIPES[config.recipe.name].fields


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
