"""The spec of the sweep that faults strike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.faults.requirements import Requirement

if TYPE_CHECKING:
    from tests.faults.fault_run import FaultRun

__all__ = ["NAME", "STALL_MINUTES", "TRIALS", "fault_spec"]

NAME = "toy"
TRIALS = 6  # of each of the two cells
STALL_MINUTES = 0.6


def fault_spec(run: FaultRun, ledger: str | None) -> dict[str, Any]:
    """Two losses, with everything that a run requires. ledger: the address of its database, if it has one."""
    server = Requirement.SERVER in run.requirements
    limit = {"stall_minutes": STALL_MINUTES} if Requirement.OWN_ENCODER in run.requirements else {}
    return {
        "name": NAME,
        "datasets": {"films": {"path": str(run.data)}},
        "compare": {"dataset": ["films"], "shots": [4], "loss": ["cross_entropy", "soft_triple"]},
        **_encoders(run),
        "protocol": {"replicates": 2, "evaluations": 2, "steps": run.services.material.steps, "validation": 20},
        "budget": {"trials_per_cell": TRIALS, "concurrency": 1, **limit},
        "pruning": {"rule": "asha", "reduction_factor": 3},
        "confirm": {"draws": 2, "reseeded": 1, "finalists": 2, "finalist_draws": 1},
        "resources": {"cpu": 1, "gpu": 0},
        "tracking": {
            "experiment": run.experiment,
            "uri": run.services.mlflow.url if server else f"sqlite:///{run.store}",
            "required": not server,
        },
        **({"ledger": ledger} if ledger else {}),
    }


def _encoders(run: FaultRun) -> dict[str, Any]:
    """What is searched, and what all trials share: one encoder, or two, of which one has a NaN."""
    search: dict[str, Any] = {"encoder_lr": {"low": 1e-4, "high": 1e-3, "log": True}}
    trial: dict[str, Any] = {"embedding": "mean", "max_length": 16}
    if Requirement.POISON in run.requirements:
        search["encoder"] = [str(run.encoder), str(run.services.material.poisoned)]
    else:
        trial["encoder"] = str(run.encoder)
    return {"search": search, "trial": trial}
