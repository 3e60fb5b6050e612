from __future__ import annotations

import gc
import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.services.first_quick import first_quick
from trainable import training
from trainable.batching import Batch
from trainable.config import DatasetConfig, TrialConfig
from trainable.datasets import load
from trainable.datasets.text_data import Rows
from trainable.draws import Draw, few_shot_draw
from trainable.encoder import load_encoder
from trainable.errors import ConfigError, DataError, EncoderError
from trainable.evaluation import scoring
from trainable.evaluation.inference import Outputs, run_encoder
from trainable.fine_tuning import evaluation_points
from trainable.losses import LOSSES
from trainable.objective import Embedding, Objective, Terms
from trainable.outcomes import Evaluation, Outcome
from trainable.training import replicates

TIMES = {"train_seconds", "eval_seconds"}
METRIC_LOSSES = sorted(name for name, entry in LOSSES.items() if entry.build is not None)
PARTS: tuple[training.Part, ...] = ("validation", "test")


@pytest.fixture
def config(tiny_bert: Path, toy_csv: Path) -> TrialConfig:
    """Four labels per class, 12 steps: enough to tell the toy classes apart."""
    return TrialConfig(
        dataset=DatasetConfig(name="toy", path=str(toy_csv)),
        shots=4,
        encoder=str(tiny_bert),
        encoder_lr=3e-3,
        steps=12,
        replicates=2,
        evaluations=2,
    )


def _with(config: TrialConfig, **fields: Any) -> TrialConfig:
    return TrialConfig.model_validate(config.model_dump() | fields)


def _unchecked(config: TrialConfig, **fields: Any) -> TrialConfig:
    """A configuration beyond what the fields allow."""
    return config.model_copy(update=fields)


def _metric_loss(**fields: Any) -> dict[str, Any]:
    return {"loss": {"name": "soft_triple", "centers_per_class": 2}, "beta": 0.5} | fields


def _timeless(evaluations: Iterator[Evaluation]) -> list[Evaluation]:
    return [
        replace(evaluation, metrics={name: value for name, value in evaluation.metrics.items() if name not in TIMES})
        for evaluation in evaluations
    ]


@pytest.mark.parametrize("loss", first_quick(sorted(LOSSES)))
def test_every_loss_beats_the_majority_on_separable_rows(loss: str, config: TrialConfig) -> None:
    beta = 1.0 if LOSSES[loss].build is None else 0.5
    trial = _with(config, loss={"name": loss}, beta=beta, shots=12, steps=40, replicates=1)
    first, last = replicates(trial)
    assert last.outcome is None
    assert last.metrics["train_loss"] < first.metrics["train_loss"]
    assert last.metrics["val_accuracy"] > 0.75  # always guessing one class gives a half


@pytest.mark.lengthy
@pytest.mark.parametrize("loss", first_quick(METRIC_LOSSES))
def test_every_metric_loss_alone_tells_the_classes_apart(loss: str, config: TrialConfig) -> None:
    trial = _with(config, loss={"name": loss}, beta=0.0, embedding="mean", shots=12, steps=40, replicates=1)
    first, last = replicates(trial)
    assert last.outcome is None
    assert last.metrics["train_loss"] < first.metrics["train_loss"]
    assert last.metrics["val_accuracy"] > 0.75
    assert "train_cross_entropy" not in last.metrics


@pytest.mark.lengthy
def test_each_draw_is_evaluated_at_each_point(config: TrialConfig) -> None:
    evaluations = list(replicates(_with(config, evaluations=3), [5, 2]))
    places = [(evaluation.draw, evaluation.replicate, evaluation.point, evaluation.step) for evaluation in evaluations]
    assert places == [(5, 0, 1, 4), (5, 0, 2, 8), (5, 0, 3, 12), (2, 1, 1, 4), (2, 1, 2, 8), (2, 1, 3, 12)]
    assert all(math.isfinite(value) for evaluation in evaluations for value in evaluation.metrics.values())
    assert all(evaluation.outcome is None and evaluation.reason == "" for evaluation in evaluations)


def test_the_draws_are_the_first_ones_unless_given(config: TrialConfig) -> None:
    assert [evaluation.draw for evaluation in replicates(_with(config, evaluations=1))] == [0, 1]


def _device() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


@pytest.mark.parametrize(
    ("fields", "terms"),
    [
        ({}, {"train_cross_entropy"}),
        (_metric_loss(), {"train_cross_entropy", "train_metric_loss"}),
        (_metric_loss(beta=0.0), {"train_metric_loss"}),
    ],
)
def test_the_metrics_of_an_evaluation(fields: dict[str, Any], terms: set[str], config: TrialConfig) -> None:
    evaluation = next(replicates(_with(config, **fields)))
    scores = {f"val_{name}" for name in ("accuracy", "macro_f1", "weighted_f1", "loss")}
    assert evaluation.metrics.keys() == scores | terms | TIMES | {"train_loss", "gradient_norm", "tokens"}
    assert evaluation.metrics["val_loss"] > 0
    assert evaluation.metrics["gradient_norm"] > 0
    assert evaluation.confusion == ()
    assert evaluation.trained_on == f"{_device()} ({'bf16' if torch.cuda.is_available() else 'fp32'})"


OF_HEAD = {"test_head_accuracy", "test_mixture_accuracy", "mixture_weight", "mixture_temperature"}


@pytest.mark.parametrize(
    ("fields", "present"),
    [
        ({}, True),
        pytest.param(_metric_loss(), True, marks=pytest.mark.lengthy),
        pytest.param({"loss": {"name": "supcon"}}, True, marks=pytest.mark.lengthy),
        (_metric_loss(beta=0.0), False),
    ],
)
def test_the_test_part_is_scored_once_at_the_end_of_each_replicate(
    fields: dict[str, Any], present: bool, config: TrialConfig
) -> None:
    trial = _with(config, **fields)
    validated, tested = list(replicates(trial)), list(replicates(trial, part="test"))
    assert [(evaluation.replicate, evaluation.point, evaluation.step) for evaluation in tested] == [
        (0, 1, 12),
        (1, 1, 12),
    ]
    for search, evaluation in zip(validated[1::2], tested, strict=True):
        for name in ("val_accuracy", "val_macro_f1", "val_weighted_f1"):
            assert evaluation.metrics[name] == search.metrics[name], "the same training, validated at its end"
        assert evaluation.metrics["val_loss"] == pytest.approx(search.metrics["val_loss"], rel=1e-5)
        assert evaluation.metrics.keys() >= {"test_accuracy", "test_nearest_accuracy", "test_neighbours_accuracy"}
        assert (
            evaluation.metrics["test_accuracy"]
            == evaluation.metrics[f"test_{'head' if present else 'nearest'}_accuracy"]
        )
        assert (evaluation.metrics.keys() >= OF_HEAD) == present
        assert evaluation.metrics.keys().isdisjoint(OF_HEAD) != present
        assert "test_published_accuracy" not in evaluation.metrics
        confusion_CC = np.array(evaluation.confusion)
        assert confusion_CC.sum() == 24
        assert confusion_CC.trace() / 24 == pytest.approx(evaluation.metrics["test_accuracy"])


@pytest.mark.lengthy
@pytest.mark.parametrize("loss", first_quick(METRIC_LOSSES))
def test_every_metric_loss_classifies_by_nearness_and_in_the_right_direction(loss: str, config: TrialConfig) -> None:
    trial = _with(config, loss={"name": loss}, beta=0.5, embedding="mean", shots=12, steps=40, replicates=1)
    (evaluation,) = replicates(trial, part="test")
    for way in ("head", "nearest", "neighbours", "mixture"):
        assert evaluation.metrics[f"test_{way}_accuracy"] > 0.75, way


def test_without_a_share_of_the_metric_loss_a_search_classifies_by_centroids_as_a_confirmation_does(
    config: TrialConfig,
) -> None:
    trial = _with(config, **_metric_loss(beta=1.0), inference="nearest", steps=1, replicates=1, evaluations=1)
    (searched,), (confirmed,) = list(replicates(trial)), list(replicates(trial, part="test"))
    assert searched.outcome is None
    assert searched.metrics["val_loss"] == pytest.approx(confirmed.metrics["val_loss"], rel=1e-5)


@pytest.mark.lengthy
def test_train_loss_is_the_weighted_sum_of_its_terms(config: TrialConfig) -> None:
    for evaluation in replicates(_with(config, **_metric_loss(beta=0.3))):
        terms = evaluation.metrics["train_cross_entropy"], evaluation.metrics["train_metric_loss"]
        assert evaluation.metrics["train_loss"] == pytest.approx(0.3 * terms[0] + 0.7 * terms[1], rel=1e-5)


def test_tokens_are_the_real_tokens_trained_on_so_far(config: TrialConfig) -> None:
    data = load(config.dataset)
    draw = few_shot_draw(data, sampling="per_class", shots=4, validation="all", index=0, seed=0)
    tokenizer = load_encoder(config.encoder, None, 2).tokenizer
    of_a_step = sum(len(tokenizer(data.pool.texts[row])["input_ids"]) for row in draw.train)
    evaluations = list(replicates(config, [0]))
    assert [evaluation.metrics["tokens"] for evaluation in evaluations] == [6 * of_a_step, 12 * of_a_step]


@pytest.mark.lengthy
@pytest.mark.parametrize(
    "fields", first_quick([{}, _metric_loss(), {"batch_size": 3}, {"sampling": "random", "shots": 9}])
)
def test_the_same_configuration_gives_bit_equal_evaluations(fields: dict[str, Any], config: TrialConfig) -> None:
    trial = _with(config, **fields)
    first = _timeless(replicates(trial))
    torch.rand(10)  # whatever happens in between
    assert _timeless(replicates(trial)) == first


@pytest.mark.lengthy
def test_the_seed_and_the_draw_change_the_evaluations(config: TrialConfig) -> None:
    losses = {
        next(replicates(_with(config, seed=seed), [draw])).metrics["train_loss"] for seed in (0, 1) for draw in (0, 1)
    }
    assert len(losses) == 4


def test_a_resumed_trial_gives_the_tail_of_the_whole_one(config: TrialConfig) -> None:
    trial = _with(config, replicates=3, **_metric_loss())
    whole = _timeless(replicates(trial))
    assert _timeless(replicates(trial, first=2)) == whole[4:]
    assert _timeless(replicates(trial, first=3)) == []


@pytest.mark.lengthy
def test_a_replicate_does_not_depend_on_what_was_trained_before(config: TrialConfig) -> None:
    alone = _timeless(replicates(config, [1]))
    list(replicates(_with(config, encoder_lr=0.1, **_metric_loss()), [0]))
    assert _timeless(replicates(config, [1])) == alone


@pytest.mark.lengthy
@pytest.mark.parametrize("fields", first_quick([{}, _metric_loss(beta=0.0), {"validation": "shots"}]))
def test_validation_never_reads_the_test_rows(
    fields: dict[str, Any], config: TrialConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = _with(config, **fields)
    data = load(trial.dataset)
    clean = _timeless(replicates(trial))

    @dataclass(frozen=True)
    class Sealed:
        name: str = data.name
        class_names: tuple[str, ...] = data.class_names
        pool: Rows = data.pool
        folds: int = 0

        @property
        def test(self) -> Rows:
            raise AssertionError("the test part was read")

    monkeypatch.setattr(training, "load", lambda _: Sealed())
    assert _timeless(replicates(trial)) == clean
    with_test = list(replicates(trial, part="test"))
    assert with_test[0].outcome is Outcome.FAILED
    assert "the test part was read" in with_test[0].reason


@pytest.mark.parametrize(
    "fields", first_quick([{}, _metric_loss(), {"loss": {"name": "supcon"}, "beta": 0.0, "validation": "shots"}])
)
def test_poisoned_test_rows_leave_every_validation_metric_as_it_is(
    fields: dict[str, Any], config: TrialConfig, toy_csv: Path, tmp_path: Path
) -> None:
    header, *rows = toy_csv.read_text(encoding="utf-8").splitlines()
    honest = rows[60:]
    poisoned = [f"a blue {row.replace('good', 'bad') if n % 2 else row}" for n, row in enumerate(honest[:20])]
    poisoned = [row[: row.rindex(",")] + (",good" if row.endswith("bad") else ",bad") for row in poisoned]
    evaluations = {}
    for name, test in {"honest": honest, "poisoned": poisoned}.items():
        folder = tmp_path / name
        folder.mkdir()
        for file, lines in {"pool.csv": rows[:60], "test.csv": test}.items():
            (folder / file).write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
        dataset = {"name": "toy", "path": str(folder / "pool.csv"), "test_path": str(folder / "test.csv")}
        trial = _with(config, dataset=dataset, replicates=1, **fields)
        evaluations[name] = {part: _timeless(replicates(trial, part=part)) for part in PARTS}
    assert evaluations["honest"]["validation"] == evaluations["poisoned"]["validation"]
    for evaluation, other in zip(evaluations["honest"]["test"], evaluations["poisoned"]["test"], strict=True):
        changed = {name for name in evaluation.metrics if evaluation.metrics[name] != other.metrics[name]}
        assert "test_accuracy" in changed
        described = {name for name in changed if name.startswith("geometry_")}  # how test rows lie
        assert all(name.startswith("test_") for name in changed - described), "what is trained and chosen is the same"
        assert evaluation.confusion != other.confusion


@pytest.mark.lengthy
@pytest.mark.parametrize("fields", first_quick([{}, _metric_loss(), {"loss": {"name": "supcon"}, "beta": 0.0}]))
def test_a_class_that_the_draw_lacks_is_scored_all_the_same(fields: dict[str, Any], config: TrialConfig) -> None:
    draws = [draw for draw in range(40) if len(_labels(config, draw)) == 1][:2]
    for evaluation in replicates(
        _with(config, sampling="random", shots=2, embedding="tokens", **fields), draws, part="test"
    ):
        assert evaluation.outcome is None
        assert evaluation.metrics["neighbours_k"] == 1
        assert evaluation.metrics["test_neighbours_accuracy"] == 0.5  # it only ever says the one class that it knows
        assert np.array(evaluation.confusion).shape == (2, 2)


def _labels(config: TrialConfig, index: int) -> set[int]:
    data = load(config.dataset)
    draw = few_shot_draw(data, sampling="random", shots=2, validation="all", index=index, seed=0)
    return set(data.pool.labels_N[draw.train].tolist())


@pytest.mark.lengthy
def test_another_initialisation_trains_the_same_rows_from_another_start(config: TrialConfig) -> None:
    trial = _with(config, **_metric_loss())
    searched, again, other = (_timeless(replicates(trial, initialisation=number)) for number in (0, 0, 1))
    assert searched == again == _timeless(replicates(trial))
    assert [evaluation.initialisation for evaluation in other] == [1] * 4
    for evaluation, changed in zip(searched, other, strict=True):
        assert (evaluation.draw, evaluation.point) == (changed.draw, changed.point)
        assert evaluation.metrics["tokens"] == changed.metrics["tokens"], "the same rows"
        assert evaluation.metrics["train_loss"] != changed.metrics["train_loss"]
        assert evaluation.metrics["val_loss"] != changed.metrics["val_loss"]


def test_as_published_the_metric_loss_sees_padding_up_to_the_longest_row_of_the_pool(
    config: TrialConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    call = Objective.__call__

    def spy(self: Objective, model: Any, batch: Batch, *, bf16: bool) -> Terms:
        seen.append((self.padding, batch.inputs["input_ids"].shape[1]))
        return call(self, model, batch, bf16=bf16)

    monkeypatch.setattr(Objective, "__call__", spy)
    data, tokenizer = load(config.dataset), load_encoder(config.encoder, None, 2).tokenizer
    texts = (f"the red film and {data.pool.texts[0]}", *data.pool.texts[1:])
    lengthened = replace(data, pool=replace(data.pool, texts=texts))
    longest = len(tokenizer(texts[0])["input_ids"])
    monkeypatch.setattr(training, "load", lambda _: lengthened)
    monkeypatch.setattr(training, "draw_of", lambda *_: Draw(np.arange(2, 6), np.arange(6, 9)))
    published = {"compatibility": "published", "steps": 1, "evaluations": 1, "replicates": 1}
    for fields in ({"embedding": "tokens"}, {"embedding": "mean"}):
        list(replicates(_with(config, **published, **fields, **_metric_loss())))
    list(replicates(_with(config, **published, embedding="tokens")))  # cross-entropy has no use for padding
    assert seen[0] == (True, longest)
    assert [padding for padding, _ in seen[1:]] == [False, False]
    assert max(width for _, width in seen[1:]) < longest


@pytest.mark.parametrize("loss", sorted(name for name, entry in LOSSES.items() if entry.has_proxies))
def test_the_published_rule_is_scored_for_losses_with_proxies(loss: str, config: TrialConfig) -> None:
    trial = _with(config, loss={"name": loss}, beta=0.4, embedding="tokens", compatibility="published", replicates=1)
    (evaluation,) = replicates(trial, part="test")
    assert evaluation.outcome is None
    assert 0 <= evaluation.metrics["test_published_accuracy"] <= 1
    assert trial.proxy_lr is None


@pytest.mark.parametrize("fields", [{}, {"loss": {"name": "supcon"}}, _metric_loss(beta=1.0)])
def test_without_proxies_there_is_no_published_rule(fields: dict[str, Any], config: TrialConfig) -> None:
    (evaluation,) = replicates(_with(config, compatibility="published", replicates=1, **fields), part="test")
    assert evaluation.outcome is None
    assert "test_published_accuracy" not in evaluation.metrics


@pytest.mark.lengthy
def test_as_published_a_sentence_is_asked_by_its_first_token(config: TrialConfig) -> None:
    fields = _metric_loss(compatibility="published", embedding="tokens", replicates=1)
    trial = _with(config, **fields)
    embedded = []

    def spy(*arguments: Any, embedding: Embedding | None = None, **others: Any) -> Outputs:
        embedded.append(embedding)
        return run_encoder(*arguments, embedding=embedding, **others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "run_encoder", spy)
        list(replicates(trial, part="test"))
        list(replicates(_with(trial, compatibility="none"), part="test"))
    assert embedded == ["cls"] * 3 + ["tokens"] * 3


@pytest.mark.lengthy
def test_the_test_part_is_scored_whole(config: TrialConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load(config.dataset)
    flipped = replace(data, test=replace(data.test, labels_N=1 - data.test.labels_N))
    accuracy = [evaluation.metrics["test_accuracy"] for evaluation in replicates(config, part="test")]
    monkeypatch.setattr(training, "load", lambda _: flipped)
    assert [evaluation.metrics["test_accuracy"] for evaluation in replicates(config, part="test")] == pytest.approx(
        [1 - each for each in accuracy]
    )


@pytest.mark.lengthy
def test_pairs_of_sentences_train(config: TrialConfig, tmp_path: Path) -> None:
    words = [("good", "great"), ("bad", "poor"), ("good", "poor"), ("bad", "great")]
    rows = [f"film {n} {a},the {n} {b},{int((a == 'good') == (b == 'great'))}" for n in range(10) for a, b in words]
    path = tmp_path / "pairs.csv"
    path.write_text("first,second,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    dataset = DatasetConfig(name="pairs", path=str(path), text="first", text_pair="second")
    *_, last = replicates(_with(config, dataset=dataset.model_dump(), **_metric_loss()))
    assert last.outcome is None
    assert last.metrics["tokens"] > 0


def test_every_precision_and_embedding_trains(config: TrialConfig) -> None:
    for embedding in ("cls", "mean", "tokens"):
        trial = _with(config, precision="bf16", embedding=embedding, replicates=1, steps=2, **_metric_loss())
        assert all(evaluation.outcome is None for evaluation in replicates(trial))


def test_a_loss_that_is_not_finite_ends_the_trial_as_diverged(config: TrialConfig) -> None:
    evaluations = list(replicates(_unchecked(config, encoder_lr=1e30, warmup=0.0)))
    last = evaluations[-1]
    assert last.outcome is Outcome.DIVERGED
    assert 1 <= last.step <= 3
    assert (last.replicate, last.point) == (0, 1)
    assert last.reason.endswith(f"at step {last.step} of 12")
    assert "train_loss is nan" in last.reason
    assert last.metrics == {}
    assert len(evaluations) == 1


@pytest.mark.parametrize("part", PARTS)
def test_scores_that_are_not_finite_end_the_trial_as_diverged(part: training.Part, config: TrialConfig) -> None:
    (last,) = replicates(_unchecked(config, encoder_lr=1e30, warmup=0.0, steps=1, evaluations=1), part=part)
    assert last.outcome is Outcome.DIVERGED
    assert last.reason == "class scores are not finite after step 1 of 1"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "out of memory: CUDA out of memory."),
        (MemoryError(), "out of memory: the allocator gave no details"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: not enough memory"), "out of memory: "),
        (RuntimeError("shapes differ\n  at row 3"), "RuntimeError: shapes differ"),
        (KeyError("logits"), "KeyError: 'logits'"),
    ],
)
def test_an_error_in_the_middle_is_a_failure_with_its_reason(
    error: Exception, reason: str, config: TrialConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def score(*_: object, **__: object) -> None:
        raise error

    evaluations = replicates(config)
    first = next(evaluations)
    monkeypatch.setattr(scoring, "run_encoder", score)
    last, *rest = evaluations
    assert first.outcome is None
    assert not rest
    assert last.outcome is Outcome.FAILED
    assert last.reason.startswith(reason)
    assert "\n" not in last.reason
    assert last.detail.startswith("Traceback")
    assert (last.replicate, last.point, last.step) == (0, 2, 6)


def test_an_allocation_that_cannot_be_met_is_out_of_memory(
    config: TrialConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Objective, "__call__", lambda *_, **__: torch.empty(1 << 60))
    (evaluation,) = replicates(config)
    assert evaluation.outcome is Outcome.FAILED
    assert evaluation.reason.startswith("out of memory: ")


def test_a_failing_device_is_no_outcome(config: TrialConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(Objective, "__call__", fail)
    with pytest.raises(torch.AcceleratorError, match="illegal memory access"):
        next(replicates(config))


def test_mistakes_are_raised_before_the_first_evaluation(config: TrialConfig) -> None:
    with pytest.raises(DataError, match="ask for fewer shots"):
        replicates(_with(config, shots=500))
    with pytest.raises(EncoderError, match="must be a folder"):
        replicates(_with(config, encoder="/no/such/encoder"))
    with pytest.raises(ConfigError, match=r"max_length must be at most 128, .* received 200: lower it"):
        replicates(_with(config, max_length=200))


@pytest.mark.parametrize("loss", sorted(name for name, entry in LOSSES.items() if entry.needs_pairs))
def test_pair_losses_need_two_rows_of_a_class(loss: str, config: TrialConfig) -> None:
    trial = _with(config, loss={"name": loss}, beta=0.5, shots=1, replicates=1, steps=2)
    with pytest.raises(ConfigError, match="shots must be at least 2; received 1"):
        replicates(trial)
    assert all(evaluation.outcome is None for evaluation in replicates(_with(trial, embedding="tokens")))


@pytest.mark.lengthy
def test_beginning_another_trial_ends_the_one_at_work(config: TrialConfig) -> None:
    first, second = replicates(config), replicates(config)
    next(first)
    expected = _timeless(replicates(config))
    next(second)
    with pytest.raises(RuntimeError, match="another trial was begun in this process"):
        next(first)
    assert _timeless(second) == expected[1:]


@pytest.mark.slow
def test_a_pruned_trial_leaves_no_gradients_and_no_tensors(config: TrialConfig) -> None:
    def tensors() -> int:
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    def prune() -> None:
        with closing(replicates(_with(config, **_metric_loss()))) as evaluations:  # type: ignore[type-var]
            next(evaluations)

    prune()
    before = tensors()
    for _ in range(5):
        prune()
    list(replicates(_with(config, replicates=5, **_metric_loss())))
    assert tensors() == before


@pytest.mark.parametrize("steps", [1, 4, 7, 120])
@pytest.mark.parametrize("count", [1, 3, 4])
def test_evaluation_points_are_even_and_end_at_the_end(steps: int, count: int) -> None:
    count = min(count, steps)
    points = evaluation_points(steps, count)
    assert len(set(points)) == count
    assert points[-1] == steps
    gaps = np.diff([0, *points])
    assert gaps.min() >= 1
    assert gaps.max() - gaps.min() <= 1


@pytest.mark.lengthy
def test_a_forgotten_iterator_does_not_disturb_its_successor(config: TrialConfig) -> None:
    """Collected in the middle of another trial's step, it must leave the gradients alone."""
    undisturbed = _timeless(replicates(config, draws=(1,)))
    forgotten = replicates(config, draws=(0,))
    next(forgotten)
    successor = replicates(config, draws=(1,))
    first = next(successor)
    parameter = next(load_encoder(config.encoder, None, 2).model.parameters())
    parameter.grad = torch.ones_like(parameter)
    forgotten.close()  # type: ignore[attr-defined]  # an iterator from a generator function
    assert parameter.grad is not None
    parameter.grad = None
    assert _timeless(iter([first, *successor])) == undisturbed
