#!/usr/bin/env bash
# One label of a csv file becomes two classes in `datasets`: "007" in the first rows, "7" in later ones.
#
# Versions: datasets 5.2.0, pandas 3.1.1, pyarrow 25.0.1, Python 3.11. No torch, no network beyond PyPI.
#
# The input: a csv file of 20,000 texts, sorted as exports are, whose labels are the codes "B12" and "007" in the
# first half, and "007" and "010" in the second. Then a training and a test file of four rows: the first has the
# labels "B12" and "007", the second "007" and "010".
#
# What a good guess expects: a csv column has one type. Either it is read as numbers, and "B12" is an error (as it is
# if the halves are exchanged), or as text, and "007" is "007" everywhere. The features say Value("large_string"), so
# it is text.
#
# What is seen: four classes instead of three. The reader takes 10,000 rows at a time, guesses the types of each piece
# and each file alone, and then casts them to those of the first: "007" of a later piece has been the number 7 by
# then, and becomes the text "7". Across files likewise: the test part's labels are "7" and "10", of which the
# training part knows neither. No warning; the features are the same text type for all.
#
# Why it matters: codes are the usual names of intents, ICD chapters, product groups, and a set that is sorted by
# class is how they are exported. class_encode_column then finds classes that do not exist, a class is split in two
# by its row number, and a k-shot draw takes k of each half. In a test part the class is always missed.
#
# Where: datasets/packaged_modules/csv/csv.py (pandas.read_csv with chunksize 10,000, then a cast of each table). A
# cure: features=Features(...) or dtype=str in load_dataset("csv", ...). A set on the hub whose files are csv is read
# by the same code, and takes the types that its card declares, if it does.
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
from collections import Counter
from pathlib import Path

import datasets
from datasets import Features, Value, load_dataset

datasets.disable_progress_bars()
folder = Path(sys.argv[1])


def written(name, *labels):
    path = folder / f"{name}.csv"
    rows = "".join(f"text {number},{label}\n" for number, label in enumerate(labels))
    path.write_text("text,label\n" + rows, encoding="utf-8")
    return str(path)


def read(files, **options):
    found = load_dataset("csv", data_files=files, cache_dir=str(folder / "cache"), **options)
    return {name: (str(part.features["label"]), Counter(part["label"])) for name, part in found.items()}


with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    whole = read(written("codes", *["B12", "007"] * 5000, *["007", "010"] * 5000))["train"]
    train, test = written("train", *["B12", "007"] * 2), written("test", *["007", "010"] * 2)
    parts = read({"train": train, "test": test})
text = Features({"text": Value("string"), "label": Value("string")})
declared = read(str(folder / "codes.csv"), features=text)["train"][1]
print("one file:", *whole)
print("train and test:", parts)
print("with its types declared:", declared)
print("warnings:", len([each for each in warned if issubclass(each.category, UserWarning)]))

assert "string" in whole[0], "the column is no text"
assert whole[1] == {"B12": 5000, "007": 5000, "7": 5000, "10": 5000}, "the label has one spelling"
assert parts["train"][0] == parts["test"][0] == whole[0], "the parts have other types"
assert not set(parts["test"][1]) & set(parts["train"][1]), "the parts share a class"
assert declared == {"B12": 5000, "007": 10000, "010": 5000}, "declared types do not help"
PY

PYTHONPATH= HF_HUB_OFFLINE=1 HF_HOME="$work/home" "$work/venv/bin/python" "$work/seen.py" "$work" || {
    echo "datasets reads codes in a csv file otherwise than described here" >&2
    exit 1
}
echo "one class of a csv file is read under two names"
