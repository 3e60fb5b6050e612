"""Files of an encoder that hold no weights to be read are told before a sweep, without loading them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from trainable.encoder import check_encoder
from trainable.errors import EncoderError

_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n"


def _renamed(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model.fp16.safetensors")


def _without_index(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")


def _in_parts(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    parts = {"one": "model-1.safetensors", "two": "model-2.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))


def _pointing(file: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / file).write_text(_POINTER)

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_renamed, "stand in model.safetensors, or in parts .*; .* has 'model.fp16.safetensors' and neither of them"),
        (_without_index, "beside model.safetensors.index.json; .* has 'model-00001-of-00002.safetensors' and neither"),
        (_in_parts, "all parts .* must be there; .* names 'model-2.safetensors', which is not: fetch it"),
        (_pointing("model.safetensors"), "model.safetensors of .* is a pointer of Git LFS, .*: run `git lfs pull`"),
        (_pointing("tokenizer.json"), "tokenizer.json of .* is a pointer of Git LFS"),
    ],
)
def test_weights_that_are_not_there_are_refused_before_a_sweep(
    damage: Callable[[Path], None], message: str, tiny_bert: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_bert, tmp_path / "copy")
    check_encoder(str(folder), None, 16, "mean")
    damage(folder)
    with pytest.raises(EncoderError, match=message):
        check_encoder(str(folder), None, 16, "mean")
