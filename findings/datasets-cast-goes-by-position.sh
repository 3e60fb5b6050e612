#!/usr/bin/env bash
# A class column of `datasets` is filled by name on one road and by position on another, in silence.
#
# Versions: datasets 5.2.0, pyarrow 25.0.1, pandas 3.1.1, Python 3.11. No torch, no network beyond PyPI.
#
# The input: a csv file of reviews with one to four stars (nobody gave five), and the class names
# "1" to "5", which is how star ratings are named everywhere.
#
# What a good guess expects: to declare the label column as ClassLabel(names=["1", ..., "5"]) gives
# the same data whether it is declared while the file is read or right after it: a review with
# 1 star is of the class "1". Where names do not fit, an error. And casting a class column to a
# ClassLabel with the same names in another order keeps each text's class.
#
# What is seen:
#   - load_dataset("csv", features=...)         1 star is class "1"       (by name)
#   - class_encode_column("label")              1 star is class "1"       (by name)
#   - cast_column("label", ...) of strings      1 star is class "1"       (by name)
#   - load_dataset("csv").cast_column(...)      1 star is class "2", 2 stars are "3", ... (by position)
#   - cast_column of a ["neg", "pos"] column to ["pos", "neg"]: every text changes its class.
#   No error and no warning. One call, cast_column, goes by name or by position, and what decides is
#   whether the csv reader took the column for text or for numbers. concatenate_datasets is careful
#   (it refuses class columns whose names differ), which makes the silence of the cast more surprising.
#
# Why it matters: few-shot sets are read from small csv files and cast, so that a stratified split
# works and so that names reach the model's id2label. All accuracies stay as they were (a classifier
# learns shifted numbers just as well), so no score shows it: only the names in the predictions that
# are served, in the per-class table and in the confusion matrix are those of other classes. Two sets
# whose names are in another order, brought together by such a cast, train on opposite labels.
#
# Where: datasets/table.py, table_cast: pyarrow compares schemas without their metadata, so int64 to
# ClassLabel (an int64 with metadata) only exchanges the metadata; ClassLabel.cast_storage never runs.
# huggingface/datasets issue 8494 reports another symptom of the same line (numbers out of range).
# A cure: map(lambda row: {"label": classes.str2int(str(row["label"]))}), align_labels_with_mapping,
# or features= while reading.
#
# Exit 0: still so. Otherwise: a message and a non-zero status.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check \
    datasets==5.2.0 pyarrow==25.0.1 pandas==3.1.1 numpy==2.4.6 fsspec==2026.9.0 \
    dill==0.4.1 multiprocess==0.70.19 xxhash==4.1.0 huggingface_hub==2.4.0

cat > "$work/seen.py" <<'PY'
import sys
import warnings
from pathlib import Path

import datasets
from datasets import ClassLabel, Dataset, Features, Value, concatenate_datasets, load_dataset

datasets.disable_progress_bars()
folder = Path(sys.argv[1])
cache = str(folder / "cache")
reviews = folder / "reviews.csv"
reviews.write_text("text,label\nawful,1\nnot good,2\nfair,3\nquite good,4\n", encoding="utf-8")
stars = ClassLabel(names=["1", "2", "3", "4", "5"])


def named(data):
    column = data.features["label"]
    return dict(zip(data["text"], [column.int2str(number) for number in data["label"]], strict=True))


def read(**options):
    return load_dataset("csv", data_files=str(reviews), cache_dir=cache, split="train", **options)


with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    plain = read()
    roads = {
        "features= while reading": named(read(features=Features({"text": Value("string"), "label": stars}))),
        "class_encode_column": named(plain.class_encode_column("label")),
        "cast_column of strings": named(
            Dataset.from_dict({"text": plain["text"][:], "label": [str(n) for n in plain["label"]]}).cast_column("label", stars)
        ),
        "cast_column of what was read": named(plain.cast_column("label", stars)),
    }
    mood = Dataset.from_dict({"text": ["lovely", "dreadful"], "label": ["pos", "neg"]})
    first = mood.cast_column("label", ClassLabel(names=["neg", "pos"]))
    second = first.cast_column("label", ClassLabel(names=["pos", "neg"]))

for road, classes in roads.items():
    print(f"{road:30s} {classes}")
print("names neg, pos                ", named(first))
print("then cast to names pos, neg   ", named(second))
label_warnings = [str(w.message) for w in told if "label" in str(w.message).lower()]
print("warnings about labels:", label_warnings)

right = {"awful": "1", "not good": "2", "fair": "3", "quite good": "4"}
shifted = {"awful": "2", "not good": "3", "fair": "4", "quite good": "5"}
by_position = roads.pop("cast_column of what was read")
for road, classes in roads.items():
    if classes != right:
        sys.exit(f"changed: {road} gives {classes}")
if by_position != shifted:
    sys.exit(f"changed: the cast of numbers gives {by_position}, not each review one star more")
if named(first) != {"lovely": "pos", "dreadful": "neg"}:
    sys.exit(f"changed: strings are cast to {named(first)}")
if named(second) != {"lovely": "neg", "dreadful": "pos"}:
    sys.exit(f"changed: the cast to another order of names gives {named(second)}")
if label_warnings:
    sys.exit("changed: the cast warns now")
try:
    concatenate_datasets([first, second])
except ValueError:
    print("concatenate_datasets refuses the two orders of names")
else:
    sys.exit("changed: concatenate_datasets takes class columns whose names differ")
print("STILL SO: each review has one star more than its writer gave, and lovely is neg")
PY
HF_HUB_OFFLINE=1 HF_HOME="$work/hf" OMP_NUM_THREADS=1 "$work/venv/bin/python" "$work/seen.py" "$work"
