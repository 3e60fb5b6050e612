"""What every entry of the table of losses must do; a new loss is covered by its line in the table."""

from __future__ import annotations

import copy
import itertools
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from trainable.evaluation.inference import centroid_scores
from trainable.losses import LOSSES, AnyLoss, LossConfig, LossEntry
from trainable.ranges import Choice, Range, Scalar

C, D = 3, 16  # classes, embedding size

Rows = tuple[Tensor, Tensor]  # embeddings_ND and labels_N

EVERY = pytest.mark.parametrize("entry", LOSSES.values(), ids=LOSSES)
METRIC = {name: entry for name, entry in LOSSES.items() if entry.build is not None}
EVERY_METRIC = pytest.mark.parametrize("entry", METRIC.values(), ids=METRIC)
PROXY = {name: entry for name, entry in LOSSES.items() if entry.has_proxies}
EVERY_PROXY = pytest.mark.parametrize("entry", PROXY.values(), ids=PROXY)

BATCHES = {
    "normal": [0, 1, 2, 0, 1, 2, 0, 1],
    "one class": [1, 1, 1, 1],
    "one row": [2],
    "all labels unique": [2, 0, 1],
    "only two rows": [0, 0],
}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def build(entry: LossEntry, seed: int = 0, fields: Mapping[str, Scalar] = MappingProxyType({})) -> nn.Module:
    assert entry.build is not None
    torch.manual_seed(seed)
    return entry.build(entry.config.model_validate({"name": entry.name, **fields}), C, D)


def ends(space: Range) -> tuple[Scalar, ...]:
    return space.values if isinstance(space, Choice) else (space.low, space.high)


# The declaration


def test_each_file_of_the_folder_is_one_loss_of_the_table_and_bears_its_name() -> None:
    folder = Path(sys.modules["trainable.losses"].__path__[0])
    assert {path.stem for path in folder.glob("*.py")} - {"__init__", "entry"} == set(LOSSES)


@EVERY
def test_a_loss_is_called_the_same_everywhere(entry: LossEntry) -> None:
    name = entry.config.model_fields["name"]
    assert get_origin(name.annotation) is Literal
    assert get_args(name.annotation) == (name.default,) == (entry.name,)
    assert entry.config.__module__ == f"trainable.losses.{entry.name}"
    assert LOSSES[entry.name] is entry


@EVERY
def test_a_config_is_found_by_its_name_alone(entry: LossEntry) -> None:
    parsed: LossConfig = TypeAdapter[Any](AnyLoss).validate_python({"name": entry.name})
    assert parsed == entry.config(name=entry.name)
    assert type(parsed) is entry.config


@EVERY
def test_every_field_can_be_searched_and_explained(entry: LossEntry) -> None:
    fields = set(entry.config.model_fields) - {"name"}
    assert set(entry.search) == fields
    for field in fields:
        assert len(entry.config.model_fields[field].description or "") > 10
    assert entry.paper
    assert entry.equation
    assert bool(entry.search_source) == bool(entry.search), "each range has a source"


@EVERY
def test_every_corner_of_the_search_space_is_a_valid_config_and_the_defaults_lie_inside(entry: LossEntry) -> None:
    for corner in itertools.product(*map(ends, entry.search.values())):
        entry.config.model_validate({"name": entry.name, **dict(zip(entry.search, corner, strict=True))})
    defaults = entry.config(name=entry.name)
    for field, space in entry.search.items():
        assert space.contains(getattr(defaults, field)), f"{entry.name}.{field}"


INVALID: list[tuple[str, dict[str, Any]]] = [
    ("soft_triple", {"centers_per_class": 0}),
    ("soft_triple", {"centers_per_class": 2.5}),
    ("soft_triple", {"la": 0}),
    ("soft_triple", {"gamma": 0}),
    ("soft_triple", {"gamma": 1e-40}),
    ("soft_triple", {"margin": -0.1}),
    ("soft_triple", {"margin": 2.1}),
    ("proxy_anchor", {"alpha": 0}),
    ("proxy_anchor", {"margin": 1}),
    ("proxy_anchor", {"margin": -0.1}),
    ("proxy_nca", {"softmax_scale": 0}),
    ("proxy_nca", {"softmax_scale": 30}),
    ("normalized_softmax", {"temperature": 0}),
    ("normalized_softmax", {"temperature": -0.05}),
    ("arcface", {"margin": -1}),
    ("arcface", {"margin": 200}),
    ("arcface", {"scale": 0}),
    ("sub_center_arcface", {"sub_centers": 0}),
    ("sub_center_arcface", {"sub_centers": 1.5}),
    ("sub_center_arcface", {"margin": 91}),
    ("sub_center_arcface", {"scale": -64}),
    ("cosface", {"margin": 1}),
    ("cosface", {"margin": -0.1}),
    ("cosface", {"scale": 0}),
    ("supcon", {"temperature": 0}),
    ("supcon", {"temperature": -0.1}),
    ("supcon", {"temperature": 1e-40}),
    ("triplet", {"margin": 0}),
    ("triplet", {"margin": 2.1}),
    ("n_pairs", {"temperature": 0.1}),
    ("multi_similarity", {"alpha": 0}),
    ("multi_similarity", {"beta": 0}),
    ("multi_similarity", {"base": 1.1}),
    ("circle", {"m": 0}),
    ("circle", {"m": 1}),
    ("circle", {"gamma": 0}),
    ("contrastive", {"pos_margin": -0.1}),
    ("contrastive", {"neg_margin": 2.1}),
    ("contrastive", {"pos_margin": 0.5, "neg_margin": 0.5}),
    ("contrastive", {"pos_margin": 1.0, "neg_margin": 0.0}),
    ("cross_entropy", {"margin": 0.1}),
]


@pytest.mark.parametrize(("name", "fields"), INVALID, ids=str)
def test_values_that_would_fail_or_train_backwards_in_silence_are_refused(name: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        LOSSES[name].config.model_validate({"name": name, **fields})
    assert any(field in str(caught.value) for field in fields)


@EVERY
@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "wide"])
def test_no_field_takes_what_is_not_a_number(entry: LossEntry, value: object) -> None:
    for field in entry.search:
        with pytest.raises(ValidationError, match=field):
            entry.config.model_validate({"name": entry.name, field: value})


def test_the_margins_of_contrastive_that_cross_are_refused_with_rule_values_and_remedy() -> None:
    with pytest.raises(ValidationError) as caught:
        LOSSES["contrastive"].config.model_validate({"name": "contrastive", "pos_margin": 0.8, "neg_margin": 0.4})
    message = "neg_margin must be greater than pos_margin; received pos_margin=0.8 and neg_margin=0.4: raise neg_margin"
    assert message in str(caught.value)


@pytest.mark.slow
def test_neither_the_package_nor_the_table_of_losses_imports_torch() -> None:
    code = "import sys, trainable, trainable.losses; print({'torch', 'pytorch_metric_learning'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# The module


@EVERY_METRIC
@pytest.mark.parametrize("batch", BATCHES)
def test_any_batch_gives_a_finite_scalar_with_finite_gradients(entry: LossEntry, batch: str) -> None:
    module, labels_N = build(entry), torch.tensor(BATCHES[batch])
    embeddings_ND = torch.randn(len(labels_N), D, requires_grad=True)
    check_finite(module, embeddings_ND, labels_N)


@EVERY_METRIC
@pytest.mark.parametrize("corner", ["low", "high"])
def test_the_ends_of_the_search_space_are_finite_too(entry: LossEntry, corner: Literal["low", "high"]) -> None:
    fields = {field: ends(space)[0 if corner == "low" else -1] for field, space in entry.search.items()}
    module, labels_N = build(entry, fields=fields), torch.tensor(BATCHES["normal"])
    common_D = 10 * torch.randn(D)  # nearly one direction, as the embeddings of a pretrained encoder
    for spread in (1.0, 0.01, 0.0):
        embeddings_ND = (common_D + spread * torch.randn(len(labels_N), D)).requires_grad_()
        check_finite(module, embeddings_ND, labels_N)


@EVERY_METRIC
def test_rows_that_lie_on_their_proxy_or_opposite_of_it_are_finite(entry: LossEntry) -> None:
    """Where the gradient of an angle is infinite."""
    labels_N = torch.arange(C)
    for seed, sign in itertools.product(range(5), (1, -1)):
        module = build(entry, seed)
        weights = [weight if weight.shape[1] == D else weight.T for weight in module.parameters()] or [
            torch.randn(C, D)
        ]
        nearest_CD = weights[0].detach()[:: len(weights[0]) // C]
        check_finite(module, (sign * 1.7 * nearest_CD).requires_grad_(), labels_N)


def check_finite(module: nn.Module, embeddings_ND: Tensor, labels_N: Tensor) -> None:
    loss = module(embeddings_ND, labels_N)
    assert loss.shape == ()
    assert loss.dtype == torch.float32
    assert loss >= 0
    assert loss.isfinite()
    loss.backward()
    for each in (embeddings_ND, *module.parameters()):
        assert each.grad is not None
        assert each.grad.isfinite().all()


@EVERY_METRIC
def test_an_encoder_that_has_diverged_is_seen(entry: LossEntry) -> None:
    embeddings_ND = torch.full((8, D), torch.nan)
    assert not build(entry)(embeddings_ND, torch.tensor(BATCHES["normal"])).isfinite()


@EVERY_METRIC
def test_a_loss_without_pairs_says_so(entry: LossEntry) -> None:
    """Without two rows of a class, a loss that needs pairs pulls nothing together, so it is zero on distant rows."""
    module, labels_N = build(entry), torch.arange(C)
    loss = module(torch.eye(D)[:C] * 3 - 1 / D, labels_N)
    assert entry.needs_pairs == (float(loss.detach()) < 1e-6)
    assert entry.needs_pairs != entry.has_proxies


@EVERY_METRIC
def test_the_seed_decides_everything_and_the_forward_pass_draws_nothing(entry: LossEntry) -> None:
    labels_N, embeddings_ND = torch.tensor(BATCHES["normal"]), torch.randn(8, D)
    first, again = build(entry, seed=3), build(entry, seed=3)
    state = torch.get_rng_state()
    assert torch.equal(first(embeddings_ND, labels_N), again(embeddings_ND, labels_N))
    assert torch.equal(torch.get_rng_state(), state), "it would shift the dropout that losses share in a comparison"
    if entry.has_proxies:
        assert not torch.equal(first(embeddings_ND, labels_N), build(entry, seed=4)(embeddings_ND, labels_N))


@EVERY_METRIC
def test_the_order_and_the_length_of_the_rows_do_not_matter(entry: LossEntry) -> None:
    """N-pairs alone pairs rows by their order where a class has more than two."""
    module, labels_N = build(entry), torch.tensor([0, 1, 2, 0, 1, 2])
    embeddings_ND, order_N = torch.randn(6, D), torch.tensor([3, 5, 0, 4, 1, 2])
    value = module(embeddings_ND, labels_N)
    torch.testing.assert_close(module(embeddings_ND[order_N], labels_N[order_N]), value)
    torch.testing.assert_close(module(7 * embeddings_ND, labels_N), value)


@EVERY_METRIC
def test_every_row_is_trained_on(entry: LossEntry) -> None:
    """A sample used whole at every step must not leave rows out, step after step. Two classes that overlap entirely: no
    pair of rows is far enough apart to be let be."""
    torch.manual_seed(0)
    embeddings_ND = (torch.randn(D) + 0.1 * torch.randn(12, D)).requires_grad_()
    build(entry)(embeddings_ND, torch.tensor([0, 1, 1] * 4)).backward()
    assert embeddings_ND.grad is not None
    assert (embeddings_ND.grad.abs().sum(dim=1) > 0).all()


@EVERY_METRIC
def test_every_token_of_a_batch_is_affordable(entry: LossEntry) -> None:
    labels_N, embeddings_ND = torch.arange(1000) % C, torch.randn(1000, D, requires_grad=True)
    module, began = build(entry), time.perf_counter()
    module(embeddings_ND, labels_N).backward()
    assert time.perf_counter() - began < 10, "0.3 s on one core; listing all triplets would take minutes and 7 GB"


# The proxies


@EVERY
def test_parameters_are_proxies_and_only_proxies(entry: LossEntry) -> None:
    parameters = [] if entry.build is None else list(build(entry).parameters())
    assert bool(parameters) == entry.has_proxies
    assert all(parameter.requires_grad and D in parameter.shape for parameter in parameters)


@EVERY_PROXY
def test_proxies_stay_in_fp32_when_the_embeddings_are(entry: LossEntry) -> None:
    module, labels_N = build(entry), torch.tensor(BATCHES["normal"])
    assert entry.class_scores is not None
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=False):
        module(torch.randn(8, D), labels_N).backward()
        entry.class_scores(module, torch.randn(8, D))
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
    assert {parameter.grad.dtype for parameter in module.parameters() if parameter.grad is not None} == {torch.float32}


@EVERY_PROXY
def test_proxies_travel_with_the_state_of_the_module(entry: LossEntry) -> None:
    module, other, embeddings_ND = build(entry, 1), build(entry, 2), torch.randn(4, D)
    assert entry.class_scores is not None
    other.load_state_dict(copy.deepcopy(module).state_dict())
    assert torch.equal(entry.class_scores(other, embeddings_ND), entry.class_scores(module, embeddings_ND))


@EVERY_PROXY
def test_the_nearest_class_has_the_largest_score_once_the_proxies_are_trained(entry: LossEntry) -> None:
    assert entry.class_scores is not None
    embeddings_ND, labels_N = separable(torch.arange(30) % C)
    module = trained(entry, embeddings_ND, labels_N)
    with torch.no_grad():
        scores_NC = entry.class_scores(module, embeddings_ND)
    assert scores_NC.shape == (30, C)
    assert torch.equal(scores_NC.argmax(dim=1), labels_N)
    probabilities_N = scores_NC.softmax(dim=1)[torch.arange(30), labels_N]
    assert probabilities_N.min() > 0.5, "scores are at the temperature of training: their softmax is a probability"


@EVERY_PROXY
def test_the_library_s_own_logits_favour_the_farthest_class_for_proxy_nca_alone(entry: LossEntry) -> None:
    """The published rule takes them as they are (TrialConfig.compatibility); class_scores sets the sign right."""
    embeddings_ND, labels_N = separable(torch.arange(30) % C)
    module: Any = trained(entry, embeddings_ND, labels_N)
    with torch.no_grad():
        logits_NC = module.get_logits(embeddings_ND)
    nearest_N = logits_NC.argmin(dim=1) if entry.name == "proxy_nca" else logits_NC.argmax(dim=1)
    assert torch.equal(nearest_N, labels_N)


def trained(entry: LossEntry, embeddings_ND: Tensor, labels_N: Tensor) -> nn.Module:
    """The loss with its proxies fitted to the rows."""
    module = build(entry)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.1)
    for _ in range(60):
        optimiser.zero_grad()
        module(embeddings_ND, labels_N).backward()
        optimiser.step()
    return module


def separable(labels_N: Tensor) -> Rows:
    """Rows around one direction for each class, orthogonal to each other."""
    generator = torch.Generator().manual_seed(1)
    centres_CD = torch.linalg.qr(torch.randn(D, C, generator=generator)).Q.T
    return 4 * centres_CD[labels_N] + 0.5 * torch.randn(len(labels_N), D, generator=generator), labels_N


# Training


@EVERY_METRIC
def test_training_finds_classes_that_the_embeddings_hide(entry: LossEntry) -> None:
    """The class lies in 3 of 16 directions, the noise in the others: a linear map must find them. Half of all rows are
    of one class; SoftTriple, with its 10 centres, ends at 0.74 to 0.84 over seeds, all others at 0.9 or more."""
    train, fresh = hidden(seed=1), hidden(seed=2)
    module, encoder = build(entry), nn.Linear(D, D, bias=False)
    before = accuracy(entry, module, encoder, train, fresh)
    optimiser = torch.optim.Adam([*encoder.parameters(), *module.parameters()], lr=0.05)
    values = []
    for _ in range(40):
        optimiser.zero_grad()
        loss = module(encoder(train[0]), train[1])
        loss.backward()
        optimiser.step()
        values.append(float(loss.detach()))
    after = accuracy(entry, module, encoder, train, fresh)
    assert values[-1] < values[0]
    assert after > max(0.65, before), f"accuracy {before} before, {after} after; majority 0.5"


def hidden(seed: int) -> Rows:
    generator, labels_N = torch.Generator().manual_seed(seed), torch.tensor([0, 0, 1, 2] * 20)
    noise_ND = torch.randn(len(labels_N), D, generator=generator) * torch.tensor([0.5] * C + [2.0] * (D - C))
    return noise_ND + 2 * F.one_hot(labels_N, D), labels_N


def accuracy(entry: LossEntry, module: nn.Module, encoder: nn.Module, train: Rows, fresh: Rows) -> float:
    """On rows that were not trained on, by proxies or else by centroids."""
    with torch.no_grad():
        if entry.class_scores is not None:
            scores_NC = entry.class_scores(module, encoder(fresh[0]))
        else:
            scores_NC = centroid_scores(encoder(fresh[0]), encoder(train[0]), train[1], C)
    return float((scores_NC.argmax(dim=1) == fresh[1]).float().mean())
