"""The sentences of a verdict, for a reader who did not run the sweep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sweep.records.sweep import DataRecord
from sweep.spec.blocks import Confirm
from sweep.spec.groups import Group
from sweep.verdict.collapse_wording import failing_to_train
from sweep.verdict.course import Ended
from sweep.verdict.model import Arm, Comparison
from sweep.verdict.numbers import (
    difference_of,
    duration,
    interval,
    is_nothing,
    lead,
    p_value,
    percent,
    points,
    score,
    span,
)
from sweep.verdict.resolution_wording import needed
from sweep.verdict.statistics import Summary
from trainable.config import TrialConfig
from trainable.shots import selected_by

__all__ = ["METRICS", "selection", "sentence"]

METRICS = {"accuracy": "accuracy", "macro_f1": "macro F1", "weighted_f1": "weighted F1"}
_CHEAP = 0.5  # a share of the other's time that is worth a word
_RULES = {
    "head": "by the head",
    "nearest": "by the nearest proxy or centroid",
    "neighbours": "by the nearest rows",
    "mixture": "by head and nearest proxy or centroid together",
}
_ROWS = {
    "all": "every row that a draw leaves",
    "shots": "as many rows as a draw trains on",
    "cross": "the rows of the draw themselves by cross-validation",
}


def sentence(comparison: Comparison, family: int, margin: float = 0.0) -> str:
    """The sentence that says which method won a comparison, by how much, and how certain that is.

    family: number of tests of the sweep. margin: of equivalence, in points.
    """
    return _found(comparison, family, margin) + _metric(comparison.arms)


def _found(comparison: Comparison, family: int, margin: float) -> str:
    best, base = comparison.best, comparison.arm(comparison.baseline)
    if best is None or best.summary is None:
        return _unconfirmed(comparison)
    if comparison.baseline is None:
        return f"{best.method} scored {score(best.summary)}; there is no other method here to compare it with."
    if base is None or base.summary is None:
        alone = sum(arm.summary is not None for arm in comparison.arms) == 1
        first = f"Only {best.method} is confirmed, with" if alone else f"{best.method} has the highest mean,"
        return (
            f"{first} {score(best.summary)}, but the baseline {comparison.baseline} has no confirmed score, so no "
            "difference was tested."
        )
    others = [arm for arm in comparison.arms if arm.difference is not None]
    if not others:
        return f"{base.method}, the baseline, scored {score(base.summary)}; no other {base.kind} is confirmed."
    compared = _compared(best, base, base.summary, others, family, margin)
    failing = failing_to_train(best if best is not base else max(others, key=lead), base)
    flattered = _flattered(comparison, max(others, key=lead))
    return compared + flattered + failing + _turned(base, others) + _over_references(best, comparison)


def _metric(arms: Sequence[Arm]) -> str:
    """Of what the scores are, where there are any and that is not accuracy."""
    metric = next((arm.winner.config.metric for arm in arms if arm.winner is not None), "accuracy")
    return "" if metric == "accuracy" else f" All scores are {METRICS[metric]}."


def selection(groups: Sequence[Group], confirm: Confirm, draws: int, data: Mapping[str, DataRecord]) -> str:
    """The sentence that says how the winners of all cells were chosen.

    draws: of a winner's confirmation. data: by the name of the dataset.
    """
    configs = [config for group in groups for config in group.configs()]
    metrics = _listed(METRICS[config.metric] for config in configs)
    searched = _listed(str(config.replicates) for config in configs)
    rows = _listed(_selecting_rows(config, data.get(config.dataset.name)) for config in configs)
    chosen = (
        f"The winner of a cell is its completed trial with the highest mean validation {metrics} over {searched} "
        f"draw{'s' if searched != '1' else ''} of the search, scored on {rows}."
    )
    if confirm.finalists > 1:
        chosen += (
            f" Among the {confirm.finalists} best, as far as they are tied within one standard error, "
            f"{confirm.finalist_draws} further draws decided."
        )
    if not draws:
        return f"{chosen} Winners were not tested: `confirm.draws` is 0."
    scored = (
        f"{chosen} Its test scores come from {draws} fresh draw{'s' if draws > 1 else ''}, which the search never used."
    )
    if not confirm.look_draws:
        return scored
    looks = ", ".join(map(str, confirm.look_draws[:-1]))
    return f"{scored} A comparison decided, or hopeless, after {looks} of them ended there; p-values count all looks."


def _selecting_rows(config: TrialConfig, data: DataRecord | None) -> str:
    by: str | int = config.validation
    if data is not None:
        by = selected_by(
            config.validation, config.shots, config.sampling, pool=data.pool, classes=len(data.class_names)
        )
    return _ROWS.get(str(by), f"{by} rows")


# ---- one comparison --------------------------------------------------------------------------------------------------


def _unconfirmed(comparison: Comparison) -> str:
    searched = [arm for arm in comparison.arms if arm.selection_score is not None]
    if not searched:
        return "No trial completed here, so there is nothing to say."
    first = max(searched, key=lambda arm: arm.selection_score or 0.0)
    reached = "reached" if len(searched) == 1 else "is ahead with"
    return (
        f"Nothing is confirmed here, so no {first.kind} can be called better. On validation rows, which flatter "
        f"whatever they chose, {first.method} {reached} {percent(first.selection_score or 0.0)}."
    )


def _compared(best: Arm, base: Arm, mean: Summary, others: Sequence[Arm], family: int, margin: float) -> str:
    better = [arm for arm in others if arm.significant and lead(arm) > 0]
    worse = [arm for arm in others if arm.significant and lead(arm) < 0]
    if best in better:
        text = _won(best, base, mean, family) + _aside("Better than", base, [arm for arm in better if arm is not best])
    elif better:
        first = max(better, key=lead)
        farthest = "has the highest mean" if _has_highest_mean(best, base, others) else "is the farthest ahead"
        ahead = farthest if lead(best) >= lead(first) else "is ahead of it on the draws of both"
        text = (
            f"{first.method} is better than {base.method}: {_by(first, base)} "
            f"({_evidence(first, family)}). {best.method} {ahead}, {_by(best, base)}, but "
            f"that may be chance ({_evidence(best, family)})."
        ) + _aside("Better than", base, [arm for arm in better if arm is not first])
    elif worse and len(worse) == len(others):
        text = f"{base.method}, the baseline, won with {score(mean)}."
    else:
        text = _undecided(best, base, mean, [arm for arm in others if arm not in worse], others, family)
    text += _aside("Worse than", base, worse) + _equivalent(base, others, margin)
    return text + (_dear(best, base) if better else _cheap(base, others, margin))


def _won(best: Arm, base: Arm, mean: Summary, family: int) -> str:
    assert best.summary is not None
    text = (
        f"{best.method} won: {percent(best.summary.mean)} against {percent(mean.mean)} for {base.method}, "
        f"{_by(best, base)} ({_evidence(best, family)})."
    )
    chance = best.probability_of_best
    if chance is None or chance >= 0.95:
        return text
    return f"{text} Among all {base.kind}s it comes first in {100 * chance:.0f} % of resamples."


def _undecided(
    best: Arm, base: Arm, mean: Summary, open_arms: Sequence[Arm], others: Sequence[Arm], family: int
) -> str:
    """The sentence where no method is significantly better, and those of `open_arms` are not significantly worse."""
    shown = "is shown to be better than" if len(open_arms) < len(others) else "can be told from"
    result = f"No {base.kind} {shown}"
    first = best if best in open_arms else max(open_arms, key=lead)
    if is_nothing(lead(first)):
        mean_of_both = _on_both(first, base) or f", {percent(mean.mean)}"
        same = f"{first.method}, the best of the others, has the same mean{mean_of_both}"
        return f"{result} {base.method}: {same} ({_evidence(first, family)}){_hopeless(first)}{needed(first)}."
    if best is base:
        place = "the next" if lead(first) >= max(map(lead, others)) else "which is not shown to be worse"
        highest = f"has the highest mean, {percent(mean.mean)}"
        alone = highest if _has_highest_mean(base, base, others) else "none is ahead of on the draws of both"
        text = f"{result} {base.method}, which {alone}: {first.method}, {place}, is behind"
    else:
        text = f"{result} {base.method}: the best, {first.method}, is ahead"
    return f"{text}, {_by(first, base)} ({_evidence(first, family)}){_hopeless(first)}{needed(first)}."


def _by(arm: Arm, base: Arm) -> str:
    """The difference, as `+4.1 points`, and on which draws, where the means beside it have others: else they would not
    add up."""
    return f"{points(lead(arm), sign=True)}{_on_both(arm, base)}"


def _on_both(arm: Arm, base: Arm) -> str:
    """` on the 4 draws of both`, where either has others too."""
    common = difference_of(arm).n
    has_others = any(each.summary is not None and each.summary.n > common for each in (arm, base))
    return f" on the {common} draw{'s' if common > 1 else ''} of both" if has_others else ""


def _has_highest_mean(arm: Arm, base: Arm, others: Sequence[Arm]) -> bool:
    """Whether no mean is higher, each over the draws that its arm has."""
    known = [each.summary.mean for each in (base, *others) if each.summary is not None]
    return arm.summary is None or arm.summary.mean >= max(known)


def _hopeless(arm: Arm) -> str:
    """That a comparison ended early, since the rest of the draws would hardly have shown a difference."""
    ended = arm.course is not None and arm.course.ended is Ended.FUTILE
    draws = f"; it ended after {difference_of(arm).n} draws"
    return f"{draws}, since the others would hardly have shown a difference" if ended else ""


def _equivalent(base: Arm, others: Sequence[Arm], margin: float) -> str:
    named = [arm.method for arm in others if arm.equivalent]
    return (
        f" Within {margin:g} point{'s' if margin != 1 else ''} of {base.method}: {', '.join(named)}." if named else ""
    )


def _cheap(base: Arm, others: Sequence[Arm], margin: float) -> str:
    """What a baseline that nothing is shown to beat cost, where that is much less than the next method cost, and what
    that means where it trains no encoder."""
    next_best = max(others, key=lead)
    spent, other = _seconds(base), _seconds(next_best)
    text = ""
    if 0 < spent < _CHEAP * other:
        text = _took(base, next_best)
    trained = [arm for arm in others if arm.trains == "encoder"]
    if base.trains == "encoder" or not trained:
        return text
    if all(arm.equivalent or (arm.significant and lead(arm) < 0) for arm in trained):
        why = f"nothing gains {margin:g} point{'s' if margin != 1 else ''}" if margin else "all that train are worse"
        return f"{text} Training does not pay here: {why}."
    return f"{text} Training is not shown to pay here."


def _dear(best: Arm, base: Arm) -> str:
    """What a better method cost, where that is much more than the baseline cost."""
    spent, other = _seconds(best), _seconds(base)
    if not 0 < other < _CHEAP * spent:
        return ""
    return _took(best, base)


def _took(first: Arm, second: Arm) -> str:
    """Seconds and not a ratio: embeddings that a machine has kept cost nothing, so that a method that trains no encoder
    takes one second where it took twenty in the comparison before."""
    times = [duration(_seconds(arm)) for arm in (first, second)]
    return f" {first.method} took {times[0]} of workers' time, {second.method} {times[1]}."


def _seconds(arm: Arm) -> float:
    """The workers' time that it took; 0 for predictions, which took theirs elsewhere."""
    return 0.0 if arm.trains == "elsewhere" else arm.cost.spent.useful


def _turned(base: Arm, others: Sequence[Arm]) -> str:
    """The claims that another way to read the same models turns round, which makes them none."""
    parts = []
    for arm in (arm for arm in others if arm.significant and arm.turned):
        rule, other = max(arm.turned.items(), key=lambda each: abs(each[1]))
        parts.append(f"{_RULES[rule]}, {arm.method} is {'ahead' if other > 0 else 'behind'} by {points(abs(other))}")
    if not parts:
        return ""
    return f" But other ways to read the same models turn that round: {'; '.join(parts)} compared with {base.method}."


def _over_references(best: Arm, comparison: Comparison) -> str:
    """The best arm's lead over what everybody would do, other than the baseline; not tested."""
    named = [
        f"{method} by {points(difference.mean, sign=True)} ({interval(difference)})"
        for method, difference in comparison.references.items()
    ]
    return f" {best.method} differs from {' and from '.join(named)}, which is not tested." if named else ""


def _flattered(comparison: Comparison, largest: Arm) -> str:
    """The estimate of the largest difference, where its having been chosen for that makes it look larger."""
    found, seen = comparison.named_best, lead(largest)
    if found is None or seen <= 0 or found.mean >= seen or points(found.mean) == points(seen):
        return ""
    return (
        f" As the largest of {found.of} differences, that of {largest.method} flatters: allowing for that, its "
        f"estimate is {points(found.mean, sign=True)} ({span(found.low, found.high)})."
    )


def _aside(relation: str, base: Arm, arms: Sequence[Arm]) -> str:
    """` Worse than cross_entropy: supcon by 10.2 points (p = 0.004), ...`"""
    named = [f"{arm.method} by {points(abs(lead(arm)))} ({p_value(arm)})" for arm in arms]
    return f" {relation} {base.method}: {', '.join(named)}." if named else ""


def _evidence(arm: Arm, family: int) -> str:
    corrected, found = f" corrected for {family} tests" if family > 1 else "", difference_of(arm)
    alone = " by itself" if family > 1 and not arm.significant and (found.low > 0 or found.high < 0) else ""
    return f"{interval(found)}{alone}, {p_value(arm)}{corrected}"


def _listed(names: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(names))
