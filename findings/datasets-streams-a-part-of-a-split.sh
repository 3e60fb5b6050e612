#!/usr/bin/env bash
# A split of which a shard is missing is read without a word by `datasets`: streamed even where the card says how many
# rows there are, and loaded wherever no card lies beside the files.
#
# Versions: datasets 5.2.0, pyarrow 25.0.1, pandas 3.1.1, Python 3.11. No torch, no network beyond PyPI.
#
# The input: a folder as `push_to_hub` makes it, sorted by class: data/train-00000-of-00003.parquet and so on, five
# rows each, and a README.md whose `dataset_info` states 15 rows. Then the second shard is not there, as after a copy
# or a download that was cut short. The same without the README.md, and as jsonl.
#
# What a good guess expects: the names say "of 3", the card says 15, and save_to_disk's folders raise
# FileNotFoundError in this case. So does this, or at least all ways to read the folder do the same.
#
# What is seen:
#   load_dataset(folder), with the card               NonMatchingSplitsSizesError: 15 expected, 10 recorded
#   load_dataset(folder, streaming=True), the same    10 rows; the loaded split's own `info` still says 15
#   load_dataset(folder), without the card            10 rows
#   load_dataset("parquet", data_dir=...), jsonl      10 rows
#   One of three classes is gone. No error, no warning.
#
# Why it matters: few-shot data are often sorted by class, so a lost shard is a lost class, and not some noise: scores
# rise, since the task has become easier. Files that were moved by hand (rsync, a bucket, git without the large files)
# have no card as a rule. And who debugs by streaming=True, to be quick, sees another data set than who loads it.
#
# Where: the split of a file is found by its name (datasets/data_files.py: KEYWORDS, and SPLIT_PATTERN_SHARDED for
# "-00000-of-00003"); the number after "of" is matched and never used. Counts of rows are compared with the card by
# verify_splits (datasets/utils/info_utils.py), which only the builder that prepares a whole split calls.
# A cure: compare the numbers in the names yourself, or the length with info.splits[...].num_examples.
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
import pandas as pd
from datasets import load_dataset
from datasets.exceptions import NonMatchingSplitsSizesError

datasets.disable_progress_bars()
folder = Path(sys.argv[1])
CARD = """---
dataset_info:
  features:
  - {name: text, dtype: string}
  - {name: label, dtype: int64}
  splits:
  - {name: train, num_bytes: 300, num_examples: 15}
  download_size: 9000
  dataset_size: 300
configs:
- config_name: default
  data_files:
  - {split: train, path: data/train-*}
---
"""


def written(name, *, card, suffix="parquet"):
    place = folder / name
    (place / "data").mkdir(parents=True)
    for shard in (0, 2):  # the second of three is missing
        rows = pd.DataFrame({"text": [f"text {shard}.{row}" for row in range(5)], "label": [shard] * 5})
        path = place / "data" / f"train-{shard:05d}-of-00003.{suffix}"
        rows.to_parquet(path) if suffix == "parquet" else rows.to_json(path, orient="records", lines=True)
    if card:
        (place / "README.md").write_text(CARD, encoding="utf-8")
    return str(place)


def classes(found):
    return Counter(row["label"] for row in found)


with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    stated = written("stated", card=True)
    try:
        loaded = classes(load_dataset(stated, split="train"))
    except NonMatchingSplitsSizesError as error:
        loaded = type(error).__name__
    stream = load_dataset(stated, split="train", streaming=True)
    streamed = classes(stream)
    bare = written("bare", card=False)
    without = classes(load_dataset(bare, split="train"))
    by_kind = classes(load_dataset("parquet", data_dir=f"{bare}/data", split="train"))
    lines = classes(load_dataset(written("lines", card=False, suffix="jsonl"), split="train"))
print("with the card:", loaded)
print("streamed:", dict(streamed), "of", stream.info.splits["train"].num_examples)
print("without the card:", dict(without), dict(by_kind), dict(lines))
print("warnings:", len([each for each in warned if issubclass(each.category, UserWarning)]))

assert loaded == "NonMatchingSplitsSizesError", "a loaded split is not compared with its card"
assert streamed == {0: 5, 2: 5}, "a stream is compared with the card"
assert stream.info.splits["train"].num_examples == 15
assert without == by_kind == lines == {0: 5, 2: 5}, "the numbers in the names are compared"
PY

PYTHONPATH= HF_HUB_OFFLINE=1 HF_HOME="$work/home" "$work/venv/bin/python" "$work/seen.py" "$work" || {
    echo "datasets reads a split that lacks a shard otherwise than described here" >&2
    exit 1
}
echo "a split that lacks a shard is read in silence, and streamed against its own card"
