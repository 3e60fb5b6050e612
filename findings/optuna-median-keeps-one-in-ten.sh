#!/usr/bin/env bash
# Optuna's percentile and median pruners keep fewer and fewer trials: of the upper half, which is what a study keeps if
# no pruner is named, one late trial in ten.
#
# Versions: optuna 5.0.0, Python 3.11.
#
# The input: studies of 400 trials drawn at random, so that late trials are no better than early ones. A trial has a
# quality between 0 and 1, reports one score after its first epoch and, if it may go on, ends with its quality. The
# score is the quality itself, or the quality with noise of 0.3, as after one epoch on a small validation set.
# PercentilePruner(75), (50) and (25); create_study without a pruner; and for comparison Optuna's own
# SuccessiveHalvingPruner with a reduction factor of 2, and the percentile rule over all trials that reported.
#
# What a good guess expects: "Pruner to keep the specified percentile of the trials", "when given 25.0, top of 25th
# percentile trials are kept". So three quarters, one half and one quarter of the trials go on, however long the
# study is.
#
# What is seen: of trials 200 to 400, PercentilePruner(75) keeps about 30 %, (50) and the default about 10 %, (25)
# about 3 %; of the first hundred each keeps more. Only completed trials vote. The pruned ones have reported at the same
# step and are left out, so the median is one of winners, and each new winner raises it. With the noisy score two thirds
# of those late trials that belong to the best tenth by quality are pruned. The rule over all trials prunes half of the
# trials, as asked, and one in twenty-five of the best. Successive halving counts the pruned trials in, and keeps half.
# (The page of MedianPruner does say "completed trials", but not what comes of it; that of PercentilePruner does not.)
# No warning.
#
# Why it matters: this is the pruner that a study has if nobody chooses one. A long sweep turns greedy: a good trial
# with an unlucky first epoch has hardly a chance, the less so the later it comes. Two pruners set to "half" in one
# comparison are not alike, nor are a study of 50 trials and one of 400, nor one that is continued. (Ray Tune's median
# rule compares with all trials that were old enough, stopped ones too.)
#
# Where: optuna/pruners/_percentile.py, PercentilePruner.prune, study.get_trials(states=(TrialState.COMPLETE,)).
# optuna/optuna issue 2441 also finds the pruner too strict, for another reason (few trials report late steps).
# A cure: a pruner by successive halving, n_warmup_steps past the noisy part, or a pruner class of one's own that asks
# for PRUNED trials too.
#
# Exit 0: still so. Otherwise: a message and a non-zero status.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check optuna==5.0.0 numpy==2.4.6

cat > "$work/seen.py" <<'PY'
import sys
import warnings

import numpy as np
import optuna
from optuna.pruners import BasePruner, PercentilePruner, SuccessiveHalvingPruner
from optuna.trial import TrialState

optuna.logging.set_verbosity(optuna.logging.WARNING)
TRIALS, SEEDS = 400, range(4)


class AllVote(BasePruner):
    """The percentile of all trials that have reported at this step, as the page of PercentilePruner says it."""

    def __init__(self, percentile):
        self.percentile = percentile

    def prune(self, study, trial):
        ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        scores = [other.intermediate_values[trial.last_step] for other in ended]
        return len(scores) >= 5 and trial.intermediate_values[trial.last_step] < np.percentile(scores, 100 - self.percentile)


def kept(pruner, noise, seed):
    """Which trials went on, and their qualities."""
    random = np.random.default_rng(seed)

    def objective(trial):
        quality = trial.suggest_float("quality", 0, 1)
        trial.report(quality + noise * random.normal(), 1)
        if trial.should_prune():
            raise optuna.TrialPruned()
        return quality

    sampler = optuna.samplers.RandomSampler(seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    study.optimize(objective, n_trials=TRIALS)
    went_on = np.array([trial.state == TrialState.COMPLETE for trial in study.trials])
    return went_on, np.array([trial.params["quality"] for trial in study.trials])


pruners = {
    "PercentilePruner(75)": lambda: PercentilePruner(75),
    "PercentilePruner(50)": lambda: PercentilePruner(50),
    "PercentilePruner(25)": lambda: PercentilePruner(25),
    "no pruner named": lambda: None,
    "all vote, 75": lambda: AllVote(75),
    "all vote, 50": lambda: AllVote(50),
    "all vote, 25": lambda: AllVote(25),
    "SuccessiveHalving, 2": lambda: SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
}
found = {}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for noise in (0.0, 0.3):
        for name, make in pruners.items():
            early, late, best = [], [], []
            for seed in SEEDS:
                went_on, quality = kept(make(), noise, seed)
                early.append(went_on[:100].mean())
                late.append(went_on[200:].mean())
                best.append(went_on[200:][quality[200:] >= 0.9].mean())
            found[name, noise] = tuple(float(np.mean(share)) for share in (early, late, best))
            print(
                f"noise {noise}  {name:22s} kept of trials 0-100: {found[name, noise][0]:.2f}"
                f"  200-400: {found[name, noise][1]:.2f}  of the best tenth of 200-400: {found[name, noise][2]:.2f}"
            )
said = sorted({str(w.message) for w in told})
print("warnings:", said)


def check(holds, message):
    if not holds:
        sys.exit(f"changed: {message}")


for noise in (0.0, 0.3):
    for percentile, most in ((75, 0.45), (50, 0.2), (25, 0.08)):
        early, late, _ = found[f"PercentilePruner({percentile})", noise]
        check(late < most, f"PercentilePruner({percentile}), noise {noise}: keeps {late:.2f} of the late trials")
        check(late < early, f"PercentilePruner({percentile}), noise {noise}: no longer keeps fewer and fewer")
        share = found[f"all vote, {percentile}", noise][1]
        check(abs(share - percentile / 100) < 0.06, f"all vote, {percentile}: keeps {share:.2f}")
    check(found["no pruner named", noise] == found["PercentilePruner(50)", noise], "the default is another pruner now")
    half = found["SuccessiveHalving, 2", noise][1]
    check(abs(half - 0.5) < 0.06, f"successive halving keeps {half:.2f}")
check(found["PercentilePruner(50)", 0.3][2] < 0.6, "the median pruner keeps the best tenth now")
check(found["all vote, 50", 0.3][2] > 0.9, "the median of all trials loses the best tenth")
check(not said, f"there are warnings now: {said}")
print("STILL SO: asked for the upper half, one late trial in ten goes on")
PY
OMP_NUM_THREADS=1 "$work/venv/bin/python" "$work/seen.py"
