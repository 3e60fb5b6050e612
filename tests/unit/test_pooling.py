"""The pooling that an encoder's folder states, and what `embedding: auto` makes of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from trainable.encoder import load_encoder
from trainable.encoder.pooling import stated_pooling
from trainable.errors import ConfigError, EncoderError


@pytest.fixture
def encoder(tiny_bert: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_bert, folder)
    return folder


def state(folder: Path, **modes: bool) -> None:
    """Write the modules of sentence-transformers as it saves them: the encoder, its pooling, a scaling."""
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (path, kind) in enumerate(kinds.items())
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    config = {"word_embedding_dimension": 16} | {f"pooling_mode_{name}": on for name, on in modes.items()}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))
    (folder / "2_Normalize").mkdir()


@pytest.mark.parametrize(("mode", "expected"), [("cls_token", "cls"), ("mean_tokens", "mean"), ("lasttoken", "last")])
def test_auto_is_the_stated_pooling(mode: str, expected: str, encoder: Path) -> None:
    state(encoder, **{"cls_token": False, "mean_tokens": False} | {mode: True})
    assert stated_pooling(str(encoder), None) == expected
    assert load_encoder(str(encoder), None, 2).embedding_for("auto") == expected


def test_an_encoder_in_a_folder_of_its_own_is_refused_with_the_way_to_a_usable_one(encoder: Path) -> None:
    inner = encoder / "0_Transformer"
    inner.mkdir()
    for file in [each for each in encoder.iterdir() if each.is_file()]:
        file.rename(inner / file.name)
    state(encoder, mean_tokens=True)
    modules = json.loads((encoder / "modules.json").read_text())
    modules[0]["path"] = inner.name
    (encoder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(EncoderError, match=r"lie in '0_Transformer' there.*save_pretrained"):
        load_encoder(str(encoder), None, 2)


def test_auto_is_the_mean_where_the_folder_states_nothing(encoder: Path) -> None:
    assert stated_pooling(str(encoder), None) is None
    assert load_encoder(str(encoder), None, 2).embedding_for("auto") == "mean"


def test_the_packaged_encoder_states_the_mean() -> None:
    assert stated_pooling("all-MiniLM-L6-v2", None) == "mean"


@pytest.mark.parametrize(
    ("modes", "named"),
    [
        ({"max_tokens": True}, "max"),
        ({"cls_token": True, "mean_tokens": True}, "cls and mean"),
        ({"weightedmean_tokens": True}, "weightedmean"),
        ({}, "of nothing"),
    ],
)
def test_another_pooling_is_refused_with_what_can_be_set_instead(
    modes: dict[str, bool], named: str, encoder: Path
) -> None:
    state(encoder, **modes)
    with pytest.raises(ConfigError, match=f"pooling {named}: choose one by embedding: mean, cls or last"):
        stated_pooling(str(encoder), None)


def test_a_pooling_that_cannot_be_read_is_refused_and_not_guessed(encoder: Path) -> None:
    state(encoder, mean_tokens=True)
    (encoder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": ')
    with pytest.raises(EncoderError, match=r"1_Pooling/config\.json is not .*: save it anew"):
        stated_pooling(str(encoder), None)
