"""The summary of measurements: where the wall time goes, medians, ratios, and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from tests.benchmarks.arms import ARMS, TrialTimes
from tests.services.process import ProcessRun

__all__ = ["Measurement", "Spread", "account", "measurement", "ratios", "summarise", "tables"]

EXPECTED = {"bare": 0.85, "assembled": 2.0, "assembled-batch": None}
"""The least wall time expected of each other arm, in units of the sweep's; None: shown without an expectation."""

PHASES = {
    "start": "start: imports, data check, MLflow, Ray, until the first trial is handed out",
    "workers": "worker start, loading, and between trials",
    "training": "training",
    "evaluation": "evaluation",
    "waiting": "free slots waiting for the last trial",
    "end": "end: last MLflow writes, Ray's shutdown, the report",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One run of one arm.

    arm: name of the arm.
    round: from 1.
    load: the machine's load average (1 minute) before the run.
    wall: seconds.
    training: seconds per slot, as measured by the trials.
    evaluation: the same of scoring.
    worker_mib: memory of the largest worker process.
    driver_mib: memory of the driver.
    last_scores: the last score of each trial, by learning rate.
    phases: seconds per slot of each of `PHASES`; empty where times of day are unknown.
    first_report: seconds until the first evaluation, where known.
    """

    arm: str
    round: int
    load: float
    wall: float
    training: float
    evaluation: float
    worker_mib: float
    driver_mib: float
    last_scores: Mapping[str, float]
    phases: Mapping[str, float] = field(default_factory=dict)
    first_report: float | None = None

    @property
    def idle(self) -> float:
        """The share of the slots' time that was neither training nor evaluation."""
        return 1 - (self.training + self.evaluation) / self.wall


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest value of the rounds."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(median(values), min(values), max(values))

    def shown(self, form: str = ".0f") -> str:
        """Return `12 (11 to 14)`, or `12` where all values are equal."""
        text = format(self.median, form)
        return text if self.least == self.greatest else f"{text} ({self.least:{form}} to {self.greatest:{form}})"


def measurement(
    arm: str, number: int, *, load: float, run: ProcessRun, trials: Sequence[TrialTimes], slots: int
) -> Measurement:
    """Return the measurement of one run from its process and its trials."""
    evaluated = [time for trial in trials for time in trial.evaluated]
    return Measurement(
        arm=arm,
        round=number,
        load=load,
        wall=run.wall,
        training=sum(trial.training for trial in trials) / slots,
        evaluation=sum(trial.evaluation for trial in trials) / slots,
        worker_mib=run.worker_mib,
        driver_mib=run.driver_mib,
        last_scores={str(trial.learning_rate): trial.scores[-1] for trial in trials},
        phases=account(run, trials, slots) if evaluated else {},
        first_report=min(evaluated) - run.started if evaluated else None,
    )


def account(run: ProcessRun, trials: Sequence[TrialTimes], slots: int) -> dict[str, float]:
    """Return the seconds per slot of each of `PHASES`, which add up to the wall time.

    It needs `started` and `evaluated` of every trial. Trials are of similar length, so that the last `slots` of them to
    end were on different slots.
    """
    ends = sorted(trial.evaluated[-1] for trial in trials)
    started = min(trial.started for trial in trials if trial.started is not None)
    phases = {
        "start": started - run.started,
        "workers": 0.0,
        "training": sum(trial.training for trial in trials) / slots,
        "evaluation": sum(trial.evaluation for trial in trials) / slots,
        "waiting": sum(ends[-1] - end for end in ends[-slots:]) / slots,
        "end": run.ended - ends[-1],
    }
    return phases | {"workers": run.wall - sum(phases.values())}


def ratios(measurements: Sequence[Measurement]) -> dict[str, Spread]:
    """Return each other arm's wall time in units of the sweep's of the same round, that is, at similar load."""
    walls = {(run.arm, run.round): run.wall for run in measurements}
    others = [arm for arm in EXPECTED if any(run.arm == arm for run in measurements)]
    rounds = sorted(number for arm, number in walls if arm == "sweep")
    if not rounds:
        return {}
    return {arm: Spread.of([walls[arm, number] / walls["sweep", number] for number in rounds]) for arm in others}


def summarise(measurements: Sequence[Measurement]) -> dict[str, Any]:
    """Return the spread of each arm, ratios and their expectations, and whether the bare loop scored the same."""
    arms = dict.fromkeys(run.arm for run in measurements)
    names = ("wall", "training", "evaluation", "idle", "worker_mib", "driver_mib")
    return {
        "arms": {
            arm: {name: asdict(Spread.of([getattr(run, name) for run in _of(measurements, arm)])) for name in names}
            for arm in arms
        },
        "ratios": {arm: {**asdict(ratio), "expected": EXPECTED[arm]} for arm, ratio in ratios(measurements).items()},
        "scores_equal_those_of_the_bare_loop": _scores_agree(measurements),
    }


def _scores_agree(measurements: Sequence[Measurement]) -> bool | None:
    """Return whether the sweep and the bare loop, which train the same, scored the same; None unless both were run."""
    sweep, bare = _of(measurements, "sweep"), _of(measurements, "bare")
    return all(run.last_scores == sweep[0].last_scores for run in sweep + bare) if sweep and bare else None


def tables(measurements: Sequence[Measurement], trials: int) -> str:
    """Return two Markdown tables: the arms, and where the sweep's wall time goes."""
    return "\n".join([*_arm_table(measurements, trials), "", *_phase_table(_of(measurements, "sweep"))]).strip()


def _arm_table(measurements: Sequence[Measurement], trials: int) -> list[str]:
    against = ratios(measurements)
    lines = [
        "| arm | wall time, s | trials an hour | in units of the sweep | training, s a slot | evaluation, s a slot "
        "| idle | largest worker, MiB | driver, MiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for arm in dict.fromkeys(run.arm for run in measurements):
        runs = _of(measurements, arm)
        wall = Spread.of([run.wall for run in runs])
        cells = [
            ARMS[arm].title,
            wall.shown(),
            f"{3600 * trials / wall.median:.0f}",
            against[arm].shown(".2f") if arm in against else "1" if arm == "sweep" else "",
            f"{median(run.training for run in runs):.0f}",
            f"{median(run.evaluation for run in runs):.0f}",
            f"{median(run.idle for run in runs):.0%}",
            f"{max(run.worker_mib for run in runs):.0f}",
            f"{max(run.driver_mib for run in runs):.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _phase_table(runs: Sequence[Measurement]) -> list[str]:
    if not runs:
        return []
    wall = median(run.wall for run in runs)
    lines = ["| where the sweep's wall time goes | s | share |", "|---|---|---|"]
    for name, title in PHASES.items():
        seconds = median(run.phases[name] for run in runs)
        lines.append(f"| {title} | {seconds:.1f} | {seconds / wall:.1%} |")
    first = median(run.first_report for run in runs if run.first_report is not None)
    return [*lines, "", f"First evaluation after {first:.1f} s."]


def _of(measurements: Sequence[Measurement], arm: str) -> list[Measurement]:
    return [run for run in measurements if run.arm == arm]
