"""The one Tune run of a sweep, over all its cells."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from sweep.execution.ray_cluster import Cluster
from sweep.scheduling.dispatcher import Dispatcher, State

if TYPE_CHECKING:
    from sweep.execution.trial_inputs import TrialInputs

__all__ = ["train"]


def train(dispatcher: Dispatcher, joined: Cluster) -> None:
    """Train on the cluster until the dispatcher has nothing left to hand out, or a signal stops it.

    Raises KeyboardInterrupt for a stop, and where the ledger cannot be written (`Dispatcher.fault`).
    """
    from sweep.execution.trial_inputs import pack

    dispatcher.join(joined.slots, joined.gpu)
    with (
        _stop_on_signal(dispatcher),
        tempfile.TemporaryDirectory(prefix="sweep-tune-", ignore_cleanup_errors=True) as scratch,
    ):
        configs = [config for cell in dispatcher.cells for config in cell.inputs()]
        _tune_run(dispatcher, joined, pack(configs, everywhere=not joined.alone), Path(scratch))


def _tune_run(dispatcher: Dispatcher, joined: Cluster, inputs: TrialInputs, scratch: Path) -> None:
    """One Tune run over all cells. It ends when the dispatcher has nothing left to hand out.

    scratch: a folder for what Tune insists on writing, none of which is kept.
    """
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(joined.slots)
    from ray import tune
    from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE

    from sweep.execution.tune_adapters import LedgerScheduler, LedgerSearcher
    from sweep.execution.worker import Worker

    for name in ("ray.tune", "ray.train", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # outcomes and reasons are in the ledger
    # Tune hands these on in the command lines of its workers, where everybody on the machine can read them.
    ENV_VARS_TO_PROPAGATE.difference_update([name for name in ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")])
    worker = tune.with_parameters(Worker, inputs=inputs)
    worker.__qualname__ = Worker.__qualname__  # how processes are titled while they train; else it is Tune's `_Inner`
    tune.run(
        worker,
        name="sweep",
        search_alg=LedgerSearcher(dispatcher),
        scheduler=LedgerScheduler(dispatcher),
        num_samples=-1,
        resources_per_trial={"cpu": joined.cpu, "gpu": joined.gpu},
        reuse_actors=True,
        max_failures=0,  # a lost trial comes back through the dispatcher, at its next unfinished replicate
        raise_on_failed_trial=False,
        storage_path=str(scratch.resolve()),
        trial_dirname_creator=_dirname,
        verbose=0,
        log_to_file=False,
    )


def _dirname(trial: object) -> str:
    return str(getattr(trial, "trial_id", "trial"))


@contextmanager
def _stop_on_signal(dispatcher: Dispatcher) -> Iterator[None]:
    """Ctrl-C or SIGTERM ends the Tune loop cleanly; a second one ends the process at once."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: FrameType | None) -> None:
        if dispatcher.state is State.STOPPED:
            raise KeyboardInterrupt
        dispatcher.stop()
        signal.raise_signal(signal.SIGUSR1)  # Tune's own signal for ending its loop

    for number in before:
        signal.signal(number, stop)
    usr1 = signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # until Tune installs its handler
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, usr1)
        for number, handler in before.items():
            signal.signal(number, handler)
