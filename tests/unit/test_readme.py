"""The README is true: its spec is valid, its commands exist, its pictures are there, its lists are complete."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from sweep.cli.commands import _parser
from sweep.spec.cells import cells
from sweep.spec.reader import PRESETS, load_spec
from trainable.losses import LOSSES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"^python -m sweep ([^#>\n]*)", README, flags=re.MULTILINE)))


def test_the_spec_by_example_is_valid(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tickets.csv").write_text("body,intent\na,b\n")
    (tmp_path / "tickets.yaml").write_text(example)
    spec = load_spec(tmp_path / "tickets.yaml")
    assert [cell.key for cell in cells(spec)][:3] == [
        "tickets/4/cross_entropy",
        "tickets/4/soft_triple",
        "tickets/4/proxy_anchor",
    ]
    assert len(cells(spec)) == 12


def test_there_are_commands_to_check() -> None:
    assert len(COMMANDS) >= 7


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_one(command: str) -> None:
    _parser().parse_args(shlex.split(command))


def test_make_has_the_two_commands() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_pictures_and_paths_are_there() -> None:
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert pictures
    places = re.findall(r"`((?:sweep|trainable|cluster|tests)/[\w./]+)`", README)
    for path in [*pictures, *places]:
        assert (ROOT / path).exists(), path


def test_lists_are_complete() -> None:
    (losses,) = re.findall(r"^Losses: (.*?)\.$", README, flags=re.MULTILINE | re.DOTALL)
    assert sorted(re.split(r",\s+", losses)) == sorted(LOSSES)
    for preset in PRESETS:
        assert f"`{preset}`" in README
