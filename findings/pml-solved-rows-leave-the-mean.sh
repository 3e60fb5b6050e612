#!/usr/bin/env bash
# pytorch-metric-learning's SupConLoss of the same rows is four times as large in fp32 as in fp64, and rises when
# rows get better: rows whose loss is rounded to zero leave the mean.
#
# Versions: pytorch-metric-learning 2.9.0, torch 2.13.0, Python 3.11.
#
# The input: embeddings as they are late in few-shot training: eight classes of two texts each, a cosine of 0.98
# within a class and of 0 between classes, and one hard text, which lies between its own class and another one.
# SupConLoss at temperature 0.05.
#
# What a good guess expects: the supervised contrastive loss is a mean over all anchors (Khosla et al., 2020,
# equation 2), so a number on which fp32 and fp64 agree to several digits, and that falls when a row gets
# better. NTXentLoss of the same library, the same formula where a class has two rows, is that.
#
# What is seen: in fp64 SupConLoss and NTXentLoss agree (0.000395). In fp32 NTXentLoss stays, and SupConLoss is
# 0.001582, its gradients four times as large too: the loss of 12 of the 16 anchors is 0.0 there, since 1 + 4e-8
# is 1, and the mean is taken over the other four. While the two rows of another class come nearer to each other, from
# a cosine of 0.80 to 0.98, the loss falls in fp64 and rises by half in fp32. No warning.
#
# Why it matters: few rows of few classes are soon told apart that well, and then each hard or wrongly labelled row
# is followed with a multiple of the learning rate, the more the better all others are. A curve of the loss goes up
# while the model gets better. Implementations that average over all anchors, and other precisions, reach
# another classifier by the same temperature and learning rate.
#
# Where: pytorch_metric_learning/losses/supcon_loss.py, whose reducer is AvgNonZeroReducer, which the documentation
# names; reducers/threshold_reducer.py keeps losses above zero. Rows without a positive, which it is meant to leave
# out, have a loss of exactly zero as well. CircleLoss has the same reducer, and the same fault at m=0.5, gamma=256.
# A cure: SupConLoss(reducer=MeanReducer()), where each row of a batch has another one of its class.
#
# Exit 0: still so. Otherwise: a message and a non-zero status.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 pytorch-metric-learning==2.9.0 scikit-learn==1.9.1 scipy==1.17.1 tqdm

cat > "$work/seen.py" <<'PY'
import sys
import warnings

import torch
from pytorch_metric_learning.losses import NTXentLoss, SupConLoss
from pytorch_metric_learning.reducers import MeanReducer

labels = torch.arange(8).repeat_interleave(2)


def rows(other=0.98):
    """Two rows a class at a cosine of 0.98, of class 2 at `other`; the second of class 0 leans towards class 1."""
    within = torch.full((8,), 0.98, dtype=torch.float64)
    within[2] = other
    found = torch.zeros(16, 16, dtype=torch.float64)
    for label, cosine in enumerate(within):
        found[2 * label, label] = 1.0
        found[2 * label + 1, label], found[2 * label + 1, 8 + label] = cosine, (1 - cosine**2) ** 0.5
    found[1] = 0.0
    found[1, 0], found[1, 1] = (1 - 0.55**2) ** 0.5, 0.55
    return found


def loss_and_gradient(module, x, dtype):
    x = x.detach().to(dtype, copy=True).requires_grad_()
    loss = module(x, labels)
    loss.backward()
    return loss.item(), x.grad.norm().item()


losses = {
    "NTXentLoss": NTXentLoss(temperature=0.05),
    "SupConLoss": SupConLoss(temperature=0.05),
    "SupConLoss, MeanReducer": SupConLoss(temperature=0.05, reducer=MeanReducer()),
}
found, course = {}, []
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for name, module in losses.items():
        (loss_64, gradient_64), (loss_32, gradient_32) = (
            loss_and_gradient(module, rows(), dtype) for dtype in (torch.float64, torch.float32)
        )
        found[name] = loss_64, loss_32 / loss_64, gradient_32 / gradient_64
        print(f"{name:24s} fp64 {loss_64:.6f}  fp32 {loss_32:.6f}  ratio {found[name][1]:.2f}, of gradients {found[name][2]:.2f}")
    print("the two rows of class 2 come nearer to each other, all else stays:")
    for other in (0.80, 0.85, 0.90, 0.94, 0.98):
        course.append([loss_and_gradient(losses["SupConLoss"], rows(other), dtype)[0] for dtype in (torch.float32, torch.float64)])
        print(f"  cosine {other:.2f}  SupConLoss, fp32 {course[-1][0]:.6f}  fp64 {course[-1][1]:.6f}")
from_library = [str(each.message) for each in told]
print("warnings:", from_library)


def check(holds, message):
    if not holds:
        sys.exit(f"changed: {message}")


(paper, same, _), (mean, apart, steeper), (_, cured, _) = found.values()
check(abs(mean / paper - 1) < 1e-6, "in fp64 SupConLoss and NTXentLoss differ")
check(abs(same - 1) < 0.01 and abs(cured - 1) < 0.01, f"a mean over all rows depends on the precision: {same}, {cured}")
check(abs(apart - 4) < 0.05 and abs(steeper - 4) < 0.05, f"SupConLoss in fp32 is {apart} times as large, not 4")
low, high = zip(*course)
check(list(high) == sorted(high, reverse=True), f"in fp64 it does not fall: {high}")
check(low[-1] > 1.4 * low[0], f"in fp32 it does not rise: {low}")
check(not from_library, f"there are warnings now: {from_library}")
print("STILL SO: the loss of the same rows is four times as large in fp32, and rises when other rows get better")
PY
"$work/venv/bin/python" "$work/seen.py"
