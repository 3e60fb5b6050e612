"""What is special about the recipe `setfit`: it is the library as it is, and leaves nothing behind."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sweep.scheduling.cell_costs import cell_costs
from sweep.spec.cells import cells
from sweep.spec.inputs import check_inputs, digest_inputs, input_changes
from sweep.spec.model import SweepSpec
from trainable.config import TrialConfig
from trainable.datasets import load
from trainable.draws import draw_of, initialisation_seed
from trainable.encoder.files import check_modules, module_folders
from trainable.encoder.places import module_files
from trainable.errors import ConfigError, EncoderError
from trainable.outcomes import Outcome
from trainable.recipes import RECIPES, setfit
from trainable.training import replicates

installed = pytest.mark.skipif(importlib.util.find_spec("setfit") is None, reason="the extra setfit is not installed")


def _config(encoder: str | Path, data: Path, **fields: Any) -> TrialConfig:
    recipe = {"name": "setfit", **fields.pop("recipe", {})}
    dataset = {"name": "toy", "path": str(data)}
    base = {"dataset": dataset, "shots": 2, "encoder": str(encoder), "max_length": 16, "replicates": 2}
    return TrialConfig.model_validate({**base, "recipe": recipe, **fields})


def _by_the_library_alone(folder: Path, config: TrialConfig, draw: int) -> dict[str, float]:
    """What a script finds that knows SetFit's documentation and nothing of this project but the rows."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    data, sample = load(config.dataset), draw_of(config, load(config.dataset), draw)
    texts = [data.pool.texts[row] for row in sample.train]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SetFitModel.from_pretrained(str(folder))
        model.model_body.max_seq_length = config.max_length
        seed = initialisation_seed(config.seed, draw)
        arguments = TrainingArguments(output_dir=str(folder / "out"), report_to="none", seed=seed)
        train = Dataset.from_dict({"text": texts, "label": data.pool.labels_N[sample.train].tolist()})
        Trainer(model=model, args=arguments, train_dataset=train).train()
        held = [data.pool.texts[row] for row in sample.validation]
        found = {"val": model.predict(held).numpy(), "test": model.predict(list(data.test.texts)).numpy()}
    labels = {"val": data.pool.labels_N[sample.validation], "test": data.test.labels_N}
    return {f"{part}_accuracy": float((found[part] == labels[part]).mean()) for part in found}


def _measured(config: TrialConfig, *draws: int) -> list[dict[str, float]]:
    evaluations = list(replicates(config, draws, part="test"))
    assert all(evaluation.outcome is None for evaluation in evaluations), evaluations[-1].detail
    return [dict(evaluation.metrics) for evaluation in evaluations]


def _as_sentence_transformer(folder: Path, *, normalise: bool) -> Path:
    """Give the folder of an encoder modules: pooling by the first token, and normalisation."""
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), *([("2_Normalize", "Normalize")] if normalise else [])]
    listed = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (path, kind) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(listed), encoding="utf-8")
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 32, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")
    return folder


@pytest.fixture
def encoder(tiny_bert: Path, tmp_path: Path) -> Path:
    """A copy of the tiny encoder, to be changed."""
    folder = tmp_path / "encoder"
    folder.mkdir()
    for path in tiny_bert.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.mark.slow
@installed
@pytest.mark.slow
@pytest.mark.parametrize("modules", [False, True])
def test_scores_are_those_of_the_library_alone(modules: bool, encoder: Path, toy_csv: Path) -> None:
    if modules:
        _as_sentence_transformer(encoder, normalise=True)
    config = _config(encoder, toy_csv, shots=3)
    assert config.recipe == setfit.SetFit(), "the defaults are those of the library"
    for draw, metrics in zip((10_000, 3), _measured(config, 10_000, 3), strict=True):
        alone = _by_the_library_alone(encoder, config, draw)
        assert {name: metrics[name] for name in alone} == alone


@pytest.mark.slow
@installed
@pytest.mark.slow
def test_the_modules_of_the_folder_make_the_embedding(encoder: Path, toy_csv: Path) -> None:
    few = {"recipe": {"max_steps": 1}}
    mean = _measured(_config(encoder, toy_csv, **few), 0)[0]["test_loss"]
    moved = encoder.rename(encoder.with_name("with-modules"))
    first_token = _measured(_config(_as_sentence_transformer(moved, normalise=False), toy_csv, **few), 0)[0][
        "test_loss"
    ]
    assert mean != first_token


@pytest.mark.slow
@installed
def test_a_trial_leaves_random_state_files_and_output_as_they_were(
    tiny_bert: Path, toy_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folders = [tmp_path / "here", tmp_path / "temporary"]
    for folder in folders:
        folder.mkdir()
    monkeypatch.chdir(folders[0])
    monkeypatch.setattr("tempfile.tempdir", str(folders[1]))
    environment = dict(os.environ)
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    states = [str(random.getstate()), str(np.random.get_state()), str(torch.get_rng_state().tolist())]
    first, second = _measured(_config(tiny_bert, toy_csv, recipe={"max_steps": 2}), 5, 5)
    assert states == [str(random.getstate()), str(np.random.get_state()), str(torch.get_rng_state().tolist())]
    assert not [path for folder in folders for path in folder.rglob("*")]
    assert dict(os.environ) == environment
    assert capfd.readouterr() == ("", "")
    times = ("train_seconds", "eval_seconds")
    assert {name: first[name] for name in first if name not in times} == {
        name: second[name] for name in second if name not in times
    }
    assert all(0 < metrics[name] < 60 for metrics in (first, second) for name in times)


@pytest.mark.slow
@installed
def test_other_trials_of_the_process_score_as_without_it(tiny_bert: Path, toy_csv: Path) -> None:
    fine_tune = _config(tiny_bert, toy_csv, recipe={"name": "fine_tune"}, steps=3, evaluations=1)
    before = _measured(fine_tune, 0)[0]["test_loss"]
    _measured(_config(tiny_bert, toy_csv, recipe={"max_steps": 2, "body_learning_rate": 0.01}), 0)
    assert _measured(fine_tune, 0)[0]["test_loss"] == before


@pytest.mark.slow
@installed
def test_another_initialisation_is_another_training(tiny_bert: Path, toy_csv: Path) -> None:
    config = _config(tiny_bert, toy_csv, recipe={"max_steps": 3, "body_learning_rate": 1e-3})
    losses = [next(replicates(config, (0,), initialisation=number)).metrics["val_loss"] for number in (0, 1)]
    assert losses[0] != losses[1]


@pytest.mark.slow
@installed
def test_a_draw_of_one_class_and_one_that_lacks_a_class_are_scored(tiny_bert: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    lines = [f"the film {n} is {word},{word}" for n in range(12) for word in ("good", "bad", "fine")]
    path.write_text("text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    seen = set()
    for shots in (1, 2, 3):
        config = _config(tiny_bert, path, shots=shots, sampling="random", recipe={"max_steps": 1})
        data = load(config.dataset)
        labels = np.unique(data.pool.labels_N[draw_of(config, data, 0).train])
        (evaluation,) = replicates(config, (0,), part="test")
        assert evaluation.outcome is None, evaluation.detail
        predicted = np.asarray(evaluation.confusion).sum(axis=0)
        assert set(np.flatnonzero(predicted)) <= set(labels.tolist())
        seen.add(len(labels))
    assert min(seen) == 1 < max(seen)


@pytest.mark.slow
@installed
def test_the_two_texts_of_a_pair_are_both_read(tiny_bert: Path, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    lines = [f"the film,it is {word} {n},{word}" for n in range(16) for word in ("good", "bad")]
    path.write_text("text,second,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    dataset = {"name": "pairs", "path": str(path), "text_pair": "second"}
    config = _config(tiny_bert, path, dataset=dataset, shots=8, recipe={"max_steps": 40, "body_learning_rate": 1e-3})
    assert _measured(config, 0)[0]["test_accuracy"] > 0.7


@pytest.mark.slow
@installed
def test_weights_that_are_no_numbers_diverge(encoder: Path, toy_csv: Path) -> None:
    weights = load_file(encoder / "model.safetensors")
    next(iter(weights.values())).fill_(float("nan"))
    save_file(weights, encoder / "model.safetensors", metadata={"format": "pt"})
    (evaluation,) = replicates(_config(encoder, toy_csv, recipe={"max_steps": 2}), (0,))
    assert (evaluation.outcome, evaluation.reason) == (Outcome.DIVERGED, "weights are not finite after step 2")


@pytest.mark.slow
@installed
def test_an_encoder_without_a_token_for_padding_gets_one_as_with_other_recipes(encoder: Path, toy_csv: Path) -> None:
    path = encoder / "tokenizer_config.json"
    stated = json.loads(path.read_text(encoding="utf-8"))
    del stated["pad_token"]
    path.write_text(json.dumps(stated), encoding="utf-8")
    (found,) = _measured(_config(encoder, toy_csv, recipe={"max_steps": 2}), 0)
    assert 0 <= found["test_accuracy"] <= 1


@installed
@pytest.mark.parametrize(
    ("pooling", "what"),
    [
        ({"pooling_mode_cls_token": False, "pooling_mode_max_tokens": True}, "pooling"),
        ({"include_prompt": False}, "prompt"),
    ],
)
def test_what_could_not_be_kept_is_refused_before_the_sweep(
    pooling: dict[str, bool], what: str, encoder: Path, toy_csv: Path
) -> None:
    _as_sentence_transformer(encoder, normalise=False)
    path = encoder / "1_Pooling" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | pooling), encoding="utf-8")
    prompts = {"prompts": {"query": "red: "}, "default_prompt_name": "query"}
    (encoder / "config_sentence_transformers.json").write_text(json.dumps(prompts), encoding="utf-8")
    with pytest.raises(
        ConfigError, match=f"must be one that can be kept; the {what} that .* cannot be: choose another"
    ):
        RECIPES["setfit"].check(_config(encoder, toy_csv), load(_config(encoder, toy_csv).dataset))


def test_a_machine_without_the_library_refuses_before_the_sweep_and_where_it_trains(
    tiny_bert: Path, toy_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "setfit" else find(name, *more)
    )
    words = r"setfit is not installed here: pip install 'few-shot-sweep\[setfit\]'"
    with pytest.raises(ConfigError, match=words):
        replicates(_config(tiny_bert, toy_csv))
    with pytest.raises(ConfigError, match=words):
        check_inputs(cells(_spec(tiny_bert, toy_csv)))


def _spec(encoder: Path, data: Path) -> SweepSpec:
    return SweepSpec.model_validate(
        {
            "name": "setfit",
            "datasets": {"toy": {"path": str(data)}},
            "compare": {"dataset": ["toy"], "shots": [2], "recipe": ["setfit", "frozen"]},
            "trial": {"encoder": str(encoder), "max_length": 16, "embedding": "mean"},
        }
    )


def test_a_cell_searches_its_own_fields_and_begins_with_the_defaults_of_the_library(
    tiny_bert: Path, toy_csv: Path
) -> None:
    cell, other = cells(_spec(tiny_bert, toy_csv))
    assert cell.default_config().recipe == setfit.SetFit()
    assert {name.removeprefix("recipe.") for name in cell.spaces["setfit"]} == set(RECIPES["setfit"].search)
    assert "embedding" not in cell.fixed["setfit"]  # its modules decide
    costs = cell_costs([cell, other], {})
    assert costs[cell.key].trial > costs[other.key].trial  # longer trials begin first


def _toy(folder: Path) -> Path:
    path = folder / "toy.csv"
    path.write_text("text,label\n" + "".join(f"row {n},{n % 2}\n" for n in range(16)), encoding="utf-8")
    return path


def test_modules_are_those_of_the_library_in_the_folder_and_in_safetensors(encoder: Path, tmp_path: Path) -> None:
    _as_sentence_transformer(encoder, normalise=True)
    assert [path.name for path in module_files(str(encoder), None)] == ["config.json"]
    known = digest_inputs(cells(_spec(encoder, _toy(tmp_path))))
    (encoder / "1_Pooling" / "config.json").write_text('{"word_embedding_dimension": 32}', encoding="utf-8")
    changed = {
        key: input_changes(known[key], now) for key, now in digest_inputs(cells(_spec(encoder, _toy(tmp_path)))).items()
    }
    assert changed == {"toy/2/setfit": ["setfit 1: 1_Pooling/config.json: have changed"], "toy/2/frozen": []}
    (encoder / "1_Pooling" / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(EncoderError, match="only weights in safetensors are read, never pickles"):
        module_files(str(encoder), None)
    (encoder / "1_Pooling" / "pytorch_model.bin").unlink()
    (tmp_path / "private.json").write_text("{}", encoding="utf-8")
    (encoder / "1_Pooling" / "more.json").symlink_to(tmp_path / "private.json")
    with pytest.raises(EncoderError, match=r"'1_Pooling/more.json' in .* is a link that leads out of it"):
        check_modules("mine", encoder, ("1_Pooling",))


@pytest.mark.parametrize(
    "content",
    [
        "[",
        "{}3",
        '{"a": 1}',
        '[{"type": "os.system", "path": ""}]',
        '[{"type": "sentence_transformers.X", "path": "../x"}]',
    ],
)
def test_a_list_of_modules_that_cannot_be_used_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text(content, encoding="utf-8")
    with pytest.raises(EncoderError, match="modules"):
        module_folders("mine", tmp_path)
