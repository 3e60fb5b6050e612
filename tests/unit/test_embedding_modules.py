"""What the folder of a sentence-transformers encoder states is done: the embeddings are the library's."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sweep.cli.commands import main
from trainable.config import DatasetConfig, TrialConfig
from trainable.datasets.text_data import Rows
from trainable.embeddings import FrozenEncoder
from trainable.encoder import check_encoder, load_encoder
from trainable.encoder.description import embedding_in_words
from trainable.encoder.digest import embedding_digest
from trainable.errors import ConfigError, EncoderError, TrainableError
from trainable.training import replicates

TEXTS = ("the film is good", "a", "red green blue red", "was it a great film?", "poor")
ROWS = Rows(texts=TEXTS, pairs=None, labels_N=np.zeros(len(TEXTS), dtype=np.int64))


Layer = Callable[[], Any]


def layer(kind: str, *given: Any, **named: Any) -> Layer:
    """What makes a module of the library, whose import takes seconds: not while tests are collected."""

    def make() -> Any:
        from sentence_transformers.sentence_transformer import modules

        return getattr(modules, kind)(*given, **named)

    return make


def saved(folder: Path, encoder: Path, after: Sequence[Layer] = (), pooling: str = "mean", **fields: Any) -> Path:
    """A folder as the library saves it."""
    from sentence_transformers import SentenceTransformer

    torch.manual_seed(0)
    modules = [make() for make in (layer("Transformer", str(encoder)), layer("Pooling", 32, pooling), *after)]
    SentenceTransformer(modules=modules, device="cpu", **fields).save_pretrained(str(folder / "saved"))
    return folder / "saved"


def config(encoder: Path, **fields: Any) -> TrialConfig:
    base = {"dataset": DatasetConfig(name="toy"), "shots": 4, "encoder": str(encoder), "embedding": "auto"}
    return TrialConfig.model_validate({**base, "prompt": "auto", **fields})


def embedded(trial: TrialConfig) -> Any:
    return FrozenEncoder.of(trial, 2).embed_all(ROWS)


def by_library(folder: Path, texts: Sequence[str] = TEXTS, **fields: Any) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu").encode(list(texts), **fields)


LAYERS: dict[str, list[Layer]] = {
    "none": [],
    "scaling": [layer("Normalize")],
    "a dense layer": [layer("Dense", 32, 12)],
    "a dense layer and scaling": [layer("Dense", 32, 12, activation_function=torch.nn.GELU()), layer("Normalize")],
    "without a bias": [layer("Dense", 32, 8, bias=False, activation_function=torch.nn.Identity())],
    "two, of which one adds": [layer("Dense", 32, 32, use_residual=True), layer("Dense", 32, 16, use_residual=True)],
}


@pytest.mark.lengthy
@pytest.mark.parametrize("pooling", ["cls", "mean", "lasttoken"])
def test_the_pooling_is_the_library_s(pooling: str, tiny_bert: Path, tmp_path: Path) -> None:
    folder = saved(tmp_path, tiny_bert, pooling=pooling)
    found = embedded(config(folder))
    np.testing.assert_allclose(found, by_library(folder), atol=2e-6)
    explicit = {"lasttoken": "last"}.get(pooling, pooling)
    assert np.array_equal(embedded(config(folder, embedding=explicit)), found)


@pytest.mark.lengthy
@pytest.mark.parametrize("layers", LAYERS)
def test_the_layers_after_the_pooling_are_the_library_s(layers: str, tiny_bert: Path, tmp_path: Path) -> None:
    folder = saved(tmp_path, tiny_bert, LAYERS[layers])
    trial, wanted = config(folder), by_library(folder)
    np.testing.assert_allclose(embedded(trial), wanted, atol=2e-6)
    assert load_encoder(str(folder), None, 2).size_for("auto") == wanted.shape[1]
    plain = embedded(config(folder, embedding="mean"))
    assert plain.shape[1] == 32
    assert layers == "none" or not np.array_equal(plain, embedded(trial))


@pytest.mark.lengthy
def test_layers_compute_in_fp32_where_the_encoder_does_not(tiny_bert: Path, tmp_path: Path) -> None:
    folder = saved(tmp_path, tiny_bert, [layer("Dense", 32, 12)])
    found = embedded(config(folder, precision="bf16"))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_library(folder), atol=0.05)
    pooled = embedded(config(folder, precision="bf16", embedding="mean"))
    modules = load_encoder(str(folder), None, 2).modules_for("auto")
    assert modules is not None
    with torch.inference_mode():
        np.testing.assert_allclose(found, modules(torch.from_numpy(pooled)), atol=1e-6)


@pytest.mark.parametrize("stated", [True, False])
def test_texts_are_read_in_lower_case_where_the_folder_says_so(stated: bool, tiny_bert: Path, tmp_path: Path) -> None:
    folder = saved(tmp_path, tiny_bert)
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["normalizer"]["lowercase"] = False
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    before_6 = {"max_seq_length": 64, "do_lower_case": stated}
    (folder / "sentence_bert_config.json").write_text(json.dumps(before_6), encoding="utf-8")
    texts = ("The FILM is good", "the film is good", "A")
    rows = Rows(texts=texts, pairs=None, labels_N=np.zeros(len(texts), dtype=np.int64))
    found = FrozenEncoder.of(config(folder), 2).embed_all(rows)
    np.testing.assert_allclose(found, by_library(folder, texts), atol=2e-6)
    assert np.allclose(found[0], found[1]) == stated


PROMPTS = {"query": "red: ", "document": "", "task": "Instruct: find films\nQuery: "}


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("asked", "default", "text"),
    [
        ("auto", None, ""),
        ("auto", "query", "red: "),
        ("none", "query", ""),
        ("task", "query", "Instruct: find films\nQuery: "),
        ("blue: ", "query", "blue: "),
    ],
)
def test_the_prompt_is_the_library_s(
    asked: str, default: str | None, text: str, tiny_bert: Path, tmp_path: Path
) -> None:
    folder = saved(tmp_path, tiny_bert, prompts=PROMPTS, default_prompt_name=default)
    assert load_encoder(str(folder), None, 2).prompt(asked) == text
    np.testing.assert_allclose(embedded(config(folder, prompt=asked)), by_library(folder, prompt=text), atol=2e-6)
    if asked == "auto":
        np.testing.assert_allclose(embedded(config(folder)), by_library(folder), atol=2e-6)


@pytest.mark.lengthy
def test_a_word_that_names_no_prompt_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    folder = str(saved(tmp_path, tiny_bert, prompts=PROMPTS))
    with pytest.raises(ConfigError, match=r"received 'qurey'.*it states `?document`?, `?query`?.*task"):
        check_encoder(folder, None, 32, "auto", prompt="qurey")
    with pytest.raises(ConfigError, match="it states none: choose one of these, or write the text out"):
        check_encoder(str(tiny_bert), None, 32, "auto", prompt="query")


def test_a_prompt_that_is_not_pooled_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    folder = saved(tmp_path, tiny_bert, prompts=PROMPTS)
    pooling = folder / "1_Pooling" / "config.json"
    pooling.write_text(json.dumps(json.loads(pooling.read_text()) | {"include_prompt": False}))
    with pytest.raises(ConfigError, match=r"leave the prompt 'red: ' out of the pooling.*set prompt: none"):
        check_encoder(str(folder), None, 32, "auto", prompt="query")
    check_encoder(str(folder), None, 32, "auto", prompt="auto")


def test_the_prompt_stands_before_the_first_text_of_a_pair(tiny_bert: Path) -> None:
    from trainable.batching import tokenise

    encoder = load_encoder(str(tiny_bert), None, 2)
    pairs = Rows(texts=("good film",), pairs=("blue",), labels_N=np.zeros(1, dtype=np.int64))
    written = Rows(texts=("red: good film",), pairs=("blue",), labels_N=np.zeros(1, dtype=np.int64))
    assert tokenise(pairs, encoder, 32, "red: ").ids_L.tolist() == tokenise(written, encoder, 32).ids_L.tolist()
    assert tokenise(pairs, encoder, 32).ids_L.tolist() != tokenise(written, encoder, 32).ids_L.tolist()


@pytest.mark.lengthy
def test_an_embedding_is_cut_as_the_folder_says(tiny_bert: Path, tmp_path: Path) -> None:
    folder = saved(tmp_path, tiny_bert, [layer("Dense", 32, 12), layer("Normalize")], truncate_dim=5)
    trial, wanted = config(folder), by_library(folder)
    assert wanted.shape[1] == 5
    np.testing.assert_allclose(embedded(trial), wanted, atol=2e-6)
    assert load_encoder(str(folder), None, 2).size_for("auto") == 5
    assert "scaled to length 1, cut to 5 numbers" in embedding_in_words(trial)
    longer = saved(tmp_path / "longer", tiny_bert, truncate_dim=64)
    np.testing.assert_allclose(embedded(config(longer)), by_library(longer), atol=2e-6)


@pytest.mark.parametrize(
    ("fields", "recipe"),
    [
        ({"embedding": "auto"}, "frozen"),
        ({"embedding": "auto", "head": "centroid", "steps": 2, "evaluations": 1}, "fine_tune"),
        pytest.param({"max_steps": 2}, "setfit", marks=pytest.mark.slow),
    ],
)
def test_a_kept_classifier_reads_embeddings_that_are_cut(
    fields: dict[str, Any], recipe: str, tiny_bert: Path, tmp_path: Path, toy_csv: Path
) -> None:
    from trainable.classifier import Classifier
    from trainable.refitting import refit

    folder = saved(tmp_path, tiny_bert, [layer("Normalize")], truncate_dim=5)
    data = DatasetConfig(name="toy", path=str(toy_csv))
    base = {"dataset": data, "shots": 4, "encoder": str(folder)}
    own = {"recipe": {"name": recipe, **fields}} if recipe == "setfit" else {"recipe": {"name": recipe}, **fields}
    made = refit(TrialConfig.model_validate({**base, **own}), shots=4).classifier
    made.save(tmp_path / "kept")
    read = Classifier.load(tmp_path / "kept")
    assert read.embeddings(read.tokens(["a film"])).shape == (1, 5)
    torch.testing.assert_close(read.scores(TEXTS), made.scores(TEXTS))


def of_tokens() -> Any:
    return layer("Normalize", module_input_name="token_embeddings")()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ([of_tokens], [], "the modules Transformer, Normalize, Pooling: leave them out"),
        ([], [of_tokens], "2_Normalize states token_embeddings"),
        ([], [layer("Pooling", 32, "cls")], "a module Pooling too"),
    ],
)
def test_modules_in_another_order_or_place_are_refused(
    before: Sequence[Layer], after: Sequence[Layer], said: str, tiny_bert: Path, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    made = [layer("Transformer", str(tiny_bert)), *before, layer("Pooling", 32, "mean"), *after]
    folder = str(tmp_path / "saved")
    SentenceTransformer(modules=[make() for make in made], device="cpu").save_pretrained(folder)
    with pytest.raises(ConfigError, match=said):
        check_encoder(folder, None, 32, "auto")
    check_encoder(folder, None, 32, "mean")


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"config_args": {"num_hidden_layers": 1}}, "trained with num_hidden_layers"),
        ({"tokenizer_args": {"truncation_side": "left", "padding_side": "left"}}, "trained with truncation_side"),
        ({"processing_kwargs": {"text": {"add_special_tokens": False}}}, "trained with add_special_tokens"),
        ({"modality_config": {"text": {"method": "forward", "method_output_name": "pooler_output"}}}, "pooler_output"),
        ({"model_args": {"attn_implementation": "eager", "torch_dtype": "bfloat16"}}, None),
    ],
)
def test_an_encoder_that_is_read_otherwise_is_refused(
    stated: dict[str, Any], said: str | None, tiny_bert: Path, tmp_path: Path
) -> None:
    folder = saved(tmp_path, tiny_bert)
    path = folder / "sentence_bert_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | stated))
    check_encoder(str(folder), None, 32, "mean")
    refused = f"{said}.*leave that out by embedding: mean, cls or last"
    with nullcontext() if said is None else pytest.raises(ConfigError, match=refused):
        check_encoder(str(folder), None, 32, "auto")
    with nullcontext() if said is None else pytest.raises(ConfigError, match=refused):
        load_encoder(str(folder), None, 2).embedding_for("auto")


def test_other_modules_are_refused_and_can_be_left_out(tiny_bert: Path, tmp_path: Path) -> None:
    folder = str(saved(tmp_path, tiny_bert, [layer("Dropout", 0.1)]))
    checks: tuple[Callable[[], object], ...] = (
        lambda: check_encoder(folder, None, 32, "auto"),
        lambda: load_encoder(folder, None, 2).modules_for("auto"),
    )
    for check in checks:
        with pytest.raises(ConfigError, match="a module Dropout too: leave it out by embedding: mean, cls or last"):
            check()
    check_encoder(folder, None, 32, "mean")
    assert load_encoder(folder, None, 2).modules_for("mean") is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"activation_function": "torch.nn.modules.activation.Hardshrink"}, "states torch.nn.modules.activation.Hard"),
        ({"activation_function": "other.Tanh"}, r"states other\.Tanh"),
        ({"module_input_name": "token_embeddings"}, "states sentence_embedding and token_embeddings"),
        ({"in_features": 31}, "it takes 31 numbers, and gets 32"),
        ({"out_features": 5}, "size mismatch"),
        ({"bias": False}, "linear.bias"),
    ],
)
def test_dense_layers_that_cannot_be_used_are_refused(
    changed: dict[str, Any], said: str, tiny_bert: Path, tmp_path: Path
) -> None:
    folder = saved(tmp_path, tiny_bert, [layer("Dense", 32, 12)])
    path = folder / "2_Dense" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    with pytest.raises(TrainableError, match=said):
        load_encoder(str(folder), None, 2).modules_for("auto")


def test_modules_that_cannot_be_read_are_refused(tiny_bert: Path, tmp_path: Path) -> None:
    folder = saved(tmp_path, tiny_bert, [layer("Dense", 32, 12)])
    (folder / "2_Dense" / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(EncoderError, match=r"2_Dense of .* is not .*: save it anew"):
        load_encoder(str(folder), None, 2).modules_for("auto")


@pytest.mark.lengthy
def test_dense_layers_are_trained_and_each_replicate_starts_from_their_weights(
    tiny_bert: Path, tmp_path: Path, toy_csv: Path
) -> None:
    folder = saved(tmp_path, tiny_bert, [layer("Dense", 32, 12), layer("Normalize")])
    trial = config(
        folder,
        dataset=DatasetConfig(name="toy", path=str(toy_csv)),
        head="centroid",
        loss={"name": "soft_triple", "centers_per_class": 2},
        proxy_start="centroids",
        encoder_lr=1e-2,
        steps=3,
        evaluations=1,
        replicates=2,
    )
    modules = load_encoder(str(folder), None, 2).modules_for("auto")
    assert modules is not None
    before = {name: weight.clone() for name, weight in modules.state_dict().items()}
    first = [evaluation.metrics["val_loss"] for evaluation in replicates(trial)]
    assert all(not torch.equal(before[name], weight.cpu()) for name, weight in modules.state_dict().items())
    assert [evaluation.metrics["val_loss"] for evaluation in replicates(trial)] == first
    load_encoder(str(folder), None, 2).reset(0)
    assert all(torch.equal(before[name], weight.cpu()) for name, weight in modules.state_dict().items())


@pytest.mark.lengthy
def test_dense_layers_are_trained_as_published_too(tiny_bert: Path, tmp_path: Path, toy_csv: Path) -> None:
    folder = saved(tmp_path, tiny_bert, [layer("Dense", 32, 12)])
    fields = {"loss": {"name": "soft_triple"}, "compatibility": "published", "steps": 2, "evaluations": 1}
    data = DatasetConfig(name="toy", path=str(toy_csv))
    modules = load_encoder(str(folder), None, 2).modules_for("auto")
    assert modules is not None
    before = {name: weight.clone() for name, weight in modules.state_dict().items()}
    list(replicates(config(folder, dataset=data, replicates=1, encoder_lr=1e-2, **fields)))
    assert all(not torch.equal(before[name], weight.cpu()) for name, weight in modules.state_dict().items())
    assert all(weight.grad is None for weight in modules.parameters())


@pytest.mark.lengthy
def test_embeddings_of_other_modules_are_not_taken_for_these(tiny_bert: Path, tmp_path: Path) -> None:
    trials = [config(saved(tmp_path / name, tiny_bert, layers)) for name, layers in LAYERS.items() if layers]
    shown = [embedded(trial).tobytes() for trial in trials]
    assert len(set(shown)) == len(shown)


def test_a_sweep_knows_when_the_modules_change(tiny_bert: Path, tmp_path: Path) -> None:
    folder = saved(tmp_path, tiny_bert, [layer("Dense", 32, 12)])
    before = embedding_digest(config(folder))
    assert set(before) == {"1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors"}
    assert embedding_digest(config(folder, embedding="mean")) == {}
    path = folder / "2_Dense" / "config.json"
    path.write_text(path.read_text() + "\n")
    assert embedding_digest(config(folder)) != before


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "last token, dense layer from 32 to 12, scaled to length 1; prompt 'red: '"),
        ({"embedding": "mean", "prompt": "none"}, "mean of the tokens; no prompt"),
        ({"embedding": None, "prompt": None}, "the encoder's default embedding; no prompt"),
    ],
)
def test_how_an_embedding_is_made_in_words(fields: dict[str, Any], said: str, tiny_bert: Path, tmp_path: Path) -> None:
    folder = saved(
        tmp_path,
        tiny_bert,
        [layer("Dense", 32, 12), layer("Normalize")],
        pooling="lasttoken",
        prompts=PROMPTS,
        default_prompt_name="query",
    )
    assert embedding_in_words(config(folder, **fields)) == said


def test_plan_shows_how_the_packaged_encoder_embeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--no-timing", "--set", "compare.dataset=[support]", "--set", "trial.embedding=auto"]) == 0
    assert "encoder all-MiniLM-L6-v2: mean of the tokens, scaled to length 1; no prompt" in capsys.readouterr().out
