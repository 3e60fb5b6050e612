"""Sweeps that a program or a notebook runs: what it gets, and in which state it finds its process afterwards."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pandas as pd  # type: ignore[import-untyped]
import pytest

import sweep
from sweep.cli.commands import main
from sweep.scheduling.stop_requests import Stop
from sweep.stored import stop_stored
from tests.services.waiting import wait_until

pytestmark = pytest.mark.slow

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM)
WORDS = {"bad": ("bad", "awful", "poor"), "good": ("good", "great", "fine")}
FRAME = pd.DataFrame(
    [
        (f"{article} film {verb} {' '.join(words)}", label)
        for label, known in WORDS.items()
        for article, verb, words in product(("the", "a"), ("is", "was"), product(known, repeat=2))
    ],
    columns=["text", "label"],
)


@pytest.fixture(scope="module")
def spec(tiny_bert: Path) -> dict[str, Any]:
    return {
        "name": "films",
        "compare": {"shots": [4], "recipe": ["frozen"]},
        "trial": {"encoder": tiny_bert, "embedding": "mean"},
        "protocol": {"replicates": 2, "validation": 8},
        "budget": {"trials_per_cell": 2, "concurrency": 1},
        "confirm": {"draws": 3, "reseeded": 0},
        "resources": {"gpu": 0},
        "tracking": {"required": False},
    }


@pytest.fixture(scope="module")
def long(spec: dict[str, Any]) -> dict[str, Any]:
    """A sweep of minutes, which is stopped before."""
    compare = {"shots": [4], "recipe": ["fine_tune"], "loss": ["cross_entropy"]}
    protocol = {"replicates": 4, "validation": 8, "steps": 200, "evaluations": 4}
    return {
        **spec,
        "name": "long",
        "compare": compare,
        "protocol": protocol,
        "budget": {"trials_per_cell": 50, "concurrency": 1},
    }


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder of all tests of this file, so that one sweep serves several."""
    monkeypatch.chdir(_folder(tmp_path_factory))


@pytest.fixture(autouse=True)
def as_in_a_terminal() -> Iterator[None]:
    """Ctrl-C is what it is in a terminal, also where the tests are a job in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _folder(factory: pytest.TempPathFactory) -> Path:
    place = factory.getbasetemp() / "api"
    place.mkdir(exist_ok=True)
    return place


@pytest.fixture(scope="module")
def result(spec: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> sweep.Result:
    before = Path.cwd()
    os.chdir(_folder(tmp_path_factory))
    try:
        return sweep.run(spec, data=FRAME, progress=False)
    finally:
        os.chdir(before)


def test_a_sweep_begins_with_what_an_earlier_one_found(spec: dict[str, Any], result: sweep.Result) -> None:
    budget = {"trials_per_cell": 3, "concurrency": 1}
    again = sweep.run(
        {**spec, "name": "again", "search": {"warm_start": ["films"]}, "budget": budget}, data=FRAME, progress=False
    )
    origins = [trial.origin for trial in again.records.trials]
    assert origins[0] == ""
    assert origins[1].startswith("films/")


def state() -> dict[str, Any]:
    """What a program would notice of a sweep that has run in it."""
    return {
        "environment": dict(os.environ),
        "signals": [signal.getsignal(number) for number in SIGNALS],
        "threads": {thread.name for thread in threading.enumerate()},
        "folder": Path.cwd(),
        "ray": "ray" in sys.modules and sys.modules["ray"].is_initialized(),
    }


@contextmanager
def once(reached: Callable[[], bool], act: Callable[[], object]) -> Iterator[None]:
    """Act in another thread when something has been reached."""

    def work() -> None:
        wait_until(reached)
        act()

    thread = threading.Thread(target=work, name="acting")
    thread.start()
    yield
    thread.join()


def evaluated(name: str) -> bool:
    """Whether a sweep has an evaluation on record."""
    journal = Path("sweeps") / name / "ledger.journal"
    return journal.exists() and b'"report/' in journal.read_bytes()


# ---- what a program gets


def test_a_result_has_what_the_report_shows(result: sweep.Result) -> None:
    assert result.state == "finished"
    assert result.report is not None
    assert result.report.is_file()
    table = pd.read_csv(result.report.parent / "table.csv")
    assert result.methods["mean"].tolist() == pytest.approx(table["mean"].tolist())
    (comparison,) = result.verdict.comparisons
    assert comparison.sentence in str(result)
    assert comparison.sentence in result._repr_markdown_()
    assert result.draws["score"].mean() == pytest.approx(result.methods["mean"].mean())
    assert result.trials["outcome"].tolist() == ["completed", "completed"]
    assert "recipe.head" in result.trials.columns
    assert all(path.suffix == ".png" and path.is_file() for path in result.figures.values())


def test_what_is_read_is_what_was_run(result: sweep.Result, capsys: pytest.CaptureFixture[str]) -> None:
    read = sweep.read("films")
    assert read.records == result.records
    assert read.methods.equals(result.methods)
    assert main(["status", "films"]) == 0
    assert "2 completed" in capsys.readouterr().out


def test_a_classifier_is_that_of_the_command(
    result: sweep.Result, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    classifier = sweep.refit(result)
    classifier.save(tmp_path / "api")
    assert capfd.readouterr() == ("", "")
    assert main(["refit", "films", "--out", str(tmp_path / "command")]) == 0
    hashes = [
        {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.iterdir()
            if path.name != "README.md"
        }
        for folder in (tmp_path / "api", tmp_path / "command")
    ]
    assert hashes[0] == hashes[1]
    assert "Expected accuracy" in (tmp_path / "api" / "README.md").read_text()
    texts = FRAME["text"].sample(9, random_state=0)
    loaded = sweep.Classifier.load(tmp_path / "command")
    for given in (texts, texts.tolist(), texts.to_numpy(), tuple(texts)):
        assert (loaded.predict_proba(given) == classifier.predict_proba(texts)).all()
        assert set(loaded.predict(given)) <= {"bad", "good"}
    assert loaded.predict([]).shape == (0,)
    with pytest.raises(TypeError, match="a list of texts"):
        loaded.predict("one text")


# ---- the process around a sweep


def test_a_sweep_leaves_the_process_as_it_was(
    spec: dict[str, Any], result: sweep.Result, capfd: pytest.CaptureFixture[str]
) -> None:
    before = state()
    extended = sweep.run(spec, data=FRAME, overrides={"budget.trials_per_cell": 3}, progress=False)
    assert len(extended.trials) == 3
    again = sweep.run(spec, data=FRAME, overrides={"budget.trials_per_cell": 3}, progress=False)
    assert again.records.trials == extended.records.trials
    assert capfd.readouterr() == ("", "")
    assert state() == before


def test_changed_data_are_noticed_in_the_same_process(spec: dict[str, Any]) -> None:
    FRAME.to_csv("films.csv", index=False)
    changing = {**spec, "name": "changing", "datasets": {"films": {"path": "films.csv"}}}
    changing["compare"] = {**spec["compare"], "dataset": "films"}
    changing["budget"] = {"trials_per_cell": 1, "concurrency": 1}
    sweep.run(changing, progress=False)
    FRAME.assign(text=FRAME["text"] + " indeed").to_csv("films.csv", index=False)
    with pytest.raises(sweep.SweepError, match="texts and labels of the pool: have changed"):
        sweep.run(changing, progress=False)
    with pytest.raises(sweep.SweepError, match="have changed"):
        sweep.refit("changing")


def test_a_running_ray_is_used_and_left_running(spec: dict[str, Any], long: dict[str, Any]) -> None:
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        assert sweep.run({**spec, "name": "beside"}, data=FRAME, progress=False).state == "finished"
        assert ray.is_initialized()
        with (
            once(lambda: evaluated("long"), lambda: os.kill(os.getpid(), signal.SIGINT)),
            pytest.raises(KeyboardInterrupt),
        ):
            sweep.run(long, data=FRAME, progress=False)
        assert sweep.read("long").state == "interrupted"
        wait_until(lambda: ray.available_resources().get("CPU") == 2)  # type: ignore[no-untyped-call]
        waiting = {**long, "name": "waiting", "budget": {"trials_per_cell": 50, "concurrency": 3}}
        with once(lambda: evaluated("waiting"), lambda: main(["stop", "waiting"])):
            stopped = sweep.run(waiting, data=FRAME, progress=False)
        assert stopped.state == "interrupted"
        begun = [bool(trial.evaluations) for trial in stopped.records.trials]
        assert begun == [True, True, False], "two CPUs: the third waits for one, and is taken back"
        with pytest.raises(sweep.SweepError, match="one Ray cluster at a time"):
            sweep.run({**spec, "name": "other"}, data=FRAME, address="127.0.0.1:6379", progress=False)
    finally:
        ray.shutdown()


def test_a_request_to_stop_ends_the_sweep_and_not_the_program(long: dict[str, Any]) -> None:
    def stop() -> None:
        stop_stored("stopped", Path("sweeps"), Stop.NOW, told=lambda sentence: None)

    before = state()
    with once(lambda: evaluated("stopped"), stop):
        stopped = sweep.run({**long, "name": "stopped"}, data=FRAME, progress=False)
    assert stopped.state == "interrupted"
    assert state() == before


def test_it_runs_beside_an_event_loop_and_in_a_thread(spec: dict[str, Any]) -> None:
    async def inside() -> tuple[sweep.Result, sweep.Result]:
        here = sweep.run({**spec, "name": "loop"}, data=FRAME, progress=False)
        there = await asyncio.to_thread(sweep.run, {**spec, "name": "thread"}, data=FRAME, progress=False)
        return here, there

    here, there = asyncio.run(inside())
    assert [each.score for each in here.records.trials] == [each.score for each in there.records.trials]


# ---- notebooks


def notebook(*cells: str) -> Any:
    made = nbformat.v4.new_notebook()  # type: ignore[no-untyped-call]
    made.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]  # type: ignore[no-untyped-call]
    return made


def test_a_notebook_shows_progress_and_keeps_what_an_interrupted_cell_has_found(
    spec: dict[str, Any], long: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    FRAME.to_csv("frame.csv", index=False)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    plain = [{**each, "trial": {**each["trial"], "encoder": str(each["trial"]["encoder"])}} for each in (spec, long)]
    pages = notebook(
        "import pandas as pd, sweep\nframe = pd.read_csv('frame.csv')",
        f"result = sweep.run({ ({**plain[0], 'name': 'cell'})!r}, data=frame)",
        "result",
        "sweep.refit(result).predict(frame['text'][:2]).tolist()",
        f"sweep.run({ ({**plain[1], 'name': 'cut'})!r}, data=frame)",
        "sweep.read('cut').state",
    )
    client = nbclient.NotebookClient(pages, timeout=600, allow_errors=True, kernel_name="python3")

    def interrupt() -> None:
        kernel: Any = client.km
        os.kill(kernel.provisioner.process.pid, signal.SIGINT)

    with once(lambda: evaluated("cut"), interrupt):
        client.execute()
    outputs = [cell.outputs for cell in pages.cells]
    assert outputs[0] == []
    (progress,) = outputs[1]
    assert "cell: 2 of 2 trials" in progress["data"]["text/plain"]
    (shown,) = outputs[2]
    assert "only method" in shown["data"]["text/markdown"] or "frozen" in shown["data"]["text/markdown"]
    assert "bad" in outputs[3][0]["data"]["text/plain"] or "good" in outputs[3][0]["data"]["text/plain"]
    assert outputs[4][-1]["ename"] == "KeyboardInterrupt"
    assert outputs[5][0]["data"]["text/plain"] == "'interrupted'"
