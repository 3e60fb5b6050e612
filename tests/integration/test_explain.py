"""From a real sweep to a page that says which labels look wrong and where an arm errs."""

from __future__ import annotations

import csv
import json
import os
from html.parser import HTMLParser
from pathlib import Path

import mlflow
import pandas as pd  # type: ignore[import-untyped]
import pytest
import yaml

from sweep.cli.commands import main

pytestmark = pytest.mark.slow

ATTACK = '<script>alert(1)</script> "><img src=x onerror=alert(2)>'
GOOD = f"good {ATTACK}"
PLANTED = ("a film was great great fine indeed", "bad")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, toy_csv: Path, tiny_bert: Path) -> Path:
    """A finished sweep of two methods on two datasets: one with a test file, and one without, with a hostile text and
    class name and a planted wrong label."""
    place = tmp_path_factory.mktemp("explain")
    with toy_csv.open(encoding="utf-8", newline="") as file:
        rows = [(row["text"], row["label"]) for row in csv.DictReader(file)]
    few = [(text, GOOD if label == "good" else label) for text, label in rows]
    parts = {"few": [*few, (ATTACK, "bad"), PLANTED], "pool": rows[::2], "test": rows[1::2]}
    for name, part in parts.items():
        with (place / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *part])
    paraphrases = [(str(int(a[1] == b[1])), a[0], b[0]) for a, b in zip(rows, rows[24:] + rows[:24], strict=True)]
    _write_mrpc(place / "MRPC", paraphrases[:64], paraphrases[64:])
    spec = {
        "datasets": {
            "pairs": {"path": str(place), "senteval": "MRPC"},
            "few": {"path": str(place / "few.csv")},
            "split": {"path": str(place / "pool.csv"), "test_path": str(place / "test.csv")},
        },
        "compare": {
            "dataset": ["few", "split", "pairs"],
            "shots": [4],
            "recipe": ["frozen", "fine_tune"],
            "loss": ["cross_entropy"],
        },
        "trial": {"encoder": str(tiny_bert), "embedding": "mean", "encoder_lr": 1e-3},
        "protocol": {"replicates": 1, "validation": 8, "steps": 4, "evaluations": 1},
        "budget": {"trials_per_cell": 1, "concurrency": 1},
        "confirm": {"draws": 4, "reseeded": 0},
        "resources": {"gpu": 0},
        "tracking": {"uri": f"sqlite:///{place}/mlflow.db"},
        "explain": True,
    }
    (place / "mine.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    assert main(["run", str(place / "mine.yaml"), "--dir", str(place / "sweeps")]) == 0
    return place


def _write_mrpc(folder: Path, train: list[tuple[str, str, str]], test: list[tuple[str, str, str]]) -> None:
    """SentEval's task on pairs, whose files do not name the columns of the texts as other data do."""
    folder.mkdir()
    for name, part in (("train", train), ("test", test)):
        lines = [f"{quality}\t1\t2\t{first}\t{second}" for quality, first, second in part]
        text = "\n".join(["Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", *lines]) + "\n"
        (folder / f"msr_paraphrase_{name}.txt").write_text(text, encoding="utf-8")


def command(folder: Path, *words: str) -> int:
    return main(["explain", "mine", "--dir", str(folder / "sweeps"), *words])


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Tags(HTMLParser):
    """Collects the elements of a page, and the addresses that a browser would open."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]


def test_every_row_is_ranked_where_draws_test_parts_of_the_rows(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(folder, "--arm", "few/4/frozen") == 0
    said = capsys.readouterr().out
    out = folder / "sweeps" / "mine" / "explain" / "few__4__frozen"
    assert str(out / "explain.html") in said
    assert "The arm's accuracy is " in said
    rows = table(out / "doubtful_labels.csv")
    assert len(rows) == 98
    assert [int(row["rank"]) for row in rows] == list(range(1, 99))
    assert {row["text"] for row in rows} >= {ATTACK, PLANTED[0]}
    doubts = [float(row["doubt"]) for row in rows]
    assert doubts == sorted(doubts, reverse=True)
    assert {(row["models"], row["arms"]) for row in rows} == {("12", "3")}, "10 out of fold, and one draw of each arm"
    (planted,) = (row for row in rows if row["text"] == PLANTED[0])
    assert (planted["models_say"], int(planted["rank"]) <= 10) == (GOOD, True)
    assert json.loads((out / "doubtful_labels.json").read_text(encoding="utf-8"))[0]["text"] == rows[0]["text"]
    whole = next(row for row in table(out / "slices.csv") if row["kind"] == "all")
    assert whole["rows"] == "98"
    verdict = json.loads((folder / "sweeps" / "mine" / "report" / "verdict.json").read_text(encoding="utf-8"))
    (mean,) = (
        arm["summary"]["mean"]
        for comparison in verdict["comparisons"]
        for arm in comparison["arms"]
        if arm["cell"] == "few/4/frozen"
    )
    assert float(whole["accuracy"]) == pytest.approx(mean, abs=1e-6)
    far = table(out / "figures" / "distance.csv")
    assert [int(row["rows"]) for row in far if row["method"] == "frozen"] == [11] * 8 + [10]
    assert {row["other"] for row in table(out / "flips.csv")} == {"cross_entropy"}
    sure = {(row["method"], row["measure"], row["scores"]): row for row in table(out / "reliability.csv")}
    assert {method for method, _, _ in sure} == {"frozen", "cross_entropy"}
    assert 0 <= float(sure["frozen", "ece", "as it is"]["value"]) <= 1
    assert sure["frozen", "brier", "as it is"]["other"] == "cross_entropy"
    lying = {(row["method"], row["measure"]) for row in table(out / "geometry.csv")}
    assert {("before training", "uniformity"), ("cross_entropy", "alignment")} <= lying
    assert [row["training"] for row in table(out / "figures" / "map.csv")] == ["before"] * 98
    for row in table(out / "errors.csv"):
        assert row["label"] != row["said"]
        assert 0 < int(row["draws_saying"]) <= int(row["draws"])


def test_rows_of_the_pool_are_ranked_by_the_frozen_classifier(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "page"
    assert command(folder, "--arm", "split/4/cross_entropy", "--out", str(out)) == 0
    rows = table(out / "doubtful_labels.csv")
    assert len(rows) == 96
    assert sorted((row["models"], row["arms"]) for row in rows) == [("10", "1")] * 48 + [("18", "3")] * 48
    assert next(row for row in table(out / "slices.csv") if row["kind"] == "all")["rows"] == "48"


def test_the_page_asks_for_nothing_and_escapes_hostile_texts(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "page"
    assert command(folder, "--arm", "few/4/frozen", "--out", str(out)) == 0
    text = (out / "explain.html").read_text(encoding="utf-8")
    found = Tags()
    found.feed(text)
    assert not found.tags & {"script", "img", "link", "iframe", "object"}
    assert all(address.startswith("#") for address in found.addresses)
    assert "default-src 'none'" in text
    assert text.count("&lt;script&gt;alert(1)") > 3, "it is the name of a class"
    before = {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert command(folder, "--arm", "few/4/frozen", "--out", str(out)) == 0
    assert {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_single_predictions_are_of_rows_that_trained_nothing_and_twice_the_same(folder: Path, tmp_path: Path) -> None:
    texts = folder / "new.csv"
    texts.write_text(f'text\na film was great\n"{ATTACK.replace(chr(34), chr(34) * 2)}"\n', encoding="utf-8")
    out = tmp_path / "page"
    assert command(folder, "--arm", "few/4/cross_entropy", "--out", str(out), "--texts", str(texts)) == 0
    rows = table(out / "predictions.csv")
    assert [row["text"] for row in rows if row["kind"] == "given"] == ["a film was great", ATTACK]
    assert {row["says"] == row["label"] for row in rows if row["kind"] == "right"} == {True}
    assert {row["says"] == row["label"] for row in rows if row["kind"] == "error"} <= {False}
    words = table(out / "words.csv")
    first = [row for row in words if row["prediction"] == "1"]
    assert [row["word"] for row in first] == ["a", "film", "was", "great"]
    assert sum(abs(float(row["share"])) for row in first) == pytest.approx(1, abs=1e-3)
    assert {"adds_to_head", "adds_to_nearest", "left_out_of_head"} <= set(first[0])
    names = {row["check"] for row in table(out / "checks.csv")}
    assert {"the words add up", "agreement with random weights", "agreement with other draws"} <= names
    assert len(table(out / "figures" / "perturbation.csv")) == 20
    lying = table(out / "figures" / "map.csv")
    assert [row["training"] for row in lying] == ["before"] * 25 + ["after"] * 25, "of the quarter that the draw tests"
    assert [row["row"] for row in lying[:25]] == [row["row"] for row in lying[25:]]
    assert [row["tsne_1"] for row in lying[:25]] != [row["tsne_1"] for row in lying[25:]]
    page = (out / "explain.html").read_text(encoding="utf-8")
    assert "&lt;</span>" in page or "&lt;script" in page
    assert "<script" not in page
    assert ("Do not rely on them" in page) == any(row["passed"] == "0" for row in table(out / "checks.csv"))


def test_with_no_draws_nothing_is_trained(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainable.drawn_classifier.drawn_classifier", None)
    out = tmp_path / "page"
    assert command(folder, "--arm", "few/4/frozen", "--out", str(out), "--draws", "0") == 0
    assert "once more" not in capsys.readouterr().out
    assert "Why it says so" not in (out / "explain.html").read_text(encoding="utf-8")


def test_texts_without_labels_are_named_that_are_worth_one(folder: Path, tmp_path: Path) -> None:
    texts, out = tmp_path / "more.csv", tmp_path / "page"
    new = [
        f"a {thing} {verb} {word}" for thing in ("play", "book") for verb in ("is", "was") for word in ("odd", "slow")
    ]
    with texts.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text",), *((text,) for text in (*new, PLANTED[0].upper(), new[0], ATTACK + "!"))])
    words = ["--arm", "few/4/frozen", "--out", str(out), "--unlabelled", str(texts), "--next", "4", "--draws", "0"]
    assert command(folder, *words) == 0
    rows = table(out / "next_labels.csv")
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    known = dict(enumerate([*new, "", "", ATTACK + "!"], start=1))
    assert all(known[int(row["row"])] == row["text"] for row in rows), "neither labelled nor there before"
    assert {row["label"] for row in rows} == {""}, "for a person to fill in"
    assert {row["models_say"] for row in rows} <= {"bad", GOOD}
    assert sum(int(row["stands_for"]) for row in rows) == 9
    page = (out / "explain.html").read_text(encoding="utf-8")
    assert "Of the 11 texts of the file, 9 are new." in page
    assert "<script" not in page
    texts.write_text(f"text\n{PLANTED[0]}\n", encoding="utf-8")
    assert command(folder, *words) == 0
    assert "None of the 1 texts of the file" in (out / "explain.html").read_text(encoding="utf-8")
    assert table(out / "next_labels.csv") == []


def test_pairs_of_a_task_of_senteval_are_read_as_pairs(folder: Path, tmp_path: Path) -> None:
    given, out = tmp_path / "pairs.csv", tmp_path / "page"
    given.write_text("text,text_pair\na film was great,the film is fine\nit was odd,it was slow\n", encoding="utf-8")
    words = ["--arm", "pairs/4/frozen", "--out", str(out), "--texts", str(given), "--unlabelled", str(given)]
    assert command(folder, *words) == 0
    shown = [row for row in table(out / "predictions.csv") if row["kind"] == "given"]
    assert (shown[0]["text"], shown[0]["text_pair"]) == ("a film was great", "the film is fine")
    first = [(row["text"], row["word"]) for row in table(out / "words.csv") if row["prediction"] == "1"]
    assert first[3:6] == [("1", "great"), ("2", "the"), ("2", "film")]
    assert {row["text_pair"] for row in table(out / "next_labels.csv")} == {"the film is fine", "it was slow"}


def test_the_kept_classifier_of_such_a_task_is_served_for_pairs(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["refit", "mine", "--dir", str(folder / "sweeps"), "--arm", "pairs/4/frozen", "--out", str(tmp_path / "m")]
    assert main([*words, "--register", "paraphrases"]) == 0
    assert not {"MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID"} & os.environ.keys(), "left to what runs next"
    assert f"predict {tmp_path / 'm'} FILE.csv --pair text_pair\n" in capsys.readouterr().out
    assert "A classifier of pairs of texts into " in (tmp_path / "m" / "README.md").read_text(encoding="utf-8")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    served = mlflow.pyfunc.load_model("models:/paraphrases/1")
    assert served.metadata.signature.inputs.input_names() == ["text", "text_pair"]
    answers = served.predict(pd.DataFrame({"text": ["a film was great"], "text_pair": ["the film is fine"]}))
    assert answers["label"].tolist()[0] in ("equivalent", "not_equivalent")


def test_mistakes_end_in_words(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    wrong = {
        "choose one by --arm": [],
        "no confirmed arm of 'mine' is 'few/8/frozen'": ["--arm", "few/8/frozen"],
        "must be writable": ["--arm", "few/4/frozen", "--out", str(tmp_path / "file"), "--draws", "0"],
        "there is none at missing.csv": ["--arm", "few/4/frozen", "--texts", "missing.csv"],
        "there is none at unlabelled.csv": ["--arm", "few/4/frozen", "--unlabelled", "unlabelled.csv"],
        "with --draws 0 none is trained": ["--arm", "few/4/frozen", "--texts", "missing.csv", "--draws", "0"],
    }
    for said, words in wrong.items():
        assert command(folder, *words) == 2
        assert said in capsys.readouterr().err


def test_changed_data_are_not_explained(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "few.csv"
    before = path.read_bytes()
    path.write_bytes(before.replace(b"fine indeed", b"fine enough"))
    try:
        assert command(folder, "--arm", "few/4/frozen") == 2
        assert "must share data and encoders" in capsys.readouterr().err
    finally:
        path.write_bytes(before)


def test_a_spec_that_asks_for_it_has_its_best_arms_explained_in_the_folder_and_in_mlflow(folder: Path) -> None:
    from mlflow import MlflowClient

    explained = folder / "sweeps" / "mine" / "explain"
    pages = {path.parent.name for path in explained.glob("*/explain.html")}
    report = json.loads((folder / "sweeps" / "mine" / "report" / "verdict.json").read_text(encoding="utf-8"))
    best = {comparison["best"]["cell"].replace("/", "__") for comparison in report["comparisons"]}
    assert best <= pages
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiments = [each.experiment_id for each in client.search_experiments()]
    (run,) = client.search_runs(experiments, "tags.`sweep.role` = 'sweep'")
    stored = {artifact.path for artifact in client.list_artifacts(run.info.run_id, "explain")}
    assert {f"explain/{name}" for name in best} <= stored
    shown = {artifact.path for artifact in client.list_artifacts(run.info.run_id, min(stored))}
    assert f"{min(stored)}/explain.html" in shown
