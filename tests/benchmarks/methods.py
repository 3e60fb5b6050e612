"""What does a person do with few labels, and what does this service train instead? One sweep over all of it.

    python -m sweep run tests/benchmarks/methods.yaml
    python -m tests.benchmarks.methods keep sweeps/methods
    python -m tests.benchmarks.methods table

`keep` writes a line for each method of each comparison into `results/methods.jsonl`: its confirmed scores, its seconds,
and its differences to `frozen` and to SetFit over draws and test rows, as the verdict computes them. A sweep of some of
the comparisons (`--set 'compare.shots=[16]'`) takes the place of these alone. `table` shows all, and holds the method
with the highest mean over all comparisons against the better of these two in each.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean

from sweep import Result, read
from sweep.display.formats import counted
from sweep.verdict.comparisons import arm_difference
from sweep.verdict.model import Arm, Comparison

__all__ = ["REFERENCES", "Confirmed", "against", "kept", "replaced", "tables", "winner"]

RESULTS = Path(__file__).parent / "results" / "methods.jsonl"
REFERENCES = ("frozen", "setfit")
"""What a person would do without this service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """A method of a comparison.

    params: what its search chose. scores: test accuracy on each draw, as shares.
    search, confirmation: seconds of workers' time.
    to: by reference, the mean difference to it and the ends of its 95 % interval, as shares.
    """

    task: str
    shots: int
    method: str
    params: Mapping[str, object]
    scores: Sequence[float]
    search: float
    confirmation: float
    to: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """The mean over draws."""
        return fmean(self.scores)


def kept(result: Result) -> Iterator[Confirmed]:
    """Yield the methods of a sweep whose winners are confirmed."""
    for comparison in result.verdict.comparisons:
        yield from (_confirmed(comparison, arm) for arm in comparison.arms if arm.summary is not None)


def _confirmed(comparison: Comparison, arm: Arm) -> Confirmed:
    assert arm.winner is not None, "a confirmed arm has a winner"
    found = {}
    for name in REFERENCES:
        base = comparison.arm(name)
        difference = None if base is None or base is arm else arm_difference(arm, base)
        if difference is not None:
            found[name] = (difference.mean, difference.low, difference.high)
    return Confirmed(
        task=comparison.dataset,
        shots=int(comparison.shots),
        method=arm.method,
        params=dict(arm.winner.params),
        scores=[score for score in arm.scores if score is not None],
        search=arm.cost.spent.search,
        confirmation=arm.cost.spent.confirmation,
        to=found,
    )


def replaced(old: Sequence[Confirmed], new: Sequence[Confirmed]) -> list[Confirmed]:
    """Return all comparisons of old, of each that new holds its methods, and what is only in new."""
    by_comparison = _by_comparison(old) | _by_comparison(new)
    return [each for methods in by_comparison.values() for each in methods]


def _by_comparison(found: Sequence[Confirmed]) -> dict[tuple[str, int], list[Confirmed]]:
    """Return the methods of each dataset and number of labels per class, in their order."""
    by_comparison: dict[tuple[str, int], list[Confirmed]] = {}
    for each in found:
        by_comparison.setdefault((each.task, each.shots), []).append(each)
    return by_comparison


def winner(found: Sequence[Confirmed]) -> str:
    """Return the method, other than the references, with the highest mean over all comparisons."""
    methods = dict.fromkeys(each.method for each in found if each.method not in REFERENCES)
    return max(methods, key=lambda method: fmean(each.mean for each in found if each.method == method))


def against(found: Sequence[Confirmed], method: str) -> Iterator[tuple[Confirmed, str, tuple[float, float, float]]]:
    """Yield, for each comparison that has a reference, the method, the better of them and the difference to it."""
    for own in (each for each in found if each.method == method and each.to):
        means = {each.method: each.mean for each in found if (each.task, each.shots) == (own.task, own.shots)}
        better = max((name for name in REFERENCES if name in own.to), key=means.__getitem__)
        mean, low, high = own.to[better]
        yield own, better, (mean, low, high)


def tables(found: Sequence[Confirmed]) -> str:
    """Return the scores and costs of all methods, and the winner against the references, as Markdown."""
    return "\n".join([*_scores(found), "", *_differences(found, winner(found))])


def _scores(found: Sequence[Confirmed]) -> Iterator[str]:
    methods = list(dict.fromkeys(each.method for each in found))
    yield f"| task, labels per class | {' | '.join(methods)} |"
    yield f"|---|{'---:|' * len(methods)}"
    for (task, shots), confirmed in _by_comparison(found).items():
        own = {each.method: each for each in confirmed}
        best, draws = max(each.mean for each in own.values()), max(len(each.scores) for each in own.values())
        shown = (_place(own.get(method), best, draws) for method in methods)
        yield f"| {task}, {shots} | {' | '.join(shown)} |"
    means = {method: fmean(each.mean for each in found if each.method == method) for method in methods}
    yield f"| mean | {' | '.join(_score(means[method], max(means.values())) for method in methods)} |"
    hours = (sum(each.search + each.confirmation for each in found if each.method == method) for method in methods)
    yield f"| minutes of a core | {' | '.join(f'{each / 60:.1f}' for each in hours)} |"


def _score(mean: float, best: float) -> str:
    shown = f"{100 * mean:.1f}"
    return f"**{shown}**" if mean == best else shown


def _place(own: Confirmed | None, best: float, draws: int) -> str:
    """A method's mean, and its draws where others have more, as where its confirmation has not ended."""
    if own is None:
        return ""
    few = f" ({counted(len(own.scores), 'draw')})" if len(own.scores) < draws else ""
    return f"{_score(own.mean, best)}{few}"


def _differences(found: Sequence[Confirmed], method: str) -> Iterator[str]:
    yield f"| task, labels per class | {method}, to the better of the two | to SetFit |"
    yield "|---|---|---|"
    for own, better, difference in against(found, method):
        setfit = _interval(own.to["setfit"]) if "setfit" in own.to else ""
        yield f"| {own.task}, {own.shots} | {_interval(difference)}, {better} | {setfit} |"


def _interval(difference: Sequence[float]) -> str:
    mean, low, high = (100 * value for value in difference)
    return f"{mean:+.1f} ({low:.1f} to {high:.1f})".replace("-", "−")


def main() -> None:
    """Keep what a sweep found, or show what is kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("keep").add_argument("sweep", help="the sweep's folder")
    commands.add_parser("table")
    options = parser.parse_args()
    found = [Confirmed(**json.loads(line)) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    if options.command == "keep":
        found = replaced(found, list(kept(read(options.sweep))))
        RESULTS.write_text("".join(f"{json.dumps(asdict(each))}\n" for each in found), encoding="utf-8")
    print(tables(found))


if __name__ == "__main__":
    main()
