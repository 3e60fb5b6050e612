"""Nothing makes code of data, no name becomes a path or a command, and no link in a sweep's folder is written through.

What lies in the folders of others is in test_safe_folders.py; a whole sweep among enemies in test_hostile_sweep.py.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweep.cli.commands import main
from sweep.errors import FolderError, SpecError
from sweep.ledger.directory import SweepDirectory
from sweep.report import write_report
from sweep.spec.reader import load_spec
from sweep.tracking.artifacts import artifact_files
from tests.sweeps.synthetic_results import synthetic_results

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for package in ("sweep", "trainable") for path in (ROOT / package).rglob("*.py"))

# ---- the product itself ----------------------------------------------------------------------------------------------

MODULES = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "code", "runpy", "imp", "pty"}
CALLS = {
    *("numpy.load", "torch.load", "torch.jit.load", "torch.hub.load", "pandas.read_pickle"),
    *("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "yaml.Loader", "yaml.UnsafeLoader"),
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen"),
    *("importlib.import_module", "importlib.util.module_from_spec"),
}
KEYWORDS = {"shell=True", "trust_remote_code=True", "allow_pickle=True"}


def imports(tree: ast.AST) -> dict[str, str]:
    """What a module imports, by the names that it gives it."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return known


def uses(tree: ast.AST) -> Iterator[str]:
    """Dotted names that a module uses, whatever it calls them, and keywords with their values."""
    known = imports(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            name, dot, rest = ast.unparse(node).partition(".")
            yield f"{known.get(name, name)}{dot}{rest}"
        elif isinstance(node, ast.keyword):
            yield f"{node.arg}={ast.unparse(node.value)}"
        elif isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            yield from (f"{key.value!s}={ast.unparse(value)}" for key, value in pairs if isinstance(key, ast.Constant))


OUR_OWN = {"sweep/__init__.py": {"importlib.import_module"}}
"""What may be used all the same: modules of this project, by names that stand in the file."""


def forbidden(path: Path) -> set[str]:
    """What of a module could make code of data."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = {name for name in imports(tree).values() if name.partition(".")[0] in MODULES}
    return modules | (set(uses(tree)) & (CALLS | KEYWORDS))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_makes_code_of_data(path: Path) -> None:
    assert forbidden(path) == OUR_OWN.get(path.relative_to(ROOT).as_posix(), set())


def test_modules_that_do_are_found(tmp_path: Path) -> None:
    source = tmp_path / "wrong.py"
    source.write_text(
        "import torch as t, joblib\nfrom yaml import load as read\nt.load('x')\nread('x')\neval('1')\n"
        "f(shell=True, **{'trust_remote_code': True})\nmodel.eval()\n"
    )
    assert forbidden(source) == {"joblib", "torch.load", "yaml.load", "eval", "shell=True", "trust_remote_code=True"}


# ---- specs and names -------------------------------------------------------------------------------------------------

ROWS = "text,label\n" + "".join(f"row {row},{'ab'[row % 2]}\n" for row in range(8))


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A file that nobody has named."""
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "train.csv").write_text(ROWS)
    return tmp_path / "private" / "train.csv"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


SPEC = """\
datasets: {mine: {path: PATH}}
compare: {dataset: mine, shots: 2, loss: cross_entropy}
trial: {encoder: all-MiniLM-L6-v2}
"""


def test_a_relative_path_of_a_spec_stays_in_its_folder(
    folder: Path, private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "mine.csv").write_text(ROWS)
    for name, target in (("rows.csv", private), ("far", private.parent), ("near.csv", "mine.csv"), ("encoder", "/usr")):
        (folder / name).symlink_to(target)
    spec = folder / "spec.yaml"
    for path in ("rows.csv", "./rows.csv", "far/train.csv", "far"):
        spec.write_text(SPEC.replace("PATH", path))
        with pytest.raises(
            SpecError, match=r"spec.yaml:1: datasets.mine.path: .* through a link; .*private"
        ) as refusal:
            load_spec("spec.yaml")
        assert len(refusal.value.mistakes) == 1
    spec.write_text(SPEC.replace("dataset: mine", "dataset: [rows.csv]").replace("all-MiniLM-L6-v2", "encoder"))
    with pytest.raises(
        SpecError, match=r"(?s)spec.yaml:2: compare.dataset: .* link.*spec.yaml:3: trial.encoder: .* link"
    ):
        load_spec("spec.yaml")
    for path in ("near.csv", str(private), str(folder / "rows.csv"), "../private/train.csv"):
        spec.write_text(SPEC.replace("PATH", path))
        assert load_spec("spec.yaml").datasets["mine"].path == str((folder / path).resolve())
    spec.write_text(SPEC.replace("PATH", "rows.csv"))
    assert load_spec("spec.yaml", ["datasets.mine.path=mine.csv"]).datasets["mine"].path == str(folder / "mine.csv")


@pytest.mark.parametrize(
    "name", ["../x", "a/b", ".x", "A", "x" * 65, "a b", "x'; DROP TABLE runs; --", "", "ä", "a\\n"]
)
def test_a_name_of_a_sweep_is_no_path_and_no_command(name: str) -> None:
    with pytest.raises(SpecError, match="name: must match"):
        load_spec("quickstart", [f"name={json.dumps(name)}"])


@pytest.mark.parametrize("name", ["../x", "a/b", "x'y", "a b", "x#y", "<b>"])
def test_a_name_of_a_dataset_is_no_path_and_no_command(name: str) -> None:
    with pytest.raises(SpecError, match="the name of a dataset has letters, digits"):
        load_spec("quickstart", [f"datasets={{{json.dumps(name)}: {{path: x.csv}}}}"])


def test_a_cell_has_a_name_that_a_database_can_keep() -> None:
    with pytest.raises(SpecError, match="the name of a cell, made of what it compares, has at most 400 characters"):
        load_spec("quickstart", ["trial.encoder=null", f"compare.encoder=[a, {'b' * 500}]"])


def test_no_message_brings_control_characters_to_a_terminal() -> None:
    with pytest.raises(SpecError) as refusal:
        load_spec("quickstart", ['budget={"\\e[2J": 1}', 'description="\\e[2J"', "trial.encoder\x1b[2J=x"])
    assert len(refusal.value.mistakes) == 3
    assert all(mistake.isprintable() for mistake in refusal.value.mistakes)


def test_no_error_brings_control_characters_to_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "toy", "--dir", "\x1b[2J"]) == 2
    assert "\\x1b[2J holds none" in capsys.readouterr().err


# ---- a sweep's folder ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["report", "report/figures"])
def test_no_report_is_written_through_a_linked_folder(link: str, tmp_path: Path, folder: Path) -> None:
    (folder / "precious.png").touch()
    (tmp_path / "sweep" / link).parent.mkdir(parents=True)
    (tmp_path / "sweep" / link).symlink_to(folder)
    with pytest.raises(FolderError, match=r"a folder of its own; .* is a link to .*remove the link"):
        write_report(synthetic_results(datasets=("cr",), trials=1, draws=0), tmp_path / "sweep" / "report")
    assert [path.name for path in folder.iterdir()] == ["precious.png"]


def test_no_report_is_written_through_a_linked_file(folder: Path, private: Path) -> None:
    before = private.read_text()
    (folder / "report.html").symlink_to(private)
    write_report(synthetic_results(datasets=("cr",), trials=1, draws=0), folder)
    assert private.read_text() == before
    assert not (folder / "report.html").is_symlink()
    assert "<html" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_report_that_cannot_be_written_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FolderError, match=r"the folder of a report must be writable; .*file.*--out"):
        write_report(synthetic_results(datasets=("cr",), trials=1, draws=0), tmp_path / "file" / "report")


@pytest.mark.parametrize("file", ["ledger.journal", "spec.yaml", "sweep.log", "driver.lock", "report", "stop-request"])
def test_no_file_of_a_sweep_is_written_through_a_link(file: str, folder: Path, private: Path) -> None:
    (folder / file).symlink_to(private)
    directory = SweepDirectory(folder)
    with pytest.raises(FolderError, match=r"lie in its own folder; .* is a link to .*remove the link"):
        directory.create()
    with pytest.raises(FolderError, match="is a link to"), directory.locked():
        pass
    assert private.read_text() == ROWS


def test_no_link_in_a_report_is_published(folder: Path, private: Path) -> None:
    (folder / "report.html").touch()
    (folder / "rows.csv").symlink_to(private)
    (folder / "figures").symlink_to(private.parent)
    assert [name for name, _ in artifact_files(folder)] == ["folder/report.html"]
