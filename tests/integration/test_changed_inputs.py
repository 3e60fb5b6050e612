"""Data and encoders that change under a sweep are noticed; a sweep that moves with them is resumed."""

from __future__ import annotations

import csv
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.integration.test_sweep import User, reports, wait_for
from trainable.outcomes import Outcome

Rows = list[tuple[str, str]]


def prepared(folder: Path, encoder: Path, data: Path) -> User:
    """A user whose data and encoder lie beside the spec, which names them by relative paths."""
    folder.mkdir()
    shutil.copytree(encoder, folder / "encoder")
    shutil.copyfile(data, folder / "films.csv")
    spec = {
        "name": "toy",
        "datasets": {"films": {"path": "films.csv"}},
        "compare": {"dataset": ["films"], "shots": [4], "loss": ["cross_entropy"]},
        "search": {"encoder_lr": {"low": 5e-4, "high": 2e-3, "log": True}},
        "trial": {"encoder": "./encoder", "embedding": "mean", "max_length": 16},
        "protocol": {"replicates": 2, "evaluations": 2, "steps": 8, "validation": 20},
        "budget": {"trials_per_cell": 4, "concurrency": 1},
        "pruning": {"rule": "none"},
        "confirm": {"draws": 2, "baseline": None},
        "tracking": {"experiment": "toys"},
    }
    (folder / "spec.yaml").write_text(yaml.safe_dump(spec))
    return User(folder)


def read(path: Path) -> Rows:
    with path.open(newline="") as file:
        return [(row["text"], row["label"]) for row in csv.DictReader(file)]


def write(path: Path, rows: Rows) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])


def other_weights(path: Path) -> None:
    """Weights whose last byte is another one."""
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


CHANGES: dict[str, tuple[Callable[[Rows], Rows], str]] = {
    "fewer rows": (lambda rows: rows[:-26], "dataset films: rows of the pool: was 96, is now"),
    "another label": (lambda rows: [(rows[0][0], "good" if rows[0][1] == "bad" else "bad"), *rows[1:]], "have changed"),
    "another text": (lambda rows: [(rows[0][0] + " indeed", rows[0][1]), *rows[1:]], "texts and labels of the"),
    "another order": (lambda rows: [*rows[1:], rows[0]], "have changed"),
    "another class": (
        lambda rows: [(text, "fine" if label == "good" else label) for text, label in rows],
        "was bad, good",
    ),
}


def test_changed_inputs_are_refused_and_nothing_is_lost(tmp_path: Path, tiny_bert: Path, toy_csv: Path) -> None:
    user = prepared(tmp_path / "here", tiny_bert, toy_csv)
    user.run()
    data, journal = user.folder / "films.csv", user.folder / "sweeps" / "toy" / "ledger.journal"
    rows, recorded = read(data), journal.read_bytes()
    for name, (change, words) in CHANGES.items():
        write(data, change(rows))
        refusal = user.run("--set", "compare.loss=[cross_entropy, soft_triple]", code=2)
        assert words in refusal, name
        assert "another name (`--set name=...`), or undo the change" in refusal
        assert "Traceback" not in refusal
        assert journal.read_bytes() == recorded, name
    write(data, rows)
    other_weights(user.folder / "encoder" / "model.safetensors")
    assert "encoder 1: model.safetensors: have changed" in user.run(code=2)
    assert journal.read_bytes() == recorded


def test_a_killed_sweep_that_moved_with_its_data_and_encoder_is_resumed(
    tmp_path: Path, tiny_bert: Path, toy_csv: Path
) -> None:
    user = prepared(tmp_path / "here", tiny_bert, toy_csv)
    process = user.start("run", "spec.yaml")
    wait_for(lambda: reports(user) >= 6, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    moved = User(tmp_path / "there")
    user.folder.rename(moved.folder)
    before = {trial.key: trial for trial in moved.trials}
    moved.run("--set", "budget.trials_per_cell=5")
    after = {trial.key: trial for trial in moved.trials}
    assert [trial.outcome for trial in after.values()] == [Outcome.COMPLETED] * 5
    for key, trial in before.items():
        assert after[key].evaluations[: len(trial.evaluations)] == trial.evaluations
