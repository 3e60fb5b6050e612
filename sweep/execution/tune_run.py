"""The one Tune run of a sweep, over all its cells."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweep.execution.ray_cluster import Cluster
from sweep.scheduling.dispatcher import Dispatcher, State
from trainable.loading import uncollected

if TYPE_CHECKING:
    from sweep.execution.trial_inputs import TrialInputs

__all__ = ["load", "train"]

logger = logging.getLogger(__name__)


def load() -> None:
    """Load Tune, and what joins it to a sweep."""
    with uncollected():
        import sweep.execution.tune_adapters
        import sweep.execution.worker  # noqa: F401


def train(dispatcher: Dispatcher, joined: Cluster) -> None:
    """Train on the cluster until the dispatcher has nothing left to hand out, or is stopped, as it is where the ledger
    cannot be written (`Dispatcher.fault`).

    Tune's loop has a thread of its own, in which it takes no signal from the program around it. The thread that calls
    waits. Raises KeyboardInterrupt for one that it gets there, when the loop has ended; a second one is not waited for.
    """
    from sweep.execution.trial_inputs import pack

    dispatcher.join(joined.slots, joined.gpu)
    with tempfile.TemporaryDirectory(prefix="sweep-tune-", ignore_cleanup_errors=True) as scratch:
        configs = [config for cell in dispatcher.cells for config in cell.inputs()]
        begin = _tune_run(dispatcher, joined, pack(configs, everywhere=not joined.alone), Path(scratch))
        loop = _in_thread(begin, dispatcher)
        try:
            loop.result()
        except KeyboardInterrupt:
            dispatcher.stop()
            loop.result()
            raise


def _in_thread(act: Callable[[], Any], dispatcher: Dispatcher) -> Future[None]:
    """Act in a thread that does not keep the process alive. What it raises is raised by the future's `result`, unless
    the dispatcher has been stopped: an error is how Tune's loop ends then."""
    done: Future[None] = Future()

    def work() -> None:
        try:
            act()
        except BaseException as error:
            if dispatcher.state is not State.STOPPED:
                done.set_exception(error)
                return
            logger.info("Tune's loop was stopped: %s", type(error).__name__)
        done.set_result(None)

    threading.Thread(target=work, name="tune", daemon=True).start()
    return done


def _tune_run(dispatcher: Dispatcher, joined: Cluster, inputs: TrialInputs, scratch: Path) -> Callable[[], Any]:
    """What begins the one Tune run over all cells, which ends when the dispatcher has nothing left to hand out.

    scratch: a folder for what Tune insists on writing, none of which is kept.
    """
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(joined.slots)
    from ray import tune
    from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE

    from sweep.execution.tune_adapters import LedgerScheduler, LedgerSearcher, StopCallback, StoppedError
    from sweep.execution.worker import Worker

    for name in ("ray.tune", "ray.train", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # outcomes and reasons are in the ledger
    # Tune hands these on in the command lines of its workers, where everybody on the machine can read them.
    ENV_VARS_TO_PROPAGATE.difference_update([name for name in ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")])
    worker = tune.with_parameters(Worker, inputs=inputs)
    worker.__qualname__ = Worker.__qualname__  # how processes are titled while they train; else it is Tune's `_Inner`
    # Ray that ends with the sweep takes everything with it; of another one, Tune frees what it holds, and waits for it.
    stopped = StoppedError if joined.stays else KeyboardInterrupt
    return partial(
        tune.run,
        worker,
        name="sweep",
        search_alg=LedgerSearcher(dispatcher, stopped),
        scheduler=LedgerScheduler(dispatcher, stopped),
        callbacks=[StopCallback(dispatcher, stopped)],
        num_samples=-1,
        resources_per_trial={"cpu": joined.cpu, "gpu": joined.gpu},
        reuse_actors=True,
        max_failures=0,  # a lost trial comes back through the dispatcher, at its next unfinished replicate
        raise_on_failed_trial=False,
        storage_path=str(scratch.resolve()),
        trial_dirname_creator=_dirname,
        verbose=0,
        progress_reporter=tune.CLIReporter(),  # silent; the one for notebooks clears the cell that calls
        log_to_file=False,
    )


def _dirname(trial: object) -> str:
    return str(getattr(trial, "trial_id", "trial"))
