"""`fetch --cluster` without a cluster: a folder stands for the head, and is copied as rsync does it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from sweep.errors import ClusterError, FolderError, LedgerError
from sweep.ledger.directory import SweepDirectory
from sweep.ledger.ledger import Ledger
from sweep.ledger.stored import find_stored, open_ledger, read_stored
from sweep.records.confirmation import Role
from sweep.remote import fetching
from sweep.remote.fetching import fetch_from
from sweep.remote.head import CommandResult
from tests.sweeps.grid import evaluated, grid, spec

FILE = str(Path(__file__).parents[2] / "cluster" / "gpu.yaml")


def nothing() -> None:
    """What happens during a copy."""


@dataclass(slots=True)
class Home:
    """The folders of sweeps here and on the head. meanwhile: is done during a copy."""

    here: Path
    there: Path
    meanwhile: Callable[[], None] = nothing

    def fetch(self) -> None:
        fetch_from(FILE, "small", self.here, Console(file=io.StringIO()))

    def execute(self, command: str) -> CommandResult:
        return CommandResult(int(not (self.there / "small" / "spec.yaml").is_file()), "")

    def copy(self, source: str, folder: Path) -> None:
        assert source == "~/sweeps/small"
        self.meanwhile()
        for path in (self.there / "small").rglob("*"):
            if path.is_file():
                place = folder / path.relative_to(self.there / "small")
                place.parent.mkdir(parents=True, exist_ok=True)
                place.unlink(missing_ok=True)
                shutil.copy2(path, place)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A sweep on the head that has trained one evaluation, and nothing here."""
    home = Home(tmp_path / "here", tmp_path / "there")

    class Head:
        def __init__(self, path: Path) -> None:
            assert str(path) == FILE
            self.execute, self.fetch = home.execute, home.copy

    monkeypatch.setattr(fetching, "Head", Head)
    monkeypatch.setattr("sweep.stored.sync_stored", lambda name, root: "pushed")
    trained(home.there)
    return home


def trained(root: Path) -> Ledger:
    """What a driver does with the sweep in a folder of sweeps: one more trial with one evaluation."""
    directory = SweepDirectory(root / "small")
    directory.create()
    directory.write_spec(yaml.safe_dump(spec().resolved()))
    with directory.locked():
        ledger = open_ledger(spec(), directory, write=True)
        ledger.begin(spec().resolved(), grid(), {})
        trial = ledger.ask(grid()[0], seed=0, budget=4)
        ledger.record(trial.key, evaluated(0, 1, 0.5))
    return ledger


def evaluations(root: Path) -> int:
    return sum(len(trial.evaluations) for trial in read_stored("small", root)[1].trials())


@pytest.mark.lengthy
def test_a_sweep_comes_home_and_again_when_it_has_more(home: Home) -> None:
    (home.there / "small" / "report").mkdir()
    (home.there / "small" / "report" / "report.html").write_text("who won")
    home.fetch()
    assert evaluations(home.here) == 1
    assert (home.here / "small" / "report" / "report.html").read_text() == "who won"
    directory, stored = find_stored("small", home.here)
    open_ledger(stored, directory, write=True).record_run(None, "of the local MLflow")  # as `sync` does
    trained(home.there)
    home.fetch()
    assert evaluations(home.here) == 2
    assert [path.name for path in home.here.iterdir()] == ["small"]


def test_winners_that_the_head_has_kept_are_not_due_here(home: Home) -> None:
    there, here = (SweepDirectory(root / "small") for root in (home.there, home.here))
    there.expect_winners()
    home.fetch()
    assert here.winners_due.exists(), "as it was fetched while it ran"
    there.winners_due.unlink()
    home.fetch()
    assert not here.winners_due.exists()


@pytest.mark.lengthy
@pytest.mark.parametrize("confirmed", [False, True])
def test_what_was_trained_here_since_is_not_replaced(home: Home, confirmed: bool) -> None:
    home.fetch()
    if confirmed:
        directory, stored = find_stored("small", home.here)
        ledger = open_ledger(stored, directory, write=True)
        ledger.begin(stored.resolved(), grid(), {})
        (trial,) = ledger.trials()
        record = ledger.begin_confirmation(trial, Role.CONFIRMATION, trial.config)
        ledger.record_replicate(record.key, evaluated(0, 1, 0.5))
    else:
        trained(home.here)
    trained(home.there)
    before = (home.here / "small" / "ledger.journal").read_bytes()
    with pytest.raises(FolderError, match=r"1 of its 2 evaluations are not on cluster few-shot-sweep.*--dir, or move"):
        home.fetch()
    assert (home.here / "small" / "ledger.journal").read_bytes() == before
    (home.here / "small").rename(home.here / "mine")
    home.fetch()
    assert evaluations(home.here) == 2


def test_no_driver_begins_during_a_copy_nor_is_disturbed_by_one(home: Home) -> None:
    directory = SweepDirectory(home.here / "small")
    (home.there / "small" / "driver.lock").write_text("of the head")

    def resume() -> None:
        with pytest.raises(LedgerError, match="one driver may run a sweep at a time"), directory.locked():
            pass

    home.meanwhile = resume
    home.fetch()
    lock = (directory.path / "driver.lock").stat().st_ino
    with directory.locked(), pytest.raises(LedgerError, match="one driver may run a sweep at a time"):
        home.fetch()
    home.fetch()
    assert (directory.path / "driver.lock").stat().st_ino == lock
    assert (directory.path / "driver.lock").read_text() != "of the head"


def test_a_copy_that_fails_leaves_what_was_there_and_can_be_repeated(home: Home) -> None:
    def lose() -> None:
        raise ClusterError("the head of the cluster must be reachable")

    for known in (False, True):
        home.meanwhile = lose
        with pytest.raises(ClusterError, match="reachable"):
            home.fetch()
        assert (home.here / "small" / "spec.yaml").exists() == known
        assert [path.name for path in home.here.iterdir()] == ["small"]
        home.meanwhile = nothing
        home.fetch()


def test_a_report_from_the_cluster_is_not_in_the_way(home: Home) -> None:
    (home.here / "small" / "report").mkdir(parents=True)  # as `report --cluster` leaves it
    home.fetch()
    assert evaluations(home.here) == 1


@pytest.mark.parametrize("origin", [None, "another-cluster"])
def test_what_did_not_come_from_there_is_not_replaced(home: Home, origin: str | None) -> None:
    trained(home.here)
    if origin:
        (home.here / "small" / "fetched-from").write_text(origin)
    with pytest.raises(FolderError, match="did not come from cluster few-shot-sweep; choose another place with --dir"):
        home.fetch()


def test_a_sweep_that_is_not_there_leaves_no_folder(home: Home) -> None:
    shutil.rmtree(home.there / "small")
    with pytest.raises(ClusterError, match="there is no sweep 'small'"):
        home.fetch()
    assert not home.here.exists()
