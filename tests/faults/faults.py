"""The table of faults. Each is a function of a run whose driver runs, and of a random state; it says `run.strike()`
at the moment at which it strikes, and nothing where it comes too late."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.faults import (
    driver_faults,
    input_faults,
    ledger_faults,
    neighbour_faults,
    ray_faults,
    store_faults,
    worker_faults,
)
from tests.faults.fault_run import FaultRun
from tests.faults.requirements import Requirement

__all__ = ["FAULTS", "Fault"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which things go wrong.

    codes: with which exit codes the driver may end of it, after which the same command must resume; without any it must
    not end. changes_outcomes: whether trials may end otherwise than undisturbed ones. also: the test of
    tests/integration that throws it at a sweep too, so that the short suite need not.
    """

    name: str
    throw: Callable[[FaultRun, Random], None]
    requirements: frozenset[Requirement] = frozenset()
    codes: frozenset[int] = frozenset()
    changes_outcomes: bool = False
    also: str = ""


_C, _E, _J, _P, _S, _LOCAL_STORE, _OWN_ENCODER = (
    frozenset({each})
    for each in (
        Requirement.CLUSTER,
        Requirement.EMBEDDED,
        Requirement.JOURNAL,
        Requirement.POSTGRES,
        Requirement.SERVER,
        Requirement.LOCAL_STORE,
        Requirement.OWN_ENCODER,
    )
)
_KILLED = frozenset({-signal.SIGKILL})
_STOPPED = frozenset({130})
_REFUSED = frozenset({2})
_RAY_GONE = frozenset({1, 2})  # its C++ ends the driver, or Ray does not start
_WITH_RAY = frozenset({-signal.SIGTERM, 1})  # its own Ray gets the signal too, and ends the driver if it is faster

FAULTS = (
    Fault("driver killed", driver_faults.kill_driver, _C, _KILLED),
    Fault(
        "driver killed, and its own Ray with it",
        driver_faults.kill_driver,
        _E,
        _KILLED,
        also="test_verdict.py::test_a_driver_killed_in_a_confirmation_loses_no_replicate",
    ),
    Fault("SIGTERM with a short grace", driver_faults.terminate, codes=_KILLED | _STOPPED | _WITH_RAY),
    Fault(
        "`sweep stop`",
        driver_faults.stop_gently,
        codes=_STOPPED,
        also="test_sweep.py::test_a_sweep_is_stopped_from_another_terminal",
    ),
    Fault("`sweep stop --now`", driver_faults.stop_now, codes=_STOPPED),
    Fault("a second driver", driver_faults.second_driver, also="test_sweep.py::test_a_second_driver_is_refused"),
    Fault(
        "two other sweeps begin",
        neighbour_faults.begin_two_others,
        also="test_fresh_store.py::test_sweeps_that_begin_at_once_share_a_fresh_file",
    ),
    Fault("40 readers", neighbour_faults.read_at_once),
    Fault("driver killed, last record torn", ledger_faults.tear_journal, _J, _KILLED),
    Fault("driver killed, a line of the journal lost", ledger_faults.lose_line, _J, _KILLED),
    Fault("ledger deleted", ledger_faults.delete_ledger, _J | _LOCAL_STORE, _REFUSED),
    Fault("folder deleted", ledger_faults.delete_folder, _J | _LOCAL_STORE, _REFUSED),
    Fault(
        "driver killed, data changed",
        input_faults.change_data,
        frozenset({Requirement.OWN_DATA}),
        _KILLED,
        also="test_changed_inputs.py::test_changed_inputs_are_refused_and_nothing_is_lost",
    ),
    Fault(
        "driver killed, encoder changed",
        input_faults.change_encoder,
        _OWN_ENCODER,
        _KILLED,
        also="test_changed_inputs.py::test_changed_inputs_are_refused_and_nothing_is_lost",
    ),
    Fault("driver killed, versions changed", input_faults.change_versions, _E, _KILLED),
    Fault(
        "disk full",
        driver_faults.fill_disk,
        _J | {Requirement.SMALL_DISK},
        _REFUSED,
        also="test_ledger_faults.py::test_a_sweep_on_a_full_disk_resumes_where_it_was",
    ),
    Fault("clock moved", driver_faults.move_clock, _C | {Requirement.CLOCK}),
    Fault("worker killed", worker_faults.kill_worker),
    Fault(
        "worker stopped for too long",
        worker_faults.stop_worker,
        _OWN_ENCODER,
        also="test_sweep.py::test_a_worker_that_hangs_is_interrupted_and_its_trial_tried_again",
    ),
    Fault("worker stopped for good", worker_faults.stop_worker_for_good, _OWN_ENCODER),
    Fault(
        "GCS killed",
        ray_faults.kill_gcs,
        _E,
        _RAY_GONE,
        also="test_last_words.py::test_a_sweep_whose_ray_dies_ends_soon_in_words_and_is_resumed",
    ),
    Fault(
        "raylet killed",
        ray_faults.kill_raylet,
        _E,
        _RAY_GONE,
        also="test_last_words.py::test_a_sweep_whose_ray_dies_ends_soon_in_words_and_is_resumed",
    ),
    Fault("raylet stopped for too long", ray_faults.stop_raylet, _C),
    Fault("node killed", ray_faults.kill_node, _C),
    Fault("head killed, new cluster", ray_faults.kill_head, _C, _KILLED | {1, 2}),
    Fault("out of memory", worker_faults.exhaust_memory, _E | {Requirement.MEMORY}, changes_outcomes=True),
    Fault("NaN in a trial", worker_faults.meet_nan, frozenset({Requirement.POISON})),
    Fault("loader hangs", worker_faults.hang_loader, _E | _OWN_ENCODER),  # elsewhere machines load copies
    Fault(
        "MLflow answers after 5 s",
        store_faults.mlflow_slow,
        _S,
        also="test_tracking_server.py::test_a_server_that_takes_long_costs_the_sweep_nothing",
    ),
    Fault("MLflow answers 500", store_faults.mlflow_broken, _S),
    Fault("MLflow down for a while", store_faults.mlflow_down, _S),
    Fault("MLflow back with an older database", store_faults.mlflow_older, _S),
    Fault("MLflow down to the end", store_faults.mlflow_gone, _S),
    Fault("Postgres sessions cut", store_faults.cut_sessions, _P),
    Fault("Postgres crashes and restarts", store_faults.restart_postgres, _P),
)
"""All faults that a soak throws."""
