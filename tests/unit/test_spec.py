"""Specs mean what people write, wherever they write it, and the resolved spec says all of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from sweep.errors import SpecError
from sweep.spec.blocks import Protocol
from sweep.spec.cells import cells
from sweep.spec.defaults import DEFAULT_RANGES
from sweep.spec.fields import LOSS_FIELDS, NEW_DEFAULTS, PROTOCOL_FIELDS, TRIAL_FIELDS
from sweep.spec.mistakes import mistakes_of
from sweep.spec.model import SweepSpec
from sweep.spec.presets import PRESETS
from sweep.spec.reader import load_spec
from trainable.config import DatasetConfig, TrialConfig
from trainable.losses import LOSSES
from trainable.ranges import Choice, FloatRange, IntRange

GOOD = """\
compare: {dataset: support, shots: [4, 16], loss: [cross_entropy, soft_triple]}
trial: {encoder: all-MiniLM-L6-v2}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def loaded(text: str, *overrides: str, file: str = "spec.yaml") -> SweepSpec:
    Path(file).parent.mkdir(exist_ok=True)
    Path(file).write_text(text, encoding="utf-8")
    return load_spec(file, overrides)


# ---- what is valid ---------------------------------------------------------------------------------------------------

VALID: dict[str, tuple[str, ...]] = {
    "plain": (),
    "any field as an axis": (
        "compare.embedding=[cls, mean]",
        "compare.steps=[60, 120]",
        "compare.encoder_lr=[1e-5, 1e-4]",
    ),
    "one value as an axis": ("compare.embedding=mean",),
    "a loss under trial": ("compare.loss=null", "trial.loss=triplet"),
    "a loss under search": ("compare.loss=null", "search.loss=[triplet, supcon, cross_entropy]"),
    "a field of the protocol under trial": ("trial.steps=60",),
    "a searched number of steps": ("search.steps={low: 60, high: 240, log: true}",),
    "choices": ("search.beta=[0.1, 0.5, 0.9]", "search.schedule=[linear, cosine]"),
    "values that fix": ("search.beta=0.4", "search.soft_triple.la=20", "search.encoder_lr=2e-5"),
    "fields of a loss that is not compared": ("search.triplet.margin=0.1",),
    "what cross-entropy ignores": ("compare.loss=cross_entropy", "trial.beta=0.5", "search.proxy_lr=0.1"),
    "a search of the head's rate": ("search.head_lr={low: 1e-5, high: 1e-2, log: true}",),
    "all of validation": ("protocol.validation=shots",),
    "rungs": ("pruning.rungs=[1, 4, 8]", "pruning.rule=median", "pruning.min_records=2"),
    "half a GPU": ("resources.gpu=0.5", "resources.cpu=0.5"),
    "no GPU": ("resources.gpu=0",),
    "a whole GPU": ("resources.gpu=1",),
    "a database as ledger": ("ledger=postgresql://ann@db:5432/ledger",),
    "a server that tracks": ("tracking.uri=https://mlflow.example.org:5000/x", "tracking.required=false"),
    "empty blocks": ("search=null", "budget=null", "tracking=null"),
    "a recipe without a loss": ("compare.recipe=frozen", "compare.loss=null"),
    "a recipe under trial": ("trial.recipe=frozen", "compare.loss=null"),
    "recipes beside each other": ("compare.recipe=[frozen, fine_tune]", "compare.beta=[0.1, 0.5]"),
    "fields of a recipe": (
        "compare.recipe=[frozen, fine_tune]",
        "search.frozen.C={low: 0.1, high: 10, log: true}",
        "search.frozen.head=[centroid, linear_svm]",
        "search.frozen.normalise=true",
        "confirm.baseline=frozen",
    ),
    "fields of a recipe that is not compared": ("search.frozen.C=1.0",),
    "methods that are left out": (
        "compare.recipe=[frozen, fine_tune, metric_then_head]",
        "compare.loss=[cross_entropy, supcon]",
        "exclude=[supcon]",
    ),
    "one method that is left out": ("compare.recipe=[frozen, fine_tune]", "exclude=frozen"),
    "own data": ("datasets.mine={hub: org/mine, text: body}", "compare.dataset=[mine, SetFit/subj]"),
}


@pytest.mark.parametrize("name", VALID)
def test_a_valid_spec_is_read_and_its_resolved_form_is_the_same_spec(name: str) -> None:
    spec = loaded(GOOD, *VALID[name])
    resolved = json.loads(json.dumps(spec.resolved()))
    again = SweepSpec.model_validate(resolved)
    assert again == spec
    assert again.resolved() == resolved
    assert cells(again) == cells(spec)
    assert yaml.safe_load(yaml.safe_dump(resolved)) == resolved
    for cell in cells(spec):
        cell.default_config()


@pytest.mark.parametrize("field", ["refit", "explain"])
def test_winners_are_asked_for_with_a_confirmation_alone_but_recorded_sweeps_without_are_read(field: str) -> None:
    """Such a sweep ended without a word of the classifier that was asked for."""
    assert getattr(loaded(GOOD, f"{field}=true"), field)
    with pytest.raises(SpecError, match=rf"{field}: takes winners, .*none without a .*; raise `confirm.draws`, or"):
        loaded(GOOD, f"{field}=true", "confirm.draws=0")
    without = loaded(GOOD, "confirm.draws=0")
    assert getattr(SweepSpec.recorded(without.resolved() | {field: True}), field)


def test_what_is_of_the_hub_alone_is_refused_beside_files_but_recorded_sweeps_that_have_it_are_read() -> None:
    """A commit beside a file looks as if that file were read as of then."""
    file = {"path": "mine.csv"}
    data: dict[str, Any] = {"name": "then", "compare": {"loss": ["cross_entropy", "supcon"]}}
    data["trial"] = {"dataset": "mine", "shots": 4, "encoder": "all-MiniLM-L6-v2"}
    spec = SweepSpec.model_validate(data | {"datasets": {"mine": file}})
    unread = {"revision": "abc", "hub_config": "small"}
    with pytest.raises(ValidationError) as refused:
        SweepSpec.model_validate(data | {"datasets": {"mine": file | unread}})
    assert [(each.place, each.rule) for each in mistakes_of(refused.value)] == [
        (("datasets", "mine", field), "is of a dataset of the hub, and this one is none")
        for field in ("hub_config", "revision")
    ]
    recorded = spec.resolved()
    recorded["datasets"]["mine"] |= unread
    assert SweepSpec.recorded(recorded).datasets["mine"].revision == "abc"


@pytest.mark.parametrize("gpus", [2, 1.5, 1024])
def test_gpus_that_a_trial_would_not_use_are_refused_but_recorded_sweeps_that_have_them_are_read(gpus: float) -> None:
    with pytest.raises(SpecError, match=r"resources\.gpu: a trial trains on one GPU, and more would stand idle"):
        loaded(GOOD, f"resources.gpu={gpus}")
    begun = loaded(GOOD, "resources.gpu=1")
    assert SweepSpec.recorded(begun.resolved() | {"resources": {"cpu": 1.0, "gpu": gpus}}) == begun


@pytest.mark.parametrize(
    "changes",
    [
        {"trial.recipe": "frozen", "compare.loss": None, "trial.loss": "supcon"},
        {
            "compare.recipe": ["metric_then_head"],
            "compare.loss": None,
            "search.loss": ["supcon", "triplet", "cross_entropy"],
        },
        {"compare.loss": "triplet", "compare.max_length": [32, 64], "confirm.baseline": "triplet"},
        {"compare.loss": "triplet", "search.inference": ["nearest", "head"], "search.beta": {"low": 0, "high": 1}},
    ],
)
def test_what_a_spec_may_not_say_any_more_is_read_of_a_sweep_that_has_begun(changes: dict[str, object]) -> None:
    overrides = [f"{name}={json.dumps(value)}" for name, value in changes.items()]
    with pytest.raises(SpecError):
        loaded(GOOD, *overrides)
    data = yaml.safe_load(GOOD)
    for name, value in changes.items():
        block, _, field = name.partition(".")
        data.setdefault(block, {})[field] = value
    found = SweepSpec.recorded({"name": "then", **data})
    assert SweepSpec.recorded(found.resolved()) == found


def test_every_field_of_a_trial_can_be_compared() -> None:
    values: dict[str, Any] = {"dataset": ["support", "mr"], "shots": [4, 8], "loss": ["triplet", "supcon"]}
    others = {
        "sampling": ["per_class", "random"], "validation": ["all", 100], "seed": [0, 1], "encoder": ["a", "b"],
        "encoder_revision": ["x", "y"], "embedding": ["cls", "mean"], "max_length": [32, 64], "beta": [0.1, 0.5],
        "encoder_lr": [1e-5, 2e-5], "head_lr": [1e-4, 1e-3], "proxy_lr": [0.1, 0.2], "weight_decay": [0, 0.1],
        "schedule": ["linear", "cosine"], "warmup": [0, 0.1], "clip": [1, 2], "steps": [10, 20], "batch_size": [8, 16],
        "precision": ["fp32", "bf16"], "replicates": [1, 2], "evaluations": [1, 2], "metric": ["accuracy", "macro_f1"],
        "compatibility": ["none", "published"], "head": ["checkpoint", "centroid"],
        "inference": ["head", "nearest"], "proxy_start": ["random", "centroids"], "recipe": ["fine_tune", "frozen"],
        "prompt": ["none", "query: "], "layer_decay": [0.8, 1], "frozen_layers": [0, 1], "new_layers": [0, 1],
        "batches": ["shuffled", "balanced"], "views": [1, 2], "projection": [8, 16], "restarts": [0, 1],
        "class_weights": ["none", "balanced"], "priors": ["draw", "pool"], "lora_rank": [0, 8],
    }  # fmt: skip
    assert {*values, *others} == set(TrialConfig.model_fields)
    for name, listed in others.items():
        trial = {} if name == "encoder" else {"encoder": "a"}
        spec = SweepSpec.model_validate({"name": "x", "compare": {**values, name: listed}, "trial": trial})
        # Neither of the losses has proxies. One recipe has a cell for each loss, the other one for both.
        assert len(cells(spec)) == {"proxy_lr": 8, "proxy_start": 8, "recipe": 12}.get(name, 16)


# ---- what is filled in -----------------------------------------------------------------------------------------------


def test_what_is_not_said_has_the_defaults_of_a_trial() -> None:
    config = TrialConfig.model_validate({"dataset": DatasetConfig(name="support"), "shots": 4, "encoder": "x"})
    assert Protocol(validation="all").model_dump() == config.model_dump(include=set(PROTOCOL_FIELDS))
    assert Protocol().validation == "auto"
    spec = loaded(GOOD)
    for name, value in spec.trial.items():
        default = NEW_DEFAULTS.get(name, getattr(config, name))
        assert value == ("all-MiniLM-L6-v2" if name == "encoder" else getattr(default, "name", default))


def test_the_resolved_spec_names_every_field_that_has_a_value() -> None:
    resolved = loaded(GOOD).resolved()
    named = {name for block in ("compare", "search", "protocol", "trial") for name in resolved[block]}
    unset = {"encoder_revision", "head_lr", "inference", "projection"}  # what the encoder or another field decides
    assert set(TRIAL_FIELDS) - named == unset
    assert set(resolved["search"]["soft_triple"]) == set(LOSS_FIELDS["soft_triple"])
    assert resolved["search"]["encoder_lr"] == "auto"


def test_every_loss_is_searched_over_its_own_ranges() -> None:
    spec = loaded(GOOD, f"compare.loss={list(LOSSES)}")
    for loss, entry in LOSSES.items():
        resolved: Any = spec.search.get(loss, {})
        assert {name: resolved[name] for name in entry.search} == dict(entry.search)


def test_default_ranges_are_ranges_of_fields_and_only_of_what_a_loss_uses() -> None:
    assert set(DEFAULT_RANGES) <= set(TRIAL_FIELDS)
    assert set(loaded(GOOD).search) == {*DEFAULT_RANGES, "soft_triple"}
    assert set(loaded(GOOD, "compare.loss=cross_entropy").search) == {"encoder_lr"}
    assert set(loaded(GOOD, "compare.loss=n_pairs").search) == {"encoder_lr", "beta"}
    assert set(loaded(GOOD, "trial.beta=0.5", "trial.encoder_lr=1e-5").search) == {"proxy_lr", "soft_triple"}


def test_ranges_have_the_type_of_their_field() -> None:
    search = "{encoder_lr: {low: 1e-5, high: 1}, batch_size: {low: 8, high: 32}, weight_decay: [0, 0.1], warmup: 0}"
    spec = loaded(GOOD, f"search={search}", "search.soft_triple.centers_per_class={low: 1, high: 5, log: true}")
    assert spec.search["encoder_lr"] == FloatRange(1e-5, 1.0)
    assert spec.search["batch_size"] == IntRange(8, 32)
    assert spec.search["weight_decay"] == Choice((0.0, 0.1))
    assert spec.search["warmup"] == 0.0
    assert dict(spec.search["soft_triple"])["centers_per_class"] == IntRange(1, 5, log=True)  # type: ignore[arg-type]


# ---- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "name"),
    [("spec.yaml", "spec"), ("My Sweep (2).yml", "my-sweep-2"), ("trec.v2.yaml", "trec.v2"), ("ß.yaml", "sweep")],
)
def test_a_spec_without_a_name_is_named_after_its_file(file: str, name: str) -> None:
    assert loaded(GOOD, file=file).name == name
    assert loaded(GOOD, "name=other", file=file).name == "other"


def test_a_spec_built_from_values_is_refused_in_the_same_words() -> None:
    with pytest.raises(ValidationError) as caught:
        SweepSpec.model_validate({"name": "x", "compare": {"loss": ["soft_tripel"]}, "budgets": {}})
    places = {mistake.field: str(mistake) for mistake in mistakes_of(caught.value)}
    assert set(places) == {"compare.loss", "compare.dataset", "compare.shots", "trial.encoder", "budgets"}
    assert "did you mean `soft_triple`?" in places["compare.loss"]
    assert "did you mean `budget`?" in str(caught.value)


def test_a_spec_cannot_be_changed() -> None:
    spec = loaded(GOOD)
    with pytest.raises(ValidationError):
        spec.name = "other"  # type: ignore[misc]


# ---- YAML ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["1e-5", "1E-5", "1.0e-5", "0.00001", ".00001", "+1e-5", "1.e-5"])
def test_numbers_in_every_notation(number: str) -> None:
    assert loaded(GOOD, f"trial.encoder_lr={number}").trial["encoder_lr"] == 1e-5
    assert loaded(GOOD + f"search: {{encoder_lr: {number}}}\n").search["encoder_lr"] == 1e-5


@pytest.mark.parametrize("number", ["01", "-007", "+00"])
def test_a_number_with_zeros_in_front_may_be_meant_as_a_text(number: str) -> None:
    """A class is called so, and YAML would make another one of it."""
    for text, overrides in (
        (GOOD, [f"budget.trials_per_cell={number}"]),
        (GOOD + f"search: {{steps: [{number}]}}\n", []),
    ):
        with pytest.raises(SpecError) as caught:
            loaded(text, *overrides)
        assert "a number has no zeros in front" in str(caught.value)
        assert f"write '{number}' in quotes for the text, or {int(number)} for the number" in str(caught.value)


def test_classes_that_are_numbers_or_truth_values_are_described_without_quotes() -> None:
    described = "datasets: {mine: {path: mine.csv, descriptions: {0: bad, 01: worse, true: good, -1.5: odd}}}\n"
    config = loaded(described + GOOD).datasets["mine"]
    assert dict(config.descriptions or ()) == {"0": "bad", "01": "worse", "true": "good", "-1.5": "odd"}
    with pytest.raises(SpecError, match="a key may stand only once"):
        loaded(described.replace("01: worse", "'0': worse") + GOOD)


@pytest.mark.parametrize("text", ["no", "on", "2024-01-01", "12:30:00", "1_000", "0x10", "null and void"])
def test_text_that_older_yaml_takes_for_something_else(text: str) -> None:
    assert loaded(GOOD, f"description={text}").description == text


def test_anchors_comments_and_a_byte_order_mark_are_read() -> None:
    text = f"\ufeff# a spec\n{GOOD}search: {{encoder_lr: &rates {{low: 1e-5, high: 1e-4}}, head_lr: *rates}}\n"
    spec = loaded(text)
    assert spec.search["encoder_lr"] == spec.search["head_lr"] == FloatRange(1e-5, 1e-4)


def test_lines_may_end_as_on_windows() -> None:
    assert loaded(GOOD.replace("\n", "\r\n")).trial["encoder"] == "all-MiniLM-L6-v2"


# ---- overrides -------------------------------------------------------------------------------------------------------


def test_overrides_win_and_the_last_one_most() -> None:
    spec = loaded(
        GOOD, "budget.trials_per_cell=4", "budget.trials_per_cell=5", "compare.loss=[triplet]", "budget.hours=1e0"
    )
    assert (spec.budget.trials_per_cell, spec.budget.hours, spec.compare["loss"]) == (5, 1.0, ("triplet",))


def test_an_override_reaches_into_a_block_and_leaves_the_rest() -> None:
    spec = loaded(GOOD + "search: {soft_triple: {la: 20, gamma: 0.1}}\n", "search.soft_triple.la={low: 1, high: 2}")
    assert dict(spec.search["soft_triple"])["la"] == FloatRange(1.0, 2.0)  # type: ignore[arg-type]
    assert dict(spec.search["soft_triple"])["gamma"] == 0.1  # type: ignore[arg-type]


def test_null_takes_a_value_away() -> None:
    spec = loaded(
        GOOD + "search: {encoder_lr: 1e-5}\nbudget: {hours: 3}\n", "search.encoder_lr=null", "budget.hours=null"
    )
    assert spec.search["encoder_lr"] == "auto"
    assert spec.budget.hours is None


# ---- places on disk --------------------------------------------------------------------------------------------------


def test_paths_in_a_file_are_relative_to_it_and_those_in_overrides_to_the_current_folder(folder: Path) -> None:
    for place in ("specs/data/rows.csv", "rows.csv", "more/others.csv"):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text("text,label\n")
    (folder / "specs" / "encoder").mkdir()
    text = GOOD.replace("support", "[own, data/rows.csv]").replace("all-MiniLM-L6-v2", "encoder")
    text += "datasets: {own: {path: data/rows.csv, test_path: ../rows.csv}}\n"
    spec = loaded(text, "datasets.own.path=rows.csv", file="specs/spec.yaml")
    assert spec.datasets["own"].path == str(folder / "rows.csv")
    assert spec.datasets["own"].test_path == str(folder / "rows.csv")
    assert spec.compare["dataset"] == ("own", "rows")
    assert spec.datasets["rows"].path == str(folder / "specs" / "data" / "rows.csv")
    assert spec.trial["encoder"] == str(folder / "specs" / "encoder")
    assert loaded(text, "compare.dataset=more/others.csv", file="specs/spec.yaml").datasets["others"].path == str(
        folder / "more" / "others.csv"
    )


def test_a_name_of_the_spec_comes_before_a_known_one_and_before_a_folder(folder: Path) -> None:
    (folder / "own").mkdir()
    (folder / "trec").mkdir()
    spec = loaded(GOOD, "compare.dataset=[own, trec]", "datasets.own.hub=org/own", "datasets.trec.path=data")
    assert spec.datasets["own"] == DatasetConfig(name="own", hub="org/own", holdout="auto")
    assert spec.datasets["trec"] == DatasetConfig(name="trec", path=str(folder / "data"), holdout="auto")
    assert loaded(GOOD, "compare.dataset=trec").datasets["trec"].hub == "SetFit/TREC-QC"


def test_a_stored_spec_can_be_read_after_its_data_are_gone(folder: Path) -> None:
    (folder / "rows.csv").write_text("text,label\n")
    (folder / "encoder").mkdir()
    resolved = loaded(GOOD, "compare.dataset=rows.csv", "trial.encoder=./encoder").resolved()
    (folder / "rows.csv").unlink()
    (folder / "encoder").rmdir()
    assert SweepSpec.model_validate(resolved).resolved() == resolved


def test_two_datasets_of_one_name_are_refused(folder: Path) -> None:
    for place in ("a", "b"):
        (folder / place).mkdir()
        (folder / place / "rows.csv").write_text("text,label\n")
    with pytest.raises(ValueError, match="two datasets would be named `rows`"):
        loaded(GOOD, "compare.dataset=[a/rows.csv, b/rows.csv]")


def test_two_encoders_of_one_name_are_refused(folder: Path) -> None:
    for place in ("a/tiny", "b/tiny"):
        (folder / place).mkdir(parents=True)
    with pytest.raises(ValueError, match="folders on one axis must differ in their last name"):
        loaded(GOOD, "trial.encoder=null", "compare.encoder=[./a/tiny, ./b/tiny]")


# ---- presets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_valid_in_every_cell(preset: str) -> None:
    spec = load_spec(preset)
    assert spec.name == preset
    assert spec.description
    for cell in cells(spec):
        config = cell.default_config()
        assert config.replicates == spec.protocol.replicates


def test_presets_are_the_files_that_come_with_the_package() -> None:
    import sweep

    (package,) = sweep.__path__
    assert {path.stem for path in Path(package, "presets").iterdir()} == set(PRESETS)


def test_the_presets_are_the_comparisons_that_they_promise() -> None:
    quickstart = load_spec("quickstart")
    assert quickstart.compare["dataset"] == ("support",)
    methods = [cell.method for cell in cells(quickstart)]
    assert methods == ["frozen", "cross_entropy", "soft_triple", "proxy_anchor"]
    assert quickstart.budget.trials_per_cell == 6
    paper = load_spec("paper")
    assert len(paper.compare["dataset"]) == 8
    assert paper.compare["shots"] == (20, 100, 1000)
    assert len(cells(paper)) == 8 * 3 * 7
    assert all(load_spec(name).trial["sampling"] == "random" for name in ("trec", "paper"))


def test_trec_reads_a_local_folder(folder: Path) -> None:
    spec = load_spec("trec", ["datasets.trec.path=TREC", "datasets.trec.senteval=TREC"])
    wanted = DatasetConfig(name="trec", path=str(folder / "TREC"), senteval="TREC", holdout="auto")
    assert spec.datasets["trec"] == wanted
