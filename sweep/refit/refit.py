"""The winner of a stored sweep, trained on all labelled rows and written into a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.errors import FolderError, StoredSweepError
from sweep.ledger.stored import read_stored
from sweep.refit.card import model_card
from sweep.spec.cells import cells
from sweep.spec.inputs import digest_inputs
from sweep.verdict import Arm, Comparison, Verdict, verdict

if TYPE_CHECKING:
    from trainable.refitting import Refitted

__all__ = ["Kept", "refit_stored"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A classifier that was written.

    folder: where.
    comparison, arm: what it is the winner of.
    refitted: what is known of it.
    """

    folder: Path
    comparison: Comparison
    arm: Arm
    refitted: Refitted


def refit_stored(name: str, root: Path, out: Path, *, arm: str | None = None, shots: int | None = None) -> Kept:
    """Train an arm of a stored sweep on all labelled rows, or on `shots` of them, and write the classifier into `out`.

    arm: its cell, as `trec/8/soft_triple`; by default the best one, where the sweep has a single comparison.

    Raises StoredSweepError for a sweep or an arm that is not there or not confirmed, FolderError for a folder that
    holds something else, LedgerError if data or encoder are not those of the sweep, and TrainableError for what cannot
    be trained or kept.
    """
    from trainable.refitting import refit  # imported late: it loads torch

    spec, ledger = read_stored(name, root)
    found = verdict(ledger.results())
    comparison, chosen = _chosen(found, arm, spec.name)
    _check_folder(out)
    grid = cells(spec)
    ledger.check(grid, digest_inputs([cell for cell in grid if cell.key == chosen.cell]))
    assert chosen.confirmation is not None, "an arm without a confirmation is not chosen"
    refitted = refit(chosen.confirmation.config, shots=shots)
    refitted.classifier.save(out)
    kept = Kept(folder=out, comparison=comparison, arm=chosen, refitted=refitted)
    asked = "".join(f" --{option} {value}" for option, value in (("arm", arm), ("shots", shots)) if value is not None)
    card = model_card(
        refitted, comparison, chosen, sweep=spec.name, command=f"python -m sweep refit {spec.name}{asked} --out {out}"
    )
    (out / "README.md").write_text(card, encoding="utf-8")
    return kept


def _chosen(found: Verdict, arm: str | None, name: str) -> tuple[Comparison, Arm]:
    """Return the arm that was asked for, or the best one, with its comparison."""
    confirmed = [(each, one) for each in found.comparisons for one in each.arms if one.summary is not None]
    if not confirmed:
        raise StoredSweepError(
            f"a classifier is made of a confirmed winner; {name!r} has none: let the sweep finish, with "
            "`confirm.draws` above 0"
        )
    if arm is not None:
        asked = [(each, one) for each, one in confirmed if one.cell == arm]
        if not asked:
            raise StoredSweepError(f"no confirmed arm of {name!r} is {arm!r}; there are {_listed(confirmed)}")
        return asked[0]
    best = [(each, each.best) for each in found.comparisons if each.best is not None]
    if len(best) > 1:
        raise StoredSweepError(
            f"{name!r} has {len(found.comparisons)} comparisons, each with a winner: choose one by --arm; the winners "
            f"are {_listed(best)}"
        )
    return best[0]


def _listed(arms: Sequence[tuple[Comparison, Arm]]) -> str:
    return ", ".join(dict.fromkeys(arm.cell for _, arm in arms))


def _check_folder(out: Path) -> None:
    """Refuse a folder that holds anything but a classifier, which is replaced."""
    try:
        if out.is_symlink() or (out.exists() and not out.is_dir()):
            raise FolderError(f"a classifier is written into a folder; {out} is none: give another --out")
        if out.is_dir() and any(out.iterdir()) and not (out / "classifier.json").is_file():
            raise FolderError(f"a classifier gets a folder of its own; {out} holds other files: give another --out")
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderError(
            f"a classifier must be written; {out} cannot be ({error.strerror}): give another --out"
        ) from error
