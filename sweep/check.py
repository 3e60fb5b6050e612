"""Checks of stored sweeps against each other: is the new classifier at least as good as the old one?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep.errors import StoredSweepError
from sweep.ledger.ledger import Ledger
from sweep.ledger.stored import read_stored
from sweep.records.sweep import DataRecord
from sweep.verdict import Arm, Comparison, verdict
from sweep.verdict.checks import Check, check
from sweep.verdict.chosen import cells_of

__all__ = ["check_stored"]

_TEST_ROWS = "texts and labels of the test part"  # in the digest of a dataset


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two sweeps: its name, its ledger, and its confirmed arms with their comparisons."""

    name: str
    ledger: Ledger
    confirmed: Sequence[tuple[Comparison, Arm]]
    best: Sequence[tuple[Comparison, Arm]]

    @classmethod
    def read(cls, name: str, root: Path) -> _Side:
        spec, ledger = read_stored(name, root)
        comparisons = verdict(ledger.results()).comparisons
        confirmed = [(each, arm) for each in comparisons for arm in each.arms if arm.summary is not None]
        if not confirmed:
            raise StoredSweepError(
                f"a check compares confirmed arms; {spec.name!r} has none: let the sweep finish, with `confirm.draws` "
                "above 0"
            )
        return cls(spec.name, ledger, confirmed, [(each, each.best) for each in comparisons if each.best is not None])

    def arm(self, cell: str) -> tuple[Comparison, Arm]:
        """The arm of a cell. Raises StoredSweepError if there is none."""
        found = [(comparison, arm) for comparison, arm in self.confirmed if arm.cell == cell]
        if not found:
            raise StoredSweepError(
                f"no confirmed arm of {self.name!r} is {cell!r}; there are {cells_of(self.confirmed)}"
            )
        return found[0]

    def arms_of(self, comparison: Comparison) -> int:
        """How many arms of a comparison are confirmed."""
        return sum(each is comparison for each, _ in self.confirmed)

    def data(self, comparison: Comparison) -> DataRecord | None:
        return self.ledger.sweep().data.get(comparison.dataset)

    def test_rows(self, comparison: Comparison, arm: Arm) -> str | None:
        """The digest of the test part; None for a sweep of a version that took none."""
        return self.ledger.inputs(arm.cell).get(f"dataset {comparison.dataset}", {}).get(_TEST_ROWS)


def check_stored(
    new: str, old: str, root: Path, *, margin: float, arm: str | None = None, old_arm: str | None = None
) -> tuple[Check, ...]:
    """Compare the best arm of each comparison of a sweep with that of the same comparison of another sweep.

    new, old: names or folders. margin: in points. arm, old_arm: cells to compare instead. The best of K arms of the new
    sweep is named on the draws and rows that test it, and so is tested at 5 % / K; one that was asked for, at 5 %.

    Raises StoredSweepError for sweeps, arms or comparisons that are not there, and for other test rows, draws or
    metrics, on which scores cannot be compared.
    """
    ours, theirs = _Side.read(new, root), _Side.read(old, root)
    pairs = list(_pairs(ours, theirs, arm, old_arm))
    if not pairs:
        raise StoredSweepError(
            f"a check needs a comparison that both sweeps have; {ours.name!r} has {_titles(ours.best)}, "
            f"{theirs.name!r} has {_titles(theirs.best)}: name what to compare by --arm and --old-arm"
        )
    refusals = [refusal for pair in pairs for refusal in _refusals(ours, theirs, *pair)]
    if refusals:
        raise StoredSweepError("\n".join(dict.fromkeys(refusals)))
    counts = [1 if arm else ours.arms_of(mine[0]) for mine, _ in pairs]
    found = [
        (check(mine, other, margin / 100, best_of=count), mine[0].title)
        for (mine, other), count in zip(pairs, counts, strict=True)
    ]
    if lacking := [title for each, title in found if each is None]:
        raise StoredSweepError(
            f"a check needs draws that both sweeps have tested on the same rows; {ours.name!r} and {theirs.name!r} "
            f"have none of {'; '.join(lacking)}: give both the same `protocol.seed` and, where each draw cuts its test "
            "part out of the data, the same name under `datasets`, or a test file (`datasets.NAME.test_path`)"
        )
    return tuple(each for each, _ in found if each is not None)


def _pairs(
    ours: _Side, theirs: _Side, arm: str | None, old_arm: str | None
) -> Iterator[tuple[tuple[Comparison, Arm], tuple[Comparison, Arm]]]:
    chosen = [ours.arm(arm)] if arm else ours.best
    if old_arm is not None:
        other = theirs.arm(old_arm)
        yield from ((mine, other) for mine in chosen if arm or mine[0].title == other[0].title)
        return
    by_title = {comparison.title: (comparison, best) for comparison, best in theirs.best}
    yield from ((mine, by_title[mine[0].title]) for mine in chosen if mine[0].title in by_title)


def _refusals(ours: _Side, theirs: _Side, new: tuple[Comparison, Arm], old: tuple[Comparison, Arm]) -> Iterator[str]:
    """Why two arms cannot be compared."""
    mine, other = ours.data(new[0]), theirs.data(old[0])
    digests = {ours.test_rows(*new), theirs.test_rows(*old)} - {None}
    labels = {_labels(each) for each in (mine, other)}
    if len(digests) > 1 or len(labels) > 1:
        yield (
            f"a check needs the same test rows in both sweeps; those of {new[0].title} in {ours.name!r} are not those "
            f"of {old[0].title} in {theirs.name!r}: give both the same test file (`datasets.NAME.test_path`)"
        )
    metrics = [arm.winner.config.metric for _, arm in (new, old) if arm.winner is not None]
    if len(set(metrics)) > 1:
        yield f"a check needs one metric; {ours.name!r} was judged by {metrics[0]}, {theirs.name!r} by {metrics[1]}"


def _labels(data: DataRecord | None) -> object:
    return None if data is None else (data.class_names, data.test_counts)


def _titles(arms: Sequence[tuple[Comparison, Arm]]) -> str:
    return "; ".join(dict.fromkeys(comparison.title for comparison, _ in arms))
