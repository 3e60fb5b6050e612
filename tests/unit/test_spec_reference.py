"""The reference of the spec, `sweep/spec/README.md`, says what the models say, and its examples are true.

After a change of a field or its description, accept the new text with

    python -m sweep.spec.reference > sweep/spec/README.md
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from sweep.errors import SpecError
from sweep.spec.blocks import BLOCKS, Pruning
from sweep.spec.cells import cells
from sweep.spec.defaults import DEFAULT_RANGES, RANGE_SOURCES
from sweep.spec.fields import OWN_FIELDS, TRIAL_FIELDS
from sweep.spec.model import SweepSpec
from sweep.spec.presets import PRESETS
from sweep.spec.reader import load_spec
from sweep.spec.reference import reference
from trainable.config import DatasetConfig, TrialConfig

FILE = Path(__file__).parents[2] / "sweep" / "spec" / "README.md"
README = FILE.read_text(encoding="utf-8")
MODELS: Mapping[str, type[BaseModel]] = {"spec": SweepSpec, "dataset": DatasetConfig, "trial": TrialConfig, **BLOCKS}


def test_the_file_is_what_the_models_say() -> None:
    assert reference() == README, "to accept the new text: python -m sweep.spec.reference > sweep/spec/README.md"


def test_it_has_every_field_of_every_block_recipe_and_loss() -> None:
    sections = dict(re.findall(r"^#+ `(\w+)`\n(.*?)(?=^#|\Z)", README, flags=re.DOTALL | re.MULTILINE))
    fields = {block: list(model.model_fields) for block, model in BLOCKS.items()}
    fields |= {owner: list(rules) for owner, rules in OWN_FIELDS.items()}
    for section, names in fields.items():
        assert re.findall(r"^\| `(\w+)` \|", sections[section], flags=re.MULTILINE) == names
    for name in TRIAL_FIELDS:
        assert f"\n| `{name}` |" in README


def test_presets_are_linked() -> None:
    links = re.findall(r"\]\((\.\./[^)]+)\)", README)
    assert {(FILE.parent / link).resolve().stem for link in links if (FILE.parent / link).is_file()} == set(PRESETS)


def test_links_within_the_page_lead_to_its_headings() -> None:
    headings = re.findall(r"^#+ (.*)$", README, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(#([^)]+)\)", README)
    assert len(set(links)) > len(BLOCKS)
    assert set(links) <= anchors


def test_the_minimal_example_is_a_spec_of_four_cells(tmp_path: Path) -> None:
    example, _, _ = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
    file = tmp_path / "tickets.yaml"
    file.write_text(example)
    spec = load_spec(file)
    assert spec.name == "tickets"
    assert len(cells(spec)) == 4
    for field in re.findall(r"^  .*\n", example, flags=re.MULTILINE):
        file.write_text(example.replace(field, ""))
        with pytest.raises(SpecError, match="must be given"):  # so that the example is minimal
            load_spec(file)


def test_the_full_example_has_every_block_and_twelve_cells(tmp_path: Path) -> None:
    _, example, _ = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
    keys = set(re.findall(r"^(\w+):", example, flags=re.MULTILINE))
    assert keys == {"name", "datasets", "compare", "search", "trial", *BLOCKS}
    (rules,) = re.findall(r"^pruning: .*# or (.*)$", example, flags=re.MULTILINE)
    assert {"asha", *rules.split(", ")} == set(get_args(Pruning.model_fields["rule"].annotation))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tickets.csv").write_text("body,intent\na,b\n")
    (tmp_path / "tickets.yaml").write_text(example)
    cell_keys = [cell.key for cell in cells(load_spec(tmp_path / "tickets.yaml"))]
    assert cell_keys[:3] == ["tickets/4/cross_entropy", "tickets/4/soft_triple", "tickets/4/proxy_anchor"]
    assert len(cell_keys) == 12


def test_the_mistaken_example_is_refused_in_these_words(tmp_path: Path) -> None:
    _, _, example = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
    (said,) = re.findall(r"```text\n(.*?)```", README, flags=re.DOTALL)
    (tmp_path / "spec.yaml").write_text(example)
    with pytest.raises(SpecError) as refused:
        load_spec(tmp_path / "spec.yaml")
    assert str(refused.value).replace(f"{tmp_path}/", "") == said.strip()


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_every_field_is_described_and_says_what_applies_where_it_is_unset(model: type[BaseModel]) -> None:
    for name, info in model.model_fields.items():
        description = info.description or ""
        assert len(description) > 10, name
        if info.default is None:
            assert re.search(r"; (default: |give this or )", description), name


def test_every_default_range_has_a_source() -> None:
    assert list(RANGE_SOURCES) == list(DEFAULT_RANGES)
