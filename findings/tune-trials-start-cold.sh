#!/usr/bin/env bash
# No trial of Tune runs in one of the worker processes that Ray has started in advance.
#
# Versions: ray 2.60.0 (with the extra `tune`), Python 3.11.
#
# The input: a new ray.init(num_cpus=2) with all defaults, and on it a plain actor of one CPU; then another such
# Ray, and on it a Tune run of two trials of one CPU. Actor and trials say in which process they are.
#
# What a good guess expects: Ray starts a Python worker for each CPU as soon as the first driver connects, so
# that what is asked for first need not wait for the start of an interpreter and the import of ray. A trial is
# an actor of one CPU, so it gets one of them, as the plain actor does.
#
# What is seen: the plain actor gets one. Each trial gets a process that is started for it. A worker is given only
# to what has its runtime environment, and Tune gives each trainable one: the environment variable
# PL_DISABLE_FORK always, and some more where the driver has them.
#
# Why it matters: each trial's start pays for an interpreter that was there already, and each sweep on N CPUs
# starts N processes that nobody uses. RAY_prestart_worker_first_driver=0, for the processes of Ray, leaves
# them out. The same is true of anybody's own actors with a runtime_env, whatever is in it.
#
# Where: ray/tune/execution/class_cache.py (DEFAULT_ENV_VARS), raylet worker_pool.cc (an idle worker fits only
# if the hash of its runtime environment is the same).
#
# Exit 0: still so. Otherwise: a message and a non-zero status.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check "ray[tune]==2.60.0" psutil

cat > "$work/seen.py" <<'PY'
import logging
import os
import time

import psutil
import ray
from ray import tune


def idle() -> set[int]:
    """The worker processes of this driver's Ray that have nothing to do."""
    return {each.pid for each in psutil.Process().children(recursive=True) if "ray::IDLE" in " ".join(each.cmdline())}


class Plain:
    def process(self) -> int:
        return os.getpid()


class Trial(tune.Trainable):
    def step(self) -> dict[str, object]:
        return {"process": os.getpid(), "done": True}


def started_in_advance() -> set[int]:
    """A new Ray, and its worker processes once there is one for each of its two CPUs."""
    ray.init(address="local", include_dashboard=False, num_cpus=2, logging_level=logging.ERROR, log_to_driver=False)
    deadline = time.monotonic() + 60
    while len(idle()) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    return idle()


advance = started_in_advance()
actor = ray.remote(num_cpus=1)(Plain).remote()
plain = ray.get(actor.process.remote()) in advance
ray.shutdown()
print(f"of {len(advance)} processes started in advance, a plain actor ran in one: {plain}")

advance = started_in_advance()
found = tune.run(Trial, num_samples=2, resources_per_trial={"cpu": 1}, verbose=0, storage_path=os.environ["STORAGE"])
trials = {trial.last_result["process"] for trial in found.trials}
ray.shutdown()
print(f"of {len(advance)} processes started in advance, trials of Tune ran in {len(trials & advance)}")
if not (len(advance) == 2 and plain and len(trials) == 2 and not trials & advance):
    raise SystemExit("no longer so: trials of Tune run in workers that were started in advance")
PY
STORAGE="$work/results" RAY_TMPDIR="$work/r" TUNE_DISABLE_AUTO_CALLBACK_LOGGERS=1 \
    "$work/venv/bin/python" "$work/seen.py"
echo "still so: Tune starts a process for each trial, though Ray has started some in advance"
