"""What every loss must do, whoever wrote it."""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Mapping
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

__all__ = ["LossContract", "separable_rows", "trained_proxies"]

C, D = 3, 16  # classes, embedding size

_Rows = tuple[Tensor, Tensor]  # embeddings_ND and labels_N

_BATCHES = {
    "normal": [0, 1, 2, 0, 1, 2, 0, 1],
    "one class": [1, 1, 1, 1],
    "one row": [2],
    "all labels unique": [2, 0, 1],
    "only two rows": [0, 0],
}


class LossContract:
    """Tests of a loss by its entry. A subclass, whose name begins with `Test`, overrides the fixture `entry`."""

    @pytest.fixture
    def entry(self) -> LossEntry:
        """The loss that is tested."""
        raise NotImplementedError("a subclass of LossContract has a fixture `entry` that returns the LossEntry")

    @pytest.fixture
    def metric_entry(self, entry: LossEntry) -> LossEntry:
        """The same, where it has a module."""
        if entry.build is None:
            pytest.skip("it needs only the head")
        return entry

    @pytest.fixture
    def proxy_entry(self, entry: LossEntry) -> LossEntry:
        """The same, where it learns proxies."""
        if not entry.has_proxies:
            pytest.skip("it learns no proxies")
        return entry

    @pytest.fixture(autouse=True)
    def seeded(self) -> None:
        """Every test draws the same numbers."""
        torch.manual_seed(0)

    def test_a_loss_is_called_the_same_everywhere(self, entry: LossEntry) -> None:
        name = entry.config.model_fields["name"]
        assert get_origin(name.annotation) is Literal
        assert get_args(name.annotation) == (name.default,) == (entry.name,)
        assert LOSSES.get(entry.name) is entry, "install its package, so that its entry point is found"

    def test_a_config_is_found_by_its_name_alone(self, entry: LossEntry) -> None:
        parsed: LossConfig = TypeAdapter[Any](AnyLoss).validate_python({"name": entry.name})
        assert parsed == entry.config(name=entry.name)
        assert type(parsed) is entry.config

    def test_every_field_can_be_searched_and_explained(self, entry: LossEntry) -> None:
        fields = set(entry.config.model_fields) - {"name"}
        assert set(entry.search) == fields
        for field in fields:
            assert len(entry.config.model_fields[field].description or "") > 10
        assert entry.paper
        assert entry.equation
        assert bool(entry.search_source) == bool(entry.search), "each range has a source"

    def test_every_corner_of_the_search_space_is_a_valid_config_and_the_defaults_lie_inside(
        self, entry: LossEntry
    ) -> None:
        for corner in itertools.product(*map(_ends, entry.search.values())):
            entry.config.model_validate({"name": entry.name, **dict(zip(entry.search, corner, strict=True))})
        defaults = entry.config(name=entry.name)
        for field, space in entry.search.items():
            assert space.contains(getattr(defaults, field)), f"{entry.name}.{field}"

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "wide"])
    def test_no_field_takes_what_is_not_a_number(self, entry: LossEntry, value: object) -> None:
        for field in entry.search:
            with pytest.raises(ValidationError, match=field):
                entry.config.model_validate({"name": entry.name, field: value})

    @pytest.mark.parametrize("batch", _BATCHES)
    def test_any_batch_gives_a_finite_scalar_with_finite_gradients(self, metric_entry: LossEntry, batch: str) -> None:
        module, labels_N = _build(metric_entry), torch.tensor(_BATCHES[batch])
        embeddings_ND = torch.randn(len(labels_N), D, requires_grad=True)
        _check_finite(module, embeddings_ND, labels_N)

    @pytest.mark.parametrize("corner", ["low", "high"])
    def test_the_ends_of_the_search_space_are_finite_too(
        self, metric_entry: LossEntry, corner: Literal["low", "high"]
    ) -> None:
        fields = {field: _ends(space)[0 if corner == "low" else -1] for field, space in metric_entry.search.items()}
        module, labels_N = _build(metric_entry, fields=fields), torch.tensor(_BATCHES["normal"])
        common_D = 10 * torch.randn(D)  # nearly one direction, as the embeddings of a pretrained encoder
        for spread in (1.0, 0.01, 0.0):
            embeddings_ND = (common_D + spread * torch.randn(len(labels_N), D)).requires_grad_()
            _check_finite(module, embeddings_ND, labels_N)

    def test_rows_that_lie_on_their_proxy_or_opposite_of_it_are_finite(self, metric_entry: LossEntry) -> None:
        """Where the gradient of an angle is infinite."""
        labels_N = torch.arange(C)
        for seed, sign in itertools.product(range(5), (1, -1)):
            module = _build(metric_entry, seed)
            weights = [weight if weight.shape[1] == D else weight.T for weight in module.parameters()] or [
                torch.randn(C, D)
            ]
            nearest_CD = weights[0].detach()[:: len(weights[0]) // C]
            _check_finite(module, (sign * 1.7 * nearest_CD).requires_grad_(), labels_N)

    def test_an_encoder_that_has_diverged_is_seen(self, metric_entry: LossEntry) -> None:
        embeddings_ND = torch.full((8, D), torch.nan)
        assert not _build(metric_entry)(embeddings_ND, torch.tensor(_BATCHES["normal"])).isfinite()

    def test_a_loss_without_pairs_says_so(self, metric_entry: LossEntry) -> None:
        """Without two rows of a class, a loss that needs pairs pulls nothing together: it is zero on distant rows."""
        module, labels_N = _build(metric_entry), torch.arange(C)
        loss = module(torch.eye(D)[:C] * 3 - 1 / D, labels_N)
        assert metric_entry.needs_pairs == (float(loss.detach()) < 1e-6)
        assert metric_entry.needs_pairs != metric_entry.has_proxies

    def test_the_seed_decides_everything_and_the_forward_pass_draws_nothing(self, metric_entry: LossEntry) -> None:
        labels_N, embeddings_ND = torch.tensor(_BATCHES["normal"]), torch.randn(8, D)
        first, again = _build(metric_entry, seed=3), _build(metric_entry, seed=3)
        state = torch.get_rng_state()
        assert torch.equal(first(embeddings_ND, labels_N), again(embeddings_ND, labels_N))
        assert torch.equal(torch.get_rng_state(), state), "it would shift the dropout that losses share in a comparison"
        if metric_entry.has_proxies:
            assert not torch.equal(
                first(embeddings_ND, labels_N), _build(metric_entry, seed=4)(embeddings_ND, labels_N)
            )

    def test_the_order_and_the_length_of_the_rows_do_not_matter(self, metric_entry: LossEntry) -> None:
        """N-pairs alone pairs rows by their order where a class has more than two."""
        module, labels_N = _build(metric_entry), torch.tensor([0, 1, 2, 0, 1, 2])
        embeddings_ND, order_N = torch.randn(6, D), torch.tensor([3, 5, 0, 4, 1, 2])
        value = module(embeddings_ND, labels_N)
        torch.testing.assert_close(module(embeddings_ND[order_N], labels_N[order_N]), value)
        torch.testing.assert_close(module(7 * embeddings_ND, labels_N), value)

    def test_every_row_is_trained_on(self, metric_entry: LossEntry) -> None:
        """A sample used whole at every step must not leave rows out, step after step. Two classes that overlap
        entirely: no pair of rows is far enough apart to be let be."""
        torch.manual_seed(0)
        embeddings_ND = (torch.randn(D) + 0.1 * torch.randn(12, D)).requires_grad_()
        _build(metric_entry)(embeddings_ND, torch.tensor([0, 1, 1] * 4)).backward()
        assert embeddings_ND.grad is not None
        assert (embeddings_ND.grad.abs().sum(dim=1) > 0).all()

    def test_every_token_of_a_batch_is_affordable(self, metric_entry: LossEntry) -> None:
        labels_N, embeddings_ND = torch.arange(1000) % C, torch.randn(1000, D, requires_grad=True)
        module, began = _build(metric_entry), time.perf_counter()
        module(embeddings_ND, labels_N).backward()
        assert time.perf_counter() - began < 10, "0.3 s on one core; listing all triplets would take minutes and 7 GB"

    def test_parameters_are_proxies_and_only_proxies(self, entry: LossEntry) -> None:
        parameters = [] if entry.build is None else list(_build(entry).parameters())
        assert bool(parameters) == entry.has_proxies
        assert all(parameter.requires_grad and D in parameter.shape for parameter in parameters)

    def test_proxies_stay_in_fp32_when_the_embeddings_are(self, proxy_entry: LossEntry) -> None:
        module, labels_N = _build(proxy_entry), torch.tensor(_BATCHES["normal"])
        assert proxy_entry.class_scores is not None
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=False):
            module(torch.randn(8, D), labels_N).backward()
            proxy_entry.class_scores(module, torch.randn(8, D))
        assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
        assert {parameter.grad.dtype for parameter in module.parameters() if parameter.grad is not None} == {
            torch.float32
        }

    def test_proxies_travel_with_the_state_of_the_module(self, proxy_entry: LossEntry) -> None:
        module, other, embeddings_ND = _build(proxy_entry, 1), _build(proxy_entry, 2), torch.randn(4, D)
        assert proxy_entry.class_scores is not None
        other.load_state_dict(copy.deepcopy(module).state_dict())
        assert torch.equal(
            proxy_entry.class_scores(other, embeddings_ND), proxy_entry.class_scores(module, embeddings_ND)
        )

    def test_the_nearest_class_has_the_largest_score_once_the_proxies_aretrained_proxies(
        self, proxy_entry: LossEntry
    ) -> None:
        assert proxy_entry.class_scores is not None
        embeddings_ND, labels_N = separable_rows(torch.arange(30) % C)
        module = trained_proxies(proxy_entry, embeddings_ND, labels_N)
        with torch.no_grad():
            scores_NC = proxy_entry.class_scores(module, embeddings_ND)
        assert scores_NC.shape == (30, C)
        assert torch.equal(scores_NC.argmax(dim=1), labels_N)
        probabilities_N = scores_NC.softmax(dim=1)[torch.arange(30), labels_N]
        assert probabilities_N.min() > 0.5, "scores are at the temperature of training: their softmax is a probability"

    def test_the_numbers_of_its_proxies_score_as_it_does(self, proxy_entry: LossEntry) -> None:
        """What a kept classifier scores by, where the loss says it; what is the same for all classes does not count."""
        if proxy_entry.proxies is None:
            pytest.skip("a classifier that reads by its proxies cannot be kept")
        assert proxy_entry.class_scores is not None
        embeddings_ND, labels_N = separable_rows(torch.arange(30) % C)
        module = trained_proxies(proxy_entry, embeddings_ND, labels_N)
        found = proxy_entry.proxies(module)
        cosines_NP = F.normalize(embeddings_ND, dim=1) @ F.normalize(found.weights_PD, dim=1).T
        cosines_NCK = cosines_NP.view(30, C, -1)
        weights_NCK = (found.sharpness * cosines_NCK).softmax(dim=2)
        of_class_NC = cosines_NCK.amax(dim=2) if found.of_several == "max" else (weights_NCK * cosines_NCK).sum(dim=2)
        scores_NC = proxy_entry.class_scores(module, embeddings_ND)
        wanted = scores_NC.log_softmax(dim=1)
        torch.testing.assert_close((found.scale * of_class_NC).log_softmax(dim=1), wanted, rtol=1e-4, atol=1e-4)

    def test_training_finds_classes_that_the_embeddings_hide(self, metric_entry: LossEntry) -> None:
        """The class lies in 3 of 16 directions, the noise in the others: a linear map must find them. Half of all rows
        are of one class; SoftTriple, with its 10 centres, ends at 0.74 to 0.84 over seeds, all others at 0.9 or
        more."""
        train, fresh = _hidden(seed=1), _hidden(seed=2)
        module, encoder = _build(metric_entry), nn.Linear(D, D, bias=False)
        before = _accuracy(metric_entry, module, encoder, train, fresh)
        optimiser = torch.optim.Adam([*encoder.parameters(), *module.parameters()], lr=0.05)
        values = []
        for _ in range(40):
            optimiser.zero_grad()
            loss = module(encoder(train[0]), train[1])
            loss.backward()
            optimiser.step()
            values.append(float(loss.detach()))
        after = _accuracy(metric_entry, module, encoder, train, fresh)
        assert values[-1] < values[0]
        assert after > max(0.65, before), f"accuracy {before} before, {after} after; majority 0.5"


def _build(entry: LossEntry, seed: int = 0, fields: Mapping[str, Scalar] = MappingProxyType({})) -> nn.Module:
    assert entry.build is not None
    torch.manual_seed(seed)
    return entry.build(entry.config.model_validate({"name": entry.name, **fields}), C, D)


def _ends(space: Range) -> tuple[Scalar, ...]:
    return space.values if isinstance(space, Choice) else (space.low, space.high)


def _check_finite(module: nn.Module, embeddings_ND: Tensor, labels_N: Tensor) -> None:
    loss = module(embeddings_ND, labels_N)
    assert loss.shape == ()
    assert loss.dtype == torch.float32
    assert loss >= 0
    assert loss.isfinite()
    loss.backward()
    for each in (embeddings_ND, *module.parameters()):
        assert each.grad is not None
        assert each.grad.isfinite().all()


def trained_proxies(entry: LossEntry, embeddings_ND: Tensor, labels_N: Tensor) -> nn.Module:
    """The loss with its proxies fitted to the rows."""
    module = _build(entry)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.1)
    for _ in range(60):
        optimiser.zero_grad()
        module(embeddings_ND, labels_N).backward()
        optimiser.step()
    return module


def separable_rows(labels_N: Tensor) -> _Rows:
    """Rows around one direction for each class, orthogonal to each other."""
    generator = torch.Generator().manual_seed(1)
    centres_CD = torch.linalg.qr(torch.randn(D, C, generator=generator)).Q.T
    return 4 * centres_CD[labels_N] + 0.5 * torch.randn(len(labels_N), D, generator=generator), labels_N


def _hidden(seed: int) -> _Rows:
    generator, labels_N = torch.Generator().manual_seed(seed), torch.tensor([0, 0, 1, 2] * 20)
    noise_ND = torch.randn(len(labels_N), D, generator=generator) * torch.tensor([0.5] * C + [2.0] * (D - C))
    return noise_ND + 2 * F.one_hot(labels_N, D), labels_N


def _accuracy(entry: LossEntry, module: nn.Module, encoder: nn.Module, train: _Rows, fresh: _Rows) -> float:
    """On rows that were not trained on, by proxies or else by centroids."""
    with torch.no_grad():
        if entry.class_scores is not None:
            scores_NC = entry.class_scores(module, encoder(fresh[0]))
        else:
            scores_NC = centroid_scores(encoder(fresh[0]), encoder(train[0]), train[1], C)
    return float((scores_NC.argmax(dim=1) == fresh[1]).float().mean())
