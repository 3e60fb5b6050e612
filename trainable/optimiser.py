"""AdamW over encoder, head and proxies, and the learning-rate schedule."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn

    from trainable.config import TrialConfig
    from trainable.encoder import Encoder

__all__ = ["PUBLISHED_STEPS", "build_optimiser", "learning_rate_factor", "parameter_groups"]

PUBLISHED_STEPS = 120
"""Length of the schedule in the papers' code (arXiv 2211.15195, 2211.15202), however many steps it trains."""


def build_optimiser(
    config: TrialConfig, encoder: Encoder, metric_loss: nn.Module | None, head: nn.Module | None = None
) -> torch.optim.AdamW:
    """Return bias-corrected AdamW (Mosbach et al., 2021; Zhang et al., 2021) over `parameter_groups`."""
    import torch

    return torch.optim.AdamW(parameter_groups(config, encoder, metric_loss, head), fused=True)


def parameter_groups(
    config: TrialConfig, encoder: Encoder, metric_loss: nn.Module | None, head: nn.Module | None = None
) -> list[dict[str, Any]]:
    """Return the parameter groups `encoder`, `head` and `proxies`, each with its highest learning rate as `peak`.

    The head is every parameter that lies outside the encoder's body or came without pretrained weights. Encoder and
    head are split by weight decay: biases and norm weights (vectors) never decay. Nor do proxies, since losses on
    angles do not depend on their length, nor a head that starts at centroids, which decay would move away. In its place
    the encoder's own head is not trained. With `compatibility: published` there is one group, `all`, at the encoder's
    rate, and everything decays.
    """
    proxies = [] if metric_loss is None else list(metric_loss.parameters())
    if config.published:
        everything, peak = [*encoder.model.parameters(), *proxies], config.encoder_lr
        return [
            {"name": "all", "params": everything, "lr": peak, "peak": peak, "weight_decay": config.weight_decay},
        ]
    head_lr = config.encoder_lr if config.head_lr is None else config.head_lr
    body = {id(parameter) for parameter in encoder.model.base_model.parameters()}
    groups: dict[str, dict[str, Any]] = {}
    for name, parameter in encoder.model.named_parameters():
        is_head = name in encoder.new or id(parameter) not in body
        if is_head and head is not None:
            continue
        decay = config.weight_decay if parameter.ndim >= 2 else 0.0
        part, peak = ("head", head_lr) if is_head else ("encoder", config.encoder_lr)
        group = groups.setdefault(f"{part}/{decay}", {"name": part, "params": [], "peak": peak, "weight_decay": decay})
        group["params"].append(parameter)
    if head is not None:
        groups["head"] = {"name": "head", "params": [*head.parameters()], "peak": head_lr, "weight_decay": 0.0}
    if proxies:
        groups["proxies"] = {"name": "proxies", "params": proxies, "peak": config.proxy_lr, "weight_decay": 0.0}
    return [{**group, "lr": group["peak"]} for group in groups.values()]


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
