from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainable.__main__ import main, read_config
from trainable.config import DatasetConfig, TrialConfig
from trainable.losses.soft_triple import SoftTriple
from trainable.outcomes import Evaluation


@pytest.fixture
def config(tiny_bert: Path, toy_csv: Path) -> TrialConfig:
    return TrialConfig(
        dataset=DatasetConfig(name="toy", path=str(toy_csv)),
        shots=4,
        encoder=str(tiny_bert),
        loss=SoftTriple(centers_per_class=2),
        steps=2,
        replicates=2,
        evaluations=1,
    )


def _as_strings(config: TrialConfig) -> dict[str, str]:
    return {name: str(value) for name, value in config.flat().items()}


@pytest.mark.parametrize(
    "form",
    [TrialConfig.flat, _as_strings, lambda config: config.model_dump(mode="json")],
    ids=["flat", "text", "nested"],
)
def test_reads_every_form_of_a_configuration(
    form: Callable[[TrialConfig], dict[str, Any]], config: TrialConfig, tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(form(config)), encoding="utf-8")
    assert read_config(path) == config


def test_prints_each_evaluation_as_a_line_of_json(
    config: TrialConfig, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config.flat()), encoding="utf-8")
    assert main([str(path), "--draws", "3,0"]) == 0
    output = capfd.readouterr()
    evaluations = [json.loads(line) for line in output.out.splitlines()]
    assert [evaluation["draw"] for evaluation in evaluations] == [3, 0]
    assert all(
        evaluation["outcome"] is None and 0 <= evaluation["metrics"]["val_accuracy"] <= 1 for evaluation in evaluations
    )
    assert output.err == ""
    assert main([str(path), "--draws", "0", "--part", "test"]) == 0
    evaluation = json.loads(capfd.readouterr().out)
    assert evaluation["metrics"].keys() >= {"test_accuracy", "test_nearest_accuracy", "val_accuracy"}
    assert sum(map(sum, evaluation["confusion"])) == 24  # a quarter of the toy rows


def test_another_initialisation_trains_the_same_draw_from_another_start(
    config: TrialConfig, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config.flat()), encoding="utf-8")
    losses = {}
    for number in ("0", "1"):
        assert main([str(path), "--draws", "2", "--initialisation", number]) == 0
        evaluation = Evaluation.from_json(json.loads(capfd.readouterr().out))
        assert (evaluation.draw, evaluation.initialisation) == (2, int(number))
        losses[number] = evaluation.metrics["train_loss"]
    assert losses["0"] != losses["1"]


@pytest.mark.parametrize("number", ["-1", "a", "1.5", ""])
def test_an_initialisation_is_a_whole_number(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["config.json", f"--initialisation={number}"])
    assert f"an initialisation is a whole number from 0; received {number!r}" in capsys.readouterr().err


def test_a_trial_that_diverges_exits_with_1(
    config: TrialConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from trainable import __main__ as command

    path = tmp_path / "config.json"
    path.write_text(json.dumps(config.flat()), encoding="utf-8")
    wild = config.model_copy(update={"encoder_lr": 1e30, "warmup": 0.0})
    monkeypatch.setattr(command, "read_config", lambda _: wild)
    assert main([str(path)]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["outcome"] == "diverged"


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({"shots": -1}, ["shots: ", "greater than 0", "received -1"]),
        ({"shots": "many", "beta": 2}, ["shots: ", "received 'many'", "beta: ", "received 2"]),
        ({"shtos": 3}, ["shtos: ", "not permitted", "received 3"]),
        ({"loss": "tripel"}, ["loss: ", "tripel", "'soft_triple'"]),
        ({"loss.margin": 7}, ["loss.margin: ", "less than or equal to 2", "received 7"]),
        ({"loss.alpha": 7}, ["loss.alpha: ", "not permitted"]),
        ({"dataset.test_share": 1.5}, ["dataset.test_share: ", "less than 1", "received 1.5"]),
        ({"validation": -3}, ["validation: ", "'all' or 'shots'", "received -3"]),
        ({"evaluations": 9}, ["evaluations must be at most steps (2); received 9"]),
        (
            {"compatibility": "published", "proxy_lr": 0.1},
            ["all weights train at encoder_lr with compatibility: published; received proxy_lr=0.1: leave it out"],
        ),
        ({"compatibility": "published", "proxy_lr": None, "head_lr": 0.1}, ["received head_lr=0.1: leave it out"]),
        ({"compatibility": "old"}, ["compatibility: ", "'published'", "received 'old'"]),
        ({"dataset.hub": "some/where"}, ["dataset: ", "give `hub` or `path`, not both"]),
        ({"shots": 1000}, ["ask for fewer shots"]),
        ({"encoder": "/no/such/folder"}, ["an encoder given as a path must be a folder"]),
        ({"dataset.path": "/no/such/file.csv"}, ["/no/such/file.csv"]),
    ],
)
def test_a_mistake_in_a_field_exits_with_2_and_names_it(
    changes: dict[str, Any],
    messages: list[str],
    config: TrialConfig,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config.flat() | changes), encoding="utf-8")
    assert main([str(path)]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("trainable: ")
    for message in messages:
        assert message in output.err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must hold JSON in UTF-8"),
        (b"{", "must hold JSON in UTF-8"),
        (b"\xff\xfe\x00", "must hold JSON in UTF-8"),
        (b"[1, 2]", "must hold one JSON object of fields; received [1, 2]"),
        (b"{}", "shots: Field required"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_is_no_configuration_exits_with_2(
    content: bytes | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content)
    assert main([str(path)]) == 2
    error = capsys.readouterr().err
    assert str(path) in error
    assert message in error


@pytest.mark.parametrize("draws", ["", "a", "1,-2", "1.5"])
def test_draws_are_whole_numbers(draws: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["config.json", f"--draws={draws}"])
    assert f"draws are whole numbers from 0, with commas between; received {draws!r}" in capsys.readouterr().err


@pytest.mark.slow
def test_a_mistake_is_told_without_loading_torch(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"shots": 0}', encoding="utf-8")
    code = "import sys; from trainable.__main__ import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False"]


@pytest.mark.slow
def test_runs_as_a_module(config: TrialConfig, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config.flat()), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "trainable", str(path), "--draws", "1"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["draw"] == 1
