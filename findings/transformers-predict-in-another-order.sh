#!/usr/bin/env bash
# Trainer.predict gives the rows back in another order if the *training* set was sampled by length.
#
# Versions: transformers 5.23.0, accelerate 1.15.0, datasets 5.2.0, torch 2.13.0, Python 3.11. A tiny random BERT.
#
# The input: 64 short reviews to train on and 60 to predict, of 1 to 19 words and one word that decides. One model is
# trained with train_sampling_strategy="random" (the default), one with each of the other strategies. Each Trainer then
# predicts the 60 reviews, once with the label column and once without it, as for texts that wait for an answer.
#
# What a good guess expects: predictions[i] belongs to row i. The argument is described as the sampler "for the
# training dataloader", its name begins with train_, and a test set is not sampled at all. (It was named
# group_by_length in transformers 4, which is the usual advice for texts of mixed lengths.)
#
# What is seen: random, sequential, batch_rebalance: predictions[i] is row i. group_by_length: the rows come in the
# order of a length-grouped shuffle. predict reports an accuracy of 1.0, since its label_ids are shuffled along, and
# eval_loss and all metrics are right. The same predictions laid beside the rows they were asked for are right in
# about half of the cases, which is chance. Without labels nothing in the answer tells the order. The same weights in
# a Trainer with "random" are right in all rows. A batch size of one, where there is nothing to group, shuffles too.
# No warning.
#
# Why it matters: the score of the sweep is that of a good model, and what is made of its predictions is noise: a
# file of answers, pseudo-labels, a teacher's logits, out-of-fold probabilities (a label check then flags good rows),
# a vote of two models of which one was grouped. Who tries this argument as one arm of a comparison, because it saves
# padding, sees the same accuracy and a shorter time, and keeps it.
#
# Where: transformers/trainer.py, Trainer._get_eval_sampler, which get_test_dataloader uses as well. It came with
# huggingface/transformers pull request 33514 (for the speed of evaluation); pull request 48025 gave it a seed,
# because the order changed between two calls of evaluate. Neither speaks of what predict returns.
# A cure: set trainer.args.train_sampling_strategy = "random" before predict, or a second Trainer for it; or compare
# label_ids with the column one gave.
#
# Exit 0: still so. Otherwise: a message and a non-zero status.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 transformers==5.23.0 tokenizers==0.23.3 accelerate==1.15.0 safetensors==0.8.0 \
    huggingface_hub==2.4.0 datasets==5.2.0 pyarrow==25.0.1 pandas==3.1.1 fsspec==2026.9.0 dill==0.4.1 \
    multiprocess==0.70.19 xxhash==4.1.0

cat > "$work/seen.py" <<'PY'
import sys
import warnings
from pathlib import Path

import datasets
import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, PrinterCallback, Trainer, TrainingArguments
from transformers.models.bert import BertConfig, BertForSequenceClassification

datasets.disable_progress_bars()
folder = Path(sys.argv[1])
random = np.random.default_rng(0)
filler = ["the", "film", "we", "saw", "at", "home", "on", "friday", "with", "them"]
marks = ["dull", "great"]
words = ["[PAD]", "[UNK]", *filler, *marks]
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]")),
    pad_token="[PAD]",
    unk_token="[UNK]",
    model_input_names=["input_ids", "attention_mask"],
)
tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()


def reviews(number):
    labels = random.integers(0, 2, number).tolist()
    texts = [" ".join([marks[label], *random.choice(filler, random.integers(1, 20))]) for label in labels]
    rows = datasets.Dataset.from_dict({"text": texts, "label": labels})
    return rows.map(lambda batch: tokenizer(batch["text"]), batched=True)


train, test = reviews(64), reviews(60)
truth = np.array(test["label"][:])
unlabelled = test.remove_columns("label")


def accuracy(answer):
    return {"accuracy": float((answer.predictions.argmax(1) == answer.label_ids).mean())}


def trainer(model, strategy, batch=8):
    arguments = TrainingArguments(
        output_dir=str(folder / "out"),
        train_sampling_strategy=strategy,
        num_train_epochs=15,
        learning_rate=5e-3,
        per_device_train_batch_size=8,
        per_device_eval_batch_size=batch,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        seed=0,
    )
    new = Trainer(model=model, args=arguments, train_dataset=train, processing_class=tokenizer, compute_metrics=accuracy)
    new.remove_callback(PrinterCallback)
    return new


def by_row(answer):
    return float((answer.predictions.argmax(1) == truth).mean())


found = {}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for strategy in ("random", "sequential", "batch_rebalance", "group_by_length"):
        torch.manual_seed(0)
        model = BertForSequenceClassification(
            BertConfig(
                vocab_size=len(words), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
            )
        )
        trained = trainer(model, strategy)
        trained.train()
        labelled, plain = trained.predict(test), trained.predict(unlabelled)
        other = trainer(model, "random").predict(unlabelled)
        found[strategy] = {
            "reported": labelled.metrics["test_accuracy"],
            "labels in order": bool((labelled.label_ids == truth).all()),
            "by row": by_row(plain),
            "by row, random": by_row(other),
            "by row, batch 1": by_row(trainer(model, strategy, batch=1).predict(unlabelled)),
            "same set": bool(np.allclose(np.sort(plain.predictions[:, 0]), np.sort(other.predictions[:, 0]), atol=1e-5)),
        }
        columns = "  ".join(f"{name}: {value if isinstance(value, bool) else round(value, 2)}" for name, value in found[strategy].items())
        print(f"{strategy:16s} {columns}")
said = [str(w.message) for w in told if "order" in str(w.message) or "sampl" in str(w.message)]
print("warnings about order or sampling:", said)


def check(holds, message):
    if not holds:
        sys.exit(f"changed: {message}")


for strategy, seen in found.items():
    check(seen["reported"] > 0.95, f"{strategy}: predict reports an accuracy of {seen['reported']}")
    check(seen["by row, random"] > 0.95, f"{strategy}: the weights are not right row by row in a Trainer with random")
    check(seen["same set"], f"{strategy}: the predictions are not those of the Trainer with random in another order")
    if strategy == "group_by_length":
        check(seen["by row"] < 0.75, f"grouped: predictions laid beside their rows are right in {seen['by row']}")
        check(seen["by row, batch 1"] < 0.75, f"grouped, one by one: right in {seen['by row, batch 1']}")
        check(not seen["labels in order"], "grouped: label_ids are the column that was given")
    else:
        check(seen["by row"] > 0.95 and seen["by row, batch 1"] > 0.95, f"{strategy}: predictions are not in order")
        check(seen["labels in order"], f"{strategy}: label_ids are not the column that was given")
check(not said, f"there are warnings now: {said}")
print("STILL SO: a model that is right in every row answers at random, row by row")
PY
TRANSFORMERS_VERBOSITY=warning HF_HUB_OFFLINE=1 HF_HOME="$work/hf" OMP_NUM_THREADS=1 "$work/venv/bin/python" "$work/seen.py" "$work"
