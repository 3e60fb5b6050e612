"""Replay of rung rules on a table of scores at equal compute, to compare the configurations that they choose.

Shapes: K configurations, N draws of the table, E evaluations of a replicate, R draws of the search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sweep.search.rungs import default_rungs, falls_behind, is_predictive, later_quality, rung_tau

__all__ = ["Choice", "Rule", "Trace", "gain", "replay", "rules"]

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule that stops configurations at rungs.

    name: its name in the table.
    replicates: number of draws on which a configuration is trained if nothing stops it.
    rungs: numbers of evaluations, counted over all replicates, after which it may be stopped.
    adaptive: whether rungs that do not predict the final score stop nothing.
    """

    name: str
    replicates: int
    rungs: tuple[int, ...] = ()
    adaptive: bool = False


def rules(replicates: int, evaluations: int) -> tuple[Rule, ...]:
    """Return the rules that are compared, for a search with `replicates` draws.

    - one draw each, all draws each: nothing is stopped;
    - ASHA over epochs, one draw: one draw a configuration, rungs after 1, 2, 4, ... evaluations of it;
    - ASHA over draws: rungs after 1, 2, 4, ... draws;
    - both: the project's default rungs, half-way through the first draw and then after 1, 2, 4, ... draws;
    - both, adaptive: the same, with `pruning.adaptive`.
    """
    ladder = default_rungs(replicates, evaluations)
    return (
        Rule(name="one draw each", replicates=1),
        Rule(name="all draws each", replicates=replicates),
        Rule(name="ASHA over epochs, one draw", replicates=1, rungs=_powers_of_two(evaluations)),
        Rule(
            name="ASHA over draws",
            replicates=replicates,
            rungs=tuple(evaluations * done for done in _powers_of_two(replicates)),
        ),
        Rule(name="both", replicates=replicates, rungs=ladder),
        Rule(name="both, adaptive", replicates=replicates, rungs=ladder, adaptive=True),
    )


@dataclass(slots=True)
class Trace:
    """The evaluations of one configuration.

    configuration: its position.
    scores: by number of evaluation, counted over all replicates.
    stopped: whether a rung stopped it.
    """

    configuration: int
    scores: dict[int, float] = field(default_factory=dict)
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """The result of a search.

    configuration: that of the best completed trial or, if none completed, of the best among those that came furthest.
    spent: compute, in replicates.
    traces: all trials, in order.
    """

    configuration: int
    spent: float
    traces: tuple[Trace, ...]


def replay(
    scores_KRE: Scores, rule: Rule, *, budget: float, evaluation_share: float, reduction_factor: int = 3
) -> Choice:
    """Return the choice of a rule that trains configurations one after the other until the budget is used up.

    A rule pays for the evaluations that it needs: at its rungs, and at the end of each replicate. The trial at which
    the budget ends is interrupted. A rule that runs out of configurations leaves the rest of the budget unspent.

    budget: in replicates with one evaluation at the end.
    evaluation_share: the cost of an evaluation, in units of the training of a replicate.
    """
    evaluations = scores_KRE.shape[2]
    traces: list[Trace] = []
    spent, limit = 0.0, budget * (1 + evaluation_share)
    for configuration, scores_RE in enumerate(scores_KRE):
        trace = Trace(configuration)
        traces.append(trace)
        for number in range(1, rule.replicates * evaluations + 1):
            is_evaluated = number in rule.rungs or number % evaluations == 0
            spent += 1 / evaluations + evaluation_share * is_evaluated
            if spent > limit + 1e-9:
                return _choice(traces, rule.replicates * evaluations, min(spent, limit) / (1 + evaluation_share))
            trace.scores[number] = _score(scores_RE, number)
            if number in rule.rungs and _stops(traces, scores_KRE, rule, reduction_factor):
                trace.stopped = True
                break
    return _choice(traces, rule.replicates * evaluations, spent / (1 + evaluation_share))


def gain(scores_KNE: Scores, configuration: int, used: int) -> float:
    """Return how much better a configuration is than the mean one, in points, on the unseen draws from `used` on."""
    quality_K = scores_KNE[:, used:, -1].mean(axis=1)
    return float(100 * (quality_K[configuration] - quality_K.mean()))


def _score(scores_RE: Scores, number: int) -> float:
    """Return the score at a rung, as in the ledger: the mean of the completed replicates, or the first one's so far."""
    completed = number // scores_RE.shape[1]
    return float(scores_RE[:completed, -1].mean() if completed else scores_RE[0, number - 1])


def _stops(traces: Sequence[Trace], scores_KRE: Scores, rule: Rule, reduction_factor: int) -> bool:
    """Return whether the rung that the last trial has reached stops it."""
    number = max(traces[-1].scores)
    recorded = [trace.scores[number] for trace in traces if number in trace.scores]
    if not falls_behind(recorded[-1], recorded, reduction_factor, reduction_factor):
        return False
    return not rule.adaptive or _predicts(traces, scores_KRE, rule, number)


def _predicts(traces: Sequence[Trace], scores_KRE: Scores, rule: Rule, number: int) -> bool:
    evaluations = scores_KRE.shape[2]
    finals_KR = scores_KRE[:, : rule.replicates, -1]
    pairs = [
        (trace.scores[number], later_quality(finals_KR[trace.configuration].tolist(), number, evaluations))
        for trace in traces
        if rule.replicates * evaluations in trace.scores
    ]
    return is_predictive([rung_tau(pairs)]) is True


def _choice(traces: Sequence[Trace], last: int, spent: float) -> Choice:
    begun = [trace for trace in traces if trace.scores]
    furthest = max(begun, key=lambda trace: (max(trace.scores), trace.scores[max(trace.scores)]))
    return Choice(furthest.configuration, spent, tuple(traces))


def _powers_of_two(end: int) -> tuple[int, ...]:
    return tuple(2**power for power in range(end.bit_length()) if 2**power < end)
