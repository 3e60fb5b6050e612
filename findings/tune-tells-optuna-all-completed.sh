#!/usr/bin/env bash
# What Ray Tune's scheduler stops, OptunaSearch tells Optuna as completed: the study has no pruned trial, and its best
# one can be a trial that was stopped.
#
# Versions: ray[tune] 2.60.0, optuna 5.0.0, Python 3.11. No torch.
#
# The input: six learning rates, given one after the other through points_to_evaluate; OptunaSearch and ASHAScheduler
# (grace_period=1, reduction_factor=3, max_t=9) minimise a validation loss that rises from epoch to epoch, as where few
# rows are overfitted. The first rate is the best one at every epoch.
#
# What a good guess expects: the study holds one complete and five pruned trials, and names the first rate, as Optuna
# alone does with its own pruner of successive halving.
#
# What is seen: six complete trials. Each stopped one is complete with its loss after one epoch, 0.5502 to 0.67, and has
# no report at all; the one that was trained to its end has eight of nine, and a loss of 0.8701. study.best_trial is the
# second rate, which ASHA had stopped as worse than the first. Tune's own get_best_trial agrees with it, since it
# compares last results (scope="last", the default), of trials of any length. No warning.
#
# Why it matters: best_trial, best_params, importances, slices and every dashboard on that study read losses of one
# epoch and of nine as the same thing. Whether early stopping picks a trial that was stopped depends on whether the
# metric gets worse with training: with an accuracy that rises, nothing is seen.
#
# Where: ray/tune/search/optuna/optuna_search.py, on_trial_complete: a trial that ends without an error and with a
# metric is told as COMPLETE, whoever ended it; and the result on which it ends goes there, not to on_trial_result.
# A cure: a Searcher of one's own which tells PRUNED for a trial whose last result is below max_t; with Tune's answer,
# get_best_trial(scope="all") or a filter on training_iteration.
#
# Exit 0: still so. Otherwise: a message and a non-zero status.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check "ray[tune]==2.60.0" optuna==5.0.0

cat > "$work/seen.py" <<'PY'
import logging
import os
import sys
from collections import Counter

import optuna
import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

EPOCHS = 9
RATES = [1e-4, 2e-4, 3e-4, 4e-4, 1e-2, 2e-2]  # four that train well, then two that do not


def loss(rate, epoch):
    """Validation loss: lower rates are better at every epoch, and it rises, as where few rows are overfitted."""
    return (0.55 if rate < 1e-3 else 0.65) + 0.04 * (epoch - 1) + rate


class Training(tune.Trainable):
    def setup(self, config):
        self.rate, self.epoch = config["rate"], 0

    def step(self):
        self.epoch += 1
        return {"loss": loss(self.rate, self.epoch)}

    def reset_config(self, new_config):
        self.setup(new_config)
        return True


def with_tune(folder):
    search = OptunaSearch(
        {"rate": tune.loguniform(1e-5, 1e-1)},
        metric="loss",
        mode="min",
        points_to_evaluate=[{"rate": rate} for rate in RATES],
    )
    found = tune.run(
        Training,
        search_alg=search,
        num_samples=len(RATES),
        max_concurrent_trials=1,
        reuse_actors=True,
        scheduler=ASHAScheduler(metric="loss", mode="min", grace_period=1, reduction_factor=3, max_t=EPOCHS),
        storage_path=folder,
        name="tune",
        verbose=0,
    )
    return search._ot_study, [trial.last_result["training_iteration"] for trial in found.trials], found


def with_optuna():
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial):
        rate = trial.suggest_float("rate", 1e-5, 1e-1, log=True)
        for epoch in range(1, EPOCHS + 1):
            trial.report(loss(rate, epoch), epoch)
            if epoch < EPOCHS and trial.should_prune():
                raise optuna.TrialPruned
        return loss(rate, EPOCHS)

    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    study = optuna.create_study(direction="minimize", pruner=pruner)
    for rate in RATES:
        study.enqueue_trial({"rate": rate})
    study.optimize(objective, n_trials=len(RATES))
    return study


os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
study, epochs, found = with_tune(sys.argv[1])
ray.shutdown()
alone = with_optuna()
print(f"epochs that each rate was trained for, by Tune: {dict(zip(RATES, epochs, strict=True))}")
for name, each in (("Tune with OptunaSearch", study), ("Optuna alone", alone)):
    states = dict(Counter(trial.state.name for trial in each.trials))
    reports = [len(trial.intermediate_values) for trial in each.trials]
    best = each.best_trial
    print(f"{name}: {states}, reports {reports}; best rate {best.params['rate']:g}, loss {best.value:.4f}")
tuned = found.get_best_trial("loss", "min").config["rate"]
print(f"Tune's own best trial: rate {tuned:g}")


def check(holds, message):
    if not holds:
        sys.exit(f"changed: {message}")


check(epochs == [EPOCHS, 1, 1, 1, 1, 1], f"ASHA gives {epochs} epochs")
states = Counter(trial.state.name for trial in study.trials)
check(states == {"COMPLETE": 6}, f"the trials that ASHA stops are told to Optuna as {dict(states)}")
reports = [len(trial.intermediate_values) for trial in study.trials]
check(reports == [EPOCHS - 1, 0, 0, 0, 0, 0], f"of the reports, Optuna is told {reports}")
check(study.best_trial.params["rate"] == RATES[1], f"Optuna's best rate is {study.best_trial.params['rate']:g}")
check(tuned == RATES[1], f"Tune's best rate is {tuned:g}")
check(Counter(trial.state.name for trial in alone.trials) == {"COMPLETE": 1, "PRUNED": 5}, "Optuna alone prunes others")
check(alone.best_trial.params["rate"] == RATES[0], "Optuna alone names another one best")
print("STILL SO: a trial that was stopped after one epoch of nine is the best one of the study, and none is pruned")
PY
RAY_TMPDIR="$work/r" RAY_AIR_NEW_OUTPUT=0 "$work/venv/bin/python" "$work/seen.py" "$work/results" 2> "$work/errors" \
    || { tail -5 "$work/errors" >&2; exit 1; }
if grep -iE "prun|stopped|complet" "$work/errors"; then
    echo "changed: Tune warns now"
    exit 1
fi
