"""A sweep goes into a file and out of it again without loss, and whatever else a file may hold is refused in words."""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.errors import FolderError, LedgerError, StoredSweepError, SweepError
from sweep.ledger.directory import SweepDirectory
from sweep.ledger.exporter import _snapshot, export_sweep
from sweep.ledger.importer import import_sweep
from sweep.ledger.ledger import Ledger
from sweep.ledger.storage import open_storage
from sweep.records.sweep import SweepState
from tests.sweeps.mixed_sweep import continued, mixed_spec, mixed_sweep, reopened
from trainable.outcomes import Outcome


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> SweepDirectory:
    """A sweep that no test changes."""
    return mixed_sweep(tmp_path_factory.mktemp("original"))


@pytest.fixture(scope="module")
def exported(original: SweepDirectory) -> Path:
    """The sweep in a file that no test changes."""
    file = original.path.parent / "small.json"
    said = export_sweep("small", original.path.parent, file)
    assert said.startswith(f"small: 9 trials and 2 confirmations are in {file}; ")
    return file


def writing(directory: SweepDirectory) -> Ledger:
    return Ledger(open_storage(directory.journal, write=True), "small")


def test_nothing_is_lost(original: SweepDirectory, exported: Path, tmp_path: Path) -> None:
    said = import_sweep(exported, tmp_path / "to", None)
    assert said.startswith("small: 9 trials and 2 confirmations are in ")
    before, after = reopened(original.path.parent).results(), reopened(tmp_path / "to").results()
    assert after == before
    assert {each.outcome for each in after.trials} == {None, *Outcome}
    assert [each.outcome for each in after.confirmations] == [Outcome.COMPLETED, None]
    assert after.sweep.run_id == "run-sweep"
    assert {each.run_id for each in after.trials} == {None, "run-first"}
    assert {each.run_id for each in after.confirmations} == {None, "run-confirmation"}


def test_the_command_that_resumes_an_import_can_be_copied(exported: Path, tmp_path: Path) -> None:
    root = tmp_path / "my sweeps"
    words = shlex.split(import_sweep(exported, root, None).split("`")[3])
    assert words == ["--set", "ledger=null", "--dir", str(root)]


def test_an_imported_sweep_is_exported_to_the_same_file(exported: Path, tmp_path: Path) -> None:
    """All that Optuna keeps has come along, not only what the records tell."""
    import_sweep(exported, tmp_path, None)
    export_sweep(str(tmp_path / "small"), Path("nowhere"), tmp_path / "again.json")
    document = json.loads(exported.read_text())
    assert json.loads((tmp_path / "again.json").read_text()) == document
    states = [trial["state"] for study in document["studies"] for trial in study["trials"]]
    assert set(states) == {"COMPLETE", "PRUNED", "FAIL", "RUNNING"}


def test_the_search_resumes_as_the_original_would(original: SweepDirectory, exported: Path, tmp_path: Path) -> None:
    shutil.copytree(original.path, tmp_path / "small")
    import_sweep(exported, tmp_path / "to", None)
    here, there = writing(SweepDirectory(tmp_path / "small")), writing(SweepDirectory(tmp_path / "to" / "small"))
    assert continued(there) == continued(here)


def test_an_export_disturbs_no_driver(original: SweepDirectory, exported: Path, tmp_path: Path) -> None:
    directory = SweepDirectory(tmp_path / "small")
    shutil.copytree(original.path, directory.path)
    with directory.journal.open("ab") as journal:
        journal.write(b'{"op_code": 8, "trial_id"')  # the driver is writing
    before = directory.journal.read_bytes()
    with directory.locked():
        export_sweep("small", tmp_path, tmp_path / "small.json")
    assert directory.journal.read_bytes() == before
    assert (tmp_path / "small.json").read_bytes() == exported.read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["small", "small.json"]


def test_an_export_is_of_one_moment(tmp_path: Path) -> None:
    directory = mixed_sweep(tmp_path)
    ledger = writing(directory)
    with _snapshot(directory.journal) as storage:
        ledger.record_run(None, "another")
        ledger.end(SweepState.FINISHED)
        (root,) = (study for study in storage.get_all_studies() if study.study_name == "small")
    assert root.user_attrs["run_id"] == "run-sweep"
    assert root.user_attrs["state"] == "running"


@pytest.mark.lengthy
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_an_import_that_died_is_repeated(exported: Path, tmp_path: Path, share: float) -> None:
    import_sweep(exported, tmp_path / "whole", None)
    whole = (tmp_path / "whole" / "small" / "ledger.journal").read_bytes()
    directory = SweepDirectory(tmp_path / "to" / "small")
    directory.create()
    directory.journal.write_bytes(whole[: int(share * len(whole))])
    assert not writing(directory).exists()
    import_sweep(exported, tmp_path / "to", None)
    assert reopened(tmp_path / "to").results() == reopened(tmp_path / "whole").results()
    assert yaml.safe_load(directory.spec.read_text()) == mixed_spec().resolved()


# ---- refusals --------------------------------------------------------------------------------------------------------


def test_an_export_replaces_no_file(original: SweepDirectory, tmp_path: Path) -> None:
    file = tmp_path / "small.json"
    file.write_text("mine")
    with pytest.raises(FolderError, match=r"makes a new file; .*small.json exists; give it another name"):
        export_sweep("small", original.path.parent, file)
    assert file.read_text() == "mine"


def test_an_export_needs_a_place_and_a_sweep(original: SweepDirectory, tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"must be writable; .*No such file or directory"):
        export_sweep("small", original.path.parent, tmp_path / "nowhere" / "small.json")
    with pytest.raises(StoredSweepError, match="found by its name or its folder; there is none at 'large'"):
        export_sweep("large", original.path.parent, tmp_path / "large.json")
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_that_holds_no_sweep_is_not_exported(original: SweepDirectory, tmp_path: Path) -> None:
    directory = SweepDirectory(tmp_path / "small")
    directory.create()
    shutil.copy(original.spec, directory.spec)
    directory.journal.touch()
    with pytest.raises(LedgerError, match="no sweep named 'small' is in this ledger"):
        export_sweep("small", tmp_path, tmp_path / "small.json")


def test_an_import_replaces_no_sweep(exported: Path, tmp_path: Path) -> None:
    import_sweep(exported, tmp_path, None)
    before = {path: path.read_bytes() for path in (tmp_path / "small").iterdir()}
    with pytest.raises(LedgerError, match=r"makes a new sweep; one named 'small' has begun in .*another place"):
        import_sweep(exported, tmp_path, None)
    assert {path: path.read_bytes() for path in (tmp_path / "small").iterdir()} == before


def test_an_import_waits_for_no_driver(exported: Path, tmp_path: Path) -> None:
    directory = SweepDirectory(tmp_path / "small")
    directory.create()
    with directory.locked(), pytest.raises(LedgerError, match="one driver may run a sweep at a time"):
        import_sweep(exported, tmp_path, None)


@pytest.mark.parametrize(
    ("ledger", "says"),
    [
        ("sqlite:///sweeps.db", "--ledger: .*postgresql://"),
        ("postgresql://ann:s3cret@db/sweeps", "--ledger: .*must not hold a password"),
    ],
)
def test_an_import_takes_the_addresses_that_a_spec_takes(
    exported: Path, tmp_path: Path, ledger: str, says: str
) -> None:
    with pytest.raises(LedgerError, match=says) as caught:
        import_sweep(exported, tmp_path, ledger)
    assert "s3cret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


# ---- other files -----------------------------------------------------------------------------------------------------


def refusal(content: str | bytes) -> str:
    """What is said of a file, which must be refused without a trace."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sweep.json"
        file.write_bytes(content.encode(errors="surrogatepass") if isinstance(content, str) else content)
        with pytest.raises(StoredSweepError, match="what is imported must be a file that") as caught:
            import_sweep(file, Path(folder) / "to", None)
        assert [each.name for each in Path(folder).iterdir()] == ["sweep.json"]
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700
    return str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(StoredSweepError, match=r"must be readable; .* is not \(Is a directory\)"):
        import_sweep(tmp_path, tmp_path / "to", None)
    with pytest.raises(StoredSweepError, match=r"must be readable; .* is not \(No such file"):
        import_sweep(tmp_path / "sweep.json", tmp_path / "to", None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "Expecting value"),
        (b"\xff\xfe", "can't decode"),
        ("[]", "valid dictionary"),
        ("{}", "format: Field required"),
        ('{"format": 2, "name": "small", "spec": {}, "studies": []}', "format: Input should be 1"),
        ('{"format": 1, "name": "small", "spec": {}, "studies": []}', "the study 'small', with the id"),
        ("[" * 100_000, "RecursionError"),
        (f'{{"format": {"9" * 5000}}}', "Exceeds the limit"),
    ],
)
def test_a_foreign_file(content: str | bytes, says: str) -> None:
    assert says in refusal(content)


def test_a_file_that_was_cut(exported: Path) -> None:
    content = exported.read_bytes()
    for share in (0.01, 0.5, 0.99):
        refusal(content[: int(share * len(content))])


@pytest.mark.parametrize("name", ["../small", "/small", "Small", "a/b", "", "a" * 65, "small\n"])
def test_a_name_that_is_none(exported: Path, name: str) -> None:
    renamed = json.loads(exported.read_text())
    renamed["name"] = renamed["spec"]["name"] = name
    for study in renamed["studies"]:
        study["name"] = name + study["name"].removeprefix("small")
    root = next(study for study in renamed["studies"] if study["name"] == name)
    root["user_attrs"]["spec"]["name"] = name
    assert "spec: name: must match" in refusal(json.dumps(renamed))


def _deep(levels: int) -> Any:
    value: Any = 1.0
    for _ in range(levels):
        value = [value]
    return value


def _study(document: Any, ending: str) -> Any:
    return next(study for study in document["studies"] if study["name"].endswith(ending))


def _first(document: Any) -> Any:
    return _study(document, "/soft_triple")["trials"][0]


DAMAGE: dict[str, Callable[[Any], Any]] = {
    "spec: budget": lambda d: _both_specs(d, budget={"trials_per_cell": 0}),
    "the spec is not that of": lambda d: d["spec"].update(description="another"),
    "does not belong to sweep": lambda d: _study(d, "/supcon").update(name="other/support/4/supcon"),
    "a study is there twice": lambda d: d["studies"].append(d["studies"][1]),
    "with the id of the sweep": lambda d: d["studies"][0]["user_attrs"].pop("id"),
    "are not numbered from 0": lambda d: _study(d, "/soft_triple")["trials"].pop(0),
    "directions.0": lambda d: d["studies"][1].update(directions=["minimize"]),
    "state: Input should be": lambda d: _first(d).update(state="LOST"),
    "values.0": lambda d: _first(d).update(values=[float("nan")]),
    "intermediate_values.1": lambda d: _first(d)["intermediate_values"].update({"1": float("inf")}),
    "datetime_start: Input": lambda d: _first(d).update(datetime_start="yesterday"),
    "`datetime_start` is supposed": lambda d: _first(d).update(datetime_start=None),
    "values should be set": lambda d: _first(d).update(values=None),
    "distribution.name": lambda d: _distribution(d).update(name="UniformDistribution"),
    "distribution.attributes": lambda d: _distribution(d)["attributes"].update(low=None),
    "isn't contained in": lambda d: _distribution(d)["attributes"].update(low=0.5, high=0.75),
    "must hold": lambda d: _distribution(d)["attributes"].update(low=2.0),
    "user_attrs.attempts.float: Input should be a finite": lambda d: _first(d)["user_attrs"].update(
        attempts=float("nan")
    ),
    "user_attrs.reason.list.0: Recursion": lambda d: _first(d)["user_attrs"].update(reason=_deep(500)),
    "trials.0.attempts": lambda d: _first(d)["user_attrs"].update(attempts="3"),
    "trials.0.evaluations.0.evaluation.metrics": lambda d: _report(d)["metrics"].update(train_loss="high"),
    "KeyError: 'time'": lambda d: _report(d).pop("time"),
    "lost": lambda d: _first(d)["user_attrs"].update(outcome="lost"),
    "loss": lambda d: _first(d)["user_attrs"]["config"].update(loss="lost"),
    "the trial of": lambda d: _study(d, "@confirmation/support/4/soft_triple")["trials"][0]["user_attrs"][
        "what"
    ].update(trial=99),
    "sweep.created": lambda d: d["studies"][0]["user_attrs"].update(created="today"),
}


def _both_specs(document: Any, **blocks: Any) -> None:
    document["spec"].update(blocks)
    document["studies"][0]["user_attrs"]["spec"].update(blocks)


def _distribution(document: Any) -> Any:
    return _first(document)["params"]["loss.margin"]["distribution"]


def _report(document: Any) -> Any:
    return _first(document)["user_attrs"]["report/0001"]


@pytest.mark.parametrize("says", DAMAGE)
def test_damage_is_named(exported: Path, says: str) -> None:
    document = json.loads(exported.read_text())
    DAMAGE[says](document)
    assert says in refusal(json.dumps(document))


HOSTILE: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 3, 10**30, 0.5, 1e308, float("nan"), float("inf"), "", "3", "\ud800", "\0", [], [[]], {}]
) | st.text(max_size=3)


@pytest.mark.lengthy
@settings(max_examples=25)
@given(data=st.data())
def test_whatever_is_changed_in_a_file_is_refused_or_can_be_read(exported: Path, data: st.DataObject) -> None:
    document = json.loads(exported.read_text())
    for _ in range(data.draw(st.integers(1, 3))):
        places = list(_places(document))
        container, key = places[data.draw(st.integers(0, len(places) - 1))]
        if data.draw(st.booleans()):
            container[key] = data.draw(HOSTILE)
        else:
            del container[key]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sweep.json"
        file.write_text(json.dumps(document))
        with suppress(SweepError):
            import_sweep(file, Path(folder), None)
            reopened(Path(folder)).results()


def _places(value: Any) -> Any:
    """Every place of a document that holds a value, as its container and key."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])
