"""The bare arm: the cost of training alone, in one process a slot that trains its share of the trials.

`python -m tests.benchmarks.bare CONFIGS.json RESULTS.json --slots 2`
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from trainable.config import TrialConfig

__all__ = ["main"]


def main() -> None:
    """Train every configuration of the file, and write its evaluations."""
    parser = argparse.ArgumentParser()
    parser.add_argument("configs", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--slots", type=int, required=True)
    options = parser.parse_args()
    configs = [TrialConfig.model_validate(config) for config in json.loads(options.configs.read_text())]
    shares = [configs[slot :: options.slots] for slot in range(options.slots)]
    with ProcessPoolExecutor(options.slots, mp_context=get_context("spawn")) as pool:
        trials = [trial for share in pool.map(train, shares) for trial in share]
    options.results.write_text(json.dumps(trials))


def train(configs: Sequence[TrialConfig]) -> list[dict[str, Any]]:
    """Train the configurations of one slot, one after the other."""
    from trainable.training import replicates

    return [
        {"learning_rate": config.encoder_lr, "evaluations": [evaluation.to_json() for evaluation in replicates(config)]}
        for config in configs
    ]


if __name__ == "__main__":
    main()
