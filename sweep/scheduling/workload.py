"""How much there is to train in a sweep, between two bounds: pruning may stop nothing, or all that it ever could."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sweep.search.rungs import LEAST_TRIALS, default_rungs
from sweep.spec.blocks import Pruning
from sweep.spec.cells import Cell
from sweep.spec.model import SweepSpec
from sweep.verdict.worthwhile import FEWEST
from trainable.config import TrialConfig

__all__ = ["LEAST_DRAWS", "TrainingSeconds", "Work", "least_share", "work_of"]

LEAST_DRAWS = 4  # of fewer, the signed-rank test of `wilcoxon` cannot be sure enough to stop a trial


@dataclass(frozen=True, slots=True)
class TrainingSeconds:
    """How long training takes.

    trial: seconds of a full trial.
    confirmation: seconds of one training of a confirmation.
    once: seconds of what the first trial of all does for the others, as encoding rows whose embeddings are kept.
    """

    trial: float
    confirmation: float
    once: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The work of a sweep, in seconds of a slot that holds one trial.

    search: all trials, trained to their ends.
    pruned: the same where pruning stops all that it could, and the search ends as early as it may.
    deciders: the draws that decide between finalists, if there are ties everywhere.
    confirmation: all confirmations, with all their draws.
    first_look: the same with the draws of the first look alone; equal to it where there are no looks.
    chain: what can only be done one after the other: a whole trial, then its confirmation.
    """

    search: float
    pruned: float
    deciders: float
    confirmation: float
    first_look: float
    chain: float

    def duration(self, slots: int) -> tuple[float, float]:
        """The least and the most seconds that it takes in so many slots of which none waits while there is work.

        The most is Graham's bound (1969): all work shared out evenly, and the longest chain begun last of all.
        """
        least, most = self.pruned + self.first_look, self.search + self.deciders + self.confirmation
        return max(least / slots, self.chain), most / slots + self.chain * (1 - 1 / slots)


def work_of(cells: Sequence[Cell], spec: SweepSpec, costs: Mapping[str, TrainingSeconds]) -> Work:
    """The work of a sweep. costs: of each cell, by its key."""
    trials = {cell.key: cell.trials(spec.budget.trials_per_cell) for cell in cells}
    search = {key: count * costs[key].trial for key, count in trials.items()}
    configs = {cell.key: cell.default_config() for cell in cells}
    least = {key: _least_trials(spec, count) for key, count in trials.items()}
    shares = {key: least_share(spec.pruning, configs[key], least[key]) * least[key] / trials[key] for key in trials}
    confirm, once = spec.confirm, sum(costs[key].once for key in search)
    tied = {key: min(confirm.finalists, count) for key, count in trials.items()}
    draws = {key: count * confirm.finalist_draws if confirm.draws and count > 1 else 0 for key, count in tied.items()}
    return Work(
        search=sum(search.values()) + once,
        pruned=sum(search[key] * shares[key] for key in search) + once,
        deciders=sum(draws[key] * costs[key].trial / configs[key].replicates for key in draws),
        confirmation=sum(confirm.replicates * costs[key].confirmation for key in search),
        first_look=sum(confirm.least_replicates * costs[key].confirmation for key in search),
        chain=max(_chain(costs[key], confirmed=confirm.draws > 0) for key in search),
    )


def _least_trials(spec: SweepSpec, trials: int) -> int:
    """The fewest trials after which a search of so many may end."""
    ends = spec.budget.stop == "worthwhile" and spec.confirm.draws > 0
    return min(FEWEST, trials) if ends else trials


def _chain(cost: TrainingSeconds, *, confirmed: bool) -> float:
    return cost.once + cost.trial + (cost.confirmation if confirmed else 0.0)


def least_share(rule: Pruning, config: TrialConfig, trials: int) -> float:
    """The share of a cell's search that is trained at the very least.

    A rung stops nobody before it has enough scores to compare. So the first trials pass every rung, and at best all
    others, each worse than they are, end at the first one.
    """
    total = config.replicates * config.evaluations
    whole, first = _whole_and_first(rule, config)
    if first >= total:
        return 1.0
    whole = min(whole, trials)
    return (whole + (trials - whole) * first / total) / trials


def _whole_and_first(rule: Pruning, config: TrialConfig) -> tuple[int, int]:
    """How many trials of a cell always run to the end, and the first evaluation at which another may be stopped."""
    total = config.replicates * config.evaluations
    if rule.rule == "none":
        return 0, total
    if rule.rule == "wilcoxon":
        return 1, LEAST_DRAWS * config.evaluations  # it compares with the best completed trial
    rungs = rule.rungs if rule.rungs is not None else default_rungs(config.replicates, config.evaluations)
    factor = 2 if rule.rule == "median" else rule.reduction_factor
    scores = max(factor, rule.min_records if rule.min_records is not None else rule.reduction_factor)
    pilot = LEAST_TRIALS if rule.adaptive else 0
    return max(scores - 1, pilot), rungs[0] if rungs else total
