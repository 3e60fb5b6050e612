"""What others do on the same machine: sweeps that begin, and many people who look. See tests.faults.faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import yaml

from sweep.tracking.runs import ROLE_TAG, SWEEP_ROLE
from sweep.tracking.store import open_client
from tests.faults.fault_run import FaultRun
from tests.faults.fault_spec import NAME
from tests.faults.refusals import recorded
from tests.services.sessions import Session

__all__ = ["begin_two_others", "read_at_once"]

_OTHERS = ("one", "two")
_READERS = 40


def begin_two_others(run: FaultRun, rng: Random) -> None:
    """Two small sweeps begin at the same moment in a new folder, on its default MLflow store, which is made by them."""
    folder = run.folder / f"others-{len(run.sessions)}"
    folder.mkdir()
    for name in _OTHERS:
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(_small_spec(run, name)), encoding="utf-8")
    run.strike()
    others = [run.begin(["run", f"{name}.yaml", *run.command[2:]], folder) for name in _OTHERS]
    if _all_end(run, others):
        _check_in_mlflow_once(run, folder)


def read_at_once(run: FaultRun, rng: Random) -> None:
    """Forty look at the sweep at the same moment: its state, its report, or all of its ledger."""
    if not run.begun():
        return
    before = recorded(run)
    run.strike()
    readers = [run.begin(_reader(run, number), nice=True) for number in range(_READERS)]
    _all_end(run, readers)
    after = recorded(run)
    if isinstance(before, bytes) and isinstance(after, bytes):  # else the round's last check sees it
        run.expect(after.startswith(before), "what was on record has changed")


def _reader(run: FaultRun, number: int) -> Sequence[str]:
    """The command of a reader: of ten, two write the same report, one exports, and the others ask for the state."""
    match number % 10:
        case 0 | 5:
            return ["report", NAME]
        case 3:
            return ["export", NAME, str(run.folder / f"export-{len(run.sessions)}.json")]
        case _:
            return ["status", NAME]


def _all_end(run: FaultRun, commands: Sequence[Session]) -> bool:
    """Whether all of them end well."""
    ended = [run.end(each) for each in commands]
    failed = [f"{code}: {output}" for code, output in ended if code != 0]
    run.expect(not failed, f"{len(failed)} of {len(commands)} commands ended with {'; '.join(failed)}")
    return not failed


def _small_spec(run: FaultRun, name: str) -> dict[str, object]:
    """The least that a sweep can be: one trial."""
    return {
        "name": name,
        "datasets": {"films": {"path": str(run.data)}},
        "compare": {"dataset": ["films"], "shots": [4], "loss": ["cross_entropy"]},
        "trial": {"encoder": str(run.encoder), "embedding": "mean", "max_length": 16},
        "protocol": {"replicates": 1, "evaluations": 1, "steps": 4, "validation": 20},
        "budget": {"trials_per_cell": 1, "concurrency": 1},
        "pruning": {"rule": "none"},
        "confirm": {"draws": 0},
        "resources": {"cpu": 1, "gpu": 0},
        "tracking": {"experiment": "others"},
    }


def _check_in_mlflow_once(run: FaultRun, folder: Path) -> None:
    client = open_client(f"sqlite:///{folder}/mlflow.db")
    experiments = [each.experiment_id for each in client.search_experiments()]
    found = Counter(
        (each.data.tags.get("sweep.name"), each.data.tags.get(ROLE_TAG), each.info.status)
        for each in client.search_runs(experiments)
    )
    wanted = {(name, role, "FINISHED"): 1 for name in _OTHERS for role in (SWEEP_ROLE, "trial")}
    run.expect(found == wanted, f"MLflow has {dict(found)} of the two sweeps")
