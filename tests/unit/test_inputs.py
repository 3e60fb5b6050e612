"""Digests of data and encoders differ whenever these do, and a fingerprint whenever any of its fields does."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.errors import LedgerError
from sweep.ledger.ledger import Ledger
from sweep.ledger.provenance import version_changes
from sweep.ledger.storage import open_storage
from sweep.spec.cells import cells
from sweep.spec.fields import PLACES, READINGS
from sweep.spec.fingerprint import changes, protocol_fingerprint
from sweep.spec.inputs import digest_inputs, input_changes
from tests.sweeps.grid import evaluated, spec
from trainable.config import DatasetConfig, TrialConfig
from trainable.datasets import load
from trainable.datasets.digest import data_digest
from trainable.datasets.text_data import Rows, TextData
from trainable.encoder.digest import encoder_digest
from trainable.inputs import _KEEPERS, forget_inputs
from trainable.outcomes import Evaluation
from trainable.training import replicates
from trainable.versions import versions

TEXTS = st.lists(st.tuples(st.text(max_size=4), st.integers(0, 1)), min_size=1, max_size=6)


def data(rows: list[tuple[str, int]]) -> TextData:
    part = Rows(tuple(text for text, _ in rows), None, np.array([label for _, label in rows], dtype=np.int64))
    return TextData("films", ("bad", "good"), part, part)


@given(TEXTS, TEXTS)
def test_a_digest_is_equal_for_equal_rows_alone(first: list[tuple[str, int]], second: list[tuple[str, int]]) -> None:
    assert (data_digest(data(first)) == data_digest(data(second))) == (first == second)


def test_pairs_parts_and_class_names_count_too() -> None:
    whole = data([("a", 0), ("b", 1)])
    paired = replace(whole, pool=replace(whole.pool, pairs=("x", "y")))
    others = [
        paired,
        replace(paired, pool=replace(whole.pool, pairs=("x", "z"))),
        replace(whole, test=data([("a", 1), ("b", 1)]).test),
        replace(whole, class_names=("bad", "fine")),
    ]
    digests = [str(data_digest(each)) for each in (whole, *others)]
    assert len(set(digests)) == len(digests)
    assert data_digest(replace(whole, name="other", notes=("a note",))) == data_digest(whole)


def test_every_file_of_an_encoder_counts(tiny_bert: Path, tmp_path: Path) -> None:
    before = encoder_digest(str(tiny_bert), None)
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(before)
    for name in before:
        copy = tmp_path / name
        copy.mkdir()
        for path in tiny_bert.iterdir():
            content = path.read_bytes()
            (copy / path.name).write_bytes(content + b" " if path.name == name else content)
        after = encoder_digest(str(copy), None)
        assert [part for part in before if before[part] != after[part]] == [name]


@pytest.mark.parametrize("name", READINGS)
def test_how_a_file_is_read_may_change_only_where_digests_are_known(name: str) -> None:
    """As where an encoding has to be named that was once assumed."""
    old: dict[str, dict[str, str]] = {"supcon": {}}
    new = {"supcon": {name: "cp1252"}}
    assert changes(old, new)
    assert not changes(old, new, movable=True)


def test_changes_are_told_in_words() -> None:
    old = {"dataset films": {"classes": "a, b", "rows of the pool": "9", "texts and labels": "sha256:1", "gone": "1"}}
    new = {"dataset films": {"classes": "a, b", "rows of the pool": "8", "texts and labels": "sha256:2", "new": "1"}}
    assert input_changes(old, new) == [
        "dataset films: rows of the pool: was 9, is now 8",
        "dataset films: texts and labels: have changed",
        "dataset films: gone: is gone",
        "dataset films: new: is new",
    ]


def test_a_change_of_any_field_of_a_fingerprint_is_a_change() -> None:
    (cell, *_) = cells(spec())
    fingerprint = protocol_fingerprint(cell)
    (loss,) = fingerprint
    for name in fingerprint[loss]:
        changed = {loss: {**fingerprint[loss], name: "something else"}}
        for movable in (False, True):
            (change,) = changes(changed, fingerprint, movable=movable)
            assert "was something else, is now" in change


@pytest.mark.parametrize("name", PLACES)
def test_a_path_may_change_only_where_digests_are_known(name: str) -> None:
    old, new = ({"supcon": {name: path}} for path in ("/here/x", "/there/y"))
    assert changes(old, new)
    assert not changes(old, new, movable=True)
    assert changes({"supcon": {name: "roberta-large"}}, new, movable=True), "a hub id is no path"


def test_every_changed_version_is_told() -> None:
    old = {"version.torch": "2.12.0", "version.ray": "2.60.0", "python": "3.11.6"}
    new = {"version.torch": "2.13.0", "version.ray": "2.60.0", "version.optuna": "5.0.0", "python": "3.11.7"}
    assert version_changes(old, new) == ["torch: was 2.12.0, is now 2.13.0"]
    assert version_changes(new, new) == []


def test_what_trained_is_known_by_its_source_and_its_libraries(tiny_bert: Path) -> None:
    assert re.fullmatch(r"trainable [0-9a-f]{8}, torch \S+, transformers \S+", versions())
    config = TrialConfig.model_validate(
        {
            "dataset": {"name": "support"},
            "shots": 1,
            "encoder": str(tiny_bert),
            "steps": 1,
            "evaluations": 1,
            "replicates": 1,
            "validation": 8,
        }
    )
    (evaluation,) = replicates(config)
    assert evaluation.trained_with == versions()
    assert Evaluation.from_json(json.loads(json.dumps(evaluation.to_json()))) == evaluation


def test_a_ledger_without_digests_takes_them_at_its_next_begin(tmp_path: Path) -> None:
    """As one of an earlier version is: it resumes, and from there on notices changes."""
    given_spec = spec(trial={"encoder": "all-MiniLM-L6-v2"})
    grid, resolved = cells(given_spec), given_spec.resolved()
    inputs = digest_inputs(grid)

    def opened() -> Ledger:
        return Ledger(open_storage(tmp_path / "ledger.journal", write=True), given_spec.name)

    ledger = opened()
    assert not ledger.without_digests(), "it has not begun"
    ledger.begin(resolved, grid, {})
    key = ledger.ask(grid[0], seed=0, budget=2).key
    ledger.record(key, evaluated(0, 1, 0.5))
    assert opened().without_digests()
    opened().begin(resolved, grid, {}, inputs=inputs)
    assert not opened().without_digests()
    changed = {cell: {name: {**parts, "classes": "a, b"} for name, parts in by.items()} for cell, by in inputs.items()}
    with pytest.raises(
        LedgerError, match=r"must share data and encoders.*\n  dataset support: classes: was .*, is now a, b"
    ):
        opened().begin(resolved, grid, {}, inputs=changed)


def test_data_are_read_anew_once_they_are_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    config = DatasetConfig(name="mine", path=str(file))
    first, second = ("".join(f"{word} {row},{row % 2}\n" for row in range(8)) for word in ("old", "new"))
    file.write_text("text,label\n" + first)
    assert load(config).pool.texts[0].startswith("old")
    file.write_text("text,label\n" + second)
    assert load(config).pool.texts[0].startswith("old"), "a worker reads once"
    forget_inputs()
    assert load(config).pool.texts[0].startswith("new")


@pytest.mark.parametrize("name", _KEEPERS)
def test_each_module_that_keeps_inputs_forgets_them(name: str) -> None:
    assert callable(import_module(name).forget)
