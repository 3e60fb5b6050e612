"""Bad input of any kind ends with exit code 2 and a message that names the place, the rule and the remedy; never a
traceback.

Mistakes within a spec are in tests/unit/test_spec_errors.py; here is everything that a sweep meets outside its spec
file.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweep.cli.commands import main

ROWS = "text,label\n" + "".join(f"sentence number {i} of class {i % 2},{'ab'[i % 2]}\n" for i in range(40))


@dataclass(frozen=True)
class Case:
    """A folder prepared wrongly, and what the message must say."""

    name: str
    says: tuple[str, ...]
    data: bytes | None = ROWS.encode()
    spec: dict[str, Any] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    prepare: Callable[[Path], None] = lambda folder: None


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


CASES = [
    Case("missing data file", ("data.csv", "no"), data=None),
    Case("empty data file", ("data.csv", "empty"), data=b""),
    Case("only a header", ("data.csv",), data=b"text,label\n"),
    Case("binary data file", ("data.csv", "binary"), data=b"\x00\x01\x02" * 400),
    Case("missing column", ("label", "intent", "column"), data=ROWS.replace("label", "intent").encode()),
    Case("near miss of a column", ("text", "txt"), data=ROWS.replace("text,", "txt,").encode()),
    Case("one class only", ("class",), data=b"text,label\na b,x\nc d,x\ne f,x\n"),
    Case("one row of a class", ("class",), data=b"text,label\na b,x\nc d,x\ne f,x\ng h,y\n"),
    Case("malformed csv", ("data.csv", "line"), data=b'text,label\n"a b,x\nc d,y\n'),
    Case("too many fields", ("data.csv", "line"), data=b"text,label\na,b,c,d\ne,f\n"),
    Case(
        "swapped columns",
        ("label",),
        spec={"datasets": {"own": {"path": "data.csv", "text": "label", "label": "text"}}},
    ),
    Case("more shots than rows", ("1000", "needs", "rows"), arguments=("--set", "compare.shots=[1000]")),
    Case("more validation rows than rows", ("5000",), arguments=("--set", "protocol.validation=5000")),
    Case("missing folder", ("nowhere",), spec={"datasets": {"own": {"path": "nowhere"}}}),
    Case(
        "folder without data",
        ("hollow",),
        spec={"datasets": {"own": {"path": "hollow"}}},
        prepare=lambda folder: (folder / "hollow").mkdir(),
    ),
    Case("unknown dataset", ("suport", "support"), arguments=("--set", "compare.dataset=[suport]")),
    Case("hub id without network", ("SetFit/subj",), arguments=("--set", "compare.dataset=[SetFit/subj]")),
    Case(
        "broken parquet",
        ("data.parquet",),
        spec={"datasets": {"own": {"path": "data.parquet"}}},
        prepare=lambda folder: _write(folder / "data.parquet", "PAR1 no parquet PAR1"),
    ),
    Case(
        "broken json line",
        ("data.jsonl", "line 2"),
        spec={"datasets": {"own": {"path": "data.jsonl"}}},
        prepare=lambda folder: _write(folder / "data.jsonl", '{"text": "a", "label": "b"}\n{"text": \n'),
    ),
    Case("unknown spec file", ("nowhere.yaml", "quickstart"), arguments=("nowhere.yaml",)),
    Case("unwritable folder for sweeps", ("must be writable", "--dir"), arguments=("--dir", "/proc/sweeps")),
    Case("a file where the sweeps should be", ("must be writable",), arguments=("--dir", "data.csv")),
    Case(
        "unreachable MLflow",
        ("MLflow", "tracking.required"),
        arguments=("--set", f"tracking.uri=http://127.0.0.1:{free_port()}"),
    ),
    Case("MLflow in a folder", ("MLflow", "sqlite"), arguments=("--set", "tracking.uri=./mlruns")),
    Case("MLflow address of no known kind", ("tracking",), arguments=("--set", "tracking.uri=gopher://x")),
    Case("unreachable Ray", ("must answer", "ray status"), arguments=("--address", f"127.0.0.1:{free_port()}")),
    Case("malformed Ray address", ("HOST:PORT",), arguments=("--address", "ray://somewhere")),
    Case(
        "a ledger that is none",
        ("journal", "ledger.journal"),
        prepare=lambda folder: _write(folder / "sweeps" / "own" / "ledger.journal", "no journal\nat all\n"),
    ),
    Case("an unknown override", ("budgett",), arguments=("--set", "budgett.hours=1")),
    Case("an override without value", ("KEY=VALUE",), arguments=("--set", "budget")),
    Case("max_length beyond the encoder", ("max_length",), arguments=("--set", "trial.max_length=4096")),
    Case("an encoder that is nowhere", ("encoder", "/no/encoder"), arguments=("--set", "trial.encoder=/no/encoder")),
]


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_is_refused_in_words(
    case: Case, tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    if case.data is not None:
        (tmp_path / "data.csv").write_bytes(case.data)
    spec = {
        "name": "own",
        "datasets": {"own": {"path": "data.csv"}},
        "compare": {"dataset": ["own"], "shots": [2], "loss": ["cross_entropy"]},
        "trial": {"encoder": str(tiny_bert)},
        "protocol": {"replicates": 1, "evaluations": 1, "steps": 2},
        "budget": {"trials_per_cell": 1},
        **case.spec,
    }
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(spec))
    case.prepare(tmp_path)
    arguments = list(case.arguments)
    if not (arguments and arguments[0].endswith(".yaml")):
        arguments.insert(0, "own.yaml")
    before = dict(os.environ)
    try:
        code = main(["run", *arguments])
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
    error = capsys.readouterr().err
    assert code == 2, error
    assert "Traceback" not in error
    for fragment in case.says:
        assert fragment in error, error
    assert not (tmp_path / "sweeps" / "own" / "spec.yaml").exists() or case.name in AFTER_THE_LEDGER


# These are found out only when the sweep has a ledger; nothing has been trained then.
AFTER_THE_LEDGER = {
    "unreachable MLflow",
    "MLflow in a folder",
    "MLflow address of no known kind",
    "unreachable Ray",
    "malformed Ray address",
}
