"""From a real sweep to a classifier that answers a file."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import yaml

from sweep.cli.commands import main
from sweep.tracking.store import open_client
from tests.services.mlflow_server import free_port
from tests.services.waiting import TIME_LIMIT, wait_until
from trainable.classifier import Classifier
from trainable.config import DatasetConfig
from trainable.datasets import load

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, toy_csv: Path, tiny_bert: Path) -> Path:
    """A finished sweep of two methods on data of its own."""
    place = tmp_path_factory.mktemp("refit")
    (place / "toy.csv").write_bytes(toy_csv.read_bytes())
    spec = {
        "datasets": {"toy": {"path": str(place / "toy.csv")}},
        "compare": {"dataset": ["toy"], "shots": [4], "recipe": ["frozen", "fine_tune"], "loss": ["cross_entropy"]},
        "trial": {"encoder": str(tiny_bert), "embedding": "mean", "encoder_lr": 1e-3},
        "protocol": {"replicates": 2, "validation": 8, "steps": 4, "evaluations": 1},
        "budget": {"trials_per_cell": 2, "concurrency": 1},
        "confirm": {"draws": 3, "reseeded": 0},
        "resources": {"gpu": 0},
        "refit": True,
        "tracking": {"uri": f"sqlite:///{place}/mlflow.db"},
    }
    (place / "mine.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    with redirect_stdout(io.StringIO()) as said:
        assert main(["run", str(place / "mine.yaml"), "--dir", str(place / "sweeps")]) == 0
    (place / "said.txt").write_text(said.getvalue(), encoding="utf-8")
    return place


def command(folder: Path, *words: str) -> int:
    return main(["refit", "mine", "--dir", str(folder / "sweeps"), *words])


def test_the_winner_is_kept_with_a_card_and_answers_a_file(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model"
    assert command(folder, "--out", str(out)) == 0
    said = capsys.readouterr().out
    assert "refit      calibration 1 of" in said
    verdict = json.loads((folder / "sweeps" / "mine" / "report" / "verdict.json").read_text(encoding="utf-8"))
    (comparison,) = verdict["comparisons"]
    mean = 100 * comparison["best"]["summary"]["mean"]
    card = (out / "README.md").read_text(encoding="utf-8")
    expected = (
        r"Expected accuracy: \d+\.\d % \(95 % interval \d+\.\d to \d+\.\d\), on 96 rows, each answered by a training "
        rf"like its own on \d+ others\. In the comparison it was confirmed at {mean:.1f} % \(95 % interval"
    )
    assert re.search(expected, said)
    assert re.search(expected, card)
    metadata = yaml.safe_load(card.split("---\n")[1])
    assert metadata["pipeline_tag"] == "text-classification"
    own = Classifier.load(out).head["kind"] == "own"
    assert ("library_name" in metadata) == own, "the hub offers a pipeline for what a pipeline can read"
    assert ("answers at random" in card) != own
    assert "base_model" not in metadata, "a folder of this machine is no model of the hub"
    assert "It is the winner of the sweep `mine`" in card
    assert comparison["sentence"] in card
    assert f"python -m sweep refit {folder / 'sweeps' / 'mine'} --out {out}" in card
    data = load(DatasetConfig(name="toy", path=str(folder / "toy.csv")))
    file = tmp_path / "new.csv"
    file.write_text("\n".join(["text", *data.test.texts]) + "\n", encoding="utf-8")
    assert main(["predict", str(out), str(file)]) == 0
    assert f"{len(data.test)} rows classified" in capsys.readouterr().out
    with (tmp_path / "new.answers.csv").open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    classifier = Classifier.load(out)
    assert [row["text"] for row in rows] == list(data.test.texts)
    assert [row["label"] for row in rows] == classifier.predict(data.test.texts)
    probabilities = classifier.predict_proba(data.test.texts).sort(dim=1, descending=True).values
    assert [float(row["probability"]) for row in rows] == pytest.approx(probabilities[:, 0].tolist(), abs=1e-4)
    margins = (probabilities[:, 0] - probabilities[:, 1]).tolist()
    assert [float(row["margin"]) for row in rows] == pytest.approx(margins, abs=1.1e-4)


def test_a_request_to_stop_ends_the_training_of_a_winner_and_not_the_sweep(folder: Path, tmp_path: Path) -> None:
    spec = yaml.safe_load((folder / "mine.yaml").read_text(encoding="utf-8"))
    spec["compare"] |= {"recipe": ["fine_tune"]}
    spec["protocol"] |= {"steps": 500}
    spec |= {
        "explain": True,
        "tracking": {"uri": f"sqlite:///{tmp_path}/mlflow.db"},
        "budget": {"trials_per_cell": 1, "concurrency": 1},
        "confirm": {"draws": 2, "reseeded": 0},
    }
    (tmp_path / "long.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    sweep, said = tmp_path / "sweeps" / "long", io.StringIO()
    log = sweep / "sweep.log"

    def stop() -> None:
        wait_until(lambda: log.exists() and "calibration 1 of" in log.read_text(encoding="utf-8"))
        assert main(["stop", "long", "--dir", str(tmp_path / "sweeps")]) == 0

    with ThreadPoolExecutor() as pool, redirect_stdout(said):
        stopped = pool.submit(stop)
        assert main(["run", str(tmp_path / "long.yaml"), "--dir", str(tmp_path / "sweeps")]) == 0
        stopped.result()
    words = " ".join(said.getvalue().split())
    assert "toy/4/cross_entropy is not kept, or not in MLflow: the sweep was told to stop" in words
    assert f"`python -m sweep refit {sweep} --arm CELL --out DIR` keeps it" in words
    assert f"the winners are not explained: the sweep was told to stop; `python -m sweep explain {sweep}` does" in words
    assert not list(sweep.glob("classifiers/*/classifier.json"))
    assert (sweep / "report" / "report.html").exists()


def test_unsure_rows_are_left_to_a_person(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, file, answers = tmp_path / "model", tmp_path / "new.jsonl", tmp_path / "some.csv"
    assert command(folder, "--out", str(out), "--arm", "toy/4/frozen") == 0
    file.write_text("".join(json.dumps({"body": f"a {word} film"}) + "\n" for word in ("red", "blue", "the", "was")))
    sure = Classifier.load(out).predict_proba([f"a {word} film" for word in ("red", "blue", "the", "was")]).amax(dim=1)
    limit = float(sure.sort().values[1:3].mean())
    words = ["predict", str(out), str(file), "--text", "body", "--out", str(answers), "--abstain-below", str(limit)]
    assert main(words) == 0
    assert "2 left to a person, and of the others" in capsys.readouterr().out
    with answers.open(encoding="utf-8", newline="") as opened:
        labels = [row["label"] for row in csv.DictReader(opened)]
    assert [label == "" for label in labels] == [value < limit for value in sure.tolist()]


def test_an_onnx_file_lies_beside_the_weights(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    out = tmp_path / "model"
    assert command(folder, "--out", str(out), "--arm", "toy/4/frozen", "--onnx") == 0
    card = (out / "README.md").read_text(encoding="utf-8")
    assert f"python -m sweep refit {folder / 'sweeps' / 'mine'} --arm toy/4/frozen --out {out} --onnx" in card
    assert re.search(r"a text took \d+\.\d ms, and \d+\.\d ms with torch; it has \d+ MB", card)
    assert (out / "model.onnx").stat().st_size > 10_000


def test_mistakes_end_in_words(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    taken, file = tmp_path / "taken", tmp_path / "new.csv"
    taken.mkdir()
    (taken / "thesis.tex").write_text("all of it")
    file.write_text("body\na red film\n")
    wrong = {
        "there are toy/4/frozen, toy/4/cross_entropy": ["refit", "mine", "--arm", "toy/8/frozen", "--out", "model"],
        "holds other files: give another folder": ["refit", "mine", "--out", str(taken)],
        "there is none at 'other'": ["refit", "other", "--out", str(tmp_path / "model")],
        "give that folder": ["predict", str(taken), str(file)],
    }
    for said, words in wrong.items():
        extra = ["--dir", str(folder / "sweeps")] if words[0] == "refit" else []
        assert main([*words, *extra]) == 2
        shown = capsys.readouterr().err
        assert said in shown
    assert (taken / "thesis.tex").read_text() == "all of it"
    out = tmp_path / "model"
    assert command(folder, "--out", str(out), "--arm", "toy/4/frozen") == 0
    assert main(["predict", str(out), str(file)]) == 2
    assert "read from the column 'text', which it has not; its columns are body: rename" in capsys.readouterr().err


def test_changed_data_are_not_trained_on(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "toy.csv"
    before = path.read_text(encoding="utf-8")
    path.write_text("\n".join(before.splitlines()[:-3]) + "\n", encoding="utf-8")
    load.cache_clear()
    try:
        assert command(folder, "--out", str(tmp_path / "model")) == 2
        assert "must share data and encoders" in capsys.readouterr().err
    finally:
        path.write_text(before, encoding="utf-8")
        load.cache_clear()


def test_a_registered_winner_is_served(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, uri = tmp_path / "model", f"sqlite:///{folder}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert command(folder, "--out", str(out), "--arm", "toy/4/frozen", "--register", "team/toy") == 0
    client = open_client(uri)
    version = client.get_model_version_by_alias("team-toy", "winner")
    assert str(version.description).startswith("Expected accuracy: ")
    run = client.get_run(str(version.run_id))
    (sweep,) = client.search_runs([run.info.experiment_id], "tags.`sweep.role` = 'sweep'")
    assert run.data.tags["mlflow.parentRunId"] == sweep.info.run_id
    stored = list(folder.glob("mlruns/**/*"))
    assert stored, "they lie beside the database"
    assert not [path for path in stored if path.suffix in (".pkl", ".pickle", ".bin")]
    texts = ["a red film", "some blue text", ""]
    wanted = Classifier.load(out)
    with _served("models:/team-toy@winner", uri) as port:
        answered = _answered_as_by(wanted, port, texts)
        heard = {body: _sent(port, body) for body in REFUSED}
        assert not [(body, answer) for body, answer in heard.items() if answer[0] != 400]
        assert not [(body, heard[body]) for body, said in REFUSED.items() if said not in heard[body][1]]
        assert _sent(port, b"text\na red film\n", "text/plain")[0] == 415
        assert len(_asked(port, [{"text": "red " * 250_000, "id": 7}])["predictions"]) == 1
        many = _asked(port, [{"text": f"a red film {number}"} for number in range(10_000)])["predictions"]
        assert len(many) == 10_000
        assert _asked(port, [{"text": text} for text in texts])["predictions"] == answered, "it lives"


REFUSED = {
    b'{"dataframe_records": [{"text": 5}]}': "must hold a text in every row; received 5 in row 1",
    b'{"dataframe_records": [{"text": "a"}, {"text": 5}]}': "must hold a text in every row; received 5 in row 2",
    b'{"dataframe_records": [{"text": "a"}, {"text": null}]}': "in row 2",
    b'{"dataframe_records": [{"text": null}]}': "in row 1",
    b'{"dataframe_records": [{"text": "a"}, {"id": 1}]}': "in row 2",
    b'{"dataframe_records": [{"text": ["a"]}]}': "must hold a text in every row",
    b'{"dataframe_records": [{"text": "half \\ud800"}]}': "surrogates not allowed",
    b'{"dataframe_records": [{"body": "a"}]}': "Model is missing inputs ['text']",
    b'{"dataframe_records": []}': "Model is missing inputs ['text']",
    b'{"texts": ["a"]}': "dataframe_records",
    b'["a"]': "Received a list",
    b"not JSON": "valid JSON",
    b"": "valid JSON",
}
"""What is sent to the server, and words that come back with the status 400."""


def test_mlflow_alone_is_enough(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Weights and scores are those that the ledger gives, where nothing of the sweep's folder is there."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    for out, where in (("by-ledger", ["--dir", str(folder / "sweeps")]), ("by-mlflow", ["--mlflow"])):
        words = ["refit", "mine", "--arm", "toy/4/frozen", "--out", str(tmp_path / out), *where]
        assert main([*words, *(["--register", "again"] if where == ["--mlflow"] else [])]) == 0
    for name in ("classifier.json", "classifier.safetensors", "model.safetensors"):
        both = [(tmp_path / out / name).read_bytes() for out in ("by-ledger", "by-mlflow")]
        assert both[0] == both[1], name
    card = (tmp_path / "by-mlflow" / "README.md").read_text(encoding="utf-8")
    assert f"python -m sweep refit mine --mlflow --arm toy/4/frozen --out {tmp_path / 'by-mlflow'}" in card
    client = open_client(f"sqlite:///{folder}/mlflow.db")
    version = client.get_model_version_by_alias("again", "winner")
    run = client.get_run(str(version.run_id))
    (sweep,) = client.search_runs([run.info.experiment_id], "tags.`sweep.role` = 'sweep'")
    assert run.data.tags["mlflow.parentRunId"] == sweep.info.run_id
    capsys.readouterr()
    path = folder / "toy.csv"
    before = path.read_text(encoding="utf-8")
    path.write_text("\n".join(before.splitlines()[:-3]) + "\n", encoding="utf-8")
    load.cache_clear()
    try:
        assert main(["refit", "mine", "--mlflow", "--out", str(tmp_path / "changed")]) == 2
        assert "texts or labels of 'toy' have changed since" in capsys.readouterr().err
        assert main(["refit", "unknown", "--mlflow", "--out", str(tmp_path / "changed")]) == 2
        assert "there is none named 'unknown' in this MLflow store" in capsys.readouterr().err
    finally:
        path.write_text(before, encoding="utf-8")
        load.cache_clear()


def test_the_run_of_the_sweep_shows_its_verdict(folder: Path) -> None:
    client = open_client(f"sqlite:///{folder}/mlflow.db")
    (run,) = client.search_runs(
        [each.experiment_id for each in client.search_experiments()], "tags.`sweep.role` = 'sweep'"
    )
    verdict = json.loads((folder / "sweeps" / "mine" / "report" / "verdict.json").read_text(encoding="utf-8"))
    (comparison,) = verdict["comparisons"]
    assert f"- **toy, 4 labels per class:** {comparison['sentence']}" in run.data.tags["mlflow.note.content"]
    assert run.inputs is not None
    assert [each.dataset.name for each in run.inputs.dataset_inputs] == ["toy"]


def test_a_fine_tuned_winner_is_served_too(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, uri = tmp_path / "model", f"sqlite:///{folder}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert command(folder, "--out", str(out), "--arm", "toy/4/cross_entropy", "--register", "tuned") == 0
    texts = ["the film is bad", "a film was great", "neither"]
    with _served("models:/tuned@winner", uri) as port:
        _answered_as_by(Classifier.load(out), port, texts)


def test_a_run_keeps_its_winner_if_it_is_asked_to(folder: Path) -> None:
    place = folder / "sweeps" / "mine"
    verdict = json.loads((place / "report" / "verdict.json").read_text(encoding="utf-8"))
    cell = verdict["comparisons"][0]["best"]["cell"]
    kept = place / "classifiers" / cell.replace("/", "-")
    assert set(Classifier.load(kept).predict(["the film is bad", "a film was great"])) <= {"bad", "good"}
    page = (place / "report" / "report.html").read_text(encoding="utf-8")
    assert f'<a href="../classifiers/{kept.name}/README.md">{kept.name}</a>' in page
    version = open_client(f"sqlite:///{folder}/mlflow.db").get_model_version_by_alias("mine", "winner")
    assert str(version.description).startswith("Expected accuracy: ")
    log = (place / "sweep.log").read_text(encoding="utf-8")
    assert re.search(r"calibration 1 of \d: training on \d+ rows, to score \d+ others", log)
    said = (folder / "said.txt").read_text(encoding="utf-8")
    for told in ("training on all 96 rows", f"{cell}: kept in {kept}, and in MLflow as models:/mine/1"):
        assert told in log
        assert f"\nrefit      {told}" in said
    written = (kept / "classifier.safetensors").stat().st_mtime_ns
    assert main(["run", str(folder / "mine.yaml"), "--dir", str(folder / "sweeps")]) == 0
    assert (kept / "classifier.safetensors").stat().st_mtime_ns == written, "nothing was trained, so nothing changes"


@contextmanager
def _served(model: str, uri: str) -> Iterator[int]:
    """A server of MLflow's own, ended with all of its processes."""
    port = free_port()
    words = [sys.executable, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
    words += ["-p", str(port), "--timeout", "600"]
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": uri,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    process = subprocess.Popen(words, env=environment, start_new_session=True)

    def answers() -> bool:
        with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/ping") as response:
            return bool(response.status == 200)
        return False

    try:
        wait_until(answers)
        yield port
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def _answered_as_by(wanted: Classifier, port: int, texts: list[str]) -> Any:
    """What the server answers, which must be labels and probabilities of the classifier."""
    answered = _asked(port, [{"text": text} for text in texts])["predictions"]
    assert [each["label"] for each in answered] == wanted.predict(texts)
    probabilities = wanted.predict_proba(texts).amax(dim=1).tolist()
    assert [each["probability"] for each in answered] == pytest.approx(probabilities, abs=1e-5)
    return answered


def _asked(port: int, records: list[dict[str, Any]]) -> Any:
    status, answered = _sent(port, json.dumps({"dataframe_records": records}).encode())
    assert status == 200, answered
    return json.loads(answered)


def _sent(port: int, body: bytes, kind: str = "application/json") -> tuple[int, str]:
    """The status and the text of the server's answer."""
    request = Request(f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": kind})
    try:
        with urlopen(request, timeout=TIME_LIMIT) as response:  # noqa: S310  # on this machine
            return response.status, response.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
