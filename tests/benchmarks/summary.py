"""From measurements to what is said of them: where the time went, medians, ratios, and the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from tests.benchmarks.arms import ARMS, TrialTimes
from tests.services.process import ProcessRun

__all__ = ["Measurement", "Spread", "account", "measurement", "ratios", "summarise", "tables"]

EXPECTED = {"bare": 0.85, "assembled": 2.0, "assembled-batch": None}
"""Least wall time in units of the sweep's; None: reported, nothing promised."""

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
    """One run of one arm. wall: seconds. training, evaluation: seconds per slot, as the trials reported them.

    load: the machine's load average (1 minute) before the run. phases: where the wall time went, where it is known.
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
        """Share of the slots' time that was neither training nor evaluation."""
        return 1 - (self.training + self.evaluation) / self.wall


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest of the rounds."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(median(values), min(values), max(values))

    def shown(self, form: str = ".0f") -> str:
        """`12 (11 to 14)`; the range only where there is one."""
        text = format(self.median, form)
        return text if self.least == self.greatest else f"{text} ({self.least:{form}} to {self.greatest:{form}})"


def measurement(
    arm: str, number: int, *, load: float, run: ProcessRun, trials: Sequence[TrialTimes], slots: int
) -> Measurement:
    """What is kept of one run."""
    reported = [time for trial in trials for time in trial.reported]
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
        phases=account(run, trials, slots) if reported else {},
        first_report=min(reported) - run.started if reported else None,
    )


def account(run: ProcessRun, trials: Sequence[TrialTimes], slots: int) -> dict[str, float]:
    """Where the wall time went, in seconds per slot; the phases add up to the wall time.

    Needs `asked` and `reported` of every trial. Trials are of like length, so the last `slots` of them to end were on
    different slots.
    """
    ends = sorted(trial.reported[-1] for trial in trials)
    asked = min(trial.asked for trial in trials if trial.asked is not None)
    phases = {
        "start": asked - run.started,
        "workers": 0.0,
        "training": sum(trial.training for trial in trials) / slots,
        "evaluation": sum(trial.evaluation for trial in trials) / slots,
        "waiting": sum(ends[-1] - end for end in ends[-slots:]) / slots,
        "end": run.ended - ends[-1],
    }
    return phases | {"workers": run.wall - sum(phases.values())}


def ratios(measurements: Sequence[Measurement]) -> dict[str, Spread]:
    """For each other arm its wall time in units of the sweep's, round by round, i.e. at like load."""
    walls = {(each.arm, each.round): each.wall for each in measurements}
    others = [arm for arm in EXPECTED if any(each.arm == arm for each in measurements)]
    rounds = sorted(number for arm, number in walls if arm == "sweep")
    if not rounds:
        return {}
    return {arm: Spread.of([walls[arm, number] / walls["sweep", number] for number in rounds]) for arm in others}


def summarise(measurements: Sequence[Measurement]) -> dict[str, Any]:
    """Medians and ranges of each arm, ratios beside what is expected, and whether the bare loop scored the same."""
    arms = dict.fromkeys(each.arm for each in measurements)
    names = ("wall", "training", "evaluation", "idle", "worker_mib", "driver_mib")
    return {
        "arms": {
            arm: {name: asdict(Spread.of([getattr(each, name) for each in _of(measurements, arm)])) for name in names}
            for arm in arms
        },
        "ratios": {arm: {**asdict(ratio), "expected": EXPECTED[arm]} for arm, ratio in ratios(measurements).items()},
        "scores_equal_those_of_the_bare_loop": _scores_agree(measurements),
    }


def _scores_agree(measurements: Sequence[Measurement]) -> bool | None:
    """None unless both arms were run. The two train the same configurations on the same draw, under the same seed."""
    sweep, bare = _of(measurements, "sweep"), _of(measurements, "bare")
    return all(each.last_scores == sweep[0].last_scores for each in sweep + bare) if sweep and bare else None


def tables(measurements: Sequence[Measurement], trials: int) -> str:
    """The two Markdown tables."""
    return "\n".join([*_arm_table(measurements, trials), "", *_phase_table(_of(measurements, "sweep"))]).strip()


def _arm_table(measurements: Sequence[Measurement], trials: int) -> list[str]:
    against = ratios(measurements)
    lines = [
        "| arm | wall time, s | trials an hour | in units of the sweep | training, s a slot | evaluation, s a slot "
        "| idle | largest worker, MiB | driver, MiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for arm in dict.fromkeys(each.arm for each in measurements):
        runs = _of(measurements, arm)
        wall = Spread.of([each.wall for each in runs])
        cells = [
            ARMS[arm].title,
            wall.shown(),
            f"{3600 * trials / wall.median:.0f}",
            against[arm].shown(".2f") if arm in against else "1" if arm == "sweep" else "",
            f"{median(each.training for each in runs):.0f}",
            f"{median(each.evaluation for each in runs):.0f}",
            f"{median(each.idle for each in runs):.0%}",
            f"{max(each.worker_mib for each in runs):.0f}",
            f"{max(each.driver_mib for each in runs):.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _phase_table(runs: Sequence[Measurement]) -> list[str]:
    if not runs:
        return []
    wall = median(each.wall for each in runs)
    lines = ["| where the sweep's wall time goes | s | share |", "|---|---|---|"]
    for name, title in PHASES.items():
        seconds = median(each.phases[name] for each in runs)
        lines.append(f"| {title} | {seconds:.1f} | {seconds / wall:.1%} |")
    first = median(each.first_report for each in runs if each.first_report is not None)
    return [*lines, "", f"First report after {first:.1f} s."]


def _of(measurements: Sequence[Measurement], arm: str) -> list[Measurement]:
    return [each for each in measurements if each.arm == arm]
