#!/usr/bin/env bash
# A metric of torchmetrics over logits depends on how the same rows are cut into batches.
#
# Versions: torchmetrics 1.9.0, torch 2.13.0, scikit-learn 1.9.1 (as the reference), Python 3.11.
#
# The input: 400 logits of a binary classifier that is not sure of itself, as after few shots, and 300 rows of
# cosines to three class centroids, nearly all between 0 and 1, as nearest-centroid classifiers give them.
# Each metric is updated with the same rows in the same order, in batches of 1, 8, 32 or all.
#
# What a good guess expects: torchmetrics accumulates, so the result over all rows does not depend on the
# batches; that is what update() and compute() are for. The documentation says that scores outside [0, 1]
# are taken as logits and that softmax is applied "per sample" (sigmoid "per element"), so logits are allowed.
#
# What is seen: the decision is taken for each update() as a whole. A batch in which every score happens
# to lie in [0, 1] is taken for probabilities and left alone, any other batch is squeezed; rows of both
# kinds then meet in one metric. With logits, in batches of all rows and of one row: BinaryAccuracy 0.83 and
# 0.685, BinaryAUROC, which no monotone function should change, 0.897 and 0.721. With cosines:
# MulticlassAUROC 0.878 (all), 0.802 (8) and 0.823 (1), calibration error 0.311 (all), 0.158 (8) and
# 0.106 (1). Probabilities of the same scores give one value in any batches. No error and no warning.
#
# Why it matters: two arms compared with other batch sizes (a larger encoder, another card, a served
# batch of one) get other scores for the same predictions, and few-shot classifiers, whose logits are small,
# are hit most. A last incomplete batch is enough. Late in training logits are large and it goes away, so it
# looks like something that was learned.
#
# Where: torchmetrics/utilities/compute.py, normalize_logits_if_needed, called in each update().
# Lightning-AI/torchmetrics issues 1604, 2195, 2329 and 3179 are open about it.
# A cure: give probabilities (sigmoid or softmax first), always.
#
# Exit 0: still so. Otherwise: a message and a non-zero status.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 torchmetrics==1.9.0 lightning-utilities==0.15.3 scikit-learn==1.9.1 scipy==1.17.1

cat > "$work/seen.py" <<'PY'
import sys
import warnings

import numpy as np
import torch
from sklearn.metrics import accuracy_score, roc_auc_score
from torchmetrics.classification import BinaryAccuracy, BinaryAUROC, MulticlassAUROC, MulticlassCalibrationError

random = np.random.default_rng(0)
truth = torch.tensor(random.integers(0, 2, 400))
logits = torch.tensor(random.normal(0, 0.6, 400) + np.where(truth.numpy() == 1, 0.5, -0.5)).float()
classes = torch.tensor(random.integers(0, 3, 300))
cosines = torch.tensor(0.35 + 0.18 * random.normal(size=(300, 3)) + 0.25 * np.eye(3)[classes.numpy()]).float().clamp(-1, 1)
metrics = {
    "BinaryAccuracy": (BinaryAccuracy, logits, truth),
    "BinaryAUROC": (BinaryAUROC, logits, truth),
    "MulticlassAUROC": (lambda: MulticlassAUROC(num_classes=3), cosines, classes),
    "MulticlassCalibrationError": (lambda: MulticlassCalibrationError(num_classes=3, n_bins=10), cosines, classes),
}


def batched(make, scores, target, size):
    metric = make()
    for start in range(0, len(target), size):
        metric.update(scores[start : start + size], target[start : start + size])
    return metric.compute().item()


right = {
    "BinaryAccuracy": accuracy_score(truth, logits > 0),
    "BinaryAUROC": roc_auc_score(truth, logits),
    "MulticlassAUROC": roc_auc_score(classes, cosines.double().softmax(1), multi_class="ovr", average="macro"),
    "MulticlassCalibrationError": None,
}
found, safe = {}, {}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for name, (make, scores, target) in metrics.items():
        found[name] = {size: batched(make, scores, target, size) for size in (1, 8, 32, len(target))}
        chances = scores.sigmoid() if scores.ndim == 1 else scores.softmax(1)
        safe[name] = {size: batched(make, chances, target, size) for size in (1, 8, 32, len(target))}

print(f"rows whose cosines all lie in [0, 1]: {((cosines >= 0) & (cosines <= 1)).all(1).float().mean():.2f}")
for name in metrics:
    row = "  ".join(f"{size:4d}: {value:.4f}" for size, value in found[name].items())
    print(f"{name:27s} raw scores by batch size    {row}   scikit-learn {right[name] if right[name] is None else round(float(right[name]), 4)}")
    row = "  ".join(f"{size:4d}: {value:.4f}" for size, value in safe[name].items())
    print(f"{'':27s} probabilities by batch size {row}")
said = [str(w.message) for w in told]
print("warnings:", said)


def check(holds, message):
    if not holds:
        sys.exit(f"changed: {message}")


for name, values in found.items():
    whole = values[max(values)]
    if right[name] is not None:
        check(abs(whole - right[name]) < 1e-4, f"{name}: all rows at once give {whole}, not {right[name]}")
    check(max(safe[name].values()) - min(safe[name].values()) < 1e-5, f"{name}: probabilities depend on batches too")
check(found["BinaryAccuracy"][400] - found["BinaryAccuracy"][1] > 0.1, "BinaryAccuracy: rows one by one are no longer 10 points lower")
check(found["BinaryAUROC"][400] - found["BinaryAUROC"][1] > 0.1, "BinaryAUROC no longer depends on batches")
check(found["MulticlassAUROC"][300] - found["MulticlassAUROC"][8] > 0.05, "MulticlassAUROC no longer depends on batches")
check(found["MulticlassCalibrationError"][300] - found["MulticlassCalibrationError"][8] > 0.1, "the calibration error no longer depends on batches")
check(not said, f"there are warnings now: {said}")
print("STILL SO: the same rows in other batches are another score")
PY
OMP_NUM_THREADS=1 "$work/venv/bin/python" "$work/seen.py"
