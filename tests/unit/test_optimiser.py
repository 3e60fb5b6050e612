from __future__ import annotations

import math
from pathlib import Path

import pytest

from trainable.config import DatasetConfig, TrialConfig
from trainable.encoder import load_encoder
from trainable.losses import LOSSES
from trainable.losses.soft_triple import SoftTriple
from trainable.optimiser import build_optimiser, learning_rate_factor, parameter_groups


def _config(**fields: object) -> TrialConfig:
    return TrialConfig.model_validate({"dataset": DatasetConfig(name="toy"), "shots": 4, "encoder": "tiny"} | fields)


@pytest.mark.lengthy
@pytest.mark.parametrize("tiny", ["tiny_bert", "tiny_roberta"])
def test_groups_hold_every_parameter_once_with_its_rate_and_decay(tiny: str, request: pytest.FixtureRequest) -> None:
    encoder = load_encoder(str(request.getfixturevalue(tiny)), None, 2)
    entry = LOSSES["soft_triple"]
    assert entry.build is not None
    loss = entry.build(SoftTriple(), 2, 32)
    config = _config(loss=SoftTriple(), encoder_lr=1e-5, head_lr=1e-3, proxy_lr=0.1, weight_decay=0.02)
    groups = parameter_groups(config, encoder, loss)
    held = [id(parameter) for group in groups for parameter in group["params"]]
    everything = [*encoder.model.parameters(), *loss.parameters()]
    assert sorted(held) == sorted(id(parameter) for parameter in everything)
    rates = {group["name"]: group["peak"] for group in groups}
    assert rates == {"encoder": 1e-5, "head": 1e-3, "proxies": 0.1}
    assert all(group["lr"] == group["peak"] for group in groups)
    names = {id(parameter): name for name, parameter in encoder.model.named_parameters()}
    for group in groups:
        for parameter in group["params"]:
            name = names.get(id(parameter), "proxies")
            assert (group["name"] == "head") == (name in encoder.new)
            bare = name == "proxies" or name.endswith("bias") or "LayerNorm" in name
            assert group["weight_decay"] == (0.0 if bare else 0.02), name


def test_the_head_trains_at_the_encoder_s_rate_unless_told_otherwise(tiny_bert: Path) -> None:
    groups = parameter_groups(_config(encoder_lr=3e-5), load_encoder(str(tiny_bert), None, 2), None)
    assert {(group["name"], group["peak"]) for group in groups} == {("encoder", 3e-5), ("head", 3e-5)}


def test_without_weight_decay_nothing_decays(tiny_bert: Path) -> None:
    groups = parameter_groups(_config(weight_decay=0), load_encoder(str(tiny_bert), None, 2), None)
    assert [group["weight_decay"] for group in groups] == [0.0, 0.0]


def test_as_published_there_is_one_group_at_one_rate_and_all_decays(tiny_bert: Path) -> None:
    encoder, entry = load_encoder(str(tiny_bert), None, 2), LOSSES["soft_triple"]
    assert entry.build is not None
    loss = entry.build(SoftTriple(), 2, 32)
    config = _config(loss=SoftTriple(), encoder_lr=1e-5, weight_decay=0.02, compatibility="published")
    (group,) = parameter_groups(config, encoder, loss)
    assert (group["lr"], group["peak"], group["weight_decay"]) == (1e-5, 1e-5, 0.02)
    everything = [*encoder.model.parameters(), *loss.parameters()]
    assert sorted(map(id, group["params"])) == sorted(map(id, everything))
    assert build_optimiser(config, encoder, loss).param_groups[0]["weight_decay"] == 0.02


def test_the_optimiser_is_fused(tiny_bert: Path) -> None:
    optimiser = build_optimiser(_config(), load_encoder(str(tiny_bert), None, 2), None)
    assert optimiser.defaults["fused"]


def test_values_of_the_schedules() -> None:
    def factors(**fields: object) -> list[float]:
        config = _config(steps=10, **fields)
        return [learning_rate_factor(config, step) for step in range(10)]

    assert factors(warmup=0.3, schedule="constant") == pytest.approx([0.25, 0.5, 0.75, *[1.0] * 7])
    assert factors(warmup=0, schedule="linear") == pytest.approx([1 - step / 10 for step in range(10)])
    assert factors(warmup=0.5, schedule="linear")[5:] == pytest.approx([1, 0.8, 0.6, 0.4, 0.2])
    assert factors(warmup=0, schedule="cosine") == pytest.approx(
        [(1 + math.cos(math.pi * s / 10)) / 2 for s in range(10)]
    )


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("steps", [1, 2, 7, 120])
def test_the_rate_is_positive_and_never_rises_after_the_warm_up(schedule: str, warmup: float, steps: int) -> None:
    config = _config(schedule=schedule, warmup=warmup, steps=steps, evaluations=1)
    factors = [learning_rate_factor(config, step) for step in range(steps)]
    assert all(0 < factor <= 1 for factor in factors)
    peak = factors.index(max(factors))
    assert max(factors) == 1
    assert factors[:peak] == sorted(factors[:peak])
    after = [learning_rate_factor(config, step) for step in range(peak, 4 * steps)]
    assert after == sorted(after, reverse=True)


@pytest.mark.parametrize("steps", [60, 120, 240])
def test_the_published_cosine_is_laid_out_for_120_steps(steps: int) -> None:
    config = _config(schedule="cosine", compatibility="published", warmup=0.1, steps=steps)
    factors = [learning_rate_factor(config, step) for step in range(steps)]
    planned = [learning_rate_factor(_config(schedule="cosine", warmup=0.1, steps=120), step) for step in range(120)]
    assert factors[:120] == planned[:steps]
    if steps > 120:
        assert factors[120] == pytest.approx(0)
        assert factors[120:229] == sorted(factors[120:229])
        assert factors[228] == pytest.approx(1)  # 120 steps and their 108 after the warm-up


@pytest.mark.parametrize("schedule", ["linear", "constant"])
def test_other_schedules_are_the_same_as_published(schedule: str) -> None:
    ours, published = (
        [learning_rate_factor(_config(schedule=schedule, compatibility=each, steps=200), step) for step in range(200)]
        for each in ("none", "published")
    )
    assert ours == published
