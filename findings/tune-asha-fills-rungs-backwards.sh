#!/usr/bin/env bash
# Ray Tune's ASHA compares a trial's first result with results that others reported much later: its rungs fill backwards.
#
# Versions: ray[tune] 2.60.0, optuna 5.0.0 (for comparison), Python 3.11. No torch.
#
# The input: ASHAScheduler(time_attr="steps", grace_period=10, reduction_factor=4, max_t=640), so rungs at 10, 40, 160
# and 640 optimiser steps. Every trial evaluates once per epoch of 640 texts: a batch of 8 reports at 80, 160, 240, ...
# steps, a batch of 64 at 10, 20, 30, ... Four trials of a slow arm run first, then four of a fast arm, which is ahead
# of the slow one at every step, and at its first report (0.62 at 10 steps) ahead of the slow arm's first (0.51 at 80).
# Once the slow arm has batches of 64 like the fast one, once of 8; its learning curve over steps is the same.
#
# What a good guess expects: a rung holds what each trial had when it got there. The documentation allows any attribute
# that increases. A rung that a trial passes between two reports takes the next report, or is left out. So the fast
# arm goes to the end both times.
#
# What is seen: with batches of 64 everywhere, all of the fast arm goes to the end. With batches of 8 in the slow arm,
# each trial of the fast arm is stopped at its first report. Of a result, Tune fills only the highest rung that the
# trial has passed and that lacks it; the next result fills the next lower one that is empty. So the report at 80 steps
# went to rung 40, 160 to rung 160, and 240 to rung 10: 0.78 after three epochs is what a first epoch has to beat.
# The scheduler's own table is not in the order of time: rung 10 asks for more than rung 160. Optuna's pruner of the
# same name, with the same rungs and the same reports, takes the first report at or after a rung and stops none of them.
# No warning.
#
# Why it matters: batch size is what sweeps vary, and steps, examples or seconds (time_total_s) are what budgets are
# counted in. The rare reporters raise the bar of the low rungs for all others, by their best results. Which arm wins
# is then a matter of how often it is evaluated.
#
# Where: ray/tune/schedulers/async_hyperband.py, _Bracket.on_result: the loop goes down from the highest rung, passes
# over those that have the trial already, and records in the first that has not.
# A cure: time_attr="training_iteration" (each report is one), or a grace_period of at least the longest time between
# two reports.
#
# Exit 0: still so. Otherwise: a message and a non-zero status.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check "ray[tune]==2.60.0" optuna==5.0.0

cat > "$work/seen.py" <<'PY'
import logging
import math
import os
import re
import sys
from pathlib import Path

import optuna
import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import Searcher

TEXTS, END = 640, 640
folder = Path(sys.argv[1])


def slow(steps):
    return 0.5 + 0.35 / (1 + math.exp(-(steps - 200) / 30))


def fast(steps):
    return 0.5 + 0.45 / (1 + math.exp(-(steps - 20) / 10))


assert all(fast(steps) > slow(steps) for steps in range(1, END + 1)) and fast(10) > slow(80)
CURVES = {"slow": slow, "fast": fast}


class Training(tune.Trainable):
    """One call of step is one epoch."""

    def setup(self, config):
        self.arm, self.epoch_steps, self.steps = config["arm"], TEXTS // config["batch"], 0

    def step(self):
        self.steps += self.epoch_steps
        return {"steps": self.steps, "accuracy": CURVES[self.arm](self.steps)}

    def reset_config(self, new_config):
        self.setup(new_config)
        return True


class Given(Searcher):
    """Hands out the trials in the order in which they are given."""

    def __init__(self, configs):
        super().__init__(metric="accuracy", mode="max")
        self.configs = list(configs)

    def suggest(self, trial_id):
        return self.configs.pop(0) if self.configs else Searcher.FINISHED

    def on_trial_complete(self, trial_id, result=None, error=False):
        pass


def trials(slow_batch):
    return 4 * [{"arm": "slow", "batch": slow_batch}] + 4 * [{"arm": "fast", "batch": 64}]


def with_tune(slow_batch):
    scheduler = ASHAScheduler(
        time_attr="steps", metric="accuracy", mode="max", grace_period=10, reduction_factor=4, max_t=END
    )
    found = tune.run(
        Training,
        search_alg=Given(trials(slow_batch)),
        num_samples=8,
        max_concurrent_trials=1,
        reuse_actors=True,
        scheduler=scheduler,
        storage_path=str(folder / "tune"),
        name=f"slow-arm-in-batches-of-{slow_batch}",
        verbose=0,
    )
    table = dict(re.findall(r"Iter ([\d.]+): ([\d.]+)", scheduler.debug_string()))
    cutoffs = {int(float(rung)): round(float(value), 3) for rung, value in table.items()}
    return [trial.last_result["steps"] for trial in found.trials], dict(sorted(cutoffs.items()))


def with_optuna(slow_batch):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    configs, ends = trials(slow_batch), []

    def objective(trial):
        config, steps = configs[trial.number], 0
        while steps < END:
            steps += TEXTS // config["batch"]
            trial.report(CURVES[config["arm"]](steps), steps)
            if steps < END and trial.should_prune():
                break
        ends.append(steps)
        return CURVES[config["arm"]](steps)

    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=10, reduction_factor=4)
    optuna.create_study(direction="maximize", pruner=pruner).optimize(objective, n_trials=8)
    return ends


os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
seen = {batch: with_tune(batch) for batch in (64, 8)}
ray.shutdown()
optuna_ends = {batch: with_optuna(batch) for batch in (64, 8)}
for batch, (ends, cutoffs) in seen.items():
    print(f"slow arm in batches of {batch}: steps that the fast arm got")
    print(f"    Tune   {ends[4:]}   a trial must reach, by rung: {cutoffs}")
    print(f"    Optuna {optuna_ends[batch][4:]}")
print(f"first report of the fast arm: {fast(10):.3f} at 10 steps; of the slow arm: {slow(80):.3f} at 80 steps")


def check(holds, message):
    if not holds:
        sys.exit(f"changed: {message}")


whole = [END] * 4
check(seen[64][0][4:] == whole, f"batches of 64 everywhere: Tune gives the fast arm {seen[64][0][4:]} steps")
check(seen[8][0][:4] == whole, f"Tune gives the slow arm {seen[8][0][:4]} steps")
check(seen[8][0][4:] == [10] * 4, f"Tune gives the fast arm {seen[8][0][4:]} steps, not one epoch each")
check(seen[8][1][10] > seen[8][1][160] > seen[8][1][40], f"the rungs ask for {seen[8][1]}: no longer filled backwards")
check(optuna_ends == {64: 2 * whole, 8: 2 * whole}, f"Optuna stops trials: {optuna_ends}")
print("STILL SO: the arm that is ahead at every step is stopped at its first report")
PY
RAY_TMPDIR="$work/r" RAY_AIR_NEW_OUTPUT=0 "$work/venv/bin/python" "$work/seen.py" "$work" 2> "$work/errors" \
    || { tail -5 "$work/errors" >&2; exit 1; }
if grep -iE "rung|milestone|time_attr" "$work/errors"; then
    echo "changed: Tune warns now"
    exit 1
fi
