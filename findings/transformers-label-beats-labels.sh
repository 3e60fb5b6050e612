#!/usr/bin/env bash
# If a data set has the columns `label` and `labels`, the Trainer trains on the one or the other, and what decides is
# whether it was given the tokenizer.
#
# Versions: transformers 5.23.0, accelerate 1.15.0, datasets 5.2.0, torch 2.13.0, Python 3.11. A tiny random BERT.
#
# The input: pairs of three classes whose column `label` counts entailment, neutral, contradiction, as public sets do,
# for a model whose id2label counts contradiction, neutral, entailment, as published checkpoints do. map() adds a column
# `labels` in the order of the model. `labels` is what forward() takes. All rows have the same length, so that both
# collators can be used. The Trainer gets the tokenizer (processing_class) or not, label_names=["labels"] or not.
#
# What a good guess expects: what is called like the argument of the model is the argument of the model. `label`, which
# forward() does not know, is dropped as an unused column, as `text` is; label_names=["labels"] at least settles it. A
# tokenizer is there for padding.
#
# What is seen: without the tokenizer the model trains on `labels`. With it, on `label`, with label_names or without:
# both columns are kept, and DataCollatorWithPadding overwrites `labels` by `label` (and that by `label_ids`, if there
# is one), while default_data_collator lets `labels` win. Evaluation reads the same column as training, so that
# evaluate() says an accuracy of 1.0 both times. The names that the model then answers with are those of the rows in
# all cases without the tokenizer, and in one third with it: entailment and contradiction have changed places. A log
# line names the columns that are dropped; neither of these two is among them.
#
# Why it matters: a mended column beside the old one is the usual result of a map(): classes in the order of a
# checkpoint, labels after a review of doubtful ones, stars scaled for a regression. The mended column is then not used,
# training and evaluation agree about it, and an arm "with cleaned labels" comes out as the one without.
#
# Where: transformers/data/data_collator.py, DataCollatorWithPadding.__call__ against torch_default_data_collator;
# transformers/trainer.py, _set_signature_columns_if_needed, which always keeps `label` and `label_ids`.
# A cure: remove_columns("label"), always.
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
import io
import logging
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
log = io.StringIO()
logging.getLogger("transformers").addHandler(logging.StreamHandler(log))
folder = Path(sys.argv[1])
random = np.random.default_rng(0)
of_the_set = ["entailment", "neutral", "contradiction"]
of_the_model = ["contradiction", "neutral", "entailment"]
marks = ["so", "perhaps", "never"]
filler = ["it", "rains", "today", "here"]
words = ["[PAD]", "[UNK]", *filler, *marks]
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]")),
    pad_token="[PAD]",
    unk_token="[UNK]",
    model_input_names=["input_ids", "attention_mask"],
)
tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()


def rows(number):
    labels = random.integers(0, 3, number).tolist()
    texts = [" ".join([marks[label], *random.choice(filler, 5)]) for label in labels]
    data = datasets.Dataset.from_dict({"text": texts, "label": labels})
    data = data.cast_column("label", datasets.ClassLabel(names=of_the_set))
    data = data.map(lambda batch: tokenizer(batch["text"]), batched=True)
    return data.map(lambda row: {"labels": of_the_model.index(of_the_set[row["label"]])})


train, test = rows(96), rows(60)
names = [of_the_set[label] for label in test["label"]]


def accuracy(answer):
    return {"accuracy": float((answer.predictions.argmax(1) == answer.label_ids).mean())}


def run(train, test, **options):
    """What evaluate() says, and the share of the rows to which the model gives their own name."""
    label_names = options.pop("label_names", None)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        id2label=dict(enumerate(of_the_model)), label2id={name: i for i, name in enumerate(of_the_model)},
    )
    model = BertForSequenceClassification(config)
    arguments = TrainingArguments(
        output_dir=str(folder / "out"), num_train_epochs=12, learning_rate=5e-3, per_device_train_batch_size=8,
        use_cpu=True, report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True, seed=0,
        label_names=label_names,
    )
    trainer = Trainer(
        model=model, args=arguments, train_dataset=train, eval_dataset=test, compute_metrics=accuracy, **options
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    reported = trainer.evaluate()["eval_accuracy"]
    model.eval()
    with torch.no_grad():
        logits = model(**tokenizer(test["text"][:], return_tensors="pt")).logits
    given = [model.config.id2label[number] for number in logits.argmax(1).tolist()]
    return reported, float(np.mean([one == other for one, other in zip(given, names, strict=True)]))


with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    found = {
        "no tokenizer": run(train, test),
        "tokenizer": run(train, test, processing_class=tokenizer),
        "tokenizer, label_names": run(train, test, processing_class=tokenizer, label_names=["labels"]),
        "tokenizer, label removed": run(
            train.remove_columns("label"), test.remove_columns("label"), processing_class=tokenizer
        ),
    }
for way, (reported, named) in found.items():
    print(f"{way:26s} evaluate() says {reported:.2f}; rows that get their own name: {named:.2f}")
ignored = sorted({line.split("have been ignored: ")[1].split(". If")[0] for line in log.getvalue().splitlines() if "been ignored" in line})
said = [str(w.message) for w in told if "label" in str(w.message)]
print("columns said to be ignored:", ignored, " warnings about labels:", said)


def check(holds, message):
    if not holds:
        sys.exit(f"changed: {message}")


for way, (reported, named) in found.items():
    check(reported > 0.95, f"{way}: evaluate() says {reported}")
    if way in ("tokenizer", "tokenizer, label_names"):
        check(named < 0.6, f"{way}: {named} of the rows get their own name")
    else:
        check(named > 0.95, f"{way}: {named} of the rows get their own name")
check(ignored == ["text"], f"columns said to be ignored: {ignored}")
check(not said, f"there are warnings now: {said}")
print("STILL SO: with its tokenizer the Trainer trains on label, without it on labels")
PY
TRANSFORMERS_VERBOSITY=info HF_HUB_OFFLINE=1 HF_HOME="$work/hf" OMP_NUM_THREADS=1 \
    "$work/venv/bin/python" "$work/seen.py" "$work" 2> "$work/errors" || { tail -5 "$work/errors" >&2; exit 1; }
