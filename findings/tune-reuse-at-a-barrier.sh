#!/usr/bin/env bash
# With reuse_actors=True, Ray Tune ends all idle actors but one as soon as its searcher has nothing to hand out yet.
#
# Versions: ray[tune] 2.60.0, Python 3.11.
#
# The input: three slots, and a searcher that hands out three trials, then None until all of them have ended, then
# three more. None is how a searcher says "later": synchronous Hyperband, a batch of Bayesian optimisation, a search
# whose winners are confirmed afterwards and a ConcurrencyLimiter with batch=True all have such a moment.
#
# What a good guess expects: reuse_actors=True "reuses actors between different trials when possible", to save their
# start. All six trials have the same resources, the run is not over, nobody else wants the machine: three processes.
#
# What is seen: five processes. When the first three trials end, no trial is pending, so Tune keeps one actor, ends two,
# and starts two new processes a moment later. With n slots, n - 1 processes start again at every such moment: each
# imports its libraries, begins CUDA and loads its model once more.
#
# Known is that the number of actors is unsteady (pull request 42951 of ray-project/ray turned the default off for it),
# not what decides it.
#
# Where: ray/tune/execution/tune_controller.py (_maybe_cache_trial_actor), ray/tune/utils/object_cache.py
# (_ObjectCache: as many as there are staged trials, or one).
#
# Exit 0: still so. Otherwise: a message and a non-zero status.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check "ray[tune]==2.60.0"

cat > "$work/seen.py" <<'PY'
import logging
import os
import sys
import time
from pathlib import Path

import ray
from ray import tune
from ray.tune.search import Searcher

SLOTS = 3
folder = Path(sys.argv[1])


class Training(tune.Trainable):
    """Waits until all trials of its phase run, so that each has a process of its own."""

    def setup(self, config):
        self.phase = folder / f"phase-{config['phase']}"

    def step(self):
        self.phase.mkdir(exist_ok=True)
        (self.phase / str(os.getpid())).touch()
        while len(list(self.phase.iterdir())) < SLOTS:
            time.sleep(0.1)
        return {"process": os.getpid(), "done": True}

    def reset_config(self, new_config):
        self.setup(new_config)
        return True


class TwoPhases(Searcher):
    def __init__(self):
        super().__init__()
        self.given, self.running = 0, set()

    def suggest(self, trial_id):
        if self.given == 2 * SLOTS:
            return Searcher.FINISHED
        if self.given == SLOTS and self.running:
            return None
        self.given += 1
        self.running.add(trial_id)
        return {"phase": (self.given - 1) // SLOTS}

    def on_trial_complete(self, trial_id, result=None, error=False):
        self.running.discard(trial_id)


os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
ray.init(address="local", num_cpus=SLOTS, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
found = tune.run(
    Training,
    search_alg=TwoPhases(),
    num_samples=-1,
    reuse_actors=True,
    resources_per_trial={"cpu": 1},
    storage_path=str(folder / "tune"),
    verbose=0,
)
processes = [trial.last_result["process"] for trial in found.trials]
ray.shutdown()
print(f"six trials, three at once: processes of the first three {processes[:3]}, of the others {processes[3:]}")
if len(set(processes)) != 2 * SLOTS - 1:
    raise SystemExit(f"no longer so: {len(set(processes))} processes")
PY
RAY_TMPDIR="$work/r" "$work/venv/bin/python" "$work/seen.py" "$work" 2> /dev/null
echo "still so: idle actors are ended, all but one, although trials are still to come"
