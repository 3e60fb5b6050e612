"""The Python interface: what it has, that it loads nothing before its time, and how it takes specs and data."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest

import sweep
from sweep.api import classifier, result, running
from sweep.api.frames import spec_with
from sweep.api.process import undisturbed
from sweep.cli.commands import main
from sweep.errors import StoredSweepError, SweepError
from sweep.report.rows import DRAW_COLUMNS, TRIAL_COLUMNS
from sweep.spec.model import SweepSpec
from sweep.spec.reader import load_spec, read_layers
from trainable.datasets import load

SPEC: dict[str, Any] = {
    "compare": {"shots": [4], "recipe": ["frozen"]},
    "trial": {"encoder": "all-MiniLM-L6-v2"},
}
FRAME = pd.DataFrame({"text": [f"text {number}" for number in range(12)], "label": ["a", "b"] * 6})


def spec_of(data: Any, root: Path, test: Any = None, **changes: Any) -> SweepSpec:
    return spec_with(read_layers({**SPEC, **changes}), data, test, root)


# ---- what is there


def test_exports_are_these() -> None:
    names = ["Classifier", "FewShotClassifier", "Result", "SweepError", "TrainableError", "read", "refit", "run"]
    assert sorted(sweep.__all__) == sorted(names)
    assert set(names) <= set(dir(sweep))
    for name in names:
        assert inspect.getdoc(getattr(sweep, name)), f"{name} has no docstring"


@pytest.mark.parametrize("name", ["run", "read", "refit"])
def test_functions_stay_what_they_are_when_modules_are_loaded(name: str) -> None:
    import sweep.driver
    import sweep.refitting

    assert callable(getattr(sweep, name))


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'sweep'"):
        sweep.__getattr__("sweep")


@pytest.mark.parametrize("act", [running.run, result.read, classifier.refit, classifier.Classifier.predict_proba])
def test_everything_is_typed(act: Callable[..., Any]) -> None:
    names = {name for name in inspect.signature(act).parameters if name != "self"}
    assert names | {"return"} == set(act.__annotations__)


@pytest.mark.slow
def test_the_import_loads_no_library() -> None:
    code = (
        "import sys, sweep; print(sorted({'numpy', 'torch', 'ray', 'mlflow', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---- specs


def test_a_mapping_is_read_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ncompare: {dataset: [support], shots: [4], loss: [cross_entropy]}\n"
        "trial: {encoder: all-MiniLM-L6-v2}\nsearch: {encoder_lr: [1.0e-4, 2.0e-4]}\n"
    )
    mapping = {
        "name": "mine",
        "compare": {"dataset": ("support",), "shots": np.array([4]), "loss": ["cross_entropy"]},
        "trial": {"encoder": "all-MiniLM-L6-v2"},
        "search": {"encoder_lr": [np.float64(1e-4), 2e-4]},
    }
    assert load_spec(mapping) == load_spec(tmp_path / "mine.yaml")
    assert (
        load_spec({**mapping, "description": "a\u2028b \u00e9 \U0001f600"}).description == "a\u2028b \u00e9 \U0001f600"
    )


def test_paths_of_a_mapping_are_relative_to_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = load_spec(
        {**SPEC, "datasets": {"mine": {"path": Path("mine.csv")}}, "compare": {**SPEC["compare"], "dataset": "mine"}}
    )
    assert spec.datasets["mine"].path == str(tmp_path / "mine.csv")
    assert spec.name == "sweep"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"compare": {"shots": [-1]}}, "received -1"),
        ({"budgets": {}}, "spec: budgets: unknown key"),
        ({"compare": {"shots": {4}}}, "a spec holds names, numbers, texts, lists and mappings; received set: {4}"),
        ({("a", "b"): 1}, "a spec holds names, numbers, texts, lists and mappings"),
        ({"description": "half of a character: \ud800"}, "spec"),
        ({"trial": {"encoder_lr": float("nan")}}, "encoder_lr: must be"),
        (3, "a spec is a path, the name of a preset, or a mapping; received int"),
        ("none.yaml", "no such file or preset"),
    ],
)
def test_mistakes_are_errors_of_the_project(spec: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(sweep.SweepError) as raised:
        sweep.run(spec, root=tmp_path, progress=False)
    assert said in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_a_mapping_that_holds_itself_is_refused() -> None:
    spec: dict[str, Any] = dict(SPEC)
    spec["trial"] = spec
    with pytest.raises(sweep.SweepError, match="Circular reference"):
        sweep.run(spec)


def test_overrides_are_refused_in_the_words_of_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(sweep.SweepError) as raised:
        sweep.run("quickstart", overrides={"budget.trials_per_cell": 0, "trail.encoder": "x"}, root=tmp_path)
    words = ["run", "--set", "budget.trials_per_cell=0", "--set", 'trail.encoder="x"', "--dir", str(tmp_path)]
    assert main(words) == 2
    assert capsys.readouterr().err.startswith(str(raised.value))
    with pytest.raises(sweep.SweepError, match=r"--set budget: a value is .*received set"):
        sweep.run("quickstart", overrides={"budget": {1}}, root=tmp_path)
    with pytest.raises(sweep.SweepError, match="overrides are a mapping from fields to values; received list"):
        sweep.run("quickstart", overrides=["budget"], root=tmp_path)  # type: ignore[arg-type]


def test_one_sweep_of_a_process_runs_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Ray of the first one would else end under the second one, and the program with it."""
    monkeypatch.delenv("SET_BY_A_SWEEP", raising=False)
    began, ended, running_now, most = threading.Event(), threading.Event(), [0], []

    def drive(*_: Any, **__: Any) -> None:
        running_now[0] += 1
        most.append(running_now[0])
        os.environ["SET_BY_A_SWEEP"] = "1"
        began.set()
        ended.wait(60)
        running_now[0] -= 1
        raise SweepError("it ends")

    def run_one(name: str) -> None:
        with pytest.raises(SweepError, match="it ends"):
            sweep.run({"name": name, **SPEC}, data=FRAME, root=tmp_path)

    monkeypatch.setattr(running, "drive", drive)
    threads = [threading.Thread(target=run_one, args=(name,)) for name in ("one", "two")]
    threads[0].start()
    assert began.wait(60)
    with undisturbed():  # as of a classifier that is loaded meanwhile, and that ends first
        threads[1].start()
    assert os.environ["SET_BY_A_SWEEP"] == "1"
    while "another thread" not in caplog.text:
        assert threads[1].is_alive()
        time.sleep(0.01)
    ended.set()
    for thread in threads:
        thread.join(60)
    assert most == [1, 1]
    assert "SET_BY_A_SWEEP" not in os.environ


def test_no_shots_are_refused_by_the_estimator_too(tmp_path: Path) -> None:
    """They are not the default, which they were taken for."""
    with pytest.raises(SweepError, match=r"shots: must be a whole number from 1 on.*; received 0"):
        sweep.FewShotClassifier(shots=0, root=tmp_path).fit(FRAME["text"], FRAME["label"])


@pytest.mark.parametrize("shots", [0, -1, 1.5, "4", True])
def test_shots_of_a_classifier_are_a_number(shots: Any, tmp_path: Path) -> None:
    with pytest.raises(sweep.TrainableError, match="a whole number from 1 on, `at most N` or `all`; received"):
        sweep.refit("any", shots=shots, root=tmp_path)
    with pytest.raises(StoredSweepError):  # as of a search over parameters
        sweep.refit("any", shots=np.int64(4), root=tmp_path)  # type: ignore[arg-type]
    with pytest.raises(StoredSweepError):
        sweep.refit("any", shots="at most 4", root=tmp_path)


def test_unknown_sweeps_are_refused(tmp_path: Path) -> None:
    for act in (sweep.read, sweep.refit):
        with pytest.raises(sweep.SweepError, match="there is none at 'mine'"):
            act("mine", root=tmp_path)
    with pytest.raises(sweep.SweepError, match="give that folder"):
        sweep.Classifier.load(tmp_path)


# ---- data


def test_a_frame_becomes_the_only_dataset(tmp_path: Path) -> None:
    spec = spec_of(FRAME, tmp_path)
    (config,) = spec.datasets.values()
    assert (spec.compare["dataset"], config.name) == (("data",), "data")
    data = load(config)
    assert set(data.pool.texts) | set(data.test.texts) == set(FRAME["text"])
    assert Path(str(config.path)).parent == tmp_path / "sweep" / "data"


def test_a_frame_has_the_name_and_columns_that_the_spec_gives(tmp_path: Path) -> None:
    frame = FRAME.rename(columns={"text": "body", "label": "stars"}).assign(stars=[1, 2] * 6, junk=object())
    entry = {"text": "body", "label": "stars"}
    spec = spec_of(frame, tmp_path, datasets={"films": entry, "other": {"path": "x.csv"}})
    assert load(spec.datasets["films"]).class_names == ("1", "2")
    assert "junk" not in Path(str(spec.datasets["films"].path)).read_text()


def test_columns_may_have_numbers_for_names(tmp_path: Path) -> None:
    frame = pd.DataFrame(FRAME.to_numpy())
    spec = spec_of({"mine": frame}, tmp_path, datasets={"mine": {"text": "0", "label": "1"}})
    assert len({*load(spec.datasets["mine"]).pool.texts}) == 12


def test_frames_by_name_with_test_parts_and_pairs(tmp_path: Path) -> None:
    pairs = FRAME.assign(second=[f"other {number}" for number in range(12)])
    test = pd.DataFrame({"text": ["x", "y"], "label": ["a", "b"]})
    spec = spec_of({"one": FRAME, "two": pairs}, tmp_path, {"one": test}, datasets={"two": {"text_pair": "second"}})
    assert spec.compare["dataset"] == ("one", "two")
    assert load(spec.datasets["one"]).test.texts == ("x", "y")
    assert set(load(spec.datasets["two"]).pool.pairs or ()) <= set(pairs["second"])


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT])
def test_missing_values_are_missing(missing: Any, tmp_path: Path) -> None:
    frame = pd.concat([FRAME, pd.DataFrame({"text": ["last", missing], "label": [missing, "a"]}, dtype=object)])
    data = load(next(iter(spec_of(frame, tmp_path).datasets.values())))
    assert len({*data.pool.texts, *data.test.texts}) == 12
    assert any("without a text or a label" in note for note in data.notes)


@pytest.mark.parametrize("labels", [np.array([0, 1] * 6), pd.Categorical(["a", "b"] * 6), [True, False] * 6])
def test_labels_of_any_type_have_names(labels: Any, tmp_path: Path) -> None:
    data = load(next(iter(spec_of(FRAME.assign(label=labels), tmp_path).datasets.values())))
    assert list(data.class_names) == sorted({str(label) for label in labels})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (FRAME.rename(columns={"label": "intent"}), "no column `label`.*`intent`"),
        (FRAME.assign(text=[b"bytes"] * 12), "must hold text or numbers; received a bytes"),
        (FRAME.assign(label=[np.zeros(2)] * 12), "must hold text or numbers; received a ndarray"),
        (pd.concat([FRAME, FRAME["text"]], axis=1), "columns must have different names; `text` stands twice"),
        ([("text", "label")], "data must be a DataFrame"),
        ({"mine": FRAME.to_dict()}, "data must be a DataFrame"),
    ],
)
def test_data_of_another_form_are_refused(data: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises((sweep.SweepError, sweep.TrainableError), match=said):
        sweep.run(SPEC, data=data, root=tmp_path, progress=False)
    assert not list(tmp_path.iterdir())


def test_a_frame_for_several_datasets_needs_a_name(tmp_path: Path) -> None:
    with pytest.raises(sweep.SweepError, match="there are one, two"):
        spec_of(FRAME, tmp_path, datasets={"one": {}, "two": {}})


def test_data_that_no_cell_would_read_are_refused(tmp_path: Path) -> None:
    compare = {"dataset": ["support"], "shots": [4], "recipe": ["frozen"]}
    with pytest.raises(SweepError, match=r"that the sweep compares, support; received data of mine: name it under"):
        spec_of({"mine": FRAME}, tmp_path, compare=compare)
    both = spec_of({"mine": FRAME, "support": FRAME}, tmp_path, compare=compare)
    assert set(both.datasets) == {"mine", "support"}


def test_an_entry_that_is_no_mapping_is_refused_beside_data(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match=r"datasets.mine: must be a mapping that says where the data lies; received 5"):
        spec_of(FRAME, tmp_path, datasets={"mine": 5})


# ---- what came of it


@pytest.mark.parametrize("columns", [DRAW_COLUMNS, TRIAL_COLUMNS])
def test_a_table_without_rows_has_its_columns(columns: tuple[str, ...]) -> None:
    table = result._frame([], columns)
    assert tuple(table.columns) == columns
    assert table["score"].dtype == float
    assert table.nlargest(3, "score").empty


def test_scores_that_are_not_known_yet_are_numbers() -> None:
    unknown: dict[str, object] = {"cell": "a", "score": None, "reason": None}
    rows = [unknown, unknown | {"beta": 0.5}]
    table = result._frame(rows, TRIAL_COLUMNS)
    assert list(table.columns) == ["cell", "score", "reason", "beta"]
    assert table["score"].dtype == float
    assert table["beta"].tolist()[1] == 0.5
    assert table["reason"].tolist() == [None, None]
    assert result._frame([{"score": 0.5}, {"score": None}])["score"].max() == 0.5


def test_other_rows_get_another_file(tmp_path: Path) -> None:
    first = spec_of(FRAME, tmp_path).datasets["data"].path
    assert spec_of(FRAME.copy(), tmp_path).datasets["data"].path == first
    assert spec_of(FRAME.head(10), tmp_path).datasets["data"].path != first
