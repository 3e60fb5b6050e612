"""The documents are true: what they link to, name, type or list is there, and their specs are valid.

In code spans and fences of the Markdown files,

- `path/to/file.py` names a file of the repository, and `path/to/file.py: name` something that the file defines;
- `python -m sweep ...`, `python -m trainable ...`, `python -m MODULE ...` and `make TARGET` are commands;
- a fence of YAML whose keys are those of a spec is a spec, or a part of one.
"""

from __future__ import annotations

import argparse
import ast
import re
import shlex
import tomllib
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from sweep.cli import commands
from sweep.cli.parser import command_parser
from sweep.spec.cells import cells
from sweep.spec.inputs import check_inputs
from sweep.spec.model import SweepSpec
from sweep.spec.presets import PRESETS
from sweep.spec.reader import load_spec
from tests.services.documents import (
    DOCUMENTS,
    ROOT,
    Code,
    anchors,
    arguments,
    fences,
    files,
    folders,
    links,
    spans,
    text_of,
)
from tests.unit.test_architecture import FLOORS
from trainable import __main__ as trainable_command
from trainable.datasets import load
from trainable.draws import draw_of
from trainable.losses import LOSSES

_FILE = re.compile(r"[\w.\-/*]+\.(?:py|toml|c|j2|dict|ya?ml|json|md|svg|png)|[\w.\-]+/[\w.\-/*]*|Makefile")
_MEMBER = re.compile(r"([\w./\-]+\.py): ([A-Za-z_][\w.]*)")

SWEEP_COMMANDS = arguments("python -m sweep")
TRAINABLE_COMMANDS = arguments("python -m trainable")
TARGETS = arguments("make")
PROGRAMS = [(name, given) for name, given in arguments("python -m") if given.startswith(("tests.", "sweep."))]
RENDERED = "sweep/spec/README.md"  # from the models; its examples, among them a broken one, are tested with them
SPECS = [each for name in DOCUMENTS if name != RENDERED for each in fences(name) if each.language == "yaml"]
MEMBERS = sorted(
    {(name, *match.groups()) for name in DOCUMENTS for each in spans(name) if (match := _MEMBER.fullmatch(each.text))}
)


def parse(parser: argparse.ArgumentParser, given: str) -> argparse.Namespace:
    try:
        return parser.parse_args(shlex.split(given))
    except SystemExit:
        pytest.fail(f"no command: {given}")


def test_there_is_something_to_check() -> None:
    assert len(DOCUMENTS) >= 12
    assert {given.split()[0] for _, given in SWEEP_COMMANDS} >= set(commands._COMMANDS), "each command is shown"
    assert len(TRAINABLE_COMMANDS) >= 2
    assert len({given for _, given in TARGETS}) >= 5
    assert len(PROGRAMS) >= 7
    assert len(MEMBERS) >= 60


# ---- commands


@pytest.mark.parametrize(("document", "given"), SWEEP_COMMANDS)
def test_every_command_of_sweep_is_one(document: str, given: str) -> None:
    parse(command_parser(), given)


@pytest.mark.parametrize(("document", "given"), TRAINABLE_COMMANDS)
def test_every_command_of_trainable_is_one(document: str, given: str) -> None:
    parse(trainable_command._parser(), given)


@pytest.mark.parametrize(("document", "given"), TARGETS)
def test_every_target_is_in_the_makefile(document: str, given: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in given.split():
        assert re.search(rf"^{re.escape(target)}:", makefile, flags=re.MULTILINE), f"{document}: make {target}"


@pytest.mark.parametrize(("document", "given"), PROGRAMS)
def test_every_other_program_is_there_and_has_the_options(document: str, given: str) -> None:
    module, *words = shlex.split(given)
    path = ROOT / f"{module.replace('.', '/')}.py"
    assert path.is_file(), f"{document}: {module}"
    source = path.read_text(encoding="utf-8")
    assert '__name__ == "__main__"' in source, f"{document}: {module} is no program"
    for option in (word for word in words if word.startswith("--")):
        assert f'"{option}"' in source, f"{document}: {module} has no {option}"


# ---- links, files and what they define


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    for link in links(document):
        path, _, anchor = link.partition("#")
        target = resolved(document, path) if path else document
        assert target in files() | folders(), f"{document} links to {link}"
        if anchor:
            assert anchor in anchors(target), f"{document}: {target} has no heading #{anchor}"


def resolved(document: str, path: str) -> str:
    place = (ROOT / document).parent / path
    return Path(*place.parts).resolve().relative_to(ROOT.resolve()).as_posix()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_named_files_are_there(document: str) -> None:
    missing = [
        each.text for each in spans(document) if _FILE.fullmatch(each.text) and not is_known(document, each.text)
    ]
    assert not missing, f"{document} names {missing}"


def is_known(document: str, path: str) -> bool:
    """Whether the repository has it, seen from its root or from the document, or whether it is somebody else's.

    A path into a folder of the repository, and any Python file, must be there; what a run writes, or a user brings,
    lies elsewhere.
    """
    here = PurePosixPath(document).parent
    every = files() | folders()
    places = {path.rstrip("/"), (here / path).as_posix().rstrip("/")}
    if any(fnmatch(name, place) for place in places for name in every):
        return True
    first = PurePosixPath(path).parts[0]
    if "/" in path:
        return first not in folders()
    return not path.endswith(".py") or any(PurePosixPath(name).name == path for name in files())


@pytest.mark.parametrize(("document", "path", "name"), MEMBERS)
def test_named_functions_classes_and_constants_are_defined(document: str, path: str, name: str) -> None:
    assert path in files(), f"{document} names {path}"
    assert name in defined(path), f"{document}: {path} does not define {name}"


@cache
def defined(path: str) -> frozenset[str]:
    """What a module defines at its top, and the members of its classes as `Class.member`."""
    return frozenset(_names(ast.parse(text_of(path)).body))


def _names(body: Sequence[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{name}" for name in _names(node.body))
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            yield from (each.id for each in ast.walk(target) if isinstance(each, ast.Name))


def test_modules_named_in_pyproject_are_there() -> None:
    named = re.findall(r"#.*", text_of("pyproject.toml"))
    modules = {module for comment in named for module in re.findall(r"\b(?:sweep|trainable|tests)(?:\.\w+)+", comment)}
    assert len(modules) >= 10
    for module in modules:
        place = module.replace(".", "/")
        assert f"{place}.py" in files() or place in folders(), module


# ---- specs


@pytest.mark.parametrize("example", SPECS, ids=str)
def test_specs_are_valid(example: Code, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = yaml.safe_load(example.text)
    if not isinstance(data, dict) or not data.keys() <= SweepSpec.model_fields.keys():
        assert example.document.startswith("cluster/"), f"{example} is neither a spec nor a cluster's commands"
        return
    monkeypatch.chdir(tmp_path)
    for dataset in data.get("datasets", {}).values():
        if "path" in dataset:
            _create(tmp_path / dataset["path"], dataset.get("text", "text"), dataset.get("label", "label"))
    (tmp_path / "example.yaml").write_text(_completed(example.text, data))
    assert cells(load_spec(tmp_path / "example.yaml"))


def _create(path: Path, text: str, label: str) -> None:
    """Data where a spec says that they lie. Whether a sweep can be made of them is not asked before it begins."""
    file = path if path.suffix else path / "train.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text},{label}\na,b\n")


def _completed(text: str, data: dict[str, Any]) -> str:
    """A part of a spec, with what every spec needs."""
    axes = {"dataset": list(data.get("datasets", ["support"])), "shots": [4], "loss": ["cross_entropy"]}
    least = {"name": "example", "compare": axes, "trial": {"encoder": "all-MiniLM-L6-v2"}}
    missing = {key: value for key, value in least.items() if key not in data}
    return (yaml.safe_dump(missing) if missing else "") + text


# ---- lists


def test_the_readme_is_short_and_has_its_pictures() -> None:
    assert len(text_of("README.md").split()) <= 1000
    assert len(re.findall(r"!\[[^\]]+\]\(\.readme/[^)]+\)", text_of("README.md"))) == 3


def test_the_spec_of_the_readme_works_on_forty_rows_in_two_classes(tmp_path: Path) -> None:
    (example,) = [each for each in fences("README.md") if each.language == "yaml"]
    rows = "".join(f"sentence {number},{'good' if number % 2 else 'bad'}\n" for number in range(40))
    (tmp_path / "mine.csv").write_text(f"text,label\n{rows}")
    (tmp_path / "mine.yaml").write_text(example.text)
    grid = cells(load_spec(tmp_path / "mine.yaml"))
    check_inputs(grid)
    assert [cell.key for cell in grid] == ["mine/4/frozen", "mine/4/cross_entropy", "mine/4/soft_triple"]
    config = grid[0].default_config()
    data = load(config.dataset)
    draw = draw_of(config, data, 0)
    assert draw.test is not None
    assert (len(data.pool), len(draw.test), len(draw.train), len(draw.validation)) == (40, 10, 8, 0)


def test_the_readme_lists_all_losses_and_presets() -> None:
    (losses,) = re.findall(r"^Losses: (.*?)\.$", text_of("README.md"), flags=re.MULTILINE | re.DOTALL)
    assert sorted(re.split(r",\s+", losses)) == sorted(LOSSES)
    for preset in PRESETS:
        assert f"`{preset}`" in text_of("README.md")


def test_the_floors_are_those_that_the_imports_keep() -> None:
    rows = re.findall(r"^\| (\d) \| ([^|]+) \|", text_of("sweep/README.md"), flags=re.MULTILINE)
    shown = {int(floor): set(re.findall(r"`(\w+)`", names)) for floor, names in rows}
    assert shown == dict(enumerate(FLOORS, start=1))


def test_the_mlflow_contract_names_every_tag() -> None:
    tags = set(re.findall(r'"(sweep\.\w+)"', text_of("sweep/tracking/runs.py")))
    assert len(tags) >= 10
    assert {each.text for each in spans("sweep/tracking/README.md") if re.fullmatch(r"sweep\.\w+", each.text)} == tags


def test_what_is_cited_is_this_version() -> None:
    cited = yaml.safe_load(text_of("CITATION.cff"))
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])
    assert {"cff-version", "message", "title", "authors"} <= cited.keys(), "what the format requires"


def test_every_suite_is_in_the_list_of_suites() -> None:
    suites = {PurePosixPath(name).parts[1] for name in files() if re.fullmatch(r"tests/\w+/.*\.py", name)}
    listed = {link.split("/")[0] for link in links("tests/README.md")}
    assert suites <= listed
