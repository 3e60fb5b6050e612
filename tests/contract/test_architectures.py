"""Whatever its architecture, an encoder scores a row regardless of the rows beside it, or it is refused in words."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from sweep.cli.commands import main
from tests.sweeps.tiny_encoders import ARCHITECTURES, KINDS, write_architecture
from trainable.batching import tokenise
from trainable.classifier import Classifier
from trainable.config import TrialConfig
from trainable.datasets.text_data import Rows
from trainable.encoder import check_encoder, load_encoder
from trainable.encoder.encoder import PROVEN, Encoder
from trainable.errors import ConfigError, EncoderError
from trainable.evaluation.inference import run_encoder
from trainable.kept.temperature import shifted, tempered
from trainable.training import replicates

NO_VOCABULARY = "must embed the tokens of a vocabulary"
NO_STATES = "must score rows of"
LEAKS = "must not depend on the rows beside it"
REFUSED = {
    "big_bird": LEAKS,  # its blocks change with the length of the batch
    "canine": NO_VOCABULARY,
    "convbert": LEAKS,  # its convolutions reach into the padding
    "fnet": LEAKS,  # it has no attention mask
    "funnel": NO_STATES,  # it pools its states
    "perceiver": NO_VOCABULARY,
    "t5": "must be a single stack",
    "xlnet": LEAKS,  # its head reads the last token of the batch
    "yoso": LEAKS,  # it hashes padding too
}
CAUSAL = {"gpt2", "gpt_neox", "llama", "opt"}
ACCEPTED = sorted({*ARCHITECTURES, *KINDS} - set(REFUSED))
TEXTS = ("the film is good", "the film is awful", "a", "red green blue " * 12, "was it a great film?", "poor " * 30)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {
        kind: write_architecture(tmp_path_factory.mktemp(kind), kind)
        for kind in dict.fromkeys((*ARCHITECTURES, *KINDS))
    }


def outputs(encoder: Encoder, chosen: list[int], embedding: Any) -> tuple[torch.Tensor, torch.Tensor]:
    rows = tokenise(ROWS, encoder, 48)
    found = run_encoder(encoder.model, rows, np.array(chosen), device=CPU, bf16=False, embedding=embedding)
    assert found.embeddings_ND is not None
    return found.logits_NC, found.embeddings_ND


ROWS = Rows(texts=TEXTS, pairs=None, labels_N=np.zeros(len(TEXTS), dtype=np.int64))


@pytest.mark.parametrize("kind", ACCEPTED)
def test_a_row_is_scored_alone_as_in_a_batch(kind: str, folders: dict[str, Path]) -> None:
    encoder = load_encoder(str(folders[kind]), None, 3)
    encoder.check_length(encoder.longest_input)
    encoder.reset(0)
    every = list(range(len(TEXTS)))
    for embedding in ("cls", "mean", "tokens"):
        together = outputs(encoder, every, embedding)
        for row in every:
            for found, wanted in zip(outputs(encoder, [row], embedding), together, strict=True):
                rounding = 1e-5 * max(1.0, float(wanted.abs().max()))
                torch.testing.assert_close(found[0], wanted[row], rtol=1e-4, atol=rounding)


@pytest.mark.parametrize("kind", ACCEPTED)
def test_the_default_embedding_sees_the_text(kind: str, folders: dict[str, Path]) -> None:
    encoder = load_encoder(str(folders[kind]), None, 3)
    embedding = encoder.embedding_for(None)
    assert embedding == ("mean" if kind in CAUSAL else "cls")
    good, awful = outputs(encoder, [0, 1], embedding)[1]
    assert F.cosine_similarity(good, awful, dim=0) < 0.999


@pytest.mark.parametrize("kind", ACCEPTED)
def test_shift_and_temperature_of_its_own_head_are_kept(kind: str, folders: dict[str, Path], tmp_path: Path) -> None:
    encoder = load_encoder(str(folders[kind]), None, 3)
    encoder.reset(0)
    fields: Any = {"labels": ("a", "b", "c"), "tokenizer": encoder.tokenizer, "head": {"kind": "own"}}
    plain = Classifier(model=copy.deepcopy(encoder.model), **fields)
    shift_C, before_NC = np.array([0.5, -1.0, 2.0]), plain.scores(TEXTS)
    tempered(shifted(plain, shift_C), 2.0).save(tmp_path)
    found_NC = Classifier.load(tmp_path).scores(TEXTS)
    torch.testing.assert_close(found_NC, (before_NC + torch.from_numpy(shift_C).float()) / 2, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_other_architectures_are_refused_in_words(kind: str, folders: dict[str, Path]) -> None:
    for check in (
        lambda: load_encoder(str(folders[kind]), None, 3),
        lambda: check_encoder(str(folders[kind]), None, 48),
    ):
        with pytest.raises(EncoderError, match=REFUSED[kind]) as error:
            check()
        assert str(folders[kind]) in str(error.value)
        assert kind in str(error.value)


def test_the_kinds_that_are_not_loaded_to_be_checked_are_those_tested_here() -> None:
    assert PROVEN - {"camembert"} == set(KINDS)  # whose code is that of roberta


@pytest.mark.parametrize("kind", sorted(CAUSAL))
def test_a_first_token_that_cannot_see_the_text_is_refused(kind: str, folders: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match=r"must see the text.*embedding: cls: set embedding: mean"):
        check_encoder(str(folders[kind]), None, 48, "cls")
    with pytest.raises(ConfigError, match=r"must see the text.*embedding: tokens: set embedding: mean"):
        check_encoder(str(folders[kind]), None, 48, "tokens", published=True)
    check_encoder(str(folders[kind]), None, 48)
    check_encoder(str(folders[kind]), None, 48, "tokens")


def test_a_first_token_that_a_folder_states_and_that_cannot_see_the_text_is_refused(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(folders["gpt2"], tmp_path / "stated")
    (folder / "1_Pooling").mkdir()
    modules = [("Transformer", ""), ("Pooling", "1_Pooling")]
    listed = [{"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in modules]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode": "cls"}')
    with pytest.raises(
        ConfigError, match=r"must see the text.*received the pooling cls of its folder: set embedding: m"
    ):
        check_encoder(str(folder), None, 48, "auto")
    check_encoder(str(folder), None, 48, "mean")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "embedding", "rule"),
    [("gpt2", "cls", "set embedding: mean"), ("canine", "mean", NO_VOCABULARY), ("fnet", "mean", LEAKS)],
)
def test_a_sweep_ends_before_it_begins(
    kind: str, embedding: str, rule: str, folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "spec.yaml"
    compare = {"dataset": ["support"], "shots": [2], "loss": ["supcon"], "embedding": sorted({"mean", embedding})}
    spec.write_text(json.dumps({"name": "odd", "compare": compare, "trial": {"encoder": str(folders[kind])}}))
    for command in (["plan", str(spec), "--no-timing"], ["run", str(spec), "--dir", str(tmp_path)]):
        assert main(command) == 2
        error = capsys.readouterr().err
        assert rule in " ".join(error.split())
        assert "Traceback" not in error


def test_a_causal_decoder_is_trained_by_the_mean(folders: dict[str, Path]) -> None:
    def scores(**fields: Any) -> list[Any]:
        data = {"dataset": {"name": "support"}, "shots": 2, "validation": 12, "steps": 2, "encoder_lr": 1e-3}
        settings = {"replicates": 1, "evaluations": 1, "loss": {"name": "supcon"}, "beta": 0.0}
        config = TrialConfig.model_validate({"encoder": str(folders["gpt2"]), **data, **settings, **fields})
        return [evaluation.metrics["train_metric_loss"] for evaluation in replicates(config)]

    assert scores() == scores(embedding="mean")
    with pytest.raises(ConfigError, match="set embedding: mean"):
        scores(embedding="cls")


def test_rows_are_padded_by_the_token_of_the_tokenizer(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["gpt2"], tmp_path / "gpt2")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "pad_token_id": 5}))  # a word
    encoder = load_encoder(str(folder), None, 3)
    every = list(range(len(TEXTS)))
    together = outputs(encoder, every, "mean")[0]
    alone = torch.cat([outputs(encoder, [row], "mean")[0] for row in every])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)


def test_trying_an_encoder_leaves_no_trace(folders: dict[str, Path], capfd: pytest.CaptureFixture[str]) -> None:
    encoder = load_encoder(str(folders["longformer"]), None, 3)
    before = torch.get_rng_state()
    encoder.model.train()
    encoder.check_length(60)
    assert encoder.model.training
    assert torch.equal(before, torch.get_rng_state())
    assert capfd.readouterr() == ("", "")
