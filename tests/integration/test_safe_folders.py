"""Folders of encoders and data may come from anybody: nothing in them is run, and no link in them leads out of them."""

from __future__ import annotations

import json
import os
import pickle  # what others might leave in a folder
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainable import DatasetConfig
from trainable.datasets import load
from trainable.encoder import check_encoder, load_encoder
from trainable.errors import DataError, EncoderError

# ---- encoders --------------------------------------------------------------------------------------------------------


class Payload:
    """Unpickled, it leaves a file."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (str(self.sentinel), "w")


@pytest.fixture
def sentinel(tmp_path: Path) -> Path:
    return tmp_path / "executed"


@pytest.fixture
def payload(sentinel: Path) -> bytes:
    """A pickle that leaves the sentinel, as is tried here once."""
    content = pickle.dumps(Payload(sentinel))
    pickle.loads(content).close()  # noqa: S301
    sentinel.unlink()
    return content


def code(sentinel: Path) -> str:
    return f"open({str(sentinel)!r}, 'w').close()\nclass Evil: pass\n"


@pytest.fixture
def encoder(tiny_bert: Path, tmp_path: Path, sentinel: Path, payload: bytes) -> Path:
    """A sound encoder, among whose files are pickles and code that its configuration asks for."""
    folder = shutil.copytree(tiny_bert, tmp_path / "encoder")
    for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt", "model.pt", "model.pkl", ".metadata"):
        (folder / name).write_bytes(payload)
    for name in ("modeling_evil", "configuration_evil", "tokenization_evil", "__init__", "setup", "conftest"):
        (folder / f"{name}.py").write_text(code(sentinel))
    asked = {"AutoConfig": "configuration_evil.Evil", "AutoTokenizer": ["tokenization_evil.Evil", None]}
    models = dict.fromkeys(("AutoModel", "AutoModelForSequenceClassification"), "modeling_evil.Evil")
    for name in ("config.json", "tokenizer_config.json"):
        change(folder / name, auto_map={**asked, **models}, trust_remote_code=True)
    return folder


def change(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_a_sound_encoder_runs_none_of_the_code_beside_it(encoder: Path, sentinel: Path) -> None:
    check_encoder(str(encoder), None, 64)
    assert load_encoder(str(encoder), None, 2).embedding_size == 32
    assert not sentinel.exists()


def of_another_kind(folder: Path) -> None:
    change(folder / "config.json", model_type="evil", architectures=["Evil"])


def with_pickled_weights_only(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def with_an_index_of(*files: str) -> Callable[[Path], None]:
    def broken(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        index = {
            "metadata": {"total_size": 1},
            "weight_map": {f"weight {number}": file for number, file in enumerate(files)},
        }
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    return broken


def with_weights_elsewhere(folder: Path) -> None:
    change(folder / "config.json", transformers_weights="pytorch_model.bin")


def with_an_adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "/somewhere/else"}')


def with_a_link(folder: Path) -> None:
    elsewhere = shutil.move(folder / "tokenizer.json", folder.parent / "private.json")
    (folder / "tokenizer.json").symlink_to(elsewhere)


def with_a_pickle_called_safetensors(folder: Path) -> None:
    shutil.copy(folder / "pytorch_model.bin", folder / "model.safetensors")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (of_another_kind, "cannot be loaded"),
        (with_pickled_weights_only, "only weights in safetensors are read"),
        (with_an_index_of("pytorch_model.bin"), "never pickles; .* names 'pytorch_model.bin'"),
        (with_an_index_of("../model.safetensors"), "beside their index"),
        (with_an_index_of(), "cannot be loaded|lacks"),
        (with_weights_elsewhere, "stand in model.safetensors.*'pytorch_model.bin'"),
        (with_an_adapter, "holds an adapter"),
        (with_a_link, "'tokenizer.json' in .* is a link that leads out of it"),
        (with_a_pickle_called_safetensors, "cannot be loaded"),
    ],
)
def test_a_harmful_encoder_is_refused_and_nothing_of_it_runs(
    harm: Callable[[Path], None], message: str, encoder: Path, sentinel: Path
) -> None:
    harm(encoder)
    with pytest.raises(EncoderError, match=message) as refusal:
        load_encoder(str(encoder), None, 2)
    assert str(encoder) in str(refusal.value)
    assert not sentinel.exists()


def test_an_encoder_in_the_cache_of_the_hub_may_consist_of_links_to_its_own_repository(
    tiny_bert: Path, tmp_path: Path
) -> None:
    repository = tmp_path / "models--org--name"
    blobs = shutil.copytree(tiny_bert, repository / "blobs")
    snapshot = repository / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    for path in blobs.iterdir():
        (snapshot / path.name).symlink_to(Path("../../blobs", path.name))
    assert load_encoder(str(snapshot), None, 2).embedding_size == 32
    (tmp_path / "private").write_text("secret")
    (snapshot / "vocab.txt").symlink_to(tmp_path / "private")
    with pytest.raises(EncoderError, match=r"'vocab.txt' in .* is a link that leads out of it"):
        check_encoder(str(snapshot), None, 64)


# ---- data ------------------------------------------------------------------------------------------------------------

ROWS = "text,label\n" + "".join(f"row {row},{'ab'[row % 2]}\n" for row in range(8))


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A file that no data folder should lead to, though it could be read as one."""
    path = tmp_path / "private" / "train.csv"
    path.parent.mkdir()
    path.write_text(ROWS.replace("row", "secret"))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def linked_file(folder: Path, private: Path) -> None:
    (folder / "train.csv").symlink_to(private)


def linked_test_file(folder: Path, private: Path) -> None:
    (folder / "train.csv").write_text(ROWS)
    (folder / "test.csv").symlink_to(os.path.relpath(private, folder))


def linked_folder(folder: Path, private: Path) -> None:
    (folder / "data").symlink_to(private.parent)


def link_to_a_link(folder: Path, private: Path) -> None:
    (folder / "notes").symlink_to(private)
    (folder / "train.csv").symlink_to("notes")


def linked_senteval_file(folder: Path, private: Path) -> None:
    (folder / "custrev.pos").write_text("good 1\ngood 2\ngood 3\n")
    (folder / "custrev.neg").symlink_to(private)


@pytest.mark.parametrize(
    ("prepare", "senteval"),
    [
        (linked_file, None),
        (linked_test_file, None),
        (linked_folder, None),
        (link_to_a_link, None),
        (linked_senteval_file, "CR"),
    ],
)
def test_a_link_that_leads_out_of_a_data_folder_is_refused(
    prepare: Callable[[Path, Path], None], senteval: str | None, folder: Path, private: Path
) -> None:
    prepare(folder, private)
    with pytest.raises(DataError, match=r"must lie in it; .* lead out of it; copy the file") as refusal:
        load(DatasetConfig(name="mine", path=str(folder), senteval=senteval))
    assert "secret" not in str(refusal.value)


def test_a_link_within_a_data_folder_and_one_that_is_named_itself_are_read(folder: Path, private: Path) -> None:
    (folder / "all.csv").write_text(ROWS)
    (folder / "train.csv").symlink_to("all.csv")
    assert len(load(DatasetConfig(name="mine", path=str(folder))).pool) == 6
    (folder / "own").symlink_to(private.parent)
    (folder / "own.csv").symlink_to(private)
    for place in ("own", "own.csv"):
        assert load(DatasetConfig(name="mine", path=str(folder / place))).pool.texts[0].startswith("secret")


def test_a_pipe_in_a_data_folder_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "train.csv")
    with pytest.raises(DataError, match="must be a file; received a pipe"):
        load(DatasetConfig(name="mine", path=str(folder)))


def test_a_folder_with_code_and_pickles_is_no_dataset(folder: Path, sentinel: Path, payload: bytes) -> None:
    for name in ("folder.py", "mine.py", "dataset.py", "__init__.py"):
        (folder / name).write_text(code(sentinel))
    for name in ("train.pkl", "train.pt", "data.pickle", "train.parquet"):
        (folder / name).write_bytes(payload)
    (folder / "dataset_infos.json").write_text('{"default": {"builder_name": "mine"}}')
    with pytest.raises(DataError, match="no readable parquet file"):
        load(DatasetConfig(name="mine", path=str(folder)))
    assert not sentinel.exists()


@pytest.fixture
def saved(folder: Path) -> Path:
    from datasets import Dataset

    Dataset.from_dict({"text": [f"row {row}" for row in range(8)], "label": ["a", "b"] * 4}).save_to_disk(folder)
    return folder


def test_a_saved_dataset_runs_no_pickle_that_lies_in_it(saved: Path, sentinel: Path, payload: bytes) -> None:
    for name in ("dataset.pkl", "state.pkl", "cache-0.arrow", "indices.arrow", "transform.bin"):
        (saved / name).write_bytes(payload)
    change(
        saved / "state.json", _indices_files=[{"filename": "indices.arrow"}], _transform={"filename": "transform.bin"}
    )
    assert len(load(DatasetConfig(name="mine", path=str(saved))).pool) == 6
    change(saved / "state.json", _format_type="custom", _format_kwargs={"transform": payload.hex()})
    assert len(load(DatasetConfig(name="again", path=str(saved))).pool) == 6
    assert not sentinel.exists()


def test_a_saved_dataset_reads_no_file_beside_it(saved: Path, tmp_path: Path) -> None:
    arrow = next(saved.glob("*.arrow"))
    shutil.move(arrow, tmp_path / "private.arrow")
    change(saved / "state.json", _data_files=[{"filename": "../private.arrow"}])
    with pytest.raises(DataError, match=r"state.json must name files of its own folder, and names '../private.arrow'"):
        load(DatasetConfig(name="mine", path=str(saved)))
    arrow.symlink_to(tmp_path / "private.arrow")
    with pytest.raises(DataError, match="lead out of it"):
        load(DatasetConfig(name="again", path=str(saved)))


def test_a_saved_dataset_opens_no_image(saved: Path, private: Path) -> None:
    from datasets import Dataset, Features, Image, Value

    features = Features({"text": Image(), "label": Value("string")})
    rows = {"text": [{"path": str(private), "bytes": None}] * 4, "label": ["a", "b"] * 2}
    Dataset.from_dict(rows, features=features).save_to_disk(saved.parent / "images")
    with pytest.raises(DataError, match="column `text` must hold text or numbers; received a column of type Image"):
        load(DatasetConfig(name="mine", path=str(saved.parent / "images")))


def test_a_parquet_file_unpickles_no_type(folder: Path, sentinel: Path, payload: bytes) -> None:
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet

    pickled = {"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": payload}
    schema = pa.schema([pa.field("text", pa.string(), metadata=pickled), pa.field("label", pa.int64())])
    table = pa.table({"text": [f"row {row}" for row in range(8)], "label": [0, 1] * 4}, schema=schema)
    parquet.write_table(table, folder / "train.parquet")
    assert len(load(DatasetConfig(name="mine", path=str(folder))).pool) == 6
    assert not sentinel.exists()


@pytest.mark.parametrize("name", ["..", ".", "...", "support.", "-"])
def test_a_name_of_a_dataset_leads_nowhere(name: str) -> None:
    with pytest.raises(DataError, match=r"must be one of the embedded datasets \(support\)"):
        load(DatasetConfig(name=name))
