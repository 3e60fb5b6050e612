"""Cells: which there are, what they are called, what their trials share, and what they search."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from sweep.spec.cells import cells
from sweep.spec.fields import NEW_DEFAULTS
from sweep.spec.fingerprint import changes, protocol_fingerprint
from sweep.spec.inputs import as_begun, begun_otherwise
from sweep.spec.model import SweepSpec
from tests.sweeps.grid import grid, spec
from trainable.config import DatasetConfig, TrialConfig
from trainable.losses import LOSSES
from trainable.ranges import Choice, FloatRange, IntRange, Scalar
from trainable.recipes import RECIPES, SPECIFIC_FIELDS
from trainable.recipes.frozen import Frozen


def keys(**changed: Any) -> list[str]:
    return [cell.key for cell in grid(**changed)]


# ---- which there are -------------------------------------------------------------------------------------------------


def test_the_product_of_the_axes_with_their_values_as_keys() -> None:
    compare = {
        "shots": [4, 16],
        "loss": ["triplet", "supcon"],
        "embedding": ["cls", "mean"],
        "encoder_lr": [1e-5, 2e-05],
    }
    found = keys(compare=compare)
    assert len(found) == len(set(found)) == 16
    assert found[0] == "support/4/triplet/embedding=cls/encoder_lr=1e-05"
    assert found[-1] == "support/16/supcon/embedding=mean/encoder_lr=2e-05"


def test_a_key_always_names_dataset_shots_and_loss() -> None:
    blocks = {
        "compare": {"embedding": ["cls"]},
        "trial": {"encoder": "tiny", "dataset": "support", "shots": 8, "loss": "triplet"},
    }
    (cell,) = cells(SweepSpec.model_validate({"name": "x", **blocks}))
    assert cell.key == "support/8/triplet/embedding=cls"


def test_keys_stay_when_values_or_budgets_are_added() -> None:
    few = {"loss": ["triplet"], "embedding": ["cls"]}
    many = {"loss": ["supcon", "triplet"], "embedding": ["mean", "cls"], "shots": [16, 4]}
    assert set(keys(compare=few)) < set(keys(compare=many, budget={"trials_per_cell": 99}))


def test_a_folder_is_named_by_its_last_part_and_a_hub_id_in_full() -> None:
    data: dict[str, Any] = spec().resolved()
    data["compare"]["encoder"] = ["/models/tiny", "org/large"]
    del data["trial"]["encoder"]
    found = [cell.key for cell in cells(SweepSpec.model_validate(data))]
    assert found[0] == "support/4/cross_entropy/encoder=tiny"
    assert "support/4/cross_entropy/encoder=org/large" in found


def test_an_axis_makes_one_cell_of_a_loss_that_ignores_it() -> None:
    losses = ["cross_entropy", "n_pairs", "soft_triple"]
    found = keys(compare={"loss": losses, "beta": [0.1, 0.5], "proxy_lr": [0.01, 0.1]})
    assert [sum(f"/{loss}" in key for key in found) for loss in losses] == [1, 2, 4]
    assert "support/4/cross_entropy" in found
    assert "support/4/n_pairs/beta=0.1" in found


BOTH: dict[str, Any] = {"recipe": ["frozen", "fine_tune"], "loss": ["cross_entropy", "soft_triple"]}


def test_a_recipe_without_a_loss_is_one_cell_whatever_is_compared_for_the_others() -> None:
    trained = {
        "steps": [4, 8],
        "evaluations": [1, 2],
        "beta": [0.1, 0.5],
        "encoder_lr": [1e-5, 1e-4],
        "clip": [0.5, 1.0],
    }
    found = keys(compare={**BOTH, **trained}, protocol={"steps": None, "evaluations": None})
    assert [key for key in found if "frozen" in key] == ["support/4/frozen"]
    assert found[0] == "support/4/frozen"
    assert len(found) == 1 + 2**4 + 2**5, "cross-entropy has no beta"


def test_it_has_a_cell_for_each_value_of_what_it_reads() -> None:
    shared = {"shots": [4, 8], "embedding": ["cls", "mean"], "max_length": [16, 32]}
    frozen = [key for key in keys(compare={**BOTH, **shared}) if "/frozen" in key]
    assert len(frozen) == 8
    assert frozen[0] == "support/4/frozen/embedding=cls/max_length=16"


def test_a_method_is_left_out_of_every_combination() -> None:
    compare = {"recipe": ["frozen", "fine_tune", "metric_then_head"], "loss": ["triplet", "supcon"], "shots": [4, 8]}
    left_out = ["triplet", "metric_then_head+triplet"]
    all_keys, found = keys(compare=compare), keys(compare=compare, exclude=left_out)
    assert found == [key for key in all_keys if key.split("/")[-1] not in left_out]
    assert [key.split("/")[-1] for key in found] == ["frozen", "supcon", "metric_then_head+supcon"] * 2


def test_a_searched_loss_is_left_out_by_the_name_of_its_method() -> None:
    blocks = {"compare": {"recipe": ["frozen", "fine_tune"], "loss": None}, "search": {"loss": ["triplet", "supcon"]}}
    assert keys(**blocks, exclude=["searched"]) == ["support/4/frozen"]


def test_a_recipe_alone_needs_no_loss() -> None:
    alone = spec(compare={"recipe": ["frozen"], "loss": None})
    (cell,) = cells(alone)
    assert (cell.key, cell.method, list(cell.spaces)) == ("support/4/frozen", "frozen", ["frozen"])
    assert not {"loss", "beta", "steps", "evaluations"} & set(cell.fixed["frozen"])
    assert not (SPECIFIC_FIELDS - RECIPES["frozen"].fields) & set(alone.trial), (
        "a spec does not name what no trial of it reads"
    )
    assert not {"encoder_lr", "beta"} & set(alone.search)
    assert SweepSpec.model_validate(alone.resolved()) == alone
    config = cell.default_config()
    assert (config.loss, config.evaluations, config.replicates) == (None, 1, 2)
    assert cell.evaluations() == 2


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_searches_its_own_ranges_from_its_defaults_on(recipe: str) -> None:
    entry = RECIPES[recipe]
    (cell,) = grid(compare={"recipe": [recipe], "loss": None if entry.losses == "none" else ["supcon"]})
    (space,) = cell.spaces.values()
    own = {name: values for name, values in space.items() if name.startswith("recipe.")}
    assert own == {f"recipe.{name}": values for name, values in entry.search.items()}
    first = cell.default_params()
    defaults = {name: getattr(entry.config(name=recipe), name) for name in entry.search}
    read = {f"recipe.{name}": value for name, value in defaults.items() if entry.reads(name, defaults)}
    assert {name: value for name, value in first.items() if name in own} == read
    assert TrialConfig.from_flat(cell.default_config().flat()) == cell.default_config()


def test_recipes_with_ranges_of_their_own_beside_each_other() -> None:
    search = {"frozen": {"C": 10.0, "head": ["centroid", "linear_svm"]}, "soft_triple": {"la": 20}, "encoder_lr": 1e-5}
    frozen, _, soft_triple = grid(compare=BOTH, search=search)
    assert frozen.fixed["frozen"]["recipe.C"] == 10.0
    assert set(frozen.spaces["frozen"]) == {"recipe.head", "recipe.normalise", "recipe.name_weight"}
    assert frozen.default_config().flat()["recipe.head"] == "centroid"
    assert frozen.size() == 4 + 2
    assert not [
        name for name in (*soft_triple.fixed["soft_triple"], *soft_triple.spaces["soft_triple"]) if "recipe." in name
    ]


@pytest.mark.parametrize(
    ("head", "searched", "size"),
    [
        ("centroid", {"name_weight"}, 4),
        ("neighbours", {"neighbours"}, 4),
        (["centroid", "neighbours"], {"head", "neighbours", "name_weight"}, 4 + 4),
        ("linear_svm", {"normalise", "C"}, 2 * 10**9),
        (["centroid", "linear_svm"], {"head", "normalise", "C", "name_weight"}, 4 + 2 * 10**9),
    ],
    ids=["centroid", "neighbours", "two without a penalty", "one with a penalty", "two of both kinds"],
)
def test_what_no_head_of_a_frozen_encoder_reads_is_not_searched(head: Any, searched: set[str], size: int) -> None:
    (cell,) = grid(compare={"recipe": ["frozen"], "loss": None}, search={"frozen": {"head": head}})
    assert {name.removeprefix("recipe.") for name in cell.spaces["frozen"]} == searched
    assert cell.size() == size
    first = head if isinstance(head, str) else head[0]
    assert cell.default_config().recipe == Frozen(head=first), "with the published default of whatever it reads"


def test_what_setfit_does_not_read_beside_a_number_of_steps_is_not_searched() -> None:
    (cell,) = grid(compare={"recipe": ["setfit"], "loss": None}, search={"setfit": {"max_steps": 20}})
    assert {name.removeprefix("recipe.") for name in cell.spaces["setfit"]} == {"body_learning_rate", "batch_size"}
    steps = {"setfit": {"max_steps": [20, 40], "num_iterations": 5, "sampling_strategy": ["unique", "oversampling"]}}
    (cell,) = grid(compare={"recipe": ["setfit"], "loss": None}, search=steps)
    assert set(cell.default_params()) == {"recipe.body_learning_rate", "recipe.batch_size", "recipe.max_steps"}


def test_a_searched_loss_is_that_of_the_recipes_that_take_it() -> None:
    changed = {"compare": {"recipe": ["frozen", "fine_tune"], "loss": None}, "search": {"loss": ["triplet", "supcon"]}}
    assert keys(**changed) == ["support/4/frozen", "support/4/searched"]


# ---- what they fix and search ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_searches_its_own_ranges_and_only_what_it_uses(loss: str) -> None:
    (cell,) = grid(compare={"loss": [loss]})
    entry = LOSSES[loss]
    space = cell.spaces[loss]
    assert {name: values for name, values in space.items() if name.startswith("loss.")} == {
        f"loss.{name}": values for name, values in entry.search.items()
    }
    assert ("beta" in space) == (entry.build is not None)
    assert ("proxy_lr" in space) == entry.has_proxies
    assert "encoder_lr" in space


@pytest.mark.parametrize("loss", LOSSES)
def test_the_first_trial_has_the_published_defaults_as_near_as_the_ranges_allow(loss: str) -> None:
    (cell,) = grid(compare={"loss": [loss]})
    params = cell.default_params()
    assert list(params) == list(cell.spaces[loss])
    assert all(values.contains(params[name]) for name, values in cell.spaces[loss].items())
    config = cell.config(params)
    published = LOSSES[loss].config(name=loss)
    for name, values in LOSSES[loss].search.items():
        default = getattr(published, name)
        assert getattr(config.loss, name) == default or not values.contains(default)
    assert config.encoder_lr == 4.5e-5, "the middle: no value suits all encoders"


def test_defaults_outside_a_range_move_to_its_nearest_value() -> None:
    search = {
        "encoder_lr": {"low": 1e-4, "high": 1e-3, "log": True},
        "beta": [0.1, 0.4, 0.9],
        "head_lr": {"low": 1e-5, "high": 1e-4},
        "schedule": ["cosine", "constant"],
        "soft_triple": {"centers_per_class": {"low": 20, "high": 30}, "gamma": [0.1, 1]},
    }
    (cell,) = grid(compare={"loss": ["soft_triple"]}, search=search)
    params = cell.default_params()
    assert (params["encoder_lr"], params["beta"], params["schedule"]) == (3.2e-4, 0.4, "cosine")
    assert params["head_lr"] == 1e-4
    assert (params["loss.centers_per_class"], params["loss.gamma"]) == (20, 0.1)
    assert isinstance(params["loss.centers_per_class"], int)


def test_a_value_under_search_is_fixed_and_not_searched() -> None:
    (cell,) = grid(
        compare={"loss": ["soft_triple"]}, search={"encoder_lr": 1e-5, "soft_triple": {"la": 20, "margin": [0.1]}}
    )
    assert set(cell.spaces["soft_triple"]) == {"beta", "proxy_lr", "loss.centers_per_class", "loss.gamma"}
    config = cell.default_config()
    assert config.encoder_lr == 1e-5
    assert config.flat()["loss.la"] == 20
    assert config.flat()["loss.margin"] == 0.1


def test_a_searched_loss_makes_one_conditional_cell() -> None:
    data = spec(search={"loss": ["soft_triple", "cross_entropy"], "soft_triple": {"la": 9}}, compare={"loss": None})
    (cell,) = cells(data)
    assert cell.key == "support/4/searched"
    assert list(cell.spaces) == ["soft_triple", "cross_entropy"]
    assert set(cell.spaces["cross_entropy"]) == {"encoder_lr"}
    assert cell.default_params()["loss"] == "soft_triple"
    assert cell.default_config().flat()["loss.la"] == 9
    assert cell.config({"loss": "cross_entropy", "encoder_lr": 1e-5}).beta == 1


def test_one_searched_loss_is_a_fixed_one() -> None:
    (cell,) = cells(spec(search={"loss": ["triplet"]}, compare={"loss": None}))
    assert cell.key == "support/4/triplet"
    assert "loss" not in cell.default_params()


def test_a_trial_is_what_the_spec_says() -> None:
    (cell,) = grid(
        datasets={"own": {"hub": "org/own", "text": "body"}},
        compare={"dataset": ["own"], "shots": [8], "loss": ["proxy_nca"]},
        trial={"embedding": "tokens", "head_lr": 0.001, "sampling": "random"},
        protocol={"metric": "macro_f1", "validation": "shots", "seed": 7},
    )
    config = cell.config({"encoder_lr": 3e-5, "beta": 0.25, "proxy_lr": 0.05, "loss.softmax_scale": 5.0})
    expected = TrialConfig.model_validate(
        {
            "dataset": {"name": "own", "hub": "org/own", "text": "body", "holdout": "auto"},
            "shots": 8,
            "loss": {"name": "proxy_nca", "softmax_scale": 5.0},
            "encoder": "tiny",
            "embedding": "tokens",
            "prompt": "auto",
            "head": "centroid",
            "head_lr": 0.001,
            "proxy_start": "auto",
            "restarts": 1,
            "sampling": "random",
            "metric": "macro_f1",
            "validation": "shots",
            "seed": 7,
            "replicates": 2,
            "evaluations": 2,
            "steps": 4,
            "encoder_lr": 3e-5,
            "beta": 0.25,
            "proxy_lr": 0.05,
        }
    )
    assert config == expected
    assert TrialConfig.from_flat(config.flat()) == config


def test_how_a_dataset_is_read_is_flat_and_stands_there_only_if_it_is_set() -> None:
    fields = {"name": "own", "path": "/data/own.csv"}
    reading = {"drop": ["other", "a, b", 3], "min_rows": 8, "encoding": "cp1252", "delimiter": "\t"}
    plain, read = (
        TrialConfig.model_validate({"dataset": fields | more, "shots": 8, "encoder": "tiny"}) for more in ({}, reading)
    )
    flat = read.flat()
    assert plain.flat() == {name: value for name, value in flat.items() if name.removeprefix("dataset.") not in reading}
    assert all(isinstance(value, str | int | float) for value in flat.values())
    assert read.dataset.drop == ("3", "a, b", "other")
    assert TrialConfig.from_flat({name: str(value) for name, value in flat.items()}) == read
    assert TrialConfig.model_validate(read.model_dump(mode="json")) == read


def test_a_cell_can_be_sent_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(grid())) == grid()  # noqa: S301


FROZEN: dict[str, Any] = {"compare": {"recipe": ["frozen"], "loss": None}}


# ---- what must not change --------------------------------------------------------------------------------------------


def difference(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Between the last cells of two specs, through JSON as in the ledger."""
    old, new = (json.loads(json.dumps(protocol_fingerprint(grid(**changed)[-1]))) for changed in (before, after))
    return changes(old, new)


def test_a_fingerprint_survives_json_and_the_resolved_spec() -> None:
    for cell, again in zip(grid(), cells(SweepSpec.model_validate(spec().resolved())), strict=True):
        fingerprint = protocol_fingerprint(cell)
        assert changes(json.loads(json.dumps(fingerprint)), protocol_fingerprint(again)) == []


def test_what_may_change_is_not_in_it() -> None:
    free = {"budget": {"trials_per_cell": 99, "hours": 3.0}, "pruning": {"rule": "asha"}, "description": "new words"}
    assert difference({}, free) == []
    assert difference({}, {"resources": {"gpu": 0}, "tracking": {"experiment": "other"}}) == []


def test_what_a_recipe_does_not_read_is_no_change_of_its_cell() -> None:
    others = {"trial": {"encoder_lr": 1e-5, "clip": 0.5}, "protocol": {"steps": 9, "evaluations": 3}}
    assert difference(FROZEN, FROZEN | others) == []


def test_fine_tuning_has_the_fingerprint_that_older_sweeps_recorded() -> None:
    (before,) = grid(compare={"loss": ["supcon"]})
    _, beside = grid(compare={"loss": ["supcon"], "recipe": ["frozen", "fine_tune"]})
    fingerprint = protocol_fingerprint(before)
    assert "recipe" not in fingerprint["supcon"]
    assert protocol_fingerprint(beside) == fingerprint
    assert protocol_fingerprint(grid(**FROZEN)[-1])["frozen"]["recipe"] == "frozen"


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (
            {},
            {"search": {"soft_triple": {"margin": {"low": 0, "high": 0.5}}}},
            "search.soft_triple.margin: was 0..1, is now 0..0.5",
        ),
        ({}, {"search": {"soft_triple": {"la": 20}}}, "search.soft_triple.la: was 1..100 (log), is now 20"),
        ({}, {"trial": {"encoder_lr": 1e-5}}, "search.encoder_lr: was 1e-05..0.0002 (log), is now 1e-05"),
        ({}, {"search": {"beta": [0.1, 0.9]}}, "search.beta: was 0.05..0.95, is now [0.1, 0.9]"),
        ({}, {"protocol": {"steps": 60}}, "protocol.steps: was 4, is now 60"),
        ({}, {"trial": {"encoder": "other"}}, "trial.encoder: was tiny, is now other"),
        ({}, {"trial": {"head_lr": 0.001}}, "trial.head_lr: was not set, is now 0.001"),
        ({}, {"search": {"head_lr": [0.001, 0.01]}}, "search.head_lr: was not set, is now [0.001, 0.01]"),
        (
            FROZEN,
            FROZEN | {"search": {"frozen": {"C": 10.0}}},
            "search.frozen.C: was 0.01..1000 (log), is now 10",
        ),
        (
            FROZEN | {"search": {"frozen": {"head": ["logistic_regression", "linear_svm"]}}},
            FROZEN | {"search": {"frozen": {"head": "linear_svm"}}},
            "search.frozen.head: was [logistic_regression, linear_svm], is now linear_svm",
        ),
        (
            {"datasets": {"support": {"path": "/a.csv"}}},
            {"datasets": {"support": {"path": "/b.csv"}}},
            "datasets.support.path: was /a.csv, is now /b.csv",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_changes_are_told_in_words(before: dict[str, Any], after: dict[str, Any], says: str) -> None:
    assert difference(before, after) == [says]


def test_other_losses_in_a_searched_cell_are_told() -> None:
    few = {"search": {"loss": ["triplet", "supcon"]}, "compare": {"loss": None}}
    many = {"search": {"loss": ["triplet", "supcon", "circle"]}, "compare": {"loss": None}}
    assert difference(few, many) == ["search.loss: was triplet, supcon, is now triplet, supcon, circle"]


def test_a_change_of_all_losses_is_told_once() -> None:
    searched = {"search": {"loss": ["triplet", "supcon"]}, "compare": {"loss": None}}
    assert difference(searched, {**searched, "protocol": {"steps": 8}}) == ["protocol.steps: was 4, is now 8"]


def test_ranges_are_plain_values() -> None:
    (cell,) = grid(compare={"loss": ["soft_triple"]}, search={"beta": [0.1, 0.5]})
    kinds = {name: type(values) for name, values in cell.spaces["soft_triple"].items()}
    assert kinds["beta"] is Choice
    assert kinds["encoder_lr"] is FloatRange
    assert kinds["loss.centers_per_class"] is IntRange


def test_published_compatibility_has_one_learning_rate() -> None:
    compare = {"dataset": ["support"], "shots": [4], "loss": ["soft_triple"], "compatibility": ["none", "published"]}
    ours, published = grid(compare=compare, search={"head_lr": {"low": 1e-4, "high": 1e-2, "log": True}})
    assert {"head_lr", "proxy_lr"} <= set(ours.spaces["soft_triple"])
    assert not {"head_lr", "proxy_lr"} & {*published.spaces["soft_triple"], *published.fixed["soft_triple"]}
    assert published.key == "support/4/soft_triple/compatibility=published"
    assert published.default_config().proxy_lr is None


def test_the_inputs_of_a_cell_name_what_is_chosen_and_the_longest_rows() -> None:
    search = {"embedding": ["cls", "mean"], "max_length": {"low": 16, "high": 300}}
    (cell,) = grid(compare={"dataset": ["support"], "shots": [4], "loss": ["supcon"]}, search=search)
    assert {(config.embedding, config.max_length) for config in cell.hardest()} == {("cls", 300), ("mean", 300)}


@pytest.mark.parametrize("given", [{}, {"embedding": "cls"}])
def test_a_sweep_of_before_keeps_the_defaults_that_it_began_with(given: dict[str, Scalar]) -> None:
    """What it recorded has none of the fields that are new, and the first token where no embedding was given."""
    old = {**given, "head": "checkpoint", "proxy_start": "random"}
    spec = spec_of(loss="soft_triple", **given)
    then = SweepSpec.model_validate({**spec.resolved(), "trial": {**spec.resolved()["trial"], **old}})
    recorded = then.resolved()
    for name in NEW_DEFAULTS:
        recorded["trial"].pop(name)
    recorded["trial"] |= given
    (now,), (begun,) = cells(as_begun(spec, recorded)), cells(spec)
    config = now.default_config()
    assert (config.embedding, config.head, config.proxy_start) == (given.get("embedding"), "checkpoint", "random")
    assert begun.default_config().head == "centroid"
    fingerprint = protocol_fingerprint(now)["soft_triple"]
    assert fingerprint["embedding"] == "cls"
    assert not {"recipe", "head", "proxy_start"} & set(fingerprint)
    again = as_begun(spec, as_begun(spec, recorded).resolved())
    assert protocol_fingerprint(cells(again)[0]) == protocol_fingerprint(now), "it is resumed as often as one likes"
    (told,) = begun_otherwise(spec, again)
    assert told.startswith("where the spec says nothing, the sweep continues as an earlier version began it: ")
    assert "head checkpoint" in told
    assert "proxy_start random" in told


def test_a_value_that_was_written_for_a_sweep_of_before_is_a_change() -> None:
    spec = spec_of(loss="soft_triple", restarts=3)
    recorded = spec_of(loss="soft_triple").resolved()
    for name in NEW_DEFAULTS:
        recorded["trial"].pop(name)
    assert as_begun(spec, recorded).trial["restarts"] == 3, "which is refused"


@pytest.mark.parametrize("recipes", [["frozen"], ["frozen", "label_names"], ["predictions"], ["setfit"]])
def test_a_recipe_that_joins_a_sweep_has_the_defaults_of_a_new_one(recipes: list[str]) -> None:
    """What the recipes before did not read is not on record, which does not make it a sweep of an earlier version."""
    first = {"dataset": ["support"], "shots": [4], "recipe": recipes}
    more = {**first, "recipe": [*recipes, "fine_tune"], "loss": ["soft_triple"]}
    rest = {"name": "x", "search": {"predictions": {"path": "/answers.csv"}}, "trial": {"encoder": "all-MiniLM-L6-v2"}}
    begun, joined = (SweepSpec.model_validate({**rest, "compare": compare}) for compare in (first, more))
    assert as_begun(joined, begun.resolved()) == joined
    config = next(cell for cell in cells(joined) if cell.method == "soft_triple").default_config()
    assert (config.embedding, config.head, config.restarts) == ("auto", "centroid", 1)


def test_a_sweep_that_began_with_proxies_at_centroids_keeps_them_where_its_spec_says_nothing() -> None:
    spec = spec_of(loss="soft_triple")
    recorded = spec.resolved() | {"trial": spec.resolved()["trial"] | {"proxy_start": "centroids"}}
    assert cells(spec)[0].default_config().proxy_start == "auto"
    assert cells(as_begun(spec, recorded))[0].default_config().proxy_start == "centroids"
    assert as_begun(spec, spec.resolved()) == spec


def test_a_sweep_of_before_keeps_the_test_part_that_it_held_out() -> None:
    spec = SweepSpec.model_validate(spec_of(loss="supcon").resolved() | {"datasets": {"support": {"path": "a.csv"}}})
    assert spec.datasets["support"].holdout == "auto"
    recorded = spec.resolved()
    assert as_begun(spec, recorded) == spec
    del recorded["datasets"]["support"]["holdout"]
    begun = as_begun(spec, recorded)
    assert begun.datasets["support"].holdout == "fixed"
    assert SweepSpec.recorded(recorded).datasets == begun.datasets
    assert as_begun(spec, begun.resolved()) == begun, "also after it has been resumed"
    assert list(begun_otherwise(spec, begun)) == [
        "where the spec says nothing, the sweep continues as an earlier version began it: holdout fixed (support)"
    ]
    assert "dataset.holdout" not in protocol_fingerprint(cells(begun)[0])["supcon"]
    asked = spec.model_copy(update={"datasets": {"support": DatasetConfig(name="support", holdout="repeated")}})
    assert as_begun(asked, recorded).datasets["support"].holdout == "repeated", "which is refused: it is a change"


@pytest.mark.parametrize(("asked", "then", "now"), [("auto", "all", "all"), ("auto", "shots", "auto"), (9, "all", 9)])
def test_a_sweep_of_before_is_selected_as_it_began(asked: str | int, then: str, now: str | int) -> None:
    """`all` was the default, which nobody had to write."""
    spec = SweepSpec.model_validate(spec_of(loss="supcon").resolved() | {"protocol": {"validation": asked}})
    recorded = spec.resolved()
    recorded["protocol"]["validation"] = then
    assert as_begun(spec, recorded).protocol.validation == now


def test_a_new_sweep_begins_with_the_new_defaults() -> None:
    spec = spec_of(loss="soft_triple")
    assert as_begun(spec, {}) == spec
    assert as_begun(spec, spec.resolved()) == spec


def spec_of(*, loss: str, **trial: Scalar) -> SweepSpec:
    compare = {"dataset": ["support"], "shots": [4], "loss": [loss]}
    return SweepSpec.model_validate(
        {"name": "x", "compare": compare, "trial": {"encoder": "all-MiniLM-L6-v2", **trial}}
    )
