"""AdamW over encoder, head and proxies, and the learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainable.encoder.layers import depths, layer_count
from trainable.losses import LOSSES

if TYPE_CHECKING:
    import torch
    from torch import nn

    from trainable.config import TrialConfig
    from trainable.encoder import Encoder
    from trainable.encoder.used_tokens import UsedTokens
    from trainable.low_rank import LowRankUpdates

__all__ = ["PUBLISHED_STEPS", "build_optimiser", "layer_rates", "learning_rate_factor", "parameter_groups"]

PUBLISHED_STEPS = 120
"""Length of the schedule in the papers' code (arXiv 2211.15195, 2211.15202), however many steps it trains."""


def build_optimiser(
    config: TrialConfig,
    encoder: Encoder,
    metric_loss: nn.Module | None,
    head: nn.Module | None = None,
    used: UsedTokens | None = None,
    updates: LowRankUpdates | None = None,
) -> torch.optim.AdamW:
    """Return bias-corrected AdamW (Mosbach et al., 2021; Zhang et al., 2021) over `parameter_groups`.

    used: what is trained of the token embeddings, in their place.
    updates: what is trained in place of the matrices of the encoder, whose other weights then stay as they are.
    """
    import torch

    groups = parameter_groups(config, encoder, metric_loss, head)
    if updates is not None:
        for group in groups:
            if group["name"] == "encoder":
                group["params"] = [factor for each in group["params"] for factor in updates.factors_of(each)]
        groups = [group for group in groups if group["params"]]
    if used is not None:
        for group in groups:
            group["params"] = [used.weight if each is used.table.weight else each for each in group["params"]]
    return torch.optim.AdamW(groups, fused=True)


def parameter_groups(
    config: TrialConfig, encoder: Encoder, metric_loss: nn.Module | None, head: nn.Module | None = None
) -> list[dict[str, Any]]:
    """Return the parameter groups `encoder`, `head`, `proxies` and `projection`, each with its highest learning rate as
    `peak`.

    The head is every parameter that lies outside the encoder's body or came without pretrained weights. Encoder and
    head are split by weight decay: biases and norm weights (vectors) never decay. Nor do proxies, since losses on
    angles do not depend on their length, nor a head that starts at centroids, which decay would move away. In its place
    the encoder's own head is not trained, and frozen layers are not. With `layer_decay` the encoder is split by depth.
    With `compatibility: published` there is one group, `all`, at the encoder's rate, and everything decays.
    """
    added = [] if metric_loss is None else list(metric_loss.parameters())
    if config.published:
        after = encoder.modules_for(config.embedding)
        dense = [] if after is None else list(after.parameters())
        everything, peak = [*encoder.model.parameters(), *dense, *added], config.encoder_lr
        return [
            {"name": "all", "params": everything, "lr": peak, "peak": peak, "weight_decay": config.weight_decay},
        ]
    head_lr = config.encoder_lr if config.head_lr is None else config.head_lr
    groups = _encoder_groups(config, encoder, head_lr, own_head=head is None)
    if head is not None:
        groups.append(_group("head", [*head.parameters()], head_lr, 0.0))
    if added and LOSSES[config.fine_tuned_with.name].has_proxies:
        groups.append(_group("proxies", added, config.proxy_lr, 0.0))
    elif added:
        groups.append(_group("projection", added, head_lr, 0.0))
    return groups


def _encoder_groups(config: TrialConfig, encoder: Encoder, head_lr: float, *, own_head: bool) -> list[dict[str, Any]]:
    """The parameters of the encoder and of its own head that are trained, by their rate and weight decay."""
    body = {id(parameter) for parameter in encoder.model.base_model.parameters()}
    rates = layer_rates(config, encoder)
    groups: dict[tuple[str, float, float], dict[str, Any]] = {}
    after = encoder.modules_for(config.embedding)
    body |= {id(parameter) for parameter in after.parameters()} if after is not None else set()
    for name, parameter in [*encoder.model.named_parameters(), *(after.named_parameters() if after else ())]:
        is_head = name in encoder.new or id(parameter) not in body
        peak = head_lr if is_head else rates.get(name, config.encoder_lr)
        if peak == 0 or (is_head and not own_head):
            continue
        part, decay = "head" if is_head else "encoder", config.weight_decay if parameter.ndim >= 2 else 0.0
        group = groups.setdefault((part, peak, decay), _group(part, [], peak, decay))
        group["params"].append(parameter)
    return list(groups.values())


def _group(name: str, parameters: list[nn.Parameter], peak: float | None, decay: float) -> dict[str, Any]:
    return {"name": name, "params": parameters, "lr": peak, "peak": peak, "weight_decay": decay}


def layer_rates(config: TrialConfig, encoder: Encoder) -> Mapping[str, float]:
    """Return the highest learning rate of each parameter of the body by name, 0 for those of frozen layers; nothing
    where all have one rate.

    The top layer and what follows it have `encoder_lr`, each layer below a share `layer_decay` of the one above it
    (Howard & Ruder, 2018: arXiv:1801.06146; Clark et al., 2020: arXiv:2003.10555), and the token embeddings are as one
    layer below the first.

    Raises ConfigError for an encoder without a list of layers.
    """
    if config.layer_decay == 1 and not config.frozen_layers:
        return {}
    depth_of = depths(encoder.model)
    top = layer_count(encoder.model)
    frozen = config.frozen_layers if config.frozen_layers else -1
    return {
        name: 0.0 if depth <= frozen else config.encoder_lr * config.layer_decay ** max(0, top - depth)
        for name, depth in depth_of.items()
    }


def learning_rate_factor(config: TrialConfig, step: int) -> float:
    """Return the learning rate at `step`, counted from 0, as a share of the peak rate.

    It rises to 1 during the warm-up, then falls or stays constant, and is positive at every step of a replicate. With
    `compatibility: published`, the cosine schedule and its warm-up last `PUBLISHED_STEPS` whatever `config.steps` is:
    beyond them the rate starts from 0 and rises again.
    """
    endless = config.published and config.schedule == "cosine"
    steps = PUBLISHED_STEPS if endless else config.steps
    warmup = int(config.warmup * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = (step - warmup) / (steps - warmup)
    if not endless:
        progress = min(1.0, progress)
    if config.schedule == "linear":
        return 1.0 - progress
    return 0.5 * (1.0 + math.cos(math.pi * progress)) if config.schedule == "cosine" else 1.0
