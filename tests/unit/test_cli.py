"""The command line is small, and frozen here: a new option is a decision, not an accident."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from sweep.cli.commands import main
from sweep.cli.parser import command_parser

SURFACE = {
    "run": ["--address", "--called", "--cluster", "--dir", "--help", "--set", "--via", "spec"],
    "plan": ["--cluster", "--dir", "--help", "--no-timing", "--set", "--training-seconds", "spec"],
    "status": ["--cluster", "--dir", "--help", "sweep"],
    "stop": ["--cluster", "--dir", "--help", "--now", "sweep"],
    "report": ["--cluster", "--dir", "--help", "--mlflow", "--out", "sweep"],
    "ui": ["--cluster", "--help", "--port"],
    "sync": ["--dir", "--help", "sweep"],
    "fetch": ["--cluster", "--dir", "--help", "sweep"],
    "refit": [
        "--address",
        "--arm",
        "--called",
        "--cluster",
        "--dir",
        "--help",
        "--mlflow",
        "--onnx",
        "--out",
        "--register",
        "--shots",
        "sweep",
    ],
    "predict": ["--abstain-below", "--help", "--id", "--out", "--pair", "--text", "file", "folder"],
    "explain": ["--arm", "--dir", "--draws", "--help", "--next", "--out", "--texts", "--unlabelled", "sweep"],
    "check": ["--against", "--arm", "--dir", "--help", "--margin", "--old-arm", "sweep"],
    "export": ["--dir", "--help", "file", "sweep"],
    "import": ["--dir", "--help", "--ledger", "file"],
    "schema": ["--help"],
}


def test_commands_and_options_are_these() -> None:
    (commands,) = (action for action in command_parser()._actions if isinstance(action, argparse._SubParsersAction))
    surface = {
        name: sorted(max(action.option_strings, key=len, default=action.dest) for action in command._actions)
        for name, command in commands.choices.items()
    }
    assert surface == SURFACE


@pytest.mark.parametrize("command", [[], ["--help"], *([name, "--help"] for name in SURFACE)], ids=" ".join)
def test_help_and_misuse_end_as_usual(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == (0 if command else 2)
    assert "usage: python -m sweep" in "".join(capsys.readouterr())


@pytest.mark.slow
@pytest.mark.parametrize("command", [["--help"], ["plan", "--help"], ["run"]], ids=" ".join)
def test_help_and_misuse_answer_before_anything_large_is_imported(command: list[str]) -> None:
    large = {"mlflow", "numpy", "optuna", "pandas", "pydantic", "ray", "rich", "torch", "transformers", "yaml"}
    code = (
        "import sys\nfrom sweep.cli.commands import main\n"
        f"try: main({command + ['--unknown'] * ('--help' not in command)})\n"
        f"except SystemExit: print('imported', sorted({large} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "imported []"


@pytest.mark.parametrize(
    ("command", "rule"),
    [
        (["plan", "--training-seconds"], "must be a number of more than 0"),
        (["predict", "model", "file.csv", "--abstain-below"], "must be from 0 to 1"),
        (["check", "new", "--against", "old", "--margin"], "must be from 0 to 100"),
        (["explain", "mine", "--draws"], "must be a whole number from 0"),
        (["ui", "--port"], "must be a whole number from 1 to 65535"),
        (["refit", "mine", "--out", "model", "--shots"], "must be a whole number from 1 on, `at most N` or `all`"),
    ],
    ids=lambda words: words[-1] if isinstance(words, list) else None,
)
@pytest.mark.parametrize("wrong", ["abc", "nan", "-1"])
def test_an_option_that_takes_a_number_says_which(
    command: list[str], rule: str, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, wrong])
    assert ended.value.code == 2
    assert f"{rule}; received {wrong}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "rule"),
    [
        ("run mine.yaml --cluster gpu.yaml --dir elsewhere", "--dir: not allowed with argument --cluster"),
        ("status mine --cluster gpu.yaml --dir elsewhere", "--dir: not allowed with argument --cluster"),
        ("refit mine --out model --cluster gpu.yaml --dir elsewhere", "--dir: not allowed with argument --cluster"),
        ("report mine --cluster gpu.yaml --mlflow", "--mlflow: not allowed with argument --cluster"),
        ("explain mine --next 5", "--next: not allowed without argument --unlabelled"),
        ("ui --port 0", "--port: must be a whole number from 1"),
    ],
)
def test_an_option_that_would_count_for_nothing_is_refused(
    command: str, rule: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(command.split())
    assert ended.value.code == 2
    assert f"argument {rule}" in capsys.readouterr().err


def test_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert {"compare", "search", "budget", "protocol"} <= set(schema["properties"])


def test_all_mistakes_are_told_at_once_with_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("compare: {dataset: [support], shots: [-1], loss: [soft_tripel]}\nbudgets: {}\n")
    assert main(["run", str(spec), "--dir", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "soft_triple" in error
    assert "budgets" in error
    assert "-1" in error
    assert "mistakes in the spec" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("command", ["status", "stop", "report", "sync"])
def test_an_unknown_sweep_is_refused_with_those_that_there_are(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "spec.yaml").write_text("name: other\n")
    assert main([command, "missing", "--dir", str(tmp_path)]) == 2
    assert "holds other" in capsys.readouterr().err


@pytest.mark.parametrize("file", [".", "/"])
def test_a_folder_in_place_of_the_texts_is_refused(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "model", file]) == 2
    assert "a classifier is a folder that `python -m sweep refit` wrote; model is none" in capsys.readouterr().err


def test_a_deleted_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main(["run"]) == 2
    assert "the current one was deleted" in capsys.readouterr().err
